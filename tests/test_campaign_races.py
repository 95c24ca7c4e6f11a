"""Two at once at a campaign: first with the guard off, to see the race; then exactly one of them happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import campaign_moves, campaign_preparing, campaigns
from app.transactions import session, transaction
from models.audit import AuditEvent
from models.campaigns import Campaign, CampaignState
from models.lifecycle import IllegalMove
from tests import campaign_builders as build
from tests.builders import World
from tests.races import at_once

ROUNDS = 25
"""A race may be won by luck, hardly so often."""


def _look_then_write(campaign_id: UUID, since: Any, target: Any, *_conditions: Any, **values: Any) -> Any:
    """What everybody writes first: look at the state, then set it."""
    found = campaigns.require(campaign_id)
    if found.state not in since:
        raise IllegalMove(found.state, target)
    session().execute(
        update(Campaign).where(Campaign.id == campaign_id).values(**{"state": target, **values}),
        execution_options={"synchronize_session": False},
    )
    return campaigns.require(campaign_id)


def _outcome(app: Flask, act: Callable[[], object]) -> str:
    with app.app_context():
        try:
            act()
        except (DomainError, IllegalMove):
            return "refused"
    return "done"


def _verbs(world: World, campaign_id: UUID) -> list[str]:
    with world.session() as behind:
        found = select(AuditEvent.verb).where(AuditEvent.subject_id == str(campaign_id))
        return sorted(behind.execute(found).scalars())


def _two_approve(app: Flask, world: World, author: Any, approvers: list[Actor]) -> list[str]:
    campaign = build.campaign(world, author, state=CampaignState.approving)
    outcomes = at_once(
        *(
            lambda one=one: _outcome(app, lambda: campaign_moves.approve(one, campaign.id))  # type: ignore[misc]
            for one in approvers
        )
    )
    assert outcomes.count("done") == _verbs(world, campaign.id).count("campaign.approved")
    return outcomes


def test_without_the_guard_both_approve(app: Flask, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_moves, "_move", _look_then_write)
    author, approvers = world.staff(), [build.actor_of(world.staff()) for _ in range(2)]
    rounds = (_two_approve(app, world, author, approvers) for _ in range(ROUNDS))
    assert any(outcomes == ["done", "done"] for outcomes in rounds), "the race did not show"


def test_of_two_who_approve_at_once_one_does(app: Flask, world: World) -> None:
    author, approvers = world.staff(), [build.actor_of(world.staff()) for _ in range(2)]
    for _ in range(ROUNDS):
        assert sorted(_two_approve(app, world, author, approvers)) == ["done", "refused"]


# --- a list that comes while its draft is submitted


def _list_against_submission(
    app: Flask, world: World, author: Any, codes: list[str]
) -> tuple[list[str], int]:
    """Submits a draft for one enterprise while a longer list is set; returns the outcomes, and who was added.

    Those are who would get it without having been counted.
    """
    campaign = build.campaign(world, author, audience={"by": "listed"}, credit_codes=codes[:1])
    staff = build.actor_of(author)
    outcomes = at_once(
        lambda: _outcome(app, lambda: campaigns.set_credit_codes(staff, campaign.id, codes)),
        lambda: _outcome(app, lambda: campaign_moves.submit(staff, campaign.id)),
    )
    with world.session() as behind:
        kept = behind.get_one(Campaign, campaign.id)
        return outcomes, len(kept.credit_codes) - (kept.recipients or 0)


@pytest.fixture
def three_codes(world: World) -> list[str]:
    return [one.credit_code for one in build.owners(world, 3)[1]]


def test_without_the_guard_some_get_it_who_were_not_counted(
    app: Flask, world: World, three_codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "hold_draft", campaigns.draft)
    author = world.staff()
    rounds = (_list_against_submission(app, world, author, three_codes) for _ in range(ROUNDS))
    assert any(outcome == (["done", "done"], 2) for outcome in rounds), "the race did not show"


def test_a_list_comes_before_the_submission_or_is_refused(
    app: Flask, world: World, three_codes: list[str]
) -> None:
    author = world.staff()
    for _ in range(ROUNDS):
        [_, submitted], added = _list_against_submission(app, world, author, three_codes)
        assert (submitted, added) == ("done", 0)


# --- against the preparation


def _against(app: Flask, world: World, act: Callable[[Actor, UUID], object], many: int = 6) -> list[str]:
    """Prepares a campaign one by one while `act` is done; returns who was told once it had been."""
    author = world.staff()
    _, enterprises = build.owners(world, many)
    campaign = build.campaign(
        world, author, state=CampaignState.preparing, recipients=many, **build.listed(enterprises)
    )
    staff, told = build.actor_of(author), list[int]()

    def interrupt() -> str:
        outcome = _outcome(app, lambda: act(staff, campaign.id))
        told.append(len(build.told(world, campaign.id)))
        return outcome

    def prepare() -> str:
        return _outcome(app, lambda: campaign_preparing.prepare(campaign.id, 1))

    at_once(interrupt, prepare)
    after = len(build.told(world, campaign.id))
    return [build.state_of(world, campaign.id).value, "more" if after > told[0] else "none"]


def _cancel(actor: Actor, campaign_id: UUID) -> None:
    campaign_moves.cancel(actor, campaign_id, "不发了")


def _unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the state once, and then writes all the chunks."""

    def prepare(campaign_id: UUID, chunk: int) -> None:
        after: UUID | None = UUID(int=0)
        while after is not None:
            after = _write_whatever(SYSTEM, campaign_id, after, chunk)

    @transaction(None)
    def _write_whatever(_system: Actor, campaign_id: UUID, after: UUID, chunk: int) -> Any:
        return (
            session()
            .execute(campaign_preparing._statement(campaigns.require(campaign_id), after, chunk))
            .scalar()
        )

    monkeypatch.setattr(campaign_preparing, "prepare", prepare)


@pytest.mark.parametrize(("act", "state"), [(campaign_moves.pause, "paused"), (_cancel, "cancelled")])
def test_without_the_guard_people_are_told_after_the_end(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch, act: Any, state: str
) -> None:
    _unguarded(monkeypatch)
    rounds = (_against(app, world, act) for _ in range(ROUNDS))
    assert any(outcome == [state, "more"] for outcome in rounds), "the race did not show"


@pytest.mark.parametrize(("act", "state"), [(campaign_moves.pause, "paused"), (_cancel, "cancelled")])
def test_nobody_is_told_after_a_pause_or_a_cancellation(
    app: Flask, world: World, act: Any, state: str
) -> None:
    for _ in range(ROUNDS):
        assert _against(app, world, act) == [state, "none"]


def test_two_jobs_prepare_one_campaign_and_tell_everybody_once(app: Flask, world: World) -> None:
    author = world.staff()
    people, enterprises = build.owners(world, 8)
    for _ in range(5):
        campaign = build.campaign(world, author, state=CampaignState.preparing, **build.listed(enterprises))

        def prepare(campaign_id: UUID = campaign.id) -> str:
            return _outcome(app, lambda: campaign_preparing.prepare(campaign_id, 2))

        assert at_once(prepare, prepare) == ["done", "done"]
        assert sorted(build.told(world, campaign.id)) == sorted(one.id for one in people)
        assert _verbs(world, campaign.id) == ["campaign.prepared"]
