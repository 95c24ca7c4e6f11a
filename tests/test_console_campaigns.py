"""Campaigns at the console, over HTTP: the four steps, the second person, the progress, and the list."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access import SYSTEM
from app.services import campaign_lists, campaign_progress
from config.settings import settings, use
from models.base import now
from models.campaigns import Campaign, CampaignState
from models.cases import CaseState
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, MessageTemplate
from models.messages import Notice
from models.people import StaffAccount, User
from models.transfers import Transfer, TransferState
from tests import campaign_builders as build
from tests import case_builders as cases
from tests.builders import World
from tests.conftest import test_settings
from tests.console_client import Desk, desk, text_of
from tests.phones import Phones
from tests.statements import queries
from tests.workbook_builders import workbook

HX = {"HX-Request": "true"}
THIRD = {"key": "thing3", "label": "上课地点", "type": "thing", "choices": []}


@pytest.fixture(scope="module")
def app(app_with_platform: Flask) -> Flask:
    """Tests are sent, and jobs run."""
    return app_with_platform


@pytest.fixture
def clerk(world: World) -> Desk:
    return desk(world, "county_staff")


def begun(clerk: Desk, name: str = "补报名提醒") -> str:
    """The address of a new draft."""
    answer = clerk.post("/console/campaigns", name=name)
    assert answer.status_code == 303
    return answer.headers["Location"].removesuffix("/audience")


def upload(clerk: Desk, path: str, *codes: str) -> Any:
    stream = workbook(["统一社会信用代码", "企业名称"], *([code, "某某公司"] for code in codes))
    return clerk.client.post(
        f"{path}/list", data={"file": (stream, "名单.xlsx")}, headers={"X-CSRFToken": clerk.token}
    )


def content(made: Any, **changes: Any) -> dict[str, Any]:
    return {
        "title": "补报名",
        "body": "内审员培训还有名额。\n请尽快报名。",
        "templates.subscribe.template_id": str(made.id),
        **{f"templates.subscribe.fields.{key}": text for key, text in build.TEXTS.items()},
        "first": "subscribe",
        "next_when_refused.there": "1",
        **changes,
    }


def latest(world: World, path: str) -> Campaign:
    with world.session() as session:
        found: Campaign = session.get(Campaign, UUID(path.split("/")[-1]))
        return found


def test_four_steps_lead_from_a_name_to_the_outcomes(
    clerk: Desk, world: World, run_jobs: Callable[[], None]
) -> None:
    made = build.template(world, title=f"培训通知{clerk.person.id}")
    people, enterprises = build.owners(world, 2)
    build.subscribed(world, people[0], made)
    path = begun(clerk)

    answer = upload(clerk, path, *(one.credit_code for one in enterprises))
    assert answer.status_code == 303 and f"{path}/audience?list=" in answer.headers["Location"]
    run_jobs()
    assert "已列入 2 家企业" in text_of(clerk.get(f"{path}/audience"))
    answer = clerk.post(f"{path}/audience", name="补报名提醒（第二次）", by="listed", who="owners")
    assert answer.headers["Location"].endswith("/content")

    answer = clerk.post(f"{path}/content", **content(made))
    assert answer.headers["Location"].endswith("/check")
    page = text_of(clerk.follow(answer))
    assert "2 人" in page and "小程序订阅消息 1 人" in page and "仅小程序站内消息 1 人" in page
    page = text_of(clerk.get(f"{path}/submit"))
    assert "不需要复核" in page and "每人七天内最多收到 3 条群发" in page

    answer = clerk.post(f"{path}/submit")
    assert "到时间即开始发送" in text_of(clerk.follow(answer))
    run_jobs()
    campaign = latest(world, path)
    assert (campaign.state, campaign.recipients) == (CampaignState.running, 2)
    build.dispatched(world)
    part = clerk.client.get(path, headers=HX)
    assert 'hx-trigger="every 2s"' in part.get_data(as_text=True) and "<html" not in part.get_data(
        as_text=True
    )
    build.settle(world, campaign.id, DeliveryState.delivered, people[0])
    with world.app.app_context():
        campaign_progress.finish(SYSTEM)
    assert clerk.client.get(f"{path}?seen=running", headers=HX).headers["HX-Refresh"] == "true"
    page = clerk.get(path)
    assert "hx-trigger" not in page.get_data(as_text=True)
    assert "2 / 2（100%）" in text_of(page) and "1 已送达" in text_of(page) and "1 未能接收" in text_of(page)

    rows = text_of(clerk.get(f"{path}/recipients", state="refused"))
    assert (
        "共 1 条" in rows
        and "未订阅且未关注公众号" in rows
        and "王*明" in rows
        and enterprises[1].name in rows
    )
    exported = clerk.post(
        "/console/exports/campaigns.recipients", campaign=str(campaign.id), state="refused", sort="state"
    )
    assert exported.status_code == 303
    run_jobs()
    assert "共 1 行，已生成" in text_of(clerk.follow(exported))


def test_going_back_loses_nothing(clerk: Desk, world: World) -> None:
    made = build.template(world)
    path = begun(clerk)
    asked = {"by": "conditions", "who": "members", "industries": "C36", "states": ["reviewed"]}
    training = world.training(title="能选的培训")
    clerk.post(
        f"{path}/audience",
        name="甲",
        took_part="not_attended",
        training=str(training.id),
        since="2026-01-01",
        **asked,
    )
    clerk.post(f"{path}/content", **content(made, training=str(training.id)))
    page = clerk.get(f"{path}/audience").get_data(as_text=True)
    assert 'value="members" checked' in page and 'value="C36"' in page and 'value="2026-01-01"' in page
    assert re.search(rf'<option value="{training.id}" selected>', page)
    page = clerk.get(f"{path}/content").get_data(as_text=True)
    assert 'value="补报名"' in page and "内审员培训还有名额。\n请尽快报名。" in page
    assert re.search(rf'<option value="{made.id}" selected>', page) and 'value="内审员培训"' in page
    assert re.search(rf'<option value="{training.id}" selected>', page)


def test_the_count_follows_the_conditions_and_saves_nothing(clerk: Desk, world: World) -> None:
    path = begun(clerk)
    _, [enterprise] = build.owners(world, 1, name="丰县独此一家食品厂", industry_code="C1353")
    fields = {"name": "x", "by": "conditions", "who": "owners", "industries": "C1353"}
    part = clerk.post(f"{path}/audience/count", **fields)
    assert "1 家企业" in text_of(part) and enterprise.name in text_of(part) and "<html" not in part.text
    part = clerk.post(f"{path}/audience/count", **{**fields, "industries": "没有的行业"})
    assert "没有这个行业" in text_of(part)
    assert latest(world, path).audience.get("industries") == []


def test_who_was_assisted_is_picked_and_told(clerk: Desk, world: World) -> None:
    path = begun(clerk)
    _, [helped, done, _] = build.owners(world, 3, industry_code="F5284")
    cases.case(world, CaseState.improvement, enterprise=helped)
    cases.case(world, CaseState.closed, enterprise=done)
    fields = {"name": "x", "by": "conditions", "who": "owners", "industries": "F5284"}
    for assisted, name in (("under_way", helped.name), ("finished", done.name)):
        part = text_of(clerk.post(f"{path}/audience/count", **fields, assisted=assisted))
        assert "1 家企业" in part and name in part
    assert "1 家企业" in text_of(clerk.post(f"{path}/audience/count", **fields, assisted="never"))
    assert clerk.post(f"{path}/audience", **fields, assisted="finished").status_code == 303
    assert '<option value="finished" selected>' in clerk.get(f"{path}/audience").get_data(as_text=True)
    assert "帮扶 帮扶已办结" in text_of(clerk.get(f"{path}/check"))


def test_clusters_and_expiring_certificates_narrow_it_and_are_told(
    app: Flask, clerk: Desk, world: World
) -> None:
    path = begun(clerk)
    _, [wanted, later, _] = build.owners(world, 3, clusters=["343-07"], industry_code="F5271")
    soon = now().date() + timedelta(days=60)
    with world.session() as session:
        session.add_all([build.held(wanted, valid_until=soon), build.held(later)])
    fields = {"name": "x", "by": "conditions", "who": "owners", "industries": "F5271"}
    assert "3 家企业" in text_of(clerk.post(f"{path}/audience/count", **fields))
    fields |= {"clusters": ["343-07", "343-01"]}
    assert "3 家企业" in text_of(clerk.post(f"{path}/audience/count", **fields))
    with queries(app) as plain:
        clerk.post(f"{path}/audience/count", **fields)
    fields |= {"expires_within": "60"}
    with queries(app) as narrowed:
        assert "1 家企业" in text_of(clerk.post(f"{path}/audience/count", **fields))
    assert len(narrowed) == len(plain)
    part = text_of(clerk.post(f"{path}/audience/count", **fields | {"expires_within": "0"}))
    assert "应在 1 与 1095 之间" in part
    assert clerk.post(f"{path}/audience", **fields).status_code == 303
    page = clerk.get(f"{path}/audience").get_data(as_text=True)
    assert 'value="343-07" checked' in page and 'value="343-02" checked' not in page
    assert 'value="60"' in page
    said = text_of(clerk.get(f"{path}/check"))
    assert "产业集群（链） 工程机械、安全应急" in said and "认证证书 有效，60 天内到期" in said
    with world.session() as session:
        session.get(Campaign, UUID(path.split("/")[-1])).state = CampaignState.approving
    said = text_of(clerk.get(path))
    assert "工程机械、安全应急" in said and "有效，60 天内到期" in said


def test_the_phone_shows_what_is_typed_and_where_it_is_cut(clerk: Desk, world: World) -> None:
    path, made = begun(clerk), build.template(world)
    long = {"templates.subscribe.fields.thing1": "质量管理体系内审员培训（第二期）补充报名通知，请尽快报名"}
    page = text_of(clerk.post(f"{path}/content/phone", **content(made, title="新标题", **long)))
    assert "新标题" in page and "…" in page and "已缩短，原文：质量管理体系内审员" in page
    wrong = {"templates.subscribe.fields.time2": "明天下午"}
    assert "24 小时制" in text_of(clerk.post(f"{path}/content/phone", **content(made, **wrong)))
    assert latest(world, path).title == ""


def test_choosing_a_template_shows_its_fields_and_keeps_what_was_typed(clerk: Desk, world: World) -> None:
    path, made = begun(clerk), build.template(world, Channel.template)
    fields = {"title": "写到一半", "templates.template.template_id": str(made.id), "choose": "template"}
    page = clerk.post(f"{path}/content", **fields)
    assert 'name="templates.template.fields.thing1"' in page.text and 'value="写到一半"' in page.text
    assert latest(world, path).channels == []


def test_what_is_missing_is_said_at_the_step_and_at_the_field(clerk: Desk, world: World) -> None:
    path, made = begun(clerk), build.template(world)
    _, enterprises = build.owners(world, 1)
    with world.session() as session:
        row = session.get(Campaign, UUID(path.split("/")[-1]))
        row.audience, row.credit_codes = {"by": "listed"}, [enterprises[0].credit_code]
    answer = clerk.post(
        f"{path}/content", **content(made, title="", **{"templates.subscribe.fields.thing1": ""})
    )
    page = text_of(clerk.follow(answer))
    assert "提交之前还要补充：请填写标题；培训名称：没有填写" in page
    refused = clerk.post(f"{path}/submit")
    assert refused.status_code == 422 and "内容还不完整" in text_of(refused)


def test_the_second_person_approves_or_returns(app: Flask, clerk: Desk, world: World) -> None:
    usual = settings()
    use(test_settings(usual.database_url, usual.redis_url, campaign_approval_above=1))
    try:
        _, enterprises = build.owners(world, 2)
        campaign = build.campaign(world, clerk.person, **build.listed(enterprises))
        path, other = f"/console/campaigns/{campaign.id}", desk(world, "county_staff", name="钱复核")
        assert "须由本辖区另一位工作人员复核" in text_of(clerk.get(f"{path}/submit"))
        clerk.post(f"{path}/submit")
        assert "复核通过" not in text_of(clerk.get(path))
        assert "将发给 2 人（2 家企业）" in text_of(other.get(path))
        other.post(f"{path}/return", reason="标题不清楚")
        assert "退回原因：标题不清楚" in text_of(clerk.get(path))
        clerk.post(f"{path}/submit")
        answer = clerk.post(f"{path}/approve")
        assert "不能复核自己发起的群发" in text_of(clerk.follow(answer))
        assert "已复核通过" in text_of(other.follow(other.post(f"{path}/approve")))
        assert "钱复核" in text_of(clerk.get(path))
    finally:
        use(usual)


def test_it_is_paused_resumed_cancelled_and_retried(clerk: Desk, world: World) -> None:
    made = build.template(world)
    people, enterprises = build.owners(world, 2)
    for one in people:
        build.subscribed(world, one, made)
    values = {"templates": build.by_template(made), **build.listed(enterprises)}
    campaign = build.campaign(world, clerk.person, state=CampaignState.scheduled, recipients=2, **values)
    build.run(world, campaign.id)
    build.dispatched(world)
    path = f"/console/campaigns/{campaign.id}"
    assert "继续" in text_of(clerk.follow(clerk.post(f"{path}/pause")))
    assert "不能改为" in text_of(clerk.follow(clerk.post(f"{path}/pause")))
    assert "暂停" in text_of(clerk.follow(clerk.post(f"{path}/resume")))
    build.settle(world, campaign.id, DeliveryState.failed, people[0], errcode=-1, attempts=5)
    assert "有 1 条因微信繁忙" in text_of(clerk.get(path))
    assert "1 条将重新发送" in text_of(clerk.follow(clerk.post(f"{path}/retry")))
    assert "没有发出的不再发送" in text_of(clerk.follow(clerk.post(f"{path}/cancel", reason="培训延期")))
    assert set(build.states_of(world, campaign.id).values()) == {DeliveryState.cancelled}
    assert "取消原因：培训延期" in text_of(clerk.get(path))


def test_every_count_of_an_inbox_only_campaign_opens_to_its_rows(
    clerk: Desk, world: World, run_jobs: Callable[[], None]
) -> None:
    people, enterprises = build.owners(world, 3)
    values = {"channels": [], **build.listed(enterprises)}
    campaign = build.campaign(world, clerk.person, state=CampaignState.scheduled, **values)
    build.run(world, campaign.id)
    path = f"/console/campaigns/{campaign.id}"
    rows = text_of(clerk.get(f"{path}/recipients", state="pending"))
    assert "共 3 条" in rows and rows.count("等待分派渠道 ") >= 3
    build.dispatched(world)
    with world.session() as session:
        own = (Notice.campaign_id == campaign.id, Notice.user_id == people[0].id)
        session.execute(update(Notice).where(*own).values(read_at=now()))
    page = clerk.get(path).get_data(as_text=True)
    links = dict(re.findall(r'<a href="(/console/campaigns/[^"]+/recipients[^"]*)">(?:<strong>)?(\d+)', page))
    assert sorted(links.values()) == ["1", "3"]
    for url, number in links.items():
        assert f"共 {number} 条" in text_of(clerk.client.get(html.unescape(url)))
    listed = text_of(clerk.get(f"{path}/recipients", read="read"))
    assert f"{enterprises[0].name} 仅站内 — " in listed
    exported = clerk.post("/console/exports/campaigns.recipients", campaign=str(campaign.id), read="unread")
    run_jobs()
    assert "共 2 行，已生成" in text_of(clerk.follow(exported))


def test_recipients_of_another_county_stay_out_of_reach(
    clerk: Desk, world: World, run_jobs: Callable[[], None]
) -> None:
    _, enterprises = build.owners(world, 1)
    campaign = build.campaign(world, clerk.person, state=CampaignState.scheduled, **build.listed(enterprises))
    build.run(world, campaign.id)
    other = desk(world, "county_staff", "js.xz.peixian")
    assert other.get(f"/console/campaigns/{campaign.id}/recipients").status_code == 403
    exported = other.post("/console/exports/campaigns.recipients", campaign=str(campaign.id))
    run_jobs()
    assert "已生成" not in text_of(other.follow(exported))


def test_a_campaign_is_started_before_its_time(
    clerk: Desk, world: World, run_jobs: Callable[[], None]
) -> None:
    _, enterprises = build.owners(world, 1)
    campaign = build.campaign(world, clerk.person, **build.listed(enterprises))
    path = f"/console/campaigns/{campaign.id}"
    assert "立即开始" not in text_of(clerk.get(path))
    clerk.post(f"{path}/submit", scheduled_at=f"{now() + timedelta(days=1):%Y-%m-%dT10:00}")
    run_jobs()
    assert latest(world, path).state == CampaignState.scheduled
    assert "立即开始" in text_of(clerk.get(path))
    assert "马上开始发送" in text_of(clerk.follow(clerk.post(f"{path}/start")))
    run_jobs()
    assert len(build.told(world, campaign.id)) == 1
    assert latest(world, path).state == CampaignState.running
    assert "不能改为" in text_of(clerk.follow(clerk.post(f"{path}/start")))


def test_an_unknown_outcome_is_resolved_from_the_list(clerk: Desk, world: World) -> None:
    made = build.template(world)
    people, enterprises = build.owners(world, 2)
    for one in people:
        build.subscribed(world, one, made)
    values = {"templates": build.by_template(made), **build.listed(enterprises)}
    campaign = build.campaign(world, clerk.person, state=CampaignState.scheduled, **values)
    build.run(world, campaign.id)
    build.dispatched(world)
    build.settle(world, campaign.id, DeliveryState.unknown, *people, attempts=1)
    path = f"/console/campaigns/{campaign.id}/recipients"
    assert text_of(clerk.get(path)).count("再发一次") == 2
    with world.session() as session:
        ids = dict(
            session.execute(
                select(Delivery.user_id, Delivery.id).where(Delivery.campaign_id == campaign.id)
            ).all()
        )
    clerk.post(f"/console/deliveries/{ids[people[0].id]}/resolve", outcome="delivered", back=path)
    clerk.post(f"/console/deliveries/{ids[people[1].id]}/resolve", outcome="again", back=path)
    expected = {people[0].id: "delivered", people[1].id: "waiting"}
    assert build.states_of(world, campaign.id) == expected


def test_a_list_answers_every_row(clerk: Desk, world: World, run_jobs: Callable[[], None]) -> None:
    _, [here] = build.owners(world, 1)
    _, [elsewhere] = build.owners(world, 1, division_id="js.xz.peixian")
    path = begun(clerk)
    code = f"{here.credit_code[:10]} {here.credit_code[10:].lower()}"
    upload(clerk, path, here.credit_code, code, elsewhere.credit_code, "91320321000000000X")
    run_jobs()
    with world.session() as session:
        [made] = session.execute(
            select(Transfer).where(Transfer.user_id == clerk.person.id, Transfer.kind == "campaigns.list")
        ).scalars()
        assert made.summary == {"matched": 1, "repeated": 1, "rejected": 2}, made.error
    page = text_of(clerk.get(f"/console/transfers/{made.id}"))
    assert "1 已列入" in page and "2 未列入" in page and "下载未导入的行" in page
    assert latest(world, path).credit_codes == [here.credit_code]
    assert latest(world, path).audience["by"] == "listed"


@pytest.mark.parametrize("when", ["before its rows are read", "while its rows are read"])
def test_a_list_of_a_draft_that_was_submitted_is_refused_and_changes_nothing(
    clerk: Desk, world: World, run_jobs: Callable[[], None], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    _, [first, second] = build.owners(world, 2)
    campaign = build.campaign(world, clerk.person, **build.listed([first]))
    path = f"/console/campaigns/{campaign.id}"
    upload(clerk, path, first.credit_code, second.credit_code)
    tomorrow = f"{now() + timedelta(days=1):%Y-%m-%dT10:00}"
    if when == "before its rows are read":
        clerk.post(f"{path}/submit", scheduled_at=tomorrow)
    else:
        look_up = campaign_lists._states

        def submitted_meanwhile(*asked: Any) -> Any:
            clerk.post(f"{path}/submit", scheduled_at=tomorrow)
            return look_up(*asked)

        monkeypatch.setattr(campaign_lists, "_states", submitted_meanwhile)
    run_jobs()
    with world.session() as session:
        wanted = select(Transfer).where(Transfer.user_id == clerk.person.id)
        made = session.execute(wanted).scalar_one()
    said = "这次群发现为“等待发送”，只有草稿可以修改"
    assert (made.state, made.error, made.summary) == (TransferState.failed, said, {})
    assert said in text_of(clerk.get(f"/console/transfers/{made.id}"))
    kept = latest(world, path)
    assert (kept.state, kept.recipients, kept.credit_codes) == ("scheduled", 1, [first.credit_code])


def test_a_test_goes_to_the_wechat_of_ones_own_account(clerk: Desk, world: World, platform: Phones) -> None:
    phone, number = platform.phone(), "Zr2dVn8WqLk5TgYc0MbXh7JsPu4EoI9aF1wRx6CtD3Q"
    with world.session() as session:
        known = select(MessageTemplate).where(MessageTemplate.platform_id == number)
        made = session.execute(known).scalar()
    made = made or build.template(world, platform_id=number, fields=[*build.FIELDS, THIRD])
    texts = build.by_template(made, thing3="政务服务中心三楼")
    campaign = build.campaign(world, clerk.person, templates=texts)
    path = f"/console/campaigns/{campaign.id}"
    assert "还没有绑定微信" in text_of(clerk.post(f"{path}/test"))
    mine = world.person()
    with world.session() as session:
        session.get(User, mine.id).mp_openid = phone.openid
        account = select(StaffAccount).where(StaffAccount.user_id == clerk.person.id)
        session.execute(account).scalar_one().wechat_user_id = mine.id
    refused = text_of(clerk.post(f"{path}/test"))
    assert "站内消息 ：已放入您的小程序消息" in refused and "43101" in refused
    platform.control("/popup", person=phone.id, answers={number: "accept"})
    assert "小程序订阅消息 ：微信已接受" in text_of(clerk.post(f"{path}/test"))
    [sent] = [one for one in platform.state.sent.list() if one["openid"] == phone.openid]
    assert sent["lines"][0][1] == "内审员培训"
    with world.session() as session:
        left = session.execute(select(Notice).where(Notice.user_id == mine.id)).scalars().all()
    assert {(one.title, one.kind, one.campaign_id) for one in left} == {
        ("【测试】培训补报名", "campaign.trial", None)
    }


def test_the_list_and_a_campaign_take_few_statements(app: Flask, clerk: Desk, world: World) -> None:
    for _ in range(3):
        build.campaign(world, clerk.person)
    campaign = build.campaign(world, clerk.person, state=CampaignState.done)
    with queries(app) as seen:
        clerk.get("/console/campaigns")
    assert len(seen) <= 12, seen
    with queries(app) as seen:
        clerk.client.get(f"/console/campaigns/{campaign.id}", headers=HX)
    assert len(seen) <= 10, seen
