// @ts-check
// Two runs row by row. Only the rows in sight exist; what changed in the chosen one stands beside them.
import { bare, cell, mark, span } from "./cells.js";
import { bind } from "./keys.js";
import { duration, oneLine, say, usd, visible } from "./text.js";
import { Window } from "./window.js";

const ROW = 26;
const SPARE = 6;
const LONGEST = 20_000; // characters of a value that are shown

/**
 * @typedef {{ step: string, kind: string, name: string | null, agent: string | null, tool: string | null, model: string | null,
 *   status: string, depth: number, cost_nano_usd: number | null, duration_ns: number | null }} Brief
 * @typedef {{ field: string, a: unknown, b: unknown }} Change
 * @typedef {{ op: string, a: Brief | null, b: Brief | null, changes: Change[], equal_before?: number }} Row
 */

/** @type {Record<string, string>} */
const SIGNS = { same: "=", changed: "≠", "only a": "−", "only b": "+", moved: "↕" };

class Comparison {
  /** @param {HTMLElement} box @param {Row[]} rows @param {number | null} first */
  constructor(box, rows, first) {
    this.box = box;
    this.rows = rows;
    this.first = first;
    this.at = -1;
    this.list = /** @type {HTMLElement} */ (box.querySelector("[data-list]"));
    const space = /** @type {HTMLElement} */ (box.querySelector("[data-space]"));
    this.panel = /** @type {HTMLElement} */ (box.querySelector("[data-change]"));
    this.window = new Window(this.list, space, ROW, SPARE);
    this.window.resize(rows.length);
    this.list.addEventListener("scroll", () => this.paint(), { passive: true });
    this.list.addEventListener("click", (event) => {
      const line = event.target instanceof Element ? event.target.closest(".c-row") : null;
      if (line instanceof HTMLElement) this.choose(Number(line.dataset.row));
    });
    this.list.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.paint()).observe(this.list);
  }

  paint() {
    this.window.paint((row) => this.row(row), this.at);
  }

  /** @param {number} i */
  row(i) {
    const { op, a, b, changes, equal_before: equal } = this.rows[i];
    const line = document.createElement("div");
    const known = Object.hasOwn(SIGNS, op) ? op.replace(" ", "-") : "changed";
    line.className = `c-row c-${known}${i === this.at ? " on" : ""}${equal ? " c-gap" : ""}`;
    line.id = `c-${i}`;
    line.dataset.row = String(i);
    line.setAttribute("role", "row");
    line.setAttribute("aria-rowindex", String(i + 1));
    line.setAttribute("aria-selected", String(i === this.at));
    const sign = cell("c-sign", SIGNS[op] ?? "≠");
    sign.setAttribute("aria-label", oneLine(op, 20));
    const what = cell("c-what", "");
    if (i === this.first) what.append(span("tag tag-warn", "first"), " ");
    if (op === "moved") what.append(span("soft", "stands elsewhere "));
    what.append(changes.slice(0, 6).map((change) => summary(change)).join(" · "));
    if (equal) what.title = `${equal} equal rows stand before this one`;
    line.append(sign, this.side(a), this.side(b), what);
    return line;
  }

  /** @param {Brief | null} brief */
  side(brief) {
    if (!brief) return cell("c-none", "–");
    const box = cell("c-side", "");
    box.style.paddingLeft = `${Math.min(brief.depth, 10) * 12}px`;
    box.append(mark(this.box.dataset.marks ?? "", brief.status), span("kind", oneLine(brief.kind, 12)), span("t-label", oneLine(bare(brief.name, brief.kind) || "unnamed", 120)));
    return box;
  }

  /** @param {number} i */
  choose(i) {
    if (i < 0 || i >= this.rows.length) return;
    this.at = i;
    this.window.reveal(i);
    this.window.clear();
    this.paint();
    this.tell();
  }

  /** What changed in the chosen row, before and after. */
  tell() {
    const { op, a, b, changes } = this.rows[this.at];
    const title = document.createElement("h2");
    title.textContent = oneLine(bare((a ?? b)?.name ?? "", (a ?? b)?.kind ?? "") || "unnamed", 200);
    const links = document.createElement("p");
    links.className = "soft bits";
    for (const [side, brief] of /** @type {[string, Brief | null][]} */ ([["a", a], ["b", b]])) {
      if (!brief) continue;
      const link = document.createElement("a");
      link.href = `/runs/${encodeURIComponent(this.box.dataset[side] ?? "")}?step=${encodeURIComponent(brief.step)}`;
      link.textContent = `step in ${side.toUpperCase()}`;
      links.append(link, span("", `${duration(brief.duration_ns)} · ${usd(brief.cost_nano_usd)}`));
    }
    const words = { same: "Equal in both.", "only a": "Only A has this step.", "only b": "Only B has this step.", moved: "Both have it, at another place." };
    const said = span("soft", words[/** @type {keyof typeof words} */ (op)] ?? "");
    this.panel.replaceChildren(title, links, said, ...changes.map(beforeAfter));
    this.panel.scrollTop = 0;
  }

  /** @param {(row: Row) => boolean} wanted @param {number} by */
  next(wanted, by) {
    const size = this.rows.length;
    for (let k = 1; k <= size; k++) {
      const i = (this.at + by * k + size * (k + 1)) % size;
      if (wanted(this.rows[i])) {
        this.choose(i);
        return true;
      }
    }
    say("no row differs");
    return false;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = this.window.page();
    const last = this.rows.length - 1;
    /** @type {Record<string, number>} */
    const places = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, PageDown: this.at + page, PageUp: this.at - page, Home: 0, End: last };
    if (!(event.key in places)) return;
    this.choose(Math.max(0, Math.min(last, places[event.key])));
    event.preventDefault();
  }
}

/** @param {unknown} value */
function words(value) {
  return value === null || value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
}

/** @param {Change} change */
function summary(change) {
  return `${oneLine(change.field, 40)}: ${oneLine(valued(change.field, change.a), 40)} → ${oneLine(valued(change.field, change.b), 40)}`;
}

/** @param {string} field @param {unknown} value */
function valued(field, value) {
  if (typeof value === "number" && field.endsWith("_nano_usd")) return usd(value);
  if (typeof value === "number" && field.endsWith("_ns")) return duration(value);
  return words(value);
}

/** @param {Change} change */
function beforeAfter(change) {
  const box = document.createElement("section");
  const name = document.createElement("h3");
  const code = document.createElement("code");
  code.textContent = oneLine(change.field, 200);
  name.append(code);
  box.append(name);
  for (const [kind, value] of /** @type {["del" | "ins", unknown][]} */ ([["del", change.a], ["ins", change.b]])) {
    const part = document.createElement("pre");
    part.className = "change";
    part.tabIndex = 0;
    const inner = document.createElement(kind);
    const text = typeof value === "object" && value !== null ? JSON.stringify(value, null, 2) : valued(change.field, value);
    inner.textContent = `${kind === "del" ? "A " : "B "}${visible(text.slice(0, LONGEST))}${text.length > LONGEST ? ` … cut here: ${LONGEST} of ${text.length} characters shown` : ""}`;
    part.append(inner);
    box.append(part);
  }
  return box;
}

async function start() {
  const box = /** @type {HTMLElement | null} */ (document.querySelector("[data-compare]"));
  if (!box) return;
  const answer = await fetch(box.dataset.compare ?? "");
  if (!answer.ok) {
    say(`the comparison could not be read: the server answered ${answer.status}`);
    return;
  }
  const { rows, first } = await answer.json();
  box.hidden = false;
  const shown = new Comparison(box, rows, first);
  shown.paint();
  performance.mark("rows-ready");
  const toFirst = () => {
    if (typeof first !== "number") return false;
    shown.choose(first);
    return true;
  };
  const differs = (/** @type {Row} */ row) => row.op !== "same";
  bind("j", () => (shown.choose(Math.min(rows.length - 1, shown.at + 1)), shown.list.focus()));
  bind("k", () => (shown.choose(Math.max(0, shown.at - 1)), shown.list.focus()));
  bind("n", () => shown.next(differs, 1));
  bind("N", () => shown.next(differs, -1));
  bind(".", toFirst);
  for (const button of document.querySelectorAll("[data-diff-first]")) {
    /** @type {HTMLElement} */ (button).hidden = false;
    button.addEventListener("click", toFirst);
  }
  toFirst();
}

void start();
