// @ts-check
// Suggestions in a query box: fields first, then the values that are known of a field. A combobox after WAI-ARIA.
import { oneLine } from "./text.js";

const MOST = 9;

/** @typedef {{ text: string, label: string }} Offer */

/** @param {HTMLInputElement} input @param {number} number */
function suggest(input, number) {
  /** @type {Record<string, string[]>} */
  const known = JSON.parse(input.dataset.known ?? document.querySelector("[data-known]")?.getAttribute("data-known") ?? "{}");
  const list = document.createElement("ul");
  list.className = "offers";
  list.id = `offers-${number}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "suggestions");
  list.hidden = true;
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-autocomplete", "list");
  input.after(list);
  /** @type {Offer[]} */
  let offers = [];
  let at = -1;
  let from = 0;

  function close() {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function look() {
    const before = input.value.slice(0, input.selectionStart ?? input.value.length);
    const word = /(?:[^\s"]|"[^"]*"?)*$/.exec(before)?.[0] ?? "";
    from = before.length - word.length + (word.startsWith("-") ? 1 : 0);
    offers = offersFor(word.replace(/^-/, ""), known);
    at = -1;
    list.replaceChildren(
      ...offers.map((offer, i) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${i}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        item.textContent = oneLine(offer.label, 80);
        item.addEventListener("mousedown", (event) => {
          event.preventDefault(); // the box keeps the focus
          take(i);
        });
        return item;
      }),
    );
    list.hidden = offers.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
  }

  /** @param {number} i */
  function take(i) {
    const to = input.selectionStart ?? input.value.length;
    const { text } = offers[i];
    const rest = input.value.slice(to);
    input.value = `${input.value.slice(0, from)}${text}${rest}`;
    const caret = from + text.length;
    input.setSelectionRange(caret, caret);
    if (text.endsWith(":")) look();
    else close();
  }

  /** @param {number} by */
  function move(by) {
    at = (at + by + offers.length + (at < 0 && by < 0 ? 1 : 0)) % offers.length;
    list.querySelectorAll("li").forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", `${list.id}-${at}`);
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", look);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const chosen = at >= 0 && !list.hidden;
    if (event.key === "Escape" && !list.hidden) {
      close();
      event.stopPropagation();
      event.preventDefault(); // a search box would be emptied
    } else if (event.key === "ArrowDown" && list.hidden) look();
    else if (event.key === "ArrowDown" && offers.length) move(1);
    else if (event.key === "ArrowUp" && !list.hidden && offers.length) move(-1);
    else if ((event.key === "Enter" || event.key === "Tab") && chosen) take(at);
    else return;
    if (event.key.startsWith("Arrow") || chosen) event.preventDefault(); // taking an offer does not send the query
  });
}

/** @param {string} word what stands before the caret @param {Record<string, string[]>} known @returns {Offer[]} */
function offersFor(word, known) {
  const colon = word.indexOf(":");
  if (colon < 0) {
    if (!word) return [];
    const lower = word.toLowerCase();
    return (known[""] ?? []).filter((field) => field.startsWith(lower)).slice(0, MOST).map((field) => ({ text: `${field}:`, label: `${field}:` }));
  }
  const field = word.slice(0, colon);
  const typed = word.slice(colon + 1).replaceAll('"', "").toLowerCase();
  const values = Object.hasOwn(known, field) && field ? known[field] : [];
  return values.filter((value) => value.toLowerCase().includes(typed) && value.toLowerCase() !== typed).slice(0, MOST).map((value) => ({ text: `${field}:${quoted(value)} `, label: value }));
}

/** A value as the grammar reads it back. @param {string} value */
function quoted(value) {
  return /^[A-Za-z0-9_][\w.@/+-]*$/.test(value) ? value : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

document.querySelectorAll("input[data-suggest]").forEach((input, number) => suggest(/** @type {HTMLInputElement} */ (input), number));
