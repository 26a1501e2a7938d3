// The one clock: seconds since the session began. The player moves it, everything else listens.

const listeners = [];
let time = 0;
let span = { begin: 0, end: 0 };
let place = (to) => tell(to, "seek");

export const now = () => time;
export const begin = () => span.begin;
export const end = () => span.end;

export function setSpan(from, to) {
  span = { begin: from, end: to };
}

// Hear of every new time: `why` is "play", "seek", "pause" or "grow".
export function onTime(listener) {
  listeners.push(listener);
}

export function tell(to, why) {
  time = to;
  for (const listener of listeners) listener(to, why);
}

// Who moves the sound when somebody seeks.
export function setPlacer(placer) {
  place = placer;
}

// Go to a time, were it outside the session to the nearest inside it.
export function seek(to) {
  place(Math.min(span.end, Math.max(span.begin, to)));
}
