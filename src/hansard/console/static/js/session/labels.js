// Labels given without leaving: a dialog, the keys 1 to 4, and the sound goes on.

import { lettersAreOn, on } from "../keys.js";
import { notice } from "../notice.js";
import { parsed, swap } from "../swap.js";
import { clock, showTimes } from "../time.js";
import { now } from "./clock.js";
import { refresh } from "./live.js";

const dialog = document.getElementById("label-dialog");
const form = dialog?.querySelector("form");
const problem = document.getElementById("label-problem");

function open(event) {
  event?.preventDefault();
  if (!dialog) return notice(document.getElementById("label-not").textContent);
  problem.hidden = true;
  dialog.showModal();
  (form.querySelector("[name=code]:checked") ?? form.querySelector("[name=code]")).focus();
}

// The number keys choose the code, wherever in the dialog nothing is being written.
function press(event) {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return form.requestSubmit();
  const isWriting = event.target.matches("textarea, input:not([type=radio], [type=checkbox])");
  const choice = form.querySelectorAll("[name=code]")[Number(event.key) - 1];
  if (isWriting || !choice || !lettersAreOn()) return;
  choice.checked = true;
  choice.focus();
  event.preventDefault();
}

function writeTime() {
  const field = document.getElementById("comments");
  const blank = field.value && !/\s$/.test(field.value) ? " " : "";
  field.setRangeText(`${blank}${clock(now())} `, field.value.length, field.value.length, "end");
  field.focus();
}

async function give(event) {
  event.preventDefault();
  const button = form.querySelector("button.main");
  button.disabled = true;
  const sent = { method: "POST", headers: { Accept: "text/html" }, body: new URLSearchParams(new FormData(form)) };
  const answer = await fetch(form.action, sent).catch(() => null);
  button.disabled = false;
  if (!answer?.ok) return say(answer);
  showTimes(swap("labels", parsed(await answer.text())));
  form.reset();
  dialog.close();
  notice("The label is given.");
  refresh();
}

async function say(answer) {
  const sentence = answer ? parsed(await answer.text()).querySelector("main p")?.textContent : "";
  problem.textContent = sentence || "The server could not be reached. Your label is still here; try again.";
  problem.hidden = false;
}

export function startLabelling() {
  on("l", open);
  document.getElementById("label-above")?.addEventListener("click", open);
  document.getElementById("session").addEventListener("click", (event) => {
    if (event.target.closest("#label")) open(event);
  });
  if (!dialog) return;
  dialog.addEventListener("keydown", press);
  form.addEventListener("submit", give);
  document.getElementById("label-time").addEventListener("click", writeTime);
  document.getElementById("label-cancel").addEventListener("click", () => dialog.close());
}
