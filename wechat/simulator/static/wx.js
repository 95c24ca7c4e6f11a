// The bridge a mini-program calls: the same names, answers and error texts as in WeChat.
// Each function returns a promise, and calls success / fail / complete if they are given.
import { control, el } from "./dom.js";

const MOST_TEMPLATES = 5;

export function createWx(phone) {
  const person = phone.person;

  function promised(name, work) {
    return async (options = {}) => {
      try {
        const answer = { errMsg: `${name}:ok`, ...(await work(options)) };
        options.success?.(answer);
        options.complete?.(answer);
        return answer;
      } catch (error) {
        const answer = error.errMsg ? error : { errMsg: `${name}:fail ${error.message}` };
        options.fail?.(answer);
        options.complete?.(answer);
        throw answer;
      }
    };
  }

  const storageKey = (key) => `wx.${person.openid}.${key}`;

  return {
    login: promised("login", () => control("/login", { person: person.id })),

    getPhoneNumber: promised("getPhoneNumber", async () => {
      const masked = `${person.phone.slice(0, 3)}****${person.phone.slice(7)}`;
      const answer = await phone.sheet({
        title: "申请获取并验证你的手机号",
        content: [el("p", { class: "big" }, masked), el("p", {}, "微信绑定号码")],
        actions: [["拒绝", null], ["允许", "allow"]],
      });
      if (!answer) throw { errMsg: "getPhoneNumber:fail user deny" };
      return control("/phone_code", { person: person.id });
    }),

    requestSubscribeMessage: promised("requestSubscribeMessage", async (options) => {
      const ids = Array.isArray(options) ? options : options.tmplIds || [];
      const known = new Map((await control("/templates")).templates.map((t) => [t.id, t]));
      const templates = ids.map((id) => known.get(id));
      const refuse = (code, text) => {
        throw { errMsg: `requestSubscribeMessage:fail ${text}`, errCode: code };
      };
      if (!ids.length || templates.includes(undefined)) {
        refuse(20001, "No template data return, verify the template id exist");
      }
      if (ids.length > MOST_TEMPLATES) refuse(20003, "Templates count out of max bounds");
      if (new Set(templates.map((t) => t.type)).size > 1) refuse(20002, "Templates type must be same");
      const boxes = templates.map((t) => el("input", { type: "checkbox", checked: true, value: t.id }));
      const answer = await phone.sheet({
        title: "提质通 申请发送以下消息",
        content: templates.map((t, i) => el("label", { class: "tick" }, boxes[i], t.title)),
        actions: [["拒绝", null], ["允许", "allow"]],
      });
      const answers = Object.fromEntries(
        boxes.map((box) => [box.value, answer && box.checked ? "accept" : "reject"]),
      );
      phone.person = await control("/popup", { person: person.id, answers });
      return answers;
    }),

    scanCode: promised("scanCode", async () => {
      const { phones, walls } = await control(`/showing?except=${person.id}`);
      const pasted = el("input", { type: "text", "aria-label": "粘贴的内容", autocomplete: "off" });
      const choice = (label, note, value) => el(
        "button", { type: "button", class: "seen", "data-answer": JSON.stringify(value) },
        el("strong", {}, label), el("span", {}, note),
      );
      const answer = await phone.sheet({
        title: "扫一扫",
        content: [
          el("p", {}, phones.length + walls.length ? "镜头里看到：" : "镜头里没有码。请让另一台手机先出示。"),
          ...phones.map((p) => choice(p.name, p.title || "出示的码", { result: p.text, scanType: "QR_CODE" })),
          ...walls.map((w) => choice("小程序码", `scene ${w.scene}`, {
            result: "", scanType: "WX_CODE", path: w.path,
          })),
          el("label", { class: "paste" }, "或粘贴码的内容", pasted),
        ],
        actions: [["取消", null], ["用粘贴的内容", "paste"]],
      });
      const seen = answer === "paste" ? { result: pasted.value.trim(), scanType: "QR_CODE" } : JSON.parse(answer);
      if (!seen || (!seen.result && !seen.path)) throw { errMsg: "scanCode:fail cancel" };
      return seen;
    }),

    request: promised("request", async ({ url, method = "GET", data, header = {} }) => {
      const path = url.replace(/^https?:\/\/[^/]+/, "").replace(/^\/?(api\/v1\/)?/, "");
      const target = new URL(`/__sim__/app/${path}`, location.href);
      const options = { method: method.toUpperCase(), headers: { ...header }, credentials: "omit" };
      if (data !== undefined && options.method === "GET") {
        for (const [key, value] of Object.entries(data)) target.searchParams.append(key, value);
      } else if (data !== undefined) {
        options.headers = { "Content-Type": "application/json", ...options.headers };
        options.body = typeof data === "string" ? data : JSON.stringify(data);
      }
      const reply = await fetch(target, options);
      const text = await reply.text();
      if (!reply.headers.get("X-Simulator-Answered")) throw { errMsg: "request:fail 应用没有应答" };
      return { statusCode: reply.status, data: parsed(text), header: Object.fromEntries(reply.headers) };
    }),

    getStorageSync: (key) => JSON.parse(localStorage.getItem(storageKey(key)) ?? '""'),
    setStorageSync: (key, value) => localStorage.setItem(storageKey(key), JSON.stringify(value)),
    removeStorageSync: (key) => localStorage.removeItem(storageKey(key)),
    showToast: ({ title }) => phone.toast(title),
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
