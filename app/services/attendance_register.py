"""The attendance register of a training: a row for each confirmed sign-up, a column for each session."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, func, select

from app import masks
from app.access import Actor
from app.prepared import Prepared
from app.registers import Filter, Register, contains
from app.transactions import transaction
from app.workbooks import Column
from models.base import BEIJING
from models.checkins import AttendanceCertificate, Method, Outcome, Scan
from models.labels import Labelled
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession


class Attendance(Labelled):
    """How much of a training somebody attended."""

    whole = "whole", "全部到场"
    part = "part", "部分到场"
    none = "none", "未到场"


class CertificateState(Labelled):
    """Where the certificate of a sign-up stands."""

    issued = "issued", "已发放"
    earned = "earned", "可发放"
    not_earned = "not_earned", "未达到"


def _count(*conditions: ColumnElement[bool]) -> Any:
    return select(func.count()).where(*conditions).correlate(Signup, Training).scalar_subquery()


_accepted = and_(Scan.signup_id == Signup.id, Scan.outcome == Outcome.accepted)
_attended = _count(_accepted)
_held = _count(TrainingSession.training_id == Training.id)
_attendance = case(
    (_attended == 0, Attendance.none.value),
    (_attended < _held, Attendance.part.value),
    else_=Attendance.whole.value,
)
_certificate = case(
    (exists().where(AttendanceCertificate.signup_id == Signup.id), CertificateState.issued.value),
    (_attended * 100 >= Training.certificate_percent * _held, CertificateState.earned.value),
    else_=CertificateState.not_earned.value,
)
_by_session = (
    select(
        func.jsonb_object_agg(
            TrainingSession.number,
            func.jsonb_build_array(func.extract("epoch", Scan.scanned_at), Scan.method),
        )
    )
    .where(_accepted, TrainingSession.id == Scan.session_id)
    .correlate(Signup)
    .scalar_subquery()
)
_STATEMENT = (
    select(
        Signup.id,
        Signup.enterprise_name,
        Signup.attendee_name,
        Signup.attendee_phone,
        Signup.attendee_post,
        _attended.label("attended"),
        _held.label("held"),
        _certificate.label("certificate"),
        _by_session.label("by_session"),
    )
    .join(Training, Training.id == Signup.training_id)
    .where(
        Signup.training_id == bindparam("training"),
        Signup.state == SignupState.confirmed,
    )
)


def _one_of(name: str, label: str, expression: Any, kind: type[Labelled]) -> Filter:
    def read(text: str) -> str:
        if text not in list(kind):
            raise ValueError("没有这个选项")
        return text

    choices = [(one.value, one.label) for one in kind]
    return Filter(name, label, expression == bindparam(name), read, "choice", choices)


_STANDING = Prepared(
    select(_certificate.label("certificate"), func.count().label("people"))
    .select_from(Signup)
    .join(Training, Training.id == Signup.training_id)
    .where(Signup.training_id == bindparam("training"), Signup.state == SignupState.confirmed)
    .group_by("certificate")
)


@transaction("signups.roster")
def standing(_actor: Actor, training_id: UUID) -> dict[str, int]:
    """Returns how many sign-ups of a training stand where with their certificate."""
    return {row.certificate: row.people for row in _STANDING(training=training_id)}


_CERTIFICATES = {one.value: one for one in CertificateState}
_METHODS = {one.value: one.label for one in Method}


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        row["attendee_phone"] = masks.phone(row["attendee_phone"])
        row["certificate"] = _CERTIFICATES[row["certificate"]]
        row["attended_of"] = f"{row['attended']} / {row['held']}"
        came = row.pop("by_session") or {}
        for number in range(1, row["held"] + 1):
            row[_key(number)] = _check_in(*came[str(number)]) if str(number) in came else "未签到"
    return rows


def _check_in(epoch: float, method: str) -> str:
    return f"{datetime.fromtimestamp(float(epoch), BEIJING):%m-%d %H:%M} {_METHODS[method]}"


def _key(number: int) -> str:
    return f"session{number}"


_SESSIONS = Prepared(
    select(TrainingSession.number, TrainingSession.title, TrainingSession.starts_at)
    .where(TrainingSession.training_id == bindparam("training"))
    .order_by(TrainingSession.number)
)


def _session_columns(training: UUID) -> list[Column]:
    return [
        Column(f"第 {here.number} 场（{here.starts_at:%m-%d %H:%M}）", _key(here.number), width=18)
        for here in _SESSIONS(training=training)
    ]


REGISTER = Register(
    "attendance.register",
    "签到名册",
    "signups.roster",
    _STATEMENT,
    (
        Column("企业名称", "enterprise_name", width=32),
        Column("姓名", "attendee_name", width=12),
        Column("手机号", "attendee_phone", width=16),
        Column("职务", "attendee_post", width=14),
        Column("出勤", "attended_of", width=8),
        Column("培训证明", "certificate", width=10),
    ),
    more=_session_columns,
    key=Signup.id,
    sorts={"enterprise_name": Signup.enterprise_name, "attended_of": _attended},
    default="enterprise_name",
    filters=(
        contains("enterprise", "企业名称", Signup.enterprise_name),
        _one_of("attendance", "出勤", _attendance, Attendance),
        _one_of("certificate", "培训证明", _certificate, CertificateState),
    ),
    show=_show,
    of={"training": UUID},
)
