// The frame: whose phone it is, what its screen shows, and its sheets. The mini-program draws inside.
import { startBackstage } from "./backstage.js";
import { clockText, control, el } from "./dom.js";
import { createMiniProgram } from "./miniprogram.js";
import { createWx } from "./wx.js";

const REFRESH = 3000;
const SHOWN = 50;
const $ = (id) => document.getElementById(id);
const screen = $("screen");
let people = [];
let phone = null;

class Phone {
  constructor(person) {
    this.person = person;
    this.screen = screen;
    this.wx = createWx(this);
    this.program = null;
    this.view = "home";
    this.notices = [];
    this.showing = null;
  }

  // --- what the mini-program may use: screen, wx, person and these five

  setTitle(text) {
    $("title").textContent = text;
  }

  toast(text) {
    const toast = $("toast");
    toast.textContent = text;
    toast.classList.add("visible");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => toast.classList.remove("visible"), 3500);
  }

  // Asks at the bottom of the screen; resolves with an action's value, a [data-answer], or null.
  sheet({ title, content = [], actions }) {
    return new Promise((resolve) => {
      const before = document.activeElement;
      const close = (answer) => {
        veil.remove();
        before?.focus?.();
        resolve(answer);
      };
      const buttons = actions.map(([label, value], i) => el("button", {
        type: "button", class: i === actions.length - 1 ? "primary" : "", onclick: () => close(value),
      }, label));
      const panel = el("div", { class: "sheet", role: "dialog", "aria-modal": "true", "aria-label": title },
        el("h3", {}, title), ...content, el("div", { class: "actions" }, buttons));
      const veil = el("div", { class: "veil" }, panel);
      panel.addEventListener("click", (event) => {
        const seen = event.target.closest("[data-answer]");
        if (seen) close(seen.dataset.answer);
      });
      veil.addEventListener("keydown", (event) => event.key === "Escape" && close(null));
      $("sheets").append(veil);
      buttons.at(-1).focus();
    });
  }

  // Says which code is on the screen, so that other phones can scan it; null takes it away.
  async publish(code) {
    this.showing = code;
    await control(`/people/${this.person.id}/showing`, code || { text: null });
  }

  // Draws a text as a QR picture and returns an address for <img>.
  async qr(text) {
    const reply = await fetch("/__sim__/qr", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }),
    });
    return URL.createObjectURL(await reply.blob());
  }

  // --- WeChat's own screens

  show(view, title, ...content) {
    this.view = view;
    this.setTitle(title);
    $("back").hidden = view === "home";
    $("capsule").hidden = view !== "program";
    screen.replaceChildren(...content);
    screen.scrollTop = 0;
  }

  home() {
    this.leaveProgram();
    const unread = this.notices.filter((notice) => notice.n > this.read()).length;
    const entry = (icon, label, note, onclick, badge) => el("li", {},
      el("button", { type: "button", class: "entry", onclick },
        el("span", { class: `icon ${icon}`, "aria-hidden": "true" }, label[0]),
        el("span", { class: "text" }, el("strong", {}, label), el("span", {}, note)),
        badge > 0 && el("span", { class: "badge" }, String(badge), el("span", { class: "unseen" }, "条未读"))));
    const official = this.person.official_openid && entry("official", "提质通服务号", this.follows(),
      () => this.openOfficial());
    this.show("home", "微信", el("ul", { class: "entries" },
      entry("program", "提质通", "小程序", () => this.launch()),
      entry("notice", "服务通知", this.notices[0]?.title || "还没有消息", () => this.openNotices(), unread),
      official,
      entry("scan", "扫一扫", "看别的手机或墙上的码", () => this.scan()),
      entry("settings", "小程序设置", "订阅消息", () => this.openSettings())));
  }

  launch(path = "", query = {}) {
    this.leaveProgram();
    this.show("program", "提质通");
    this.program = createMiniProgram(this);
    this.program.open(path, query);
  }

  leaveProgram() {
    this.program?.close();
    this.program = null;
    if (this.showing) this.publish(null).catch(() => {}); // the account may be closed by now
  }

  back() {
    if (this.view === "program" && this.program.back()) return;
    this.home();
  }

  async scan() {
    try {
      const seen = await this.wx.scanCode();
      if (seen.scanType === "WX_CODE") this.open(seen.path);
      else this.toast(`码的内容：${seen.result}`);
    } catch {
      this.home();
    }
  }

  // Opens a mini-program page as WeChat does from a code or a notice: "pages/a/b?x=1".
  open(address) {
    const [path, query] = address.split("?");
    this.launch(path, Object.fromEntries(new URLSearchParams(query)));
  }

  openNotices() {
    if (this.notices.length) localStorage.setItem(this.readKey(), String(this.notices[0].n));
    const cards = this.notices.map((notice) => el("article", { class: "message" },
      el("h3", {}, notice.title),
      el("p", { class: "when" }, `${this.sender(notice)} · ${clockText(notice.at)}`),
      el("dl", {}, notice.lines.map(([label, value]) => [label && el("dt", {}, label), el("dd", {}, value)])),
      notice.page ? el("button", { type: "button", class: "into", onclick: () => this.open(notice.page) },
        "进入小程序查看")
        : notice.url && el("a", { class: "into", href: notice.url, target: "_blank", rel: "noopener" }, "打开网页")));
    this.show("notices", "服务通知", cards.length ? el("div", { class: "notices" }, cards)
      : el("p", { class: "empty" }, "还没有服务通知。"));
  }

  sender(notice) {
    return notice.openid === this.person.openid ? "提质通小程序" : "提质通服务号";
  }

  follows() {
    if (!this.person.follows) return "未关注";
    return this.person.blocks ? "已关注，不接收消息" : "已关注";
  }

  openOfficial() {
    const { follows, blocks, id } = this.person;
    const act = (label, path, body = {}) => el("button", { type: "button", onclick: async () => {
      this.person = await control(`/people/${id}/${path}`, body);
      this.openOfficial();
    } }, label);
    this.show("official", "提质通服务号", el("ul", { class: "switches" }, el("li", {},
      el("span", {}, el("strong", {}, "提质通服务号"), el("span", {}, this.follows())),
      follows ? act("取消关注", "unfollow") : act("关注", "follow"),
      follows && act(blocks ? "接收消息" : "不接收消息", "block", { blocks: !blocks }))));
  }

  async openSettings() {
    const { templates } = await control("/templates");
    const rows = templates.map((t) => {
      const standing = this.person.standing.includes(t.id);
      const left = this.person.credits[t.id] || 0;
      const note = standing ? "长期允许" : left ? `还可接收 ${left} 次` : "未允许";
      const off = async () => {
        this.person = await control(`/people/${this.person.id}/switch_off`, { template_id: t.id });
        this.openSettings();
      };
      return el("li", {}, el("span", {}, el("strong", {}, t.title), el("span", {}, note)),
        (standing || left > 0) && el("button", { type: "button", onclick: off }, "不再接收"));
    });
    this.show("settings", "小程序设置", el("ul", { class: "switches" }, rows));
  }

  readKey() {
    return `read.n.${this.person.openid}`;
  }

  read() {
    return Number(localStorage.getItem(this.readKey()) || 0);
  }

  async refresh() {
    const { sent } = await control(`/sent?person=${this.person.id}&limit=${SHOWN}`);
    const before = this.notices[0]?.n;
    this.notices = sent.filter((notice) => notice.result === "success");
    const arrived = this.notices[0]?.n !== before;
    if (arrived && this.loaded) this.toast(`服务通知：${this.notices[0].title}`);
    if (arrived && this.view === "home") this.home();
    if (arrived && this.view === "notices") this.openNotices();
    this.loaded = true;
    if (this.showing) await this.publish(this.showing);
  }
}

function chosen() {
  return people.find((person) => person.id === location.hash.slice(1)) || people.find((p) => !p.cancelled);
}

async function switchPhone() {
  people = (await control("/people")).people;
  const person = chosen();
  drawPeople(person);
  drawAccount(person);
  phone?.leaveProgram();
  phone = person && !person.cancelled ? new Phone(person) : null;
  $("owner").textContent = person ? person.name : "";
  $("sheets").replaceChildren();
  if (!phone) {
    $("title").textContent = "微信";
    $("back").hidden = $("capsule").hidden = true;
    screen.replaceChildren(el("p", { class: "empty" },
      person ? "这个微信号已经注销。" : "请先在左边创建一个人，给 TA 一台手机。"));
    return;
  }
  await phone.refresh();
  phone.home();
}

function drawPeople(current) {
  $("people").replaceChildren(...people.map((person) => el("li", {}, el("a", {
    href: `#${person.id}`, "aria-current": person === current ? "true" : null,
    class: person.cancelled ? "gone" : "",
  }, el("strong", {}, person.name), el("span", {}, person.cancelled ? "已注销" : person.phone)))));
}

function drawAccount(person) {
  if (!person || person.cancelled) return $("account").replaceChildren();
  const act = (label, question, work) => el("button", { type: "button", onclick: async () => {
    if (!window.confirm(question)) return;
    await work();
    await switchPhone();
  } }, label);
  const path = `/people/${person.id}`;
  return $("account").replaceChildren(
    el("h3", {}, `${person.name}的微信`),
    el("p", { class: "identifier" }, "openid ", el("code", {}, person.openid)),
    act("撤回手机号授权", "撤回后，微信会通知应用删除手机号。继续？", () => control(`${path}/revoke`, { info: ["8"] })),
    act("注销微信号", "注销后不能恢复，微信会通知应用删除个人信息。继续？", () => control(`${path}/cancel`, {})));
}

$("create").onsubmit = async (event) => {
  event.preventDefault();
  const field = $("name");
  const person = await control("/people", { name: field.value });
  field.value = "";
  if (location.hash === `#${person.id}`) await switchPhone();
  else location.hash = person.id;
};
$("back").onclick = () => phone.back();
$("capsule").onclick = () => phone.home();
window.addEventListener("hashchange", switchPhone);
window.addEventListener("pagehide", () => phone?.leaveProgram());

function tick() {
  $("clock").textContent = new Date().toLocaleTimeString("zh-CN", {
    timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit",
  });
}
tick();
setInterval(tick, 10000);
setInterval(() => phone && !document.hidden && phone.refresh().catch(() => {}), REFRESH);
await switchPhone();
startBackstage(() => phone?.person);
