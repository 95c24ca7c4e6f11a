"""The list of trainings over HTTP: order, filters, words, and a constant number of queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from models.base import new_id, now
from models.trainings import TrainingState
from tests.builders import Person, World
from tests.statements import queries
from tests.training_requests import (
    get,
)


def listed(client: FlaskClient, person: Person, **query: Any) -> list[Any]:
    answer = get(client, person, "", **query)
    assert answer.status_code == 200, answer.json
    items: list[Any] = answer.json["items"]
    return items


@pytest.fixture
def term(world: World) -> str:
    """A word that no other test's titles contain."""
    return f"词{new_id().hex}"


def test_the_list_is_of_coming_trainings_by_start(client: FlaskClient, world: World, term: str) -> None:
    moment, day = now(), timedelta(days=1)
    under_way = world.training(title=f"{term}进行中", sessions=[moment - timedelta(hours=1)])
    later = world.training(title=f"{term}后", sessions=[moment + 5 * day, moment + 6 * day])
    sooner = world.training(title=f"{term}先", sessions=[moment + 4 * day])
    world.training(title=f"{term}已结束", sessions=[moment - 2 * day])
    world.training(title=f"{term}草稿", state=TrainingState.draft)
    world.training(title=f"{term}已取消", state=TrainingState.cancelled)
    items = listed(client, world.person(), q=term)
    assert [item["id"] for item in items] == [str(one.id) for one in (under_way, sooner, later)]
    assert [item["session_count"] for item in items] == [1, 1, 2]
    pages, cursor = [], None
    while cursor is not None or not pages:
        query = {"q": term, "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = get(client, world.person(), "", **query).json
        pages += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert pages == [item["id"] for item in items]
    window = {"from": (moment + 4 * day).isoformat(), "to": (moment + 5 * day).isoformat()}
    assert [item["id"] for item in listed(client, world.person(), q=term, **window)] == [str(sooner.id)]


def test_the_word_for_signing_up(client: FlaskClient, world: World, term: str) -> None:
    moment = now()
    hour = timedelta(hours=1)
    made = {
        "open": world.training(title=term, capacity=4, taken=3),
        "full": world.training(title=term, capacity=4, taken=4, waiting=2),
        "not_open": world.training(title=term, opens_at=moment + hour),
        "closed": world.training(title=term, closes_at=moment - hour),
    }
    found = {item["id"]: item for item in listed(client, world.person(), q=term)}
    assert {word: found[str(one.id)]["signup_state"] for word, one in made.items()} == {
        word: word for word in made
    }
    full = found[str(made["full"].id)]
    assert (full["remaining"], full["waiting"]) == (0, 2)
    assert get(client, world.person(), f"/{made['full'].id}").json["signup_state"] == "full"


def test_filters(client: FlaskClient, world: World, term: str) -> None:
    person = world.person()
    online = world.training(
        title=f"{term}100%_线上", mode="online", audience="team", open_to=["js.xz.peixian"]
    )
    city = world.training(title=f"{term}1000线下", open_to=["js.xz"])

    def ids(**query: Any) -> list[str]:
        return [item["id"] for item in listed(client, person, **query)]

    assert ids(q=term, mode="online") == [str(online.id)]
    assert ids(q=term, audience="team") == [str(online.id)]
    assert ids(q=f"{term}100%_") == [str(online.id)]
    assert ids(q=term, division="js.xz.fengxian") == [str(city.id)]
    assert set(ids(q=term, division="js.xz.peixian.fenju1")) == {str(online.id), str(city.id)}
    assert ids(q=term, division="js.xz.peixiang") == [str(city.id)]
    assert ids(q=term, division="js") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"mode": "x"}, "mode"),
        ({"state": "x"}, "state"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-05-02T00:00:00+08:00", "to": "2026-05-01T00:00:00+08:00"}, "to"),
    ],
)
def test_a_query_that_cannot_be(client: FlaskClient, world: World, query: dict[str, Any], field: str) -> None:
    answer = get(client, world.person(), "", **query)
    assert (answer.status_code, list(answer.json["fields"])) == (422, [field])


def test_a_cursor_that_is_none(client: FlaskClient, world: World) -> None:
    answer = get(client, world.person(), "", cursor="bm9uc2Vuc2U=")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_cursor")


def test_staff_see_the_drafts_of_their_division(client: FlaskClient, world: World, term: str) -> None:
    staff, other, person = world.staff(), world.staff(division="js.xz.peixian"), world.person()
    kept = world.training(title=term, state=TrainingState.draft)
    world.training(title=term)
    query = {"q": term, "state": "draft"}
    assert [item["id"] for item in listed(client, staff, **query)] == [str(kept.id)]
    assert listed(client, other, **query) == listed(client, person, **query) == []


def test_the_list_takes_as_many_queries_for_many_as_for_few(
    app: Flask, client: FlaskClient, world: World, term: str
) -> None:
    person = world.person()
    start = now() + timedelta(days=2)
    taken = []
    for wanted in (5, 60):
        made = len(listed(client, person, q=term, limit=200))
        for _ in range(wanted - made):
            world.training(title=term, sessions=[start, start + timedelta(days=1)])
        with queries(app) as statements:
            items = listed(client, person, q=term, limit=200)
        assert len(items) == wanted
        assert {item["session_count"] for item in items} == {2}
        taken.append(len(statements))
    assert taken[0] == taken[1]
    assert taken[0] <= 3
