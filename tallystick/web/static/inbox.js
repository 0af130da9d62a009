// @ts-check
// Approvals: keys, what was changed but not proposed, and what happens meanwhile. Without this file the forms work as they are.
import { bind } from "./keys.js";
import { ago, say } from "./text.js";

/** @template {Element} T @param {string} name @returns {T | null} */
const one = (name) => /** @type {T | null} */ (document.querySelector(name));

/** A key that goes to an element, where there is one. @param {string} key @param {() => HTMLElement | null | undefined} find */
function goes(key, find) {
  bind(key, () => {
    const found = find();
    if (!found) return false;
    found.focus();
    found.scrollIntoView({ block: "nearest" });
    return true;
  });
}

function keys() {
  goes("e", () => {
    const edit = /** @type {HTMLDetailsElement | null} */ (one("[data-edit]"));
    if (edit) edit.open = true;
    return edit?.querySelector("input, select, textarea");
  });
  goes("n", () => one("[data-note]"));
  goes("v", () => one("[data-vouch]"));
  goes("b", () => one("[data-alike] [data-chosen]"));
}

/** Whoever changed a value and then approves would let happen what they did not mean. @param {HTMLFormElement} form */
function changes(form) {
  const fields = /** @type {(HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement)[]} */ ([...form.querySelectorAll('[name^="argument."]')]);
  const approve = /** @type {HTMLButtonElement | null} */ (form.querySelector("[data-approve]"));
  if (!approve || !fields.length) return;
  const words = approve.textContent;
  const first = fields.map((field) => field.value);
  form.addEventListener("input", () => {
    const changed = fields.some((field, index) => field.value !== first[index]);
    approve.disabled = changed;
    approve.textContent = changed ? "Changed: propose it above" : words;
  });
}

/** The number of those chosen stands on the button. @param {HTMLFormElement} form */
function chosen(form) {
  const button = /** @type {HTMLButtonElement | null} */ (form.querySelector("[data-approve-all]"));
  const count = () => {
    const many = form.querySelectorAll("[data-chosen]:checked").length;
    for (const each of form.querySelectorAll("button[name]")) /** @type {HTMLButtonElement} */ (each).disabled = !many;
    if (button) button.textContent = `Approve the chosen ${many}`;
  };
  form.addEventListener("change", count);
  count();
}

/** How long there is still time to answer, by the server's clock. @param {number} ahead milliseconds that it is ahead of this one */
function due(ahead) {
  const time = one("[data-due]");
  const until = time?.getAttribute("datetime");
  if (!time || !until) return;
  const now = Date.now() + ahead;
  time.textContent = ago(until, now);
  if (Date.parse(until) <= now) over("Its time is over: it is denied.");
}

/** This one can be answered no more. @param {string} words */
function over(words) {
  const notice = /** @type {HTMLElement | null} */ (one("[data-meanwhile]"));
  if (!notice || !notice.hidden) return;
  notice.textContent = words;
  notice.hidden = false;
  for (const button of document.querySelectorAll("[data-answer] button, [data-alike] button")) /** @type {HTMLButtonElement} */ (button).disabled = true;
  say(words);
}

/** What stands in a list: approval -> state. @param {ParentNode} page */
function listed(page) {
  const rows = [...page.querySelectorAll("[data-approval]")];
  return new Map(rows.map((row) => [row.getAttribute("data-approval") ?? "", row.getAttribute("data-state") ?? ""]));
}

/** Ask for this page again and say what is other. Nothing that somebody reads or points at is moved. */
async function look() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const before = listed(document);
  const now = listed(page);
  const opened = one("[data-opened]")?.getAttribute("data-state");
  const state = page.querySelector("[data-opened]")?.getAttribute("data-state");
  const same = one("[data-opened]")?.getAttribute("data-opened") === page.querySelector("[data-opened]")?.getAttribute("data-opened");
  if (opened === "waiting" && (!same || state !== "waiting")) over(`Somebody answered it meanwhile${same ? `: it is ${state}` : ""}.`);
  const fresh = [...now.keys()].filter((name) => !before.has(name)).length;
  const gone = [...before.keys()].filter((name) => now.get(name) !== before.get(name)).length;
  if (!before.size && fresh && !opened) {
    location.reload(); // nothing stands here that could move
    return;
  }
  const pill = /** @type {HTMLElement | null} */ (one("[data-inbox-live]"));
  const words = [fresh ? `${fresh} new` : "", gone ? `${gone} answered` : "", opened && same && opened !== state && !gone ? "changed" : ""].filter(Boolean);
  if (!pill || !words.length) return;
  pill.textContent = `${words.join(", ")} · show`;
  if (pill.hidden) say(pill.textContent);
  pill.hidden = false;
}

/** Start on the page of approvals; called once by main.js. */
export function start() {
  const inbox = one("[data-inbox]");
  if (!inbox) return;
  keys();
  const answer = /** @type {HTMLFormElement | null} */ (one("form[data-answer]"));
  if (answer) changes(answer);
  const several = /** @type {HTMLFormElement | null} */ (one("form[data-alike]"));
  if (several) chosen(several);
  const ahead = Number(inbox.getAttribute("data-now")) - Date.now();
  setInterval(() => due(ahead), 1_000);
  const source = new EventSource("/events");
  let seen = "";
  source.addEventListener("approvals", (event) => {
    const { mark } = JSON.parse(event.data);
    if (mark !== seen) void look();
    seen = mark;
  });
  addEventListener("pagehide", () => source.close());
}
