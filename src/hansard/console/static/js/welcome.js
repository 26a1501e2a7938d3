// Waits for the first session, and turns into the way to it.

const EVERY_MS = 2000;
const UNTIL_MS = 10 * 60 * 1000;

const line = document.getElementById("waiting");
const began = performance.now();

function say(text) {
  line.classList.remove("live");
  line.textContent = text;
}

function lead(address) {
  const link = document.createElement("a");
  link.href = address;
  link.className = "button main";
  link.textContent = "Your first session is here. Look at it";
  line.replaceChildren(link);
  line.classList.remove("chip", "live");
}

async function look() {
  if (performance.now() - began > UNTIL_MS) return say("No session came within ten minutes. Load this page again to go on waiting.");
  try {
    const answer = await fetch("/welcome/first");
    if (answer.redirected) return say("You are no longer signed in.");
    if (answer.status === 200) return lead(await answer.text());
  } catch {
    // The server is away for a moment; the next look may find it.
  }
  return setTimeout(look, EVERY_MS);
}

look();
