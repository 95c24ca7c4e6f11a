// The mini-program inside the phone: a stand-in for the real one, with the same road to the application.
// The phone calls open(path, query), back() (false: nothing to go back to) and close(). A page is a function
// (app, params) → {title, body, bar?, tab?}; pages are named as in "pages/<name>/index".
import { el } from "./dom.js";
import { Problem, createApi } from "./miniprogram/api.js";
import * as checkins from "./miniprogram/checkins.js";
import * as enterprises from "./miniprogram/enterprises.js";
import { banner, button, empty } from "./miniprogram/layout.js";
import * as messages from "./miniprogram/messages.js";
import * as people from "./miniprogram/people.js";
import * as registration from "./miniprogram/registration.js";
import * as rosters from "./miniprogram/rosters.js";
import * as signin from "./miniprogram/signin.js";
import * as signups from "./miniprogram/signups.js";
import * as tickets from "./miniprogram/tickets.js";
import * as trainings from "./miniprogram/trainings.js";

const DOMAINS = [people, enterprises, registration, trainings, signups, tickets, checkins, rosters, signin, messages];
const PAGES = Object.assign({}, ...DOMAINS.map((domain) => domain.pages));
const TABS = [
  ["home", "培训"],
  ["signups", "报名"],
  ["messages", "消息"],
  ["me", "我的"],
];
const CONSENT = ["consent_required", "consent_outdated"];
const PATIENCE = 250;
const UNREAD_EVERY = 15000;

export function createMiniProgram(host) {
  const { screen } = host;
  const api = createApi(host.wx);
  const stack = []; // of {name, params, scroll}
  const known = new Map(); // reference data and who I am, read once
  let turn = null; // the drawing that is, or will be, on the screen
  let unread = 0;

  const app = {
    host,
    api,
    wx: host.wx,
    toast: (text) => host.toast(text),

    go(name, params = {}) {
      stack.at(-1).scroll = screen.scrollTop;
      stack.push({ name, params });
      return draw();
    },
    // Instead of this page (or the last few): what was done here is done.
    replace(name, params = {}, pages = 1) {
      stack.splice(-pages);
      stack.push({ name, params });
      return draw();
    },
    // One of the four tabs, with nothing behind it.
    tab(name) {
      stack.splice(0, stack.length, { name, params: {} });
      return draw();
    },
    back: () => back(),
    reload() {
      stack.at(-1).scroll = screen.scrollTop;
      return draw();
    },

    // Runs what a button does, once at a time; a refusal goes to `refused`, or is told as a toast.
    async busy(node, work, refused = () => {}) {
      if (node.getAttribute("aria-busy")) return;
      node.setAttribute("aria-busy", "true");
      node.disabled = true;
      try {
        await work();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (CONSENT.includes(error.code)) await consent();
        else {
          host.toast(Object.keys(error.fields).length ? "有填写不正确的地方，请按提示修改" : error.message);
          refused(error);
        }
      } finally {
        node.removeAttribute("aria-busy");
        node.disabled = false;
      }
    },

    reference: (path) => remember(path, () => api.get(path)),
    me: () => remember("me", () => api.get("people/me")),
    forgetMe: () => known.delete("me"),
    async holds(role, scope) {
      const { grants } = await app.me();
      return grants.filter((grant) => grant.role === role || (role === "any" && grant.scope_type === scope));
    },
    enter,
  };

  function remember(key, read) {
    if (!known.has(key)) known.set(key, read());
    known.get(key).catch(() => known.delete(key));
    return known.get(key);
  }

  function leave() {
    for (const undo of turn?.undo.splice(0) ?? []) undo();
    turn = null;
  }

  async function draw() {
    leave();
    const { name, params, scroll } = stack.at(-1);
    const mine = (turn = { undo: [] });
    // Something to do when the page goes; at once if it has gone while it was being made.
    const onLeave = (undo) => (turn === mine ? mine.undo.push(undo) : undo());
    const waiting = setTimeout(
      () => screen.replaceChildren(el("p", { class: "empty", role: "status" }, "正在加载…")),
      PATIENCE,
    );
    let page;
    try {
      page = await PAGES[name](Object.assign(Object.create(app), { onLeave }), params);
    } catch (error) {
      clearTimeout(waiting);
      if (turn !== mine) return undefined;
      if (CONSENT.includes(error.code)) return consent();
      page = refusal(error, name);
    }
    clearTimeout(waiting);
    if (turn !== mine) return undefined;
    host.setTitle(page.title);
    screen.replaceChildren(
      el("div", { class: "mp" }, el("div", { class: "mp-body" }, page.body), page.bar, page.tab && tabs(page.tab)),
    );
    screen.scrollTop = scroll || 0;
    screen.focus({ preventScroll: true });
    if (page.tab) watchUnread();
    return undefined;
  }

  function refusal(error, name) {
    if (!(error instanceof Problem)) console.error(error);
    const told = error instanceof Problem ? error.message : "页面出错了";
    return {
      title: "提质通",
      tab: TABS.some(([tab]) => tab === name) && name,
      body: [
        empty(
          told,
          "",
          button("重试", () => draw()),
        ),
      ],
    };
  }

  function tabs(current) {
    return el(
      "nav",
      { class: "mp-tabs", "aria-label": "主要页面" },
      TABS.map(([name, words]) =>
        el(
          "button",
          {
            type: "button",
            "aria-current": name === current ? "page" : null,
            "data-tab": name,
            onclick: () => app.tab(name),
          },
          words,
          name === "messages" && el("span", { class: "mp-unread", hidden: !unread }, count(unread)),
        ),
      ),
    );
  }

  const count = (number) => [number > 99 ? "99+" : String(number), el("span", { class: "unseen" }, "条未读")];

  function watchUnread() {
    const look = async () => {
      if (document.hidden) return;
      unread = (await api.get("messages/unread")).unread;
      const mark = screen.querySelector(".mp-unread");
      mark?.replaceChildren(...count(unread));
      if (mark) mark.hidden = !unread;
    };
    const timer = setInterval(() => look().catch(() => {}), UNREAD_EVERY);
    turn.undo.push(() => clearInterval(timer));
    look().catch(() => {});
  }

  function back() {
    if (stack.length < 2) return false;
    stack.pop();
    draw();
    return true;
  }

  function start(...entries) {
    stack.splice(0, stack.length, ...entries);
    return draw();
  }

  const consent = () => start({ name: "consent", params: { next: stack.at(-1) } });

  // Into the program: signed in silently where the person has agreed before, else to the notice first.
  async function enter(next = { name: "home", params: {} }) {
    if (!PAGES[next.name] || ["consent", "phone", "welcome"].includes(next.name))
      next = { name: "home", params: {} };
    const home = { name: "home", params: {} };
    if (host.wx.getStorageSync("signed_out")) return start({ name: "welcome", params: { next } });
    try {
      if (!api.signedIn) await api.signIn();
      known.clear();
      const me = await app.me();
      if (!me.phone && me.state === "active" && !host.wx.getStorageSync("phone_later")) {
        return start({ name: "phone", params: { next } });
      }
    } catch (error) {
      if (CONSENT.includes(error.code)) return start({ name: "consent", params: { next } });
      host.setTitle("提质通");
      const told = error instanceof Problem ? error.message : "登录没有成功";
      return screen.replaceChildren(
        el(
          "div",
          { class: "mp" },
          el(
            "div",
            { class: "mp-body" },
            banner(
              "bad",
              told,
              "",
              button("重试", () => enter(next)),
            ),
          ),
        ),
      );
    }
    return next.name === "home" ? start(home) : start(home, next);
  }

  return {
    open: (path, query) => enter({ name: path ? path.split("/")[1] : "home", params: query }),
    back,
    close: leave,
  };
}
