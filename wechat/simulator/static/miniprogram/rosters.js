// The list of a training: who came, who did not, marks by hand; and the code on the hall's screen.
import { el } from "../dom.js";
import { nonce } from "./api.js";
import { form, text } from "./forms.js";
import { METHOD, SIGNUP, clock, shortMoment } from "./labels.js";
import { badge, banner, button, card, empty, heading, note } from "./layout.js";

async function roster(app, { training, session }) {
  const [people, scans] = await Promise.all([
    app.api.all(`trainings/${training.id}/roster`),
    session ? app.api.all(`sessions/${session.id}/scans`, { outcome: "accepted" }) : [],
  ]);
  const came = new Map(scans.map((scan) => [scan.signup_id, scan]));
  const expected = people.filter((one) => one.state === "confirmed");
  const others = people.filter((one) => one.state !== "confirmed");
  const missing = session ? expected.filter((one) => !came.has(one.id)) : [];
  const present = session ? expected.filter((one) => came.has(one.id)) : expected;

  const person = (one, aside) =>
    el(
      "li",
      { class: "mp-person" },
      el(
        "span",
        {},
        el("strong", {}, one.attendee_name),
        " ",
        one.attendee_phone,
        el("br"),
        el("span", { class: "mp-note" }, [one.enterprise_name, one.attendee_post].filter(Boolean).join(" · ")),
      ),
      aside,
    );
  const attended = (one) => {
    const scan = came.get(one.id);
    if (scan) return badge([`${METHOD[scan.method]} ${clock(scan.scanned_at)}`, "good"]);
    return badge([`出勤 ${one.attended} / ${training.sessions.length}`, one.attended ? "good" : "off"]);
  };
  const list = (title, items, aside) =>
    items.length > 0 &&
    card(
      heading(`${title}（${items.length}）`),
      el(
        "ul",
        { class: "mp-lines" },
        items.map((one) => person(one, aside(one))),
      ),
    );
  const mark = (one) => button("补签", () => app.go("mark", { session, one }));
  return {
    title: session ? "名册与补签" : "名册",
    body: [
      el(
        "div",
        { class: "mp-heading" },
        el("h3", {}, session ? `${training.title} · ${session.title}` : training.title),
      ),
      session &&
        expected.length > 0 &&
        banner(
          missing.length ? "wait" : "good",
          missing.length ? `还有 ${missing.length} 人没有签到` : "全部已签到",
          `应到 ${expected.length} 人，已到 ${present.length} 人。`,
        ),
      list("未签到", missing, mark),
      list(session ? "已签到" : "已通过", present, attended),
      list("其他报名", others, (one) => badge(SIGNUP[one.state])),
      !people.length && empty("还没有人报名", "有人报名后，名单会出现在这里。"),
    ],
  };
}

async function mark(app, { session, one }) {
  const made = nonce();
  return {
    title: "补签",
    body: [
      card(
        heading(one.attendee_name),
        note(`${one.enterprise_name}　${one.attendee_phone}`),
        note(`场次：${session.title}`),
      ),
      card(
        form(app, {
          fields: [
            text("reason", "补签原因", {
              required: true,
              multiline: true,
              maxlength: 200,
              hint: "例如：手机没电，已核对身份证件。将随签到记录保存",
            }),
          ],
          submit: "确认补签",
          work: async ({ reason }) => {
            const marked = await app.api.post(`sessions/${session.id}/marks`, {
              signup_id: one.id,
              reason,
              nonce: made,
            });
            app.toast(marked.outcome === "accepted" ? "补签成功" : marked.message);
            app.back();
          },
        }),
      ),
    ],
  };
}

async function hall(app, { training, session }) {
  const picture = el("img", { class: "mp-qr", alt: "现场签到码" });
  const until = el("p", { class: "mp-note" });
  let again = null;
  let gone = false;

  async function draw() {
    const code = await app.api.get(`sessions/${session.id}/hall-code`);
    const image = await app.api.file(`sessions/${session.id}/hall-code.png`);
    if (gone) return;
    if (picture.src) URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(image);
    until.textContent = `${shortMoment(code.valid_until)} 自动更换`;
    again = setTimeout(retry, Math.max(1000, Date.parse(code.valid_until) - Date.now() + 500));
  }
  function retry() {
    draw().catch((problem) => {
      until.textContent = `${problem.message}，正在重试`;
      if (!gone) again = setTimeout(retry, 5000);
    });
  }

  await draw();
  app.onLeave(() => {
    gone = true;
    clearTimeout(again);
    URL.revokeObjectURL(picture.src);
  });
  return {
    title: "现场签到码",
    body: [
      card(
        el(
          "div",
          { class: "mp-ticket" },
          el("h3", {}, training.title),
          el("p", {}, session.title),
          picture,
          until,
        ),
      ),
      note("投在会场屏幕上，参训人用微信“扫一扫”签到。每 5 分钟更换，照片隔后无效。"),
    ],
  };
}

export const pages = { roster, mark, hall };
