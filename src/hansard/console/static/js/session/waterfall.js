// The waterfall: fetched when somebody wants to see it, and following the clock from then on.

import { on } from "../keys.js";
import { notice } from "../notice.js";
import { fetched } from "../swap.js";
import { onTime } from "./clock.js";

const page = document.getElementById("session");
const panels = { transcript: document.getElementById("panel-transcript"), waterfall: document.getElementById("panel-waterfall") };
const links = { transcript: document.getElementById("view-transcript"), waterfall: document.getElementById("view-waterfall") };
let from = 0;

const isShown = () => !panels.waterfall.hidden;

// Fetch what is shown of the waterfall again, were it for the first time.
export async function loadWaterfall() {
  try {
    const part = await fetched(`/s/${page.dataset.id}/waterfall?from=${from}`);
    const open = [...panels.waterfall.querySelectorAll("details[open]")].map((one) => one.className);
    const fresh = document.adoptNode(part.getElementById("waterfall"));
    for (const one of fresh.querySelectorAll("details")) one.open = open.includes(one.className);
    panels.waterfall.replaceChildren(fresh);
  } catch {
    notice("The waterfall could not be fetched. Try again.");
  }
}

export const isLoaded = () => panels.waterfall.childElementCount > 0;

async function show(view) {
  for (const name of Object.keys(panels)) {
    panels[name].hidden = name !== view;
    if (name === view) links[name].setAttribute("aria-current", "true");
    else links[name].removeAttribute("aria-current");
  }
  const here = new URL(location.href);
  if (view === "waterfall") here.searchParams.set("view", view);
  else here.searchParams.delete("view");
  history.replaceState(null, "", here);
  if (view === "waterfall" && !isLoaded()) await loadWaterfall();
}

function light(time) {
  if (!isShown()) return;
  const rows = document.getElementById("exchanges")?.children ?? [];
  let current = null;
  for (const row of rows) if (Number(row.dataset.b) <= time + 0.001) current = row;
  if (current?.classList.contains("current")) return;
  for (const row of rows) row.classList.toggle("current", row === current);
}

function turnPage(event) {
  const link = event.target.closest("a.part");
  if (!link) return;
  event.preventDefault();
  from = Number(link.dataset.from);
  loadWaterfall().then(() => panels.waterfall.scrollIntoView({ block: "start" }));
}

export function startWaterfall() {
  for (const name of Object.keys(links)) {
    links[name].addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(name);
    });
  }
  panels.waterfall.addEventListener("click", turnPage);
  onTime(light);
  on("w", () => show(isShown() ? "transcript" : "waterfall"));
}
