// @ts-check
// A run's steps as columns, read in place from the bytes that the server packed (app/outline.py): no object for a step.

/**
 * What many steps have in common.
 * @typedef {{ kind: string, status: string, name: string, decision: string | null, gap: string | null,
 *   derived: boolean, tool: string | null, model: string | null }} Look
 */

const MAGIC = 0x314f4c54; // "TLO1", little-endian
/** @type {Record<string, new (buffer: ArrayBuffer, at: number, length: number) => any>} */
const KINDS = { u8: Uint8Array, i32: Int32Array, f64: Float64Array };
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** What is wrong with a step of this look: "bad" (error), "warn" (denied), "held", or "". @param {Look} look */
function troubleOf(look) {
  if (look.status === "error" || look.status === "failed") return "bad";
  if (look.status === "stopped" && (look.kind === "tool" || look.kind === "model")) return "warn"; // where the stop fell
  if (look.status === "denied" || look.decision === "deny") return "warn";
  if (look.status === "held" || look.decision === "hold") return "held";
  return "";
}

export class Columns {
  /** @param {ArrayBuffer} [bytes] as the server packed them; without any, a run of no steps. Throws for anything else. */
  constructor(bytes) {
    /** @type {Record<string, any>} */
    const found = {};
    /** @type {{ run: any, rows: number, looks: Look[], agents: string[], columns: [string, string, number][] }} */
    let head = { run: null, rows: 0, looks: [], agents: [], columns: [] };
    if (bytes) {
      const view = new DataView(bytes);
      if (view.getUint32(0, true) !== MAGIC) throw new Error("the steps came in a form that this page does not know");
      const length = view.getUint32(4, true);
      head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
      let at = 8 + length;
      for (const [name, kind, size] of head.columns) {
        const Kind = KINDS[kind];
        found[name] = new Kind(bytes, at, size / /** @type {any} */ (Kind).BYTES_PER_ELEMENT);
        at += size + ((8 - (size % 8)) % 8);
      }
    }
    this.run = head.run;
    this.size = head.rows;
    this.looks = head.looks;
    this.agents = head.agents;
    this.ids = /** @type {Uint8Array} */ (found.step ?? new Uint8Array(0));
    this.parent = /** @type {Int32Array} */ (found.parent ?? new Int32Array(0));
    this.depth = /** @type {Int32Array} */ (found.depth ?? new Int32Array(0));
    this.started = /** @type {Float64Array} */ (found.started_ns ?? new Float64Array(0)); // NaN: unknown
    this.duration = /** @type {Float64Array} */ (found.duration_ns ?? new Float64Array(0));
    this.cost = /** @type {Float64Array} */ (found.cost_nano_usd ?? new Float64Array(0));
    this.tokens = /** @type {Float64Array} */ (found.tokens ?? new Float64Array(0));
    this.repeat = /** @type {Uint8Array} */ (found.repeat ?? new Uint8Array(0));
    this.lookOf = /** @type {Int32Array} */ (found.look ?? new Int32Array(0));
    this.agentOf = /** @type {Int32Array} */ (found.agent ?? new Int32Array(0));
    this.troubles = this.looks.map(troubleOf);
    this.end = ends(this.parent); // where a step's descendants end
    this.sums = sums(this);
  }

  /** @param {number} i @returns {string} the step's id */
  step(i) {
    let text = "";
    for (let k = 8 * i; k < 8 * i + 8; k++) text += HEX[this.ids[k]];
    return text;
  }

  /** @param {string} id @returns {number} the row of a step, -1 for none */
  find(id) {
    if (!/^[0-9a-f]{16}$/.test(id) || !this.size) return -1;
    const wanted = Uint8Array.from(id.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const words = new Uint32Array(this.ids.buffer, this.ids.byteOffset, this.size * 2);
    const [low, high] = new Uint32Array(wanted.buffer);
    for (let i = 0; i < this.size; i++) if (words[2 * i + 1] === high && words[2 * i] === low) return i;
    return -1;
  }

  /** @param {number} i @returns {Look} */
  look(i) {
    return this.looks[this.lookOf[i]];
  }

  /** @param {number} i @returns {string | null} */
  agent(i) {
    return this.agents[this.agentOf[i]] ?? null;
  }

  /** @param {number} i @returns {string} "bad", "warn", "held" or "" */
  trouble(i) {
    return this.troubles[this.lookOf[i]];
  }

  /** What a step and all under it cost and used. @param {number} i @returns {{ cost: number, tokens: number, gaps: number, calls: number }} */
  whole(i) {
    const { cost, tokens, gaps, calls } = this.sums;
    const to = this.end[i];
    return { cost: cost[to] - cost[i], tokens: tokens[to] - tokens[i], gaps: gaps[to] - gaps[i], calls: calls[to] - calls[i] };
  }
}

/** @param {Int32Array} parents @returns {Int32Array} */
function ends(parents) {
  const end = new Int32Array(parents.length);
  for (let i = parents.length - 1; i >= 0; i--) {
    if (end[i] === 0) end[i] = i + 1;
    const parent = parents[i];
    if (parent >= 0 && end[parent] < end[i]) end[parent] = end[i];
  }
  return end;
}

/** Running sums over the rows, so that any subtree's sum is one subtraction. Repeats are not counted. @param {Columns} c */
function sums(c) {
  const cost = new Float64Array(c.size + 1);
  const tokens = new Float64Array(c.size + 1);
  const gaps = new Int32Array(c.size + 1);
  const calls = new Int32Array(c.size + 1);
  for (let i = 0; i < c.size; i++) {
    const counted = !c.repeat[i];
    const look = c.looks[c.lookOf[i]];
    const model = counted && look.kind === "model";
    cost[i + 1] = cost[i] + (counted ? c.cost[i] || 0 : 0);
    tokens[i + 1] = tokens[i] + (model ? c.tokens[i] || 0 : 0);
    gaps[i + 1] = gaps[i] + (counted && look.gap ? 1 : 0);
    calls[i + 1] = calls[i] + (model ? 1 : 0);
  }
  return { cost, tokens, gaps, calls };
}
