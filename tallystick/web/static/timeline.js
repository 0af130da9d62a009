// @ts-check
// Time of a run laid out on 0…1, with long idle stretches folded, and the stick: the whole run at a glance.
import { duration } from "./text.js";

const FOLD_SHARE = 0.2; // an idle stretch longer than this part of the run is folded
const FOLDED = 0.03; // to this part of the width
const SHOW_SHARE = 0.02; // shorter ones than this are not marked

/** @typedef {{ from: number, to: number, folded: boolean }} Idle */

/**
 * A map from run time to the drawing.
 * @param {import("./columns.js").Columns} columns
 */
export function layOut(columns) {
  const { started, duration, end } = columns;
  let whole = 0;
  let known = false;
  let sorted = true;
  const from = new Float64Array(started.length);
  const to = new Float64Array(started.length);
  let n = 0;
  for (let i = 0; i < started.length; i++) {
    const start = started[i];
    if (Number.isNaN(start)) continue;
    const stop = start + (duration[i] || 0);
    if (stop > 0) known = true;
    if (stop > whole) whole = stop;
    if (end[i] > i + 1) continue; // a step with others under it is busy only where they are
    if (n && start < from[n - 1]) sorted = false;
    from[n] = start;
    to[n++] = stop;
  }
  const order = sorted ? null : Array.from(from.subarray(0, n), (_, i) => i).sort((a, b) => from[a] - from[b]);
  const gaps = idle(from, to, n, order, whole);
  const scale = pieces(gaps, whole);
  return { whole, known, gaps, at: (/** @type {number} */ ns) => place(scale, ns, whole) };
}

/**
 * @param {Float64Array} from @param {Float64Array} to @param {number} n @param {number[] | null} order by start
 * @param {number} whole @returns {Idle[]} stretches in which no step ran
 */
function idle(from, to, n, order, whole) {
  /** @type {Idle[]} */
  const gaps = [];
  const first = order ? order[0] : 0;
  let end = n ? to[first] : 0;
  for (let k = 0; k < n; k++) {
    const i = order ? order[k] : k;
    const gap = from[i] - end;
    if (gap > whole * SHOW_SHARE && gap > 2e8) {
      gaps.push({ from: end, to: from[i], folded: gap > whole * FOLD_SHARE && gap > 2e9 });
    }
    if (to[i] > end) end = to[i];
  }
  return gaps.slice(0, 40);
}

/** @param {Idle[]} gaps @param {number} whole @returns {[number, number][]} [run time, place] corners, rising */
function pieces(gaps, whole) {
  const folded = gaps.filter((gap) => gap.folded);
  const hidden = folded.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  const room = 1 - FOLDED * folded.length;
  const unit = whole > hidden ? room / (whole - hidden) : 0;
  /** @type {[number, number][]} */
  const corners = [[0, 0]];
  let time = 0;
  let place = 0;
  for (const gap of folded) {
    place += (gap.from - time) * unit;
    corners.push([gap.from, place]);
    place += FOLDED;
    corners.push([gap.to, place]);
    time = gap.to;
  }
  corners.push([whole, 1]);
  return corners;
}

/** @param {[number, number][]} corners @param {number} ns @param {number} whole @returns {number} 0…1 */
function place(corners, ns, whole) {
  if (whole <= 0) return 0;
  let k = 1;
  while (k < corners.length - 1 && ns > corners[k][0]) k++;
  const [t0, p0] = corners[k - 1];
  const [t1, p1] = corners[k];
  return t1 > t0 ? Math.min(1, p0 + ((ns - t0) / (t1 - t0)) * (p1 - p0)) : p0;
}

/**
 * Words above the bars: start, end, and idle stretches that were folded.
 * @param {HTMLElement} axis @param {ReturnType<typeof layOut>} time
 */
export function writeAxis(axis, time) {
  axis.replaceChildren();
  const words = time.known ? ["0", ...folds(time), duration(time.whole)] : ["no times recorded"];
  for (const word of words) {
    const span = document.createElement("span");
    span.textContent = word;
    axis.append(span);
  }
}

/** @param {ReturnType<typeof layOut>} time @returns {string[]} the longest idle stretches, in words */
function folds(time) {
  const longest = [...time.gaps].sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, 2);
  return longest
    .sort((a, b) => a.from - b.from)
    .map((gap) => `idle ${duration(gap.to - gap.from)}${gap.folded ? ", folded" : ""}`);
}

/** Idle stretches as a background picture. @param {ReturnType<typeof layOut>} time @returns {string} */
export function bands(time) {
  const stops = time.gaps.map((gap) => {
    const [from, to] = [time.at(gap.from) * 100, time.at(gap.to) * 100];
    return `transparent ${from}%, var(--idle-tone) ${from}%, var(--idle-tone) ${to}%, transparent ${to}%`;
  });
  return stops.length ? `linear-gradient(to right, ${stops.join(", ")})` : "none";
}

/**
 * Draw the stick: a bar for the run, a notch from above for each step in trouble, the chosen step from below.
 * Many steps fall on one pixel, so one pass marks pixels and a second draws them.
 * @param {HTMLCanvasElement} canvas @param {import("./columns.js").Columns} columns
 * @param {ReturnType<typeof layOut>} time @param {number} chosen
 */
export function drawStick(canvas, columns, time, chosen) {
  const width = canvas.clientWidth;
  const height = 30;
  const density = Math.min(devicePixelRatio || 1, 3);
  canvas.width = Math.round(width * density);
  canvas.height = height * density;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(density, density);
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => probe(style, name);
  const n = columns.size;
  const at = (/** @type {number} */ i) => (time.known ? time.at(columns.started[i] || 0) : i / Math.max(1, n - 1)) * (width - 12) + 6;
  pen.fillStyle = colour("--raise");
  pen.fillRect(0, 6, width, 18);
  const tones = ["", "held", "warn", "bad"];
  const bits = columns.troubles.map((tone) => 1 << tones.indexOf(tone));
  const pixels = new Uint8Array(Math.max(1, width + 1));
  for (let i = 0; i < n; i++) pixels[Math.max(0, Math.min(width, Math.round(at(i))))] |= bits[columns.lookOf[i]];
  pen.fillStyle = colour("--line-strong");
  for (let x = 0; x <= width; x++) if (pixels[x] & 1) pen.fillRect(x, 17, 1, 7);
  for (let tone = 1; tone < tones.length; tone++) {
    const fill = colour(`--${tones[tone]}`);
    for (let x = 0; x <= width; x++) if (pixels[x] & (1 << tone)) notch(pen, x, 6, 1, fill);
  }
  if (chosen >= 0) notch(pen, at(chosen), 24, -1, colour("--ink"));
}

/** @param {CSSStyleDeclaration} style @param {string} name @returns {string} a colour a canvas understands */
function probe(style, name) {
  const spot = document.createElement("i");
  spot.style.color = style.getPropertyValue(name);
  document.body.append(spot);
  const found = getComputedStyle(spot).color;
  spot.remove();
  return found;
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} way @param {string} colour */
function notch(pen, x, y, way, colour) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(x - 5, y);
  pen.lineTo(x + 5, y);
  pen.lineTo(x, y + way * 11);
  pen.fill();
}
