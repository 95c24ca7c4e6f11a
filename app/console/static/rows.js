// Rows of a form that are added and taken away without sending it. Without this script the same buttons
// send the form, and it comes back with a row more or less.
function number(rows) {
  [...rows.querySelectorAll("[data-prefix]")].forEach((row, place) => {
    row.querySelector("[data-number]").textContent = place + 1;
  });
}

document.addEventListener("click", (event) => {
  const more = event.target.closest("[data-more]");
  if (more) {
    event.preventDefault();
    const rows = more.closest("[data-rows]");
    const name = rows.dataset.rows;
    const used = [...rows.querySelectorAll("[data-prefix]")].map((row) => Number(row.dataset.prefix.match(/(\d+)-$/)[1]));
    const prefix = `${name}-${Math.max(-1, ...used) + 1}-`;
    const row = rows.querySelector("template[data-row]").content.firstElementChild.cloneNode(true);
    for (const element of [row, ...row.querySelectorAll("*")]) {
      for (const { name: attribute, value } of [...element.attributes]) {
        if (value.includes(`${name}-999-`)) element.setAttribute(attribute, value.replaceAll(`${name}-999-`, prefix));
      }
    }
    more.before(row);
    number(rows);
    row.dispatchEvent(new CustomEvent("row-added", { bubbles: true }));
    row.querySelector("input").focus();
  }
  const less = event.target.closest("[data-less]");
  if (less) {
    event.preventDefault();
    const rows = less.closest("[data-rows]");
    if (rows.querySelectorAll("[data-prefix]").length < 2) return;
    less.closest("[data-prefix]").remove();
    number(rows);
    rows.querySelector("[data-more]").focus();
  }
});
