"""Enterprises over HTTP: registering, finding, changing and reviewing them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from models.audit import AuditEvent
from models.credit_code import CHARACTERS
from models.enterprises import Enterprise, EnterpriseState
from models.messages import Notice
from models.people import RoleGrant
from models.reference import Division
from tests.builders import Person, World, fresh_credit_code
from tests.races import at_once
from tests.statements import queries

PATH = "/api/v1/enterprises"
FENGXIAN = "js.xz.fengxian"
ANSWERS = {
    "structure_completeness": "3",
    "structure_posts": ["production", "quality"],
    "quality_manager": "part_time",
    "management_quality": "2",
    "management_practice": ["training"],
    "certificates_held": ["none"],
    "certificates_wanted": ["qms", "green_low_carbon"],
    "aspects_needed": ["quality_awareness", "standardisation"],
    "aspect_first": "standardisation",
}


def registration(**changes: Any) -> dict[str, Any]:
    """A registration that is right in everything that the test does not name."""
    body = {
        "credit_code": fresh_credit_code(),
        "name": "丰县宏远车辆配件有限公司",
        "division_id": FENGXIAN,
        "industry_code": "C36",
        "headcount": 86,
        "revenue": 23_000_000,
        "assets": 9_000_000,
        "address": "丰县经济开发区华山路 8 号",
        "legal_representative": "张志强",
        "needs_survey": ANSWERS,
    }
    return {**body, **changes}


def register(client: FlaskClient, person: Person, **changes: Any) -> Any:
    return client.post(PATH, json=registration(**changes), headers=person.headers)


def wrong_digit() -> str:
    """A credit code whose check digit, and nothing else, is wrong."""
    code = fresh_credit_code()
    return code[:17] + min(CHARACTERS - {code[17]})


def notices(world: World, person: Person) -> list[str]:
    with world.session() as session:
        kinds = session.execute(select(Notice.kind).where(Notice.user_id == person.id).order_by(Notice.id))
        return list(kinds.scalars())


def verbs(world: World, enterprise_id: str | UUID) -> list[str]:
    with world.session() as session:
        found = select(AuditEvent.verb).where(AuditEvent.subject_id == str(enterprise_id))
        return list(session.execute(found.order_by(AuditEvent.id)).scalars())


def test_the_registrant_becomes_owner(client: FlaskClient, world: World) -> None:
    person = world.person()
    answer = register(client, person)
    assert answer.status_code == 201, answer.json
    made = answer.json
    assert (made["state"], made["size_class"], made["size_rule_version"]) == (
        "registered",
        "small",
        "2011-300",
    )
    assert made["needs_survey"] == ANSWERS and made["needs_survey_version"] == "2026-11"
    assert client.get(f"{PATH}/{made['id']}", headers=person.headers).json == made
    grants = client.get("/api/v1/people/me", headers=person.headers).json["grants"]
    assert grants == [{"role": "owner", "scope_type": "enterprise", "scope_id": made["id"]}]
    assert verbs(world, made["id"]) == ["enterprise.registered"]


def test_a_phone_must_be_bound(client: FlaskClient, world: World) -> None:
    answer = register(client, world.person(phone=None))
    assert (answer.status_code, answer.json["code"]) == (409, "phone_required")


def test_the_credit_code_is_normalised(client: FlaskClient, world: World) -> None:
    code = fresh_credit_code()
    pasted = f" {code[:8]} {code[8:].lower()}\u200b".translate({ord("9"): "９"})
    answer = register(client, world.person(), credit_code=pasted)
    assert answer.status_code == 201 and answer.json["credit_code"] == code


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("9132032100000000", "credit_code_length"),
        ("91320321I000000001", "credit_code_characters"),
        ("00320321MA1000000X", "credit_code_prefix"),
        ("91320321MA0DEMA010", "credit_code_check_digit"),
    ],
)
def test_a_wrong_credit_code_says_what_is_wrong(
    client: FlaskClient, world: World, code: str, refusal: str
) -> None:
    answer = register(client, world.person(), credit_code=code)
    assert (answer.status_code, answer.json["code"]) == (422, refusal)
    assert answer.json["fields"]["credit_code"]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"headcount": -1}, "validation_failed", "headcount"),
        ({"headcount": True}, "validation_failed", "headcount"),
        ({"headcount": "86"}, "validation_failed", "headcount"),
        ({"revenue": 10**16}, "validation_failed", "revenue"),
        ({"name": "  "}, "validation_failed", "name"),
        ({"name": "企业\x00"}, "validation_failed", "name"),
        ({"state": "reviewed"}, "validation_failed", "state"),
        ({"industry_code": "Z99"}, "industry_unknown", "industry_code"),
        ({"industry_code": "C99"}, "industry_unknown", "industry_code"),
        ({"industry_code": "汽车"}, "industry_unknown", "industry_code"),
        ({"industry_code": "K70"}, "industry_unknown", "industry_code"),
        ({"headcount": None}, "size_figures_missing", "headcount"),
        ({"industry_code": "E47", "assets": None}, "size_figures_missing", "assets"),
        ({"division_id": "js.xz"}, "division_unknown", "division_id"),
        ({"division_id": "js.xz.nowhere"}, "division_unknown", "division_id"),
        ({"needs_survey": None}, "validation_failed", "needs_survey"),
        ({"needs_survey": {}}, "survey_invalid", "needs_survey.aspect_first"),
    ],
)
def test_bad_input_is_refused_by_field(
    client: FlaskClient, world: World, changes: dict[str, Any], code: str, field: str
) -> None:
    answer = register(client, world.person(), **changes)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert field in answer.json["fields"]


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("no_such_question", "1"),
        ("quality_manager", "perhaps"),
        ("quality_manager", ["none"]),
        ("structure_posts", "quality"),
        ("structure_posts", ["quality", "perhaps"]),
        ("structure_posts", ["none", "quality"]),
        ("structure_posts", [{"quality": 1}]),
        ("management_quality", 2),
        ("aspect_first", None),
        ("main_problem", "长" * 501),
        ("main_problem", {"text": "没有"}),
    ],
)
def test_the_survey_is_checked_question_by_question(
    client: FlaskClient, world: World, question: str, value: Any
) -> None:
    answer = register(client, world.person(), needs_survey={**ANSWERS, question: value})
    assert (answer.status_code, answer.json["code"]) == (422, "survey_invalid")
    assert list(answer.json["fields"]) == [f"needs_survey.{question}"]


def test_optional_answers_may_be_left_blank(client: FlaskClient, world: World) -> None:
    blank = {"main_problem": "  ", "training_form": [], "financing_interest": None}
    answer = register(client, world.person(), needs_survey={**ANSWERS, **blank})
    assert answer.status_code == 201 and answer.json["needs_survey"] == ANSWERS


@pytest.mark.parametrize(("given", "kept"), [("C3670", "C3670"), ("3670", "C3670"), ("ｃ36", "C36")])
def test_an_industry_code_may_be_fine_or_lack_its_letter(
    client: FlaskClient, world: World, given: str, kept: str
) -> None:
    answer = register(client, world.person(), industry_code=given)
    assert answer.status_code == 201 and answer.json["industry_code"] == kept


def test_an_enterprise_may_belong_to_a_branch(client: FlaskClient, world: World) -> None:
    branch = f"{FENGXIAN}.b{uuid4().hex[:6]}"
    with world.session() as session:
        session.add(Division(id=branch, name="丰县凤城分局", short_name="凤城分局", kind="branch"))
    made = register(client, world.person(), division_id=branch).json
    staff, elsewhere = world.staff(division=FENGXIAN), world.staff(division="js.xz.feng")
    assert client.get(f"{PATH}/{made['id']}", headers=staff.headers).status_code == 200
    assert client.get(f"{PATH}/{made['id']}", headers=elsewhere.headers).status_code == 404


def test_a_registered_enterprise_is_named_so_that_it_can_be_joined(client: FlaskClient, world: World) -> None:
    made = register(client, world.person()).json
    answer = register(client, world.person(), credit_code=made["credit_code"], name="别名")
    assert (answer.status_code, answer.json["code"]) == (409, "enterprise_exists")
    assert answer.json["details"] == {"id": made["id"], "name": made["name"]}


def test_two_register_the_same_code_at_once(app: Flask, world: World) -> None:
    for _ in range(5):
        people, body = [world.person(), world.person()], registration()

        def act(person: Person, body: dict[str, Any] = body) -> Any:
            return app.test_client().post(PATH, json=body, headers=person.headers)

        answers = at_once(*(lambda person=person: act(person) for person in people))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        made, refused = sorted(answers, key=lambda answer: answer.status_code)
        assert refused.json["details"]["id"] == made.json["id"]
        with world.session() as session:
            owners = select(RoleGrant.user_id).where(RoleGrant.scope_id == made.json["id"])
            assert len(session.execute(owners).all()) == 1


def test_who_comes_second_waits_for_the_first_to_make_up_its_mind(app: Flask, world: World) -> None:
    """The unique constraint decides, not a look beforehand: the first is not visible until it commits."""
    body = registration()
    later: list[Any] = []

    def second() -> None:
        later.append(app.test_client().post(PATH, json=body, headers=world.person().headers))

    def first() -> None:
        with world.session() as session:
            values = {"credit_code": body["credit_code"], "name": "先到者", "industry_code": "C36"}
            session.add(Enterprise(**values, division_id=FENGXIAN))
            session.flush()
            waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
            for _ in range(1000):
                if session.execute(waiting).scalar():
                    return
                session.execute(text("SELECT pg_sleep(0.01)"))
            pytest.fail("the second did not wait")

    at_once(first, second)
    assert (later[0].status_code, later[0].json["details"]["name"]) == (409, "先到者")


def test_a_repeated_request_registers_once(client: FlaskClient, world: World) -> None:
    person, body = world.person(), registration()
    headers = {**person.headers, "Idempotency-Key": uuid4().hex}
    answers = [client.post(PATH, json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json


# Finding


def test_everybody_sees_their_own(client: FlaskClient, world: World) -> None:
    owner, stranger = world.person(), world.person()
    enterprise, other = world.enterprise(owner=owner), world.enterprise(owner=stranger)
    listed = client.get(PATH, headers=owner.headers).json
    assert [item["id"] for item in listed["items"]] == [str(enterprise.id)]
    assert client.get(f"{PATH}/{other.id}", headers=owner.headers).json["code"] == "not_found"
    assert client.get(f"{PATH}/{uuid4()}", headers=owner.headers).status_code == 404
    assert client.get(PATH, headers=world.person().headers).json == {"items": [], "next": None}


def test_staff_see_their_subtree(client: FlaskClient, world: World) -> None:
    enterprise = world.enterprise()
    for staff, status in (
        (world.staff(), 200),
        (world.staff("city_staff", "js.xz"), 200),
        (world.staff("branch_staff"), 200),
        (world.staff(division="js.xz.peixian"), 404),
        (world.staff("auditor", "js.xz"), 404),
    ):
        assert client.get(f"{PATH}/{enterprise.id}", headers=staff.headers).status_code == status


def test_filters(client: FlaskClient, world: World) -> None:
    staff = world.staff("city_staff", "js.xz")
    mark = uuid4().hex[:10]
    one = world.enterprise(name=f"100%{mark}铸造厂", state=EnterpriseState.registered, size_class="micro")
    two = world.enterprise(name=f"100x{mark}机械厂", division_id="js.xz.peixian", size_class="small")

    def found(**query: str) -> set[str]:
        answer = client.get(PATH, query_string=query, headers=staff.headers)
        assert answer.status_code == 200, answer.json
        return {item["id"] for item in answer.json["items"]}

    assert found(q=mark) == {str(one.id), str(two.id)}
    assert found(q=f"100%{mark}") == {str(one.id)}
    assert found(q=mark, state="registered") == {str(one.id)}
    assert found(q=mark, division_id="js.xz.peixian") == {str(two.id)}
    assert found(q=mark, division_id="js.xz") == {str(one.id), str(two.id)}
    assert found(q=mark, division_id="js.xz.pei") == set()
    assert found(q=mark, size_class="small") == {str(two.id)}
    assert found(credit_code=one.credit_code.lower()) == {str(one.id)}
    assert client.get(f"{PATH}?state=sold", headers=staff.headers).status_code == 422
    assert client.get(f"{PATH}?q=%00", headers=staff.headers).status_code == 422


def test_pages_cost_the_same_whatever_their_length(app: Flask, client: FlaskClient, world: World) -> None:
    staff = world.staff("city_staff", "js.xz")
    mark = uuid4().hex[:10]
    made = [world.enterprise(name=f"{mark}{n}", legal_representative="张志强") for n in range(5)]
    costs, seen, cursor = [], [], ""
    for limit in (1, 2, 2):
        with queries(app) as statements:
            page = client.get(f"{PATH}?q={mark}&limit={limit}{cursor}", headers=staff.headers).json
        costs.append(len(statements))
        seen += page["items"]
        cursor = f"&cursor={page['next']}"
    assert [item["id"] for item in seen] == [str(enterprise.id) for enterprise in reversed(made)]
    assert page["next"] is None and len(set(costs)) == 1
    assert {item["legal_representative"] for item in seen} == {"张*强"}


def test_personal_columns_are_encrypted(client: FlaskClient, world: World) -> None:
    made = register(client, world.person(), address="丰县华山路甲 8 号").json
    with world.session() as session:
        row = text("SELECT address, legal_representative FROM enterprises WHERE id = :id")
        stored = session.execute(row, {"id": made["id"]}).one()
    assert not any(plain.encode() in bytes(value) for value in stored for plain in ("华山", "志强"))


# Changing


def test_a_change_of_figures_changes_the_size(client: FlaskClient, world: World) -> None:
    person = world.person()
    made = register(client, person).json
    path = f"{PATH}/{made['id']}"
    changed = client.patch(path, json={"headcount": 12, "name": "丰县宏远配件厂"}, headers=person.headers)
    assert changed.status_code == 200, changed.json
    assert (changed.json["size_class"], changed.json["name"]) == ("micro", "丰县宏远配件厂")
    assert changed.json["address"] == made["address"] and changed.json["updated_at"] > made["updated_at"]
    moved = client.patch(path, json={"industry_code": "I65"}, headers=person.headers).json
    assert (moved["size_class"], moved["industry_code"]) == ("small", "I65")
    assert client.patch(path, json={}, headers=person.headers).json == moved
    assert verbs(world, made["id"]) == ["enterprise.registered", "enterprise.changed", "enterprise.changed"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"credit_code": "91110000101623741K"}, "validation_failed"),
        ({"division_id": "js.xz.peixian"}, "validation_failed"),
        ({"name": None}, "validation_failed"),
        ({"headcount": -5}, "validation_failed"),
        ({"revenue": None}, "size_figures_missing"),
        ({"industry_code": "Z01"}, "industry_unknown"),
        ({"needs_survey": {**ANSWERS, "aspect_first": "perhaps"}}, "survey_invalid"),
    ],
)
def test_a_bad_change_changes_nothing(
    client: FlaskClient, world: World, changes: dict[str, Any], code: str
) -> None:
    person = world.person()
    made = register(client, person).json
    answer = client.patch(f"{PATH}/{made['id']}", json=changes, headers=person.headers)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert client.get(f"{PATH}/{made['id']}", headers=person.headers).json == made


def test_only_members_change_it(client: FlaskClient, world: World) -> None:
    enterprise = world.enterprise(owner=world.person())
    change = {"json": {"address": "丰县中阳大道 1 号"}}
    path = f"{PATH}/{enterprise.id}"
    assert client.patch(path, **change, headers=world.member(enterprise).headers).status_code == 200
    assert client.patch(path, **change, headers=world.staff().headers).status_code == 403
    stranger = world.person()
    world.enterprise(owner=stranger)
    assert client.patch(path, **change, headers=stranger.headers).status_code == 404
    assert client.patch(path, **change).status_code == 401


def test_a_refused_enterprise_cannot_be_changed(client: FlaskClient, world: World) -> None:
    owner = world.person()
    enterprise = world.enterprise(owner=owner, state=EnterpriseState.refused)
    answer = client.patch(f"{PATH}/{enterprise.id}", json={"name": "新名"}, headers=owner.headers)
    assert (answer.status_code, answer.json["code"]) == (409, "enterprise_not_eligible")


# Reviewing


def test_the_review(client: FlaskClient, world: World) -> None:
    owner, staff = world.person(), world.staff()
    path = f"{PATH}/{register(client, owner).json['id']}"

    def act(person: Person, verb: str, **body: Any) -> tuple[int, Any]:
        answer = client.post(f"{path}/{verb}", json=body, headers=person.headers)
        return answer.status_code, answer.json.get("state", answer.json.get("code"))

    assert act(owner, "resubmit") == (409, "illegal_move")
    assert act(staff, "return") == (422, "reason_required")
    assert act(staff, "return", reason="  ") == (422, "reason_required")
    assert act(staff, "return", reason="请补充地址") == (200, "returned")
    assert act(staff, "approve") == (409, "illegal_move")
    assert client.get(path, headers=owner.headers).json["state_reason"] == "请补充地址"
    assert act(owner, "resubmit") == (200, "registered")
    assert act(staff, "return", reason="请核对营业收入") == (200, "returned")
    assert act(owner, "resubmit") == (200, "registered")
    assert act(staff, "approve") == (200, "reviewed")
    assert client.get(path, headers=owner.headers).json["state_reason"] is None
    assert act(staff, "refuse", reason="不属于") == (409, "illegal_move")
    kinds = ["enterprise.returned", "enterprise.returned", "enterprise.approved"]
    assert notices(world, owner) == kinds


def test_a_refusal_needs_a_reason_and_is_final(client: FlaskClient, world: World) -> None:
    owner, staff = world.person(), world.staff()
    path = f"{PATH}/{register(client, owner).json['id']}"
    assert client.post(f"{path}/refuse", json={}, headers=staff.headers).json["code"] == "reason_required"
    refused = client.post(f"{path}/refuse", json={"reason": "非本市企业"}, headers=staff.headers)
    assert refused.json["state"] == "refused"
    assert client.post(f"{path}/approve", headers=staff.headers).json["code"] == "illegal_move"
    assert notices(world, owner) == ["enterprise.refused"]


def test_only_its_own_staff_review_it(client: FlaskClient, world: World) -> None:
    owner = world.person()
    path = f"{PATH}/{register(client, owner).json['id']}/approve"
    elsewhere, branch = world.staff(division="js.xz.peixian"), world.staff("branch_staff")
    assert client.post(path, headers=elsewhere.headers).status_code == 404
    for person in (branch, owner):
        assert client.post(path, headers=person.headers).json["code"] == "permission_denied"


def test_two_approve_at_once(app: Flask, client: FlaskClient, world: World) -> None:
    owner, staff = world.person(), [world.staff(), world.staff("city_staff", "js.xz")]
    path = f"{PATH}/{register(client, owner).json['id']}/approve"
    acts = [lambda who=who: app.test_client().post(path, headers=who.headers) for who in staff]
    assert sorted(answer.status_code for answer in at_once(*acts)) == [200, 409]
    assert notices(world, owner) == ["enterprise.approved"]


# A genuine code that fails its check digit


def overriding(**changes: Any) -> dict[str, Any]:
    body = registration(credit_code=wrong_digit(), reason="营业执照原件核对无误", **changes)
    return {name: value for name, value in body.items() if name != "needs_survey"}


def test_staff_override_a_check_digit(client: FlaskClient, world: World) -> None:
    staff, body = world.staff(), overriding()
    made = client.post(f"{PATH}/override", json=body, headers=staff.headers)
    assert made.status_code == 201, made.json
    assert made.json["credit_code"] == body["credit_code"] and made.json["size_class"] == "small"
    assert client.get(f"{PATH}/{made.json['id']}/members", headers=staff.headers).json == []
    assert verbs(world, made.json["id"]) == ["enterprise.credit_code_overridden"]
    again = client.post(f"{PATH}/override", json=body, headers=staff.headers)
    assert again.json["code"] == "enterprise_exists"


def test_an_override_has_its_limits(client: FlaskClient, world: World) -> None:
    staff = world.staff()

    def refused(person: Person = staff, **changes: Any) -> str:
        answer = client.post(f"{PATH}/override", json={**overriding(), **changes}, headers=person.headers)
        return str(answer.json["code"])

    assert refused(reason="") == "reason_required"
    assert refused(credit_code=fresh_credit_code()) == "credit_code_override_needless"
    assert refused(credit_code="91320321I000000001") == "credit_code_characters"
    assert refused(division_id="js.xz.peixian") == "permission_denied"
    assert refused(world.staff("city_staff", "js.xz"), division_id="js.xz") == "division_unknown"
    assert refused(world.person()) == "permission_denied"
