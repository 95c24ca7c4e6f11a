// Behind the scenes: faults, pushes and the platform's clock.
import { control, el } from "./dom.js";

const KINDS = {
  errcode: "返回错误码", slow: "应答很慢（秒）", timeout: "不办事也不应答（秒）", "5xx": "服务器错误（HTTP 状态）",
  drop_after_accept: "办了事但不应答", html: "返回网页",
};
const VALUES = { errcode: -1, slow: 10, timeout: 10, "5xx": 502, drop_after_accept: 0, html: 200 };
const EVENTS = {
  subscribe_msg_popup_event: "订阅弹窗", subscribe_msg_change_event: "订阅变更",
  subscribe_msg_sent_event: "消息送达", user_authorization_revoke: "撤回授权",
  TEMPLATESENDJOBFINISH: "模板消息送达", subscribe: "关注服务号", unsubscribe: "取消关注", SCAN: "扫服务号的码",
  user_authorization_cancellation: "注销账号", debug_demo: "试验事件",
};
const STATES = { waiting: "发送中", delivered: "已送达", failed: "失败" };
const SORTS = { normal: "", replay: "（重放）", bad_signature: "（签名错误）" };

export async function startBackstage(person) {
  const state = await control("/state");
  const drawFaults = faultsPanel(document.getElementById("faults"), state.paths);
  const drawPushes = pushesPanel(document.getElementById("pushes"), state, person);
  const drawTime = timePanel(document.getElementById("time"));
  const draw = () => Promise.all([drawFaults(), drawPushes(), drawTime()]).catch(() => {});
  await draw();
  setInterval(() => document.hidden || draw(), 3000);
}

function field(label, control) {
  return el("label", { class: "field" }, el("span", {}, label), control);
}

function options(select, pairs) {
  select.append(...pairs.map(([value, label]) => el("option", { value }, label)));
  return select;
}

function faultsPanel(root, paths) {
  const path = options(el("select"), [["*", "任何接口"], ...paths.map((p) => [p, p])]);
  const kind = options(el("select"), Object.entries(KINDS));
  const value = el("input", { type: "number", value: VALUES.errcode });
  const times = el("input", { type: "number", value: 1, min: 1, max: 10000 });
  const problem = el("p", { class: "problem", role: "alert" });
  const list = el("ul", { class: "faults" });
  kind.onchange = () => { value.value = VALUES[kind.value]; };

  async function draw() {
    const { faults } = await control("/faults");
    list.replaceChildren(...(faults.length ? faults : [null]).map((f) => el("li", {}, f
      ? `${f.path === "*" ? "任何接口" : f.path}：${KINDS[f.kind]} ${f.value}，还有 ${f.times ? `${f.times} 次` : `${f.seconds} 秒`}`
      : "没有故障，平台正常。")));
  }

  const form = el("form", { class: "form", onsubmit: async (event) => {
    event.preventDefault();
    problem.textContent = "";
    const wish = { path: path.value, kind: kind.value, times: Number(times.value), value: Number(value.value) };
    try {
      await control("/faults", wish);
    } catch (error) {
      problem.textContent = error.message;
    }
    await draw();
  } },
  field("接口", path), field("故障", kind), field("数值", value), field("次数", times),
  el("div", { class: "actions" }, el("button", { class: "primary" }, "打开故障"),
    el("button", { type: "button", onclick: async () => { await control("/faults", undefined, "DELETE"); await draw(); } },
      "全部恢复")), problem);
  root.append(el("h2", {}, "平台故障"), form, list);
  return draw;
}

function pushesPanel(root, state, person) {
  const list = el("ol", { class: "pushes" });
  const note = el("p", { class: "problem", role: "status" });
  const format = options(el("select"), [["json", "JSON"], ["xml", "XML"]]);
  format.value = state.push_format;
  format.onchange = () => control("/pushes/settings", { format: format.value });
  let shown = "";

  async function draw() {
    const { pushes } = await control("/pushes");
    const recent = pushes.slice(0, 20);
    if (shown === JSON.stringify(recent)) return;
    shown = JSON.stringify(recent);
    const open = new Set(Array.from(list.querySelectorAll("details[open]"), (row) => row.dataset.push));
    list.replaceChildren(...recent.map((push) => pushRow(push, open.has(`${push.account} ${push.id}`))));
    if (!recent.length) list.append(el("li", {}, "还没有推送。"));
  }

  const act = (label, work) => el("button", { type: "button", onclick: async () => {
    try {
      note.textContent = (await work()) || "";
    } catch (error) {
      note.textContent = error.message;
    }
    await draw();
  } }, label);

  root.append(el("h2", {}, "平台推送"),
    el("p", { class: "identifier" }, "推送到 ", el("code", {}, state.callback_url)),
    field("格式", format),
    el("div", { class: "actions" },
      act("重放上一条", async () => { await control("/pushes/replay", {}); }),
      act("推一条签名错误的", async () => {
        await control("/pushes/bad-signature", { person: person()?.id || "" });
      }),
      act("校验推送地址", async () => {
        const { ok, status, reason } = await control("/pushes/verify", {});
        return ok ? "推送地址校验通过。" : `推送地址校验失败：${reason || `HTTP ${status}`}`;
      })),
    note, list);
  return draw;
}

function pushRow(push, open) {
  const attempts = push.attempts.map((a) => el("li", {}, a.status ? `HTTP ${a.status}` : a.reason));
  return el("li", {}, el("details", { "data-push": `${push.account} ${push.id}`, open },
    el("summary", {},
      el("span", { class: `mark ${push.state}` }, STATES[push.state]),
      ` ${EVENTS[push.event] || push.event}${SORTS[push.kind]} · 共 ${push.attempts.length} 次`),
    el("ol", { class: "attempts" }, attempts),
    el("pre", {}, JSON.stringify(push.message, null, 1)),
    el("p", { class: "identifier" }, "加密后发出："),
    el("pre", {}, push.body)));
}

function timePanel(root) {
  const now = el("p", {});
  async function draw() {
    const state = await control("/state");
    const text = new Date(state.now).toLocaleString("zh-CN", { timeZone: "Asia/Shanghai" });
    now.textContent = `平台时间 ${text}${state.offset ? `，已拨快 ${Math.round(state.offset / 60)} 分钟` : ""}`;
  }
  const forward = (label, seconds) => el("button", { type: "button", onclick: async () => {
    await control("/clock", { advance: seconds });
    await draw();
  } }, label);
  root.append(el("h2", {}, "平台时间"), now, el("p", {}, "拨快后，登录码、令牌和配额随之变老。"),
    el("div", { class: "actions" }, forward("快进 5 分钟", 300), forward("快进 2 小时", 7200)));
  return draw;
}
