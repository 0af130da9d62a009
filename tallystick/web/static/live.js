// @ts-check
// Live updates over server-sent events. Nothing moves by itself: a pill counts what is new and waits to be clicked.
import { ago, say } from "./text.js";

/**
 * Listen for changed runs. The browser reconnects by itself and resumes after the last event it saw.
 * @param {(run: string | null) => void} changed called with a run's id, or null when everything must be read anew
 */
export function listen(changed) {
  const source = new EventSource("/events");
  source.addEventListener("change", (event) => {
    const { run } = JSON.parse(event.data);
    if (typeof run === "string") changed(run);
  });
  source.addEventListener("resync", () => changed(null));
  addEventListener("pagehide", () => source.close());
}

/** Relative times grow older while the page is open. */
function age() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time.when")) {
    const words = time.querySelector(".rel");
    const iso = time.getAttribute("datetime");
    if (words && iso) words.textContent = ago(iso, now);
  }
}

/** The pill on lists. */
export function start() {
  setInterval(age, 20_000);
  const pill = /** @type {HTMLElement | null} */ (document.querySelector("[data-live]"));
  if (!pill) return;
  const here = new Set([...document.querySelectorAll("tr[data-run]")].map((row) => row.getAttribute("data-run")));
  /** @type {Set<string>} */
  const fresh = new Set();
  /** @type {Set<string>} */
  const moved = new Set();
  listen((run) => {
    if (run === null) {
      pill.textContent = "Out of date, show again";
    } else {
      (here.has(run) ? moved : fresh).add(run);
      document.querySelector(`tr[data-run="${CSS.escape(run)}"]`)?.classList.add("fresh");
      // with a filter nobody knows here whether a new run matches, so the pill does not claim it
      const words = [];
      if (fresh.size) words.push(`${fresh.size} new${pill.dataset.filtered === "1" ? " outside or inside this filter" : ""}`);
      if (moved.size) words.push(`${moved.size} changed`);
      pill.textContent = `${words.join(", ")} · show`;
    }
    pill.hidden = false;
    say(pill.textContent ?? "");
  });
}
