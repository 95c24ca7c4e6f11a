// My enterprises: what they say of themselves, who belongs to them, and joining one.
import { el } from "../dom.js";
import { form, text } from "./forms.js";
import { ENTERPRISE, MEMBER, REQUEST, SIZE, moment, money, shortMoment } from "./labels.js";
import { actions, badge, banner, button, card, empty, facts, heading, note, row, rows, sure } from "./layout.js";
import { reminders } from "./reminders.js";

async function enterprises(app) {
  app.forgetMe();
  const own = await app.holds("any", "enterprise");
  const [mine, requests] = await Promise.all([
    own.length ? app.api.all("enterprises") : [],
    app.api.all("enterprises/membership-requests"),
  ]);
  const role = (one) => MEMBER[own.find((grant) => grant.scope_id === one.id)?.role];
  const open = requests.filter(
    (one) => one.state === "pending" || !mine.some((held) => held.id === one.enterprise_id),
  );
  return {
    title: "我的企业",
    body: [
      mine.length > 0
        ? rows(
            mine.map((one) =>
              row(one.name, role(one), () => app.go("enterprise", { id: one.id }), badge(ENTERPRISE[one.state])),
            ),
          )
        : empty("还没有企业", "登记企业后就能报名培训。同事已经登记过的，请加入。"),
      open.length > 0 &&
        card(
          heading("加入申请"),
          el(
            "ul",
            { class: "mp-lines" },
            open.map((one) =>
              el(
                "li",
                {},
                el(
                  "span",
                  {},
                  one.enterprise_name,
                  el("br"),
                  el("span", { class: "mp-note" }, shortMoment(one.created_at)),
                ),
                badge(REQUEST[one.state]),
              ),
            ),
          ),
        ),
      actions(
        button("登记企业", () => app.go("register"), mine.length ? "" : "primary"),
        button("加入企业", () => app.go("join")),
      ),
    ],
  };
}

async function enterprise(app, { id }) {
  app.forgetMe();
  const [one, divisions, industries, members, own] = await Promise.all([
    app.api.get(`enterprises/${id}`),
    app.reference("divisions"),
    app.reference("industries"),
    app.api.get(`enterprises/${id}/members`),
    app.holds("any", "enterprise"),
  ]);
  const { id: self } = await app.me();
  const owner = own.some((grant) => grant.role === "owner" && grant.scope_id === id);
  const requests = owner ? await app.api.all(`enterprises/${id}/membership-requests`) : [];
  const industry = industries.filter((known) => one.industry_code.startsWith(known.code)).at(-1)?.name;
  const press = (label, work, kind) => button(label, (event) => app.busy(event.target, work), kind);
  const resubmit = async () => {
    await app.api.post(`enterprises/${id}/resubmit`);
    app.toast("已重新提交");
    await app.reload();
  };
  const told = {
    registered: banner("wait", "已提交，等待审核", "由所属县（市）区局审核。审核期间也可以先报名培训。"),
    returned: banner(
      "warn",
      "请完善后重新提交",
      one.state_reason,
      button("修改信息", () => app.go("profile", { id }), "primary"),
      press("重新提交", resubmit),
    ),
    refused: banner("bad", "没有通过审核", one.state_reason),
  }[one.state];
  return {
    title: "企业",
    body: [
      told,
      one.state === "registered" && (await reminders(app, "enterprise", "审核结果")),
      card(
        el("div", { class: "mp-heading" }, el("h3", {}, one.name), badge(ENTERPRISE[one.state])),
        facts([
          ["信用代码", one.credit_code],
          ["所属辖区", divisions.find((known) => known.id === one.division_id)?.name],
          ["行业", industry && `${industry}（${one.industry_code}）`],
          ["规模", SIZE[one.size_class]],
          ["从业人员", one.headcount != null && `${one.headcount} 人`],
          ["营业收入", one.revenue != null && money(one.revenue)],
          ["资产总额", one.assets != null && money(one.assets)],
          ["法定代表人", one.legal_representative],
          ["地址", one.address],
          ["需求调查", one.needs_survey ? "已填写" : "未填写"],
        ]),
        one.state !== "refused" &&
          actions(
            button("修改信息", () => app.go("profile", { id })),
            button("需求调查", () => app.go("survey", { id })),
          ),
      ),
      requests.length > 0 &&
        card(
          heading(`加入申请（${requests.length}）`),
          el(
            "ul",
            { class: "mp-lines" },
            requests.map((request) => applicant(app, id, request)),
          ),
        ),
      card(
        heading(`成员（${members.length}）`),
        el(
          "ul",
          { class: "mp-lines" },
          members.map((member) => memberLine(app, one, member, owner, self)),
        ),
        owner && one.state !== "refused" && invitation(app, id),
      ),
      own.some((grant) => grant.role === "member" && grant.scope_id === id) &&
        actions(
          press(
            "退出企业",
            async () => {
              if (!(await sure(app.host, "退出企业？", `退出后不能再为“${one.name}”报名。`, "退出"))) return;
              await app.api.post(`enterprises/${id}/leave`);
              app.forgetMe();
              app.toast("已退出");
              app.back();
            },
            "danger",
          ),
        ),
    ],
  };
}

function applicant(app, id, request) {
  const answer = (how, told) => async () => {
    await app.api.post(`enterprises/${id}/membership-requests/${request.id}/${how}`);
    app.toast(told);
    await app.reload();
  };
  const press = (label, work, kind) => button(label, (event) => app.busy(event.target, work), kind);
  return el(
    "li",
    { class: "mp-person" },
    el(
      "span",
      {},
      el("strong", {}, request.name || "未填姓名"),
      " ",
      request.phone,
      request.note && [el("br"), el("span", { class: "mp-note" }, request.note)],
    ),
    actions(press("同意", answer("approve", "已同意"), "primary"), press("不同意", answer("refuse", "已拒绝"))),
  );
}

function memberLine(app, one, member, owner, self) {
  const call = member.name || "未填姓名";
  const manage = async () => {
    const answer = await app.host.sheet({
      title: `${call}　${member.phone || ""}`,
      content: [note("转让后，您成为普通成员，未使用的邀请码作废。")],
      actions: [
        ["取消", null],
        ["移出企业", "remove"],
        ["转让负责人", "transfer"],
      ],
    });
    if (
      answer === "remove" &&
      (await sure(app.host, "移出企业？", `${call}将不能再办理“${one.name}”的事项。`, "移出"))
    ) {
      await app.api.remove(`enterprises/${one.id}/members/${member.user_id}`);
      app.toast("已移出");
      await app.reload();
    }
    if (
      answer === "transfer" &&
      (await sure(app.host, "转让负责人？", `${call}将成为“${one.name}”的负责人。`, "转让"))
    ) {
      await app.api.post(`enterprises/${one.id}/transfer`, { user_id: member.user_id });
      app.forgetMe();
      app.toast("已转让");
      await app.reload();
    }
  };
  const me = member.user_id === self;
  return el(
    "li",
    { class: "mp-person" },
    el(
      "span",
      {},
      el("strong", {}, call, me && "（我）"),
      " ",
      member.phone,
      el("br"),
      el("span", { class: "mp-note" }, MEMBER[member.role]),
    ),
    owner && !me && button("管理", (event) => app.busy(event.target, manage)),
  );
}

function invitation(app, id) {
  const place = el("div", { class: "mp-stack", "aria-live": "polite" });
  const invite = async () => {
    const { code, expires_at } = await app.api.post(`enterprises/${id}/invitations`);
    place.replaceChildren(
      el("p", { class: "mp-code" }, code),
      note(`发给一名同事，在“我的企业—加入企业”中填写。${moment(expires_at)} 前可用一次，只显示这一次。`),
    );
  };
  return el(
    "div",
    { class: "mp-stack" },
    place,
    actions(button("生成邀请码", (event) => app.busy(event.target, invite))),
  );
}

async function join(app, { credit_code }) {
  const byCode = form(app, {
    fields: [
      text("code", "邀请码", {
        required: true,
        maxlength: 64,
        placeholder: "XXXX-XXXX-XXXX-XXXX",
        hint: "向企业负责人索取",
      }),
    ],
    submit: "加入",
    work: async (values) => {
      const joined = await app.api.post("enterprises/join", values);
      app.forgetMe();
      app.toast(`已加入${joined.name}`);
      await app.replace("enterprise", { id: joined.id });
    },
  });
  const ask = form(app, {
    fields: [
      text("credit_code", "统一社会信用代码", {
        required: true,
        value: credit_code,
        maxlength: 64,
        hint: "营业执照上的 18 位代码",
      }),
      text("note", "申请说明", { maxlength: 200, placeholder: "例如：质量部王敏" }),
    ],
    submit: "提交申请",
    kind: credit_code ? "primary" : "",
    work: async (values) => {
      await app.api.post("enterprises/membership-requests", values);
      app.toast("已提交，请等待企业负责人处理");
      await app.replace("enterprises");
    },
  });
  return {
    title: "加入企业",
    body: [
      !credit_code && card(heading("凭邀请码加入"), byCode),
      card(
        heading("没有邀请码，申请加入"),
        note("由企业负责人处理；企业没有负责人的，由所属县（市）区局处理。"),
        ask,
      ),
    ],
  };
}

export const pages = { enterprises, enterprise, join };
