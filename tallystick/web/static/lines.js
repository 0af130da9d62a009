// @ts-check
// What happened in each step, in one line, asked for when its row comes into sight and kept for a while.

/** @typedef {{ text: string, result: string | null, tags: { text: string, tone: string }[] }} Line */

const MOST = 100; // steps in one question
const KEPT = 4_000; // lines that are remembered
const WAIT = 50; // milliseconds: rows that only fly past are not asked for

export class Lines {
  /** @param {string} address @param {() => void} came called when lines have come */
  constructor(address, came) {
    this.address = address;
    this.came = came;
    /** @type {Map<string, Line | null>} */
    this.known = new Map();
    /** @type {string[]} */
    this.wanted = [];
    this.timer = 0;
    this.asking = false;
  }

  /** @param {string} step @returns {Line | null | undefined} null where the server had none */
  get(step) {
    return this.known.get(step);
  }

  /** Ask for these, and for nothing that was wanted before: the view has moved. @param {string[]} steps */
  want(steps) {
    this.wanted = steps.filter((step) => !this.known.has(step)).slice(0, MOST);
    clearTimeout(this.timer);
    if (this.wanted.length) this.timer = setTimeout(() => void this.ask(), WAIT);
  }

  /** Forget everything: the run has changed. */
  forget() {
    this.known.clear();
  }

  async ask() {
    if (this.asking || !this.wanted.length) return;
    const steps = this.wanted;
    this.wanted = [];
    this.asking = true;
    try {
      const answer = await fetch(`${this.address}?steps=${steps.join(",")}`);
      if (answer.ok) {
        const { lines } = await answer.json();
        if (this.known.size > KEPT) this.known.clear();
        for (const step of steps) this.known.set(step, lines[step] ?? null);
        this.came();
      }
    } catch {
      // the rows stand without their lines; the next move asks again
    } finally {
      this.asking = false;
    }
    if (this.wanted.length) void this.ask();
  }
}
