// The transcript: follows the clock, leads it when a time is pressed, and brings what is not in the page yet.

import { copy, notice } from "../notice.js";
import { fetched } from "../swap.js";
import { showTimes } from "../time.js";
import { onTime, seek } from "./clock.js";
import { lastAt, turns } from "./marks.js";
import { isPlaying } from "./player.js";

const page = document.getElementById("session");
export const perPart = Number(page.dataset.part);
const again = document.getElementById("follow");
const list = () => document.getElementById("items");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let here = -1; // the index of the turn that is spoken now
let lit = null; // its element
let following = true;
let loading = null;

export const begin = () => Number(list().dataset.begin);
export const finish = () => Number(list().dataset.end);
export const total = () => Number(list().dataset.total);

// The element of the item at this place; null while it is not in the page.
export function itemAt(place) {
  return list().children[place - begin()] ?? null;
}

function within(place) {
  return place >= begin() && place < finish();
}

async function itemsFrom(place) {
  const from = await fetched(`/s/${page.dataset.id}/items?from=${place}`);
  showTimes(from);
  return document.adoptNode(from.getElementById("items"));
}

// Bring the part with this place into the page: joined to what is there, or instead of it when it lies elsewhere.
export async function bring(place) {
  while (loading) await loading;
  if (within(place)) return;
  loading = (async () => {
    const fresh = await itemsFrom(Math.floor(place / perPart) * perPart);
    const old = list();
    if (Number(fresh.dataset.begin) === finish()) {
      old.append(...fresh.children);
      old.dataset.end = fresh.dataset.end;
    } else if (Number(fresh.dataset.end) === begin()) {
      old.prepend(...fresh.children);
      old.dataset.begin = fresh.dataset.begin;
    } else old.replaceWith(fresh);
    showMore();
  })();
  try {
    await loading;
  } catch {
    notice("The rest of this session could not be fetched. Try again.");
  } finally {
    loading = null;
  }
}

// The buttons that lead to what is before and after the part in the page.
export function showMore() {
  for (const [id, count] of [["earlier", begin()], ["later", total() - finish()]]) {
    const line = document.getElementById(id);
    line.hidden = count <= 0;
    line.firstElementChild.textContent = `${id === "earlier" ? "Earlier" : "Later"}: ${count} more`;
  }
}

function light(element) {
  if (element === lit) return;
  lit?.classList.remove("current");
  lit?.removeAttribute("aria-current");
  element?.classList.add("current");
  element?.setAttribute("aria-current", "true");
  lit = element;
}

// Bring an element to where the eye is, unless it is there.
export function show(element, gently = false) {
  const box = element.getBoundingClientRect();
  const top = Math.max(0, document.getElementById("player").getBoundingClientRect().bottom);
  if (box.top > top && box.bottom < innerHeight * 0.85) return;
  element.scrollIntoView({ block: box.height > innerHeight / 2 ? "start" : "center", behavior: gently && !calm.matches ? "smooth" : "instant" });
}

// Of turns that begin at the same time the one that was chosen stays.
function follow(time, why) {
  const found = lastAt(turns(), time);
  const isSame = found === here || (turns()[here] && turns()[here].begin === turns()[found]?.begin);
  if (isSame && why !== "seek" && lit?.isConnected) return;
  if (!isSame) here = found;
  point(why);
}

async function point(why) {
  const turn = turns()[here];
  if (!turn) return light(null);
  if (!within(turn.place) && why !== "grow" && following) await bring(turn.place);
  const element = itemAt(turn.place);
  light(element);
  if (element && following && why !== "grow") show(element, why === "play");
}

// Go to the turn before or after the one that is spoken now.
export function stepTurn(by) {
  const next = Math.min(turns().length - 1, Math.max(0, here + by));
  if (!turns()[next]) return;
  letFollow(true);
  here = next;
  seek(turns()[next].begin);
}

function letFollow(is) {
  following = is;
  again.hidden = is;
}

// Somebody scrolls: from now on the page stays where they put it.
function letGo(event) {
  const isKey = event.type === "keydown";
  if (isKey && (!["PageUp", "PageDown", "Home", "End"].includes(event.key) || event.defaultPrevented)) return;
  if (event.type === "pointerdown" && event.clientX < document.documentElement.clientWidth) return;
  if (following && isPlaying()) letFollow(false);
}

function go(event) {
  const link = event.target.closest("a.seek, a.at");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const item = link.closest("li[data-b]");
  const time = link.dataset.at ?? item?.dataset.b;
  if (time === undefined) return;
  event.preventDefault();
  letFollow(true);
  if (item?.matches(".turn")) here = turns().findIndex((turn) => turn.place === Number(item.dataset.i));
  seek(Number(time));
}

function copyPayload(event) {
  const button = event.target.closest("button.copy");
  if (!button) return;
  copy(button.parentElement.querySelector("pre").textContent);
}

function openForPrint() {
  const closed = [...document.querySelectorAll("#items details:not([open])")];
  for (const one of closed) one.open = true;
  addEventListener("afterprint", () => closed.forEach((one) => (one.open = false)), { once: true });
}

export function startTranscript() {
  onTime(follow);
  page.addEventListener("click", go);
  page.addEventListener("click", copyPayload);
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(kind, letGo, { passive: true });
  again.addEventListener("click", () => {
    letFollow(true);
    point("seek");
  });
  for (const [id, place] of [["earlier", () => begin() - 1], ["later", () => finish()]]) {
    document.querySelector(`#${id} a`).addEventListener("click", (event) => {
      event.preventDefault();
      bring(place());
    });
  }
  addEventListener("beforeprint", openForPrint);
}
