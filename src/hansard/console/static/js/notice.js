// A short notice in the corner, read out to those who listen; and copying, which gives one.

export function notice(text) {
  const line = document.createElement("p");
  line.textContent = text;
  document.getElementById("toasts").append(line);
  setTimeout(() => line.remove(), 5000);
}

// Copy a text, and say so. Without https a browser has no clipboard for us: then by way of a selection.
export async function copy(text, what = "Copied.") {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copySelected(text)) return notice("This browser does not let us copy; select the text and copy it.");
  }
  return notice(what);
}

function copySelected(text) {
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.value = text;
  field.className = "sr";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}

// A button with data-copy="id" copies the text of the element with that id.
export function startCopying() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) copy(document.getElementById(button.dataset.copy).textContent.trim());
  });
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}
