// @ts-check
// A long list of rows of one height, of which only those in sight exist.

const TALLEST = 12_000_000; // browsers cap the height of an element; beyond this the scroll is scaled

export class Window {
  /** @param {HTMLElement} list what scrolls @param {HTMLElement} space what is as high as all rows @param {number} height of a row, in pixels @param {number} spare rows kept beyond each edge */
  constructor(list, space, height, spare) {
    this.list = list;
    this.space = space;
    this.height = height;
    this.spare = spare;
    this.count = 0;
    this.scale = 1;
    /** @type {Map<number, HTMLElement>} */
    this.shown = new Map();
  }

  /** The list has so many rows now. @param {number} count */
  resize(count) {
    this.count = count;
    const tall = count * this.height;
    this.scale = Math.max(1, tall / TALLEST);
    this.space.style.height = `${Math.min(tall, TALLEST)}px`;
    this.list.setAttribute("aria-rowcount", String(count));
  }

  /** Put the rows in sight in their places. @param {(row: number) => HTMLElement} draw @param {number} active the chosen row, -1 for none */
  paint(draw, active) {
    const top = this.list.scrollTop;
    const first = (top * this.scale) / this.height;
    const from = Math.max(0, Math.floor(first) - this.spare);
    const to = Math.min(this.count, Math.ceil(first + this.list.clientHeight / this.height) + this.spare);
    for (const [row, element] of this.shown) {
      if (row >= from && row < to) continue;
      element.remove();
      this.shown.delete(row);
    }
    for (let row = from; row < to; row++) {
      let element = this.shown.get(row);
      if (!element) {
        element = draw(row);
        this.shown.set(row, element);
        this.space.append(element);
      }
      element.style.top = `${this.scale === 1 ? row * this.height : top + (row - first) * this.height}px`;
    }
    const chosen = this.shown.get(active);
    if (chosen) this.list.setAttribute("aria-activedescendant", chosen.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  /** Every row is drawn anew with the next painting. */
  clear() {
    this.space.replaceChildren();
    this.shown.clear();
  }

  /** Scroll a row into sight. @param {number} row */
  reveal(row) {
    const y = (row * this.height) / this.scale;
    const room = this.list.clientHeight;
    if (y < this.list.scrollTop) this.list.scrollTop = y;
    else if (y + this.height > this.list.scrollTop + room) this.list.scrollTop = y + this.height - room;
  }

  /** @returns {number} rows that a page of the list moves by */
  page() {
    return Math.max(1, Math.floor(this.list.clientHeight / this.height) - 1);
  }
}
