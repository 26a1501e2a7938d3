// The keyboard: keys name what they do, letters can be switched off, and nothing happens while somebody types.

import { keep, kept } from "./kept.js";

const actions = new Map();
let before = "";
let beforeAt = 0;

// Let a key do something: "j", "Shift+ArrowLeft", or two one after the other, "g s".
export function on(key, action) {
  actions.set(key, action);
}

function isTyping(target) {
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) && target.type !== "checkbox" && target.type !== "radio" && target.type !== "range";
}

// What has the focus keeps the keys that press it or move in it. Space presses no link.
function isPressed(event) {
  if (event.key === "Enter") return event.target.closest("button, a, summary, input");
  if (event.key === " ") return event.target.closest("button, summary, input");
  return /^(Arrow|Home$|End$|Page)/.test(event.key) && event.target.closest("input, [role=slider], .scroll, pre[tabindex]");
}

export function lettersAreOn() {
  return kept("letters", "on") === "on";
}

function nameOf(event) {
  if (event.getModifierState("AltGraph")) return event.key; // [ and ] on many keyboards
  if (event.ctrlKey || event.metaKey) return `Mod+${event.key}`;
  if (event.altKey) return "";
  return event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
}

function press(event) {
  if (event.defaultPrevented || isPressed(event)) return;
  const typing = isTyping(event.target);
  if (typing && event.key !== "Escape" && !event.ctrlKey && !event.metaKey) return;
  if (document.querySelector("dialog[open]")) return; // which keeps Escape to close itself
  const key = nameOf(event);
  if (/^[a-z0-9?./[\]]$/i.test(key) && !lettersAreOn()) return;
  const pair = `${before} ${key}`;
  const action = (event.timeStamp - beforeAt < 1000 && actions.get(pair)) || actions.get(key);
  before = key;
  beforeAt = event.timeStamp;
  if (!action) return;
  event.preventDefault();
  action(event);
}

export function startKeys() {
  document.addEventListener("keydown", press);
  const dialog = document.getElementById("keys");
  if (!dialog) return;
  const letters = document.getElementById("letters");
  letters.checked = lettersAreOn();
  letters.addEventListener("change", () => keep("letters", letters.checked ? "on" : "off"));
  document.getElementById("help").addEventListener("click", () => dialog.showModal());
  on("?", () => dialog.showModal());
}
