"""Visits by the API: recorded by the agency, confirmed by the officer who took part."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select, select

from app.services import case_acts
from models.agencies import Expert
from models.base import new_id, now
from models.cases import Visit
from models.messages import Notice
from models.people import AccountState, StaffAccount
from tests.agency_builders import agency, expert
from tests.booking_builders import booking
from tests.builders import World
from tests.case_work_builders import (
    kept,
    made,
    post,
    site,
    verbs,
    visit,
    work,
)
from tests.console_client import desk_of
from tests.races import at_once


def test_a_visit_is_recorded_and_the_officer_confirms_it(client: FlaskClient, world: World) -> None:
    of = site(world)
    offered = client.get(of.url("participants"), headers=of.agent.headers).json
    assert [one["id"] for one in offered["experts"]] == [str(of.expert.id)]
    assert {"id": str(of.officer.id), "name": "孙县局"} in offered["officers"]
    seen = made(client, of, "visits", visit(of))
    told = select(Notice).where(Notice.kind == "case.visit", Notice.user_id == of.officer.id)
    with world.session() as session:
        assert session.execute(told).scalars().one().subject_id == of.case.id

    url = f"/api/v1/visits/{seen['id']}"
    assert client.patch(url, json={"place": "二车间"}, headers=of.agent.headers).json["place"] == "二车间"
    client.patch(url, json={"notes": "查看返工区"}, headers=of.agent.headers)  # nothing to be told of
    with world.session() as session:
        bodies = [one.body for one in session.execute(told.order_by(Notice.id)).scalars()]
    assert len(bodies) == 2 and "二车间" in bodies[1]
    answer = post(client, of.officer, f"{url}/confirm", {})
    assert answer.status_code == 200 and answer.json == {"case_id": str(of.case.id)}
    confirmed = kept(world, Visit, seen["id"]).confirmed_at
    assert confirmed and post(client, of.officer, f"{url}/confirm", {}).status_code == 200
    assert kept(world, Visit, seen["id"]).confirmed_at == confirmed

    late = client.patch(url, json={"place": "三车间"}, headers=of.agent.headers)
    assert (late.status_code, late.json["code"]) == (409, "visit_confirmed")
    [shown] = work(client, of, of.owner)["visits"]
    assert (shown["expert"], shown["officer"]) == ("陈专家", "孙县局") and shown["confirmed_at"]
    assert verbs(world, of) == [
        "case.visit_recorded",
        "case.visit_changed",
        "case.visit_changed",
        "case.visit_confirmed",
    ]


def test_an_expert_of_another_agency_is_refused(client: FlaskClient, world: World) -> None:
    of = site(world)
    stranger = expert(world, agency(world))
    for expert_id in (stranger.id, new_id()):
        answer = post(client, of.agent, of.url("visits"), visit(of, expert_id=str(expert_id)))
        assert (answer.status_code, answer.json["code"]) == (422, "expert_not_of_agency")
        assert list(answer.json["fields"]) == ["expert_id"]
    seen = made(client, of, "visits", visit(of))
    body = {"expert_id": str(stranger.id)}
    answer = client.patch(f"/api/v1/visits/{seen['id']}", json=body, headers=of.agent.headers)
    assert answer.json["code"] == "expert_not_of_agency"
    assert kept(world, Visit, seen["id"]).expert_id == of.expert.id


def test_an_officer_is_of_the_enterprises_county(client: FlaskClient, world: World) -> None:
    of = site(world)
    elsewhere = world.staff("county_staff", "js.xz.peixian")
    for officer in (elsewhere, world.staff("branch_staff", "js.xz.fengxian"), of.owner, of.agent):
        answer = post(client, of.agent, of.url("visits"), visit(of, officer_id=str(officer.id)))
        assert (answer.status_code, answer.json["code"]) == (422, "officer_elsewhere")
        assert list(answer.json["fields"]) == ["officer_id"]


def test_only_the_officer_who_is_named_confirms_and_not_ahead(client: FlaskClient, world: World) -> None:
    of = site(world)
    seen = made(client, of, "visits", visit(of))
    url = f"/api/v1/visits/{seen['id']}/confirm"
    colleague = world.staff("county_staff", "js.xz.fengxian")
    answer = post(client, colleague, url, {})
    assert (answer.status_code, answer.json["code"]) == (409, "visit_not_yours")
    assert post(client, world.staff("county_staff", "js.xz.peixian"), url, {}).status_code == 404
    assert post(client, of.agent, url, {}).status_code == 403
    assert post(client, of.owner, url, {}).status_code == 403
    assert kept(world, Visit, seen["id"]).confirmed_at is None

    ahead = made(client, of, "visits", visit(of, now() + timedelta(days=1)))
    early = post(client, of.officer, f"/api/v1/visits/{ahead['id']}/confirm", {})
    assert (early.status_code, early.json["code"]) == (409, "visit_ahead")


def test_nobodys_word_is_taken_for_anothers(
    app: Flask, client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The officer confirms in the moment in which the agency names a colleague instead."""
    of = site(world)
    colleague = world.staff("county_staff", "js.xz.fengxian")
    hold_part = case_acts.hold_part

    def raced() -> tuple[UUID, bool]:
        seen = made(client, of, "visits", visit(of))
        url = f"/api/v1/visits/{seen['id']}"
        read, confirmed = Event(), Event()

        def slowly(*given: Any) -> Any:
            found = hold_part(*given)
            read.set()
            confirmed.wait(1)  # in vain where the confirmation waits for what is held
            return found

        def confirm() -> None:
            assert read.wait(30)
            post(app.test_client(), of.officer, f"{url}/confirm", {})
            confirmed.set()

        def name_another() -> None:
            body = {"officer_id": str(colleague.id)}
            app.test_client().patch(url, json=body, headers=of.agent.headers)

        with monkeypatch.context() as patch:
            patch.setattr(case_acts, "hold_part", slowly)
            at_once(confirm, name_another)
        stored = kept(world, Visit, seen["id"])
        return stored.officer_id, stored.confirmed_at is not None

    assert raced() == (colleague.id, False)
    with monkeypatch.context() as patch:
        patch.setattr(Select, "with_for_update", lambda self, **_: self)
        assert raced() == (colleague.id, True)  # the fault: confirmed, by somebody who was not asked


def test_a_visit_sent_again_from_the_field_is_one_visit(client: FlaskClient, world: World) -> None:
    of = site(world)
    body, key = visit(of), {"Idempotency-Key": f"field-{new_id().hex[:12]}"}
    first = post(client, of.agent, of.url("visits"), body, **key)
    again = post(client, of.agent, of.url("visits"), body, **key)
    assert first.status_code == again.status_code == 201 and first.json == again.json
    assert len(work(client, of)["visits"]) == 1


def test_a_visit_names_a_booking_of_its_own_case(client: FlaskClient, world: World) -> None:
    of = site(world)
    met = now() - timedelta(hours=2)
    own = booking(world, of.expert, of.enterprise, met, case_id=of.case.id)
    before_it = booking(world, of.expert, of.enterprise, met - timedelta(days=9))
    for other in (new_id(), before_it.id):
        answer = post(client, of.agent, of.url("visits"), visit(of, booking_id=str(other)))
        assert (answer.status_code, list(answer.json["fields"])) == (422, ["booking_id"])
    offered = client.get(of.url("participants"), headers=of.agent.headers).json["bookings"]
    assert [one["id"] for one in offered] == [str(own.id)]
    assert made(client, of, "visits", visit(of, booking_id=str(own.id)))["booking_id"] == str(own.id)


def test_an_officer_whose_account_is_disabled_is_not_offered(client: FlaskClient, world: World) -> None:
    of = site(world)
    desk_of(world, of.officer, "js.xz.fengxian")
    with world.session() as session:
        account = select(StaffAccount).where(StaffAccount.user_id == of.officer.id)
        session.execute(account).scalar_one().state = AccountState.disabled
    offered = client.get(of.url("participants"), headers=of.agent.headers).json["officers"]
    assert str(of.officer.id) not in [one["id"] for one in offered]
    answer = post(client, of.agent, of.url("visits"), visit(of))
    assert (answer.status_code, answer.json["code"]) == (422, "officer_elsewhere")


def test_an_expert_who_left_is_not_offered(client: FlaskClient, world: World) -> None:
    of = site(world)
    with world.session() as session:
        session.get(Expert, of.expert.id).active = False
    assert client.get(of.url("participants"), headers=of.agent.headers).json["experts"] == []
