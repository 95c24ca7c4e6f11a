"""Everything that ever happened to a case, on one time line: its own rows and the audit trail's.

Whoever has the case in reach sees its whole story, so the program reads it for them, in one statement a
kind of thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.access import ROLE_NAMES, SYSTEM, Actor
from app.services import staff_directory
from app.services.staff_directory import Held
from app.transactions import session, transaction
from app.verbs import VERBS
from models.agencies import Agency, Expert
from models.audit import AuditEvent
from models.bookings import Booking
from models.cases import (
    Case,
    CaseAttendee,
    CaseOffer,
    CaseState,
    CaseTraining,
    CaseTransition,
    Correction,
    Finding,
    OfferState,
    Visit,
)
from models.evidence import Evidence
from models.people import User


@dataclass(frozen=True)
class Entry:
    """One thing that happened, or is to happen.

    Args:
        who: a member of staff with the post, 企业用户, or 系统.
        detail: what more there is to say, in Chinese; may be empty.
    """

    at: datetime
    who: str
    what: str
    detail: str = ""
    url: str = ""


AGENCY = "承接机构"
"""Who did what the row itself names nobody for."""


@dataclass(frozen=True)
class _Found:
    at: datetime
    by: UUID | None
    what: str
    detail: str = ""
    of: str = ""


_BY_ROWS = {
    *(f"case.{state}" for state in CaseState),
    "case.offer_declined",
    "case.offer_expired",
    "case.correction_asked",
    "case.correction_answered",
    "case.correction_taken_back",
    "case.finding_added",
    "case.training_added",
    "case.visit_recorded",
    "case.visit_confirmed",
    "evidence.added",
}
"""What the case's own rows tell already, with more to say."""


@transaction(None)
def of(_system: Actor, case: Case) -> list[Entry]:
    """Returns the whole time line of a case, newest first."""
    sources: tuple[Callable[[Case], Iterator[_Found]], ...] = (
        _transitions,
        _corrections,
        _offers,
        _bookings,
        _visits,
        _trainings,
        _findings,
        _evidence,
        _audit,
    )
    found = [one for source in sources for one in source(case)]
    held = staff_directory.held_by(SYSTEM, {one.by for one in found if one.by})
    found.sort(key=lambda one: one.at, reverse=True)
    return [Entry(one.at, one.of or _who(one.by, held), one.what, one.detail) for one in found]


def _who(user_id: UUID | None, held: dict[UUID, Held]) -> str:
    if user_id is None:
        return "系统"
    one = held.get(user_id)
    if one is None or not one.role:
        return "企业用户"
    return f"{one.name}（{one.scope_name} · {ROLE_NAMES[one.role]}）"


def _rows(statement: Any) -> Any:
    return session().execute(statement)


def _transitions(case: Case) -> Iterator[_Found]:
    moves = select(CaseTransition).where(CaseTransition.case_id == case.id)
    for one in _rows(moves).scalars():
        parts = [one.reason] if one.reason else []
        if one.paused_seconds:
            parts.append(f"上一环节因补正停止计时 {_hours(one.paused_seconds)}")
        what = "申请帮扶" if one.from_state is None else f"进入“{one.to_state.label}”"
        yield _Found(one.at, one.by_user_id, what, "；".join(parts))


def _hours(seconds: int) -> str:
    return f"{seconds // 86400} 天 {seconds % 86400 // 3600} 小时"


def _corrections(case: Case) -> Iterator[_Found]:
    asked = select(Correction).where(Correction.case_id == case.id)
    for one in _rows(asked).scalars():
        yield _Found(one.asked_at, one.asked_by, "要求企业补正", one.asked)
        if one.ended_at:
            what = "企业答复补正" if one.answer is not None else "补正要求收回"
            yield _Found(one.ended_at, one.ended_by, what, one.answer or "")


def _offers(case: Case) -> Iterator[_Found]:
    offered = select(CaseOffer, Agency.name).join(Agency, Agency.id == CaseOffer.agency_id)
    for one, agency in _rows(offered.where(CaseOffer.case_id == case.id)):
        yield _Found(one.offered_at, one.offered_by, f"派给{agency}")
        if one.answered_at and one.state != OfferState.waiting:
            # Who of an agency answered is in the audit trail; that nobody did, or in vain, was the program.
            of = agency if one.state in (OfferState.accepted, OfferState.declined) else ""
            what = one.state.label if of else f"{agency}：{one.state.label}"
            yield _Found(one.answered_at, None, what, one.reason or "", of)


def _bookings(case: Case) -> Iterator[_Found]:
    for one in _rows(select(Booking).where(Booking.case_id == case.id)).scalars():
        place = f"，{one.place}" if one.place else ""
        yield _Found(
            one.starts_at, one.created_by, f"预约（{one.meeting.label}）", f"{one.state.label}{place}"
        )


def _visits(case: Case) -> Iterator[_Found]:
    made = (
        select(Visit, Expert.name, User.name)
        .join(Expert, Expert.id == Visit.expert_id)
        .join(User, User.id == Visit.officer_id)
        .where(Visit.case_id == case.id)
    )
    for one, expert, officer in _rows(made):
        confirmed = "已确认参与" if one.confirmed_at else "待确认"
        detail = f"{one.place}；专家 {expert}；县局 {officer or ''}（{confirmed}）"
        yield _Found(one.starts_at, one.created_by, f"走访（{one.purpose.label}）", detail)


def _trainings(case: Case) -> Iterator[_Found]:
    came = (
        select(func.count())
        .where(CaseAttendee.training_id == CaseTraining.id, CaseAttendee.attended.is_(True))
        .scalar_subquery()
    )
    for one, attended in _rows(select(CaseTraining, came).where(CaseTraining.case_id == case.id)):
        detail = f"{one.title}；{one.place}；到场 {attended} 人"
        yield _Found(one.starts_at, None, f"分层培训（{one.audience.label}）", detail, AGENCY)


def _findings(case: Case) -> Iterator[_Found]:
    for one in _rows(select(Finding).where(Finding.case_id == case.id)).scalars():
        detail = f"{one.problem}；{one.state.label}"
        yield _Found(one.created_at, None, f"登记问题（{one.aspect.label}）", detail, AGENCY)


def _evidence(case: Case) -> Iterator[_Found]:
    for one in _rows(select(Evidence).where(Evidence.case_id == case.id)).scalars():
        yield _Found(one.created_at, one.uploaded_by, f"上传佐证材料（{one.kind.label}）", one.name)


def _audit(case: Case) -> Iterator[_Found]:
    noted = select(AuditEvent.at, AuditEvent.user_id, AuditEvent.verb, AuditEvent.detail).where(
        AuditEvent.subject_type == Case.__tablename__,
        AuditEvent.subject_id == str(case.id),
        AuditEvent.verb.not_in(_BY_ROWS),
    )
    for one in _rows(noted):
        yield _Found(one.at, one.user_id, VERBS.get(one.verb, one.verb), one.detail.get("reason") or "")
