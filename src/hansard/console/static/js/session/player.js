// The player: sound where there is some, and where there is none the same clock without it.

import { on } from "../keys.js";
import { notice } from "../notice.js";
import { clock } from "../time.js";
import { begin, end, now, onTime, seek, setPlacer, tell } from "./clock.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const [button, speed, mute, volume] = ["play", "speed", "mute", "volume"].map((id) => document.getElementById(id));
let sound = null; // { audio, from, to }: an element, and the stretch of the clock it covers
let playing = false;
let isLed = false; // by the sound; else the clock goes on by itself, from where it was then
let quiet = { since: 0, from: 0 };

export const isPlaying = () => playing;

function covers(time) {
  return sound !== null && time >= sound.from && time < sound.to;
}

// Put the sound, or the clock without it, at a time.
function place(time) {
  isLed = covers(time);
  quiet = { since: performance.now(), from: time };
  if (!isLed) return sound?.audio.pause();
  sound.audio.currentTime = time - sound.from;
  if (playing && sound.audio.paused) start(sound.audio);
}

async function start(audio) {
  try {
    await audio.play();
  } catch (error) {
    if (error.name !== "AbortError" && playing) pause();
  }
}

function timeNow() {
  if (isLed) return sound.from + sound.audio.currentTime;
  return quiet.from + ((performance.now() - quiet.since) / 1000) * Number(speed.value);
}

function step() {
  if (!playing) return;
  const time = timeNow();
  if (!isLed && covers(time)) place(time);
  tell(Math.min(time, end()), "play");
  if (time >= end()) return pause();
  requestAnimationFrame(step);
}

function play() {
  playing = true;
  if (now() >= end() - 0.05) seek(begin());
  else place(now());
  show();
  requestAnimationFrame(step);
}

function pause() {
  playing = false;
  sound?.audio.pause();
  show();
  tell(now(), "pause");
}

export function toggle() {
  if (playing) pause();
  else play();
}

function show() {
  button.setAttribute("aria-label", playing ? "Pause" : "Play");
  button.querySelector("use").setAttribute("href", playing ? "#icon-pause" : "#icon-play");
}

function changeSpeed(by) {
  const index = SPEEDS.indexOf(Number(speed.value)) + by;
  if (!SPEEDS[index]) return;
  speed.value = String(SPEEDS[index]);
  useSpeed();
  notice(`Speed ${SPEEDS[index]}`);
}

function useSpeed() {
  quiet = { since: performance.now(), from: now() };
  if (sound) sound.audio.playbackRate = Number(speed.value);
}

function useMute(is) {
  if (!sound) return;
  sound.audio.muted = is;
  mute.setAttribute("aria-pressed", is);
  mute.querySelector("use").setAttribute("href", is ? "#icon-mute" : "#icon-sound");
}

// Play this recording: `data` says where on the clock it lies.
function useRecording(data) {
  const was = playing;
  if (was) pause();
  const audio = new Audio();
  audio.preload = "auto";
  audio.src = `/s/${document.getElementById("session").dataset.id}/recordings/${data.value}`;
  const from = Number(data.dataset.begin);
  sound?.audio.remove();
  const mine = { audio, from, to: from + (Number(data.dataset.lasts) || Infinity) };
  sound = mine;
  document.getElementById("player").append(audio);
  audio.volume = Number(volume.value);
  // How long it is, where the server has not read it yet.
  audio.addEventListener("durationchange", () => {
    if (mine.to === Infinity && Number.isFinite(audio.duration)) mine.to = from + audio.duration;
  });
  audio.addEventListener("error", () => giveUp(audio));
  audio.addEventListener("ended", () => sound?.audio === audio && place(sound.to));
  audio.addEventListener("pause", () => sound?.audio === audio && isLed && playing && !audio.ended && pause());
  useSpeed();
  place(now());
  if (was) play();
}

function giveUp(audio) {
  if (sound?.audio !== audio) return;
  sound = null;
  isLed = false;
  quiet = { since: performance.now(), from: now() };
  const line = document.getElementById("silent");
  line.textContent = "This browser could not play the recording. The clock goes on without it.";
  line.hidden = false;
}

function showTime(time) {
  const text = time < 0 ? `−${clock(-time)}` : clock(time);
  const node = document.getElementById("now");
  if (node.textContent !== text) node.textContent = text;
}

export function recordings() {
  return [...document.querySelectorAll("#player data.recording")];
}

// Which recording is chosen; null when there is none.
export function chosen() {
  const choice = document.getElementById("recording")?.value;
  return recordings().find((data) => data.value === choice) ?? recordings()[0] ?? null;
}

export function startPlayer() {
  setPlacer((time) => {
    place(time);
    tell(time, "seek");
  });
  onTime(showTime);
  if (chosen()) useRecording(chosen());
  document.getElementById("recording")?.addEventListener("change", () => useRecording(chosen()));
  button.addEventListener("click", toggle);
  button.disabled = false; // until here a press would be lost
  document.getElementById("back").addEventListener("click", () => seek(now() - 5));
  document.getElementById("on").addEventListener("click", () => seek(now() + 5));
  speed.addEventListener("change", useSpeed);
  mute.addEventListener("click", () => useMute(!sound?.audio.muted));
  volume.addEventListener("input", () => sound && (sound.audio.volume = Number(volume.value)));
  on(" ", toggle);
  on("ArrowLeft", () => seek(now() - 5));
  on("ArrowRight", () => seek(now() + 5));
  on("[", () => changeSpeed(-1));
  on("]", () => changeSpeed(1));
  on("m", () => mute.click());
}
