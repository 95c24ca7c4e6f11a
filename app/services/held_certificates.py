"""Certificates that an enterprise holds 认证证书: written down, kept true, and found before they end."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.pagination import Listing, Page
from app.services import enterprises, reference
from app.transactions import session, transaction
from models.base import BEIJING, new_id, now
from models.columns import as_text
from models.enterprises import Enterprise
from models.held_certificates import HeldCertificate, HeldCertificateState

FIELDS = {
    "scheme": "认证类别",
    "agency_name": "发证机构",
    "number": "证书编号",
    "issued_on": "发证日期",
    "valid_until": "有效期至",
    "next_surveillance_on": "下次监督审核",
    "state": "状态",
}
"""What the facts of a certificate are called on screen."""

_valid, _suspended = HeldCertificateState.valid, HeldCertificateState.suspended


def today() -> date:
    """Returns the day in Beijing: a certificate is in force on the whole of its last one."""
    return now().astimezone(BEIJING).date()


_today: Any = bindparam("today", callable_=today, type_=Date)
_state = case(
    (
        and_(
            HeldCertificate.valid_until < _today,
            or_(HeldCertificate.state == _valid, HeldCertificate.state == _suspended),
        ),
        literal(HeldCertificateState.expired.value),
    ),
    else_=as_text(HeldCertificate.state),
).label("state")
_LISTED = select(
    HeldCertificate.id,
    HeldCertificate.scheme,
    HeldCertificate.agency_name,
    HeldCertificate.number,
    HeldCertificate.issued_on,
    HeldCertificate.valid_until,
    HeldCertificate.next_surveillance_on,
    _state,
)
_OF_ENTERPRISE = Listing(
    _LISTED.where(HeldCertificate.enterprise_id == bindparam("enterprise")),
    [HeldCertificate.id],
    newest=True,
)


# --- reading


@transaction("enterprises.read")
def of_enterprise(_actor: Actor, enterprise_id: UUID, cursor: str | None = None, limit: int = 50) -> Page:
    """Returns one page of what an enterprise holds, the latest written down first.

    Raises DomainError `not_found`, `invalid_cursor`.
    """
    enterprises.find(enterprise_id)
    return _OF_ENTERPRISE.page(cursor, limit, enterprise=enterprise_id)


@transaction("enterprises.desk")
def at_desk(_actor: Actor, enterprise_id: UUID) -> list[dict[str, Any]]:
    """Returns all that an enterprise in reach holds, as staff see it: what ends first comes first."""
    held = _LISTED.where(HeldCertificate.enterprise_id == enterprise_id)
    names = reference.scheme_names(SYSTEM)
    return [
        {**row._mapping, "scheme": names[row.scheme], "state": HeldCertificateState[row.state]}
        for row in session().execute(held.order_by(HeldCertificate.valid_until, HeldCertificate.id))
    ]


@transaction("held_certificates.write")
def get(_actor: Actor, enterprise_id: UUID, held_certificate_id: UUID) -> HeldCertificate:
    """Returns what was written down of a certificate; raises DomainError `not_found`."""
    return _find(enterprise_id, held_certificate_id)


@transaction(None)
def in_force(_actor: Actor, enterprise_ids: Collection[UUID]) -> dict[UUID, tuple[int, date]]:
    """Returns for those of the enterprises that hold any in force: how many, and when the first ends."""
    held = (
        select(HeldCertificate.enterprise_id, func.count(), func.min(HeldCertificate.valid_until))
        .where(HeldCertificate.enterprise_id.in_(enterprise_ids), *_in_force())
        .group_by(HeldCertificate.enterprise_id)
    )
    return {enterprise_id: (many, first) for enterprise_id, many, first in session().execute(held)}


def expiring(enterprise_id: Any, days: Any) -> ColumnElement[bool]:
    """Returns the condition that an enterprise holds one that ends today or in so many days at the latest.

    Args:
        enterprise_id: a column.
        days: a number, or a bound parameter.
    """
    of = exists().where(HeldCertificate.enterprise_id == enterprise_id, *_in_force())
    return of.where(HeldCertificate.valid_until <= _today + days)


def _in_force() -> tuple[ColumnElement[bool], ...]:
    return HeldCertificate.state == _valid, HeldCertificate.valid_until >= _today


def twice(keep_id: UUID, drop_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Returns the conditions on the certificates of one enterprise that the other holds too."""
    kept = aliased(HeldCertificate)
    same = exists().where(kept.enterprise_id == keep_id, kept.number == HeldCertificate.number)
    return HeldCertificate.enterprise_id == drop_id, same


# --- writing: the enterprise's row is held, so that neither a merge nor another division comes between,
# and it is the subject of what is noted: its time line tells of its certificates


@transaction("held_certificates.write")
def add(actor: Actor, enterprise_id: UUID, values: Mapping[str, Any]) -> Any:
    """Writes down a certificate that an enterprise holds, by the names of FIELDS.

    Raises DomainError `not_found`, `enterprise_not_eligible` (refused or merged), `validation_failed` or
    `held_certificate_exists` (the enterprise has one of that number).
    """
    enterprise = _eligible(enterprise_id)
    checked = _checked(values)
    statement = (
        insert(HeldCertificate)
        .values(id=new_id(), enterprise_id=enterprise_id, division_id=enterprise.division_id, **checked)
        .on_conflict_do_nothing(index_elements=["enterprise_id", "number"])
        .returning(HeldCertificate.id)
    )
    made = session().execute(statement).scalar()
    if made is None:
        raise _exists()
    audit.record(actor, "enterprise.held_certificate_added", enterprise, number=checked["number"])
    return _shown(made)


@transaction("held_certificates.write")
def change(actor: Actor, enterprise_id: UUID, held_certificate_id: UUID, changes: Mapping[str, Any]) -> Any:
    """Changes what is written down of a certificate; raises what `add` raises."""
    enterprise = _eligible(enterprise_id)
    held = _find(enterprise_id, held_certificate_id)
    before = {name: getattr(held, name) for name in FIELDS}
    checked = _checked({**before, **changes})
    changed = sorted(name for name in FIELDS if checked[name] != before[name])
    if changed:
        written = update(HeldCertificate).where(HeldCertificate.id == held_certificate_id).values(**checked)
        try:
            with session().begin_nested():
                session().execute(written, execution_options={"synchronize_session": False})
        except IntegrityError:
            raise _exists() from None
        noted = {"number": checked["number"], "fields": changed}
        audit.record(actor, "enterprise.held_certificate_changed", enterprise, **noted)
    return _shown(held_certificate_id)


@transaction("held_certificates.write")
def remove(actor: Actor, enterprise_id: UUID, held_certificate_id: UUID) -> None:
    """Takes one out, as what was written down by mistake; raises `not_found`, `enterprise_not_eligible`."""
    enterprise = _eligible(enterprise_id)
    held = _find(enterprise_id, held_certificate_id)
    session().execute(
        delete(HeldCertificate).where(HeldCertificate.id == held.id),
        execution_options={"synchronize_session": False},
    )
    audit.record(actor, "enterprise.held_certificate_removed", enterprise, number=held.number)


def _eligible(enterprise_id: UUID) -> Enterprise:
    enterprise = enterprises.find(enterprise_id, lock=True)
    enterprises.require_eligible(enterprise.state)
    return enterprise


def _find(enterprise_id: UUID, held_certificate_id: UUID) -> HeldCertificate:
    wanted = select(HeldCertificate).where(
        HeldCertificate.id == held_certificate_id, HeldCertificate.enterprise_id == enterprise_id
    )
    found = session().execute(wanted, execution_options={"populate_existing": True}).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


def _shown(held_certificate_id: UUID) -> Any:
    return session().execute(_LISTED.where(HeldCertificate.id == held_certificate_id)).one()


def _exists() -> DomainError:
    return DomainError("held_certificate_exists", fields={"number": ["该企业已登记这张证书"]})


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns; raises DomainError `validation_failed` with everything that is wrong."""
    wrong: dict[str, list[str]] = {}
    # Numbers are copied from paper and from web pages: one certificate is to have one spelling.
    number = "".join(unicodedata.normalize("NFKC", values["number"]).upper().split())
    if not number or len(number) > 64:
        wrong["number"] = ["长度应为 1–64"]
    if values["scheme"] not in reference.scheme_names(SYSTEM):
        wrong["scheme"] = ["没有这个认证类别"]
    if values["state"] is HeldCertificateState.expired:
        wrong["state"] = ["到期由“有效期至”自动判断，请选择其他状态"]
    issued, until, audit_by = (values[name] for name in ("issued_on", "valid_until", "next_surveillance_on"))
    if issued > today():
        wrong["issued_on"] = ["不能晚于今天"]
    if until < issued:
        wrong["valid_until"] = ["不能早于发证日期"]
    if audit_by is not None and not issued <= audit_by <= until:
        wrong["next_surveillance_on"] = ["应在发证日期与有效期之间"]
    if wrong:
        raise DomainError("validation_failed", fields=wrong)
    return {**values, "number": number}
