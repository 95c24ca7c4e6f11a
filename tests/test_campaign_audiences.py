"""Whom an audience picks, against a plain filter in Python; and never beyond the campaign's divisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.access import SYSTEM
from app.errors import DomainError
from app.services import campaign_audiences, campaigns
from app.services.campaign_audiences import Audience
from app.transactions import begin
from models.base import BEIJING, new_id, now
from models.campaigns import Assisted, By, TookPart, Who
from models.cases import CaseState
from models.checkins import Method, Outcome, Scan
from models.enterprises import Enterprise, EnterpriseState
from models.held_certificates import HeldCertificateState
from models.people import User, UserState
from models.reference import Division
from models.signups import Signup, SignupState
from models.size_class import SizeClass
from models.trainings import Training, TrainingState
from tests import campaign_builders as build
from tests import case_builders as cases
from tests.builders import World, fresh_phone

TOP = "js.xz.fengxian"
INDUSTRIES = ["C36", "C3670", "C13", "F51"]
STATES = [EnterpriseState.registered, EnterpriseState.reviewed, EnterpriseState.returned]
HELD = [HeldCertificateState.valid, HeldCertificateState.valid, HeldCertificateState.revoked]
ENDS = [-1, 0, 1, 30, 31, 90, 400]
CLUSTERS = ["343-01", "343-03", "343-09"]
CASES = [None, CaseState.requested, CaseState.improvement, CaseState.closed, CaseState.withdrawn]
SIZES = [None, SizeClass.micro, SizeClass.small]


@dataclass(frozen=True)
class Fact:
    """An enterprise as the plain filter knows it.

    `held`: the state of each certificate, and in how many days it ends; `took_part`: (training, its start,
    over, sign-up's state, came) each.
    """

    code: str
    division: str
    industry: str
    size: SizeClass | None
    state: EnterpriseState
    owner: UUID | None
    members: tuple[UUID, ...]
    clusters: frozenset[str]
    held: tuple[tuple[HeldCertificateState, int], ...]
    assisted: CaseState | None
    took_part: tuple[tuple[UUID, datetime, bool, SignupState, bool], ...]


def wanted(fact: Fact, audience: Audience, codes: list[str]) -> bool:
    """The plain filter."""
    if fact.state == EnterpriseState.merged or not _below(fact.division, TOP):
        return False
    if audience.by is By.listed:
        return fact.code in codes
    if audience.divisions and not any(_below(fact.division, one) for one in audience.divisions):
        return False
    if audience.industries and not any(fact.industry.startswith(one) for one in audience.industries):
        return False
    if audience.size_classes and fact.size not in audience.size_classes:
        return False
    if audience.clusters and not fact.clusters & set(audience.clusters):
        return False
    within = audience.expires_within
    if within and not any(one is HeldCertificateState.valid and 0 <= end <= within for one, end in fact.held):
        return False
    if audience.states and fact.state not in audience.states:
        return False
    if audience.assisted and not _assisted(fact.assisted, audience.assisted):
        return False
    return audience.took_part is None or _took_part(fact, audience)


def _assisted(state: CaseState | None, what: Assisted) -> bool:
    if what is Assisted.finished:
        return state is CaseState.closed
    accepted = state is CaseState.improvement
    return accepted if what is Assisted.under_way else not accepted and state is not CaseState.closed


def _below(division: str, top: str) -> bool:
    return division == top or division.startswith(top + ".")


def _took_part(fact: Fact, audience: Audience) -> bool:
    about = [
        (over, state, came)
        for training, starts, over, state, came in fact.took_part
        if (audience.training in (None, training))
        and (audience.since is None or starts.date() >= audience.since)
        and (audience.until is None or starts.date() <= audience.until)
    ]
    if audience.took_part is TookPart.absent:
        return any(over and state is SignupState.confirmed and not came for over, state, came in about)
    came_at_all = any(came for *_, came in about)
    return came_at_all if audience.took_part is TookPart.attended else not came_at_all


@dataclass(frozen=True)
class Town:
    facts: tuple[Fact, ...]
    trainings: tuple[Training, ...]


@pytest.fixture(scope="module")
def town(app: Flask) -> Town:
    """Enterprises of every sort, and who of them signed up where and came."""
    world, random = World(app), Random(20261125)
    places = divisions(world)
    today = now().astimezone(BEIJING).replace(hour=9, minute=0, second=0, microsecond=0)
    trainings = [world.training(sessions=[today + timedelta(days=d)]) for d in (-60, -20, -3, 10)]
    sessions = {one.id: world.sessions_of(one)[0] for one in trainings}
    helper = world.person()
    facts = []
    for number in range(48):
        owner = world.person() if number % 6 else None
        changes: dict[str, Any] = {
            "division_id": random.choice(places),
            "industry_code": random.choice(INDUSTRIES),
            "size_class": random.choice(SIZES),
            "state": random.choice(STATES),
            "clusters": sorted(random.sample(CLUSTERS, random.randrange(3))),
        }
        held = tuple((random.choice(HELD), random.choice(ENDS)) for _ in range(random.randrange(3)))
        if number == 1:  # what the shortest spans find, however the town was drawn
            changes["division_id"], held = TOP, ((HeldCertificateState.valid, 1),)
        enterprise = world.enterprise(owner=owner, **changes)
        assisted = CASES[number % len(CASES)]
        if assisted:
            cases.case(world, assisted, enterprise=enterprise)
        members = tuple(world.member(enterprise).id for _ in range(number % 3))
        closed = world.member(enterprise)
        took_part = []
        with world.session() as session:
            session.get(User, closed.id).state = UserState.closed
            session.add_all(
                build.held(enterprise, state=one, valid_until=today.date() + timedelta(days=end))
                for one, end in held
            )
            for training in random.sample(trainings, random.randrange(4)):
                state = random.choice([SignupState.confirmed, SignupState.confirmed, SignupState.cancelled])
                came = state is SignupState.confirmed and random.random() < 0.6
                signup = _signup(enterprise, training, state, helper.id)
                session.add(signup)
                session.flush()
                if came:
                    session.add(_scan(signup, sessions[training.id], Outcome.accepted))
                else:
                    session.add(_scan(signup, sessions[training.id], Outcome.late))
                over = training.ends_at < now()
                took_part.append((training.id, training.starts_at.astimezone(BEIJING), over, state, came))
        facts.append(
            Fact(
                enterprise.credit_code,
                changes["division_id"],
                changes["industry_code"],
                changes["size_class"],
                changes["state"],
                owner.id if owner else None,
                members,
                frozenset(changes["clusters"]),
                held,
                assisted,
                tuple(took_part),
            )
        )
    facts.append(_merged(world, facts[1]))
    return Town(tuple(facts), tuple(trainings))


def divisions(world: World) -> list[str]:
    """The same ones, whatever other tests have added: the town is drawn from them."""
    below = [f"{TOP}.town{number}" for number in (1, 2)]
    with world.session() as session:
        for one in below:
            session.merge(
                Division(id=one, name=f"丰县{one[-1]}分局", short_name=f"{one[-1]}分局", kind="分局")
            )
    return [TOP, *below, "js.xz.peixian", "js.xz"]


def _merged(world: World, fact: Fact) -> Fact:
    owner = world.person()
    with world.session() as session:
        kept = session.execute(select(Enterprise.id).where(Enterprise.credit_code == fact.code)).scalar_one()
    gone = world.enterprise(owner=owner, state=EnterpriseState.merged, merged_into=kept)
    return replace(
        fact,
        code=gone.credit_code,
        state=EnterpriseState.merged,
        owner=owner.id,
        held=(),
        assisted=None,
        took_part=(),
    )


def _signup(enterprise: Enterprise, training: Training, state: SignupState, by: UUID) -> Signup:
    phone = fresh_phone()
    return Signup(
        training_id=training.id,
        division_id=training.division_id,
        enterprise_id=enterprise.id,
        enterprise_name=enterprise.name,
        created_by=by,
        attendee_name="李质量",
        attendee_phone=phone,
        attendee_phone_index=phone.encode(),
        state=state,
    )


def _scan(signup: Signup, session_id: UUID, outcome: Outcome) -> Scan:
    return Scan(
        session_id=session_id,
        training_id=signup.training_id,
        division_id=signup.division_id,
        signup_id=signup.id,
        by_user_id=signup.created_by,
        nonce=new_id().hex,
        method=Method.manual,
        outcome=outcome,
        scanned_at=now(),
    )


days = st.none() | st.integers(-70, 20)


@st.composite
def audiences(draw: Callable[..., Any]) -> tuple[dict[str, Any], int | None, int | None, int | None]:
    several: dict[str, Any] = {
        "by": draw(st.sampled_from([By.conditions, By.conditions, By.listed])),
        "who": draw(st.sampled_from(list(Who))),
        "divisions": draw(st.sets(st.integers(0, 2), max_size=2)),
        "industries": tuple(draw(st.sets(st.sampled_from(["C", "C36", "C367", "F51"]), max_size=2))),
        "size_classes": tuple(draw(st.sets(st.sampled_from(SIZES[1:]), max_size=2))),
        "clusters": tuple(draw(st.sets(st.sampled_from(CLUSTERS), max_size=2))),
        "expires_within": draw(st.sampled_from([None, None, None, 1, 30, 90])),
        "states": tuple(draw(st.sets(st.sampled_from(STATES), max_size=2))),
        "assisted": draw(st.sampled_from([None, None, *Assisted])),
        "took_part": draw(st.sampled_from([None, *TookPart])),
    }
    return several, draw(st.none() | st.integers(0, 3)), draw(days), draw(days)


@given(asked=audiences(), chosen=st.sets(st.integers(0, 48), max_size=20))
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_audience_picks_whom_the_plain_filter_picks(
    app: Flask, town: Town, asked: Any, chosen: set[int]
) -> None:
    several, training, since, until = asked
    places = sorted({fact.division for fact in town.facts if _below(fact.division, TOP)})
    audience = Audience(
        **{**several, "divisions": tuple(places[one % len(places)] for one in several["divisions"])},
        training=None if training is None else town.trainings[training].id,
        since=_day(since),
        until=_day(until),
    )
    compare(app, town, audience, [town.facts[one].code for one in chosen])


@pytest.mark.parametrize(
    "alone",
    [
        {"clusters": ("343-01",)},
        {"clusters": ("343-03", "343-09")},
        *({"expires_within": within} for within in (1, 29, 30, 31, 90, 399, 400)),
        {"clusters": ("343-01", "343-03"), "expires_within": 90},
        *({"assisted": one} for one in Assisted),
    ],
)
def test_so_does_one_condition_alone(app: Flask, town: Town, alone: dict[str, Any]) -> None:
    assert compare(app, town, Audience(who=Who.members, states=(), **alone), [])


def compare(app: Flask, town: Town, audience: Audience, codes: list[str]) -> set[UUID]:
    """Picks by the audience, and by the plain filter, which must be the same people."""
    assert Audience.load(audience.dump()) == audience
    ours = {fact.owner for fact in town.facts} | {one for fact in town.facts for one in fact.members}
    with app.app_context(), begin(SYSTEM) as session:
        rows = session.execute(campaign_audiences.people(TOP, audience, codes)).all()
    picked = {row.user_id for row in rows} & ours
    expected = set()
    for fact in town.facts:
        if wanted(fact, audience, codes):
            expected |= {fact.owner} - {None}
            expected |= set(fact.members) if audience.who is Who.members else set()
    assert picked == expected
    return picked


def _day(offset: int | None) -> date | None:
    return None if offset is None else (now().astimezone(BEIJING) + timedelta(days=offset)).date()


def test_whatever_is_asked_for_nobody_beyond_the_division_is_picked(app: Flask, world: World) -> None:
    """Also where the row itself asks for more: it was written by something else than the form."""
    author = world.staff()
    _, outside = build.owners(world, 2, division_id="js.xz.peixian")
    _, above = build.owners(world, 1, division_id="js.xz")
    lists = build.listed([*outside, *above])
    everywhere = {"audience": {"divisions": ["js"], "states": []}}
    for values in (lists, everywhere):
        campaign = build.campaign(world, author, **values)
        with app.app_context(), begin(SYSTEM) as session:
            rows = session.execute(
                campaign_audiences.people(
                    campaign.division_id, Audience.load(campaign.audience), campaign.credit_codes
                )
            ).all()
            found = {row.enterprise_id for row in rows}
        assert not found & {one.id for one in (*outside, *above)}


def test_what_cannot_be_asked_for_is_refused_by_field(app: Flask, world: World) -> None:
    author = world.staff()
    staff = build.actor_of(author)
    campaign = build.campaign(world, author)
    draft = world.training(state=TrainingState.draft)
    asked = {
        "divisions": ["js.xz.peixian"],
        "industries": "C36、没有的行业",
        "clusters": ["343-01", "531-99"],
        "training": draft.id,
        "since": date(2026, 3, 2),
        "until": date(2026, 3, 1),
    }
    with app.app_context(), pytest.raises(DomainError, match="validation_failed") as refused:
        campaigns.audience_typed(staff, campaign.id, asked)
    assert set(refused.value.fields) == {"divisions", "industries", "clusters", "training", "until"}
