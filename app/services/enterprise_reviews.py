"""The review of enterprises by county staff, and what leads to it and follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import clusters, enterprises, memberships, sizing
from app.services.enterprises import Profile
from app.transactions import transaction
from models import credit_code
from models.enterprises import Enterprise, EnterpriseState
from models.lifecycle import IllegalMove


@transaction("enterprises.review")
def override(actor: Actor, code: str, division_id: str, profile: Profile, reason: str) -> Enterprise:
    """Registers an enterprise, without an owner, whose genuine credit code fails the check digit.

    Raises DomainError `reason_required`, `credit_code_override_needless` (the digit is right),
    `credit_code_*` (anything else wrong), `permission_denied` (not in the actor's divisions),
    `division_unknown`, `industry_unknown`, `cluster_unknown`, `size_figures_missing` or `enterprise_exists`.
    """
    _require(reason)
    _require_failing_digit(code)
    if not actor.reaches_division(division_id):
        raise DomainError("permission_denied")
    values = profile.columns(sizing.yardstick(actor)) | {"credit_code_override": reason}
    enterprise = enterprises.make(credit_code.normalise(code), division_id, values)
    audit.record(actor, "enterprise.credit_code_overridden", enterprise, division=division_id, reason=reason)
    return enterprise


def _require_failing_digit(code: str) -> None:
    try:
        credit_code.check(code)
    except credit_code.CreditCodeError as error:
        # The check digit is looked at last: whoever fails it is right in everything else.
        if error.code != "credit_code_check_digit":
            raise enterprises.wrong_code(error) from None
    else:
        raise DomainError("credit_code_override_needless")


@transaction("enterprises.review")
def tag(actor: Actor, enterprise_id: UUID, codes: Sequence[str]) -> Enterprise:
    """Says which clusters and chains an enterprise belongs to, which the bureau knows better than many do.

    Raises DomainError `not_found`, `enterprise_not_eligible` (refused or merged) or `cluster_unknown`.
    """
    enterprise = enterprises.find(enterprise_id, lock=True)
    enterprises.require_eligible(enterprise.state)
    wanted = clusters.checked(codes)
    if wanted == enterprise.clusters:
        return enterprise
    audit.record(actor, "enterprise.changed", enterprise, fields=["clusters"])
    return enterprises.write(enterprise_id, {"clusters": wanted}) or enterprise


@transaction("enterprises.write")
def resubmit(actor: Actor, enterprise_id: UUID) -> Enterprise:
    """Hands in a returned enterprise again; raises DomainError `not_found`, IllegalMove."""
    enterprise = _move(enterprise_id, EnterpriseState.registered)
    audit.record(actor, "enterprise.resubmitted", enterprise)
    return enterprise


@transaction("enterprises.review")
def approve(actor: Actor, enterprise_id: UUID) -> Enterprise:
    """Ends the review well and tells the owner; raises DomainError `not_found`, IllegalMove."""
    enterprise = _move(enterprise_id, EnterpriseState.reviewed, state_reason=None)
    audit.record(actor, "enterprise.approved", enterprise)
    _tell(
        enterprise,
        "enterprise.approved",
        "企业登记已通过审核",
        f"“{enterprise.name}”已通过审核，可以报名培训。",
    )
    return enterprise


@transaction("enterprises.review")
def send_back(actor: Actor, enterprise_id: UUID, reason: str) -> Enterprise:
    """Hands an enterprise back to be completed.

    Raises DomainError `reason_required`, `not_found`, IllegalMove.
    """
    enterprise = _move(enterprise_id, EnterpriseState.returned, state_reason=_require(reason))
    audit.record(actor, "enterprise.returned", enterprise, reason=reason)
    body = f"“{enterprise.name}”的登记信息需要完善：{reason}"
    _tell(enterprise, "enterprise.returned", "企业登记被退回完善", body, reason=reason)
    return enterprise


@transaction("enterprises.review")
def refuse(actor: Actor, enterprise_id: UUID, reason: str) -> Enterprise:
    """Refuses an enterprise for good; raises DomainError `reason_required`, `not_found`, IllegalMove."""
    enterprise = _move(enterprise_id, EnterpriseState.refused, state_reason=_require(reason))
    audit.record(actor, "enterprise.refused", enterprise, reason=reason)
    body = f"“{enterprise.name}”未通过审核：{reason}"
    _tell(enterprise, "enterprise.refused", "企业登记未通过审核", body, reason=reason)
    return enterprise


@dataclass(frozen=True)
class Answered:
    """What became of one of several that were to be approved; `refusal` is empty where it was."""

    enterprise_id: UUID
    name: str
    refusal: str = ""


def approve_each(actor: Actor, enterprise_ids: Sequence[UUID]) -> list[Answered]:
    """Approves enterprises one by one, each an act of its own, and says what became of each."""
    return [_approve_one(actor, enterprise_id) for enterprise_id in enterprise_ids]


def _approve_one(actor: Actor, enterprise_id: UUID) -> Answered:
    try:
        return Answered(enterprise_id, approve(actor, enterprise_id).name)
    except IllegalMove as move:
        return Answered(enterprise_id, _name(actor, enterprise_id), f"当前状态为“{move.current.label}”")
    except DomainError as error:
        return Answered(enterprise_id, "", error.message)


@transaction("enterprises.review")
def _name(_actor: Actor, enterprise_id: UUID) -> str:
    return enterprises.find(enterprise_id).name


def _require(reason: str) -> str:
    if not reason:
        raise DomainError("reason_required", fields={"reason": ["必填"]})
    return reason


def _move(enterprise_id: UUID, target: EnterpriseState, **values: Any) -> Enterprise:
    before = Enterprise.state.in_(EnterpriseState.before(target))
    moved = enterprises.write(enterprise_id, {"state": target, **values}, before)
    if moved is None:
        raise IllegalMove(enterprises.find(enterprise_id).state, target)
    return moved


def _tell(enterprise: Enterprise, kind: str, title: str, body: str, **more: str) -> None:
    memberships.tell(memberships.owner(SYSTEM, enterprise.id), kind, enterprise, title, body, **more)
