// Words for the API's values, and times as people say them. A state is [word, tone].

export const SIGNUP = {
  pending: ["待审核", "wait"],
  confirmed: ["已通过", "good"],
  returned: ["退回完善", "warn"],
  refused: ["未通过", "bad"],
  waiting: ["候补中", "wait"],
  offered: ["候补待确认", "warn"],
  expired: ["候补逾期", "off"],
  cancelled: ["已取消", "off"],
};
export const OPENING = {
  not_open: ["未开始", "off"],
  open: ["报名中", "good"],
  full: ["已满，可候补", "warn"],
  closed: ["已截止", "off"],
};
export const ENTERPRISE = {
  registered: ["待审核", "wait"],
  returned: ["退回完善", "warn"],
  refused: ["不予通过", "bad"],
  reviewed: ["已审核", "good"],
};
export const REQUEST = { pending: ["待处理", "wait"], approved: ["已同意", "good"], refused: ["未同意", "bad"] };
export const SIZE = { micro: "微型", small: "小型", medium: "中型", large: "大型", unclassified: "不划型" };
export const MODE = { online: "线上", onsite: "线下" };
export const PROVIDER = { national: "国家局", province: "省局", alliance: "提升联盟", own: "本地自办" };
export const AUDIENCE = {
  management: "管理层",
  quality_lead: "质量负责人",
  internal_auditor: "内审员",
  team: "班组",
};
export const MEMBER = { owner: "负责人", member: "成员" };
export const METHOD = { ticket: "扫码", hall: "自助", manual: "补签" };
export const OUTCOME = {
  accepted: "签到成功",
  duplicate: "重复扫码",
  unknown_ticket: "无效码",
  code_expired: "码已过期",
  wrong_training: "其他培训的码",
  cancelled: "报名已取消",
  not_confirmed: "报名未通过",
  too_early: "未到签到时间",
  late: "签到已结束",
  clock_skewed: "设备时间偏差",
};

const inBeijing = (options) => new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", ...options });
const DAY = inBeijing({ month: "long", day: "numeric", weekday: "short" });
const CLOCK = inBeijing({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const EXACT = inBeijing({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const SHORT = inBeijing({
  month: "numeric",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

export const day = (time) => DAY.format(new Date(time)).replace(/(日)(周)/, "$1 $2");
export const clock = (time) => CLOCK.format(new Date(time));
export const exactClock = (time) => EXACT.format(new Date(time));
export const moment = (time) => `${day(time)} ${clock(time)}`;
export const shortMoment = (time) => SHORT.format(new Date(time));

export function span(from, to) {
  return day(from) === day(to) ? `${day(from)} ${clock(from)}–${clock(to)}` : `${moment(from)} 至 ${moment(to)}`;
}

// 元 as 万元: 32,000,000 → "3,200 万元".
export function money(yuan) {
  return yuan == null ? "未填" : `${(yuan / 10000).toLocaleString("zh-CN", { maximumFractionDigits: 4 })} 万元`;
}
