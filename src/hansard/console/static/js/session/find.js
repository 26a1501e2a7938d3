// Find in the session, all of it, also what is not in the page yet: n of m, one after the other.

import { on } from "../keys.js";
import { bring, itemAt, show } from "./transcript.js";

const WAIT_MS = 150;
const [field, found] = ["wanted", "found"].map((id) => document.getElementById(id));
const id = document.getElementById("session").dataset.id;
let hits = [];
let index = -1;
let wanted = "";
let waiting = 0;
let asked = 0;

async function look() {
  wanted = field.value.trim();
  const mine = ++asked;
  if (!wanted) return tell([]);
  const answer = await fetch(`/s/${id}/find?${new URLSearchParams({ q: wanted })}`).catch(() => null);
  if (mine !== asked) return;
  if (!answer?.ok) return void (found.textContent = "no answer");
  tell((await answer.json()).hits);
  if (hits.length) go(0);
}

function tell(places) {
  [hits, index] = [places, -1];
  CSS.highlights?.delete("found");
  document.querySelector(".item.hit")?.classList.remove("hit");
  found.textContent = !wanted ? "" : places.length ? `0/${places.length}` : "nothing found";
}

async function go(to) {
  if (!hits.length) return;
  index = (to + hits.length) % hits.length;
  found.textContent = `${index + 1}/${hits.length}`;
  await bring(hits[index]);
  const element = itemAt(hits[index]);
  if (!element) return;
  document.querySelector(".item.hit")?.classList.remove("hit");
  element.classList.add("hit");
  unfold(element);
  paint(element);
  show(element);
}

// What was found inside a tool call is shown: open it, unless the words are in what is shown anyway.
function unfold(element) {
  for (const details of element.querySelectorAll("details:not([open])")) {
    const holds = (node) => node.textContent.toLowerCase().includes(wanted.toLowerCase());
    if (holds(details) && !holds(details.firstElementChild)) details.open = true;
  }
}

function paint(element) {
  if (!CSS.highlights) return;
  const ranges = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const needle = wanted.toLowerCase();
  while (walker.nextNode()) {
    const text = walker.currentNode.data.toLowerCase();
    for (let at = text.indexOf(needle); at >= 0 && needle; at = text.indexOf(needle, at + needle.length)) {
      if (text.length !== walker.currentNode.length) break;
      const range = new Range();
      range.setStart(walker.currentNode, at);
      range.setEnd(walker.currentNode, at + needle.length);
      ranges.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

export function startFinding() {
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, WAIT_MS);
  });
  document.getElementById("find").addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim() === wanted) go(index + 1);
    else look();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.shiftKey) go(index - 1), event.preventDefault();
    if (event.key === "Escape") field.value = "", look(), field.blur();
  });
  document.getElementById("find-before").addEventListener("click", () => go(index - 1));
  document.getElementById("find-next").addEventListener("click", () => go(index + 1));
  on("/", () => field.select());
  on("n", () => go(index + 1));
  on("N", () => go(index - 1));
}
