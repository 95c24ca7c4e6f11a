"""Every kind of notice: what it is called, what it can say, where it leads, and when it is no longer true.

A kind is registered by one line. Its variables are what a template's fields may be filled with; the
service that leaves a notice gives their values as `facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NoticeKind:
    """A kind of notice.

    Args:
        name: "signup.confirmed": what is told of, and what happened to it.
        label: what staff call it.
        variables: the names of its facts, with their Chinese labels.
        page: the page of the mini-program that it opens; {subject} stands for the id of what it tells of.
        truth: what must still hold when its turn comes: "" always, "training" (announced, not over, at
            the time and place told), "offer" (the seat is still offered).
    """

    name: str
    label: str
    variables: Mapping[str, str]
    page: str = ""
    truth: str = ""


KINDS: dict[str, NoticeKind] = {}


def kind(name: str, label: str, variables: Mapping[str, str], page: str = "", truth: str = "") -> NoticeKind:
    """Registers a kind of notice and returns it."""
    made = KINDS[name] = NoticeKind(name, label, variables, page, truth)
    return made


_TRAINING = {"training": "培训名称", "time": "培训时间", "place": "培训地点"}
_SIGNUP = {**_TRAINING, "attendee": "参训人", "state": "报名状态"}
_REASON = {"reason": "原因"}
_ENTERPRISE = {"enterprise": "企业名称"}
_SIGNUP_PAGE = "pages/signup/index?id={subject}"
_TRAINING_PAGE = "pages/training/index?id={subject}"

kind("signup.received", "报名已收到", _SIGNUP, _SIGNUP_PAGE, "training")
kind("signup.confirmed", "报名已通过", _SIGNUP, _SIGNUP_PAGE, "training")
kind("signup.returned", "报名被退回完善", {**_SIGNUP, **_REASON}, _SIGNUP_PAGE, "training")
kind("signup.refused", "报名未通过", {**_SIGNUP, **_REASON}, _SIGNUP_PAGE)
kind("signup.cancelled", "报名已取消", {**_SIGNUP, **_REASON}, _SIGNUP_PAGE)
kind("signup.promoted", "候补转为正式", _SIGNUP, _SIGNUP_PAGE, "training")
kind("signup.offered", "候补名额待确认", {**_SIGNUP, "deadline": "确认时限"}, _SIGNUP_PAGE, "offer")
kind("signup.expired", "候补名额逾期", _SIGNUP, _SIGNUP_PAGE)
kind("training.reminder", "培训提醒", {**_TRAINING, "session": "场次"}, _TRAINING_PAGE, "training")
kind("training.changed", "培训时间地点有变", _TRAINING, _TRAINING_PAGE, "training")
kind("training.cancelled", "培训取消", {**_TRAINING, **_REASON}, _TRAINING_PAGE)
kind("training.trainer_assigned", "讲师工作安排", _TRAINING, _TRAINING_PAGE, "training")
kind("certificate.ready", "培训证明可领取", _TRAINING, _SIGNUP_PAGE)
kind("enterprise.approved", "企业登记通过", _ENTERPRISE, "pages/enterprise/index?id={subject}")
kind("enterprise.returned", "企业登记退回", {**_ENTERPRISE, **_REASON}, "pages/enterprise/index?id={subject}")
kind(
    "enterprise.refused", "企业登记未通过", {**_ENTERPRISE, **_REASON}, "pages/enterprise/index?id={subject}"
)
kind("membership.requested", "新的加入申请", _ENTERPRISE)
kind("membership.approved", "加入申请通过", _ENTERPRISE)
kind("membership.refused", "加入申请未通过", _ENTERPRISE)
