// The live page asks for its moving part every two seconds, and not at all while nobody looks.
const EVERY = 2000;
const outage = document.querySelector("[data-outage]");
const dialog = document.getElementById("mark");
let asking = false;

const tick = () => {
  if (document.hidden || asking) return;
  asking = true;
  htmx.trigger("#live", "tick");
};
setInterval(tick, EVERY);
document.addEventListener("visibilitychange", tick);

document.addEventListener("htmx:afterRequest", (event) => {
  asking = false;
  outage.hidden = event.detail.successful;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-mark]");
  if (!button) return;
  dialog.querySelector("[name=signup_id]").value = button.dataset.mark;
  dialog.querySelector("[data-name]").textContent = button.dataset.name;
  dialog.showModal();
});
