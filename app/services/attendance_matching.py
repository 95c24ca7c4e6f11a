"""Whose a row of an attendance list is: enterprises by credit code, sign-ups by the attendee's phone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.access import SYSTEM, Actor
from app.transactions import session, transaction
from models import credit_code
from models.enterprises import Enterprise
from models.signups import ACTIVE, Signup, SignupState


class Unfit(ValueError):
    """A row cannot be taken over; the argument is the Chinese reason."""


class NotSignedUp(Unfit):
    """Nobody with this phone signed up; `enterprise` is who would sign them up."""

    def __init__(self, reason: str, enterprise: Any) -> None:
        super().__init__(reason)
        self.enterprise = enterprise


@dataclass(frozen=True)
class Matches:
    """The enterprises and sign-ups that the rows of a chunk name."""

    open_to: Sequence[str]
    enterprises: Mapping[str, Any]
    signups: Mapping[bytes, Any]

    @classmethod
    def of(
        cls, training_id: UUID, open_to: Sequence[str], codes: Collection[str], indexes: Collection[bytes]
    ) -> Matches:
        """Looks up what the rows name, in the act that is under way."""
        return cls(open_to, _enterprises(SYSTEM, codes), _signups(training_id, indexes))

    def signup(self, code: str, phone_index: bytes) -> UUID:
        """Returns the confirmed sign-up that the row is of; raises Unfit, NotSignedUp."""
        enterprise = self.enterprises.get(code)
        if enterprise is None:
            raise Unfit(_why_unknown(code))
        signup = self.signups.get(phone_index)
        reason = "该手机号未报名本培训"
        if signup is not None and signup.enterprise_id == enterprise.id:
            if signup.state == SignupState.confirmed:
                found: UUID = signup.id
                return found
            if signup.state not in (SignupState.cancelled, SignupState.expired):
                raise Unfit(f"报名未通过：当前为“{signup.state.label}”，请先处理报名")
            reason = f"该手机号的报名{signup.state.label}"
        elif signup is not None and signup.state in ACTIVE:
            raise Unfit(f"该手机号以其他企业名义报名：{signup.enterprise_name}")
        if not any(_covers(division, enterprise.division_id) for division in self.open_to):
            raise Unfit("企业在其他辖区：本培训未面向其所属辖区开放")
        raise NotSignedUp(reason, enterprise)


def _why_unknown(code: str) -> str:
    try:
        credit_code.check(code)
    except credit_code.CreditCodeError as error:
        return error.message
    return "企业未登记：没有这个统一社会信用代码的企业，请先登记企业"


@transaction(None)
def _enterprises(_actor: Actor, codes: Collection[str]) -> dict[str, Any]:
    """Returns the enterprises by their codes; for one that was merged, the one it was merged into."""
    wanted = select(
        Enterprise.credit_code,
        Enterprise.id,
        Enterprise.name,
        Enterprise.division_id,
        Enterprise.state,
        Enterprise.merged_into,
    )
    found = session().execute(wanted.where(Enterprise.credit_code.in_(codes))).all()
    merged = [row.merged_into for row in found if row.merged_into]
    into = (
        {row.id: row for row in session().execute(wanted.where(Enterprise.id.in_(merged)))} if merged else {}
    )
    return {row.credit_code: into.get(row.merged_into, row) for row in found}


def _signups(training_id: UUID, indexes: Collection[bytes]) -> dict[bytes, Any]:
    """Returns the sign-ups of the training by phone: the active one, else the latest."""
    found = session().execute(
        select(
            Signup.attendee_phone_index,
            Signup.id,
            Signup.state,
            Signup.enterprise_id,
            Signup.enterprise_name,
        )
        .where(Signup.training_id == training_id, Signup.attendee_phone_index.in_(indexes))
        .order_by(Signup.state.in_(ACTIVE), Signup.id)
    )
    return {row.attendee_phone_index: row for row in found}


def _covers(division_id: str, other: str) -> bool:
    return other == division_id or other.startswith(f"{division_id}.")
