// What the page says of the whole session in one place: its span, its turns, its moments. Read again when it grew.

let marks;

// `turns` are {begin, end or null, role, place among the items}, `moments` {kind, begin, end or null, words, key or null}.
export function readMarks() {
  const read = JSON.parse(document.getElementById("marks").textContent);
  const roles = ["user", "agent"];
  marks = {
    begin: read.begin,
    end: read.end,
    turns: read.turns.map(([begin, end, role, place]) => ({ begin, end, role: roles[role], place })),
    moments: read.moments.map(([kind, begin, end, words, key]) => ({ kind, begin, end, words, key })),
  };
  return marks;
}

export const turns = () => marks.turns;
export const moments = () => marks.moments;

// The index of the last of these that begins at this time or before it; -1 before the first.
export function lastAt(list, time) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].begin <= time + 0.001) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
