"""Figures of assistance against a count by hand."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

from sqlalchemy import update

from app.access import Actor, Grant
from app.services import case_figures
from app.services.case_figures import Breakdown, Group, Grouping
from models.base import now
from models.cases import Case, CaseState, CaseTransition, Rating
from models.reference import Division
from tests import agency_builders as agencies
from tests import case_builders as cases
from tests.builders import World
from tests.console_client import desk, text_of

YEAR = 2031
"""A year that no other test has cases of."""
CITY = Actor(None, (Grant("city_staff", "division", "js.xz"),))


def figures(world: World, by: Grouping, actor: Actor = CITY) -> Breakdown:
    with world.app.app_context():
        return case_figures.breakdown(actor, YEAR, by)


def of(found: Breakdown, key: str) -> Group:
    [group] = [one for one in found.groups if one.key == key]
    return group


def transition(world: World, case: Case, target: CaseState, days_ago: float, paused_days: float = 0) -> None:
    with world.session() as session:
        session.add(
            CaseTransition(
                case_id=case.id,
                to_state=target,
                paused_seconds=int(paused_days * 86_400),
                at=now() - timedelta(days=days_ago),
            )
        )


def clear(world: World) -> None:
    with world.session() as session:
        session.execute(update(Case).where(Case.year == YEAR).values(year=2030))


def test_every_figure_counts_what_it_says(world: World) -> None:
    clear(world)
    one, other = agencies.agency(world), agencies.agency(world)
    made: dict[str, Any] = {"year": YEAR}
    cases.case(world, CaseState.requested, **made)
    late = cases.case(world, CaseState.diagnosis, agency=one, due_at=now() - timedelta(days=1), **made)
    cases.case(
        world, CaseState.planning, agency=one, due_at=now() - timedelta(days=1), paused_at=now(), **made
    )
    with world.session() as session:
        session.merge(Division(id="js.xz.peixian.b1", name="沛县一分局", short_name="一分局", kind="分局"))
    pei = world.enterprise(division_id="js.xz.peixian.b1")
    done = cases.case(
        world,
        CaseState.closed,
        agency=other,
        enterprise=pei,
        aspects=["energy", "digital"],
        strategy="guidance",
        rating=Rating.satisfied,
        rated_at=now(),
        closed_at=now(),
        **made,
    )
    again = cases.case(
        world, CaseState.closed, agency=other, enterprise=pei, rating=Rating.fair, rated_at=now(), **made
    )
    for case in (done, again):
        transition(world, case, CaseState.planning, 5)
    found = figures(world, Grouping.county)
    assert found.total.figures == {
        "requested": 5,
        "assisted": 2,
        "open": 3,
        "overdue": 1,
        "closed": 2,
        "rated": 2,
        "satisfied": 1,
    }
    assert found.total.satisfaction == 0.5
    here, there = of(found, "js.xz.fengxian"), of(found, "js.xz.peixian")
    assert (here.figures["requested"], here.figures["overdue"], here.satisfaction) == (3, 1, None)
    assert (there.label, there.figures["closed"], there.figures["assisted"]) == ("沛县", 2, 1)
    by_agency = figures(world, Grouping.agency)
    assert of(by_agency, str(one.id)).figures["open"] == 2
    assert by_agency.groups[-1].label == "尚未确定机构"
    aspects = figures(world, Grouping.aspect)
    assert of(aspects, "energy").figures["closed"] == 1 == of(aspects, "digital").figures["closed"]
    assert of(aspects, "awareness").figures["closed"] == 1 and aspects.groups[-1].label == "尚未选定"
    assert of(figures(world, Grouping.strategy), "guidance").figures["satisfied"] == 1
    assert of(figures(world, Grouping.month), f"{now():%Y-%m}").figures["requested"] == 5
    county = figures(
        world, Grouping.county, Actor(None, (Grant("county_staff", "division", "js.xz.peixian"),))
    )
    assert county.total.figures["requested"] == 2 and [one.key for one in county.groups] == ["js.xz.peixian"]
    agency = Actor(None, (Grant("agency_staff", "agency", str(one.id)),))
    assert figures(world, Grouping.county, agency).total.figures["requested"] == 2
    assert late.due_at is not None


def test_durations_leave_out_the_time_that_the_clock_stood_still(world: World) -> None:
    clear(world)
    stays = ((10.0, 4.0, 0.0), (10.0, 2.0, 3.0), (10.0, 9.0, 0.0))
    for began, left, paused in stays:
        case = cases.case(world, CaseState.planning, year=YEAR)
        with world.session() as session:
            session.query(CaseTransition).filter(CaseTransition.case_id == case.id).delete()
        transition(world, case, CaseState.diagnosis, began)
        transition(world, case, CaseState.planning, left, paused)
    with world.app.app_context():
        found = {one.state: one for one in case_figures.durations(CITY, YEAR)}
    diagnosis, planning = found[CaseState.diagnosis], found[CaseState.planning]
    assert diagnosis.left == 3 and planning.left == 0 and planning.median_days is None
    assert diagnosis.median_days is not None and abs(diagnosis.median_days - 5) < 0.01
    assert diagnosis.longest_days is not None and abs(diagnosis.longest_days - 6) < 0.01
    assert planning.standing == 3 and planning.overdue == 0


def test_the_page_opens_numbers_to_their_rows(world: World) -> None:
    clear(world)
    case = cases.case(world, CaseState.closed, year=YEAR, strategy="guidance", closed_at=now())
    cases.case(world, CaseState.requested, year=YEAR)
    at = desk(world, "county_staff")
    for by in Grouping:
        page = at.get("/console/cases/figures", year=YEAR, by=by.value)
        assert page.status_code == 200
        links = re.findall(
            r'<a href="(/console/cases/list\?[^"]*)">(\d+)</a>', unescape(page.get_data(as_text=True))
        )
        assert links
        for link, number in links:
            rows = text_of(at.client.get(link))
            assert f"共 {number} 条" in rows, link
    strategies = text_of(at.get("/console/cases/figures", year=YEAR, by="strategy"))
    assert "精准指导+品牌建设 1 0 0 0 1 0 0 —" in strategies
    assert case.enterprise_name in text_of(at.get("/console/cases/list", year=YEAR, strategy="guidance"))
    assert "还没有帮扶项目" in text_of(at.get("/console/cases/figures", year=2099))
