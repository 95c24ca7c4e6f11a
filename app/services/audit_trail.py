"""The audit trail as an auditor reads it: who did what to what, and when (GB/T 22239 安全审计)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from app import masks
from app.access import ROLE_NAMES, SYSTEM, Actor
from app.registers import Filter, Register, division, since, until
from app.services import enterprises, held_certificates, reference
from app.transactions import session, transaction
from app.verbs import VERBS
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import Agency, SelectionReason
from models.audit import AuditEvent
from models.base import Base
from models.campaigns import Campaign
from models.cases import Case
from models.checkins import Outcome
from models.enterprises import Enterprise
from models.financing import Bank
from models.people import StaffAccount, User
from models.trainings import Training

SUBJECTS: dict[str, str] = {
    "absences": "专家不在岗",
    "agencies": "帮扶机构",
    "attendance_certificates": "培训证明",
    "availabilities": "可预约时段",
    "banks": "合作银行",
    "bookings": "预约",
    "campaigns": "群发",
    "cases": "帮扶项目",
    "deliveries": "微信消息",
    "enterprises": "企业",
    "experts": "专家",
    "membership_requests": "加入申请",
    "message_templates": "消息模板",
    "notice_routes": "自动通知",
    "sending_pauses": "暂停发送",
    "signups": "报名",
    "staff_accounts": "工作人员账号",
    "training_sessions": "培训场次",
    "trainings": "培训",
    "transfers": "导入导出",
    "users": "用户",
}

DETAILS: dict[str, str] = {
    "accepted": "有效",
    "added": "新增",
    "aspect": "方面",
    "aspects": "提升方面",
    "audience": "培训对象",
    "agency": "帮扶机构",
    "back": "恢复",
    "certificates": "证明数",
    "changed": "更改",
    "channel": "渠道",
    "channels": "渠道",
    "client": "登录方式",
    "ended": "退出数",
    "enterprise": "企业",
    "enterprise_id": "企业",
    "evidence": "材料",
    "expert": "专家",
    "failures": "连续失败次数",
    "fields": "修改项",
    "file": "文件",
    "gone": "消失",
    "into": "并入",
    "invitation": "邀请",
    "kind": "种类",
    "moved": "转移",
    "number": "证书编号",
    "outcome": "结果",
    "people": "人数",
    "phase": "帮扶前后",
    "purpose": "事由",
    "rank": "位次",
    "reason": "原因",
    "reasons": "理由",
    "role": "角色",
    "rows": "行数",
    "scans": "扫码数",
    "scope": "范围",
    "score": "得分",
    "source": "来源",
    "strategy": "策略",
    "summary": "各种结果",
    "threat": "恶意程序",
    "time": "原定时间",
    "to": "转给",
    "trainer": "讲师",
    "user_id": "用户",
    "version": "版本",
    "was": "原报名",
    "what": "查看内容",
    "why": "缘由",
    "year": "年度",
}

VALUES: dict[str, str] = {
    "added": "新增",
    "code_wrong": "动态口令或恢复码错误",
    "console": "管理后台",
    "delivered": "已送达",
    "enrolled": "登记并签到",
    "exported": "导出",
    "held_certificates": "认证证书",
    "known": "已有",
    "mini_program": "小程序",
    "owned": "企业自行维护",
    "password_wrong": "密码错误",
    "rejected": "未导入",
    "sent_again": "再次发送",
    "staff_sign_in_failed": "密码错误",
    "subscribe": "小程序订阅消息",
    "template": "公众号模板消息",
    "unchanged": "无变化",
    "updated": "更新",
}
_FIELDS = enterprises.FIELDS | held_certificates.FIELDS
_LABELS: dict[str, str] = {one.value: one.label for one in (*Outcome, *SelectionReason)}
NAMED: tuple[tuple[Any, Any], ...] = (
    (Agency, Agency.name),
    (Bank, Bank.name),
    (Campaign, Campaign.name),
    (Case, Case.number),
    (Enterprise, Enterprise.name),
    (StaffAccount, StaffAccount.login_name),
    (Training, Training.title),
)


@dataclass(frozen=True)
class Happened:
    """One line of the history of one thing."""

    at: datetime
    who: str
    what: str
    detail: str
    url: str = ""


@transaction(None)
def history(
    _actor: Actor,
    model: type[Base],
    subject_id: UUID,
    told: Callable[[dict[str, Any]], str],
    limit: int = 50,
) -> list[Happened]:
    """Returns what happened to a row that is in reach, newest first.

    Args:
        told: what a person reads of an event's facts.
    """
    of_it = (AuditEvent.subject_type == model.__tablename__, AuditEvent.subject_id == str(subject_id))
    found = select(AuditEvent).where(*of_it).order_by(AuditEvent.id.desc()).limit(limit)
    events = session().execute(found).scalars().all()
    names = who(SYSTEM, {event.user_id for event in events if event.user_id})
    return [
        Happened(
            event.at,
            names.get(event.user_id, "用户") if event.user_id else "系统",
            VERBS.get(event.verb, event.verb),
            told(event.detail),
        )
        for event in events
    ]


@transaction(None)
def who(_system: Actor, user_ids: set[UUID]) -> dict[UUID, str]:
    """Returns what people are called in the audit trail: staff in full, others with the name masked."""
    columns = (User.id, User.name, StaffAccount.login_name)
    found = select(*columns).outerjoin(StaffAccount, StaffAccount.user_id == User.id)
    return {
        one.id: f"{one.name}（{one.login_name}）"
        if one.login_name
        else f"{masks.name(one.name) or '未填姓名'}（小程序用户）"
        for one in session().execute(found.where(User.id.in_(user_ids)))
    }


@transaction(None)
def _names(_system: Actor, subjects: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Returns what the subjects are called that have a name and are still there."""
    names: dict[tuple[str, str], str] = {}
    for model, name in NAMED:
        table = model.__tablename__
        wanted = [UUID(subject) for of, subject in subjects if of == table]
        if wanted:
            found = session().execute(select(model.id, name).where(model.id.in_(wanted)))
            names |= {(table, str(key)): text for key, text in found}
    return names


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    people = {row["user_id"] for row in rows if row["user_id"]}
    people |= {UUID(row["subject_id"]) for row in rows if row["subject_type"] == "users"}
    called = who(SYSTEM, people)
    names = _names(SYSTEM, {(row["subject_type"], row["subject_id"]) for row in rows})
    names |= {("users", str(user_id)): name for user_id, name in called.items()}
    words = VALUES | _LABELS | _FIELDS | ROLE_NAMES | reference.division_names(SYSTEM)
    for row in rows:
        nobody = "未登录" if row["verb"] == "staff.proof_failed" else "系统"
        row["who"] = called.get(row["user_id"], nobody)
        row["what"] = VERBS.get(row["verb"], row["verb"])
        kind, name = row["subject_type"], names.get((row["subject_type"], row["subject_id"]), "")
        row["about"] = f"{SUBJECTS.get(kind, kind)} {name}".strip()
        row["said"] = "；".join(
            f"{DETAILS.get(key, key)}：{_said(value, words)}" for key, value in row["detail"].items() if value
        )
    return rows


def _said(value: Any, words: Mapping[str, str]) -> str:
    if isinstance(value, list):
        return "、".join(_said(one, words) for one in value)
    if isinstance(value, dict):
        counted = {words.get(key, SUBJECTS.get(key, key)): number for key, number in value.items() if number}
        return "、".join(f"{name} {number}" for name, number in counted.items())
    return words.get(value, value) if isinstance(value, str) else str(value)


@transaction(None)
def _staff_like(_system: Actor, text: str) -> list[UUID]:
    """Returns the members of staff whose user name or name holds the text."""
    staff = select(User.id, User.name, StaffAccount.login_name)
    found = session().execute(staff.join(StaffAccount, StaffAccount.user_id == User.id))
    return [one.id for one in found if text in (one.name or "") or text.lower() in one.login_name.lower()]


def _verb(text: str) -> str:
    if text not in VERBS:
        raise ValueError("没有这个选项")
    return text


AUDIT_TRAIL = Register(
    "audit.trail",
    "审计日志",
    "audit.read",
    select(
        AuditEvent.id,
        AuditEvent.at,
        AuditEvent.user_id,
        AuditEvent.verb,
        AuditEvent.division_id,
        AuditEvent.subject_type,
        AuditEvent.subject_id,
        AuditEvent.detail,
    ),
    [
        Column("时间", "at", kind=Kind.DATETIME),
        Column("操作人", "who", width=24),
        Column("动作", "what", width=24),
        Column("对象", "about", width=28),
        Column("对象编号", "subject_id", width=38),
        Column("辖区", "division", width=14),
        Column("详情", "said", width=48),
    ],
    key=AuditEvent.id,
    sorts={"at": AuditEvent.at},
    default="-at",
    filters=[
        since("since", "自", AuditEvent.at),
        until("until", "至", AuditEvent.at),
        Filter(
            "who",
            "操作人",
            AuditEvent.user_id == any_(bindparam("who", type_=ARRAY(Uuid()))),
            lambda text: _staff_like(SYSTEM, text),
            hint="工作人员的用户名或姓名",
        ),
        Filter("verb", "动作", AuditEvent.verb == bindparam("verb"), _verb, "choice", list(VERBS.items())),
        division("division", "辖区", AuditEvent.division_id),
        Filter("subject", "对象编号", AuditEvent.subject_id == bindparam("subject"), str.strip),
    ],
    show=_show,
)
