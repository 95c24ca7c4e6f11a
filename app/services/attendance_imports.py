"""Attendance of trainings held on outside platforms, taken over from a workbook: every row is answered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.services import enrolments, transfers
from app.services.attendance_matching import Matches, NotSignedUp, Unfit
from app.services.signups import Attendee
from app.transactions import session, transaction
from app.workbooks import Column, Outcome, Row
from app.workbooks.columns import Kind
from models import credit_code, mobile_number
from models.base import new_id, now
from models.checkins import Method, Scan
from models.checkins import Outcome as ScanOutcome
from models.crypto import keyring
from models.labels import Labelled
from models.trainings import Training, TrainingSession, TrainingState

COLUMNS = (
    Column("统一社会信用代码", "credit_code", required=True, width=24),
    Column("手机号", "phone", required=True, width=16),
    Column("姓名", "name", width=12),
    Column("职务", "post", width=16),
    Column("场次", "session", width=10),
    Column("签到时间", "scanned_at", kind=Kind.DATETIME, width=20),
)
CHUNK = 200
"""Rows to a transaction: a run that is cut short keeps what it did, and may simply be repeated."""

ALL = "全部"
_NUMBER = re.compile(r"第?(\d{1,3})(?:\.0)?场?")
_LENGTHS = {"name": ("姓名", 32), "post": ("职务", 32)}


class Result(Labelled):
    """What became of a row."""

    checked_in = "checked_in", "签到"
    enrolled = "enrolled", "补录报名并签到"
    unchanged = "unchanged", "已签到，无变化"
    rejected = "rejected", "未导入"


_Person = tuple[str, bytes]
"""A credit code, and the blind index of a phone."""


@dataclass(frozen=True)
class _Entry:
    """A row that is right in itself: whose attendance of which sessions."""

    row: Row
    credit_code: str
    phone: str
    phone_index: bytes
    attended: tuple[tuple[UUID, datetime], ...]

    @property
    def person(self) -> _Person:
        return self.credit_code, self.phone_index

    def attendee(self) -> Attendee:
        """Returns who is to be enrolled; raises Unfit without a name."""
        name, post = self.row.values.get("name"), self.row.values.get("post")
        if not name:
            raise Unfit("该手机号未报名本培训；补录报名须填写姓名")
        return Attendee(str(name), self.phone, str(post) if post else None)


@dataclass(frozen=True)
class _Desk:
    """What rows are judged by."""

    training: Any
    sessions: Mapping[int, Any]

    def read(self, row: Row) -> _Entry:
        """Returns what the row says; raises Unfit with what is wrong in its cells."""
        if row.problems:
            raise Unfit("；".join(row.problems.values()))
        for key, (name, most) in _LENGTHS.items():
            if len(str(row.values.get(key) or "")) > most:
                raise Unfit(f"{name}：至多 {most} 字")
        # A code may be registered against its check digit: whether it is there decides.
        code = credit_code.normalise(str(row.values["credit_code"]))
        try:
            phone = mobile_number.check(str(row.values["phone"]))
        except mobile_number.MobileNumberError as error:
            raise Unfit(str(error)) from None
        return _Entry(row, code, phone, keyring().blind_index(phone), self._attended(row))

    def _attended(self, row: Row) -> tuple[tuple[UUID, datetime], ...]:
        wanted = self._sessions(str(row.values.get("session") or ""))
        at = row.values.get("scanned_at")
        moment = now()
        for here in wanted:
            if here.starts_at > moment:
                raise Unfit(f"第 {here.number} 场尚未开始，不能导入签到")
        if not isinstance(at, datetime):
            return tuple((here.id, here.starts_at) for here in wanted)
        if len(wanted) > 1:
            raise Unfit("填写签到时间时，请一个场次一行")
        if not wanted[0].checkin_from <= at <= moment:
            raise Unfit("签到时间应在该场次签到开始之后、当前时间之前")
        return ((wanted[0].id, at),)

    def _sessions(self, named: str) -> list[Any]:
        every = list(self.sessions.values())
        if named == ALL or (not named and len(every) == 1):
            return every
        if not named:
            raise Unfit(f"本培训有 {len(every)} 个场次，请填写场次序号或“{ALL}”")
        number = _NUMBER.fullmatch(named)
        if number is None or int(number[1]) not in self.sessions:
            raise Unfit(f"场次不存在：“{named}”，本培训共 {len(every)} 场")
        return [self.sessions[int(number[1])]]


@transaction("checkins.write")
def ground(_actor: Actor, training_id: UUID) -> Any:
    """Returns the training whose attendance is to be imported; raises DomainError.

    What others hold (`provider`, notice 二（一）1) its people need not have signed up for here. Raises
    `not_found`, `training_not_published` or `training_cancelled`.
    """
    found = (
        session()
        .execute(
            select(
                Training.id,
                Training.title,
                Training.division_id,
                Training.state,
                Training.open_to,
                Training.seats_per_enterprise,
                Training.provider,
            ).where(Training.id == training_id)
        )
        .first()
    )
    if found is None:
        raise DomainError("not_found")
    if found.state == TrainingState.cancelled:
        raise DomainError("training_cancelled")
    if found.state != TrainingState.published:
        raise DomainError("training_not_published")
    return found


def import_rows(actor: Actor, rows: Sequence[Row], training_id: UUID, *, enrol: bool) -> Iterator[Outcome]:
    """Takes rows of COLUMNS over as check-ins, and yields what became of each, in their order.

    A row is matched with a confirmed sign-up of the training by the enterprise's credit code and the
    attendee's phone. Repeated, a run makes nothing twice. Rows are committed in chunks.

    Args:
        enrol: somebody of a registered enterprise who did not sign up here is enrolled, where a seat
            is free (needs `signups.review` as well).

    Raises DomainError `permission_denied`, `not_found`, `training_not_published` or `training_cancelled`.
    """
    desk = _open(actor, training_id)
    if enrol:
        actor.acting("signups.review")
    for start in range(0, len(rows), CHUNK):
        yield from _take_over(actor, desk, rows[start : start + CHUNK], enrol=enrol)


@transaction("checkins.write")
def _open(actor: Actor, training_id: UUID) -> _Desk:
    training = ground(actor, training_id)
    held = select(
        TrainingSession.id, TrainingSession.number, TrainingSession.starts_at, TrainingSession.checkin_from
    ).where(TrainingSession.training_id == training_id)
    found = session().execute(held.order_by(TrainingSession.number))
    return _Desk(training, {here.number: here for here in found})


def _take_over(actor: Actor, desk: _Desk, rows: Sequence[Row], *, enrol: bool) -> list[Outcome]:
    refused: dict[int, str] = {}
    entries: list[_Entry] = []
    for row in rows:
        try:
            entries.append(desk.read(row))
        except Unfit as reason:
            refused[row.number] = str(reason)
    enrolled: set[_Person] = set()
    for person, (entry, enterprise) in _newcomers(actor, desk, entries).items() if enrol else ():
        # One transaction each: seats are then taken in the order in which signing up takes them.
        try:
            enrolments.enrol(actor, desk.training.id, enterprise, entry.attendee())
            enrolled.add(person)
        except (DomainError, Unfit) as error:
            why = error.message if isinstance(error, DomainError) else str(error)
            refused |= {each.row.number: why for each in entries if each.person == person}
    known = [entry for entry in entries if entry.row.number not in refused]
    results = _check_in(actor, desk, known, enrolled)
    return [results.get(row.number) or Outcome(row, Result.rejected, refused[row.number]) for row in rows]


@transaction("checkins.write")
def _newcomers(actor: Actor, desk: _Desk, entries: Sequence[_Entry]) -> dict[_Person, tuple[_Entry, Any]]:
    """Returns who of a registered enterprise has no sign-up in the training, each with their first row."""
    found = _matches(desk, entries)
    newcomers: dict[_Person, tuple[_Entry, Any]] = {}
    for entry in entries:
        try:
            found.signup(*entry.person)
        except NotSignedUp as reason:
            newcomers.setdefault(entry.person, (entry, reason.enterprise))
        except Unfit:
            continue
    return newcomers


def _matches(desk: _Desk, entries: Sequence[_Entry]) -> Matches:
    codes = {entry.credit_code for entry in entries}
    indexes = {entry.phone_index for entry in entries}
    return Matches.of(desk.training.id, desk.training.open_to, codes, indexes)


@transaction("checkins.write")
def _check_in(
    actor: Actor, desk: _Desk, entries: Sequence[_Entry], enrolled: set[_Person]
) -> dict[int, Outcome]:
    ground(actor, desk.training.id)
    found = _matches(desk, entries)
    outcomes: dict[int, Outcome] = {}
    attended: dict[int, list[tuple[UUID, UUID]]] = {}
    values: dict[tuple[UUID, UUID], dict[str, Any]] = {}
    for entry in entries:
        try:
            signup_id = found.signup(*entry.person)
        except Unfit as reason:
            outcomes[entry.row.number] = Outcome(entry.row, Result.rejected, str(reason))
            continue
        attended[entry.row.number] = [(session_id, signup_id) for session_id, _ in entry.attended]
        for session_id, at in entry.attended:
            values.setdefault((session_id, signup_id), _scan(actor, desk.training, session_id, signup_id, at))
    fresh = _record(values)
    accepted = len(fresh)
    for entry in entries:
        if entry.row.number in outcomes:
            continue
        pairs = fresh.intersection(attended[entry.row.number])
        fresh -= pairs
        if pairs:
            result = Result.enrolled if entry.person in enrolled else Result.checked_in
        else:
            result = Result.unchanged
        outcomes[entry.row.number] = Outcome(entry.row, result)
    if accepted:
        audit.record(
            actor,
            "scan.imported",
            ("trainings", desk.training.id),
            division=desk.training.division_id,
            accepted=accepted,
        )
    return outcomes


def _scan(actor: Actor, training: Any, session_id: UUID, signup_id: UUID, at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "session_id": session_id,
        "training_id": training.id,
        "division_id": training.division_id,
        "signup_id": signup_id,
        "by_user_id": actor.user_id,
        # The same for the same check-in, so that a repeated run says nothing new.
        "nonce": f"{session_id.hex}{signup_id.hex}",
        "method": Method.imported,
        "outcome": ScanOutcome.accepted,
        "scanned_at": at,
    }


def _record(values: Mapping[tuple[UUID, UUID], dict[str, Any]]) -> set[tuple[UUID, UUID]]:
    """Inserts what is not there, in the order of the keys so that two imports cannot deadlock."""
    if not values:
        return set()
    statement = insert(Scan).on_conflict_do_nothing().returning(Scan.session_id, Scan.signup_id)
    made = session().execute(statement, [values[pair] for pair in sorted(values)])
    return {(row.session_id, row.signup_id) for row in made}


IMPORT = transfers.register_import(
    "attendance.import",
    "导入签到",
    "checkins.write",
    COLUMNS,
    Result,
    lambda actor, rows, training, enrol: import_rows(actor, rows, UUID(training), enrol=enrol),
    {
        "credit_code": "91320321MA0DEMA01H",
        "phone": "13900000001",
        "name": "王小明",
        "post": "质量负责人",
        "session": "1",
        "scanned_at": "2026-03-05 09:05",
    },
)
