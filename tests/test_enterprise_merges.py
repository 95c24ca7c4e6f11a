"""Merging an enterprise that was registered twice, and what follows from it everywhere."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.access import SYSTEM, Actor, Grant
from app.errors import DomainError
from app.jobs import jobs
from app.jobs.enterprises import finish_merge
from app.services import enterprise_imports, enterprise_merges, seats
from app.services.enterprise_contacts import reveal_contact
from app.services.enterprise_imports import COLUMNS, Result
from app.transactions import db
from app.workbooks import read_rows
from models.audit import AuditEvent
from models.enterprises import Enterprise, EnterpriseState, Invitation, MembershipRequest, MembershipState
from models.messages import Notice
from models.people import RoleGrant
from models.signups import ACTIVE, Signup
from models.trainings import EnterpriseSeats, Training
from tests.builders import Person, World, fresh_phone, party
from tests.races import at_once
from tests.test_enterprises import register
from tests.workbook_builders import workbook

PATH = "/api/v1/enterprises"


def actor_of(world: World, division: str = "js.xz.fengxian", role: str = "county_staff") -> Actor:
    return Actor(world.staff(role, division).id, (Grant(role, "division", division),))


class Twins:
    """One enterprise of 丰县 that was registered twice, each time by somebody else."""

    def __init__(self, app: Flask, client: FlaskClient, world: World) -> None:
        self.app, self.client, self.world = app, client, world
        self.keep_owner, self.drop_owner = world.person(name="张志强"), world.person(name="孙晓敏")
        self.keep: Enterprise = world.enterprise(owner=self.keep_owner, name="丰县宏远配件有限公司")
        self.drop: Enterprise = world.enterprise(owner=self.drop_owner, name="丰县宏远配件公司", headcount=55)
        self.clerk = actor_of(world)

    def merge(self, *taken: str, reason: str = "同一企业重复登记", reverse: bool = False) -> Enterprise:
        keep, drop = (self.drop, self.keep) if reverse else (self.keep, self.drop)
        with self.app.app_context():
            return enterprise_merges.merge(self.clerk, keep.id, drop.id, taken, reason)

    def roles(self, enterprise: Enterprise) -> dict[UUID, str]:
        with self.world.session() as session:
            scope = RoleGrant.scope_id == str(enterprise.id)
            return dict(list(session.execute(select(RoleGrant.user_id, RoleGrant.role).where(scope))))

    def sign_up(self, person: Person, enterprise: Enterprise, training: Training, *phones: str) -> Any:
        path = f"/api/v1/trainings/{training.id}/signups"
        return self.client.post(path, json=party(enterprise, *phones), headers=person.headers)

    def now(self, enterprise: Enterprise) -> Enterprise:
        with self.world.session() as session:
            found = session.get(Enterprise, enterprise.id)
            assert found is not None
            return found  # type: ignore[no-any-return]

    def held(self, training: Training) -> dict[UUID, int]:
        """The places of enterprises in a training as they are counted; they are what the sign-ups say."""
        with self.world.session() as session:
            place = select(EnterpriseSeats.enterprise_id, EnterpriseSeats.taken)
            counted = dict(list(session.execute(place.where(EnterpriseSeats.training_id == training.id))))
            of = Signup.training_id == training.id, Signup.state.in_(ACTIVE)
            active = list(session.execute(select(Signup.enterprise_id).where(*of)).scalars())
            assert {one: active.count(one) for one in counted} == counted
            return counted

    def told(self, person: Person) -> list[str]:
        with self.world.session() as session:
            kinds = select(Notice.kind).where(Notice.user_id == person.id).order_by(Notice.id)
            return list(session.execute(kinds).scalars())


@pytest.fixture
def twins(app: Flask, client: FlaskClient, world: World) -> Twins:
    """An enterprise that was registered twice."""
    return Twins(app, client, world)


def refused(act: Any) -> str:
    with pytest.raises(DomainError) as error:
        act()
    return error.value.code


# What moves


def test_people_go_over_and_one_owner_stays(twins: Twins) -> None:
    both = twins.world.member(twins.keep)
    with twins.world.session() as session:
        grant = {"role": "member", "scope_type": "enterprise", "scope_id": str(twins.drop.id)}
        session.add(RoleGrant(user_id=both.id, **grant))
    twins.merge()
    members = {twins.keep_owner.id: "owner", twins.drop_owner.id: "member", both.id: "member"}
    assert (twins.roles(twins.keep), twins.roles(twins.drop)) == (members, {})
    dropped = twins.now(twins.drop)
    assert (dropped.state, dropped.merged_into) == (EnterpriseState.merged, twins.keep.id)
    for owner in (twins.keep_owner, twins.drop_owner):
        assert twins.told(owner) == ["enterprise.merged"]
        assert twins.client.get(f"{PATH}/{twins.keep.id}", headers=owner.headers).status_code == 200
        assert twins.client.get(f"{PATH}/{twins.drop.id}", headers=owner.headers).status_code == 404


def test_the_others_owner_owns_what_had_none(twins: Twins) -> None:
    with twins.world.session() as session:
        keep = RoleGrant.scope_id == str(twins.keep.id)
        session.execute(update(RoleGrant).where(keep).values(role="member"))
    twins.merge()
    assert twins.roles(twins.keep) == {twins.keep_owner.id: "member", twins.drop_owner.id: "owner"}


def test_facts_are_taken_where_chosen_and_the_size_is_worked_out_anew(twins: Twins) -> None:
    kept = twins.merge("headcount", "name")
    assert (kept.name, kept.headcount, kept.revenue) == ("丰县宏远配件公司", 55, 5_000_000)
    assert (kept.credit_code, kept.size_class) == (twins.keep.credit_code, "small")


def test_sign_ups_and_places_are_one_enterprises(twins: Twins) -> None:
    shared, only = twins.world.training(), twins.world.training()
    for person, enterprise, training in (
        (twins.keep_owner, twins.keep, shared),
        (twins.drop_owner, twins.drop, shared),
        (twins.drop_owner, twins.drop, only),
    ):
        answer = twins.sign_up(person, enterprise, training, fresh_phone(), fresh_phone())
        assert answer.status_code == 201, answer.json
    cancelled = answer.json["items"][0]["id"]
    assert twins.client.post(f"/api/v1/signups/{cancelled}/cancel", headers=twins.drop_owner.headers).json
    twins.merge()
    assert twins.held(shared) == {twins.keep.id: 4}
    assert twins.held(only) == {twins.keep.id: 1}
    # What has been signed up is the kept one's to cancel, and counts against its places.
    mine = twins.client.get("/api/v1/signups", headers=twins.keep_owner.headers).json["items"]
    assert len(mine) == 6
    over = twins.sign_up(twins.keep_owner, twins.keep, shared)
    assert over.json["code"] == "enterprise_seats_exceeded"
    last = next(row["id"] for row in mine if row["training_id"] == str(only.id) and row["id"] != cancelled)
    assert (
        twins.client.post(f"/api/v1/signups/{last}/cancel", headers=twins.keep_owner.headers).status_code
        == 200
    )
    assert twins.held(only) == {twins.keep.id: 0}


def test_requests_go_over_and_nobody_asks_twice(twins: Twins) -> None:
    stranger, member = twins.world.person(), twins.world.member(twins.keep)
    with twins.world.session() as session:
        for person, enterprise in (
            (stranger, twins.keep),
            (stranger, twins.drop),
            (member, twins.drop),
            (newcomer := twins.world.person(), twins.drop),
        ):
            facts = {"enterprise_id": enterprise.id, "division_id": enterprise.division_id}
            session.add(MembershipRequest(user_id=person.id, **facts))
    twins.merge()
    with twins.world.session() as session:
        rows = session.execute(select(MembershipRequest).order_by(MembershipRequest.id)).scalars()
        known = {stranger.id, member.id, newcomer.id}
        found = [(row.user_id, row.state) for row in rows if row.user_id in known]
        assert sorted(found, key=str) == sorted(
            [
                (stranger.id, MembershipState.pending),
                (stranger.id, MembershipState.refused),
                (member.id, MembershipState.approved),
                (newcomer.id, MembershipState.pending),
            ],
            key=str,
        )


def test_invitations_of_the_merged_lapse(twins: Twins) -> None:
    invited = twins.client.post(f"{PATH}/{twins.drop.id}/invitations", headers=twins.drop_owner.headers).json
    twins.merge()
    guest = twins.world.person()
    joined = twins.client.post(f"{PATH}/join", json={"code": invited["code"]}, headers=guest.headers)
    assert joined.json["code"] == "invitation_invalid"
    with twins.world.session() as session:
        assert session.get(Invitation, UUID(invited["id"])).enterprise_id == twins.keep.id


def test_both_keep_word_of_it(twins: Twins) -> None:
    twins.merge("address")
    with twins.world.session() as session:
        ids = [str(twins.keep.id), str(twins.drop.id)]
        rows = session.execute(select(AuditEvent).where(AuditEvent.subject_id.in_(ids))).scalars()
        found = {(row.verb, row.subject_id): row.detail for row in rows}
    absorbed, merged = (
        found[("enterprise.absorbed", str(twins.keep.id))],
        found[("enterprise.merged", str(twins.drop.id))],
    )
    assert (absorbed["enterprise"], merged["into"]) == (str(twins.drop.id), str(twins.keep.id))
    assert absorbed["reason"] == "同一企业重复登记" and absorbed["fields"] == ["address"]
    assert absorbed["moved"]["members"] == 1


def test_what_was_merged_into_the_merged_points_to_the_last(twins: Twins) -> None:
    twins.merge()
    third = twins.world.enterprise()
    with twins.app.app_context():
        enterprise_merges.merge(twins.clerk, third.id, twins.keep.id, (), "重复")
    assert twins.now(twins.drop).merged_into == twins.now(twins.keep).merged_into == third.id
    assert set(twins.roles(third)) == {twins.keep_owner.id, twins.drop_owner.id}


# What is refused


def test_merges_that_make_no_sense_are_refused(twins: Twins) -> None:
    with twins.app.app_context():
        act, clerk = enterprise_merges.merge, twins.clerk
        keep, drop = twins.keep.id, twins.drop.id
        assert refused(lambda: act(clerk, keep, keep, (), "重复")) == "merge_with_itself"
        assert refused(lambda: act(clerk, keep, drop, (), "")) == "reason_required"
        assert refused(lambda: act(clerk, keep, uuid4(), (), "重复")) == "not_found"
        elsewhere = twins.world.enterprise(division_id="js.xz.peixian").id
        assert refused(lambda: act(clerk, keep, elsewhere, (), "重复")) == "not_found"
        assert refused(lambda: act(clerk, elsewhere, drop, (), "重复")) == "not_found"
        bad = twins.world.enterprise(state=EnterpriseState.refused).id
        assert refused(lambda: act(clerk, bad, drop, (), "重复")) == "enterprise_not_eligible"
        branch = actor_of(twins.world, role="branch_staff")
        assert refused(lambda: act(branch, keep, drop, (), "重复")) == "permission_denied"
        act(clerk, keep, drop, (), "重复")
        for pair in ((keep, drop), (drop, keep)):
            assert refused(lambda pair=pair: act(clerk, *pair, (), "重复")) == "enterprise_not_eligible"


def test_a_merged_enterprise_acts_no_more(twins: Twins) -> None:
    twins.merge()
    # Somebody whose grant the merge did not see: what an act that was under way would have left behind.
    late = twins.world.member(twins.drop, "owner")
    training = twins.world.training()
    path = f"{PATH}/{twins.drop.id}"
    assert twins.sign_up(late, twins.drop, training).json["code"] == "enterprise_not_eligible"
    changed = twins.client.patch(path, json={"headcount": 3}, headers=late.headers)
    assert changed.json["code"] == "enterprise_not_eligible"
    for act, code in (("invitations", "enterprise_not_eligible"), ("resubmit", "illegal_move")):
        assert twins.client.post(f"{path}/{act}", headers=late.headers).json["code"] == code
    clerk = twins.world.staff()
    for act in ("approve", "return", "refuse"):
        body = None if act == "approve" else {"reason": "请补充"}
        answer = twins.client.post(f"{path}/{act}", json=body, headers=clerk.headers)
        assert answer.json["code"] == "illegal_move"


def test_its_credit_code_leads_to_the_kept_one(twins: Twins) -> None:
    twins.merge()
    person = twins.world.person()
    asked = twins.client.post(
        f"{PATH}/membership-requests", json={"credit_code": twins.drop.credit_code}, headers=person.headers
    )
    assert asked.json["code"] == "enterprise_merged"
    assert asked.json["details"] == {"name": twins.keep.name, "credit_code": twins.keep.credit_code}
    registered = register(twins.client, person, credit_code=twins.drop.credit_code)
    assert registered.json["code"] == "enterprise_exists"
    assert registered.json["details"] == {"id": str(twins.keep.id), "name": twins.keep.name}


def test_an_import_does_not_touch_it(twins: Twins) -> None:
    twins.merge()
    line = [twins.drop.credit_code, "丰县宏远", "丰县", "C36", 99, 5_000_000, 3_000_000, None, None]
    rows = read_rows(workbook([column.name for column in COLUMNS], line), COLUMNS)
    with twins.app.app_context():
        (outcome,) = enterprise_imports.import_rows(twins.clerk, rows)
    assert outcome.result == Result.rejected
    assert f"已并入“{twins.keep.name}”（{twins.keep.credit_code}）" in outcome.reason
    assert twins.now(twins.drop).headcount == 55


def test_an_owner_is_not_appointed_to_it(twins: Twins) -> None:
    twins.merge()
    with twins.world.session() as session:
        asked = MembershipRequest(
            enterprise_id=twins.drop.id, division_id=twins.drop.division_id, user_id=twins.world.person().id
        )
        session.add(asked)
        session.flush()
    path = f"/api/v1/membership-requests/{asked.id}/approve"
    answer = twins.client.post(path, headers=twins.world.staff().headers)
    assert answer.json["code"] == "enterprise_not_eligible"


# Acts at the same moment


def test_a_sign_up_that_began_before_is_taken_along_afterwards(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The enterprise is merged after a sign-up has looked at it, and before it takes a place."""
    training = twins.world.training()
    take = seats.take_of_enterprise

    def merged_meanwhile(*args: Any) -> None:
        merging = threading.Thread(target=twins.merge)
        merging.start()
        merging.join()
        take(*args)

    monkeypatch.setattr(seats, "take_of_enterprise", merged_meanwhile)
    assert twins.sign_up(twins.drop_owner, twins.drop, training).status_code == 201
    assert twins.held(training) == {twins.drop.id: 1}
    with twins.world.session() as session:
        waiting = session.connection().exec_driver_sql(
            "SELECT args, scheduled_at > now() + interval '50 seconds' FROM procrastinate_jobs"
            " WHERE task_name = 'enterprises.finish_merge' ORDER BY id DESC LIMIT 1"
        )
        assert waiting.one() == ({"enterprise_id": str(twins.drop.id)}, True)
    with twins.app.app_context():
        assert "enterprises.finish_merge" in jobs.tasks
        finish_merge(str(twins.drop.id))
        finish_merge(str(twins.drop.id))  # a job may run again
    assert twins.held(training) == {twins.keep.id: 1}
    with twins.world.session() as session:
        done = AuditEvent.verb == "enterprise.merge_finished", AuditEvent.subject_id == str(twins.keep.id)
        assert len(session.execute(select(AuditEvent.id).where(*done)).all()) == 1


def outcomes(twins: Twins) -> list[str]:
    def run(reverse: bool) -> str:
        try:
            twins.merge(reverse=reverse)
        except DomainError as error:
            return error.code
        return "merged"

    return sorted(at_once(lambda: run(False), lambda: run(True)))


def test_without_the_lock_each_is_merged_into_the_other(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, pair = threading.Barrier(2, timeout=30), enterprise_merges.pair

    def unlocked(keep_id: UUID, drop_id: UUID, *, lock: bool = False) -> Any:
        found = pair(keep_id, drop_id)
        looked.wait()
        return found

    monkeypatch.setattr(enterprise_merges, "pair", unlocked)
    assert outcomes(twins) == ["merged", "merged"]
    assert twins.now(twins.keep).merged_into and twins.now(twins.drop).merged_into


def test_of_two_who_merge_the_pair_both_ways_one_does(twins: Twins) -> None:
    assert outcomes(twins) == ["enterprise_not_eligible", "merged"]
    into = [twins.now(one).merged_into for one in (twins.keep, twins.drop)]
    assert into.count(None) == 1
    left = twins.keep if into[0] is None else twins.drop
    assert sorted(twins.roles(left).values()) == ["member", "owner"]


def test_many_sign_up_and_cancel_while_it_is_merged(twins: Twins) -> None:
    training = twins.world.training(capacity=100, seats_per_enterprise=50)
    first = [twins.sign_up(twins.drop_owner, twins.drop, training).json["items"][0]["id"] for _ in range(6)]

    def act(run: Any) -> Any:
        def safely() -> Any:
            try:
                return run()
            finally:
                with twins.app.app_context():
                    db.session.remove()

        return safely

    def client() -> FlaskClient:
        return twins.app.test_client()

    path = f"/api/v1/trainings/{training.id}/signups"
    drop, keep = party(twins.drop), party(twins.keep)
    at_once(
        act(twins.merge),
        act(lambda: client().post(path, json=drop, headers=twins.drop_owner.headers)),
        act(lambda: client().post(path, json=keep, headers=twins.keep_owner.headers)),
        *(
            act(
                lambda id_=id_: client().post(
                    f"/api/v1/signups/{id_}/cancel", headers=twins.drop_owner.headers
                )
            )
            for id_ in first[:3]
        ),
    )
    with twins.app.app_context():
        enterprise_merges.finish(SYSTEM, twins.drop.id)
    counted = twins.held(training)
    assert list(counted) == [twins.keep.id]


# The numbers of its people


def test_a_number_is_shown_to_who_reviews_and_word_is_left(twins: Twins) -> None:
    with twins.app.app_context():
        assert reveal_contact(twins.clerk, twins.keep.id, twins.keep_owner.id) == twins.keep_owner.phone
        stranger = twins.drop_owner.id
        assert refused(lambda: reveal_contact(twins.clerk, twins.keep.id, stranger)) == "not_a_member"
        other = actor_of(twins.world, "js.xz.peixian")
        assert refused(lambda: reveal_contact(other, twins.keep.id, twins.keep_owner.id)) == "not_found"
    with twins.world.session() as session:
        seen = AuditEvent.verb == "personal.revealed", AuditEvent.subject_id == str(twins.keep.id)
        (row,) = session.execute(select(AuditEvent).where(*seen)).scalars()
        assert row.user_id == twins.clerk.user_id and twins.keep_owner.phone not in str(row.detail)
