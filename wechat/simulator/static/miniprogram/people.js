// Who I am: the privacy notice, the phone number, my name, and the end of the account.
import { el } from "../dom.js";
import { form, text } from "./forms.js";
import { day } from "./labels.js";
import { actions, banner, bar, button, card, facts, heading, note, row, rows, save, sure } from "./layout.js";

// "一、…" is a heading, what is numbered an item, the rest a paragraph.
function paragraphs(content) {
  return content.split(/\n+/).map((line) => {
    if (/^[一二三四五六七八九十]+、/.test(line)) return el("h4", {}, line);
    return el("p", { class: /^\d+\./.test(line) ? "mp-item" : "" }, line);
  });
}

async function welcome(app, { next }) {
  const enter = () => {
    app.wx.removeStorageSync("signed_out");
    return app.enter(next);
  };
  return {
    title: "提质通",
    body: [
      el(
        "div",
        { class: "mp-hero tall" },
        el("h3", {}, "提质通"),
        el("p", {}, "小微企业质量管理体系认证提升行动"),
        el("p", {}, "徐州市市场监督管理局"),
      ),
      actions(button("微信登录", (event) => app.busy(event.target, enter), "primary")),
    ],
  };
}

async function consent(app, { next }) {
  const notice = await app.api.get("people/privacy-notice");
  const end = el("p", { class: "mp-note" }, `版本 ${notice.version}`);
  const agree = button(
    "请先阅读到末尾",
    () =>
      app.busy(
        agree,
        async () => {
          await app.api.signIn(notice.version);
          await app.enter(next);
        },
        (problem) => problem.code === "consent_outdated" && app.reload(),
      ),
    "primary",
  );
  agree.disabled = true;
  const watcher = new IntersectionObserver(
    ([seen]) => {
      if (!seen.isIntersecting) return;
      agree.disabled = false;
      agree.textContent = "同意并继续";
      watcher.disconnect();
    },
    { root: app.host.screen },
  );
  watcher.observe(end);
  app.onLeave(() => watcher.disconnect());
  const refuse = button("不同意", () =>
    app.host.sheet({
      title: "不同意就不能登录",
      content: [el("p", {}, "我们没有收集您的任何信息。您可以随时回来阅读并同意。")],
      actions: [["知道了", null]],
    }),
  );
  return {
    title: "隐私告知",
    body: [
      el(
        "article",
        { class: "mp-card mp-prose" },
        el("h3", {}, notice.title),
        paragraphs(notice.content.text),
        end,
      ),
    ],
    bar: bar(refuse, agree),
  };
}

async function privacy(app) {
  const notice = await app.api.get("people/privacy-notice");
  return {
    title: "隐私告知",
    body: [
      el(
        "article",
        { class: "mp-card mp-prose" },
        el("h3", {}, notice.title),
        paragraphs(notice.content.text),
        note(`版本 ${notice.version}`),
      ),
    ],
  };
}

async function phone(app, { next }) {
  const bind = async () => {
    const answer = await app.wx.getPhoneNumber().catch(() => null);
    if (!answer) return app.toast("没有绑定。登记企业、参加培训时需要手机号");
    await app.api.post("people/me/phone", { code: answer.code });
    app.forgetMe();
    app.toast("手机号已绑定");
    return next ? app.enter(next) : app.back();
  };
  const later = () => {
    app.wx.setStorageSync("phone_later", true);
    return app.enter(next);
  };
  const error = el("p", { class: "mp-error", role: "alert" });
  const refused = (problem) => {
    error.textContent =
      problem.code === "phone_in_use"
        ? "这个手机号已绑定其他账号。请用原来的微信登录，或联系所在县（市）区局处理。"
        : problem.message;
  };
  return {
    title: "绑定手机号",
    body: [
      card(
        heading("绑定手机号"),
        el(
          "ul",
          { class: "mp-bullets" },
          el("li", {}, "登记企业、接收报名结果时用来确认是您本人"),
          el("li", {}, "别人用这个手机号为您报名的，签到码会自动归到您名下"),
          el("li", {}, "号码加密保存，列表中只显示前三位和后四位"),
        ),
        error,
        actions(
          button("微信快捷绑定", (event) => app.busy(event.target, bind, refused), "primary"),
          next && button("以后再说", later, "plain"),
        ),
      ),
    ],
  };
}

async function me(app) {
  app.forgetMe();
  const [person, training, enterprises] = [
    await app.me(),
    await app.holds("trainer"),
    await app.holds("any", "enterprise"),
  ];
  const out = async () => {
    if (!(await sure(app.host, "退出登录？", "将在您的所有设备上退出。", "退出"))) return;
    await app.api.post("people/sign-out");
    app.api.forget();
    app.wx.setStorageSync("signed_out", true);
    await app.enter();
  };
  return {
    title: "我的",
    tab: "me",
    body: [
      el(
        "div",
        { class: "mp-hero" },
        el("h3", {}, person.name || "您好"),
        el("p", {}, person.phone || "未绑定手机号"),
      ),
      person.state === "closing" && closing(app, person),
      rows([
        row("我的企业", enterprises.length ? `${enterprises.length} 家` : "登记企业，或加入已登记的企业", () =>
          app.go("enterprises"),
        ),
        training.length > 0 && row("签到工作", `${training.length} 个培训`, () => app.go("work")),
        row("扫码自助签到", "扫现场屏幕上的码", () => app.go("checkin")),
      ]),
      rows([
        row("姓名", person.name || "未填写", () => app.go("name")),
        row("手机号", person.phone || "未绑定", () => app.go("phone")),
        row("隐私与账号", "告知书、导出、注销", () => app.go("account")),
      ]),
      actions(button("退出登录", (event) => app.busy(event.target, out))),
    ],
  };
}

function closing(app, person) {
  const keep = async () => {
    await app.api.remove("people/me/closure");
    app.forgetMe();
    app.toast("已撤销注销申请");
    await app.reload();
  };
  return banner(
    "warn",
    "账号正在注销",
    `将于 ${day(person.closing_at)} 完成，在此之前可以撤销。`,
    button("撤销注销", (event) => app.busy(event.target, keep)),
  );
}

async function name(app) {
  const person = await app.me();
  return {
    title: "姓名",
    body: [
      card(
        form(app, {
          fields: [
            text("name", "姓名", {
              value: person.name,
              required: true,
              maxlength: 32,
              hint: "与身份证件一致，用于培训工作联系",
            }),
          ],
          submit: "保存",
          work: async (values) => {
            await app.api.patch("people/me", values);
            app.toast("已保存");
            app.back();
          },
        }),
      ),
    ],
  };
}

async function account(app) {
  const person = await app.me();
  const exported = async () => {
    const everything = await app.api.get("people/me/export");
    save(new Blob([JSON.stringify(everything, null, 2)], { type: "application/json" }), "提质通-我的信息.json");
    app.toast("已导出到下载文件夹");
  };
  const close = async () => {
    if (
      !(await sure(
        app.host,
        "注销账号？",
        "七天后注销，其间可以撤销。注销后姓名、手机号、报名中的个人信息和培训证明都将删除。",
        "申请注销",
      ))
    )
      return;
    await app.api.post("people/me/closure");
    await done("已申请注销");
  };
  const withdraw = async () => {
    if (
      !(await sure(
        app.host,
        "撤回同意？",
        "没有您的同意，我们不能再为您保留账号：撤回的同时将申请注销，七天内可以撤销注销。",
        "撤回",
      ))
    )
      return;
    await app.api.remove("people/me/consent");
    await done("已撤回同意");
  };
  const done = async (told) => {
    app.forgetMe();
    app.toast(told);
    await app.tab("me");
  };
  const act = (label, under, work) => row(label, under, (event) => app.busy(event.currentTarget, work));
  return {
    title: "隐私与账号",
    body: [
      card(
        heading("账号"),
        facts([
          ["姓名", person.name || "未填写"],
          ["手机号", person.phone || "未绑定"],
          ["状态", person.state === "closing" ? `注销中，${day(person.closing_at)} 完成` : "正常"],
        ]),
      ),
      rows([
        row("个人信息处理告知书", "我们收集什么、做什么用", () => app.go("privacy")),
        act("导出我的信息", "本系统保存的关于您的全部信息", exported),
      ]),
      person.state === "closing"
        ? closing(app, person)
        : rows([
            act("撤回同意", "撤回对告知书的同意，同时申请注销", withdraw),
            act("注销账号", "七天内可以撤销", close),
          ]),
    ],
  };
}

export const pages = { welcome, consent, privacy, phone, me, name, account };
