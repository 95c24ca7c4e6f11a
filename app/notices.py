"""Every kind of notice: what it is called, what it can say, where it leads, and when it is no longer true.

A kind is registered by one line. Its variables are what a template's fields may be filled with; the
service that leaves a notice gives the value of each as `facts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from models.base import BEIJING


@dataclass(frozen=True)
class NoticeKind:
    """A kind of notice.

    Args:
        name: "signup.confirmed": what is told of, and what happened to it.
        label: what staff call it.
        variables: the names of its facts, with their Chinese labels.
        page: the page of the mini-program that it opens; {subject} stands for the id of what it tells of.
        truth: what must still hold when its turn comes (services/notice_truth.py): "" nothing, "training"
            (announced, not over, at the time and place told), "signup" (that, and still in the state
            told), "offer" (that, and its time not up), "reminder" (the session is still ahead at the time
            and place told, and the person's seat confirmed), "booking" (still booked at the time told, and
            ahead).
    """

    name: str
    label: str
    variables: Mapping[str, str]
    page: str = ""
    truth: str = ""


KINDS: dict[str, NoticeKind] = {}
TRUTHS = {
    "": "",
    "training": "培训仍举行，时间、地点未变",
    "signup": "培训仍举行，时间、地点未变，报名仍是所告知的状态",
    "offer": "名额仍待此人确认，培训时间、地点未变",
    "reminder": "场次尚未开始，时间、地点未变，此人的报名仍有效",
    "booking": "预约仍有效，尚未开始，时间未变",
}


def kind(name: str, label: str, variables: Mapping[str, str], page: str = "", truth: str = "") -> NoticeKind:
    """Registers a kind of notice and returns it."""
    made = KINDS[name] = NoticeKind(name, label, variables, page, truth)
    return made


def automatic() -> dict[str, NoticeKind]:
    """Returns the kinds that the program leaves by itself, by name; what staff write is not among them."""
    return {name: kind for name, kind in KINDS.items() if name.split(".")[0] != "campaign"}


def to_json(name: str, facts: Mapping[str, str]) -> str:
    """Returns the facts of a notice as they are stored.

    Raises LookupError for a kind that is not registered, ValueError for facts that are not its variables.
    """
    if name not in KINDS:
        raise LookupError(f"{name}: register the kind in app/notices.py")
    if facts.keys() != KINDS[name].variables.keys():
        raise ValueError(f"{name} tells {sorted(KINDS[name].variables)}, not {sorted(facts)}")
    return json.dumps(dict(facts), ensure_ascii=False)


def from_json(facts: str | None) -> dict[str, str]:
    """Returns the facts of a notice; none where it was left before there were any, or they were erased."""
    stored: dict[str, str] = json.loads(facts) if facts else {}
    return stored


def when(moment: datetime) -> str:
    """Returns a moment as notices tell it, in a form that WeChat takes for a time and for a date."""
    there = moment.astimezone(BEIJING)
    return f"{there.year}年{there.month}月{there.day}日 {there:%H:%M}"


def where(place: str | None) -> str:
    """Returns the place of a training as notices tell it."""
    return place or "线上"


def training_facts(title: str, starts_at: datetime, place: str | None) -> dict[str, str]:
    """Returns what every notice about a training tells of it."""
    return {"training": title, "time": when(starts_at), "place": where(place)}


_TRAINING = {"training": "培训名称", "time": "培训时间", "place": "培训地点"}
_SIGNUP = {**_TRAINING, "attendee": "参训人", "state": "报名状态"}
_REASON = {"reason": "原因"}
_ENTERPRISE = {"enterprise": "企业名称"}
_AGENCY = {"agency": "机构名称", "county": "县（市）区", "year": "年度"}
_CASE = {**_ENTERPRISE, "case": "项目编号", "state": "办理环节"}
_BOOKING = {**_ENTERPRISE, "agency": "帮扶机构", "expert": "专家", "time": "预约时间", "place": "地点"}
_SIGNUP_PAGE = "pages/signup/index?id={subject}"
_TRAINING_PAGE = "pages/training/index?id={subject}"
_ENTERPRISE_PAGE = "pages/enterprise/index?id={subject}"
_AGENCY_PAGE = "pages/agency/index?id={subject}"
_BOOKING_PAGE = "pages/booking/index?id={subject}"
_CASE_PAGE = "pages/case/index?id={subject}"

kind("signup.received", "报名已收到", _SIGNUP, _SIGNUP_PAGE, "signup")
kind(
    "signup.made_for",
    "主办单位代为报名",
    {**_TRAINING, "people": "报名人数", "state": "报名状态"},
    _SIGNUP_PAGE,
    "training",
)
kind("signup.confirmed", "报名已通过", _SIGNUP, _SIGNUP_PAGE, "signup")
kind("signup.returned", "报名被退回完善", {**_SIGNUP, **_REASON}, _SIGNUP_PAGE, "signup")
kind("signup.refused", "报名未通过", {**_SIGNUP, **_REASON}, _SIGNUP_PAGE)
kind("signup.cancelled", "报名已取消", {**_SIGNUP, **_REASON}, _SIGNUP_PAGE)
kind("signup.promoted", "候补转为正式", _SIGNUP, _SIGNUP_PAGE, "signup")
kind("signup.offered", "候补名额待确认", {**_SIGNUP, "deadline": "确认时限"}, _SIGNUP_PAGE, "offer")
kind("signup.expired", "候补名额逾期", _SIGNUP, _SIGNUP_PAGE)
kind("signup.moved", "调整到其他培训", _SIGNUP, _SIGNUP_PAGE, "signup")
kind("signup.moved_to_head", "候补次序提前", _SIGNUP, _SIGNUP_PAGE, "signup")
kind("signup.enrolled", "补录参训", _SIGNUP, _SIGNUP_PAGE)
kind("training.reminder", "培训提醒", {**_TRAINING, "session": "场次"}, _TRAINING_PAGE, "reminder")
kind("training.changed", "培训时间地点有变", _TRAINING, _TRAINING_PAGE, "training")
kind("training.cancelled", "培训取消", {**_TRAINING, **_REASON}, _TRAINING_PAGE)
kind("training.trainer_assigned", "讲师工作安排", _TRAINING, _TRAINING_PAGE, "training")
kind("certificate.ready", "培训证明可领取", _TRAINING, _SIGNUP_PAGE)
kind("enterprise.approved", "企业登记通过", _ENTERPRISE, _ENTERPRISE_PAGE)
kind("enterprise.returned", "企业登记退回", {**_ENTERPRISE, **_REASON}, _ENTERPRISE_PAGE)
kind("enterprise.refused", "企业登记未通过", {**_ENTERPRISE, **_REASON}, _ENTERPRISE_PAGE)
kind("enterprise.merged", "企业已合并", {**_ENTERPRISE, **_REASON}, _ENTERPRISE_PAGE)
kind("agency.selected", "被选为帮扶机构", {**_AGENCY, "reasons": "选定理由"}, _AGENCY_PAGE)
kind("agency.deselected", "不再列为帮扶机构", {**_AGENCY, **_REASON}, _AGENCY_PAGE)
kind("booking.made", "预约成功", _BOOKING, _BOOKING_PAGE, "booking")
kind("booking.changed", "预约改约", _BOOKING, _BOOKING_PAGE, "booking")
kind("booking.cancelled", "企业取消预约", {**_BOOKING, **_REASON}, _BOOKING_PAGE)
kind("booking.revoked", "机构取消预约", {**_BOOKING, **_REASON}, _BOOKING_PAGE)
kind("booking.excused", "预约已请假", {**_BOOKING, **_REASON}, _BOOKING_PAGE)
kind("booking.no_show", "预约未到", _BOOKING, _BOOKING_PAGE)
kind("booking.reminder", "预约提醒", _BOOKING, _BOOKING_PAGE, "booking")
kind("case.moved", "帮扶项目进展", _CASE, _CASE_PAGE)
kind("case.offered", "新的派单", {**_CASE, "deadline": "答复时限"}, _CASE_PAGE)
kind("case.offer_closed", "派单已收回", _CASE, _CASE_PAGE)
kind("case.offer_declined", "派单被拒", {**_CASE, **_REASON}, _CASE_PAGE)
kind("case.correction_asked", "帮扶项目需要补正", {**_CASE, **_REASON}, _CASE_PAGE)
kind("case.correction_answered", "补正已答复", _CASE, _CASE_PAGE)
kind("case.correction_taken_back", "补正要求已收回", _CASE, _CASE_PAGE)
kind("case.rated", "企业已评价", {**_CASE, "rating": "评价"}, _CASE_PAGE)
kind("case.overdue", "帮扶项目逾期", {**_CASE, "deadline": "办理时限"}, _CASE_PAGE)
kind("case.visit", "走访待确认", {**_CASE, "time": "走访时间", "place": "走访地点"}, _CASE_PAGE)
kind("membership.requested", "新的加入申请", _ENTERPRISE)
kind("membership.approved", "加入申请通过", _ENTERPRISE)
kind("membership.refused", "加入申请未通过", _ENTERPRISE)
kind("membership.joined", "新成员加入", _ENTERPRISE, _ENTERPRISE_PAGE)
kind("membership.left", "成员退出", _ENTERPRISE, _ENTERPRISE_PAGE)
kind("membership.removed", "被移出企业", _ENTERPRISE)
kind("membership.owner", "成为企业负责人", _ENTERPRISE, _ENTERPRISE_PAGE)
kind("template.held", "消息模板须处理", {"template": "模板", "state": "状态"})
kind("sending.paused", "微信消息暂停发送", {"channel": "渠道", **_REASON})
