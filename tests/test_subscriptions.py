"""The ledger of subscriptions: what the client and the platform tell of, counted once, in any order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.access import SYSTEM, Actor
from app.services import subscriptions
from models.base import set_clock
from models.message_templates import Channel, MessageTemplate, TemplateState, TemplateType
from models.people import User
from models.subscriptions import Subscription
from tests.builders import Person, World
from tests.platform_pushes import answered, push, sealed, switched_off
from tests.races import at_once
from tests.template_builders import fresh_template, route, unroute

NOW = int(time.time())


def openid_of(world: World, person: Person) -> str:
    with world.session() as session:
        return str(session.get(User, person.id).mp_openid)


def report(client: FlaskClient, person: Person, nonce: str, *, ago: int = 0, **answers: str) -> Any:
    body = {
        "nonce": nonce,
        "seconds_ago": ago,
        "answers": [{"template_id": key, "answer": answer} for key, answer in answers.items()],
    }
    return client.post("/api/v1/messages/subscriptions", json=body, headers=person.headers)


def left(world: World, person: Person, template: MessageTemplate) -> tuple[int, bool]:
    """Credits, and whether it is allowed for good."""
    own = (Subscription.user_id == person.id, Subscription.template_id == template.id)
    with world.session() as session:
        row = session.execute(select(Subscription.credits, Subscription.lasting).where(*own)).first()
        return (row.credits, row.lasting) if row else (0, False)


# --- what was answered


def test_an_answer_counts_once_whoever_tells_first(app: Flask, client: FlaskClient, world: World) -> None:
    template = fresh_template(world)
    for first in ("client", "platform"):
        person = world.person()
        openid = openid_of(world, person)
        tell: dict[str, Callable[[], Any]] = {
            "client": lambda: report(client, person, f"popup-{first}", **{template.platform_id: "accept"}),  # noqa: B023
            "platform": lambda: answered(app, openid, **{template.platform_id: "accept"}),  # noqa: B023
        }
        for teller in (first, *(one for one in tell if one != first)):
            assert tell[teller]().status_code in (200, 204)
            assert left(world, person, template) == (1, False)


def test_a_report_that_was_held_up_is_of_the_same_answer(
    app: Flask, client: FlaskClient, world: World
) -> None:
    template, person = fresh_template(world), world.person()
    answers = {template.platform_id: "accept"}
    moment = int(time.time())  # reports count back from when they come, which NOW may be long before
    answered(app, openid_of(world, person), moment - 5 * 3600, **answers)
    answered(app, openid_of(world, person), moment - 3600, **answers)
    assert report(client, person, "popup-0001", ago=5 * 3600, **answers).status_code == 204
    assert report(client, person, "popup-0002", ago=3600, **answers).status_code == 204
    assert left(world, person, template) == (2, False)
    assert report(client, person, "popup-0003", ago=60, **answers).status_code == 204  # another one
    assert left(world, person, template) == (3, False)
    for nonsense in (-1, 86_401):
        assert report(client, person, "popup-0004", ago=nonsense, **answers).status_code == 422


def test_the_same_report_or_push_again_changes_nothing(app: Flask, client: FlaskClient, world: World) -> None:
    template, person = fresh_template(world), world.person()
    for _ in range(2):
        assert report(client, person, "popup-0001", **{template.platform_id: "accept"}).status_code == 204
    assert left(world, person, template) == (1, False)
    query, body = sealed(
        app,
        "mp",
        "subscribe_msg_popup_event",
        openid_of(world, person),
        NOW - 3600,
        List={"TemplateId": template.platform_id, "SubscribeStatusString": "accept", "PopupScene": "0"},
    )
    for _ in range(2):
        assert client.post("/wechat/push", query_string=query, data=body).data == b"success"
    assert left(world, person, template) == (2, False)  # an hour ago: that was another popup


def test_accepts_add_up_and_the_other_answers_do_not(client: FlaskClient, world: World) -> None:
    template, other, person = fresh_template(world), fresh_template(world), world.person()
    for nonce, answer in (("popup-1", "accept"), ("popup-2", "reject"), ("popup-3", "accept")):
        answers = {template.platform_id: answer, other.platform_id: "filter"}
        assert report(client, person, f"{nonce}-000", **answers).status_code == 204
    assert left(world, person, template) == (2, False)
    assert left(world, person, other) == (0, False)


def test_a_long_term_consent_is_given_once_and_taken_back(app: Flask, world: World) -> None:
    template, person = fresh_template(world, type=TemplateType.lasting), world.person()
    openid = openid_of(world, person)
    answered(app, openid, NOW - 60, **{template.platform_id: "accept"})
    assert left(world, person, template) == (0, True)
    switched_off(app, openid, template.platform_id, NOW - 30)
    assert left(world, person, template) == (0, False)


def test_switching_off_takes_back_what_was_allowed_before_it_and_nothing_since(
    app: Flask, world: World
) -> None:
    template, person = fresh_template(world), world.person()
    openid = openid_of(world, person)
    for at in (NOW - 500, NOW - 400, NOW - 100):
        answered(app, openid, at, **{template.platform_id: "accept"})
    switched_off(app, openid, template.platform_id, NOW - 300)  # told late
    assert left(world, person, template) == (1, False)
    answered(app, openid, NOW - 350, **{template.platform_id: "accept"})  # told later still
    assert left(world, person, template) == (1, False)


def test_what_is_not_known_or_makes_no_sense_is_passed_over(
    app: Flask, client: FlaskClient, world: World
) -> None:
    template, person = fresh_template(world), world.person()
    official = fresh_template(world, Channel.template)
    openid = openid_of(world, person)
    assert answered(app, openid, T_unknown="accept").status_code == 200
    assert answered(app, "o-stranger", **{template.platform_id: "accept"}).status_code == 200
    assert answered(app, openid, **{template.platform_id: "perhaps"}).status_code == 200
    for broken in ([], {}, [{}], [{"TemplateId": template.platform_id}], None):
        assert push(app, "mp", "subscribe_msg_popup_event", openid, List=broken).status_code in (200, 400)
    assert report(client, person, "popup-0009", T_unknown="accept").status_code == 204
    assert report(client, person, "popup-0010", **{official.platform_id: "accept"}).status_code == 204
    assert left(world, person, template) == (0, False)
    for body in (
        {"nonce": "short", "answers": [{"template_id": "T", "answer": "accept"}]},
        {"nonce": "popup-0011", "answers": []},
        {"nonce": "popup-0011", "answers": [{"template_id": "T", "answer": "revoke"}]},
    ):
        answer = client.post("/api/v1/messages/subscriptions", json=body, headers=person.headers)
        assert answer.status_code == 422


def test_two_tellers_at_once_count_it_once(app: Flask, world: World) -> None:
    template = fresh_template(world)
    people = [world.person() for _ in range(6)]
    answers = {template.platform_id: "accept"}

    def by_client(person: Person) -> Callable[[], int]:
        return lambda: int(report(app.test_client(), person, "popup-0001", **answers).status_code)

    def by_platform(openid: str) -> Callable[[], int]:
        return lambda: answered(app, openid, **answers).status_code

    tellers = [by_client(person) for person in people]
    tellers += [by_platform(openid_of(world, person)) for person in people]
    assert Counter(at_once(*tellers)) == {200: 6, 204: 6}
    assert [left(world, person, template) for person in people] == [(1, False)] * 6


# --- a plain model of it: a tap is worth one, however it is told


@pytest.fixture(scope="module")
def ledger(app: Flask) -> tuple[World, MessageTemplate]:
    world = World(app)
    return world, fresh_template(world)


Telling = tuple[int, str, int]


@st.composite
def histories(draw: st.DrawFn) -> list[Telling]:
    """Taps ten minutes apart; each is told by one or both, some late or twice, all in any order."""
    tellings: list[Telling] = []
    for tap in range(draw(st.integers(1, 5))):
        who = draw(st.sampled_from([("client",), ("event",), ("client", "event"), ("event", "event")]))
        tellings += [(tap, teller, draw(st.integers(0, 80_000))) for teller in who]
    return draw(st.permutations(tellings))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), skew=st.integers(-110, 110))
def test_every_tap_is_worth_one(
    ledger: tuple[World, MessageTemplate], history: list[Telling], skew: int
) -> None:
    world, template = ledger
    person = world.person()
    openid = openid_of(world, person)
    for tap, teller, late in history:
        at = datetime.fromtimestamp(NOW - 600 * (tap + 1), UTC)
        with world.app.app_context():
            if teller == "event":
                told = at + timedelta(seconds=skew)
                subscriptions.on_answers(SYSTEM, openid, told, [(template.platform_id, "accept")])
            else:
                set_clock(partial(datetime.fromtimestamp, at.timestamp() + late, UTC))
                answers = {template.platform_id: "accept"}
                subscriptions.report(Actor(person.id), answers, f"popup-{tap:04}", timedelta(seconds=late))
                set_clock(None)
    assert left(world, person, template) == (len({tap for tap, *_ in history}), False)


# --- what the client asks for


@pytest.fixture
def no_routes(world: World) -> Iterator[None]:
    unroute(world)
    yield
    unroute(world)


def to_ask(client: FlaskClient, person: Person, at: str = "signup") -> Any:
    answer = client.get(f"/api/v1/messages/subscriptions?at={at}", headers=person.headers)
    assert answer.status_code == 200, answer.json
    return answer.json


@pytest.mark.usefixtures("no_routes")
def test_the_client_asks_for_what_goes_out_at_that_tap(client: FlaskClient, world: World) -> None:
    person = world.person()
    assert to_ask(client, person) == {"template_ids": [], "type": None}
    result, reminder, elsewhere = (fresh_template(world) for _ in range(3))
    official = fresh_template(world, Channel.template)
    route(world, "training.reminder", reminder)
    route(world, "signup.confirmed", official, result)
    route(world, "signup.refused", result)
    route(world, "signup.cancelled", official)
    route(world, "enterprise.approved", elsewhere)
    # the most important first, each once, and nothing of the other account or of another tap
    ids = [result.platform_id, reminder.platform_id]
    assert to_ask(client, person) == {"template_ids": ids, "type": "one_time"}
    assert to_ask(client, person, "enterprise")["template_ids"] == [elsewhere.platform_id]
    with world.session() as session:
        session.get(MessageTemplate, result.id).state = TemplateState.gone
        session.get(MessageTemplate, reminder.id).state = TemplateState.changed
    assert to_ask(client, person)["template_ids"] == [reminder.platform_id]
    assert client.get("/api/v1/messages/subscriptions?at=bath", headers=person.headers).status_code == 422


@pytest.mark.usefixtures("no_routes")
def test_types_are_not_mixed_and_a_long_term_consent_is_asked_for_once(
    client: FlaskClient, world: World
) -> None:
    person = world.person()
    once = [fresh_template(world) for _ in range(6)]
    lasting = fresh_template(world, type=TemplateType.lasting)
    kinds = ("confirmed", "returned", "refused", "received", "cancelled")
    for kind, template in zip(kinds, once, strict=False):
        route(world, f"signup.{kind}", template)
    route(world, "training.reminder", once[5])
    route(world, "training.changed", lasting)
    assert to_ask(client, person) == {"template_ids": [lasting.platform_id], "type": "lasting"}
    assert report(client, person, "popup-0001", **{lasting.platform_id: "reject"}).status_code == 204
    asked = to_ask(client, person)
    assert asked["type"] == "one_time" and len(asked["template_ids"]) == 5
    # somebody else is still asked
    assert to_ask(client, world.person())["type"] == "lasting"
