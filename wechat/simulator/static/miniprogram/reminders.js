// Asking to be told in WeChat: the application says for which templates at which tap.
import { nonce } from "./api.js";
import { actions, button, card, heading, note } from "./layout.js";

// A card with the button to tap, or nothing where the application has nothing to ask for.
// The templates are asked for beforehand: WeChat opens its sheet only in the tap itself.
export async function reminders(app, at, says) {
  if (!app.wx.requestSubscribeMessage) return null;
  const { template_ids: tmplIds } = await app.api.get("messages/subscriptions", { at });
  if (!tmplIds.length) return null;
  const remind = async (event) => {
    const said = await app.wx.requestSubscribeMessage({ tmplIds }).catch(() => ({}));
    const answers = tmplIds.filter((id) => said[id]).map((id) => ({ template_id: id, answer: said[id] }));
    if (answers.length) await app.api.post("messages/subscriptions", { nonce: nonce(), answers }).catch(() => {});
    const accepted = answers.some(({ answer }) => answer === "accept");
    app.toast(accepted ? "好的，将在微信里提醒您" : "未允许提醒，可在“消息”里查看");
    if (accepted) event.target.disabled = true;
  };
  return card(
    heading("微信提醒"),
    note(`允许后，${says}会发到您的微信“服务通知”。`),
    actions(button("接收微信提醒", remind, "primary")),
  );
}
