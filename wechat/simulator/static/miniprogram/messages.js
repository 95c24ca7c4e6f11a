// The inbox: everything that people were told, whatever reached WeChat.
import { el } from "../dom.js";
import { shortMoment } from "./labels.js";
import { button, empty, pages as paged } from "./layout.js";

// What a message is about → the page that shows it.
const ABOUT = {
  signups: (id) => ["signup", { id }],
  trainings: (id) => ["training", { id }],
  enterprises: (id) => ["enterprise", { id }],
  membership_requests: () => ["enterprises", {}],
};

async function messages(app) {
  const draw = (notice) => {
    const open = async (event) => {
      const item = event.currentTarget;
      if (!notice.read_at) {
        await app.api.post(`messages/${notice.id}/read`).catch(() => {});
        notice.read_at = "now";
        item.classList.remove("unread");
        item.querySelector(".unseen")?.remove();
      }
      const [page, params] = target(notice) || [];
      if (page) app.go(page, params);
    };
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: `mp-message ${notice.read_at ? "" : "unread"}`, onclick: open },
        el(
          "span",
          { class: "mp-message-head" },
          el("strong", {}, notice.title, !notice.read_at && el("span", { class: "unseen" }, "（未读）")),
          el("time", { datetime: notice.created_at }, shortMoment(notice.created_at)),
        ),
        el("span", {}, notice.body),
        notice.outdated && el("span", { class: "mp-outdated" }, `（此消息已过时：${notice.outdated}）`),
        target(notice) && el("span", { class: "mp-into" }, "查看 ›"),
      ),
    );
  };
  const none = empty("还没有消息", "报名结果、候补名额、企业审核进展会出现在这里。");
  const [list, { unread }] = await Promise.all([
    paged(app, "messages", {}, draw, none),
    app.api.get("messages/unread"),
  ]);
  const readAll = async () => {
    await app.api.post("messages/read");
    await app.reload();
  };
  const all = button(`${unread} 条未读，全部标为已读`, () => app.busy(all, readAll), "plain");
  return { title: "消息", tab: "messages", body: [unread > 0 && all, list] };
}

function target({ kind, subject_type, subject_id }) {
  if (kind === "training.trainer_assigned") return ["work", {}];
  if (kind === "membership.removed") return null;
  return ABOUT[subject_type]?.(subject_id);
}

export const pages = { messages };
