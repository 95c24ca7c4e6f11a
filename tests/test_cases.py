"""A case from its request to its end, by the API and at the desk's services."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.errors import DomainError
from app.services import case_evaluation, case_offers, case_routing, cases
from app.services.cases import Wish
from app.transactions import begin
from models.agencies import Agency
from models.base import now
from models.cases import (
    Aspect,
    Case,
    CaseOffer,
    CaseState,
    CaseTransition,
    Finding,
    FindingState,
    OfferState,
)
from models.enterprises import Enterprise, EnterpriseState
from models.messages import Notice
from tests import agency_builders as agencies
from tests import case_builders as build
from tests.builders import Person, World


class Story:
    """An enterprise with its owner, an officer of its county, and who asks what of whom."""

    def __init__(self, world: World, client: FlaskClient) -> None:
        self.world, self.client = world, client
        self.owner, self.officer = world.person(), world.staff()
        self.enterprise = world.enterprise(owner=self.owner)
        self.county = build.actor(self.officer, "county_staff")

    def post(self, path: str, who: Person, body: Any = None) -> Any:
        return self.client.post(f"/api/v1/{path}", json=body, headers=who.headers)

    def request(self, **changes: Any) -> Any:
        return self.post("cases", self.owner, build.wish(self.enterprise, **changes))

    def row(self, model: Any, id_: Any) -> Any:
        with self.world.session() as session:
            return session.get(model, UUID(str(id_)))

    def offers_of(self, case_id: Any) -> dict[UUID, OfferState]:
        with self.world.session() as session:
            found = select(CaseOffer).where(CaseOffer.case_id == UUID(str(case_id)))
            return {one.agency_id: one.state for one in session.execute(found).scalars()}

    def told(self, who: Person) -> list[str]:
        with self.world.session() as session:
            found = select(Notice.kind).where(Notice.user_id == who.id).order_by(Notice.id)
            return list(session.execute(found).scalars())


@pytest.fixture
def story(world: World, client: FlaskClient) -> Story:
    return Story(world, client)


# --- the request


def test_an_enterprise_asks_for_a_case_and_its_county_is_told(story: Story) -> None:
    answer = story.request()
    assert answer.status_code == 201, answer.json
    assert answer.json["state"] == "requested"
    case = story.row(Case, answer.json["id"])
    assert (case.division_id, case.year, case.scheme) == ("js.xz.fengxian", now().year, "qms")
    assert case.due_at > now()
    assert story.told(story.officer) == ["case.moved"]
    seen = story.client.get(f"/api/v1/cases/{case.id}", headers=story.owner.headers).json
    assert [one["to_state"] for one in seen["transitions"]] == ["requested"]
    assert (seen["contact_name"], seen["contact_phone"]) == ("李质量", "13800138000")
    assert [one["before"] for one in seen["radar"]] == [None] * 6


def test_one_open_case_at_a_time(story: Story) -> None:
    first = story.request().json
    again = story.request()
    assert (again.status_code, again.json["code"]) == (409, "case_open")
    assert again.json["details"]["number"] == first["number"]
    assert story.post(f"cases/{first['id']}/withdraw", story.owner, {"reason": "自行解决"}).status_code == 200
    assert story.request().status_code == 201


@pytest.mark.parametrize(
    "state", [EnterpriseState.registered, EnterpriseState.returned, EnterpriseState.refused]
)
def test_an_enterprise_that_is_not_reviewed_asks_in_vain(
    story: Story, world: World, state: EnterpriseState
) -> None:
    story.enterprise = world.enterprise(owner=story.owner, state=state)
    answer = story.request()
    assert (answer.status_code, answer.json["code"]) == (409, "enterprise_not_reviewed")
    assert story.client.get("/api/v1/cases", headers=story.owner.headers).json["items"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"need": "急"}, "need"),
        ({"wanted": ["speed"]}, "wanted.0"),
        ({"scheme": "iso"}, "scheme"),
        ({"contact_phone": "0516-1234"}, "contact_phone"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(story: Story, changes: dict[str, Any], field: str) -> None:
    answer = story.request(**changes)
    assert answer.status_code == 422
    assert field in answer.json["fields"]


def test_somebody_elses_case_is_not_found(story: Story, world: World) -> None:
    case = build.case(world)
    assert story.client.get(f"/api/v1/cases/{case.id}", headers=story.owner.headers).status_code == 404
    refused = story.post(f"cases/{case.id}/withdraw", story.owner, {"reason": "不是我的"})
    assert refused.status_code == 404


# --- the way to an agency


def test_from_the_review_to_an_agency_that_accepts(app: Flask, story: Story, world: World) -> None:
    case_id = UUID(story.request().json["id"])
    mine, other = agencies.agency(world), agencies.agency(world)
    expert, rival = agencies.agency_person(world, mine), agencies.agency_person(world, other)
    with app.app_context():
        case_routing.admit(story.county, case_id)
        case_offers.offer(story.county, case_id, [mine.id, other.id])
    listed = story.client.get("/api/v1/case-offers", headers=expert.headers).json["items"]
    assert [one["case_id"] for one in listed] == [str(case_id)]
    assert "contact_phone" not in listed[0]
    # Offered is not given: the case itself is out of an agency's reach until it accepts.
    assert story.client.get(f"/api/v1/cases/{case_id}", headers=expert.headers).status_code == 404
    [theirs] = story.client.get("/api/v1/case-offers", headers=rival.headers).json["items"]
    taken = story.post(f"case-offers/{listed[0]['id']}/accept", expert)
    assert (taken.status_code, taken.json["state"]) == (200, "diagnosis"), taken.json
    assert story.offers_of(case_id) == {mine.id: OfferState.accepted, other.id: OfferState.closed}
    late = story.post(f"case-offers/{theirs['id']}/accept", rival)
    assert (late.status_code, late.json["code"]) == (409, "offer_over")
    assert "其他机构承接" in late.json["title"]
    assert story.row(Agency, mine.id).under_way == 1
    assert story.row(Agency, other.id).under_way == 0
    assert "case.offer_closed" in story.told(rival)
    assert story.told(story.owner)[-1] == "case.moved"
    seen = story.client.get(f"/api/v1/cases/{case_id}", headers=expert.headers).json
    assert (seen["contact_name"], seen["contact_phone"]) == ("李*量", "138****8000")
    contact = story.post(f"cases/{case_id}/contact", expert).json
    assert contact == {"name": "李质量", "phone": "13800138000"}


def test_an_agency_without_room_cannot_accept(story: Story, world: World) -> None:
    full = agencies.agency(world, capacity=1, under_way=1)
    expert = agencies.agency_person(world, full)
    case = build.case(world, CaseState.offered, enterprise=story.enterprise, agency=full)
    [offer] = story.client.get("/api/v1/case-offers", headers=expert.headers).json["items"]
    answer = story.post(f"case-offers/{offer['id']}/accept", expert)
    assert (answer.status_code, answer.json["code"]) == (409, "agency_full")
    assert story.row(Case, case.id).state == CaseState.offered
    assert story.offers_of(case.id) == {full.id: OfferState.waiting}


def test_the_last_to_decline_sends_it_back_to_the_queue(story: Story, world: World) -> None:
    one, two = agencies.agency(world), agencies.agency(world)
    case = build.case(world, CaseState.offered, enterprise=story.enterprise, agency=one)
    second = build.offer(world, case, two)
    with world.session() as session:
        first = session.execute(select(CaseOffer.id).where(CaseOffer.agency_id == one.id)).scalar_one()
    assert (
        story.post(f"case-offers/{first}/decline", agencies.agency_person(world, one), {}).status_code == 422
    )
    for offer, agency in ((first, one), (second.id, two)):
        person = agencies.agency_person(world, agency)
        assert story.post(f"case-offers/{offer}/decline", person, {"reason": "人手不足"}).status_code == 204
    assert story.row(Case, case.id).state == CaseState.routing
    assert story.told(story.officer) == ["case.offer_declined", "case.offer_declined", "case.moved"]


def test_an_offer_of_another_agency_is_not_found(story: Story, world: World) -> None:
    case = build.case(world, CaseState.offered)
    with world.session() as session:
        offer = session.execute(select(CaseOffer.id).where(CaseOffer.case_id == case.id)).scalar_one()
    stranger = agencies.agency_person(world, agencies.agency(world))
    assert story.post(f"case-offers/{offer}/accept", stranger).status_code == 404
    assert story.offers_of(case.id) == {case_agency(story, case): OfferState.waiting}


def case_agency(story: Story, case: Case) -> UUID:
    [agency_id] = story.offers_of(case.id)
    return agency_id


def test_the_county_takes_its_offers_back(app: Flask, story: Story, world: World) -> None:
    agency = agencies.agency(world)
    case = build.case(world, CaseState.offered, enterprise=story.enterprise, agency=agency)
    with app.app_context():
        case_offers.recall(story.county, case.id, "改派其他机构")
        case_offers.offer(story.county, case.id, [agency.id])  # the same may be asked again
    assert story.row(Case, case.id).state == CaseState.offered


@pytest.mark.parametrize(
    ("number", "active", "code"),
    [(0, True, "offers_number"), (6, True, "offers_number"), (1, False, "agency_unavailable")],
)
def test_whom_a_case_can_be_offered_to(
    app: Flask, story: Story, world: World, number: int, active: bool, code: str
) -> None:
    case = build.case(world, CaseState.routing, enterprise=story.enterprise)
    chosen = [agencies.agency(world, active=active).id for _ in range(number)]
    with app.app_context(), pytest.raises(DomainError) as refused:
        case_offers.offer(story.county, case.id, chosen)
    assert refused.value.code == code
    assert story.row(Case, case.id).state == CaseState.routing


def test_another_countys_staff_cannot_review_it(app: Flask, story: Story, world: World) -> None:
    case_id = UUID(story.request().json["id"])
    elsewhere = build.actor(world.staff("county_staff", "js.xz.peixian"), "county_staff", "js.xz.peixian")
    with app.app_context(), pytest.raises(DomainError) as refused:
        case_routing.admit(elsewhere, case_id)
    assert refused.value.code == "not_found"


# --- step by step to the end


def test_each_step_says_what_it_still_requires(story: Story, world: World) -> None:
    case = build.case(world, CaseState.diagnosis, enterprise=story.enterprise)
    expert = agencies.agency_person(world, story.row(Agency, case.agency_id))
    walked = [CaseState.planning, CaseState.training, CaseState.improvement, CaseState.evaluation]
    for state in walked:
        early = story.post(f"cases/{case.id}/advance", expert)
        assert (early.status_code, early.json["code"]) == (409, "case_incomplete")
        assert early.json["details"]["missing"]
        build.ready(world, story.row(Case, case.id))
        assert story.post(f"cases/{case.id}/advance", expert).json["state"] == state
    again = story.post(f"cases/{case.id}/advance", expert)
    assert again.json["code"] == "case_state"
    with world.session() as session:
        moves = select(CaseTransition.to_state).where(CaseTransition.case_id == case.id)
        moves = moves.order_by(CaseTransition.id)
        assert list(session.execute(moves).scalars()) == [CaseState.diagnosis, *walked]


def test_an_unfinished_problem_keeps_a_case_from_its_evaluation(story: Story, world: World) -> None:
    case = build.case(world, CaseState.improvement, enterprise=story.enterprise)
    expert = agencies.agency_person(world, story.row(Agency, case.agency_id))
    build.ready(world, case)
    finding = Finding(
        case_id=case.id,
        aspect=Aspect.people,
        problem="没有检验规程",
        measure="编写",
        owner="李质量",
        due_on=now().date(),
    )
    with world.session() as session:
        session.add(finding)
    early = story.post(f"cases/{case.id}/advance", expert)
    assert early.json["details"]["missing"] == "问题清单全部完成"
    with world.session() as session:
        session.get(Finding, finding.id).state = FindingState.verified
    assert story.post(f"cases/{case.id}/advance", expert).json["state"] == "evaluation"


def test_a_satisfied_enterprise_and_the_county_closes(app: Flask, story: Story, world: World) -> None:
    case = build.case(world, CaseState.evaluation, enterprise=story.enterprise)
    with app.app_context(), pytest.raises(DomainError) as early:
        case_evaluation.close(story.county, case.id)
    assert early.value.code == "case_incomplete"
    body = {"rating": "very_satisfied", "comment": "专家很负责。"}
    assert story.post(f"cases/{case.id}/evaluate", story.owner, body).json["state"] == "evaluation"
    twice = story.post(f"cases/{case.id}/evaluate", story.owner, body)
    assert (twice.status_code, twice.json["code"]) == (409, "case_rated")
    with app.app_context():
        case_evaluation.close(story.county, case.id)
    closed = story.row(Case, case.id)
    assert (closed.state, closed.due_at) == (CaseState.closed, None)
    assert closed.closed_at is not None
    assert story.row(Agency, case.agency_id).under_way == 0


def test_a_dissatisfied_enterprise_is_visited_again(app: Flask, story: Story, world: World) -> None:
    case = build.case(world, CaseState.evaluation, enterprise=story.enterprise)
    expert = agencies.agency_person(world, story.row(Agency, case.agency_id))
    body = {"rating": "dissatisfied", "comment": "来得太少。"}
    assert story.post(f"cases/{case.id}/evaluate", story.owner, body).json["state"] == "rectification"
    for round_ in (1, 2):
        assert story.post(f"cases/{case.id}/advance", expert).json["code"] == "case_incomplete"
        build.ready(world, story.row(Case, case.id))
        assert story.post(f"cases/{case.id}/advance", expert).json["state"] == "revisit"
        with app.app_context(), pytest.raises(DomainError) as early:
            case_evaluation.close(story.county, case.id)
        assert early.value.code == "case_incomplete"
        if round_ == 1:
            with app.app_context():
                case_evaluation.send_back(story.county, case.id, "企业仍不满意")
            assert story.row(Agency, case.agency_id).under_way == 1
    build.ready(world, story.row(Case, case.id))
    with app.app_context():
        case_evaluation.close(story.county, case.id)
    assert story.row(Case, case.id).state == CaseState.closed
    assert story.row(Agency, case.agency_id).under_way == 0


def test_ending_early_gives_the_agency_its_room_back(app: Flask, story: Story, world: World) -> None:
    case = build.case(world, CaseState.training, enterprise=story.enterprise)
    with app.app_context():
        case_routing.terminate(story.county, case.id, "企业停产")
    ended = story.row(Case, case.id)
    assert (ended.state, ended.state_reason, ended.due_at) == (CaseState.terminated, "企业停产", None)
    assert story.row(Agency, case.agency_id).under_way == 0


def test_after_its_evaluation_began_a_case_cannot_be_withdrawn(story: Story, world: World) -> None:
    case = build.case(world, CaseState.evaluation, enterprise=story.enterprise)
    answer = story.post(f"cases/{case.id}/withdraw", story.owner, {"reason": "不想做了"})
    assert (answer.status_code, answer.json["code"]) == (409, "illegal_move")


def test_a_withdrawal_closes_what_is_offered(story: Story, world: World) -> None:
    agency = agencies.agency(world)
    expert = agencies.agency_person(world, agency)
    case = build.case(world, CaseState.offered, enterprise=story.enterprise, agency=agency)
    assert story.post(f"cases/{case.id}/withdraw", story.owner, {"reason": "已自行解决"}).status_code == 200
    assert story.offers_of(case.id) == {agency.id: OfferState.closed}
    assert story.told(expert) == ["case.offer_closed"]


def test_lists_hold_ones_own(story: Story, world: World) -> None:
    old = build.case(world, CaseState.closed, enterprise=story.enterprise)
    new = build.case(world, CaseState.diagnosis, enterprise=story.enterprise)
    build.case(world)
    listed = story.client.get("/api/v1/cases", headers=story.owner.headers).json["items"]
    assert [one["id"] for one in listed] == [str(new.id), str(old.id)]
    expert = agencies.agency_person(world, story.row(Agency, new.agency_id))
    assigned = story.client.get("/api/v1/cases?state=diagnosis", headers=expert.headers).json["items"]
    assert [one["id"] for one in assigned] == [str(new.id)]


def test_the_enterprises_name_is_kept_as_it_was(story: Story) -> None:
    case_id = story.request().json["id"]
    with story.world.session() as session:
        session.get(Enterprise, story.enterprise.id).name = "丰县改名厂"
    assert story.row(Case, case_id).enterprise_name == "丰县小微车辆配件厂"


@pytest.mark.parametrize("selected", [True, False])
def test_a_booking_is_the_request_where_the_county_has_selected_the_agency(
    app: Flask, story: Story, world: World, selected: bool
) -> None:
    agency = agencies.agency(world)
    if selected:
        agencies.selection(world, agency)
    member = build.actor(story.owner, "owner", story.enterprise.id).acting("bookings.write")
    booking: Any = SimpleNamespace(enterprise_id=story.enterprise.id, agency_id=agency.id)
    wish = Wish("想建立质量管理体系。", "李质量", "13800138000", [])
    with app.app_context(), begin(member):
        case_id = cases.open_for_booking(member, booking, wish)
        assert cases.open_for_booking(member, booking, wish) == case_id  # the one that is open
    assert story.row(Case, case_id).state == (CaseState.offered if selected else CaseState.requested)
    assert story.offers_of(case_id) == ({agency.id: OfferState.waiting} if selected else {})
    assert story.told(story.officer) == ["case.moved"]  # once, whatever it went through
