// The mini-program inside the phone. `host` is the phone: screen, wx, person, setTitle, toast, sheet,
// publish and qr. The phone calls open(path, query), back() (false: nothing to go back to) and close().
import { el } from "./dom.js";

export function createMiniProgram(host) {
  const { screen, wx } = host;
  const log = el("pre", { class: "log", "aria-live": "polite" });

  async function attempt(label, work) {
    try {
      log.textContent = `${label}\n${JSON.stringify(await work(), null, 2)}`;
    } catch (error) {
      log.textContent = `${label}\n${JSON.stringify(error, null, 2)}`;
    }
  }

  const button = (label, work) =>
    el("button", { type: "button", class: "wide", onclick: () => attempt(label, work) }, label);

  async function showTestCode() {
    const text = `TEST-${Date.now()}`;
    await host.publish({ title: "接口试验的码", text });
    picture.src = await host.qr(text);
    picture.hidden = false;
    return { text };
  }

  const picture = el("img", { class: "qr", alt: "正在出示的码", hidden: true });

  return {
    open(path, query) {
      host.setTitle("接口试验");
      screen.replaceChildren(el("div", { class: "page" },
        path && el("p", {}, `打开的页面：${path} ${JSON.stringify(query)}`),
        button("wx.login", () => wx.login()),
        button("wx.getPhoneNumber", () => wx.getPhoneNumber()),
        button("wx.requestSubscribeMessage", async () => {
          const reply = await fetch("/__sim__/templates");
          const { templates } = await reply.json();
          return wx.requestSubscribeMessage({ tmplIds: templates.filter((t) => t.type === 2).map((t) => t.id) });
        }),
        button("wx.scanCode", () => wx.scanCode()),
        button("出示一个码", showTestCode),
        picture,
        log));
    },
    back: () => false,
    close() {},
  };
}
