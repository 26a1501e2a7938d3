// A running session grows: the server says that it changed, and what changed is fetched and put in its place.

import { fetched, swap } from "../swap.js";
import { clock, showTimes } from "../time.js";
import { now, setSpan, tell } from "./clock.js";
import { readMarks } from "./marks.js";
import { chosen } from "./player.js";
import { begin, finish, perPart, showMore, total } from "./transcript.js";
import { isLoaded, loadWaterfall } from "./waterfall.js";
import { draw } from "./waveform.js";

const LEAST_MS = 700;
const TELL_MS = 10_000;
const NEAR_PX = 160;
const page = document.getElementById("session");
const state = document.getElementById("live");
let busy = false;
let pending = false;
let untold = 0;
let toldAt = 0;

function showState(text) {
  state.hidden = !text;
  state.classList.toggle("live", text === "Live");
  if (state.textContent !== text) state.textContent = text;
}

// Those who listen hear how much came, at most every ten seconds.
function announce(count) {
  untold += count;
  if (!untold || Date.now() - toldAt < TELL_MS) return;
  toldAt = Date.now();
  const line = document.getElementById("live-told");
  line.textContent = `${untold} new ${untold === 1 ? "item" : "items"} in the transcript.`;
  untold = 0;
}

// Put fresh items among those that are there: what did not change is not touched, so nothing jumps or closes.
function merge(fresh) {
  const list = document.getElementById("items");
  const known = new Map([...list.children].map((item) => [item.id, item]));
  let [count, before] = [0, list.children[Number(fresh.dataset.begin) - begin()] ?? null];
  for (const item of [...fresh.children]) {
    const old = known.get(item.id);
    if (old === before && old?.dataset.v === item.dataset.v) {
      before.dataset.i = item.dataset.i;
      before = before.nextElementSibling;
      continue;
    }
    if (old?.querySelector("details[open]")) item.querySelector("details")?.setAttribute("open", "");
    if (old === before) before = before?.nextElementSibling ?? null;
    old?.remove();
    count += old ? 0 : 1;
    list.insertBefore(document.adoptNode(item), before);
  }
  while (before) {
    const gone = before;
    before = before.nextElementSibling;
    gone.remove();
  }
  list.dataset.end = fresh.dataset.end;
  list.dataset.total = fresh.dataset.total;
  return count;
}

// Fetch the page again and take over what is new in it.
export async function refresh() {
  if (busy) return void (pending = true);
  [busy, pending] = [true, false];
  try {
    take(await fetched(`/s/${page.dataset.id}?from=${lastPart()}`));
  } catch {
    pending = "running" in page.dataset;
  }
  setTimeout(() => {
    busy = false;
    if (pending) refresh();
  }, LEAST_MS);
}

// Where the last part of the items that are in the page begins.
function lastPart() {
  return Math.max(begin(), Math.floor(Math.max(0, finish() - 1) / perPart) * perPart);
}

function take(from) {
  const isAtEnd = innerHeight + scrollY > document.documentElement.scrollHeight - NEAR_PX;
  const wasRunning = "running" in page.dataset;
  showTimes(from);
  for (const id of ["header", "marks", "moments", "labels", "details", "silent"]) swap(id, from);
  const fresh = from.getElementById("items");
  if (Number(fresh.dataset.begin) >= begin() && Number(fresh.dataset.begin) <= finish()) announce(merge(fresh));
  document.getElementById("nothing")?.remove();
  if (!("running" in from.getElementById("session").dataset)) delete page.dataset.running;
  const marks = readMarks();
  setSpan(marks.begin, marks.end);
  document.getElementById("all").textContent = clock(marks.end);
  if (total() > finish()) showMore();
  if (isLoaded()) loadWaterfall();
  draw();
  tell(now(), "grow");
  if (!chosen() && from.querySelector("data.recording")) {
    document.getElementById("silent").textContent = "The recording is here now. Reload the page to hear it.";
  }
  if (isAtEnd && wasRunning) scrollTo({ top: document.documentElement.scrollHeight });
}

function showSoFar() {
  const node = document.getElementById("so-far");
  if (node) node.textContent = `${clock((Date.now() - Date.parse(node.dateTime)) / 1000)} so far`;
}

function listen() {
  const source = new EventSource(`/s/${page.dataset.id}/live?after=${page.dataset.seq}`);
  source.addEventListener("open", () => showState("Live"));
  source.addEventListener("change", refresh);
  source.addEventListener("missed", refresh);
  source.addEventListener("ended", () => {
    source.close();
    showState("");
    document.getElementById("live-told").textContent = "The session has ended.";
    refresh();
  });
  source.addEventListener("error", () => {
    showState("Reconnecting");
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, TELL_MS);
  });
  addEventListener("pagehide", () => source.close());
}

export function startLive() {
  if (!("running" in page.dataset)) return;
  showSoFar();
  setInterval(showSoFar, 1000);
  listen();
}
