// The live page: fetched again whenever a session changed, and the times run on in between.

import { on } from "./keys.js";
import { fetched, swap } from "./swap.js";
import { clock, showTimes } from "./time.js";

const LEAST_MS = 1000;
const button = document.getElementById("pause");
const state = document.getElementById("state");
let paused = false;
let pending = false;
let busy = false;
let toldAt = Date.now();

function showSince() {
  for (const node of document.querySelectorAll("time[data-since]")) {
    node.textContent = clock((Date.now() - Date.parse(node.dateTime)) / 1000);
    node.setAttribute("aria-label", `running for ${node.textContent}`);
  }
}

function show(text) {
  if (state.textContent !== text) state.textContent = text;
}

async function refresh() {
  if (paused || busy) return void (pending = true);
  [busy, pending] = [true, false];
  try {
    const fresh = swap("running", await fetched("/live"));
    showTimes(fresh);
    showSince();
    tell();
  } catch {
    show("reconnecting");
  }
  setTimeout(() => {
    busy = false;
    if (pending) refresh();
  }, LEAST_MS);
}

// Those who listen hear how many run, at most every ten seconds.
function tell() {
  if (Date.now() - toldAt < 10_000) return;
  toldAt = Date.now();
  show(`live, ${document.getElementById("count").textContent}`);
}

function pause() {
  paused = !paused;
  button.setAttribute("aria-pressed", paused);
  show(paused ? "paused" : "live");
  if (!paused) refresh();
}

function listen() {
  const source = new EventSource(`/live/changes?after=${document.getElementById("running").dataset.change}`);
  source.addEventListener("open", () => show(paused ? "paused" : "live"));
  source.addEventListener("error", () => show("reconnecting"));
  source.addEventListener("change", refresh);
  source.addEventListener("missed", refresh);
  addEventListener("pagehide", () => source.close());
}

button.addEventListener("click", pause);
on("p", pause);
showSince();
setInterval(showSince, 1000);
listen();
