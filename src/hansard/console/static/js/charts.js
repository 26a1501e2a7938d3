// Charts in the colours the viewer chose, where that is not what the system says.

function paint() {
  const theme = document.documentElement.dataset.theme;
  for (const picture of document.querySelectorAll("picture")) {
    const [source, image] = [picture.querySelector("source"), picture.querySelector("img")];
    source.media = theme ? "not all" : "(prefers-color-scheme: dark)";
    const wanted = image.getAttribute("src").replace(/theme=\w+/, `theme=${theme ?? "light"}`);
    if (image.getAttribute("src") !== wanted) image.setAttribute("src", wanted);
  }
}

new MutationObserver(paint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
paint();
