"""Pages of trainings: list, calendar, form, publishing, changing, copying, cancelling, trainers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from models.agencies import Agency
from models.base import BEIJING, new_id, now
from models.messages import Notice
from models.trainings import Training, TrainingSession, TrainingState
from tests.builders import Person, World, party
from tests.console_client import Desk, desk, text_of
from tests.statements import queries

START = now().replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=30)


@pytest.fixture
def clerk(world: World) -> Desk:
    return desk(world, "county_staff")


@pytest.fixture
def neighbour(world: World) -> Desk:
    return desk(world, "county_staff", "js.xz.peixian")


@pytest.fixture
def agency_staff(world: World) -> Desk:
    with world.session() as session:
        agency = Agency(name=f"徐州质量认证有限公司{new_id().hex[-6:]}")
        session.add(agency)
        session.flush()
    return desk(world, "agency_staff", str(agency.id))


def at(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%dT%H:%M}"


def typed(**changes: Any) -> dict[str, Any]:
    """What is posted for a sound training of two sessions."""
    values = {
        "title": "质量管理体系内审员培训",
        "description": "两天\r\n自带电脑",
        "mode": "onsite",
        "provider": "own",
        "audience": "internal_auditor",
        "organiser": "丰县市场监督管理局",
        "place": "丰县政务服务中心三楼",
        "online_url": "",
        "division_id": "js.xz.fengxian",
        "open_to": ["js.xz.fengxian", "js.xz.peixian"],
        "capacity": "1,000",
        "seats_per_enterprise": "3",
        "opens_at": at(START - timedelta(days=20)),
        "closes_at": at(START - timedelta(hours=15)),
        "change_deadline": "",
        "cancel_deadline": "",
        "needs_approval.there": "1",
        "offer_minutes": "",
        "certificate_percent": "100",
        "sessions-0-starts_at": at(START),
        "sessions-0-ends_at": at(START + timedelta(hours=3)),
        "sessions-0-title": "",
        "sessions-0-checkin_from": "",
        "sessions-0-checkin_until": "",
        "sessions-1-starts_at": at(START + timedelta(days=1)),
        "sessions-1-ends_at": at(START + timedelta(days=1, hours=3)),
        "sessions-1-title": "实操",
        "sessions-1-checkin_from": "",
        "sessions-1-checkin_until": "",
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def without(*prefixes: str) -> dict[str, Any]:
    return dict.fromkeys((name for name in typed() if name.startswith(prefixes)), ...)


def url(training: Any, *rest: str) -> str:
    return "/".join([f"/console/trainings/{training.id}", *rest])


def made(world: World, answer: Any) -> Training:
    assert answer.status_code == 303, text_of(answer)
    with world.session() as session:
        found: Training = session.get(Training, UUID(answer.headers["Location"].split("/")[3]))
        return found


def kept(world: World, training: Any) -> Training:
    with world.session() as session:
        found: Training = session.get(Training, training.id)
        return found


def signed_up(client: FlaskClient, world: World, training: Any) -> Person:
    owner = world.person()
    body = party(world.enterprise(owner=owner))
    answer = client.post(f"/api/v1/trainings/{training.id}/signups", json=body, headers=owner.headers)
    assert answer.status_code == 201, answer.json
    return owner


def told(world: World, kind: str, training: Any) -> int:
    with world.session() as session:
        of = select(func.count()).where(Notice.kind == kind, Notice.subject_id == training.id)
        count: int = session.execute(of).scalar_one()
        return count


# --- the list


def test_the_list_holds_drafts_of_ones_own_and_what_is_announced_elsewhere(
    world: World, clerk: Desk, neighbour: Desk, agency_staff: Desk
) -> None:
    world.training(title="丰县草稿甲", state="draft")
    world.training(title="丰县培训甲")
    seen = {
        "clerk": text_of(clerk.get("/console/trainings", q="甲", size=200)),
        "neighbour": text_of(neighbour.get("/console/trainings", q="甲", size=200)),
        "agency": text_of(agency_staff.get("/console/trainings", q="甲", size=200)),
    }
    assert "丰县草稿甲" in seen["clerk"] and "新建培训" in seen["clerk"]
    assert "丰县草稿甲" not in seen["neighbour"] + seen["agency"]
    assert all("丰县培训甲" in text for text in seen.values())
    assert "新建培训" not in seen["agency"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"state": "cancelled"}, ["取消的"]),
        ({"window": "open"}, ["开放的"]),
        ({"window": "closed"}, ["取消的", "截止的"]),
        ({"mode": "online"}, ["线上的"]),
        ({"open_to": "js.xz.peixian"}, ["只给沛县的"]),
        ({"division": "js.xz.peixian"}, []),
        ({"from": "2031-05-05", "to": "2031-05-05"}, ["那一天的"]),
        ({"sort": "-taken", "size": "20"}, ["满员的", "取消的", "开放的", "截止的", "线上的", "那一天的"]),
    ],
)
def test_the_list_is_narrowed_and_ordered(
    world: World, clerk: Desk, asked: dict[str, str], found: list[str]
) -> None:
    mark = f"乙{world.person().id.hex[-8:]}"
    here = {"open_to": ["js.xz.fengxian"]}
    world.training(title=f"{mark}取消的", state="cancelled", **here)
    world.training(title=f"{mark}截止的", closes_at=now() - timedelta(hours=1), **here)
    world.training(title=f"{mark}满员的", capacity=1, taken=1, opens_at=now() + timedelta(days=1), **here)
    world.training(title=f"{mark}开放的", **here)
    world.training(title=f"{mark}线上的", mode="online", opens_at=now() + timedelta(days=1), **here)
    later = [datetime(2031, 5, 5, 23, 59, tzinfo=BEIJING)]
    world.training(title=f"{mark}那一天的", sessions=later, opens_at=now() + timedelta(days=1), **here)
    world.training(title=f"{mark}只给沛县的", open_to=["js.xz.peixian"], opens_at=now() + timedelta(days=1))
    titles = re.findall(f"{mark}(\\S+)", text_of(clerk.get("/console/trainings", q=mark, **asked)))
    titles = [title for title in titles if "的" in title]
    if "sort" in asked:
        assert titles[0] == found[0] and {*titles} == {*found, "只给沛县的"}
    else:
        assert sorted(titles) == sorted(found)


def test_pages_ask_the_database_the_same_however_much_they_show(
    app: Flask, client: FlaskClient, world: World, clerk: Desk
) -> None:
    training = world.training(capacity=50)

    def asked() -> list[int]:
        counted = []
        for path in ("/console/trainings", "/console/calendar", url(training), url(training, "signups")):
            clerk.get(path)
            with queries(app) as seen:
                assert clerk.get(path).status_code == 200
            counted.append(len(seen))
        return counted

    signed_up(client, world, training)
    before = asked()
    for _ in range(4):
        world.training(sessions=[now() + timedelta(days=1), now() + timedelta(days=2)])
        signed_up(client, world, training)
    assert asked() == before
    assert max(before) < 30


# --- the calendar


def cells(page: Any, day: int) -> str:
    [found] = [cell for cell in page.split("<td")[1:] if f"</span>{day}<" in cell and "outside" not in cell]
    return re.sub(r"<[^>]+>", " ", found)


def test_the_calendar_shows_each_session_on_its_days(world: World, clerk: Desk, neighbour: Desk) -> None:
    night = datetime(2029, 2, 13, 23, tzinfo=BEIJING)
    world.training(title="跨夜的盘点培训", sessions=[night, night + timedelta(days=7)])
    world.training(title="只有草稿", state="draft", sessions=[night - timedelta(days=3)])
    page = clerk.get("/console/calendar", month="2029-02").get_data(as_text=True)
    assert "2029年2月" in page
    on = [day for day in range(1, 29) if "跨夜的盘点培训" in cells(page, day)]
    assert on == [13, 14, 20, 21]
    assert "只有草稿" in cells(page, 10)
    assert "只有草稿" not in text_of(neighbour.get("/console/calendar", month="2029-02"))
    assert (
        'href="/console/calendar?month=2029-01"' in page and 'href="/console/calendar?month=2029-03"' in page
    )


def test_the_calendar_is_narrowed_and_marks_today(world: World, clerk: Desk) -> None:
    moment = datetime(2030, 6, 9, 10, tzinfo=BEIJING)
    world.training(title="丰县六月", sessions=[moment])
    world.training(title="沛县六月", division_id="js.xz.peixian", sessions=[moment], mode="online")
    both = text_of(clerk.get("/console/calendar", month="2030-06"))
    assert "丰县六月" in both and "沛县六月" in both
    here = text_of(clerk.get("/console/calendar", month="2030-06", division="js.xz.fengxian"))
    assert "丰县六月" in here and "沛县六月" not in here
    online = clerk.get("/console/calendar", month="2030-06", mode="online").get_data(as_text=True)
    assert "沛县六月" in online and "丰县六月" not in online
    assert "month=2030-07&amp;mode=online" in online
    present = clerk.get("/console/calendar", month="2030-13").get_data(as_text=True)
    assert f"{now().year}年{now().month}月" in present
    assert present.count('aria-current="date"') == 1


# --- the form


def test_a_new_training_begins_with_sensible_times(world: World, clerk: Desk) -> None:
    page = clerk.get("/console/trainings/new").get_data(as_text=True)
    starts = (now() + timedelta(days=14)).replace(hour=9, minute=0)
    assert at(starts) in page
    assert at((starts - timedelta(days=1)).replace(hour=18)) in page
    assert 'value="丰县市场监督管理局"' in page


def test_a_training_is_written_and_published(world: World, clerk: Desk) -> None:
    training = made(world, clerk.post("/console/trainings/new", **typed()))
    assert (training.state, training.capacity) == (TrainingState.draft, 1000)
    assert training.description == "两天\n自带电脑"
    assert training.open_to == ["js.xz.fengxian", "js.xz.peixian"]
    assert training.cancel_deadline == training.closes_at == START - timedelta(hours=15)
    with world.session() as session:
        of = select(TrainingSession).where(TrainingSession.training_id == training.id)
        sessions = session.execute(of.order_by(TrainingSession.number)).scalars().all()
    assert [(one.title, one.starts_at) for one in sessions] == [
        ("第1场", START),
        ("实操", START + timedelta(days=1)),
    ]
    page = text_of(clerk.get(url(training)))
    assert "发布" in page and "实操" in page and "丰县、沛县" in page and "新建培训" in page
    clerk.post(url(training, "publish"))
    assert kept(world, training).state == TrainingState.published
    assert "发布培训" in text_of(clerk.get(url(training)))


def test_what_was_typed_stays_and_the_fault_stands_at_its_field(world: World, clerk: Desk) -> None:
    changes = {**without("sessions-0-"), "sessions-3-starts_at": at(START), "sessions-3-ends_at": at(START)}
    answer = clerk.post("/console/trainings/new", **typed(title="留着的名称", place="", **changes))
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="留着的名称"' in page
    wrong = dict(re.findall(r'id="i-([\w-]+)-wrong">([^<]+)<', page))
    assert wrong["place"] == "线下培训须填写地点"
    assert "场次结束须晚于开始" in wrong["sessions-3-ends_at"]
    assert "sessions-1-ends_at" not in wrong


@pytest.mark.parametrize(
    ("button", "shown"),
    [
        ({"more": "sessions"}, ["sessions-0-", "sessions-1-", "sessions-2-"]),
        ({"less": "sessions-0-"}, ["sessions-1-"]),
    ],
)
def test_a_browser_without_scripts_adds_and_takes_rows(
    world: World, clerk: Desk, button: dict[str, str], shown: list[str]
) -> None:
    with world.session() as session:
        before = session.execute(select(func.count()).select_from(Training)).scalar_one()
    answer = clerk.post("/console/trainings/new", **typed(title="还没写完", **button))
    page = answer.get_data(as_text=True).replace('data-prefix="sessions-999-"', "")
    assert answer.status_code == 200
    assert re.findall(r'data-prefix="(sessions-\d+-)"', page) == shown
    assert 'value="还没写完"' in page and 'value="实操"' in page
    with world.session() as session:
        assert session.execute(select(func.count()).select_from(Training)).scalar_one() == before


def test_a_draft_is_changed_in_anything(world: World, clerk: Desk) -> None:
    training = made(world, clerk.post("/console/trainings/new", **typed()))
    page = clerk.get(url(training, "edit")).get_data(as_text=True)
    assert 'value="实操"' in page and "第1场" not in page
    changes = {"closes_at": at(START - timedelta(hours=1)), "audience": "team", "open_to": ["js.xz"]}
    clerk.post(url(training, "edit"), **typed(**changes, **without("sessions-1-")))
    after = kept(world, training)
    assert (after.audience, after.open_to) == ("team", ["js.xz"])
    assert after.cancel_deadline == after.closes_at == START - timedelta(hours=1)
    assert after.ends_at == START + timedelta(hours=3)


PUBLISHED = ("mode", "provider", "audience", "organiser", "division_id", "open_to", "seats_per_enterprise")


def changeable(**changes: Any) -> dict[str, Any]:
    locked = dict.fromkeys((*PUBLISHED, "needs_approval.there", "offer_minutes", "certificate_percent"), ...)
    return typed(**{**locked, **changes})


def test_a_published_training_is_changed_and_those_signed_up_are_told(
    client: FlaskClient, world: World, clerk: Desk
) -> None:
    opens = {"opens_at": at(now() - timedelta(hours=1))}
    training = made(world, clerk.post("/console/trainings/new", **typed(title="二期班", **opens)))
    clerk.post(url(training, "publish"))
    signed_up(client, world, training), signed_up(client, world, training)
    page = clerk.get(url(training, "edit")).get_data(as_text=True)
    assert "会通知 2 位" in page and "发布后不能修改" in page and 'name="audience"' not in page
    answer = clerk.post(url(training, "edit"), **changeable(title="二期班", place="丰县宾馆二楼", **opens))
    assert answer.status_code == 303
    assert kept(world, training).place == "丰县宾馆二楼"
    assert told(world, "training.changed", training) == 2
    assert "修改了地点" in text_of(clerk.get(url(training)))
    forged = clerk.post(url(training, "edit"), **changeable(audience="team", **opens))
    assert (forged.status_code, kept(world, training).audience) == (422, "internal_auditor")


def test_a_training_is_copied_into_a_draft(world: World, clerk: Desk) -> None:
    training = world.training(title="一期班")
    answer = clerk.post(url(training, "copy"))
    copy = made(world, answer)
    assert (copy.title, copy.state) == ("一期班（副本）", TrainingState.draft)
    assert clerk.follow(answer).status_code == 200


def test_cancelling_says_how_many_are_told_and_tells_them(
    client: FlaskClient, world: World, clerk: Desk
) -> None:
    training = world.training()
    signed_up(client, world, training), signed_up(client, world, training)
    assert "将取消 2 人的报名（含候补），并通知 2 位" in text_of(clerk.get(url(training)))
    blank = clerk.post(url(training, "cancel"), reason=" ")
    assert blank.status_code == 303 and kept(world, training).state == TrainingState.published
    clerk.post(url(training, "cancel"), reason="场地停电")
    assert kept(world, training).state == TrainingState.cancelled
    assert told(world, "training.cancelled", training) == 2
    assert "场地停电" in text_of(clerk.get(url(training)))


def test_a_discarded_draft_is_over(world: World, clerk: Desk) -> None:
    training = world.training(state="draft")
    assert "不会通知任何人" in text_of(clerk.get(url(training)))
    clerk.post(url(training, "cancel"), reason="重复建立")
    assert kept(world, training).state == TrainingState.discarded
    assert clerk.get(url(training, "edit")).status_code == 409
    clerk.post(url(training, "edit"), **typed(title="又改了"))
    assert kept(world, training).title != "又改了"


def test_others_read_what_is_announced_and_touch_nothing(
    world: World, clerk: Desk, neighbour: Desk, agency_staff: Desk
) -> None:
    training, draft = world.training(), world.training(state="draft")
    for other in (neighbour, agency_staff):
        assert other.get(url(draft)).status_code == 403
        page = text_of(other.get(url(training)))
        assert "已发布" in page and "取消培训" not in page and "办理记录" not in page
        for act in ("edit", "trainers", "signups"):
            assert other.get(url(training, act)).status_code == 403
        for act, fields in (
            ("edit", typed()),
            ("publish", {}),
            ("copy", {}),
            ("cancel", {"reason": "不办了"}),
        ):
            assert other.post(url(draft, act), **fields).status_code == 403
            assert other.post(url(training, act), **fields).status_code == 403
    assert (kept(world, training).state, kept(world, draft).state) == ("published", "draft")


# --- trainers


def test_trainers_are_assigned_by_phone_and_taken_off(client: FlaskClient, world: World, clerk: Desk) -> None:
    training, trainer = world.training(), world.person(name="周老师")
    page = clerk.post(url(training, "trainers"), phone="13999999998")
    assert page.status_code == 404 and "没有找到已绑定该手机号的用户" in text_of(page)
    assert 'value="13999999998"' in page.get_data(as_text=True)
    assert clerk.post(url(training, "trainers"), phone="123").status_code == 422
    assert clerk.post(url(training, "trainers"), phone=trainer.phone).status_code == 303
    shown = text_of(clerk.get(url(training, "trainers")))
    assert "周*师" in shown and str(trainer.phone) not in shown
    assert "周*师" in text_of(clerk.get(url(training)))
    assert client.get(f"/api/v1/trainings/{training.id}/roster", headers=trainer.headers).status_code == 200
    clerk.post(url(training, "trainers", str(trainer.id), "remove"))
    assert client.get(f"/api/v1/trainings/{training.id}/roster", headers=trainer.headers).status_code == 403


# --- reminders


def test_reminders_are_ticked_and_may_all_be_unticked(client: FlaskClient, world: World, clerk: Desk) -> None:
    ticked = {"remind_before.there": "1", "remind_before": ["4320", "30"]}
    training = made(world, clerk.post("/console/trainings/new", **typed(**ticked)))
    assert kept(world, training).remind_before == [4320, 30]
    page = clerk.get(url(training, "edit"))
    boxes = re.findall(r'name="remind_before" value="(\d+)" ?(checked)?', page.text)
    assert [minutes for minutes, on in boxes if on] == ["4320", "30"]
    assert "各场次开始前 3 天、30 分钟" in text_of(clerk.get(url(training)))
    none = clerk.post(url(training, "edit"), **typed(**{"remind_before.there": "1"}))
    assert made(world, none).remind_before == []
    assert "不提醒" in text_of(clerk.get(url(training)))


def test_too_many_reminders_are_refused_at_their_field_and_stay_ticked(world: World, clerk: Desk) -> None:
    ticked = {"remind_before.there": "1", "remind_before": ["4320", "1440", "720", "120", "60", "30"]}
    answer = clerk.post("/console/trainings/new", **typed(**ticked))
    assert answer.status_code == 422
    assert len(re.findall(r'name="remind_before" value="\d+" checked', answer.text)) == 6
    assert re.search(r'<fieldset class="field wrong" aria-describedby="remind-hint">', answer.text)


def test_a_published_training_reminds_anew_when_its_leads_change(
    client: FlaskClient, world: World, clerk: Desk
) -> None:
    training = world.training(sessions=[now() + timedelta(days=20)])
    assert kept(world, training).remind_before == [1440, 60]
    given = {"remind_before.there": "1", "remind_before": "120"}
    assert clerk.post(url(training, "edit"), **given).status_code == 303
    assert kept(world, training).remind_before == [120]
