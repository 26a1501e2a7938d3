// A page that answers a form and shows something once: loading it again asks for the page, and sends no form twice.

const place = document.querySelector("[data-once]")?.dataset.once;
if (place) history.replaceState(null, "", place);
