// A button beside a password that shows it, and hides it again before it is sent.

for (const button of document.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  const show = (is_shown) => {
    field.type = is_shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(is_shown));
  };
  button.hidden = false;
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false));
}
