"""The auditor's page: who did what, found by time, person, verb, division and subject, and taken out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import audit
from app.access import APART, DESK, Actor, Grant
from app.transactions import begin
from app.verbs import VERBS
from models.audit import AuditEvent
from models.base import new_id, now
from tests.builders import Person, World
from tests.console_client import Desk, desk, text_of
from tests.sign_ins import browser, give_password
from tests.staff_builders import fresh_account


@pytest.fixture
def auditor(world: World) -> Desk:
    """The auditor of the whole city."""
    return desk(world, "auditor", "js.xz")


def act(world: World, by: Person | None, verb: str, division: str | None = None, **detail: Any) -> str:
    """Something was done; gives what it was done to."""
    subject = str(new_id())
    actor = Actor(by.id if by else None, (Grant("county_staff", "division", "js.xz.fengxian"),) if by else ())
    with world.app.app_context(), begin(actor):
        audit.record(actor, verb, ("enterprises", subject), division=division, **detail)
    return subject


def test_an_auditor_reads_who_did_what(world: World, auditor: Desk) -> None:
    clerk = desk(world, "county_staff", name="赵登记")
    subject = act(world, clerk.person, "enterprise.returned", reason="材料不全")
    page = text_of(auditor.get("/console/audit", subject=subject))
    for told in ("赵登记（u", "退回完善企业登记", "企业", subject, "丰县", "原因：材料不全"):
        assert told in page


def test_people_outside_the_bureau_are_masked(world: World, auditor: Desk) -> None:
    subject = act(world, world.person(name="欧阳小明"), "enterprise.registered")
    page = text_of(auditor.get("/console/audit", subject=subject))
    assert "欧**明（小程序用户）" in page and "欧阳小明" not in page


def test_what_belongs_to_no_division_is_the_citys(world: World, auditor: Desk) -> None:
    subject = act(world, None, "keys.rotated")
    assert "更换数据密钥 企业" in text_of(auditor.get("/console/audit", subject=subject))
    county = desk(world, "auditor", "js.xz.fengxian")
    assert subject not in text_of(county.get("/console/audit", subject=subject)).split("共 ")[1]


def test_an_auditor_reads_what_is_of_the_own_divisions(world: World) -> None:
    here, there = (
        act(world, None, "enterprise.approved", f"js.xz.{name}") for name in ("fengxian", "peixian")
    )
    county = desk(world, "auditor", "js.xz.fengxian")
    assert "审核通过企业登记 企业" in text_of(county.get("/console/audit", subject=here))
    assert "没有符合条件的记录" in text_of(county.get("/console/audit", subject=there))


@pytest.mark.parametrize("role", sorted((DESK | APART) - {"auditor"}))
def test_nobody_else_reads_it(world: World, role: str) -> None:
    scope = str(new_id()) if role in ("agency_staff", "bank_officer") else "js.xz"
    somebody = desk(world, role, scope)
    assert somebody.get("/console/audit").status_code == 403
    assert somebody.post("/console/exports/audit.trail").status_code == 403


def test_an_auditor_does_no_business(world: World, auditor: Desk) -> None:
    for path in ("/console/enterprises", "/console/accounts", "/console/trainings"):
        assert auditor.get(path).status_code == 403, path


def test_it_is_found_by_what_one_knows(world: World, auditor: Desk) -> None:
    clerk = desk(world, "county_staff", name="钱好找")
    subject = act(world, clerk.person, "enterprise.refused")
    with world.session() as session:
        login_name = session.execute(
            select(AuditEvent.user_id).where(AuditEvent.subject_id == subject)
        ).scalar_one()
    assert login_name == clerk.person.id
    today, tomorrow = f"{now():%Y-%m-%d}", f"{now() + timedelta(days=1):%Y-%m-%d}"
    yesterday = f"{now() - timedelta(days=1):%Y-%m-%d}"
    for asked, found in (
        ({"who": "好找"}, True),
        ({"who": "李找不到"}, False),
        ({"verb": "enterprise.refused"}, True),
        ({"verb": "enterprise.approved"}, False),
        ({"division": "js.xz.fengxian"}, True),
        ({"division": "js.xz.peixian"}, False),
        ({"since": yesterday}, True),
        ({"since": tomorrow}, False),
        ({"until": today}, True),
        ({"until": yesterday}, False),
    ):
        page = text_of(auditor.get("/console/audit", subject=subject, **asked))
        assert ("没有符合条件的记录" not in page) == found, asked


def test_what_cannot_be_understood_is_said(auditor: Desk) -> None:
    page = text_of(auditor.get("/console/audit", verb="nonsense", since="yesterday"))
    assert "日期不正确" in page


def test_every_verb_is_offered(auditor: Desk) -> None:
    page = auditor.get("/console/audit").get_data(as_text=True)
    assert all(f'value="{verb}"' in page for verb in VERBS)


def test_it_is_taken_out_and_that_is_audited(app: Flask, world: World, auditor: Desk) -> None:
    answer = auditor.post("/console/exports/audit.trail", subject="x")
    assert answer.status_code == 303
    with world.session() as session:
        verbs = select(AuditEvent.verb).where(AuditEvent.user_id == auditor.person.id)
        assert "transfer.started" in session.execute(verbs).scalars().all()


def test_what_it_is_about_is_called_by_its_name(world: World, auditor: Desk) -> None:
    account = fresh_account(world)
    page = text_of(auditor.get("/console/audit", verb="staff.created", size=200))
    assert f"工作人员账号 {account.login_name}" in page and "角色：县局经办；范围：丰县" in page
    at = browser(world.app)
    give_password(at, account, "wrong")
    page = text_of(auditor.get("/console/audit", verb="staff.proof_failed", size=200))
    assert "未登录 密码、动态口令或恢复码错误" in page and "缘由：密码错误；连续失败次数：1" in page
