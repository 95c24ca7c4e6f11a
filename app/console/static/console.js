// What pages need beyond HTML: dialogs, ticking all, and sparing people a long upload that would be refused.
const token = document.querySelector("meta[name=csrf-token]").content;

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = token;
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
  if (event.target.closest("[data-prints]")) window.print();
});

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.dataset.tickAll) {
    for (const box of document.getElementsByName(target.dataset.tickAll)) box.checked = target.checked;
  }
  if (target.dataset.maxBytes && target.files[0]) {
    const most = Number(target.dataset.maxBytes);
    const large = [...target.files].some((file) => file.size > most);
    target.setCustomValidity(large ? `文件过大：每份上限 ${most / 1048576} MB，请拆分后分次上传` : "");
    target.reportValidity();
  }
});

// A second click while the first is on its way does nothing; the page comes back usable from the history.
document.addEventListener("submit", (event) => {
  const { form = event.target } = event;
  if (form.dataset.sent) return event.preventDefault();
  const large = form.querySelector("[data-max-bytes]");
  if (large && !large.checkValidity() && large.files.length) {
    event.preventDefault();
    return large.reportValidity();
  }
  if (form.method === "post") form.dataset.sent = "true";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// The menu is open on a wide window and folded on a narrow one; the window decides when it changes.
const menu = document.querySelector("[data-menu]");
if (menu) {
  const wide = window.matchMedia("(min-width: 62em)");
  const follow = () => {
    menu.open = wide.matches;
  };
  wide.addEventListener("change", follow);
  follow();
}
