// Two lanes on a canvas, the user's above the agent's: from the sound, or where there is none from the turns' times.

import { clock } from "../time.js";
import { begin, end, now, onTime, seek } from "./clock.js";
import { lastAt, moments, turns } from "./marks.js";
import { chosen } from "./player.js";

const PEAKS_A_SECOND = 20;
const ROLES = ["user", "agent"];
const wave = document.getElementById("wave");
const canvas = wave.querySelector("canvas");
const head = document.getElementById("playhead");
let peaks = null; // { bytes, channels, from, most }

const at = (time, width) => ((time - begin()) / (end() - begin() || 1)) * width;

function colours() {
  const read = (name) => getComputedStyle(document.querySelector(`#player .lanes .${name}`)).color;
  return Object.fromEntries(["user", "agent", "line", "bad", "faint"].map((name) => [name, read(name)]));
}

// Whose the sound of a mono recording is at a time: of who has the turn.
function speakerAt(time) {
  const turn = turns()[lastAt(turns(), time)];
  return turn && (turn.end === null || turn.end >= time) ? turn.role : null;
}

function loudness(role, from, to) {
  const lane = peaks.channels > 1 ? ROLES.indexOf(role) : 0;
  let most = 0;
  for (let index = Math.max(0, Math.floor(from * PEAKS_A_SECOND)); index < to * PEAKS_A_SECOND; index += 1)
    most = Math.max(most, peaks.bytes[index * peaks.channels + lane] ?? 0);
  return (most / peaks.most) ** 0.8; // a quiet call is seen as well as a loud one
}

function drawPeaks(pen, role, top, height, width) {
  const seconds = (end() - begin()) / width;
  for (let x = 0; x < width; x += 1) {
    const from = begin() + x * seconds - peaks.from;
    if (peaks.channels < 2 && speakerAt(from + peaks.from) === ROLES[1 - ROLES.indexOf(role)]) continue;
    const tall = Math.max(0.5, loudness(role, from, from + seconds) * height);
    pen.fillRect(x, top + (height - tall) / 2, 1, tall);
  }
}

function drawTurns(pen, role, top, height, width) {
  for (const turn of turns()) {
    if (turn.role !== role) continue;
    const x = at(turn.begin, width);
    const wide = turn.end === null ? 2 : Math.max(2, at(turn.end, width) - x - 1);
    pen.fillRect(x, top + height * 0.2, wide, height * 0.6);
  }
}

function drawMoment(pen, moment, width, height, ink) {
  const x = at(moment.begin, width);
  pen.fillStyle = pen.strokeStyle = moment.kind === "error" ? ink.bad : ink.faint;
  if (x < -10 || x > width + 10) return; // by a clock that was wrong
  if (moment.kind === "silence") return hatch(pen, x, Math.min(width, at(moment.end, width)), height);
  pen.fillRect(x - 0.75, 0, 1.5, height);
  pen.beginPath();
  if (moment.kind === "error") pen.moveTo(x - 5, 0), pen.lineTo(x + 5, 0), pen.lineTo(x, 8);
  else if (moment.kind === "label") pen.rect(x, 0, 8, 6);
  else pen.moveTo(x - 4, 4), pen.lineTo(x, 0), pen.lineTo(x + 4, 4), pen.lineTo(x, 8);
  pen.fill();
}

function hatch(pen, from, to, height) {
  pen.save();
  pen.beginPath();
  pen.rect(from, height / 2 - 4, Math.max(2, to - from), 8);
  pen.clip();
  pen.lineWidth = 1;
  pen.beginPath();
  for (let x = from - 8; x < to + 8; x += 5) pen.moveTo(x, height / 2 + 4), pen.lineTo(x + 8, height / 2 - 4);
  pen.stroke();
  pen.restore();
}

export function draw() {
  const [width, height, dense] = [wave.clientWidth, wave.clientHeight, devicePixelRatio || 1];
  if (!width) return;
  [canvas.width, canvas.height] = [width * dense, height * dense];
  const pen = canvas.getContext("2d");
  const ink = colours();
  pen.scale(dense, dense);
  pen.fillStyle = ink.line;
  pen.fillRect(0, height / 2 - 0.5, width, 1);
  for (const [index, role] of ROLES.entries()) {
    pen.fillStyle = ink[role];
    (peaks ? drawPeaks : drawTurns)(pen, role, (index * height) / 2 + 3, height / 2 - 6, width);
  }
  for (const moment of moments()) drawMoment(pen, moment, width, height, ink);
  move(now());
}

function move(time) {
  head.style.setProperty("transform", `translateX(${at(time, wave.clientWidth)}px)`);
  const second = String(Math.round(time));
  if (wave.getAttribute("aria-valuenow") === second) return;
  const speaker = speakerAt(time);
  wave.setAttribute("aria-valuemin", Math.floor(begin()));
  wave.setAttribute("aria-valuemax", Math.ceil(end()));
  wave.setAttribute("aria-valuenow", second);
  const who = speaker ? `, ${speaker === "user" ? "user" : "agent"} speaking` : "";
  wave.setAttribute("aria-valuetext", `${clock(time)} of ${clock(end())}${who}`);
}

async function loadPeaks() {
  peaks = null;
  const data = chosen();
  if (data?.dataset.peaks !== "1") return draw();
  const answer = await fetch(`/s/${document.getElementById("session").dataset.id}/recordings/${data.value}/peaks`).catch(() => null);
  if (answer?.ok && data === chosen()) {
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const most = bytes.reduce((one, other) => Math.max(one, other), 20);
    peaks = { bytes, most, channels: Number(data.dataset.channels), from: Number(data.dataset.begin) };
  }
  draw();
}

function slide(event) {
  const steps = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageUp: 30, PageDown: -30 };
  if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key in steps) seek(now() + steps[event.key]);
  else if (event.key === "Home") seek(begin());
  else if (event.key === "End") seek(end());
  else return;
  event.preventDefault();
}

function drag(event) {
  if (event.type === "pointerdown") wave.setPointerCapture(event.pointerId);
  if (event.buttons !== 1) return;
  const box = wave.getBoundingClientRect();
  seek(begin() + ((event.clientX - box.left) / box.width) * (end() - begin()));
}

export function startWaveform() {
  onTime(move);
  loadPeaks();
  new ResizeObserver(draw).observe(wave);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  document.getElementById("recording")?.addEventListener("change", loadPeaks);
  wave.addEventListener("keydown", slide);
  wave.addEventListener("pointerdown", drag);
  wave.addEventListener("pointermove", drag);
}
