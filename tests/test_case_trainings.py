"""The layered trainings inside a case by the API: the list, and who came."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select, func, select

from app import audit
from app.services import case_acts
from models.base import new_id, now
from models.cases import CaseAttendee, CaseState
from tests.builders import World
from tests.case_work_builders import (
    kept,
    made,
    post,
    site,
    training,
    work,
)
from tests.races import at_once


def people(*names: str) -> dict[str, Any]:
    return {"attendees": [{"name": name, "post": "班组长"} for name in names]}


def test_a_training_has_a_list_and_records_who_came(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    held = made(client, of, "trainings", training())
    url = f"/api/v1/case-trainings/{held['id']}"
    added = post(client, of.agent, f"{url}/attendees", people("张一", "张二", "张三"))
    assert added.status_code == 201 and [one["name"] for one in added.json["items"]] == [
        "张一",
        "张二",
        "张三",
    ]
    first, second, third = (one["id"] for one in added.json["items"])
    answer = post(client, of.agent, f"{url}/attendance", {"attended": [first, third]})
    assert answer.status_code == 200, answer.json
    shown = work(client, of, of.owner)["trainings"][0]["attendees"]
    assert [(one["name"], one["attended"]) for one in shown] == [
        ("张一", True),
        ("张二", False),
        ("张三", True),
    ]

    gone = client.delete(f"/api/v1/case-attendees/{second}", headers=of.agent.headers)
    assert gone.status_code == 204
    stays = client.delete(f"/api/v1/case-attendees/{first}", headers=of.agent.headers)
    assert (stays.status_code, stays.json["code"]) == (409, "attendee_attended")
    assert len(work(client, of)["trainings"][0]["attendees"]) == 2


def test_attendance_is_of_the_list_and_not_ahead(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    held = made(client, of, "trainings", training())
    url = f"/api/v1/case-trainings/{held['id']}"
    added = post(client, of.agent, f"{url}/attendees", people("张一"))
    stranger = post(client, of.agent, f"{url}/attendance", {"attended": [str(new_id())]})
    assert (stranger.status_code, list(stranger.json["fields"])) == (422, ["attended"])
    assert kept(world, CaseAttendee, added.json["items"][0]["id"]).attended is None

    ahead = made(client, of, "trainings", training(now() + timedelta(days=1)))
    early = post(client, of.agent, f"/api/v1/case-trainings/{ahead['id']}/attendance", {"attended": []})
    assert (early.status_code, early.json["code"]) == (409, "case_training_ahead")


def test_a_training_has_two_hundred_people_at_most(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    held = made(client, of, "trainings", training())
    url = f"/api/v1/case-trainings/{held['id']}/attendees"
    assert post(client, of.agent, url, people(*(f"张{n}" for n in range(201)))).status_code == 422
    assert post(client, of.agent, url, people(*(f"张{n}" for n in range(199)))).status_code == 201
    more = post(client, of.agent, url, people("李一", "李二"))
    assert (more.status_code, more.json["code"]) == (422, "attendees_too_many")
    assert post(client, of.agent, url, people("李一")).status_code == 201


def test_two_who_fill_a_list_at_once_do_not_overfill_it(
    app: Flask, client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = site(world, CaseState.training)

    def listed(held: Any) -> int:
        url = f"/api/v1/case-trainings/{held['id']}/attendees"
        many = people(*(f"张{n}" for n in range(120)))
        at_once(*(lambda: post(app.test_client(), of.agent, url, many) for _ in range(2)))
        with world.session() as session:
            count = select(func.count()).where(CaseAttendee.training_id == UUID(held["id"]))
            number: int = session.execute(count).scalar_one()
            return number

    first, second = (made(client, of, "trainings", training()) for _ in range(2))
    assert listed(first) == 120
    with monkeypatch.context() as patch:
        # The race itself: each reads the case and the list without holding them, and both then write.
        patch.setattr(Select, "with_for_update", lambda self, **_: self)
        both = Barrier(2, timeout=30)
        hold_part, record = case_acts.hold_part, audit.record

        def together(*given: Any) -> Any:
            found = hold_part(*given)
            both.wait()
            return found

        def late(*given: Any, **detail: Any) -> None:
            both.wait()  # neither commits before both have written
            record(*given, **detail)

        patch.setattr(case_acts, "hold_part", together)
        patch.setattr(audit, "record", late)
        assert listed(second) == 240


def test_a_training_ends_after_it_begins(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    start = now() - timedelta(hours=2)
    wrong = training(start, ends_at=start.isoformat())
    refused = post(client, of.agent, of.url("trainings"), wrong)
    assert (refused.status_code, list(refused.json["fields"])) == (422, ["ends_at"])
    held = made(client, of, "trainings", training(start))
    moved = client.patch(
        f"/api/v1/case-trainings/{held['id']}",
        json={"starts_at": (start + timedelta(hours=3)).isoformat()},
        headers=of.agent.headers,
    )
    assert (moved.status_code, list(moved.json["fields"])) == (422, ["ends_at"])
    renamed = client.patch(
        f"/api/v1/case-trainings/{held['id']}", json={"title": "内审方法"}, headers=of.agent.headers
    )
    assert renamed.json["title"] == "内审方法" and renamed.json["starts_at"] == held["starts_at"]
