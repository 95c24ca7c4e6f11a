"""Certificates that enterprises hold: over the API, at a desk, through a merge, and against each other."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.access import Actor, Grant
from app.services import enterprises, held_certificates
from models.audit import AuditEvent
from models.base import now, set_clock
from models.enterprises import Enterprise, EnterpriseState
from models.held_certificates import HeldCertificate, HeldCertificateState
from tests.builders import Person, World
from tests.campaign_builders import held
from tests.console_client import Desk, desk, text_of
from tests.races import at_once
from tests.statements import queries
from tests.test_console_enterprises import Branch, cells
from tests.test_enterprise_merges import Twins, twins

__all__ = ["twins"]

PATH = "/api/v1/enterprises"


@pytest.fixture
def owner(world: World) -> Person:
    return world.person()


@pytest.fixture
def enterprise(world: World, owner: Person) -> Enterprise:
    return world.enterprise(owner=owner)


def day(offset: int) -> str:
    return (now().date() + timedelta(days=offset)).isoformat()


def body(**changes: Any) -> dict[str, Any]:
    """A certificate that is right in everything that the test does not name."""
    return {
        "scheme": "qms",
        "agency_name": "某某认证有限公司",
        "number": "00124Q30001R0S/3200",
        "issued_on": day(-100),
        "valid_until": day(995),
        **changes,
    }


def add(client: FlaskClient, person: Person, enterprise: Enterprise, **changes: Any) -> Any:
    path = f"{PATH}/{enterprise.id}/held-certificates"
    return client.post(path, json=body(**changes), headers=person.headers)


def stored(world: World, enterprise_id: UUID) -> list[HeldCertificate]:
    with world.session() as session:
        of = select(HeldCertificate).where(HeldCertificate.enterprise_id == enterprise_id)
        return list(session.execute(of.order_by(HeldCertificate.number)).scalars())


def noted(world: World, enterprise: Enterprise) -> list[tuple[str, dict[str, Any]]]:
    with world.session() as session:
        of = AuditEvent.subject_id == str(enterprise.id)
        rows = session.execute(
            select(AuditEvent.verb, AuditEvent.detail).where(of).order_by(AuditEvent.id)
        ).all()
    return [(verb.removeprefix("enterprise.held_certificate_"), detail) for verb, detail in rows]


# The enterprise's own


def test_an_enterprise_keeps_its_own(
    client: FlaskClient, world: World, owner: Person, enterprise: Enterprise
) -> None:
    made = add(client, owner, enterprise, number=" 00124q30001r0s／3200 ", next_surveillance_on=day(200))
    assert made.status_code == 201, made.json
    assert made.json["number"] == "00124Q30001R0S/3200" and made.json["state"] == "valid"
    path = f"{PATH}/{enterprise.id}/held-certificates"
    listed = client.get(path, headers=owner.headers).json
    assert listed == {"items": [made.json], "next": None}
    one = f"{path}/{made.json['id']}"
    changed = client.patch(one, json={"state": "suspended"}, headers=owner.headers).json
    assert changed == made.json | {"state": "suspended"}
    assert client.patch(one, json={"state": "suspended"}, headers=owner.headers).status_code == 200
    assert client.delete(one, headers=owner.headers).status_code == 204
    assert client.delete(one, headers=owner.headers).status_code == 404
    number = {"number": "00124Q30001R0S/3200"}
    assert noted(world, enterprise) == [
        ("added", number),
        ("changed", number | {"fields": ["state"]}),
        ("removed", number),
    ]


def test_pages_hold_the_latest_first(client: FlaskClient, owner: Person, enterprise: Enterprise) -> None:
    made = [add(client, owner, enterprise, number=f"NO-{number}").json["id"] for number in range(3)]
    path = f"{PATH}/{enterprise.id}/held-certificates"
    first = client.get(f"{path}?limit=2", headers=owner.headers).json
    last = client.get(f"{path}?limit=2&cursor={first['next']}", headers=owner.headers).json
    assert [one["id"] for one in (*first["items"], *last["items"])] == made[::-1] and last["next"] is None


def test_the_day_says_that_one_is_over(client: FlaskClient, owner: Person, enterprise: Enterprise) -> None:
    add(client, owner, enterprise, number="A", valid_until=day(1))
    add(client, owner, enterprise, number="B", valid_until=day(1), state="revoked")

    def states() -> dict[str, str]:
        listed = client.get(f"{PATH}/{enterprise.id}/held-certificates", headers=owner.headers).json
        return {one["number"]: one["state"] for one in listed["items"]}

    tomorrow = (now() + timedelta(days=1)).replace(hour=23, minute=59)
    set_clock(lambda: tomorrow)
    assert states() == {"A": "valid", "B": "revoked"}
    set_clock(lambda: tomorrow + timedelta(minutes=1))
    assert states() == {"A": "expired", "B": "revoked"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scheme": "iso"}, "scheme"),
        ({"number": "㎜" * 40}, "number"),
        ({"issued_on": "1999-12-31"}, "issued_on"),
        ({"issued_on": day(1)}, "issued_on"),
        ({"valid_until": day(-101)}, "valid_until"),
        ({"next_surveillance_on": day(996)}, "next_surveillance_on"),
        ({"next_surveillance_on": day(-101)}, "next_surveillance_on"),
        ({"state": "expired"}, "state"),
        ({"state": "over"}, "state"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    client: FlaskClient, owner: Person, enterprise: Enterprise, changes: dict[str, Any], field: str
) -> None:
    answer = add(client, owner, enterprise, **changes)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert set(answer.json["fields"]) == {field}
    assert client.get(f"{PATH}/{enterprise.id}/held-certificates", headers=owner.headers).json["items"] == []


def test_a_change_is_judged_with_what_stands(
    client: FlaskClient, owner: Person, enterprise: Enterprise
) -> None:
    made = add(client, owner, enterprise).json
    add(client, owner, enterprise, number="OTHER")
    path = f"{PATH}/{enterprise.id}/held-certificates/{made['id']}"
    before_issued = client.patch(path, json={"valid_until": day(-101)}, headers=owner.headers)
    assert before_issued.json["fields"] == {"valid_until": ["不能早于发证日期"]}
    taken = client.patch(path, json={"number": "other"}, headers=owner.headers)
    assert (taken.status_code, taken.json["code"]) == (409, "held_certificate_exists")


def test_the_same_number_is_another_enterprises_too(
    client: FlaskClient, world: World, owner: Person, enterprise: Enterprise
) -> None:
    assert add(client, owner, enterprise).status_code == 201
    again = add(client, owner, enterprise, scheme="ems")
    assert (again.status_code, again.json["code"]) == (409, "held_certificate_exists")
    assert again.json["fields"] == {"number": ["该企业已登记这张证书"]}
    other = world.person()
    assert add(client, other, world.enterprise(owner=other)).status_code == 201


@pytest.mark.parametrize("state", [EnterpriseState.refused, EnterpriseState.merged])
def test_an_enterprise_that_does_nothing_writes_nothing_down(
    client: FlaskClient, world: World, owner: Person, enterprise: Enterprise, state: EnterpriseState
) -> None:
    into = enterprise.id if state == EnterpriseState.merged else None
    gone = world.enterprise(owner=owner, state=state, merged_into=into)
    answer = add(client, owner, gone)
    assert (answer.status_code, answer.json["code"]) == (409, "enterprise_not_eligible")


def test_one_of_another_enterprise_is_not_found_under_ones_own(
    client: FlaskClient, world: World, owner: Person, enterprise: Enterprise
) -> None:
    staff, other = world.staff(), world.enterprise()
    made = add(client, staff, other).json["id"]
    for person in (owner, staff):
        path = f"{PATH}/{enterprise.id}/held-certificates/{made}"
        assert client.patch(path, json={"state": "revoked"}, headers=person.headers).status_code == 404
        assert client.delete(path, headers=person.headers).status_code == 404
    assert stored(world, other.id)[0].state == HeldCertificateState.valid


# At a desk


@pytest.fixture
def clerk(world: World) -> Desk:
    return desk(world, "county_staff")


def test_staff_write_down_correct_and_take_out(clerk: Desk, world: World, enterprise: Enterprise) -> None:
    page = f"/console/enterprises/{enterprise.id}"
    assert "还没有登记认证证书" in text_of(clerk.get(page))
    new = f"{page}/held-certificates/new"
    wrong = clerk.post(new, **body(valid_until="2020-01-01"))
    assert wrong.status_code == 422
    assert "不能早于发证日期" in text_of(wrong) and "00124Q30001R0S/3200" in wrong.get_data(as_text=True)
    answer = clerk.follow(clerk.post(new, **body(next_surveillance_on="")))
    said = text_of(answer)
    assert "认证证书 00124Q30001R0S/3200 已登记" in said
    assert "质量管理体系认证" in said and "某某认证有限公司" in said and "有效" in said
    again = clerk.post(new, **body())
    assert again.status_code == 409 and "该企业已登记这张证书" in text_of(again)

    [made] = stored(world, enterprise.id)
    one = f"{page}/held-certificates/{made.id}"
    assert 'value="00124Q30001R0S/3200"' in clerk.get(one).get_data(as_text=True)
    said = text_of(clerk.follow(clerk.post(one, **body(state="suspended"))))
    assert "已保存" in said and "暂停" in said
    assert "修改认证证书" in said and "证书编号 00124Q30001R0S/3200；涉及：状态" in said
    said = text_of(clerk.follow(clerk.post(f"{one}/remove")))
    assert "认证证书已删除" in said and "还没有登记认证证书" in said and "删除认证证书" in said


def test_a_branch_looks_and_does_not_write(world: World, enterprise: Enterprise) -> None:
    with world.session() as session:
        session.add(held(enterprise, number="LOOK-1"))
    branch = desk(world, "branch_staff")
    page = branch.get(f"/console/enterprises/{enterprise.id}").get_data(as_text=True)
    assert "LOOK-1" in page and "held-certificates/" not in page
    new = f"/console/enterprises/{enterprise.id}/held-certificates/new"
    assert branch.get(new).status_code == 403


def test_the_page_takes_as_many_statements_for_many(app: Flask, clerk: Desk, world: World) -> None:
    def count(many: int) -> int:
        one = world.enterprise()
        with world.session() as session:
            session.add_all(held(one) for _ in range(many))
        clerk.get(f"/console/enterprises/{one.id}")
        with queries(app) as seen:
            assert clerk.get(f"/console/enterprises/{one.id}").status_code == 200
            return len(seen)

    assert count(1) == count(30)


def test_the_register_finds_who_must_renew(world: World) -> None:
    branch = Branch(world)
    wanted = {"甲厂": [(30, "valid")], "乙厂": [(31, "valid"), (400, "valid")], "丙厂": [(10, "revoked")]}
    for name, ends in wanted.items():
        one = branch.enterprise(name)
        with world.session() as session:
            for offset, state in ends:
                until = date.fromisoformat(day(offset))
                session.add(held(one, valid_until=until, state=HeldCertificateState[state]))
    rows = cells(branch.desk.get("/console/enterprises", sort="name"))
    shown = {row[0]: tuple(row[-3:-1]) for row in rows}
    assert shown == {"甲厂": ("1", day(30)), "乙厂": ("2", day(31)), "丙厂": ("0", "—")}
    found = cells(branch.desk.get("/console/enterprises", expiring="30"))
    assert [row[0] for row in found] == ["甲厂"]
    for wrong in ("0", "1096", "三十"):
        page = text_of(branch.desk.get("/console/enterprises", expiring=wrong))
        assert "请填写 1–1095 的天数" in page and "共 3 条" in page


# What happens to the enterprise


def test_a_merge_takes_them_over_once(twins: Twins) -> None:
    with twins.world.session() as session:
        session.add_all(
            [held(twins.keep, number="SAME", agency_name="保留的"), held(twins.drop, number="SAME")]
        )
        session.add(held(twins.drop, number="ONLY"))
    with twins.world.session() as session:
        elsewhere = {"division_id": "js.xz.peixian"}
        session.execute(update(Enterprise).where(Enterprise.id == twins.drop.id).values(**elsewhere))
    assert [one.division_id for one in stored(twins.world, twins.drop.id)] == ["js.xz.peixian"] * 2
    city = Actor(twins.clerk.user_id, (Grant("city_staff", "division", "js.xz"),))
    twins.clerk = city
    seen = desk(twins.world, "city_staff", "js.xz").get(
        f"/console/enterprises/{twins.keep.id}/merge/{twins.drop.id}"
    )
    assert "2 张认证证书转入" in text_of(seen)
    assert "有 1 张认证证书两家都登记了，以保留企业登记的为准" in text_of(seen)
    twins.merge()
    kept = stored(twins.world, twins.keep.id)
    assert [(one.number, one.division_id) for one in kept] == [
        ("ONLY", "js.xz.fengxian"),
        ("SAME", "js.xz.fengxian"),
    ]
    assert kept[1].agency_name == "保留的" and stored(twins.world, twins.drop.id) == []
    page = text_of(desk(twins.world, "county_staff").get(f"/console/enterprises/{twins.keep.id}"))
    assert "认证证书 1" in page


# At the same moment


def test_of_two_with_one_number_one_is_written(app: Flask, world: World, enterprise: Enterprise) -> None:
    clerk = world.staff()

    def once() -> int:
        return int(add(app.test_client(), clerk, enterprise).status_code)

    assert sorted(at_once(once, once)) == [201, 409]
    assert len(stored(world, enterprise.id)) == 1


class Moving:
    """A certificate is written down while the enterprise is moved to another division."""

    def __init__(self, app: Flask, world: World, monkeypatch: pytest.MonkeyPatch, *, guarded: bool) -> None:
        self.app, self.world, self.enterprise = app, world, world.enterprise()
        self.read, self.moved, self.errors = threading.Event(), threading.Event(), list[Exception]()
        find = enterprises.find

        def slowly(enterprise_id: UUID, *, lock: bool = False) -> Enterprise:
            found = find(enterprise_id, lock=lock and guarded)
            self.read.set()
            # With the row held, the move waits for us: there is nothing to wait for.
            self.moved.wait(0.5 if guarded else 10)
            return found

        monkeypatch.setattr(held_certificates.enterprises, "find", slowly)

    def run(self) -> None:
        writer, mover = threading.Thread(target=self._add), threading.Thread(target=self._move)
        writer.start()
        assert self.read.wait(10)
        mover.start()
        writer.join(20)
        mover.join(20)

    def _add(self) -> None:
        staff = Actor(UUID(int=1), (Grant("county_staff", "division", "js.xz.fengxian"),))
        values = {
            **body(),
            "issued_on": date.fromisoformat(day(-100)),
            "valid_until": date.fromisoformat(day(900)),
            "next_surveillance_on": None,
            "state": HeldCertificateState.valid,
        }
        with self.app.app_context():
            try:
                held_certificates.add(staff, self.enterprise.id, values)
            except IntegrityError as error:
                self.errors.append(error)

    def _move(self) -> None:
        with self.world.session() as session:
            there = update(Enterprise).where(Enterprise.id == self.enterprise.id)
            session.execute(there.values(division_id="js.xz.peixian"))
        self.moved.set()


def test_without_the_row_held_a_certificate_is_lost_to_a_move(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = Moving(app, world, monkeypatch, guarded=False)
    moving.run()
    assert len(moving.errors) == 1 and stored(world, moving.enterprise.id) == []


def test_with_it_the_certificate_goes_along(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = Moving(app, world, monkeypatch, guarded=True)
    moving.run()
    assert not moving.errors
    assert [one.division_id for one in stored(world, moving.enterprise.id)] == ["js.xz.peixian"]
