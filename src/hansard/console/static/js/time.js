// Times as the viewer reads them. The page brings them in UTC, for those without scripts.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const short = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const since = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

// "3 hours ago", of an instant in milliseconds.
export function ago(at, now = Date.now()) {
  const seconds = (at - now) / 1000;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return since.format(Math.round(seconds / length), unit);
}

// `1:13`, from an hour on `1:02:03`.
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

// Shows every <time datetime> under this node in the viewer's zone; with data-ago, how long ago, too; with
// data-show="clock", the time of day alone.
export function showTimes(root) {
  const chip = document.getElementById("zone");
  if (chip) chip.textContent = zone;
  for (const node of root.querySelectorAll("time[datetime]")) {
    const at = new Date(node.dateTime);
    const exact = `${whole.format(at)} (${node.dateTime})`;
    node.title = exact;
    node.textContent = "ago" in node.dataset ? ago(at) : (node.dataset.show === "clock" ? short : whole).format(at);
    if ("ago" in node.dataset) node.setAttribute("aria-label", `${ago(at)}, ${whole.format(at)}`);
  }
}
