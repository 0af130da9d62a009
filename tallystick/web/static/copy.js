// @ts-check
import { bind } from "./keys.js";
import { say } from "./text.js";

/** @param {string} text @param {HTMLElement | null} button */
async function copy(text, button) {
  let done = "copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = "not copied: the browser refused";
  }
  say(done);
  if (!button) return;
  const before = button.textContent;
  button.textContent = done;
  setTimeout(() => (button.textContent = before), 1500);
}

/** Buttons that copy an id, wherever they appear, and the key for this view's link. */
export function start() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    /** @type {HTMLElement} */ (button).hidden = false;
  }
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (button instanceof HTMLElement) void copy(button.dataset.copy ?? "", button);
  });
  bind("c", () => void copy(location.href, null));
}
