// What an enterprise says of itself: registration in two steps, and the same fields and survey later on.
import { el } from "../dom.js";
import { choose, form, select, tenThousands, text, valuesOf, whole } from "./forms.js";
import { card, heading, note } from "./layout.js";

const DRAFT = "registration";

// 门类 and 大类, and 中类 where the standard draws its lines below: three pickers and one code.
function industry(industries, value = "") {
  const path = [];
  const known = industries.filter((one) => value.startsWith(one.code)).at(-1);
  for (let at = known; at; at = industries.find((one) => one.code === at.parent)) path.unshift(at.code);
  const below = (parent) => industries.filter((one) => one.parent === parent && one.level !== "class");
  const named = (list) => list.map((one) => [one.code, one.name]);
  const place = el("div", { class: "mp-stack" });
  const pickers = [];
  let changed = !value; // a finer code than the pickers know stays what it is
  const draw = (depth, parent) => {
    for (const gone of pickers.splice(depth)) gone.node.remove();
    const choices = below(parent);
    if (choices.length && depth < 3) {
      const made = select("industry_code", ["所属行业门类", "行业大类", "行业中类"][depth], named(choices), {
        value: path[depth],
        required: true,
        onchange: () => {
          path.length = 0;
          changed = true;
          draw(depth + 1, made.read() || undefined);
        },
      });
      pickers.push(made);
      place.append(made.node);
      if (made.read()) draw(depth + 1, made.read());
    }
  };
  draw(0, null);
  const blank = () => pickers.find((one) => !one.read());
  return {
    name: "industry_code",
    node: place,
    required: true,
    read: () => (changed ? pickers.at(-1).read() : value),
    focus: () => (blank() || pickers.at(-1)).focus(),
    missing: () => blank()?.missing() || "",
    say: (told) => pickers.forEach((one) => one.say(one === (blank() || pickers.at(-1)) ? told : "")),
  };
}

async function profileFields(app, given = {}) {
  const industries = await app.reference("industries");
  return [
    text("name", "企业名称", { value: given.name, required: true, maxlength: 128, hint: "与营业执照一致" }),
    industry(industries, given.industry_code || ""),
    whole("headcount", "从业人员", { value: given.headcount, unit: "人", hint: "上年末人数" }),
    tenThousands("revenue", "营业收入", { value: given.revenue, hint: "上年全年，可填到小数点后四位" }),
    tenThousands("assets", "资产总额", {
      value: given.assets,
      hint: "上年末；按行业划型需要哪几项，提交时会提示",
    }),
    text("legal_representative", "法定代表人", { value: given.legal_representative, maxlength: 64 }),
    text("address", "地址", { value: given.address, maxlength: 200 }),
  ];
}

async function register(app, params) {
  const draft = app.wx.getStorageSync(DRAFT) || {};
  const divisions = (await app.reference("divisions")).filter((one) => ["county", "branch"].includes(one.kind));
  const fields = [
    text("credit_code", "统一社会信用代码", {
      value: draft.credit_code,
      required: true,
      maxlength: 64,
      hint: "营业执照上的 18 位代码",
    }),
    select(
      "division_id",
      "所属辖区",
      divisions.map((one) => [one.id, one.name]),
      {
        value: draft.division_id,
        required: true,
        hint: "企业住所所在的县（市）区局或分局",
      },
    ),
    ...(await profileFields(app, draft)),
  ];
  const keep = () => app.wx.setStorageSync(DRAFT, { ...app.wx.getStorageSync(DRAFT), ...valuesOf(fields) });
  const node = form(app, {
    fields,
    submit: "下一步：需求调查",
    work: () => {
      keep();
      return app.go("needs");
    },
  });
  app.onLeave(keep);
  const { problem } = params;
  params.problem = null; // told once
  if (problem) setTimeout(() => node.show(problem));
  return {
    title: "登记企业",
    body: [
      steps(1),
      card(
        heading("企业信息"),
        note("登记人将成为企业负责人，可以邀请同事加入。填写的内容会自动保存在本机。"),
        node,
      ),
    ],
  };
}

const steps = (now) =>
  el(
    "ol",
    { class: "mp-steps" },
    ["企业信息", "需求调查", "提交审核"].map((words, i) =>
      el("li", { "aria-current": i + 1 === now ? "step" : null }, words),
    ),
  );

function questions(survey, given = {}) {
  return survey.content.questions.map((question, i) => {
    const title = `${i + 1}. ${question.title}`;
    const options = { value: given[question.id], required: question.required };
    const name = `needs_survey.${question.id}`;
    if (question.type === "text")
      return text(name, title, { ...options, multiline: true, maxlength: question.max_length });
    const choices = question.options.map((one) => [one.value, one.label, one.exclusive]);
    const several = question.type === "multi";
    return choose(name, title, choices, { ...options, several, hint: several ? "可多选" : "" });
  });
}

// {"needs_survey.a": x} → {a: x}; what was left blank is left out.
function answersOf(values) {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value != null && value.length !== 0)
      .map(([name, value]) => [name.slice("needs_survey.".length), value]),
  );
}

async function needs(app) {
  const draft = app.wx.getStorageSync(DRAFT) || {};
  const survey = await app.reference("needs-survey");
  const fields = questions(survey, draft.needs_survey);
  const keep = () => {
    const needs_survey = answersOf(valuesOf(fields));
    app.wx.setStorageSync(DRAFT, { ...app.wx.getStorageSync(DRAFT), needs_survey });
    return { ...draft, needs_survey };
  };
  let sent = false;
  app.onLeave(() => sent || keep());
  const refused = async (problem) => {
    if (problem.code === "enterprise_exists") return exists(app, draft, problem);
    const early = Object.keys(problem.fields).some((name) => !name.startsWith("needs_survey"));
    // The mistake is on the page before: back to it, with the problem in hand.
    if (early || ["phone_required", "division_unknown"].includes(problem.code)) {
      app.toast(problem.message);
      return app.replace("register", { problem }, 2);
    }
    throw problem;
  };
  const node = form(app, {
    fields,
    submit: "提交登记",
    work: async () => {
      try {
        const made = await app.api.post("enterprises", keep());
        sent = true;
        app.wx.removeStorageSync(DRAFT);
        app.forgetMe();
        app.toast("已提交，等待审核");
        await app.replace("enterprise", { id: made.id }, 2);
      } catch (problem) {
        await refused(problem);
      }
    },
  });
  return {
    title: "需求调查",
    body: [steps(2), card(heading(survey.title), note("请按企业实际情况填写，用于安排培训和帮扶。"), node)],
  };
}

async function exists(app, draft, problem) {
  const answer = await app.host.sheet({
    title: "该企业已登记",
    content: [el("p", {}, `“${problem.details.name}”已由他人登记。您可以申请加入，由企业负责人同意。`)],
    actions: [
      ["返回修改", null],
      ["申请加入", true],
    ],
  });
  return answer ? app.replace("join", { credit_code: draft.credit_code }, 2) : app.replace("register", {}, 2);
}

async function profile(app, { id }) {
  const one = await app.api.get(`enterprises/${id}`);
  return {
    title: "修改企业信息",
    body: [
      card(
        note(`统一社会信用代码 ${one.credit_code}`),
        form(app, {
          fields: await profileFields(app, one),
          submit: "保存",
          work: async (values) => {
            await app.api.patch(`enterprises/${id}`, values);
            app.toast("已保存");
            app.back();
          },
        }),
      ),
    ],
  };
}

async function surveyAgain(app, { id }) {
  const [one, survey] = await Promise.all([app.api.get(`enterprises/${id}`), app.reference("needs-survey")]);
  return {
    title: "需求调查",
    body: [
      card(
        heading(survey.title),
        form(app, {
          fields: questions(survey, one.needs_survey || {}),
          submit: "保存",
          work: async (values) => {
            await app.api.patch(`enterprises/${id}`, { needs_survey: answersOf(values) });
            app.toast("已保存");
            app.back();
          },
        }),
      ),
    ],
  };
}

export const pages = { register, needs, profile, survey: surveyAgain };
