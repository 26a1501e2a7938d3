// The list: moving and choosing with the keyboard, and sessions that came meanwhile.

import { on } from "./keys.js";
import { copy } from "./notice.js";

const POLL_MS = 5000;
const MOST_POLLS = 2000;
const table = document.getElementById("list");
const rows = [...(table?.querySelectorAll("tr[data-id]") ?? [])];
let here = -1;

function stand(at) {
  rows[here]?.classList.remove("here");
  here = at;
  rows[here]?.classList.add("here");
}

function move(by) {
  if (!rows.length) return;
  stand(Math.min(rows.length - 1, Math.max(0, here + by)));
  rows[here].querySelector(".open").focus();
  rows[here].scrollIntoView({ block: "nearest" });
}

function open() {
  rows[here]?.querySelector(".open")?.click();
}

const picks = () => [...document.querySelectorAll("#list input[name=ids]")];

function showChosen() {
  const count = picks().filter((pick) => pick.checked).length;
  const line = document.getElementById("chosen");
  if (line) line.textContent = count ? `${count} chosen:` : "Choose sessions to label them.";
  for (const button of document.querySelectorAll(".bulk button")) button.disabled = !count;
  const all = document.getElementById("all");
  if (all) [all.checked, all.indeterminate] = [count === picks().length, count > 0 && count < picks().length];
}

function choose() {
  const pick = rows[here]?.querySelector("input[name=ids]");
  if (!pick) return;
  pick.checked = !pick.checked;
  showChosen();
}

function leave() {
  document.activeElement?.blur();
  for (const pick of picks()) pick.checked = false;
  for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
  showChosen();
}

function copyCall() {
  const path = document.getElementById("copy-call").dataset.path;
  return copy(`curl -H 'Syllable-API-Key: …' '${location.origin}${path}'`, "The API call is copied.");
}

// Say that there are new sessions; they come when they are asked for, so that no row moves under the reader.
async function lookForNew(left = MOST_POLLS) {
  if (!left) return;
  if (!document.hidden) await announceNew();
  setTimeout(lookForNew, POLL_MS, left - 1);
}

async function announceNew() {
  const line = document.getElementById("new");
  const asked = new URLSearchParams({ q: document.getElementById("q").defaultValue, after: line.dataset.newest });
  const answer = await fetch(`/sessions/new?${asked}`).catch(() => null);
  if (!answer?.ok) return;
  const { count } = await answer.json();
  const text = `${count} new ${count === 1 ? "session" : "sessions"}: show`;
  if (count && line.firstElementChild.textContent !== text) line.firstElementChild.textContent = text;
  line.hidden = !count;
}

function suggest() {
  const field = document.getElementById("field");
  const value = document.getElementById("value");
  field?.addEventListener("change", () => value.setAttribute("list", `values-${field.value}`));
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.getElementById("copy-call").addEventListener("click", copyCall);
document.getElementById("bulk")?.addEventListener("change", showChosen);
document.getElementById("all")?.addEventListener("change", (event) => {
  for (const pick of picks()) pick.checked = event.target.checked;
  showChosen();
});
table?.addEventListener("focusin", (event) => stand(rows.indexOf(event.target.closest("tr"))));

on("/", () => document.getElementById("q").select());
on("j", () => move(1));
on("k", () => move(-1));
on("ArrowDown", () => move(1));
on("ArrowUp", () => move(-1));
on("o", open);
on("Enter", open);
on("x", choose);
on("n", () => document.querySelector("a[rel=next]")?.click());
on("p", () => document.querySelector("a[rel=prev]")?.click());
on("c", copyCall);
on("Escape", leave);
suggest();
showChosen();
if (!document.getElementById("problem")) setTimeout(lookForNew, POLL_MS);
