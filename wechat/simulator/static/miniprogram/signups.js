// Sign-ups: making them, seeing them, and changing one's mind.
import { el } from "../dom.js";
import { choose, form, text } from "./forms.js";
import { SIGNUP, moment, shortMoment } from "./labels.js";
import {
  actions,
  badge,
  banner,
  button,
  card,
  empty,
  facts,
  heading,
  note,
  pages as paged,
  row,
  rows,
  sure,
} from "./layout.js";
import { reminders } from "./reminders.js";

const attendeeFields = (prefix, { name, phone, post } = {}) => [
  text(`${prefix}name`, "姓名", { value: name, required: true, maxlength: 32 }),
  text(`${prefix}phone`, "手机号", {
    value: phone,
    required: true,
    inputmode: "tel",
    maxlength: 20,
    hint: "签到码归到绑定此号码的微信名下",
  }),
  text(`${prefix}post`, "职务", { value: post, maxlength: 32, placeholder: "例如：质量负责人" }),
];

const plain = (values, prefix) =>
  Object.fromEntries(["name", "phone", "post"].map((part) => [part, values[prefix + part]]));

async function signupForm(app, { id }) {
  const [training, own] = [await app.api.get(`trainings/${id}`), await app.holds("any", "enterprise")];
  const enterprises = own.length ? await app.api.all("enterprises") : [];
  if (!enterprises.length) {
    return {
      title: "报名",
      body: [
        empty(
          "还没有企业",
          "报名以企业为单位。请先登记企业，或加入已登记的企业。",
          button("登记企业", () => app.go("register"), "primary"),
          button("加入企业", () => app.go("join")),
        ),
      ],
    };
  }
  const which =
    enterprises.length > 1
      ? choose(
          "enterprise_id",
          "为哪家企业报名",
          enterprises.map((one) => [one.id, one.name]),
          { required: true },
        )
      : null;
  const people = el("div", { class: "mp-stack" });
  let attendees = [];
  // The server counts attendees from 0, so their fields are named anew when one goes.
  const number = () =>
    attendees.forEach((one, i) => {
      one.title.textContent = `参训人 ${i + 1}`;
      one.fields.forEach((field, j) => {
        field.name = `attendees.${i}.${["name", "phone", "post"][j]}`;
      });
      one.drop.hidden = attendees.length === 1;
      more.hidden = attendees.length >= training.seats_per_enterprise;
    });
  const add = () => {
    const one = { fields: attendeeFields(""), title: el("h3", {}) };
    one.drop = button(
      "删除",
      () => {
        attendees = attendees.filter((other) => other !== one);
        one.node.remove();
        number();
      },
      "plain",
    );
    one.node = card(
      el("div", { class: "mp-heading" }, one.title, one.drop),
      one.fields.map((field) => field.node),
    );
    attendees.push(one);
    people.append(one.node);
    number();
    return one;
  };
  const more = button("再加一人", () => add().fields[0].focus(), "dashed");
  add();
  const work = async (values) => {
    const party = attendees.map((_, i) => plain(values, `attendees.${i}.`));
    const enterprise_id = which ? values.enterprise_id : enterprises[0].id;
    const { items } = await app.api.post(`trainings/${id}/signups`, { enterprise_id, attendees: party });
    app.toast("已提交");
    await app.replace("signup-result", {
      training,
      made: items.map((item, i) => ({ ...item, name: party[i].name })),
    });
  };
  return {
    title: "报名",
    body: [
      card(
        heading(training.title),
        note(moment(training.starts_at)),
        facts([
          ["企业", which ? null : enterprises[0].name],
          ["每家企业", `最多 ${training.seats_per_enterprise} 人`],
          ["剩余名额", training.remaining > 0 ? `${training.remaining} 个` : "已满，提交后排入候补"],
        ]),
      ),
      form(app, {
        fields: () => [...(which ? [which] : []), ...attendees.flatMap((one) => one.fields)],
        content: [which && card(which.node), people, more],
        submit: training.remaining > 0 ? "提交报名" : "提交候补",
        work,
      }),
    ],
  };
}

function outcome({ state, waiting_no }) {
  return state === "waiting" ? [`候补第 ${waiting_no} 号`, "wait"] : SIGNUP[state];
}

async function signupResult(app, { training, made }) {
  const state = made[0].state;
  const told = {
    confirmed: ["good", "报名成功", "开课当天出示签到码。"],
    pending: ["wait", "已提交，待审核", "主办单位审核后会通知您。"],
    waiting: ["warn", "名额已满，已排入候补", "有人取消时按候补号先后递补，届时会通知您。"],
  }[state];
  const waits = state === "waiting";
  const remind = await reminders(app, waits ? "waiting" : "signup", waits ? "候补名额" : "报名结果和开课提醒");
  return {
    title: "报名结果",
    body: [
      banner(...told),
      card(
        heading(training.title),
        rows(made.map((one) => row(one.name, "", () => app.go("signup", { id: one.id }), badge(outcome(one))))),
      ),
      remind,
      actions(
        button("查看我的报名", () => app.tab("signups")),
        button("返回首页", () => app.tab("home")),
      ),
    ],
  };
}

async function signups(app) {
  const draw = (one) =>
    row(
      one.training_title,
      `${one.attendee_name} · ${moment(one.starts_at)}`,
      () => app.go("signup", { id: one.id }),
      badge(outcome(one)),
    );
  const none = empty(
    "还没有报名",
    "在“培训”里选一个正在报名的培训，为企业的同事报名。",
    button("去看培训", () => app.tab("home"), "primary"),
  );
  return { title: "报名", tab: "signups", body: [await paged(app, "signups", {}, draw, none)] };
}

async function signup(app, { id }) {
  const one = await app.api.get(`signups/${id}`);
  const [training, own] = [
    await app.api.get(`trainings/${one.training_id}`),
    await app.holds("any", "enterprise"),
  ];
  const mine = own.some((grant) => grant.scope_id === one.enterprise_id);
  const started = Date.now() >= Date.parse(training.starts_at);
  const active = ["pending", "confirmed", "returned", "waiting", "offered"].includes(one.state);
  const act = (path, told) => async () => {
    await app.api.post(`signups/${id}/${path}`);
    app.toast(told);
    await app.reload();
  };
  const cancel = async () => {
    const text =
      one.state === "offered" ? "放弃后名额将给下一位。" : "取消后名额将给下一位候补；再报名须重新排队。";
    if (await sure(app.host, "取消报名？", text, "取消报名")) await act("cancel", "已取消")();
  };
  const press = (label, work, kind) => button(label, (event) => app.busy(event.target, work), kind);
  return {
    title: "报名详情",
    body: [
      one.state === "offered" &&
        banner(
          "warn",
          "有名额了，请确认",
          `请在 ${moment(one.offer_expires_at)} 前确认，逾期名额将给下一位。`,
          mine && press("确认参加", act("accept-offer", "已确认"), "primary"),
        ),
      one.state === "returned" &&
        banner(
          "warn",
          "请完善后重新提交",
          one.state_reason,
          mine && button("修改并重新提交", () => app.go("attendee", { id, path: "resubmit" }), "primary"),
        ),
      one.state === "refused" && banner("bad", "报名未通过", one.state_reason),
      one.state === "cancelled" && banner("bad", "报名已取消", one.state_reason),
      one.state === "waiting" &&
        banner(
          "wait",
          `候补第 ${one.waiting_no} 号`,
          `目前候补共 ${training.waiting} 人，有人取消时按号先后递补。`,
        ),
      one.state === "confirmed" &&
        actions(button("出示签到码", () => app.go("ticket", { id, name: one.attendee_name }), "primary big")),
      card(
        el("div", { class: "mp-heading" }, el("h3", {}, one.attendee_name), badge(SIGNUP[one.state])),
        facts([
          ["手机号", one.attendee_phone],
          ["职务", one.attendee_post],
          ["企业", one.enterprise_name],
          ["报名时间", shortMoment(one.created_at)],
        ]),
      ),
      rows([
        row(one.training_title, `${moment(one.starts_at)} ${one.place || "线上"}`, () =>
          app.go("training", { id: one.training_id }),
        ),
      ]),
      one.state === "confirmed" &&
        rows([
          row("培训证明", `出勤达到 ${training.certificate_percent}% 后领取`, () => app.go("certificate", { id })),
        ]),
      active &&
        mine &&
        !started &&
        actions(
          button("更换参训人", () => app.go("attendee", { id, path: "change-attendee" })),
          press("取消报名", cancel, "danger"),
        ),
      active && !mine && note("如需取消或更换参训人，请联系企业经办人。"),
    ],
  };
}

async function attendee(app, { id, path }) {
  const one = await app.api.get(`signups/${id}`);
  const again = path === "resubmit";
  const before = { name: one.attendee_name, phone: one.attendee_phone, post: one.attendee_post };
  return {
    title: again ? "重新提交" : "更换参训人",
    body: [
      card(
        heading(one.training_title),
        note(
          again
            ? `退回原因：${one.state_reason || "未说明"}`
            : `原参训人：${one.attendee_name}，更换后原签到码作废。`,
        ),
      ),
      card(
        form(app, {
          fields: attendeeFields("", again ? before : {}),
          submit: again ? "重新提交" : "确认更换",
          work: async (values) => {
            await app.api.post(`signups/${id}/${path}`, values);
            app.toast(again ? "已重新提交" : "已更换");
            app.back();
          },
        }),
      ),
    ],
  };
}

export const pages = { "signup-form": signupForm, "signup-result": signupResult, signups, signup, attendee };
