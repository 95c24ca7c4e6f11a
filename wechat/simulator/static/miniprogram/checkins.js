// The trainer at the door: scanning tickets, with or without a network, and the live counts.
import { el } from "../dom.js";
import { nonce } from "./api.js";
import { METHOD, OUTCOME, exactClock, span } from "./labels.js";
import { badge, banner, button, card, empty, heading, note, row, rows } from "./layout.js";
import { result } from "./tickets.js";

const COUNTS_EVERY = 5000;
const UPLOAD = 500; // the most of one upload
const TICKET = /^T[0-9A-Z]{18}$/; // what can be told of a code without a network

async function work(app) {
  app.forgetMe();
  const grants = await app.holds("trainer");
  const trainings = await Promise.all(grants.map((grant) => app.api.get(`trainings/${grant.scope_id}`)));
  const now = Date.now();
  const over = (training) => training.state === "cancelled" || Date.parse(training.ends_at) < now;
  trainings.sort((a, b) => over(a) - over(b) || a.starts_at.localeCompare(b.starts_at));
  return {
    title: "签到工作",
    body: trainings.length
      ? trainings.map((training) =>
          card(
            heading(
              training.title,
              over(training) && badge([training.state === "cancelled" ? "已取消" : "已结束", "off"]),
            ),
            note(training.place || "线上"),
            rows(
              training.sessions.map((one) =>
                row(
                  one.title,
                  span(one.starts_at, one.ends_at),
                  () => app.go("desk", { training, session: one }),
                  phase(one, now),
                ),
              ),
            ),
            rows([row("名册", "报名与签到情况", () => app.go("roster", { training }))]),
          ),
        )
      : [empty("还没有签到工作", "主办单位按您绑定的手机号指定您为讲师或签到员后，培训会出现在这里。")],
  };
}

function phase(session, now) {
  if (now < Date.parse(session.checkin_from)) return badge(["未开始", "off"]);
  return badge(now <= Date.parse(session.checkin_until) ? ["签到中", "good"] : ["已结束", "off"]);
}

// The scans that wait on this phone for a network, by session.
function queueOf(wx, session) {
  const key = `scans.${session.id}`;
  const all = () => wx.getStorageSync(key) || [];
  return {
    all,
    add: (scan) => wx.setStorageSync(key, [...all(), scan]),
    drop: (nonces) =>
      wx.setStorageSync(
        key,
        all().filter((scan) => !nonces.includes(scan.nonce)),
      ),
  };
}

async function desk(app, { training, session }) {
  const queue = queueOf(app.wx, session);
  const offlineKey = `offline.${session.id}`;
  const outcome = el("div", { class: "mp-outcome", "aria-live": "assertive" });
  const uploads = el("div", {});
  const counts = el("div", { class: "mp-counts" });
  const offline = el("input", {
    type: "checkbox",
    role: "switch",
    checked: Boolean(app.wx.getStorageSync(offlineKey)),
    onchange: () => {
      app.wx.setStorageSync(offlineKey, offline.checked);
      drawQueue();
    },
  });
  const show = (node) => {
    outcome.replaceChildren(node);
    app.host.screen.scrollTop = 0;
  };
  show(el("p", { class: "mp-result idle" }, "点下方“扫一扫”，扫参训人手机上的签到码"));

  async function scan() {
    const seen = await app.wx.scanCode().catch(() => null);
    if (!seen) return;
    if (!seen.result) return show(result("bad", "这不是签到码", "扫到的是小程序码。请让参训人出示“签到码”。"));
    const made = {
      nonce: nonce(),
      content: seen.result.trim().slice(0, 64),
      scanned_at: new Date().toISOString(),
    };
    if (offline.checked) return keep(made);
    try {
      const scanned = await app.api.post(`sessions/${session.id}/scans`, {
        content: made.content,
        nonce: made.nonce,
      });
      show(
        result(
          toneOf(scanned.outcome),
          scanned.message,
          scanned.attendee_name,
          scanned.enterprise_name,
          exactClock(scanned.scanned_at),
        ),
      );
    } catch (problem) {
      if (problem.status !== 0) throw problem;
      return keep(made, "网络不通，");
    }
    return count().catch(() => {});
  }

  function keep(made, why = "") {
    if (!TICKET.test(made.content.toUpperCase()))
      return show(result("bad", OUTCOME.unknown_ticket, "这不是本系统的签到码，没有保存。"));
    if (queue.all().some((one) => one.content === made.content))
      return show(result("warn", "刚才扫过了", "这个码已在本机，待上传。"));
    queue.add(made);
    drawQueue();
    return show(
      result(
        "warn",
        `${why}已存在本机`,
        `第 ${queue.all().length} 条，联网上传后才知道签到结果`,
        exactClock(made.scanned_at),
      ),
    );
  }

  function drawQueue() {
    const waiting = queue.all().length;
    uploads.replaceChildren(
      ...(waiting
        ? [
            banner(
              "warn",
              `有 ${waiting} 条扫码待上传`,
              "请在培训结束前联网上传。",
              button(`上传 ${waiting} 条`, (event) => app.busy(event.target, upload), "primary"),
            ),
          ]
        : []),
    );
  }

  async function upload() {
    const done = [];
    while (queue.all().length) {
      const scans = queue.all().slice(0, UPLOAD);
      const { items } = await app.api.post(`sessions/${session.id}/scans/upload`, {
        device_time: new Date().toISOString(),
        scans,
      });
      done.push(...items);
      queue.drop(scans.map((one) => one.nonce));
    }
    drawQueue();
    const accepted = done.filter((one) => one.outcome === "accepted").length;
    show(
      card(
        heading(
          `已上传 ${done.length} 条`,
          badge([`成功 ${accepted} 条`, accepted === done.length ? "good" : "warn"]),
        ),
        el(
          "ul",
          { class: "mp-lines" },
          done.map((one) =>
            el(
              "li",
              {},
              el(
                "span",
                {},
                one.attendee_name || "未知",
                " ",
                el("span", { class: "mp-note" }, exactClock(one.scanned_at)),
              ),
              badge([OUTCOME[one.outcome], toneOf(one.outcome)]),
            ),
          ),
        ),
        accepted < done.length && note("没有成功的，核实后可在名册中补签。"),
      ),
    );
    await count();
  }

  async function count() {
    const live = await app.api.get(`sessions/${session.id}/counts`);
    const details = (names, numbers) =>
      Object.entries(numbers)
        .map(([key, number]) => `${names[key]} ${number}`)
        .join("，");
    counts.replaceChildren(
      el("p", { class: "mp-count" }, el("strong", {}, String(live.checked_in)), ` / ${live.expected} 人已签到`),
      el("progress", { max: Math.max(live.expected, 1), value: live.checked_in, "aria-label": "签到进度" }),
      note([details(METHOD, live.by_method), details(OUTCOME, live.refused)].filter(Boolean).join("；未成功：")),
    );
  }

  drawQueue();
  await count().catch((problem) => {
    if (problem.status !== 0) throw problem;
    counts.replaceChildren(note("网络不通，暂时看不到人数。可以打开离线扫码。"));
  });
  const timer = setInterval(() => !document.hidden && !offline.checked && count().catch(() => {}), COUNTS_EVERY);
  app.onLeave(() => clearInterval(timer));
  return {
    title: "签到",
    body: [
      el(
        "div",
        { class: "mp-heading" },
        el("h3", {}, `${training.title} · ${session.title}`),
        phase(session, Date.now()),
      ),
      note(`签到时间 ${span(session.checkin_from, session.checkin_until)}`),
      outcome,
      uploads,
      card(counts),
      card(
        el(
          "label",
          { class: "mp-switch" },
          el("span", {}, el("strong", {}, "离线扫码"), note("会场没有网络时打开：先存在本机，联网后上传")),
          offline,
        ),
      ),
      rows([
        row("现场签到码", "投在屏幕上，参训人自己扫", () => app.go("hall", { training, session })),
        row("名册与补签", "查看谁还没有签到", () => app.go("roster", { training, session })),
      ]),
    ],
    bar: el(
      "div",
      { class: "mp-bar" },
      button("扫一扫", (event) => app.busy(event.target, scan), "primary big"),
    ),
  };
}

function toneOf(outcome) {
  return outcome === "accepted" ? "good" : outcome === "duplicate" ? "warn" : "bad";
}

export const pages = { work, desk };
