// @ts-check
// The list of runs: views that somebody named (kept in this browser; a view is its address), and two runs to compare.
import { oneLine, say } from "./text.js";

const KEY = "tallystick.views";
const MOST = 30;

/** @typedef {{ name: string, query: string }} View */

/** @returns {View[]} */
function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one?.name === "string" && typeof one?.query === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

/** @param {View[]} views */
function keep(views) {
  try {
    localStorage.setItem(KEY, JSON.stringify(views.slice(0, MOST)));
  } catch {
    say("not saved: the browser refused");
  }
  draw();
}

function draw() {
  const list = document.querySelector("[data-views-list]");
  if (!list) return;
  const here = new URLSearchParams(location.search).get("q") ?? "";
  const views = kept();
  list.replaceChildren(
    ...views.flatMap((view, i) => {
      const link = document.createElement("a");
      link.href = `/runs${view.query && `?q=${encodeURIComponent(view.query)}`}`;
      link.textContent = oneLine(view.name, 60);
      link.title = oneLine(view.query, 300);
      if (view.query === here) link.setAttribute("aria-current", "true");
      const gone = document.createElement("button");
      gone.type = "button";
      gone.className = "copy";
      gone.textContent = "✕";
      gone.setAttribute("aria-label", `forget the view ${oneLine(view.name, 60)}`);
      gone.addEventListener("click", () => keep(kept().filter((_, k) => k !== i)));
      return [link, gone];
    }),
  );
}

function startViews() {
  const box = /** @type {HTMLElement | null} */ (document.querySelector("[data-views]"));
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-view-save]"));
  if (!box || !form) return;
  box.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const input = /** @type {HTMLInputElement} */ (form.querySelector("input"));
    const name = input.value.trim();
    if (!name) return;
    const query = new URLSearchParams(location.search).get("q") ?? "";
    keep([{ name, query }, ...kept().filter((view) => view.name !== name)]);
    input.value = "";
    say(`saved as ${name}`);
  });
  draw();
}

function startPicking() {
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-picked]"));
  if (!form) return;
  const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-pick]"));
  if (boxes.length < 2) return;
  form.hidden = false;
  for (const cell of document.querySelectorAll("[data-pick-cell], [data-pick-head]")) /** @type {HTMLElement} */ (cell).hidden = false;
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  const words = /** @type {HTMLElement} */ (form.querySelector("[data-picked-say]"));
  /** @type {string[]} */
  let picked = [];
  const show = () => {
    for (const box of boxes) box.checked = picked.includes(box.dataset.pick ?? "");
    button.disabled = picked.length !== 2;
    words.textContent = ["Mark two runs to compare them.", "One is marked: mark another one.", "Two are marked:"][picked.length];
    for (const [k, name] of ["a", "b"].entries()) /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value = picked[k] ?? "";
  };
  for (const box of boxes) {
    box.addEventListener("change", () => {
      const run = box.dataset.pick ?? "";
      // a third one takes the place of the first
      picked = box.checked ? [...picked, run].slice(-2) : picked.filter((one) => one !== run);
      show();
    });
  }
  show();
}

startViews();
startPicking();
