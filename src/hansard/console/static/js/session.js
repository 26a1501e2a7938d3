// One session: everything on it hangs on one clock. This module puts the parts together and gives them their keys.

import { on } from "./keys.js";
import { copy } from "./notice.js";
import { now, onTime, seek, setSpan } from "./session/clock.js";
import { startFinding } from "./session/find.js";
import { startLabelling } from "./session/labels.js";
import { startLive } from "./session/live.js";
import { nextMoment } from "./session/moments.js";
import { startPlayer } from "./session/player.js";
import { readMarks } from "./session/marks.js";
import { startTranscript, stepTurn } from "./session/transcript.js";
import { startWaterfall } from "./session/waterfall.js";
import { startWaveform } from "./session/waveform.js";

const page = document.getElementById("session");

// To the millisecond, so that a turn's own beginning is not just before it.
const written = (time) => String(Math.round(time * 1000) / 1000);

// A link for a colleague: to this moment, without the list we came from.
function linkHere() {
  const link = new URL(`/s/${page.dataset.id}`, location.origin);
  link.searchParams.set("t", written(now()));
  return link.href;
}

// The address says where we are when the clock stands still, so that a reload lands there too.
function startAddress() {
  let waiting = 0;
  onTime((time, why) => {
    if (why !== "seek" && why !== "pause") return;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const here = new URL(location.href);
      here.searchParams.set("t", written(time));
      here.searchParams.delete("from");
      here.hash = "";
      history.replaceState(null, "", here);
    }, 250);
  });
}

function press(id) {
  return () => document.getElementById(id)?.click();
}

const marks = readMarks();
setSpan(marks.begin, marks.end);
startPlayer();
startWaveform();
startTranscript();
startWaterfall();
startFinding();
startLabelling();
startLive();

const copyLink = () => copy(linkHere(), "The link to this moment is copied.");
document.getElementById("copy-link").addEventListener("click", copyLink);
on("y", copyLink);
on("r", press("raw"));
on("j", press("older"));
on("k", press("newer"));
on("ArrowUp", () => stepTurn(-1));
on("ArrowDown", () => stepTurn(1));
on("Shift+ArrowLeft", () => nextMoment(-1));
on("Shift+ArrowRight", () => nextMoment(1));

startAddress();
if ("at" in page.dataset) seek(Number(page.dataset.at));
document.documentElement.dataset.ready = "";
