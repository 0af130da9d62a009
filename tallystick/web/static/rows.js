// @ts-check
// One row of the tree. Every text of it came from an agent, a model or a tool and is set as text, never as markup.
import { bare, cell, mark, span } from "./cells.js";
import { count, duration, oneLine, usd } from "./text.js";

/** @typedef {import("./lines.js").Line} Line */

/** @type {Record<string, string>} */
const BARS = { bad: "error", warn: "denied", held: "held" };
const SHOWN = 400; // characters of a line that go into a row: more cannot be seen

/** @param {number} value @returns {number | null} */
function known(value) {
  return Number.isNaN(value) ? null : value;
}

/**
 * A row of the tree grid.
 * @param {import("./tree.js").Tree} tree @param {number} row @param {Line | null | undefined} line what happened, once it is known
 */
export function drawRow(tree, row, line) {
  const c = tree.columns;
  const i = tree.view[row];
  const element = document.createElement("div");
  const parent = c.end[i] > i + 1;
  element.className = "t-row";
  element.id = `s-${row}`;
  element.setAttribute("role", "row");
  element.setAttribute("aria-level", String(c.depth[i] + 1));
  element.setAttribute("aria-rowindex", String(row + 1));
  element.setAttribute("aria-selected", String(i === tree.at));
  element.dataset.row = String(row);
  if (parent) element.setAttribute("aria-expanded", String(!tree.closed[i]));
  if (i === tree.at) element.classList.add("on");
  if (tree.matches.has(i)) element.classList.add("match");
  if (c.repeat[i]) element.classList.add("is-repeat");
  if (c.look(i).derived) element.classList.add("is-derived");
  element.append(nameCell(tree, i, parent), timeCell(tree, i), cell("num", duration(known(c.duration[i]))), ...money(tree, i, parent));
  if (line) tell(element, line, tree.snippets.get(i));
  return element;
}

/** Tokens and cost; a step with others under it also sums them up. @param {import("./tree.js").Tree} tree @param {number} i @param {boolean} parent */
function money(tree, i, parent) {
  const c = tree.columns;
  const look = c.look(i);
  if (!parent || look.kind === "model") {
    const cost = cell("num t-cost", usd(known(c.cost[i])));
    if (look.gap) cost.title = `unknown: ${oneLine(look.gap, 60)}`;
    return [cell("num t-tok", count(known(c.tokens[i]))), cost];
  }
  const { cost, tokens, gaps, calls } = c.whole(i);
  const least = gaps ? "≥ " : "";
  const spent = cost || !gaps ? `${least}${usd(cost)}` : "–";
  const box = cell("num t-cost t-sum", calls || cost ? spent : "–");
  const used = cell("num t-tok t-sum", calls && tokens ? count(tokens) : "–");
  if (calls || cost) box.title = used.title = `with all that stands under it${gaps ? `; ${count(gaps)} without a known cost` : ""}`;
  return [used, box];
}

/** @param {import("./tree.js").Tree} tree @param {number} i @param {boolean} parent @returns {HTMLElement} */
function nameCell(tree, i, parent) {
  const c = tree.columns;
  const look = c.look(i);
  const box = cell("t-name", "");
  box.style.paddingLeft = `${Math.min(c.depth[i], 14) * 14}px`;
  const twist = span("t-twist", parent ? (tree.closed[i] ? "▶" : "▼") : "");
  twist.setAttribute("aria-hidden", "true");
  const kind = /^[a-z]+$/.test(look.kind) ? look.kind : "other";
  const label = bare(look.name, look.kind);
  box.append(twist, mark(tree.marks, look.status), span(`kind k-${kind}`, kind), span("t-label", oneLine(label || "unnamed", 200)));
  const agent = c.agent(i);
  const above = c.parent[i];
  // a handoff's own line names both agents
  if (agent && agent !== label && look.kind !== "handoff" && (above < 0 || c.agent(above) !== agent)) box.append(span("t-agent", oneLine(agent, 60)));
  const trouble = c.trouble(i);
  if (trouble === "warn") box.append(span("t-note", look.status === "stopped" ? "stopped" : "denied"));
  if (trouble === "held") box.append(span("t-note held", "held"));
  if (c.repeat[i]) box.append(span("t-note repeat", "repeat, not counted"));
  if (look.derived) box.append(span("t-note derived", "read from the message history"));
  return box;
}

/** Put what happened into a row that stands already. @param {HTMLElement} element @param {Line} line @param {Snippet} [found] */
export function tell(element, line, found) {
  const box = element.querySelector(".t-name");
  if (!box || element.dataset.told) return;
  element.dataset.told = "1";
  for (const tag of line.tags.slice(0, 3)) box.append(span(`t-note tag-${tag.tone}`, oneLine(tag.text, 80)));
  if (!found && !line.text && line.result === null) return;
  const told = span("t-told", found ? "" : oneLine(line.text, SHOWN));
  if (found) told.append(...lit(found));
  else if (line.result !== null) {
    told.append(span("t-arrow", " → "), oneLine(line.result, SHOWN));
  }
  box.append(told);
}

/** @typedef {{ field: string, snippet: string, at: number, length: number }} Snippet */

/** A found place with the match marked. @param {Snippet} found @returns {(string | Node)[]} */
function lit(found) {
  const letters = [...found.snippet]; // places count characters, as the server does, and not halves of them
  const hit = document.createElement("mark");
  hit.textContent = oneLine(letters.slice(found.at, found.at + found.length).join(""), 200);
  const field = span("t-field", `${oneLine(found.field, 40)}: `);
  const before = oneLine(` ${letters.slice(0, found.at).join("")}`, 120);
  return [field, before && `${before} `, hit, ` ${oneLine(letters.slice(found.at + found.length).join(""), 200)}`];
}

/** @param {import("./tree.js").Tree} tree @param {number} i @returns {HTMLElement} */
function timeCell(tree, i) {
  const box = cell("t-time", "");
  const c = tree.columns;
  const look = c.look(i);
  const start = c.started[i];
  if (!tree.time.known || Number.isNaN(start)) return box;
  const left = tree.time.at(start);
  const right = Number.isNaN(c.duration[i]) ? 1 : tree.time.at(start + c.duration[i]);
  const word = BARS[c.trouble(i)] ?? "";
  const shape = /^[a-z]+$/.test(look.kind) ? look.kind : "other";
  const bar = span(`t-bar k-${shape} ${word ? `b-${word}` : look.status === "running" ? "b-running" : ""}`, "");
  bar.style.left = `min(${left * 100}%, 100% - 2px)`;
  bar.style.width = `${Math.max(0, right - left) * 100}%`;
  box.append(bar);
  return box;
}
