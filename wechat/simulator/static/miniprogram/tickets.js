// At the door: the ticket that changes by itself, the hall's code, and afterwards the certificate.
import { el } from "../dom.js";
import { Problem, nonce } from "./api.js";
import { clock, moment } from "./labels.js";
import { actions, banner, button, card, empty, facts, heading, note, save } from "./layout.js";

const ENOUGH = 4; // codes left when more are fetched

async function ticket(app, { id, name }) {
  const kept = `ticket.${id}`;
  let codes = [];
  let ahead = 0; // of the server's clock before ours
  let shown = "";
  let gone = false;
  const fault = el("div", {});

  async function fetchCodes() {
    try {
      ({ codes } = await app.api.get(`signups/${id}/ticket`));
      app.wx.setStorageSync(kept, codes);
    } catch (problem) {
      codes = app.wx.getStorageSync(kept) || [];
      if (problem.status !== 0 || !codes.some((code) => Date.parse(code.valid_until) > Date.now())) throw problem;
      fault.replaceChildren(banner("warn", "网络不通", "出示的是先前取得的签到码，仍可签到。"));
      return;
    }
    fault.replaceChildren();
    // The first one is the one to show now: where our clock says otherwise, it is our clock that is wrong.
    const [from, until] = [Date.parse(codes[0].valid_from), Date.parse(codes[0].valid_until)];
    ahead = Date.now() >= from && Date.now() < until ? 0 : from - Date.now();
  }

  await fetchCodes();
  const who = name || (await app.api.get(`signups/${id}`)).attendee_name;
  const picture = el("img", { class: "mp-qr", alt: `${who}的签到码` });
  const left = el("progress", { max: 30, value: 30, "aria-label": "更换前剩余秒数" });
  const words = el("p", { class: "mp-note" });

  function current() {
    const at = Date.now() + ahead;
    return codes.findIndex((code) => Date.parse(code.valid_from) <= at && at < Date.parse(code.valid_until));
  }

  async function tick() {
    if (current() < 0 || codes.length - current() <= ENOUGH) await fetchCodes();
    const code = codes[current()] || codes[0];
    const seconds = Math.max(0, Math.ceil((Date.parse(code.valid_until) - Date.now() - ahead) / 1000));
    left.value = seconds;
    words.textContent = `${seconds} 秒后自动更换`;
    if (code.content === shown || gone) return;
    const [address] = await Promise.all([
      app.host.qr(code.content),
      app.host.publish({ title: `${who}的签到码`, text: code.content }),
    ]);
    if (gone) {
      URL.revokeObjectURL(address);
      await app.host.publish(null);
      return;
    }
    shown = code.content;
    if (picture.src) URL.revokeObjectURL(picture.src);
    picture.src = address;
    picture.dataset.code = shown;
  }

  let ticking = false;
  const step = () => {
    if (ticking) return;
    ticking = true;
    tick()
      .catch((problem) =>
        fault.replaceChildren(banner("bad", problem.message, "签到码可能已经失效，请联网后重试。")),
      )
      .finally(() => {
        ticking = false;
      });
  };
  step();
  const timer = setInterval(step, 1000);
  app.onLeave(() => {
    gone = true;
    clearInterval(timer);
    if (picture.src) URL.revokeObjectURL(picture.src);
    app.host.publish(null).catch(() => {});
  });
  return {
    title: "签到码",
    body: [
      fault,
      card(el("div", { class: "mp-ticket" }, el("h3", {}, who), picture, left, words)),
      note("请出示给签到人员扫描。签到码每 30 秒更换，截图无效；断网时十分钟内仍可出示。"),
      note("模拟环境：在另一个浏览器窗口打开签到人员的手机，就能扫到这个码。"),
    ],
  };
}

// Opened by the hall's code (scene), or by hand to scan it.
async function checkin(app, { scene }) {
  const made = nonce();
  const scan = async () => {
    const seen = await app.wx.scanCode().catch(() => null);
    if (!seen) return;
    const found =
      seen.scanType === "WX_CODE" ? new URLSearchParams(seen.path.split("?")[1]).get("scene") : seen.result;
    await app.replace("checkin", { scene: found });
  };
  const again = (label) => button(label, (event) => app.busy(event.target, scan), "primary");
  if (!scene) {
    return {
      title: "自助签到",
      body: [
        empty(
          "扫现场的码签到",
          "在培训现场的屏幕上找到签到码，用“扫一扫”扫它。须用报名时填写的手机号登录。",
          again("扫一扫"),
        ),
      ],
    };
  }
  let scanned;
  try {
    scanned = await app.api.post("check-ins/hall", { content: decodeURIComponent(scene), nonce: made });
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status === 0) throw problem;
    return { title: "自助签到", body: [result("bad", problem.message), actions(again("重新扫码"))] };
  }
  const good = ["accepted", "duplicate"].includes(scanned.outcome);
  const advice =
    scanned.outcome === "not_confirmed"
      ? "没有找到您本人在这个培训中已通过的报名。请确认报名时填写的是您现在绑定的手机号。"
      : "";
  return {
    title: "自助签到",
    body: [
      result(
        good ? "good" : "bad",
        scanned.message,
        scanned.attendee_name,
        scanned.enterprise_name,
        clock(scanned.scanned_at),
        advice,
      ),
      actions(
        good ? button("查看我的报名", () => app.tab("signups")) : again("重新扫码"),
        button("返回首页", () => app.tab("home")),
      ),
    ],
  };
}

// What came of a scan, to be seen across a table: by colour, by sign and in words.
export function result(tone, message, ...lines) {
  return el(
    "section",
    { class: `mp-result ${tone}`, role: "status" },
    el("span", { class: "mp-result-sign", "aria-hidden": "true" }, { good: "✓", warn: "!", bad: "✕" }[tone]),
    el("strong", {}, message),
    lines.filter(Boolean).map((line) => el("p", {}, line)),
  );
}

async function certificate(app, { id }) {
  let issued;
  try {
    issued = await app.api.post(`signups/${id}/certificate`);
  } catch (problem) {
    if (problem.code !== "certificate_not_earned") throw problem;
    return {
      title: "培训证明",
      body: [
        empty(
          "还不能领取",
          problem.message,
          button("返回", () => app.back()),
        ),
      ],
    };
  }
  const download = async () => {
    save(await app.api.file(`signups/${id}/certificate.pdf`), `培训证明-${issued.number}.pdf`);
    app.toast("已下载");
  };
  return {
    title: "培训证明",
    body: [
      banner("good", "培训证明已生成"),
      card(
        heading("证明"),
        facts([
          ["编号", issued.number],
          ["验证码", issued.verification_code],
          ["发证时间", moment(issued.issued_at)],
        ]),
        actions(button("下载 PDF", (event) => app.busy(event.target, download), "primary")),
      ),
      note("任何人都可以在提质通网站的“证明查验”中输入验证码核对真伪。"),
    ],
  };
}

export const pages = { ticket, checkin, certificate };
