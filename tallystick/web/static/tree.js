// @ts-check
// The tree of a run as an ARIA treegrid over columns: only the rows in sight exist, however many steps there are.
import { bare, cell, mark, span } from "./cells.js";
import { count, duration, oneLine, usd } from "./text.js";
import { bands, layOut } from "./timeline.js";

const ROW = 24;
const SPARE = 5; // rows kept beyond each edge
const TALLEST = 12_000_000; // browsers cap the height of an element; beyond this the scroll is scaled

/**
 * One list per column, in depth-first order, root first. Times in nanoseconds from the run's start.
 * @typedef {{ step: string[], parent: number[], depth: number[], kind: string[], name: (string | null)[],
 *   agent: (string | null)[], status: string[], started_ns: (number | null)[], duration_ns: (number | null)[],
 *   cost_nano_usd: (number | null)[], tokens: (number | null)[], decision: (string | null)[],
 *   same_as: (string | null)[] }} Columns
 */

/** @type {Columns} */
const NONE = {
  step: [], parent: [], depth: [], kind: [], name: [], agent: [], status: [], started_ns: [], duration_ns: [],
  cost_nano_usd: [], tokens: [], decision: [], same_as: [],
};

/** @type {Record<string, string>} */
const BARS = { bad: "error", warn: "denied", held: "held" };

/** What is wrong with a step: "bad" (error), "warn" (denied), "held", or "". @param {Columns} c @param {number} i */
export function trouble(c, i) {
  const status = c.status[i];
  if (status === "error" || status === "failed") return "bad";
  if (status === "stopped" && (c.kind[i] === "tool" || c.kind[i] === "model")) return "warn"; // where the stop fell
  if (status === "denied" || c.decision[i] === "deny") return "warn";
  if (status === "held" || c.decision[i] === "hold") return "held";
  return "";
}

export class Tree {
  /**
   * @param {HTMLElement} root @param {HTMLElement} space @param {string} marks address of the drawn marks
   * @param {{ chosen: (index: number, open: boolean) => void }} hooks
   */
  constructor(root, space, marks, hooks) {
    this.root = root;
    this.space = space;
    this.marks = marks;
    this.hooks = hooks;
    this.at = -1; // the chosen step, by index
    this.columns = NONE;
    this.time = layOut(NONE, () => true);
    this.size = 0;
    this.end = new Int32Array(0); // where a step's descendants end
    this.closed = new Uint8Array(0);
    this.where = new Int32Array(0); // the row of each step, -1 for none
    /** @type {number[]} */
    this.view = []; // the steps that have a row, in order
    this.scale = 1;
    /** @type {Set<number>} */
    this.matches = new Set();
    this.only = false;
    /** @type {Map<number, HTMLElement>} */
    this.shown = new Map();
    root.addEventListener("scroll", () => this.paint(), { passive: true });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.paint()).observe(root);
  }

  /** @param {Columns} columns @param {ReturnType<typeof layOut>} time */
  load(columns, time) {
    this.columns = columns;
    this.time = time;
    this.size = columns.step.length;
    this.end = new Int32Array(this.size);
    for (let i = this.size - 1; i >= 0; i--) {
      if (this.end[i] === 0) this.end[i] = i + 1;
      const parent = columns.parent[i];
      if (parent >= 0 && this.end[parent] < this.end[i]) this.end[parent] = this.end[i];
    }
    this.closed = new Uint8Array(this.size);
    this.where = new Int32Array(this.size);
    this.root.removeAttribute("aria-busy");
    this.root.style.setProperty("--idle", bands(time)); // one picture behind all rows, no element for each
    this.arrange();
  }

  /** Work out which steps can be seen, then paint. */
  arrange() {
    /** @type {number[]} */
    const view = [];
    const keep = this.only ? this.kept() : null;
    this.where.fill(-1);
    for (let i = 0; i < this.size; ) {
      if (!keep || keep[i]) {
        this.where[i] = view.length;
        view.push(i);
      }
      i = this.closed[i] ? this.end[i] : i + 1;
    }
    this.view = view;
    const tall = view.length * ROW;
    this.scale = Math.max(1, tall / TALLEST);
    this.space.style.height = `${Math.min(tall, TALLEST)}px`;
    this.root.setAttribute("aria-rowcount", String(view.length));
    this.shown.clear();
    this.space.replaceChildren();
    this.paint();
  }

  /** @returns {Uint8Array} steps in trouble and all that stand above them */
  kept() {
    const keep = new Uint8Array(this.size);
    for (let i = 0; i < this.size; i++) {
      if (!trouble(this.columns, i)) continue;
      for (let up = i; up >= 0 && !keep[up]; up = this.columns.parent[up]) keep[up] = 1;
    }
    return keep;
  }

  paint() {
    if (!this.size) return;
    const top = this.root.scrollTop;
    const first = (top * this.scale) / ROW;
    const from = Math.max(0, Math.floor(first) - SPARE);
    const to = Math.min(this.view.length, Math.ceil(first + this.root.clientHeight / ROW) + SPARE);
    for (const [row, element] of this.shown) {
      if (row >= from && row < to) continue;
      element.remove();
      this.shown.delete(row);
    }
    for (let row = from; row < to; row++) {
      let element = this.shown.get(row);
      if (!element) {
        element = this.row(row);
        this.shown.set(row, element);
        this.space.append(element);
      }
      element.style.top = `${this.scale === 1 ? row * ROW : top + (row - first) * ROW}px`;
    }
    const active = this.at >= 0 ? this.shown.get(this.where[this.at]) : undefined;
    if (active) this.root.setAttribute("aria-activedescendant", active.id);
    else this.root.removeAttribute("aria-activedescendant");
  }

  /** @param {number} row @returns {HTMLElement} */
  row(row) {
    const c = this.columns;
    const i = this.view[row];
    const line = document.createElement("div");
    line.className = "t-row";
    line.id = `s-${row}`;
    line.setAttribute("role", "row");
    line.setAttribute("aria-level", String(c.depth[i] + 1));
    line.setAttribute("aria-rowindex", String(row + 1));
    line.setAttribute("aria-selected", String(i === this.at));
    line.dataset.row = String(row);
    const parent = this.end[i] > i + 1;
    if (parent) line.setAttribute("aria-expanded", String(!this.closed[i]));
    if (i === this.at) line.classList.add("on");
    if (this.matches.has(i)) line.classList.add("match");
    if (c.same_as[i]) line.classList.add("is-repeat");
    line.append(this.nameCell(i, parent), this.timeCell(i));
    line.append(cell("num", duration(c.duration_ns[i])), cell("num t-tok", count(c.tokens[i])), cell("num t-cost", usd(c.cost_nano_usd[i])));
    return line;
  }

  /** @param {number} i @param {boolean} parent @returns {HTMLElement} */
  nameCell(i, parent) {
    const c = this.columns;
    const box = cell("t-name", "");
    box.style.paddingLeft = `${Math.min(c.depth[i], 14) * 14}px`;
    const twist = span("t-twist", parent ? (this.closed[i] ? "▶" : "▼") : "");
    twist.setAttribute("aria-hidden", "true");
    box.append(twist, mark(this.marks, c.status[i]), span("kind", oneLine(c.kind[i], 12)), span("t-label", oneLine(bare(c.name[i], c.kind[i]) || "unnamed", 200)));
    const above = c.parent[i];
    if (c.agent[i] && c.agent[i] !== bare(c.name[i], c.kind[i]) && (above < 0 || c.agent[above] !== c.agent[i])) box.append(span("t-agent", oneLine(c.agent[i], 60)));
    const kind = trouble(c, i);
    if (kind === "warn") box.append(span("t-note", c.status[i] === "stopped" ? "stopped" : "denied"));
    if (kind === "held") box.append(span("t-note held", "held"));
    if (c.same_as[i]) box.append(span("t-note repeat", "repeat, not counted"));
    return box;
  }

  /** @param {number} i @returns {HTMLElement} */
  timeCell(i) {
    const box = cell("t-time", "");
    const { started_ns: starts, duration_ns: lengths, status, kind } = this.columns;
    const start = starts[i];
    if (!this.time.known || start === null || start === undefined) return box;
    const left = this.time.at(start);
    const right = lengths[i] === null ? 1 : this.time.at(start + (lengths[i] ?? 0));
    const word = BARS[trouble(this.columns, i)] ?? "";
    const shape = /^[a-z]+$/.test(kind[i]) ? kind[i] : "other";
    const bar = span(`t-bar k-${shape} ${word ? `b-${word}` : status[i] === "running" ? "b-running" : ""}`, "");
    bar.style.left = `min(${left * 100}%, 100% - 2px)`;
    bar.style.width = `${Math.max(0, right - left) * 100}%`;
    box.append(bar);
    return box;
  }

  /** Choose a step, opening what hides it. @param {number} i @param {boolean} [open] also show its contents at once */
  choose(i, open = false) {
    if (i < 0 || i >= this.size) return;
    let hidden = false;
    for (let up = this.columns.parent[i]; up >= 0; up = this.columns.parent[up]) {
      if (this.closed[up]) {
        this.closed[up] = 0;
        hidden = true;
      }
    }
    if (this.where[i] < 0 && this.only) this.only = false;
    this.at = i;
    if (hidden || this.where[i] < 0) this.arrange();
    this.reveal(this.where[i]);
    this.refresh();
    this.hooks.chosen(i, open);
  }

  /** @param {number} row */
  reveal(row) {
    const y = (row * ROW) / this.scale;
    const room = this.root.clientHeight;
    if (y < this.root.scrollTop) this.root.scrollTop = y;
    else if (y + ROW > this.root.scrollTop + room) this.root.scrollTop = y + ROW - room;
  }

  /** Draw the rows in sight anew: the choice or the matches changed. */
  refresh() {
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
    this.paint();
  }

  /** @param {number} by rows */
  move(by) {
    const row = this.at < 0 ? 0 : this.where[this.at] + by;
    this.choose(this.view[Math.max(0, Math.min(this.view.length - 1, row))]);
  }

  /** @param {number} i @param {boolean} closed */
  fold(i, closed) {
    this.closed[i] = closed ? 1 : 0;
    this.arrange();
    this.reveal(this.where[this.at] ?? 0);
  }

  /** @param {(index: number) => boolean} wanted @returns {number} the next step after the chosen one, around the end */
  next(wanted) {
    for (let k = 1; k <= this.size; k++) {
      const i = (this.at + k + this.size) % this.size;
      if (wanted(i)) return i;
    }
    return -1;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.view.length) return;
    const page = Math.max(1, Math.floor(this.root.clientHeight / ROW) - 1);
    const i = this.at;
    const parent = i >= 0 && this.end[i] > i + 1;
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowDown: () => this.move(1),
      ArrowUp: () => this.move(-1),
      PageDown: () => this.move(page),
      PageUp: () => this.move(-page),
      Home: () => this.choose(this.view[0]),
      End: () => this.choose(this.view[this.view.length - 1]),
      Enter: () => (i >= 0 ? this.hooks.chosen(i, true) : this.move(0)),
      ArrowRight: () => (parent && this.closed[i] ? this.fold(i, false) : parent ? this.move(1) : undefined),
      ArrowLeft: () => (parent && !this.closed[i] ? this.fold(i, true) : i >= 0 ? this.choose(Math.max(0, this.columns.parent[i])) : undefined),
    };
    const act = acts[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  }

  /** @param {MouseEvent} event */
  click(event) {
    const line = event.target instanceof Element ? event.target.closest(".t-row") : null;
    if (!(line instanceof HTMLElement)) return;
    const i = this.view[Number(line.dataset.row)];
    const twist = event.target instanceof Element && event.target.closest(".t-twist");
    if (twist && this.end[i] > i + 1) {
      if (this.at < 0) this.at = i;
      this.fold(i, !this.closed[i]);
    } else this.choose(i, true);
  }
}
