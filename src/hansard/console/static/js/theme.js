// The colours somebody chose, before the first thing is painted: the one script that is no module.

try {
  const theme = localStorage.getItem("hansard.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing shows the system's colours.
}
