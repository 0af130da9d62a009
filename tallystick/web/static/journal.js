// @ts-check
// Verify now: the steps appear as the server does them. Without this script the same button opens the plain page.
import { span } from "./cells.js";
import { count, oneLine, say } from "./text.js";

const STATES = { holds: "ok", finding: "failed", "not checked": "unknown" };
const LIGHTS = ["off", "kept", "on", "bad"];

/** @typedef {{ step: string, state: string, detail: string, count: number }} Step */
/** @typedef {{ name: string, light: string, word: string, why: string }} Lamp */

/** A drawn shape out of the file of marks. @param {string} name @param {string} at @param {string} size */
function shape(name, at, size) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", name);
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", at);
  svg.append(use);
  return svg;
}

/** @param {Step} step @param {string} marks @returns {HTMLElement} */
function row(step, marks) {
  const known = STATES[/** @type {keyof typeof STATES} */ (step.state)] ?? "unknown";
  const line = document.createElement("li");
  line.className = "check";
  const state = span(`st st-${known}`, "");
  state.append(shape("mark", `${marks}#${known}`, "12"), span("", oneLine(step.state, 40)));
  const name = document.createElement("strong");
  name.textContent = oneLine(step.step, 80);
  line.append(state, name, span("check-why", oneLine(step.detail, 400)));
  if (step.count) line.append(span("check-count", count(step.count)));
  return line;
}

/** @param {Lamp} lamp @param {string} marks */
function light(lamp, marks) {
  const box = document.querySelector(`[data-lamp="${CSS.escape(lamp.name)}"]`);
  if (!box) return;
  const known = LIGHTS.includes(lamp.light) ? lamp.light : "off";
  box.className = `lamp lamp-${known}`;
  box.querySelector("use")?.setAttribute("href", `${marks}#lamp-${known}`);
  const word = box.querySelector("[data-word]");
  const why = box.querySelector("[data-why]");
  if (word) word.textContent = oneLine(lamp.word, 80);
  if (why) why.textContent = oneLine(lamp.why, 400);
}

/** Lines of an answer as they arrive. @param {Response} answer @returns {AsyncGenerator<string>} */
async function* lines(answer) {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

/** @param {string} address @param {HTMLElement} list @param {string} marks @returns {Promise<string>} what to say at the end */
async function verify(address, list, marks) {
  const answer = await fetch(address);
  if (!answer.ok) return `not verified: the server answered ${answer.status}`;
  for await (const line of lines(answer)) {
    const found = JSON.parse(line);
    if (found.lamps) {
      const lamps = /** @type {Lamp[]} */ (found.lamps);
      for (const lamp of lamps) light(lamp, marks);
      return lamps.map((lamp) => `${lamp.name}: ${lamp.word}`).join(", ");
    }
    list.append(row(found, marks));
    say(`${found.step}: ${found.state}`);
  }
  return "stopped before the end: not verified";
}

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-verify]"));
const list = /** @type {HTMLElement | null} */ (document.querySelector("[data-steps]"));
const says = /** @type {HTMLElement | null} */ (document.querySelector("[data-verify-says]"));
const marks = /** @type {HTMLElement | null} */ (document.querySelector("[data-marks]"))?.dataset.marks ?? "";
form?.addEventListener("submit", (event) => {
  const button = form.querySelector("button");
  if (!list || !says || !button) return;
  event.preventDefault();
  button.disabled = true;
  list.hidden = false;
  list.replaceChildren();
  says.textContent = "checking…";
  verify(form.dataset.verify ?? "", list, marks)
    .catch(() => "stopped before the end: the server does not answer")
    .then((words) => {
      says.textContent = words;
      say(words);
      button.disabled = false;
      button.focus();
    });
});
