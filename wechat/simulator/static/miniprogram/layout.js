// What pages are made of: cards, facts, badges, buttons, lists that go on, and questions to the person.
import { el } from "../dom.js";

export const card = (...content) => el("section", { class: "mp-card" }, content);
export const heading = (text, aside) => el("div", { class: "mp-heading" }, el("h3", {}, text), aside);
export const note = (text) => el("p", { class: "mp-note" }, text);
export const badge = ([word, tone]) => el("span", { class: `mp-badge ${tone}` }, word);

// [label, value] pairs; those without a value are left out.
export function facts(pairs) {
  const rows = pairs.filter(([, value]) => value != null && value !== "" && value !== false);
  return el(
    "dl",
    { class: "mp-facts" },
    rows.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))),
  );
}

export function button(label, onclick, kind = "") {
  return el("button", { type: "button", class: `mp-button ${kind}`, onclick }, label);
}

export const actions = (...buttons) => el("div", { class: "mp-actions" }, buttons);
export const bar = (...buttons) => el("div", { class: "mp-bar" }, buttons);

// A row that leads somewhere.
export function row(title, under, onclick, aside) {
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: "mp-row", onclick },
      el("span", { class: "mp-row-text" }, el("strong", {}, title), under && el("span", {}, under)),
      aside,
      el("span", { class: "mp-chevron", "aria-hidden": "true" }, "›"),
    ),
  );
}

export const rows = (items) => el("ul", { class: "mp-rows" }, items);

// Nothing there: says so, and what to do about it.
export function empty(title, advice, ...buttons) {
  return el("div", { class: "mp-empty" }, el("strong", {}, title), advice && el("p", {}, advice), buttons);
}

// A banner of one of the tones good, warn, bad, wait.
export function banner(tone, title, text, ...buttons) {
  const sign = { good: "✓", warn: "!", bad: "✕", wait: "…" }[tone];
  return el(
    "section",
    { class: `mp-banner ${tone}` },
    el("span", { class: "mp-sign", "aria-hidden": "true" }, sign),
    el("div", {}, el("strong", {}, title), text && el("p", {}, text), buttons.length > 0 && actions(buttons)),
  );
}

// A list of the API, page by page: `draw` makes an <li> of an item, `none` what stands there if there is none.
export async function pages(app, path, query, draw, none) {
  const list = el("ul", { class: "mp-list" });
  const more = button("加载更多", () => app.busy(more, () => load(more.cursor)), "plain");
  const load = async (cursor) => {
    const page = await app.api.get(path, { ...query, cursor, limit: 20 });
    list.append(...page.items.map(draw));
    more.cursor = page.next;
    more.hidden = !page.next;
    return page.items.length;
  };
  return (await load()) ? el("div", { class: "mp-stack" }, list, more) : none;
}

// Asks before something is done; resolves to true or false.
export async function sure(host, title, text, verb = "确定") {
  return Boolean(
    await host.sheet({
      title,
      content: text ? [el("p", {}, text)] : [],
      actions: [
        ["返回", null],
        [verb, true],
      ],
    }),
  );
}

// Hands a file to the person, under a name.
export function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
