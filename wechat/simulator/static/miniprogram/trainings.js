// Trainings: what is coming, and one with its sessions.
import { el } from "../dom.js";
import { AUDIENCE, MODE, OPENING, PROVIDER, SIGNUP, moment, span } from "./labels.js";
import {
  badge,
  banner,
  bar,
  button,
  card,
  empty,
  facts,
  heading,
  note,
  pages as paged,
  row,
  rows,
  save,
} from "./layout.js";
import { reminders } from "./reminders.js";

const FILTERS = [
  ["", "全部"],
  ["onsite", "线下"],
  ["online", "线上"],
];

async function home(app, wanted) {
  app.forgetMe(); // somebody else may have made me a trainer or a member meanwhile
  const [me, works, own] = [await app.me(), await app.holds("trainer"), await app.holds("any", "enterprise")];
  const results = el("div", { class: "mp-stack", "aria-live": "polite" });
  const list = async () => {
    const none =
      wanted.q || wanted.mode
        ? empty(
            "没有符合条件的培训",
            "换个关键词，或看看全部培训。",
            button("看全部", () => app.tab("home")),
          )
        : empty("近期没有培训", "新的培训发布后会出现在这里。");
    results.replaceChildren(await paged(app, "trainings", wanted, (item) => trainingCard(app, item), none));
  };
  const pick = (mode) => (event) => {
    wanted.mode = mode;
    for (const other of filters.children) other.setAttribute("aria-pressed", String(other === event.target));
    app.busy(event.target, list);
  };
  const filters = el(
    "div",
    { class: "mp-filters", role: "group", "aria-label": "方式" },
    FILTERS.map(([mode, words]) =>
      el(
        "button",
        { type: "button", "aria-pressed": String((wanted.mode || "") === mode), onclick: pick(mode) },
        words,
      ),
    ),
  );
  const words = el("input", {
    type: "search",
    "aria-label": "培训名称",
    placeholder: "搜索培训名称",
    maxlength: 64,
    value: wanted.q,
  });
  const search = el(
    "form",
    {
      class: "mp-search",
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        wanted.q = words.value.trim();
        app.busy(event.submitter ?? words, list);
      },
    },
    words,
    el("button", { class: "mp-button" }, "搜索"),
  );
  await list();
  return {
    title: "提质通",
    tab: "home",
    body: [
      el(
        "div",
        { class: "mp-hero" },
        el("h3", {}, me.name ? `${me.name}，您好` : "您好"),
        el("p", {}, "小微企业质量管理体系认证提升行动"),
      ),
      works.length > 0 && rows([row("签到工作", `您负责 ${works.length} 个培训的签到`, () => app.go("work"))]),
      ...todo(app, me, own),
      heading("培训报名"),
      search,
      filters,
      results,
      own.length > 0 && (await reminders(app, "home", "开课提醒和培训证明")),
    ],
  };
}

function todo(app, me, own) {
  if (me.state === "closing") return [banner("warn", "账号正在注销", "可以在“我的”中撤销。")];
  if (!me.phone) {
    return [
      banner(
        "wait",
        "绑定手机号",
        "登记企业、接收报名结果时需要。",
        button("去绑定", () => app.go("phone")),
      ),
    ];
  }
  const asked = [];
  if (!me.name)
    asked.push(
      banner(
        "wait",
        "填写姓名",
        "让同事和工作人员知道您是谁。",
        button("去填写", () => app.go("name")),
      ),
    );
  if (own.length) return asked;
  return [
    ...asked,
    banner(
      "wait",
      "登记企业后就能报名",
      "企业已登记的，可以凭邀请码或统一社会信用代码加入。",
      button("登记企业", () => app.go("register"), "primary"),
      button("加入企业", () => app.go("join")),
    ),
  ];
}

function trainingCard(app, item) {
  const left =
    item.signup_state === "full" ? `候补 ${item.waiting} 人` : `余 ${item.remaining} / ${item.capacity}`;
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: "mp-training", onclick: () => app.go("training", { id: item.id }) },
      el("span", { class: "mp-training-head" }, el("strong", {}, item.title), badge(OPENING[item.signup_state])),
      el("span", {}, `${moment(item.starts_at)} · ${item.session_count} 场`),
      el("span", {}, item.place || MODE[item.mode]),
      el("span", { class: "mp-training-foot" }, el("span", {}, item.organiser), el("span", {}, left)),
    ),
  );
}

async function training(app, { id }) {
  const [found, divisions, own] = [
    await app.api.get(`trainings/${id}`),
    await app.reference("divisions"),
    await app.holds("any", "enterprise"),
  ];
  const signups = own.length
    ? (await app.api.all("signups", { training_id: id })).filter(
        (one) => !["cancelled", "refused", "expired"].includes(one.state),
      )
    : [];
  const name = (division) => divisions.find((one) => one.id === division)?.short_name || division;
  const calendar = async () => {
    save(await app.api.file(`trainings/${id}/calendar.ics`), `${found.title}.ics`);
    app.toast("日历文件已下载，打开即可加入日历");
  };
  const full = found.remaining <= 0;
  return {
    title: "培训详情",
    body: [
      card(
        el("div", { class: "mp-heading" }, el("h3", {}, found.title), badge(OPENING[found.signup_state])),
        found.state === "cancelled" && banner("bad", "培训已取消", found.state_reason),
        el(
          "div",
          { class: "mp-seats" },
          el("p", {}, el("strong", {}, String(Math.max(found.remaining, 0))), ` / ${found.capacity} 个名额`),
          el("progress", { max: found.capacity, value: found.taken, "aria-label": "已占名额" }),
          full && note(`候补 ${found.waiting} 人；有人取消时按候补号先后递补。`),
        ),
        facts([
          ["时间", span(found.starts_at, found.ends_at)],
          ["地点", found.place],
          [
            "线上地址",
            found.online_url &&
              el("a", { href: found.online_url, target: "_blank", rel: "noreferrer" }, found.online_url),
          ],
          ["主办", found.organiser],
          ["对象", AUDIENCE[found.audience]],
          ["举办", `${PROVIDER[found.provider]}，${MODE[found.mode]}`],
          ["面向", found.open_to.map(name).join("、")],
        ]),
      ),
      card(
        heading(`场次（${found.sessions.length}）`),
        el(
          "ol",
          { class: "mp-sessions" },
          found.sessions.map((one) =>
            el(
              "li",
              {},
              el("strong", {}, one.title),
              el("span", {}, span(one.starts_at, one.ends_at)),
              el("span", { class: "mp-note" }, `签到 ${span(one.checkin_from, one.checkin_until)}`),
            ),
          ),
        ),
      ),
      card(
        heading("报名须知"),
        facts([
          ["报名", span(found.opens_at, found.closes_at)],
          ["每家企业", `最多 ${found.seats_per_enterprise} 人`],
          ["审核", found.needs_approval ? "报名后由主办单位审核" : "报名即通过，不需审核"],
          [
            "候补",
            found.offer_minutes ? `有名额时通知，${found.offer_minutes} 分钟内确认` : "有名额时自动转为报名",
          ],
          ["换人截止", moment(found.change_deadline)],
          ["取消截止", moment(found.cancel_deadline)],
          ["培训证明", `出勤达到 ${found.certificate_percent}% 可以领取`],
        ]),
        found.description && el("p", { class: "mp-text" }, found.description),
      ),
      signups.length > 0 &&
        el(
          "div",
          { class: "mp-stack" },
          heading(`本企业已报名（${signups.length}）`),
          rows(
            signups.map((one) =>
              row(
                one.attendee_name,
                one.enterprise_name,
                () => app.go("signup", { id: one.id }),
                badge(SIGNUP[one.state]),
              ),
            ),
          ),
        ),
    ],
    bar: bar(
      button("加入日历", (event) => app.busy(event.target, calendar)),
      entrance(app, found),
    ),
  };
}

function entrance(app, found) {
  const open = found.state === "published" && ["open", "full"].includes(found.signup_state);
  const words = {
    open: "立即报名",
    full: "排队候补",
    not_open: `${moment(found.opens_at)} 开始`,
    closed: "报名已截止",
  };
  const go = button(
    found.state === "cancelled" ? "培训已取消" : words[found.signup_state],
    () => app.go("signup-form", { id: found.id }),
    "primary",
  );
  go.disabled = !open;
  return go;
}

export const pages = { home, training };
