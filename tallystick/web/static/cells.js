// @ts-check
// The small parts that rows are made of. Text is set as text, never as markup.

/** @param {string} name @param {string} text @returns {HTMLElement} */
export function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  if (text) element.textContent = text;
  return element;
}

/** @param {string} name @param {string} text @returns {HTMLElement} */
export function cell(name, text) {
  const element = span(name, text);
  element.setAttribute("role", "gridcell");
  return element;
}

/** A status as a drawn mark with its word for screen readers. @param {string} marks @param {string} status @returns {SVGElement} */
export function mark(marks, status) {
  const known = /^[a-z]+$/.test(status) ? status : "unknown";
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `mark st-${known}`);
  svg.setAttribute("width", "11");
  svg.setAttribute("height", "11");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", known);
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${marks}#${known}`);
  svg.append(use);
  return svg;
}

const SAID = { tool: "execute_tool ", retrieval: "execute_tool ", agent: "invoke_agent ", model: "chat " };

/** A step's name without the operation that its kind says already. @param {string | null} name @param {string} kind */
export function bare(name, kind) {
  const said = SAID[/** @type {keyof typeof SAID} */ (kind)];
  return name && said && name.startsWith(said) ? name.slice(said.length) : name;
}
