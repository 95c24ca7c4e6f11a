"""Who belongs to an enterprise, over HTTP: invitations, requests, members, owners."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app import tokens
from models.base import now
from models.enterprises import Enterprise, EnterpriseState, Invitation, MembershipRequest
from models.messages import Notice
from models.people import RoleGrant, User, UserState
from tests.builders import Person, World
from tests.races import at_once

PATH = "/api/v1/enterprises"


class House:
    """An enterprise with an owner and a member, and their acts over HTTP."""

    def __init__(self, client: FlaskClient, world: World) -> None:
        self.client, self.world = client, world
        self.owner = world.person(name="张志强")
        self.enterprise: Enterprise = world.enterprise(owner=self.owner)
        self.member = world.member(self.enterprise)
        self.path = f"{PATH}/{self.enterprise.id}"

    def invite(self) -> str:
        answer = self.client.post(f"{self.path}/invitations", headers=self.owner.headers)
        assert answer.status_code == 201, answer.json
        return str(answer.json["code"])

    def roles(self) -> dict[UUID, str]:
        with self.world.session() as session:
            scope = RoleGrant.scope_id == str(self.enterprise.id)
            return dict(list(session.execute(select(RoleGrant.user_id, RoleGrant.role).where(scope))))

    def post(self, person: Person, act: str, **body: Any) -> tuple[int, str | None]:
        return outcome(self.client.post(f"{self.path}/{act}", json=body or None, headers=person.headers))


@pytest.fixture
def house(client: FlaskClient, world: World) -> House:
    """An enterprise in 丰县 with two people in it."""
    return House(client, world)


def outcome(answer: Any) -> tuple[int, str | None]:
    """The status, and the code of a refusal."""
    return answer.status_code, answer.json.get("code") if answer.status_code >= 400 else None


def join(client: FlaskClient, person: Person, code: str) -> tuple[int, str | None]:
    return outcome(client.post(f"{PATH}/join", json={"code": code}, headers=person.headers))


def ask(client: FlaskClient, person: Person, enterprise: Enterprise, **body: Any) -> Any:
    body = {"credit_code": enterprise.credit_code, **body}
    return client.post(f"{PATH}/membership-requests", json=body, headers=person.headers)


def told(world: World, person: Person) -> list[str]:
    with world.session() as session:
        kinds = select(Notice.kind).where(Notice.user_id == person.id).order_by(Notice.id)
        return list(session.execute(kinds).scalars())


# Invitations


def test_an_invitation_makes_a_member(client: FlaskClient, house: House) -> None:
    code = house.invite()
    assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
    guest = house.world.person()
    answer = client.post(f"{PATH}/join", json={"code": f" {code.lower()} "}, headers=guest.headers)
    assert (answer.status_code, answer.json["id"]) == (200, str(house.enterprise.id))
    assert house.roles()[guest.id] == "member"
    assert client.get(house.path, headers=guest.headers).status_code == 200
    assert told(house.world, house.owner) == ["membership.joined"]


def test_the_code_is_stored_as_a_hash(house: House) -> None:
    code = house.invite()
    with house.world.session() as session:
        kept = session.execute(
            select(Invitation.code_hash, Invitation.expires_at).where(
                Invitation.enterprise_id == house.enterprise.id
            )
        ).one()
    assert kept.code_hash == tokens.digest(code.replace("-", ""))
    assert timedelta(days=6, hours=23) < kept.expires_at - now() <= timedelta(days=7)


def test_a_code_is_good_once_and_for_a_week(client: FlaskClient, house: House) -> None:
    first, second = house.world.person(), house.world.person()
    code = house.invite()
    assert join(client, first, code) == (200, None)
    assert join(client, second, code) == (410, "invitation_invalid")
    late = house.invite()
    with house.world.session() as session:
        past = now() - timedelta(seconds=1)
        session.execute(
            update(Invitation).where(Invitation.used_at.is_(None)).values(expires_at=past),
            execution_options={"synchronize_session": False},
        )
    assert join(client, second, late) == (410, "invitation_invalid")
    assert join(client, second, "2222-2222-2222-2222") == (410, "invitation_invalid")
    assert join(client, second, "　")[1] == "invitation_invalid"


def test_a_member_does_not_use_an_invitation_up(client: FlaskClient, house: House) -> None:
    code = house.invite()
    assert join(client, house.member, code) == (409, "already_member")
    assert join(client, house.owner, code) == (409, "already_member")
    assert join(client, house.world.person(), code) == (200, None)
    assert sorted(house.roles().values()) == ["member", "member", "owner"]


def test_two_use_one_invitation_at_once(app: Flask, house: House) -> None:
    for _ in range(5):
        code, guests = house.invite(), [house.world.person(), house.world.person()]
        acts = [lambda who=who, code=code: join(app.test_client(), who, code) for who in guests]
        assert sorted(at_once(*acts)) == [(200, None), (410, "invitation_invalid")]
        assert len(house.roles().keys() & {guest.id for guest in guests}) == 1


def test_only_the_owner_invites(house: House) -> None:
    stranger = house.world.person()
    house.world.enterprise(owner=stranger)
    assert house.post(house.member, "invitations") == (403, "permission_denied")
    assert house.post(house.world.staff(), "invitations") == (403, "permission_denied")
    assert house.post(stranger, "invitations") == (404, "not_found")


def test_a_refused_enterprise_takes_nobody_in(client: FlaskClient, world: World) -> None:
    owner = world.person()
    refused = world.enterprise(owner=owner, state=EnterpriseState.refused)
    answer = client.post(f"{PATH}/{refused.id}/invitations", headers=owner.headers)
    assert outcome(answer) == (409, "enterprise_not_eligible")
    assert outcome(ask(client, world.person(), refused)) == (409, "enterprise_not_eligible")


# Requests to join


def test_the_owner_answers_a_request(client: FlaskClient, house: House) -> None:
    guest = house.world.person(name="李质量")
    asked = ask(client, guest, house.enterprise, note="质量部新同事")
    assert (asked.status_code, asked.json["state"]) == (201, "pending")
    waiting = client.get(f"{house.path}/membership-requests", headers=house.owner.headers).json["items"]
    shown = {name: waiting[0][name] for name in ("id", "name", "note", "has_owner", "enterprise_name")}
    assert shown == {
        "id": asked.json["id"],
        "name": "李*量",
        "note": "质量部新同事",
        "has_owner": True,
        "enterprise_name": house.enterprise.name,
    }
    assert guest.phone and waiting[0]["phone"] == f"{guest.phone[:3]}****{guest.phone[-4:]}"
    act = f"membership-requests/{asked.json['id']}/approve"
    assert house.post(house.owner, act) == (204, None)
    assert house.post(house.owner, act) == (409, "illegal_move")
    assert house.roles()[guest.id] == "member"
    own = client.get(f"{PATH}/membership-requests", headers=guest.headers).json["items"]
    assert [(item["state"], item["enterprise_name"]) for item in own] == [("approved", house.enterprise.name)]
    assert told(house.world, house.owner) == ["membership.requested"]
    assert told(house.world, guest) == ["membership.approved"]


def test_a_refused_applicant_may_ask_again(client: FlaskClient, house: House) -> None:
    guest = house.world.person()
    asked = ask(client, guest, house.enterprise)
    assert outcome(ask(client, guest, house.enterprise)) == (409, "membership_request_pending")
    assert house.post(house.owner, f"membership-requests/{asked.json['id']}/refuse") == (204, None)
    assert guest.id not in house.roles() and told(house.world, guest) == ["membership.refused"]
    assert ask(client, guest, house.enterprise).status_code == 201


def test_who_may_ask(client: FlaskClient, house: House) -> None:
    world = house.world
    assert outcome(ask(client, house.member, house.enterprise)) == (409, "already_member")
    assert outcome(ask(client, world.person(phone=None), house.enterprise)) == (409, "phone_required")
    unknown = ask(client, world.person(), house.enterprise, credit_code="91110000101623741K")
    assert outcome(unknown) == (404, "not_found")


def test_two_requests_at_once_are_one(app: Flask, house: House) -> None:
    guest = house.world.person()
    acts = [lambda: outcome(ask(app.test_client(), guest, house.enterprise))] * 2
    assert sorted(at_once(*acts)) == [(201, None), (409, "membership_request_pending")]


def test_an_invitation_settles_a_request(client: FlaskClient, house: House) -> None:
    guest = house.world.person()
    asked = ask(client, guest, house.enterprise)
    assert join(client, guest, house.invite()) == (200, None)
    assert client.get(f"{house.path}/membership-requests", headers=house.owner.headers).json["items"] == []
    assert house.post(house.owner, f"membership-requests/{asked.json['id']}/approve")[1] == "illegal_move"


def test_requests_of_others_are_out_of_reach(client: FlaskClient, house: House) -> None:
    guest, stranger = house.world.person(), house.world.person()
    other = house.world.enterprise(owner=stranger)
    asked = ask(client, guest, house.enterprise).json["id"]
    approve = f"membership-requests/{asked}/approve"
    assert house.post(stranger, approve) == (404, "not_found")
    assert house.post(house.member, approve) == (403, "permission_denied")
    crossed = client.post(f"{PATH}/{other.id}/{approve}", headers=stranger.headers)
    assert outcome(crossed) == (404, "not_found")
    listed = client.get(f"{house.path}/membership-requests", headers=stranger.headers)
    assert outcome(listed) == (404, "not_found")


def decide(client: FlaskClient, staff: Person, request_id: str, act: str) -> tuple[int, str | None]:
    return outcome(client.post(f"/api/v1/membership-requests/{request_id}/{act}", headers=staff.headers))


def test_county_staff_appoint_an_owner_where_there_is_none(client: FlaskClient, world: World) -> None:
    enterprise, guest, staff = world.enterprise(), world.person(), world.staff()
    asked = ask(client, guest, enterprise).json["id"]
    elsewhere = world.staff(division="js.xz.peixian")
    assert decide(client, elsewhere, asked, "approve") == (404, "not_found")
    assert decide(client, guest, asked, "approve") == (403, "permission_denied")
    listed = client.get("/api/v1/membership-requests?limit=200", headers=staff.headers).json["items"]
    assert [item["has_owner"] for item in listed if item["id"] == asked] == [False]
    assert asked not in {
        item["id"]
        for item in client.get("/api/v1/membership-requests", headers=elsewhere.headers).json["items"]
    }
    assert decide(client, staff, asked, "approve") == (204, None)
    members = client.get(f"{PATH}/{enterprise.id}/members", headers=guest.headers).json
    assert [(member["user_id"], member["role"]) for member in members] == [(str(guest.id), "owner")]


def test_county_staff_leave_requests_to_an_owner(client: FlaskClient, house: House) -> None:
    asked = ask(client, house.world.person(), house.enterprise).json["id"]
    staff = house.world.staff()
    for act in ("approve", "refuse"):
        assert decide(client, staff, asked, act) == (409, "enterprise_has_owner")
    assert house.post(house.owner, f"membership-requests/{asked}/approve") == (204, None)


def test_county_staff_turn_an_applicant_down(client: FlaskClient, world: World) -> None:
    guest, staff = world.person(), world.staff()
    asked = ask(client, guest, world.enterprise()).json["id"]
    assert decide(client, staff, asked, "refuse") == (204, None)
    assert decide(client, staff, asked, "approve") == (409, "illegal_move")
    assert told(world, guest) == ["membership.refused"]


def test_a_member_left_behind_may_become_owner(client: FlaskClient, world: World) -> None:
    enterprise = world.enterprise()
    member = world.member(enterprise)
    asked = ask(client, member, enterprise).json["id"]
    assert decide(client, world.staff(), asked, "approve") == (204, None)
    grants = client.get("/api/v1/people/me", headers=member.headers).json["grants"]
    assert [grant["role"] for grant in grants] == ["owner"]


def test_two_appoint_different_owners_at_once(app: Flask, client: FlaskClient, world: World) -> None:
    for _ in range(3):
        enterprise, staff = world.enterprise(), [world.staff(), world.staff("city_staff", "js.xz")]
        asked = [ask(client, world.person(), enterprise).json["id"] for _ in staff]
        acts = [
            lambda who=who, id_=id_: decide(app.test_client(), who, id_, "approve")
            for who, id_ in zip(staff, asked, strict=True)
        ]
        assert sorted(at_once(*acts)) == [(204, None), (409, "enterprise_has_owner")]


def test_a_closing_account_is_not_admitted(client: FlaskClient, house: House) -> None:
    guest = house.world.person()
    asked = ask(client, guest, house.enterprise).json["id"]
    client.post("/api/v1/people/me/closure", headers=guest.headers)
    answered = house.post(house.owner, f"membership-requests/{asked}/approve")
    assert answered == (409, "applicant_gone") and guest.id not in house.roles()


# Members


def test_members_are_masked(client: FlaskClient, house: House) -> None:
    listed = client.get(f"{house.path}/members", headers=house.member.headers).json
    assert [(item["role"], item["name"]) for item in listed] == [("owner", "张*强"), ("member", "王*明")]
    assert all("****" in item["phone"] for item in listed)
    for person, status in (
        (house.world.staff(), 200),
        (house.world.staff(division="js.xz.peixian"), 404),
        (house.world.person(), 404),
        (house.world.member(house.world.enterprise()), 404),
    ):
        assert client.get(f"{house.path}/members", headers=person.headers).status_code == status


def test_the_owner_removes_a_member(client: FlaskClient, house: House) -> None:
    def remove(who: Person, whom: UUID) -> tuple[int, str | None]:
        return outcome(client.delete(f"{house.path}/members/{whom}", headers=who.headers))

    assert remove(house.member, house.owner.id) == (403, "permission_denied")
    assert remove(house.owner, house.owner.id) == (409, "last_owner")
    assert remove(house.owner, uuid4()) == (409, "not_a_member")
    assert remove(house.owner, house.member.id) == (204, None)
    assert remove(house.owner, house.member.id) == (409, "not_a_member")
    assert house.roles() == {house.owner.id: "owner"}
    assert client.get(house.path, headers=house.member.headers).status_code == 404
    assert told(house.world, house.member) == ["membership.removed"]


def test_a_member_leaves_but_the_owner_stays(house: House) -> None:
    assert house.post(house.owner, "leave") == (409, "last_owner")
    assert house.post(house.member, "leave") == (204, None)
    assert house.post(house.member, "leave") == (403, "permission_denied")
    assert house.roles() == {house.owner.id: "owner"}
    assert told(house.world, house.owner) == ["membership.left"]


def test_the_owner_hands_over(client: FlaskClient, house: House) -> None:
    lapsed = house.invite()
    assert house.post(house.owner, "transfer", user_id=str(house.member.id)) == (204, None)
    assert house.roles() == {house.owner.id: "member", house.member.id: "owner"}
    assert house.post(house.owner, "invitations") == (403, "permission_denied")
    assert house.post(house.member, "invitations") == (201, None)
    assert join(client, house.world.person(), lapsed) == (410, "invitation_invalid")
    assert told(house.world, house.member) == ["membership.owner"]
    assert house.post(house.owner, "leave") == (204, None)


def test_only_a_member_in_good_standing_takes_over(client: FlaskClient, house: House) -> None:
    def transfer(to: UUID | str) -> tuple[int, str | None]:
        return house.post(house.owner, "transfer", user_id=str(to))

    assert transfer(house.world.person().id) == (409, "not_a_member")
    assert transfer(house.owner.id) == (422, "validation_failed")
    assert transfer("nobody") == (422, "validation_failed")
    with house.world.session() as session:
        session.execute(update(User).where(User.id == house.member.id).values(state=UserState.closing))
    assert transfer(house.member.id) == (409, "not_a_member")
    assert house.roles()[house.owner.id] == "owner"


def test_two_transfers_at_once_leave_one_owner(app: Flask, house: House) -> None:
    members = [house.member, house.world.member(house.enterprise)]

    def transfer(to: Person) -> tuple[int, str | None]:
        body = {"user_id": str(to.id)}
        path = f"{house.path}/transfer"
        return outcome(app.test_client().post(path, json=body, headers=house.owner.headers))

    answers = at_once(*(lambda to=to: transfer(to) for to in members))
    assert sorted(answers) == [(204, None), (403, "permission_denied")]
    assert sorted(house.roles().values()) == ["member", "member", "owner"]


def test_leaving_while_taking_over(app: Flask, house: House) -> None:
    """Whatever comes first, the enterprise keeps exactly one owner."""

    def transfer() -> tuple[int, str | None]:
        body = {"user_id": str(house.member.id)}
        path = f"{house.path}/transfer"
        return outcome(app.test_client().post(path, json=body, headers=house.owner.headers))

    def leave() -> tuple[int, str | None]:
        return outcome(app.test_client().post(f"{house.path}/leave", headers=house.member.headers))

    answers = at_once(transfer, leave)
    assert answers in (
        [(204, None), (409, "last_owner")],
        [(409, "not_a_member"), (204, None)],
    )
    assert list(house.roles().values()).count("owner") == 1


def test_a_request_keeps_its_division(client: FlaskClient, world: World) -> None:
    enterprise = world.enterprise(division_id="js.xz.peixian")
    asked = ask(client, world.person(), enterprise).json["id"]
    with world.session() as session:
        assert session.get(MembershipRequest, UUID(asked)).division_id == "js.xz.peixian"
