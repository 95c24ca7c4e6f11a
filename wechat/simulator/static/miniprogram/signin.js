// What a desk's screen asks of this phone: to sign in there, or to bind this WeChat to an account.
import { Problem } from "./api.js";
import { exactClock } from "./labels.js";
import { actions, bar, button, card, empty, facts, heading, note } from "./layout.js";
import { el } from "../dom.js";

const PURPOSE = {
  sign_in: ["登录管理后台", "确认后，那台电脑将以您绑定的工作人员账号登录。", "确认登录", "电脑上已登录"],
  binding: ["绑定工作人员账号", "确认后，您可以用本微信扫码登录那个账号。", "确认绑定", "已绑定，今后可扫码登录"],
};

async function signin(app, { scene = "" }) {
  const number = decodeURIComponent(scene).replace(/^n=/, "");
  let asked;
  try {
    asked = await app.api.get(`people/scan-requests/${encodeURIComponent(number)}`);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status === 0) throw problem;
    return told(app, problem.message, "请在电脑上换一个二维码再扫。");
  }
  const [title, says, verb, done] = PURPOSE[asked.purpose];
  const confirm = async () => {
    await app.api.post(`people/scan-requests/${asked.number}/confirm`);
    await app.replace("signedin", { done });
  };
  return {
    title,
    body: [
      card(
        heading(title),
        note("请核对：电脑屏幕上的数字应与下面一致，不一致的切勿确认。"),
        el("p", { class: "mp-digits", "aria-label": "核对数字" }, asked.digits),
        facts([
          ["设备", asked.device],
          ["发起时间", exactClock(asked.asked_at)],
        ]),
        note(says),
      ),
    ],
    bar: bar(
      button("不是我", () => app.tab("home")),
      button(verb, (event) => app.busy(event.target, confirm), "primary"),
    ),
  };
}

function told(app, title, advice) {
  return {
    title: "扫码",
    body: [empty(title, advice), actions(button("回首页", () => app.tab("home")))],
  };
}

const signedin = async (app, { done }) => told(app, done, "可以收起手机了。");

export const pages = { signin, signedin };
