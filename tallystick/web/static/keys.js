// @ts-check
// One place for keys. Single letters rest while somebody types, with a modifier held, and when switched off.

const OFF = "tallystick.keys";
/** @type {Map<string, () => boolean | void>} */
const bound = new Map();
const PAGES = {
  h: "/", r: "/runs", c: "/cost", p: "/approvals", j: "/journal",
  a: "/agents", t: "/tools", m: "/models", d: "/data", e: "/prompts", o: "/policies", b: "/budgets", s: "/suites",
  w: "/workflows", f: "/find", x: "/access", i: "/reach", u: "/unused", q: "/quarantine",
};
let leading = false;

/** Bind a key; a handler that returns false did not use it. @param {string} key @param {() => boolean | void} act */
export function bind(key, act) {
  bound.set(key, act);
}

/** @returns {boolean} whether single-letter keys are switched off */
function off() {
  try {
    return localStorage.getItem(OFF) === "off";
  } catch {
    return false;
  }
}

/** @param {EventTarget | null} target @returns {boolean} */
function typing(target) {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const dialog = /** @type {HTMLDialogElement | null} */ (document.querySelector("dialog[open]"));
  if (dialog) return;
  if (typing(event.target)) {
    if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
    return;
  }
  if (event.key.length === 1 && off()) return;
  if (leading) {
    leading = false;
    const page = PAGES[/** @type {keyof typeof PAGES} */ (event.key)];
    if (page) {
      location.assign(page);
      return;
    }
  }
  if (event.key === "g") {
    leading = true;
    setTimeout(() => (leading = false), 1200);
    return;
  }
  const act = bound.get(event.key);
  if (act && act() !== false) event.preventDefault();
}

/** Move through the rows of a list. @param {number} by */
function step(by) {
  const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-rows] [data-go]")]);
  if (rows.length === 0) return false;
  const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

/** The help dialog takes its table from the page of keys, so that there is one list. */
async function help() {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("keys"));
  const body = dialog.querySelector("[data-keys-body]");
  if (body && !body.firstChild) {
    const answer = await fetch("/keys");
    if (!answer.ok) {
      location.assign("/keys");
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const list = page.querySelector("[data-keys-list]");
    if (list) body.append(document.importNode(list, true));
  }
  const box = /** @type {HTMLInputElement} */ (dialog.querySelector("[data-keys-off]"));
  box.checked = off();
  box.onchange = () => localStorage.setItem(OFF, box.checked ? "off" : "on");
  dialog.showModal();
}

/** Start listening; called once by main.js. */
export function start() {
  document.addEventListener("keydown", pressed);
  document.querySelector("[data-keys-open]")?.addEventListener("click", (event) => {
    event.preventDefault();
    void help();
  });
  bind("?", () => void help());
  bind("/", () => {
    const search = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-search]"));
    if (!search) return false;
    search.focus();
    search.select();
    return true;
  });
  if (!bound.has("j")) bind("j", () => step(1));
  if (!bound.has("k")) bind("k", () => step(-1));
  const approve = /** @type {HTMLElement | null} */ (document.querySelector("[data-approve]"));
  const reject = /** @type {HTMLElement | null} */ (document.querySelector("[data-reject]"));
  // a letter only chooses: an effect that cannot be taken back is never one slip of a finger away
  if (approve) bind("a", () => approve.focus());
  if (reject) bind("r", () => reject.focus());
}
