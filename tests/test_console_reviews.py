"""The review of enterprises in the console, requests to join, and merging duplicates."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from models.enterprises import Enterprise, EnterpriseState, MembershipRequest, MembershipState
from models.messages import Notice
from models.people import RoleGrant
from tests.builders import Person, World
from tests.console_client import desk, text_of
from tests.test_console_enterprises import LIST, Branch, cells

QUEUE = "/console/reviews"
REGISTERED = EnterpriseState.registered


@pytest.fixture
def branch(app: Flask, world: World) -> Branch:
    """A desk of a new division."""
    return Branch(world)


def now(world: World, enterprise: Enterprise) -> Enterprise:
    with world.session() as session:
        found = session.get(Enterprise, enterprise.id)
        assert found is not None
        return found  # type: ignore[no-any-return]


def told(world: World, person: Person) -> list[str]:
    with world.session() as session:
        bodies = select(Notice.body).where(Notice.user_id == person.id).order_by(Notice.id)
        return list(session.execute(bodies).scalars())


# The review


def test_one_after_the_other_first_come_first(branch: Branch) -> None:
    owner = branch.world.person()
    first, second, third = (branch.enterprise(name, state=REGISTERED) for name in ("丙厂", "甲厂", "乙厂"))
    with branch.world.session() as session:
        scope = {"scope_type": "enterprise", "scope_id": str(first.id)}
        session.add(RoleGrant(user_id=owner.id, role="owner", **scope))
    assert [row[1] for row in cells(branch.desk.get(QUEUE))] == ["丙厂", "甲厂", "乙厂"]
    page = text_of(branch.desk.get(f"{QUEUE}/{first.id}"))
    assert "还有 3 家待审核" in page and "不予通过" in page
    response = branch.desk.post(f"{QUEUE}/{first.id}", decision="approve", reason="")
    assert response.headers["Location"].endswith(f"{QUEUE}/{second.id}")
    assert "“丙厂”已审核。已转到下一家。" in text_of(branch.desk.follow(response))
    assert told(branch.world, owner) == ["“丙厂”已通过审核，可以报名培训。"]
    # One may be left for later, and comes again.
    response = branch.desk.get(f"{QUEUE}/{second.id}/next")
    assert response.headers["Location"].endswith(f"{QUEUE}/{third.id}")
    response = branch.desk.post(f"{QUEUE}/{third.id}", decision="return", reason="请补充地址")
    assert response.headers["Location"].endswith(f"{QUEUE}/{second.id}")
    response = branch.desk.post(f"{QUEUE}/{second.id}", decision="refuse", reason="不在本辖区")
    page = text_of(branch.desk.follow(response))
    assert "待审核的企业已全部处理完毕" in page and "没有待审核的企业" in page
    states = [now(branch.world, one).state for one in (first, second, third)]
    assert states == [EnterpriseState.reviewed, EnterpriseState.refused, EnterpriseState.returned]
    page = text_of(branch.desk.get(f"{LIST}/{third.id}"))
    assert "退回完善。原因：请补充地址" in page and "赵经办（凤城分局 · 县局经办）" in page


@pytest.mark.parametrize("decision", ["return", "refuse"])
def test_a_reason_is_asked_for_at_its_field(branch: Branch, decision: str) -> None:
    enterprise = branch.enterprise(state=REGISTERED)
    path = f"{QUEUE}/{enterprise.id}"
    wrong = branch.desk.post(path, decision=decision, reason="  ")
    page = wrong.get_data(as_text=True)
    assert wrong.status_code == 422 and 'aria-describedby="i-reason-hint i-reason-wrong"' in page
    long = branch.desk.post(path, decision=decision, reason="太长" * 300)
    assert long.status_code == 422 and "太长" * 300 in long.get_data(as_text=True)  # what was typed is kept
    assert now(branch.world, enterprise).state == REGISTERED


def test_what_somebody_else_decided_meanwhile_is_told(branch: Branch) -> None:
    enterprise = branch.enterprise(state=EnterpriseState.refused)
    late = branch.desk.post(f"{QUEUE}/{enterprise.id}", decision="approve")
    assert late.status_code == 409 and "当前状态为“不予通过”" in text_of(late)
    assert "已经处理完毕" in text_of(branch.desk.get(f"{QUEUE}/{enterprise.id}"))


def test_a_reviewed_one_may_be_returned_from_its_page(branch: Branch) -> None:
    enterprise = branch.enterprise()
    assert f"{QUEUE}/{enterprise.id}" in branch.desk.get(f"{LIST}/{enterprise.id}").get_data(as_text=True)
    page = text_of(branch.desk.get(f"{QUEUE}/{enterprise.id}"))
    assert "退回完善 ：" in page and "不予通过 ：" not in page
    response = branch.desk.post(f"{QUEUE}/{enterprise.id}", decision="return", reason="地址已变更")
    assert response.headers["Location"].endswith(f"{LIST}/{enterprise.id}")


def test_several_are_approved_at_once_and_each_is_answered(branch: Branch) -> None:
    good = [branch.enterprise(f"好厂{number}", state=REGISTERED) for number in range(3)]
    path = f"{QUEUE}/approve"
    assert branch.desk.post(path, chosen=[str(one.id) for one in good[:2]]).status_code == 303
    done = branch.enterprise("已审厂")
    elsewhere = branch.world.enterprise(division_id="js.xz.peixian", state=REGISTERED)
    page = branch.desk.post(path, chosen=[str(one.id) for one in (good[2], done, elsewhere)])
    assert cells(page) == [
        ["好厂2", "✓ 已通过", "—"],
        ["已审厂", "✗ 未通过", "当前状态为“已审核”"],
        ["—", "✗ 未通过", "没有找到，或您无权查看"],
    ]
    assert "已通过 1 家，有 2 家未能通过" in text_of(page)
    assert now(branch.world, elsewhere).state == REGISTERED
    assert "请先勾选要通过的企业" in text_of(branch.desk.follow(branch.desk.post(path)))


# Requests to join


def ask(branch: Branch, enterprise: Enterprise) -> tuple[MembershipRequest, Person]:
    person = branch.world.person(name="孙晓敏")
    with branch.world.session() as session:
        facts = {"enterprise_id": enterprise.id, "division_id": enterprise.division_id}
        made = MembershipRequest(user_id=person.id, note="我是质量负责人", **facts)
        session.add(made)
        session.flush()
    return made, person


def test_staff_appoint_an_owner_where_there_is_none(branch: Branch) -> None:
    path = "/console/membership-requests"
    assert "没有待处理的加入申请" in text_of(branch.desk.get(path))
    enterprise = branch.enterprise("甲厂")
    owned = branch.enterprise("乙厂", owner=branch.world.person())
    (first, person), (second, _), (third, _) = (
        ask(branch, enterprise),
        ask(branch, enterprise),
        ask(branch, owned),
    )
    page = branch.desk.get(path)
    assert [(row[0], row[3], row[6]) for row in cells(page)] == [
        ("甲厂", "孙*敏", "县（市）区局"),
        ("甲厂", "孙*敏", "县（市）区局"),
        ("乙厂", "孙*敏", "企业负责人"),
    ]
    text = page.get_data(as_text=True)
    assert f"{first.id}/appoint" in text and f"{third.id}/appoint" not in text
    assert person.phone and person.phone not in text
    # Who asks may be called before it is decided.
    contact = branch.desk.post(f"{LIST}/{enterprise.id}/contacts/{person.id}")
    assert contact.status_code == 200
    appointed = branch.desk.post(f"{path}/{first.id}/appoint")
    assert "申请人成为企业负责人" in text_of(branch.desk.follow(appointed))
    refused = branch.desk.post(f"{path}/{second.id}/turn-down")
    assert "已有负责人" in text_of(branch.desk.follow(refused))
    assert "孙*敏" in text_of(branch.desk.get(f"{LIST}/{enterprise.id}"))
    with branch.world.session() as session:
        assert session.get(MembershipRequest, first.id).state == MembershipState.approved
        assert session.get(MembershipRequest, second.id).state == MembershipState.pending
    assert told(branch.world, person)[0].startswith("您已成为“甲厂”的负责人")


def test_staff_turn_down_and_reach_no_others_requests(branch: Branch) -> None:
    request, person = ask(branch, branch.enterprise("甲厂"))
    other = desk(branch.world, "county_staff", "js.xz.peixian")
    for act in ("appoint", "turn-down"):
        assert other.post(f"/console/membership-requests/{request.id}/{act}").status_code == 403
    branch.desk.post(f"/console/membership-requests/{request.id}/turn-down")
    assert told(branch.world, person) == ["您加入“甲厂”的申请未获同意。"]


# Merging


def test_duplicates_are_merged_after_a_look(branch: Branch) -> None:
    mark = uuid4().hex[:4]
    keep = branch.enterprise(f"丰县{mark}配件有限公司", owner=branch.world.person())
    drop = branch.enterprise(
        f"徐州市{mark}配件有限公司", owner=branch.world.person(), address="华山路 8 号", headcount=99
    )
    page = branch.desk.get(f"{LIST}/{keep.id}")
    assert "可能重复登记" in text_of(page) and f"{LIST}/{keep.id}/merge/{drop.id}" in page.get_data(
        as_text=True
    )
    assert "名称相同" in text_of(branch.desk.get(f"{LIST}/{keep.id}/merge"))
    path = f"{LIST}/{keep.id}/merge/{drop.id}"
    page = branch.desk.get(path)
    said = text_of(page)
    for part in (
        "30 人",
        "99 人",
        "两家各有负责人",
        "合并后不能撤销",
        "1 名成员转入",
        f"确认合并，保留“{keep.name}”",
    ):
        assert part in said, part
    ticked = re.findall(r'name="taken" value="(\w+)" checked', page.get_data(as_text=True))
    assert ticked == ["address"]  # what the kept one does not know is taken by itself
    wrong = branch.desk.post(path, taken=["headcount"], reason="")
    assert wrong.status_code == 422 and 'value="headcount" checked' in wrong.get_data(as_text=True)
    done = branch.desk.post(path, taken=["address", "headcount"], reason="换发执照后重复登记")
    page = text_of(branch.desk.follow(done))
    assert "已并入" in page and "99 人" in page and "华山路 8 号" in page and "并入重复企业" in page
    gone = branch.desk.get(f"{LIST}/{drop.id}")
    assert "已合并" in text_of(gone) and "不再办理任何事项" in text_of(gone)
    assert f'href="{LIST}/{keep.id}"' in gone.get_data(as_text=True)
    again = branch.desk.get(path)
    assert again.status_code == 409 and "已合并" in text_of(again)


def test_the_other_one_is_named_by_its_credit_code(branch: Branch) -> None:
    keep, drop = branch.enterprise("甲厂"), branch.enterprise("木业公司")
    path = f"{LIST}/{keep.id}/merge"
    found = branch.desk.post(path, credit_code=f" {drop.credit_code.lower()} ")
    assert found.headers["Location"].endswith(f"{path}/{drop.id}")
    for code, said in (
        (keep.credit_code, "不能与自身合并"),
        (branch.world.enterprise(division_id="js.xz.peixian").credit_code, "您的辖区内没有"),
        ("", "必填"),
    ):
        wrong = branch.desk.post(path, credit_code=code)
        assert wrong.status_code == 422 and said in text_of(wrong), said
