"""One case as it is looked at: by its enterprise and its agency's people in the field, and at a desk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import masks
from app.access import SYSTEM, Actor
from app.services import case_acts, case_deadlines, case_steps, case_timeline, case_work, cases, reference
from app.services.case_corrections import CORRECTABLE, open_one
from app.services.case_steps import AGENCY_STEPS, NEXT, Requirement
from app.services.case_timeline import Entry
from app.services.case_work import ASPECTS, Work
from app.transactions import session, transaction
from models.agencies import Agency, Expert
from models.cases import WORKED, Case, CaseState, CaseTransition, Correction

_PLAIN = (
    "id",
    "number",
    "state",
    "due_at",
    "paused_at",
    "enterprise_id",
    "enterprise_name",
    "agency_id",
    "state_since",
    "need",
    "created_at",
    "wanted",
    "scheme",
    "state_reason",
    "rating",
    "rating_comment",
    "rated_at",
    "closed_at",
)


@transaction("cases.read")
def story(actor: Actor, case_id: UUID) -> dict[str, Any]:
    """Returns a case with its steps, corrections and scores, for the enterprise and for who works on it.

    The contact is told in full to the enterprise alone. Raises DomainError `not_found`.
    """
    case = cases.find(case_id)
    own = case.enterprise_id in actor.reach["reach_enterprises"]
    agency = session().get(Agency, case.agency_id) if case.agency_id else None
    return {
        **{name: getattr(case, name) for name in _PLAIN},
        "contact_name": case.contact_name if own else masks.name(case.contact_name),
        "contact_phone": case.contact_phone if own else masks.phone(case.contact_phone),
        "agency_name": agency.name if agency else None,
        "agency_telephone": agency.telephone if agency else None,
        "radar": case_work.scores(case_id),
        "requirements": case_steps.requirements(case),
        "transitions": _rows(CaseTransition, case_id, CaseTransition.id),
        "corrections": _rows(Correction, case_id, Correction.asked_at),
    }


def _rows(model: Any, case_id: UUID, order: Any) -> list[Any]:
    return list(session().execute(select(model).where(model.case_id == case_id).order_by(order)).scalars())


@dataclass(frozen=True)
class Seen:
    """A case as it stands on its page.

    Args:
        acts: what whoever is looking may do about its course now: admit, refuse, ask, take_back, offer,
            recall, appoint, advance, close, send_back, refused, terminated.
        experts: who may be appointed, where that may be done.
        overdue: working days since the step had to be done.
        forward: the label of the step that follows, if one does.
    """

    case: Case
    division: str
    scheme: str
    agency: Agency | None
    expert: str
    correction: Correction | None
    requirements: list[Requirement]
    forward: str
    overdue: int
    acts: frozenset[str]
    experts: list[Any]
    work: Work
    timeline: list[Entry]

    @property
    def wanted(self) -> str:
        return "、".join(ASPECTS[one] for one in self.case.wanted if one in ASPECTS)

    @property
    def contact(self) -> str:
        return f"{masks.name(self.case.contact_name)} {masks.phone(self.case.contact_phone)}"


@transaction("cases.desk")
def look(actor: Actor, case_id: UUID) -> Seen:
    """Returns a case in reach with everything that happened to it; raises DomainError `not_found`."""
    case = cases.find(case_id)
    expert = session().get(Expert, case.expert_id) if case.expert_id else None
    names = reference.division_names(SYSTEM)
    paused, acts = case.paused_at is not None, _acts(actor, case)
    return Seen(
        case,
        names.get(case.division_id, case.division_id),
        reference.scheme_names(SYSTEM)[case.scheme] if case.scheme else "",
        session().get(Agency, case.agency_id) if case.agency_id else None,
        expert.name if expert else "",
        session().execute(open_one(case_id)).scalar() if paused else None,
        case_steps.requirements(case),
        NEXT[case.state].label if case.state in NEXT else "",
        0 if paused or case.state not in CaseState.moves() else case_deadlines.overdue_by(case.due_at),
        acts,
        _experts(case) if "appoint" in acts else [],
        case_work.sections(actor, case),
        case_timeline.of(SYSTEM, case),
    )


def _experts(case: Case) -> list[Any]:
    of_agency = (Expert.agency_id == case.agency_id, Expert.active)
    found = select(Expert.id, Expert.name, Expert.title).where(*of_agency)
    return list(session().execute(found.order_by(Expert.number)))


def _acts(actor: Actor, case: Case) -> frozenset[str]:
    """Returns what the actor may do about the course of a case; the acts themselves decide."""
    state, legal = case.state, CaseState.moves().get(case.state, ())
    acts: set[str] = set()
    routes = actor.may("cases.route") and actor.acting("cases.route").reaches_division(case.division_id)
    works = case_acts.works_on(actor, case)
    if routes:
        acts |= {target for target in ("refused", "terminated") if target in legal}
    if (routes or works) and case.paused_at is not None:
        return frozenset(acts | {"take_back"})
    if (routes or works) and state in CORRECTABLE:
        acts.add("ask")
    if routes:
        acts |= {
            name
            for name, states in _ROUTED.items()
            if state in states and (name != "close" or case.rating is not None)
        }
    if works and state in WORKED:
        acts.add("appoint")
    if works and state in AGENCY_STEPS:
        acts.add("advance")
    return frozenset(acts)


_ROUTED = {
    "admit": (CaseState.requested,),
    "offer": (CaseState.routing,),
    "recall": (CaseState.offered,),
    "close": (CaseState.evaluation, CaseState.revisit),
    "send_back": (CaseState.revisit,),
}
