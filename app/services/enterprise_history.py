"""Everything that ever happened to an enterprise, on one time line.

The rows of the audit trail carry the division of whom they were about: a sign-up belongs to the training's.
Whoever has the enterprise in reach sees its whole story, so the program reads it for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import LargeBinary

from app import masks
from app.access import ROLE_NAMES, SYSTEM, Actor
from app.pagination import Listing, Page
from app.services import enterprises, held_certificates, staff_directory
from app.transactions import session, transaction
from app.verbs import VERBS
from models.audit import AuditEvent
from models.checkins import Method, Outcome, Scan
from models.enterprises import Enterprise, MembershipRequest
from models.signups import Signup
from models.trainings import EnterpriseSeats, Training, TrainingSession

CHECKED_IN = "checked_in"
"""An accepted scan is on the time line by itself: it is the attendance, whoever's act it was."""

_MOVED = {
    "members": "成员",
    "requests": "加入申请",
    "invitations": "邀请",
    "signups": "报名",
    "cases": "帮扶项目",
    "bookings": "预约",
    "certificates": "培训证明",
    "held_certificates": "认证证书",
}
"""What a merge moved, by the word under which it is noted."""

_FIELDS = enterprises.FIELDS | held_certificates.FIELDS


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Args:
        who: a member of staff with the post, 企业用户, or 系统.
        detail: what more there is to say, in Chinese; may be empty.
        target: kind and id of what it is about where that is not the enterprise: a training, an enterprise.
    """

    at: datetime
    who: str
    what: str
    detail: str
    target: tuple[str, str] | None


@transaction("enterprises.desk")
def history(_actor: Actor, enterprise_id: UUID, cursor: str | None = None, limit: int = 30) -> Page:
    """Returns one page of what happened to an enterprise and to those merged into it, newest first.

    Raises DomainError `not_found`, `invalid_cursor`.
    """
    enterprises.find(enterprise_id)
    return _history(SYSTEM, enterprise_id, cursor, limit)


_ids: Any = bindparam("ids", type_=ARRAY(Uuid))
_texts: Any = bindparam("texts", type_=ARRAY(Text))
_event = (
    AuditEvent.at,
    AuditEvent.id,
    AuditEvent.user_id,
    AuditEvent.verb,
    AuditEvent.subject_id,
    AuditEvent.detail,
)
_nobody = cast(null(), LargeBinary).label("attendee_name")
_no_training = (cast(null(), Uuid).label("training_id"), cast(null(), Text).label("title"))
_OF_SIGNUPS = (
    select(*_event, Signup.attendee_name, Signup.training_id, Training.title)
    .join(Signup, AuditEvent.subject_id == cast(Signup.id, Text))
    .join(Training, Training.id == Signup.training_id)
    .where(AuditEvent.subject_type == Signup.__tablename__, Signup.enterprise_id == any_(_ids))
)
_SIGNING_UP = (
    select(*_event, _nobody, Training.id.label("training_id"), Training.title)
    .join(Training, AuditEvent.subject_id == cast(Training.id, Text))
    .join(EnterpriseSeats, EnterpriseSeats.training_id == Training.id)
    .where(
        AuditEvent.subject_type == Training.__tablename__,
        EnterpriseSeats.enterprise_id == any_(_ids),
        AuditEvent.detail["enterprise"].astext == any_(_texts),
    )
)
_requests = select(cast(MembershipRequest.id, Text)).where(MembershipRequest.enterprise_id == any_(_ids))
_OF_ITSELF = select(*_event, _nobody, *_no_training).where(
    or_(
        (AuditEvent.subject_type == Enterprise.__tablename__) & (AuditEvent.subject_id == any_(_texts)),
        (AuditEvent.subject_type == MembershipRequest.__tablename__)
        & (AuditEvent.subject_id == any_(func.array(_requests.scalar_subquery()))),
    )
)
_ATTENDED = (
    select(
        Scan.scanned_at.label("at"),
        Scan.id,
        Scan.by_user_id.label("user_id"),
        literal(CHECKED_IN).label("verb"),
        cast(Signup.id, Text).label("subject_id"),
        func.jsonb_build_object(
            "method", Scan.method, "session", TrainingSession.title, "reason", Scan.reason, type_=JSONB
        ).label("detail"),
        Signup.attendee_name,
        Signup.training_id,
        Training.title,
    )
    .join(Signup, Signup.id == Scan.signup_id)
    .join(Training, Training.id == Signup.training_id)
    .join(TrainingSession, TrainingSession.id == Scan.session_id)
    .where(Scan.outcome == Outcome.accepted, Signup.enterprise_id == any_(_ids))
)
_everything = union_all(_OF_SIGNUPS, _SIGNING_UP, _OF_ITSELF, _ATTENDED).subquery()
_HISTORY = Listing(select(_everything), [_everything.c.at, _everything.c.id], newest=True)


@transaction(None)
def _history(_actor: Actor, enterprise_id: UUID, cursor: str | None, limit: int) -> Page:
    merged = select(Enterprise.id).where(Enterprise.merged_into == enterprise_id)
    ids = [enterprise_id, *session().execute(merged).scalars()]
    page = _HISTORY.page(cursor, limit, ids=ids, texts=[str(one) for one in ids])
    staff = staff_directory.held_by(SYSTEM, {row.user_id for row in page.items if row.user_id})
    named = {
        str(row.detail[key]) for row in page.items for key in ("enterprise", "into") if row.detail.get(key)
    }
    names = _names({UUID(one) for one in named} | set(ids))
    return Page([_entry(row, staff, names, str(enterprise_id)) for row in page.items], page.next)


def _names(ids: set[UUID]) -> dict[str, str]:
    found = select(Enterprise.id, Enterprise.name).where(Enterprise.id.in_(ids))
    return {str(id_): name for id_, name in session().execute(found)}


def _entry(row: Any, staff: Any, names: dict[str, str], own: str) -> Entry:
    method = Method[row.detail["method"]] if row.verb == CHECKED_IN else None
    what = f"签到（{method.label}）" if method else VERBS.get(row.verb, row.verb)
    other = row.detail.get("into") or row.detail.get("enterprise")
    target = None
    if row.training_id:
        target = ("training", str(row.training_id))
    elif other and other != own:
        target = ("enterprise", str(other))
    return Entry(row.at, _who(row, staff, method), what, "；".join(_said(row, names, own)), target)


def _who(row: Any, staff: Any, method: Method | None) -> str:
    if row.user_id is None:
        return "系统"
    held = staff.get(row.user_id)
    if held and held.role:
        return f"{held.name}（{held.scope_name} · {ROLE_NAMES[held.role]}）"
    return "讲师/签到员" if method in (Method.ticket, Method.manual) else "企业用户"


def _said(row: Any, names: dict[str, str], own: str) -> list[str]:
    """Returns what more there is to say of an event, part by part."""
    detail, said = row.detail, []
    if row.title:
        person = f"{masks.name(row.attendee_name)}，" if row.attendee_name else ""
        said.append(f"{person}“{row.title}”{detail.get('session') or ''}")
    if detail.get("number"):
        said.append(f"证书编号 {detail['number']}")
    if detail.get("people"):
        said.append(f"{detail['people']} 人")
    if row.subject_id != own and row.subject_id in names:
        said.append(f"原“{names[row.subject_id]}”")
    if row.verb in ("enterprise.absorbed", "enterprise.merge_finished"):
        said.append(f"被并入的企业：“{names.get(detail['enterprise'], '')}”")
    elif row.verb == "enterprise.merged":
        said.append(f"并入“{names.get(detail['into'], '')}”")
    if detail.get("fields"):
        said.append("涉及：" + "、".join(_FIELDS.get(one, one) for one in detail["fields"]))
    moved = [f"{_MOVED[kind]} {count}" for kind, count in (detail.get("moved") or {}).items() if count]
    if moved:
        said.append("转入：" + "、".join(moved))
    if detail.get("reason"):
        said.append(f"原因：{detail['reason']}")
    return said
