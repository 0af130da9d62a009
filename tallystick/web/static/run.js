// @ts-check
// The run page: joins the tree, the stick, the search, the chosen step, live updates and the address bar.
import { Columns } from "./columns.js";
import { Finder } from "./find.js";
import { bind } from "./keys.js";
import { Lines } from "./lines.js";
import { listen } from "./live.js";
import { Panel } from "./panel.js";
import { count, say } from "./text.js";
import { drawStick, layOut, writeAxis } from "./timeline.js";
import { ROW, Tree } from "./tree.js";

/** @template {Element} T @param {string} selector @returns {T} */
function one(selector) {
  const found = document.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return /** @type {T} */ (found);
}

const body = /** @type {HTMLElement} */ (one(".run-body"));
const stick = /** @type {HTMLCanvasElement} */ (one("[data-stick]"));
const only = /** @type {HTMLInputElement} */ (one("[data-only-errors]"));
const pill = /** @type {HTMLElement} */ (one("[data-run-live]"));
const panel = new Panel(one("[data-panel]"), body.dataset.steps ?? "");
const lines = new Lines(body.dataset.lines ?? "", () => tree.told());
const tree = new Tree(one("[data-tree]"), one("[data-space]"), body.dataset.marks ?? "", {
  chosen,
  seen: (steps) => lines.want(steps),
  line: (step) => lines.get(step),
});
const finder = new Finder(tree, one("[data-find]"), one("[data-found]"), body.dataset.finder ?? "", address);
const narrow = matchMedia("(max-width: 800px)");
let fresh = 0; // steps that came since somebody looked
let newest = -1; // the row of the newest of them
let stale = false;
let loading = false;

/** Keep the view in the address, so that a link shows what its sender saw. */
function address() {
  const url = new URL(location.href);
  const put = (/** @type {string} */ key, /** @type {string} */ value) => {
    url.searchParams.delete(key); // taken out first, so that one view has one address
    if (value) url.searchParams.set(key, value);
  };
  put("step", tree.at >= 0 ? tree.columns.step(tree.at) : "");
  put("find", finder.input.value.trim());
  put("only", tree.only ? "trouble" : "");
  history.replaceState(null, "", url);
}

function draw() {
  if (tree.size) drawStick(stick, tree.columns, tree.time, tree.at);
}

/** @param {number} i @param {boolean} open */
function chosen(i, open) {
  if (!narrow.matches || open) {
    panel.open();
    panel.show(tree.columns.step(i), open ? 0 : 140);
  }
  only.checked = tree.only;
  address();
  draw();
}

function nextError() {
  const i = tree.size ? tree.next((at) => tree.columns.trouble(at) !== "") : -1;
  if (i < 0) say("no step is in trouble");
  else tree.choose(i);
  return i >= 0;
}

/** @returns {Promise<Columns | null>} the run as it stands; null, with words on the page, where it cannot be read */
async function read() {
  try {
    const answer = await fetch(body.dataset.outline ?? "");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return new Columns(await answer.arrayBuffer());
  } catch (error) {
    const why = `The steps could not be read (${error instanceof Error ? error.message : "no answer"}).`;
    if (tree.size) say(why);
    else one("[data-space]").textContent = `${why} The plain table may still work.`;
    return null;
  }
}

/** The first look: the step and the search of the address are chosen again. */
async function load() {
  const columns = await read();
  if (!columns) return;
  const time = layOut(columns);
  tree.load(columns, time);
  writeAxis(one("[data-axis]"), time);
  performance.mark("tree-ready");
  const before = new URLSearchParams(location.search).get("step");
  if (finder.input.value) finder.search();
  else finder.show();
  const at = before ? columns.find(before) : -1;
  if (at >= 0) tree.choose(at, true);
  else draw();
  if (before && at < 0) say(`step ${before} is not in this run`);
}

/** The run has changed: show it as it stands now, with everything where it was. */
async function again() {
  if (loading) {
    stale = true;
    return;
  }
  loading = true;
  stale = false;
  const began = performance.now();
  const columns = await read();
  if (columns) keepPlace(columns);
  void header();
  // a long run that grows is read at most a tenth of the time
  const rest = Math.max(400, 10 * (performance.now() - began));
  setTimeout(() => {
    loading = false;
    if (stale) void again();
  }, rest);
}

/** @param {Columns} columns */
function keepPlace(columns) {
  const old = tree.columns;
  const { root } = tree;
  const end = root.scrollTop + root.clientHeight >= root.scrollHeight - 2 * ROW && tree.size > 0;
  const row = Math.min(tree.view.length - 1, Math.floor((root.scrollTop * tree.window.scale) / ROW));
  const top = row >= 0 ? old.step(tree.view[row]) : "";
  const inside = row >= 0 ? root.scrollTop - (row * ROW) / tree.window.scale : 0;
  const at = tree.at >= 0 ? old.step(tree.at) : "";
  const closed = [...tree.closed.keys()].filter((i) => tree.closed[i]).map((i) => old.step(i));
  const grown = columns.size - tree.size;
  lines.forget();
  const time = layOut(columns);
  tree.at = at ? columns.find(at) : -1;
  tree.load(columns, time);
  for (const step of closed) {
    const i = columns.find(step);
    if (i >= 0) tree.closed[i] = 1;
  }
  if (closed.length) tree.arrange();
  writeAxis(one("[data-axis]"), time);
  finder.search();
  const place = top ? columns.find(top) : -1;
  if (end) root.scrollTop = root.scrollHeight;
  else if (place >= 0 && tree.where[place] >= 0) root.scrollTop = (tree.where[place] * ROW) / tree.window.scale + inside;
  draw();
  if (grown > 0) arrived(grown, end);
}

/** Say that steps came; somebody who looks at the end sees them anyway. @param {number} grown @param {boolean} seen */
function arrived(grown, seen) {
  const { started } = tree.columns;
  newest = 0;
  for (let i = 0; i < started.length; i++) if (started[i] > started[newest]) newest = i;
  fresh = seen ? 0 : fresh + grown;
  pill.hidden = fresh === 0;
  pill.textContent = `${count(fresh)} new ${fresh === 1 ? "step" : "steps"}`;
  say(`${count(grown)} new ${grown === 1 ? "step" : "steps"}`);
}

/** The verdicts above the tree, as they stand now. The server escapes all of it. */
async function header() {
  const answer = await fetch(`${location.pathname}?part=1`).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of ["header.run-head", "[data-incomplete]"]) {
    const now = page.querySelector(part);
    const before = document.querySelector(part);
    if (now && before) before.replaceWith(document.importNode(now, true));
  }
  for (const button of document.querySelectorAll("[data-next-error], .run-head [data-copy]")) /** @type {HTMLElement} */ (button).hidden = false;
}

/** @param {MouseEvent} event */
function clicked(event) {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest("[data-next-error]")) nextError();
  const link = target?.closest("[data-to-step]");
  if (!(link instanceof HTMLElement)) return;
  event.preventDefault();
  tree.choose(tree.columns.find(link.dataset.toStep ?? ""), true);
}

/** @param {MouseEvent} event */
function onStick(event) {
  const wanted = (event.offsetX - 6) / (stick.clientWidth - 12);
  const c = tree.columns;
  let best = -1;
  let near = Infinity;
  for (let i = 0; i < tree.size; i++) {
    const place = tree.time.known ? tree.time.at(c.started[i] || 0) : i / Math.max(1, tree.size - 1);
    // a step in trouble attracts: it is what its notch promises
    const away = Math.abs(place - wanted) - (c.trouble(i) ? 0.004 : 0);
    if (away < near) [best, near] = [i, away];
  }
  tree.choose(best, true);
}

function start() {
  const asked = new URLSearchParams(location.search);
  finder.input.value = asked.get("find") ?? "";
  only.checked = tree.only = asked.get("only") === "trouble";
  only.addEventListener("change", () => {
    tree.only = only.checked;
    tree.arrange();
    address();
  });
  for (const button of document.querySelectorAll("[data-next-error]")) /** @type {HTMLElement} */ (button).hidden = false;
  stick.addEventListener("click", onStick);
  document.addEventListener("click", clicked);
  bind("j", () => (tree.move(1), tree.root.focus()));
  bind("k", () => (tree.move(-1), tree.root.focus()));
  bind("n", () => finder.next());
  bind("N", () => finder.next(true));
  bind(".", nextError);
  bind("Escape", () => panel.close());
  addEventListener("themechange", draw);
  new ResizeObserver(draw).observe(stick);
  pill.addEventListener("click", () => {
    pill.hidden = true;
    fresh = 0;
    if (newest >= 0 && newest < tree.size) tree.choose(newest);
  });
  listen((run) => {
    if (run === null || run === body.dataset.run) void again();
  });
  if (narrow.matches) one("[data-panel]").classList.add("untouched");
  void load();
}

start();
