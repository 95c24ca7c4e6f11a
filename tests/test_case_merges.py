"""What a merge of two enterprises does with their cases."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app.access import Actor
from app.errors import DomainError
from app.jobs.enterprises import finish_merge
from app.services import enterprise_merges
from models.agencies import Agency
from models.cases import Case, CaseState
from models.enterprises import Enterprise
from tests import agency_builders as agencies
from tests import case_builders as build
from tests.builders import World


class Twins:
    """One enterprise that was registered twice: in 丰县, which is kept, and in 沛县."""

    def __init__(self, app: Flask, world: World) -> None:
        self.app, self.world = app, world
        self.keep, self.drop = world.enterprise(), world.enterprise(division_id="js.xz.peixian")
        self.clerk: Actor = build.actor(world.staff("city_staff", "js.xz"), "city_staff", "js.xz")

    def merge(self) -> Enterprise:
        with self.app.app_context():
            return enterprise_merges.merge(self.clerk, self.keep.id, self.drop.id, [], "同一企业")

    def now(self, case: Case) -> Any:
        with self.world.session() as session:
            return session.get(Case, case.id)


@pytest.fixture
def twins(app: Flask, world: World) -> Twins:
    return Twins(app, world)


def test_the_kept_enterprise_takes_the_cases_over(twins: Twins, world: World) -> None:
    over = build.case(world, CaseState.closed, enterprise=twins.drop)
    going = build.case(world, CaseState.diagnosis, enterprise=twins.drop)
    twins.merge()
    assert {twins.now(one).enterprise_id for one in (over, going)} == {twins.keep.id}
    # Who has to see to it now is the kept one's county; what was done was the other's.
    assert twins.now(going).division_id == "js.xz.fengxian"
    assert twins.now(over).division_id == "js.xz.peixian"


def test_two_open_cases_have_to_be_sorted_out_first(twins: Twins, world: World) -> None:
    agency = agencies.agency(world)
    mine = build.case(world, CaseState.requested, enterprise=twins.keep)
    theirs = build.case(world, CaseState.training, enterprise=twins.drop, agency=agency)
    with pytest.raises(DomainError) as refused:
        twins.merge()
    assert refused.value.code == "merge_open_cases"
    assert {mine.number, theirs.number} == set(refused.value.details.values())
    assert twins.now(theirs).enterprise_id == twins.drop.id  # nothing half-done
    with world.session() as session:
        assert session.get(Agency, agency.id).under_way == 1
        assert session.get(Enterprise, twins.drop.id).merged_into is None


def test_what_was_asked_for_while_the_merge_ran_is_withdrawn(twins: Twins, world: World, app: Flask) -> None:
    mine = build.case(world, CaseState.diagnosis, enterprise=twins.keep)
    twins.merge()
    late = build.case(world, CaseState.requested, enterprise=twins.drop)
    with app.app_context():
        finish_merge(str(twins.drop.id))
    assert twins.now(mine).state == CaseState.diagnosis
    ended = twins.now(late)
    assert (ended.state, ended.enterprise_id) == (CaseState.withdrawn, twins.keep.id)
    assert "企业合并" in ended.state_reason
