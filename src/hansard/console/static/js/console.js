// What every page has: times in the viewer's zone, the theme, the keys, what can be copied.

import { keep, kept } from "./kept.js";
import { on, startKeys } from "./keys.js";
import { startCopying } from "./notice.js";
import { showTimes } from "./time.js";

const THEMES = ["system", "light", "dark"];
const SIGNS = { system: "◐", light: "☀", dark: "☾" };

function showTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  if (!button) return;
  const name = `Colours: ${theme === "system" ? "as the system" : theme}`;
  button.textContent = SIGNS[theme];
  button.setAttribute("aria-label", name);
  button.title = name;
}

function startTheme() {
  let theme = kept("theme", "system");
  if (!THEMES.includes(theme)) theme = "system";
  showTheme(theme);
  document.getElementById("theme")?.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep("theme", theme);
    showTheme(theme);
  });
}

startTheme();
showTimes(document);
startKeys();
startCopying();
on("g s", () => location.assign("/sessions"));
on("g l", () => location.assign("/live"));
on("g a", () => location.assign("/agents"));
