// @ts-check
// Find in a run: rows by what they say, at once; contents by asking the server, which reads all of them.
import { count, say } from "./text.js";

const WAIT = 220; // milliseconds after the last key
const PAGE = 200;
const MOST = 1_000; // matches in contents that the page takes

/** @typedef {{ step: string, field: string, snippet: string, at: number, length: number }} Match */

export class Finder {
  /**
   * @param {import("./tree.js").Tree} tree @param {HTMLInputElement} input @param {HTMLElement} out
   * @param {string} address of the run's find @param {() => void} changed called when the question has changed
   */
  constructor(tree, input, out, address, changed) {
    this.tree = tree;
    this.input = input;
    this.out = out;
    this.address = address;
    this.changed = changed;
    /** @type {AbortController | null} */
    this.asking = null;
    this.timer = 0;
    this.note = "";
    this.jump = false; // Enter was pressed before the answer came
    input.addEventListener("input", () => this.search());
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (this.tree.matches.size) {
        this.next(event.shiftKey);
        this.tree.root.focus();
      } else this.jump = true;
    });
  }

  /** Search again, rows first. */
  search() {
    const wanted = this.input.value.trim();
    clearTimeout(this.timer);
    this.asking?.abort();
    this.asking = null;
    this.jump = false;
    this.tree.matches = wanted ? rowsThatSay(this.tree.columns, wanted.toLowerCase()) : new Set();
    this.tree.snippets.clear();
    this.note = "";
    if (wanted.length > 1 && this.tree.size) {
      this.note = "reading contents…";
      this.timer = setTimeout(() => void this.ask(wanted), WAIT);
    }
    this.show();
    this.tree.refresh();
    this.changed();
  }

  /** @param {string} wanted */
  async ask(wanted) {
    const asking = new AbortController();
    this.asking = asking;
    let taken = 0;
    let after = "";
    try {
      do {
        const url = `${this.address}?q=${encodeURIComponent(wanted)}&limit=${PAGE}${after && `&after=${encodeURIComponent(after)}`}`;
        const answer = await fetch(url, { signal: asking.signal });
        if (!answer.ok) throw new Error(String(answer.status));
        const { matches, more } = await answer.json();
        for (const match of /** @type {Match[]} */ (matches)) this.take(match);
        taken += matches.length;
        after = more ?? "";
        this.note = after ? "reading contents…" : "";
        this.show();
        this.tree.refresh();
        if (this.jump && this.tree.matches.size) {
          this.jump = false;
          this.next();
          this.tree.root.focus();
        }
      } while (after && taken < MOST);
      if (after) this.note = `the first ${count(taken)} places in contents`;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.note = `contents not searched: ${error instanceof Error && /^\d+$/.test(error.message) ? `the server answered ${error.message}` : "no answer"}`;
    }
    this.show();
    say(this.out.textContent ?? "");
  }

  /** @param {Match} match */
  take(match) {
    const i = this.tree.columns.find(match.step);
    if (i < 0) return;
    this.tree.matches.add(i);
    if (!this.tree.snippets.has(i) && match.field !== "name") this.tree.snippets.set(i, match);
  }

  show() {
    const { matches, size } = this.tree;
    const asked = this.input.value.trim() !== "";
    this.out.textContent = `${asked ? `${count(matches.size)} of ${count(size)}` : `${count(size)} steps`}${this.note && ` · ${this.note}`}`;
  }

  /** @param {boolean} [back] @returns {boolean} whether there was a match to go to */
  next(back = false) {
    const { tree } = this;
    const i = tree.matches.size ? tree.next((at) => tree.matches.has(at), back) : -1;
    if (i >= 0) tree.choose(i);
    else say("no step matches");
    return i >= 0;
  }
}

/** @param {import("./columns.js").Columns} c @param {string} wanted in lower case @returns {Set<number>} */
function rowsThatSay(c, wanted) {
  const looks = c.looks.map((look) =>
    [look.name, look.kind, look.status, look.decision, look.tool, look.model, look.derived ? "derived" : ""].join(" ").toLowerCase(),
  );
  const agents = c.agents.map((agent) => agent.toLowerCase());
  const tests = wanted.split(/\s+/).map((part) => ({
    looks: looks.map((text) => text.includes(part)),
    agents: agents.map((text) => text.includes(part)),
    id: /^[0-9a-f]{4,16}$/.test(part) ? part : "",
  }));
  /** @type {Set<number>} */
  const found = new Set();
  for (let i = 0; i < c.size; i++) {
    if (tests.every((test) => test.looks[c.lookOf[i]] || test.agents[c.agentOf[i]] || (test.id && c.step(i).startsWith(test.id)))) found.add(i);
  }
  return found;
}
