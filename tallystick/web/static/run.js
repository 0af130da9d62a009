// @ts-check
// The run page: joins the tree, the stick, the search, the chosen step and the address bar.
import { bind } from "./keys.js";
import { listen } from "./live.js";
import { Panel } from "./panel.js";
import { count, say } from "./text.js";
import { drawStick, layOut, writeAxis } from "./timeline.js";
import { Tree, trouble } from "./tree.js";

/** @template {Element} T @param {string} selector @returns {T} */
function one(selector) {
  const found = document.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return /** @type {T} */ (found);
}

const body = /** @type {HTMLElement} */ (one(".run-body"));
const stick = /** @type {HTMLCanvasElement} */ (one("[data-stick]"));
const find = /** @type {HTMLInputElement} */ (one("[data-find]"));
const found = /** @type {HTMLElement} */ (one("[data-found]"));
const only = /** @type {HTMLInputElement} */ (one("[data-only-errors]"));
const panel = new Panel(one("[data-panel]"), body.dataset.steps ?? "");
const tree = new Tree(one("[data-tree]"), one("[data-space]"), body.dataset.marks ?? "", { chosen });
const narrow = matchMedia("(max-width: 800px)");
/** @type {string[] | null} */
let words = null;

/** Keep the view in the address, so that a link shows what its sender saw. */
function address() {
  const url = new URL(location.href);
  const put = (/** @type {string} */ key, /** @type {string} */ value) => {
    url.searchParams.delete(key); // taken out first, so that one view has one address
    if (value) url.searchParams.set(key, value);
  };
  put("step", tree.at >= 0 ? tree.columns.step[tree.at] : "");
  put("find", find.value.trim());
  put("only", tree.only ? "trouble" : "");
  history.replaceState(null, "", url);
}

function draw() {
  if (tree.size) drawStick(stick, tree.columns, tree.time, (i) => trouble(tree.columns, i), tree.at);
}

/** @param {number} i @param {boolean} open */
function chosen(i, open) {
  if (!narrow.matches || open) {
    panel.open();
    panel.show(tree.columns.step[i], open ? 0 : 140);
  }
  only.checked = tree.only;
  address();
  draw();
}

/** Search every step of the run by what its row says. */
function search() {
  const wanted = find.value.trim().toLowerCase();
  const c = tree.columns;
  tree.matches.clear();
  if (wanted) {
    words ??= c.step.map((step, i) =>
      [c.name[i], c.agent[i], c.kind[i], c.status[i], c.decision[i], step].join(" ").toLowerCase(),
    );
    const parts = wanted.split(/\s+/);
    for (let i = 0; i < words.length; i++) {
      const text = words[i];
      if (parts.every((part) => text.includes(part))) tree.matches.add(i);
    }
  }
  found.textContent = wanted ? `${count(tree.matches.size)} of ${count(tree.size)}` : `${count(tree.size)} steps`;
  tree.refresh();
  address();
}

function nextMatch() {
  const i = tree.matches.size ? tree.next((at) => tree.matches.has(at)) : -1;
  if (i >= 0) tree.choose(i);
  else say("no step matches");
  return i >= 0;
}

function nextError() {
  const i = tree.size ? tree.next((at) => trouble(tree.columns, at) !== "") : -1;
  if (i < 0) say("no step is in trouble");
  else tree.choose(i);
  return i >= 0;
}

/** Read the columns and build; keeps the chosen step when called again. */
async function load() {
  let answer;
  try {
    answer = await fetch(body.dataset.skeleton ?? "");
    if (!answer.ok) throw new Error(String(answer.status));
  } catch (error) {
    one("[data-space]").textContent = `The steps could not be read (${error instanceof Error ? error.message : "no answer"}). The plain table may still work.`;
    return;
  }
  const { columns } = await answer.json();
  const before = tree.at >= 0 ? tree.columns.step[tree.at] : new URLSearchParams(location.search).get("step");
  const parents = new Set(columns.parent);
  const time = layOut(columns, (i) => !parents.has(i));
  words = null;
  tree.at = -1;
  tree.load(columns, time);
  writeAxis(one("[data-axis]"), time);
  search();
  const at = before ? columns.step.indexOf(before) : -1;
  if (at >= 0) tree.choose(at, true);
  else draw();
  if (before && at < 0) say(`step ${before} is not in this run`);
  performance.mark("tree-ready");
}

function start() {
  const asked = new URLSearchParams(location.search);
  find.value = asked.get("find") ?? "";
  only.checked = tree.only = asked.get("only") === "trouble";
  find.addEventListener("input", search);
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (nextMatch()) tree.root.focus();
  });
  only.addEventListener("change", () => {
    tree.only = only.checked;
    tree.arrange();
    address();
  });
  for (const button of document.querySelectorAll("[data-next-error]")) {
    /** @type {HTMLElement} */ (button).hidden = false;
    button.addEventListener("click", nextError);
  }
  stick.addEventListener("click", (event) => {
    const wanted = (event.offsetX - 6) / (stick.clientWidth - 12);
    const c = tree.columns;
    let best = -1;
    let near = Infinity;
    for (let i = 0; i < tree.size; i++) {
      const place = tree.time.known ? tree.time.at(c.started_ns[i] ?? 0) : i / Math.max(1, tree.size - 1);
      // a step in trouble attracts: it is what its notch promises
      const away = Math.abs(place - wanted) - (trouble(c, i) ? 0.004 : 0);
      if (away < near) [best, near] = [i, away];
    }
    tree.choose(best, true);
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("[data-to-step]") : null;
    if (!(link instanceof HTMLElement)) return;
    event.preventDefault();
    tree.choose(tree.columns.step.indexOf(link.dataset.toStep ?? ""), true);
  });
  bind("j", () => (tree.move(1), tree.root.focus()));
  bind("k", () => (tree.move(-1), tree.root.focus()));
  bind("n", nextMatch);
  bind(".", nextError);
  bind("Escape", () => panel.close());
  addEventListener("themechange", draw);
  new ResizeObserver(draw).observe(stick);
  const pill = /** @type {HTMLElement} */ (one("[data-run-live]"));
  pill.addEventListener("click", () => {
    pill.hidden = true;
    void load();
  });
  listen((run) => {
    if (run !== null && run !== body.dataset.run) return;
    pill.hidden = false;
    say("this run has changed");
  });
  if (narrow.matches) one("[data-panel]").classList.add("untouched");
  void load();
}

start();
