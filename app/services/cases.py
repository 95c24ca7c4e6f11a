"""Assistance cases 帮扶项目: an enterprise asks for one, follows it and may withdraw it (notice 二（二）)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.pagination import Listing, Page
from app.services import case_moves, case_offers, enterprises, reference
from app.services.case_routing import chosen_by_county
from app.transactions import changed, session, transaction
from models.agencies import Agency
from models.base import now
from models.bookings import Booking
from models.cases import OPEN, Case, CaseState
from models.enterprises import Enterprise, EnterpriseState


@dataclass(frozen=True)
class Wish:
    """What an enterprise asks for: its need in words, and whom to call.

    Args:
        wanted: aspects that it wants to improve; may be empty.
        scheme: the code of the certification that it aims at, if any.
    """

    need: str
    contact_name: str
    contact_phone: str
    wanted: list[str]
    scheme: str | None = None


@transaction("cases.write")
def request(actor: Actor, enterprise_id: UUID, wish: Wish) -> Case:
    """Asks for a case without a slot; the county is told and reviews it.

    Raises DomainError `not_found`, `enterprise_not_reviewed` `case_open` (one open case at a time) or
    `validation_failed` (a scheme that there is not).
    """
    reference.check_schemes(SYSTEM, "scheme", [wish.scheme] if wish.scheme else [])
    case = _new(actor, enterprises.find(enterprise_id), wish)
    case_moves.start(actor, case)
    return case


def _new(actor: Actor, enterprise: Enterprise, wish: Wish) -> Case:
    if enterprise.state != EnterpriseState.reviewed:
        raise DomainError("enterprise_not_reviewed", state=enterprise.state.label)
    return Case(
        division_id=enterprise.division_id,
        enterprise_id=enterprise.id,
        enterprise_name=enterprise.name,
        year=now().year,
        need=wish.need,
        wanted=wish.wanted,
        scheme=wish.scheme,
        contact_name=wish.contact_name,
        contact_phone=wish.contact_phone,
        created_by=enterprises.signed_in(actor),
        state_since=now(),
    )


def open_for_booking(actor: Actor, booking: Booking, wish: Wish) -> UUID:
    """Returns the open case to which a booking belongs, within the act under way; opens one if there is none.

    A new one is offered to the booked agency at once where the county has selected it this year; else it
    waits for the county's review. Raises DomainError `enterprise_not_reviewed`.
    """
    theirs = (Case.enterprise_id == booking.enterprise_id, Case.state.in_(OPEN))
    # Held: it does not end while the booking is added to it.
    held = select(Case.id).where(*theirs).with_for_update(key_share=True)
    known = session().execute(held).scalar()
    if known is not None:
        return known
    case = _new(actor, enterprises.find(booking.enterprise_id), wish)
    direct = chosen_by_county(SYSTEM, booking.agency_id, case.division_id, case.year)
    case_moves.start(actor, case, tells=not direct)
    if direct:
        case_moves.advance(actor, case, CaseState.routing, "企业已预约县局选定的机构", tells=False)
        case_offers.make(actor, case, [booking.agency_id])
    return case.id


@transaction("cases.write")
def withdraw(actor: Actor, case_id: UUID, reason: str) -> Case:
    """Takes a case back, before its evaluation; whoever worked on it is told why.

    Raises DomainError `not_found`, IllegalMove.
    """
    case = case_moves.hold(case_id)
    case_moves.advance(actor, case, CaseState.withdrawn, reason)
    return case


_OWN = Listing(
    select(
        Case.id,
        Case.number,
        Case.enterprise_id,
        Case.enterprise_name,
        Case.agency_id,
        Agency.name.label("agency_name"),
        Case.state,
        Case.state_since,
        Case.due_at,
        Case.paused_at,
        Case.need,
        Case.created_at,
    ).outerjoin(Agency, Agency.id == Case.agency_id),
    [Case.id],
    newest=True,
    enterprise=Case.enterprise_id == bindparam("enterprise"),
    state=Case.state == bindparam("state"),
)


@transaction("cases.read")
def list_own(
    _actor: Actor,
    *,
    enterprise_id: UUID | None = None,
    state: CaseState | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """Returns one page of the cases of the actor's enterprises, and of those its agency has, newest first."""
    return _OWN.page(cursor, limit, enterprise=enterprise_id, state=state)


@transaction(None)
def move_to(system: Actor, keep_id: UUID, drop_id: UUID, *, late: bool) -> int:
    """Moves the cases of a merged enterprise to the kept one, and returns how many.

    An open one goes to the kept one's county; what is over stays where it was done. Raises DomainError
    `merge_open_cases` when both have one open; `late`, of what began before a merge and was written after
    it, the younger is withdrawn instead.
    """
    both = (Case.enterprise_id.in_((keep_id, drop_id)), Case.state.in_(OPEN))
    held = select(Case).where(*both).order_by(Case.created_at).with_for_update()
    found = list(session().execute(held, execution_options={"populate_existing": True}).scalars())
    if len(found) == 2 and not late:
        raise _both_open(found[0], found[1])
    if len(found) == 2:
        case_moves.advance(system, found[1], CaseState.withdrawn, "企业合并，已有在办的帮扶项目")
    division = select(Enterprise.division_id).where(Enterprise.id == keep_id).scalar_subquery()
    theirs = update(Case).where(Case.enterprise_id == drop_id)
    try:
        with session().begin_nested():
            changed(theirs.where(Case.state.in_(OPEN)).values(division_id=division))
            return changed(theirs.values(enterprise_id=keep_id))
    except IntegrityError:  # one was opened at this very moment
        now_open = session().execute(select(Case).where(*both)).scalars().all()
        raise _both_open(now_open[0], now_open[-1]) from None


def _both_open(one: Case, other: Case) -> DomainError:
    return DomainError("merge_open_cases", keep=one.number, drop=other.number)


@transaction(None)
def require_reach(_actor: Actor, case_id: UUID) -> None:
    """Raises DomainError `not_found` for a case out of the actor's reach: before a form is read."""
    find(case_id)


def find(case_id: UUID) -> Case:
    """Returns a case in the reach of the running act; raises DomainError `not_found`."""
    found = session().execute(select(Case).where(Case.id == case_id)).scalar()
    if found is None:
        raise DomainError("not_found")
    return found
