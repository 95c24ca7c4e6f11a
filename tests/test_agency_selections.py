"""A county selects agencies for a year, with the reasons that the notice names, and takes it back."""

from __future__ import annotations

import io
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from openpyxl import load_workbook
from sqlalchemy import delete, func, select, text

from app.access import Actor
from app.services import agency_selections
from app.transactions import session as current
from models.agencies import Agency, AgencySelection
from models.audit import AuditEvent
from models.base import now
from models.messages import Notice
from tests.agency_builders import agency, agency_desk, agency_person, assessment, selection
from tests.builders import World
from tests.console_client import Desk, desk, text_of
from tests.races import at_once

NEW = "/console/agencies/selections/new"
YEAR = now().year


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """The worker's application and that of the pages are one."""
    return app_with_platform


@pytest.fixture
def county(world: World) -> Desk:
    return desk(world, "county_staff")


def typed(of: Agency, **changes: Any) -> dict[str, Any]:
    values = {
        "division_id": "js.xz.fengxian",
        "year": str(YEAR),
        "agency_id": str(of.id),
        "reasons": ["standing", "responsible"],
        "note": "",
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def chosen(world: World, of: Agency) -> list[AgencySelection]:
    with world.session() as session:
        found = select(AgencySelection).where(AgencySelection.agency_id == of.id)
        return list(session.execute(found.order_by(AgencySelection.id)).scalars())


def test_a_county_selects_an_agency_and_its_people_hear_of_it(world: World, county: Desk) -> None:
    made = agency(world)
    assessment(world, made, rank=2)
    adviser, in_the_field = agency_desk(world, made), agency_person(world, made)
    page = county.get(NEW, agency=str(made.id)).get_data(as_text=True)
    assert re.search(rf'value="{made.id}" selected>{made.name}（{YEAR - 1} 年度第 2 位）', page)
    answer = county.post(NEW, **typed(made, reasons=["ranked", "responsible"], note="连续三年"))
    assert "已选定，并已通知该机构" in text_of(county.follow(answer))
    [kept] = chosen(world, made)
    assert (kept.division_id, kept.year, kept.selected_by) == ("js.xz.fengxian", YEAR, county.person.id)
    assert kept.reasons == ["ranked", "responsible"] and kept.note == "连续三年"
    rows = text_of(county.get("/console/agencies/selections", agency=made.name, year=str(YEAR)))
    assert "责任心强、在全省考核中占有一定位次" in rows and "连续三年" in rows and "赵经办" in rows
    with world.session() as session:
        told = select(Notice.user_id, Notice.body).where(Notice.subject_id == made.id)
        bodies = dict(session.execute(told).all())
        event = session.execute(select(AuditEvent).where(AuditEvent.subject_id == str(made.id))).scalar_one()
    assert bodies.keys() == {adviser.person.id, in_the_field.id}
    assert f"丰县市场监督管理局{YEAR}年度" in bodies[in_the_field.id]
    assert (event.verb, event.division_id) == ("agency.selected", "js.xz.fengxian")
    assert event.detail == {"year": YEAR, "reasons": ["ranked", "responsible"]}


def test_the_year_and_the_county_are_told_apart(world: World, county: Desk) -> None:
    made = agency(world, counties=["js.xz.fengxian", "js.xz.peixian"])
    for body in (typed(made), typed(made, year=str(YEAR + 1))):
        assert county.post(NEW, **body).status_code == 303
    neighbour = desk(world, "county_staff", "js.xz.peixian")
    assert neighbour.post(NEW, **typed(made, division_id="js.xz.peixian")).status_code == 303

    def found(**query: str) -> int:
        page = county.get("/console/agencies/selections", agency=made.name, **query)
        return text_of(page).count(f"{made.name} CNCA")

    assert (found(), found(year=str(YEAR)), found(division="js.xz.peixian")) == (3, 2, 1)
    assert found(year=str(YEAR), division="js.xz.peixian") == 1 and found(year="1999") == 3
    assert "年度应在 2020–2100 之间" in text_of(county.get("/console/agencies/selections", year="1999"))


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"reasons": ...}, 422, "至少 1 项"),
        ({"reasons": ["friend"]}, 422, "只能是"),
        ({"reasons": ["other"]}, 422, "选“其他”时，请写明理由"),
        ({"reasons": ["ranked"]}, 422, "系统中没有该机构的考核位次"),
        ({"year": "1999"}, 422, "应在 2020 与 2100 之间"),
        ({"year": ""}, 422, "必填"),
        ({"agency_id": ""}, 422, "必填"),
        ({"agency_id": "x"}, 422, "编号格式有误"),
        ({"division_id": "js.xz"}, 422, "请选择县（市）区"),
        ({"division_id": "js.xz.nowhere"}, 422, "请选择县（市）区"),
        ({"note": "长" * 501}, 422, "长度应为 0–500"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    world: World, county: Desk, changes: dict[str, Any], status: int, said: str
) -> None:
    made = agency(world)
    answer = county.post(NEW, **typed(made, **changes))
    assert answer.status_code == status and said in text_of(answer)
    assert chosen(world, made) == []


def test_whom_a_county_cannot_select(world: World, county: Desk) -> None:
    idle, far, twice = agency(world, active=False), agency(world, counties=["js.xz.gulou"]), agency(world)
    selection(world, twice)
    for of, said in (
        (idle, "该机构目前不参与帮扶"),
        (far, "该机构服务的县（市）区中没有丰县"),
        (twice, f"丰县 {YEAR} 年度已选定该机构"),
    ):
        answer = county.post(NEW, **typed(of))
        assert answer.status_code == 409 and said in text_of(answer)
    assert [len(chosen(world, of)) for of in (idle, far, twice)] == [0, 0, 1]
    nobody = agency(world)
    assert county.post(NEW, **typed(nobody, agency_id=str(UUID(int=7)))).status_code == 403
    offered = county.get(NEW).get_data(as_text=True)
    assert [str(one.id) in offered for one in (idle, far, twice)] == [False, False, True]


def test_a_county_selects_for_itself_alone_and_the_city_for_all(world: World, county: Desk) -> None:
    made = agency(world, counties=["js.xz.fengxian", "js.xz.peixian"])
    neighbour = desk(world, "county_staff", "js.xz.peixian")
    assert neighbour.post(NEW, **typed(made)).status_code == 403
    assert chosen(world, made) == []
    assert desk(world, "city_staff", "js.xz").post(NEW, **typed(made)).status_code == 303
    [kept] = chosen(world, made)
    page = neighbour.get("/console/agencies/selections", agency=made.name).get_data(as_text=True)
    assert made.name in page and "撤销选定" not in page
    away = f"/console/agencies/selections/{kept.id}/withdraw"
    assert neighbour.post(away, reason="不是我们的").status_code == 403
    for role in ("branch_staff", "auditor"):
        assert desk(world, role).post(NEW, **typed(made)).status_code == 403
    assert len(chosen(world, made)) == 1


def test_a_selection_is_taken_back_with_a_reason(world: World, county: Desk) -> None:
    made = agency(world)
    adviser = agency_desk(world, made)
    away = f"/console/agencies/selections/{selection(world, made).id}/withdraw"
    assert "填写的内容有误" in text_of(county.follow(county.post(away, reason="")))
    assert len(chosen(world, made)) == 1
    answer = county.post(away, reason="未按规范帮扶")
    assert "已撤销选定" in text_of(county.follow(answer))
    assert chosen(world, made) == []
    assert county.post(away, reason="再撤一次").status_code == 403
    with world.session() as session:
        told = select(Notice.kind, Notice.body).where(Notice.user_id == adviser.person.id)
        [(kind, body)] = session.execute(told).all()
        event = session.execute(select(AuditEvent).where(AuditEvent.subject_id == str(made.id))).scalar_one()
    assert kind == "agency.deselected" and "未按规范帮扶" in body
    assert event.verb == "agency.deselected" and event.detail["reason"] == "未按规范帮扶"
    # It may be selected again, and its people hear of that too.
    for _ in range(2):
        assert county.post(NEW, **typed(made)).status_code == 303
        again = f"/console/agencies/selections/{chosen(world, made)[0].id}/withdraw"
        assert county.post(again, reason="重新考虑").status_code == 303
    with world.session() as session:
        of = select(func.count()).where(Notice.user_id == adviser.person.id)
        assert session.execute(of).scalar_one() == 5


def test_what_is_exported_is_what_is_listed(world: World, county: Desk, run_jobs: Callable[[], None]) -> None:
    made = agency(world)
    selection(world, made, note="=1+1")
    answer = county.post("/console/exports/agencies.selections", agency=made.name, year=str(YEAR))
    run_jobs()
    content = county.get(f"{answer.headers['Location']}/files/result").data
    rows = list(load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True))
    assert rows[1][:5] == ("年度", "县（市）区", "机构", "批准号", "选定理由")
    assert rows[2][:6] == (str(YEAR), "丰县", made.name, "CNCA-R-2002-001", "责任心强", "=1+1")
    assert len(rows) == 3


# --- two at once


def look_then_insert(
    actor: Actor, division_id: str, year: int, agency_id: UUID, reasons: Sequence[Any], note: str
) -> AgencySelection | None:
    """What everybody writes first: look whether it is there, and insert it if not."""
    same = (
        AgencySelection.division_id == division_id,
        AgencySelection.year == year,
        AgencySelection.agency_id == agency_id,
    )
    there = current().execute(select(AgencySelection.id).where(*same)).first()
    BOTH_HAVE_LOOKED.wait()
    if there:
        return None
    made = AgencySelection(
        division_id=division_id,
        year=year,
        agency_id=agency_id,
        reasons=list(reasons),
        note=note,
        selected_by=actor.user_id,  # type: ignore[arg-type]
    )
    current().add(made)
    current().flush()
    return made


BOTH_HAVE_LOOKED = threading.Barrier(2, timeout=30)
CONSTRAINT = "uq_agency_selections_division_id_year_agency_id"


@contextmanager
def without_constraint(world: World) -> Iterator[None]:
    with world.session() as session:
        session.execute(text(f"ALTER TABLE agency_selections DROP CONSTRAINT {CONSTRAINT}"))
    try:
        yield
    finally:
        with world.session() as session:
            session.execute(delete(AgencySelection))
            columns = "(division_id, year, agency_id)"
            session.execute(
                text(f"ALTER TABLE agency_selections ADD CONSTRAINT {CONSTRAINT} UNIQUE {columns}")
            )


def both_select(world: World, of: Agency) -> Counter[int]:
    desks = [desk(world, "county_staff") for _ in range(2)]
    acts = [lambda one=one: one.post(NEW, **typed(of)).status_code for one in desks]
    return Counter(at_once(*acts))


def test_without_the_guard_two_select_the_same_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = agency(world)
    monkeypatch.setattr(agency_selections, "_insert", look_then_insert)
    with without_constraint(world):
        assert both_select(world, made) == {303: 2}
        assert len(chosen(world, made)) == 2


def test_with_it_one_of_two_is_told_that_it_is_done(world: World) -> None:
    made = agency(world)
    adviser = agency_desk(world, made)
    assert both_select(world, made) == {303: 1, 409: 1}
    assert len(chosen(world, made)) == 1
    with world.session() as session:
        of = select(func.count()).where(Notice.user_id == adviser.person.id)
        assert session.execute(of).scalar_one() == 1


def test_of_two_who_take_it_back_at_once_one_does(world: World) -> None:
    made = agency(world)
    away = f"/console/agencies/selections/{selection(world, made).id}/withdraw"
    desks = [desk(world, "county_staff") for _ in range(2)]
    answers = at_once(*[lambda one=one: one.post(away, reason="不合适").status_code for one in desks])
    assert Counter(answers) == {303: 1, 403: 1}
    with world.session() as session:
        of = select(func.count()).where(AuditEvent.subject_id == str(made.id))
        assert session.execute(of).scalar_one() == 1
