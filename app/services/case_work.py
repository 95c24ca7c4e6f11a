"""All that was found, planned and done on a case so far, as its pages, its dossier and the API show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from app import masks
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import questionnaires, reference
from app.services.case_acts import acts_open, works_on
from app.transactions import session, transaction
from models.agencies import Expert
from models.base import BEIJING, now
from models.cases import (
    Aspect,
    Case,
    CaseAttendee,
    CaseEffect,
    CaseScore,
    CaseTraining,
    Finding,
    Phase,
    Visit,
)
from models.people import User

DIAGNOSIS = "diagnosis"
ASPECTS = {one.value: one.label for one in Aspect}
CONCLUSION = "综合结论"
"""What the form asks of no aspect in particular."""


class Answers(NamedTuple):
    """What was answered of one aspect: question and answer, in words."""

    title: str
    pairs: list[tuple[str, str]]


class Compared(NamedTuple):
    """A figure before and after, and by how much it changed; None where it is not known."""

    name: str
    label: str
    before: int | None
    after: int | None

    @property
    def change(self) -> int | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Held:
    """A layered training with those on its list; `came` counts those who attended."""

    row: CaseTraining
    attendees: list[CaseAttendee]

    @property
    def came(self) -> int:
        return sum(one.attended is True for one in self.attendees)

    @property
    def begun(self) -> bool:
        return self.row.starts_at <= now()


@dataclass(frozen=True)
class Visited:
    """A visit with the names of those who made it; `confirmable`: by whoever is looking."""

    row: Visit
    expert: str
    officer: str
    confirmable: bool


EFFECTS = {"revenue": "营业收入（元）", "profit_margin": "利润率（%）", "quality_cost": "质量成本（元）"}
"""The effect figures; a profit margin is kept in hundredths of a percent."""


@dataclass(frozen=True)
class Work:
    """All that was done on a case.

    Args:
        acts: those of `case_acts.ACTS` that whoever is looking may do now.
        scores: the six aspects; effects: the figures of EFFECTS.
        names: whether attendees are shown by their full names.
    """

    case: Case
    acts: frozenset[str]
    names: bool
    diagnosis: list[Answers]
    scores: list[Compared]
    effects: list[Compared]
    findings: list[Finding]
    trainings: list[Held]
    visits: list[Visited]
    aspects: list[str] = field(default_factory=list)

    @property
    def scored(self) -> bool:
        return any(one.before is not None or one.after is not None for one in self.scores)

    @property
    def measured(self) -> bool:
        return any(one.before is not None or one.after is not None for one in self.effects)

    @property
    def today(self) -> date:
        return now().astimezone(BEIJING).date()

    def attendee(self, name: str) -> str:
        """Returns an attendee's name as whoever is looking may see it."""
        return name if self.names else masks.name(name) or ""


@transaction("cases.read")
def read(actor: Actor, case_id: UUID) -> Work:
    """Returns all that was done on a case of the actor's; raises DomainError `not_found`."""
    found = session().get(Case, case_id, populate_existing=True)
    if found is None:
        raise DomainError("not_found")
    return sections(actor, found)


@transaction(None)
def sections(actor: Actor, case: Case) -> Work:
    """Returns all that was done on a case that is in the actor's reach, in seven statements."""
    return Work(
        case,
        acts_open(actor, case),
        _named(actor, case),
        _diagnosis(case),
        scores(case.id),
        _effects(case.id),
        _rows(Finding, case.id, Finding.id),
        _trainings(case.id),
        _visits(SYSTEM, case.id, actor),
        [ASPECTS[one] for one in case.aspects],
    )


def _named(actor: Actor, case: Case) -> bool:
    # The agency keeps the list and the people are the enterprise's; the bureau needs to see how many came.
    return case.enterprise_id in actor.reach["reach_enterprises"] or works_on(actor, case)


def _rows(model: Any, case_id: UUID, *order: Any) -> list[Any]:
    return list(session().execute(select(model).where(model.case_id == case_id).order_by(*order)).scalars())


def _diagnosis(case: Case) -> list[Answers]:
    if not case.diagnosis:
        return []
    asked = reference.document(SYSTEM, DIAGNOSIS, case.diagnosis_version or "")
    if asked is None:
        return []
    questions = asked.content["questions"]
    grouped = [
        Answers(title, questionnaires.readable(some, case.diagnosis)) for title, some in by_aspect(questions)
    ]
    return [group for group in grouped if group.pairs]


def by_aspect(questions: Iterable[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Returns the questions of the diagnosis form aspect by aspect, the conclusion last."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for question in questions:
        groups[ASPECTS.get(question.get("aspect", ""), CONCLUSION)].append(question)
    return list(groups.items())


def scores(case_id: UUID) -> list[Compared]:
    """Returns the six aspects before and after, in the reach of the running act."""
    found = {(one.phase, one.aspect): one.score for one in _rows(CaseScore, case_id)}
    return [
        Compared(aspect.value, aspect.label, *(found.get((phase, aspect)) for phase in Phase))
        for aspect in Aspect
    ]


def _effects(case_id: UUID) -> list[Compared]:
    found = {one.phase: one for one in _rows(CaseEffect, case_id)}
    return [
        Compared(name, label, *(getattr(found.get(phase), name, None) for phase in Phase))
        for name, label in EFFECTS.items()
    ]


def _trainings(case_id: UUID) -> list[Held]:
    attendees: dict[UUID, list[CaseAttendee]] = defaultdict(list)
    for one in _rows(CaseAttendee, case_id, CaseAttendee.id):
        attendees[one.training_id].append(one)
    held = _rows(CaseTraining, case_id, CaseTraining.starts_at, CaseTraining.id)
    return [Held(one, attendees[one.id]) for one in held]


@transaction("cases.work")
def training(_actor: Actor, training_id: UUID) -> tuple[Case, Held]:
    """Returns a training of a case with its list, and the case; raises DomainError `not_found`."""
    found = session().get(CaseTraining, training_id, populate_existing=True)
    case = session().get(Case, found.case_id, populate_existing=True) if found else None
    if found is None or case is None:
        raise DomainError("not_found")
    listed = select(CaseAttendee).where(CaseAttendee.training_id == training_id).order_by(CaseAttendee.id)
    return case, Held(found, list(session().execute(listed).scalars()))


@transaction(None)
def _visits(_system: Actor, case_id: UUID, actor: Actor) -> list[Visited]:
    # The officer is a user of the bureau's, whose row is nobody else's to read: only the name is told.
    found = (
        select(Visit, Expert.name.label("expert"), User.name.label("officer"))
        .join(Expert, Expert.id == Visit.expert_id)
        .join(User, User.id == Visit.officer_id)
        .where(Visit.case_id == case_id)
        .order_by(Visit.starts_at, Visit.id)
    )
    return [
        Visited(visit, expert, officer or "", confirmable(actor, visit))
        for visit, expert, officer in session().execute(found)
    ]


def confirmable(actor: Actor, visit: Visit) -> bool:
    """Returns whether the visit waits for this actor's word that they took part."""
    waits = visit.confirmed_at is None and visit.starts_at <= now()
    return waits and visit.officer_id == actor.user_id and actor.may("cases.route")
