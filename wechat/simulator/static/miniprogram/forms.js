// Forms whose errors stand at the field that they are about.
import { el } from "../dom.js";

let numbers = 0;

function field(name, label, control, { hint, required, legend = false } = {}) {
  const id = `mp-field-${++numbers}`;
  const error = el("p", { class: "mp-error", id: `${id}-error` });
  const words = [label, !required && el("span", { class: "mp-optional" }, "（选填）")];
  const help = hint && el("p", { class: "mp-hint", id: `${id}-hint` }, hint);
  const input = control.input || control.node;
  input.setAttribute("aria-describedby", [help && `${id}-hint`, `${id}-error`].filter(Boolean).join(" "));
  if (!legend) input.id = id;
  const node = legend
    ? el("fieldset", { class: "mp-field" }, el("legend", {}, words), help, control.node, error)
    : el("div", { class: "mp-field" }, el("label", { for: id }, words), control.node, help, error);
  const made = {
    name,
    node,
    required,
    read: control.read,
    focus: () => (legend ? node.querySelector("input") : input).focus(),
    say(text) {
      error.replaceChildren(text ? `✕ ${text}` : "");
      node.classList.toggle("wrong", Boolean(text));
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
    // What is plainly wrong before anything is sent.
    missing: () =>
      required && !hasValue(control.read()) ? control.ask || `请填写${label}` : control.check?.() || "",
  };
  node.addEventListener("input", () => made.say(""));
  return made;
}

const hasValue = (value) => value != null && value.length !== 0;

export function text(name, label, { value = "", multiline, inputmode, maxlength, placeholder, ...options } = {}) {
  const input = el(multiline ? "textarea" : "input", {
    inputmode,
    maxlength,
    placeholder,
    autocomplete: "off",
    type: multiline ? null : "text",
    rows: multiline ? 4 : null,
  });
  input.value = value ?? "";
  return field(name, label, { node: input, read: () => input.value.trim() || null }, options);
}

const amount = (read, ask) => () => (typeof read() === "string" ? ask : "");

// A whole number.
export function whole(name, label, { value, unit, ...options } = {}) {
  const input = el("input", { type: "text", inputmode: "numeric", autocomplete: "off", maxlength: 12 });
  input.value = value ?? "";
  const read = () => {
    const typed = input.value.replace(/[\s,，]/g, "");
    return /^\d+$/.test(typed) ? Number(typed) : typed || null;
  };
  const node = el("span", { class: "mp-unit" }, input, el("span", {}, unit));
  return field(name, label, { node, input, read, check: amount(read, "请填写整数") }, options);
}

// An amount typed in 万元 and sent in whole 元.
export function tenThousands(name, label, { value, ...options } = {}) {
  const input = el("input", { type: "text", inputmode: "decimal", autocomplete: "off", maxlength: 16 });
  input.value = value == null ? "" : String(value / 10000);
  const read = () => {
    const typed = input.value.replace(/[\s,，]/g, "");
    const [, left, right = ""] = /^(\d+)(?:\.(\d{0,4}))?$/.exec(typed) || [];
    return left === undefined ? typed || null : Number(left + right.padEnd(4, "0"));
  };
  const node = el("span", { class: "mp-unit" }, input, el("span", {}, "万元"));
  return field(name, label, { node, input, read, check: amount(read, "请填写数字，最多四位小数") }, options);
}

export function select(name, label, choices, { value = "", empty = "请选择", onchange, ...options } = {}) {
  const input = el(
    "select",
    { onchange },
    el("option", { value: "" }, empty),
    choices.map(([choice, words]) => el("option", { value: choice, selected: choice === value }, words)),
  );
  return field(name, label, { node: input, read: () => input.value || null, ask: `请选择${label}` }, options);
}

// One of a few, or several of them; an `exclusive` option stands alone. Options: [value, label, exclusive].
export function choose(name, label, choices, { value, several = false, onchange, ...options } = {}) {
  const group = `mp-group-${++numbers}`;
  const held = new Set([value ?? []].flat());
  const boxes = choices.map(([choice]) =>
    el("input", {
      type: several ? "checkbox" : "radio",
      name: group,
      value: choice,
      checked: held.has(choice),
    }),
  );
  const node = el(
    "div",
    { class: "mp-choices" },
    choices.map(([, words], i) => el("label", {}, boxes[i], el("span", {}, words))),
  );
  node.addEventListener("change", ({ target }) => {
    if (several && target.checked) {
      const alone = (box) => choices[boxes.indexOf(box)][2];
      for (const box of boxes) if (box !== target && (alone(box) || alone(target))) box.checked = false;
    }
    onchange?.();
  });
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const read = () => (several ? chosen() : (chosen()[0] ?? null));
  return field(
    name,
    label,
    { node, read, ask: several ? "请至少选择一项" : "请选择一项" },
    { ...options, legend: true },
  );
}

export function valuesOf(fields) {
  return Object.fromEntries(fields.map((one) => [one.name, one.read()]));
}

// Puts what the server said at the fields; returns what belongs to none of them.
function place(problem, fields) {
  const rest = [];
  let first = null;
  for (const [name, texts] of Object.entries(problem.fields)) {
    const wrong = fields.find((one) => one.name === name) || fields.find((one) => name.startsWith(`${one.name}.`));
    wrong?.say(texts.join("；"));
    if (wrong) first ??= wrong;
    else rest.push(texts.join("；"));
  }
  return { first, rest };
}

// A form: `fields` is a list, or gives it when asked (where fields come and go); `content` is what is shown.
export function form(app, { fields, content, submit, work, kind = "primary" }) {
  const current = () => (typeof fields === "function" ? fields() : fields);
  const general = el("p", { class: "mp-error mp-general", role: "alert" });
  const send = el("button", { class: `mp-button ${kind}` }, submit);

  function show(problem) {
    const { first, rest } = place(problem, current());
    general.textContent = [first ? "" : problem.message, ...rest].filter(Boolean).join("；");
    first?.focus();
  }

  async function onsubmit(event) {
    event.preventDefault();
    general.textContent = "";
    const missing = current().filter((one) => {
      one.say(one.missing());
      return one.missing();
    });
    if (missing.length) {
      app.toast(missing.length > 1 ? `还有 ${missing.length} 项没有填好` : missing[0].missing());
      missing[0].focus();
      return;
    }
    await app.busy(send, () => work(valuesOf(current())), show);
  }

  const node = el(
    "form",
    { class: "mp-form", novalidate: true, onsubmit },
    content || current().map((one) => one.node),
    general,
    el("div", { class: "mp-actions" }, send),
  );
  node.show = show;
  return node;
}
