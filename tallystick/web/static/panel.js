// @ts-check
// The chosen step's contents, fetched when asked for. The server escapes everything it sends (the same template
// makes the page of the step), and the content security policy lets nothing in it run.

export class Panel {
  /** @param {HTMLElement} element @param {string} base address of the run's steps, ending in a slash */
  constructor(element, base) {
    this.element = element;
    this.base = base;
    /** @type {string | null} */
    this.step = null;
    /** @type {AbortController | null} */
    this.asking = null;
    this.timer = 0;
  }

  /** @param {string} step @param {number} wait milliseconds: holding an arrow key must not ask for every row */
  show(step, wait) {
    clearTimeout(this.timer);
    this.asking?.abort();
    if (step === this.step) return;
    this.element.classList.add("busy");
    this.timer = setTimeout(() => void this.fetch(step), wait);
  }

  /** @param {string} step */
  async fetch(step) {
    this.asking = new AbortController();
    let words = "";
    try {
      const answer = await fetch(`${this.base}${encodeURIComponent(step)}?part=1`, { signal: this.asking.signal });
      if (answer.ok) {
        const html = await answer.text();
        this.step = step; // only now: asked for again while its text comes, it is fetched again
        this.fill(html);
        return;
      }
      words = `The step could not be read: the server answered ${answer.status}.`;
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      words = "The step could not be read: the server does not answer.";
    }
    this.step = null;
    const fault = document.createElement("p");
    fault.className = "fault";
    fault.textContent = words;
    this.element.replaceChildren(this.bar(), fault);
    this.element.classList.remove("busy");
  }

  /** @param {string} html */
  fill(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const article = page.querySelector("article.step");
    if (!article) return;
    for (const button of article.querySelectorAll("[data-copy]")) /** @type {HTMLElement} */ (button).hidden = false;
    this.element.replaceChildren(this.bar(), document.importNode(article, true));
    this.element.classList.remove("busy");
    this.element.scrollTop = 0;
  }

  /** @returns {HTMLElement} the close button */
  bar() {
    const bar = document.createElement("div");
    bar.className = "panel-bar";
    const close = document.createElement("button");
    close.type = "button";
    close.className = "ghost";
    close.textContent = "Close";
    close.addEventListener("click", () => this.close());
    bar.append(close);
    return bar;
  }

  close() {
    this.element.classList.add("untouched");
    this.element.parentElement?.classList.add("alone");
    this.element.dispatchEvent(new CustomEvent("panelclose", { bubbles: true }));
  }

  open() {
    this.element.classList.remove("untouched");
    this.element.parentElement?.classList.remove("alone");
  }
}
