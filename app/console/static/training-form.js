// What follows from something else on the form of a training, until somebody sets it by hand.
const form = document.querySelector("form.form");
const byName = (name) => form.elements[name];
const pad = (part) => String(part).padStart(2, "0");
const typed = (at) =>
  `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}`;

// The end of sign-up follows the first session: the evening before, at 18:00.
const closes = byName("closes_at");
const dayBefore = (text) => {
  const at = new Date(text);
  at.setDate(at.getDate() - 1);
  at.setHours(18, 0, 0, 0);
  return typed(at);
};
const starts = () => [...form.querySelectorAll("[name^=sessions-][name$=-starts_at]")];
let follows = starts()[0]?.value && closes.value === dayBefore(starts()[0].value);
closes.addEventListener("input", () => {
  follows = false;
});

// A session keeps its length when its start moves.
const lengths = new Map();
const remember = (start) => {
  const end = byName(start.name.replace("starts_at", "ends_at"));
  lengths.set(start, start.value && end.value ? new Date(end.value) - new Date(start.value) : null);
};
starts().forEach(remember);
form.addEventListener("change", ({ target }) => {
  if (target.name?.endsWith("-ends_at")) remember(byName(target.name.replace("ends_at", "starts_at")));
  if (!target.name?.endsWith("-starts_at") || !target.value) return;
  const length = lengths.get(target);
  const end = byName(target.name.replace("starts_at", "ends_at"));
  if (length > 0) end.value = typed(new Date(new Date(target.value).getTime() + length));
  else remember(target);
  if (follows && target === starts()[0]) closes.value = dayBefore(target.value);
});

// A further session is a day after the last, at the same time.
form.addEventListener("row-added", ({ target }) => {
  const [before, start] = starts().slice(-2);
  if (!before?.value || !target.contains(start)) return;
  const next = (name) => {
    const at = new Date(byName(name).value);
    at.setDate(at.getDate() + 1);
    return typed(at);
  };
  start.value = next(before.name);
  const end = before.name.replace("starts_at", "ends_at");
  if (byName(end).value) byName(start.name.replace("starts_at", "ends_at")).value = next(end);
  remember(start);
});

// The whole city holds every county: they are ticked with it, and not sent one by one.
const all = form.querySelector("[data-tree] [data-all]");
if (all) {
  const counties = [...all.closest("[data-tree]").querySelectorAll("input:not([data-all])")];
  const spread = () => {
    for (const box of counties) {
      box.disabled = all.checked;
      if (all.checked) box.checked = true;
    }
  };
  all.addEventListener("change", () => {
    if (!all.checked) for (const box of counties) box.checked = false;
    spread();
  });
  spread();
}
