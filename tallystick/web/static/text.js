// @ts-check
// How values read to people: the same rules as the server's wording.py. Text goes into the page by textContent only.

const HIDDEN =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ue000-\uf8ff\u{e0000}-\u{e0fff}\u{f0000}-\u{10ffff}]/gu;

/** @param {unknown} value @returns {string} text with hidden and reordering characters written out */
export function visible(value) {
  if (value === null || value === undefined) return "";
  return String(value).replace(HIDDEN, (found) => {
    const code = /** @type {number} */ (found.codePointAt(0));
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** @param {unknown} value @param {number} [limit] @returns {string} one line, a cut shown by an ellipsis */
export function oneLine(value, limit = 160) {
  const text = visible(String(value ?? "").slice(0, limit * 8)).replace(/\s+/g, " ").trim();
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** @param {number | null | undefined} ns @returns {string} */
export function duration(ns) {
  if (ns === null || ns === undefined) return "–";
  if (ns === 0) return "0 s";
  if (ns < 1e3) return `${ns} ns`;
  if (ns < 1e6) return `${Number((ns / 1e3).toPrecision(3))} µs`;
  if (ns < 999.5e6) return ns < 1e7 ? `${(ns / 1e6).toFixed(1)} ms` : `${Math.round(ns / 1e6)} ms`;
  const seconds = ns / 1e9;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** @param {number | null | undefined} nano nano-dollars @returns {string} */
export function usd(nano) {
  if (nano === null || nano === undefined) return "–";
  if (nano === 0) return "$0";
  const value = nano / 1e9;
  if (Math.abs(value) >= 1) {
    return `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  }
  const places = Math.min(9, 2 - Math.floor(Math.log10(Math.abs(value))));
  return `$${value.toFixed(places)}`;
}

/** @param {number | null | undefined} n @returns {string} */
export function count(n) {
  return n === null || n === undefined ? "–" : n.toLocaleString("en-US");
}

/** @param {string} iso @param {number} now milliseconds @returns {string} relative time, as the server writes it */
export function ago(iso, now) {
  const then = Date.parse(iso);
  if (Number.isNaN(then)) return "no time recorded";
  const seconds = Math.floor((now - then) / 1000);
  const size = Math.abs(seconds);
  if (size < 2) return "now";
  const [unit, length] = size >= 86400 ? ["d", 86400] : size >= 3600 ? ["h", 3600] : size >= 60 ? ["m", 60] : ["s", 1];
  const amount = `${Math.floor(size / Number(length))} ${unit}`;
  return seconds > 0 ? `${amount} ago` : `in ${amount}`;
}

/** Tell screen readers, without moving anything. @param {string} words */
export function say(words) {
  const region = document.querySelector("[data-say]");
  if (region) region.textContent = words;
}
