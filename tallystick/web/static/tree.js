// @ts-check
// The tree of a run as an ARIA treegrid over columns: only the rows in sight exist, however many steps there are.
import { Columns } from "./columns.js";
import { drawRow, tell } from "./rows.js";
import { bands, layOut } from "./timeline.js";
import { Window } from "./window.js";

export const ROW = 24;
const SPARE = 5; // rows kept beyond each edge

export class Tree {
  /**
   * @param {HTMLElement} root @param {HTMLElement} space @param {string} marks address of the drawn marks
   * @param {{ chosen: (index: number, open: boolean) => void, seen: (steps: string[]) => void, line: (step: string) => (import("./lines.js").Line | null | undefined) }} hooks
   */
  constructor(root, space, marks, hooks) {
    this.root = root;
    this.window = new Window(root, space, ROW, SPARE);
    this.marks = marks;
    this.hooks = hooks;
    this.at = -1; // the chosen step, by index
    this.columns = new Columns();
    this.time = layOut(this.columns);
    this.size = 0;
    this.closed = new Uint8Array(0);
    this.where = new Int32Array(0); // the row of each step, -1 for none
    this.view = new Int32Array(0); // the steps that have a row, in order
    /** @type {Set<number>} */
    this.matches = new Set();
    /** @type {Map<number, import("./rows.js").Snippet>} */
    this.snippets = new Map(); // what of a matching step's contents is shown
    this.only = false;
    root.addEventListener("scroll", () => this.paint(), { passive: true });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.paint()).observe(root);
  }

  /** @param {Columns} columns @param {ReturnType<typeof layOut>} time */
  load(columns, time) {
    this.columns = columns;
    this.time = time;
    this.size = columns.size;
    this.closed = new Uint8Array(this.size);
    this.where = new Int32Array(this.size);
    this.root.removeAttribute("aria-busy");
    this.root.style.setProperty("--idle", bands(time)); // one picture behind all rows, no element for each
    this.arrange();
  }

  /** Work out which steps can be seen, then paint. */
  arrange() {
    const { end } = this.columns;
    const view = new Int32Array(this.size);
    const keep = this.only ? this.kept() : null;
    let rows = 0;
    this.where.fill(-1);
    for (let i = 0; i < this.size; ) {
      if (!keep || keep[i]) {
        this.where[i] = rows;
        view[rows++] = i;
      }
      i = this.closed[i] ? end[i] : i + 1;
    }
    this.view = view.subarray(0, rows);
    this.window.resize(rows);
    this.window.clear();
    this.paint();
  }

  /** @returns {Uint8Array} steps in trouble and all that stand above them */
  kept() {
    const keep = new Uint8Array(this.size);
    for (let i = 0; i < this.size; i++) {
      if (!this.columns.trouble(i)) continue;
      for (let up = i; up >= 0 && !keep[up]; up = this.columns.parent[up]) keep[up] = 1;
    }
    return keep;
  }

  paint() {
    if (!this.size) return;
    const draw = (/** @type {number} */ row) => drawRow(this, row, this.hooks.line(this.columns.step(this.view[row])));
    this.window.paint(draw, this.at >= 0 ? this.where[this.at] : -1);
    this.hooks.seen([...this.window.shown.keys()].map((row) => this.columns.step(this.view[row])));
  }

  /** Lines have come: put them into the rows in sight. */
  told() {
    for (const [row, element] of this.window.shown) {
      const line = this.hooks.line(this.columns.step(this.view[row]));
      if (line) tell(element, line, this.snippets.get(this.view[row]));
    }
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
    this.window.reveal(this.where[i]);
    this.refresh();
    this.hooks.chosen(i, open);
  }

  /** Draw the rows in sight anew: the choice or the matches changed. */
  refresh() {
    this.window.clear();
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
    this.window.reveal(this.where[this.at] ?? 0);
  }

  /** @param {(index: number) => boolean} wanted @param {boolean} [back] @returns {number} the next step after (before) the chosen one, around the end */
  next(wanted, back = false) {
    const from = this.at < 0 && back ? 0 : this.at;
    for (let k = 1; k <= this.size; k++) {
      const i = (from + (back ? -k : k) + 2 * this.size) % this.size;
      if (wanted(i)) return i;
    }
    return -1;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.view.length) return;
    const page = this.window.page();
    const i = this.at;
    const parent = i >= 0 && this.columns.end[i] > i + 1;
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
    if (twist && this.columns.end[i] > i + 1) {
      if (this.at < 0) this.at = i;
      this.fold(i, !this.closed[i]);
    } else this.choose(i, true);
  }
}
