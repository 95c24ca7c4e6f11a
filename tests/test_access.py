"""Who reaches what: every route with every role, generated from the URL map; and the guard beneath."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, exists, func, select, text, union_all, update
from sqlalchemy.orm import aliased
from werkzeug.routing import Rule

from app.access import NOBODY, PERMISSIONS, PERSON, ROLES, SYSTEM, Actor, Grant, NoActor
from app.transactions import begin, session
from models.base import Base, Scope
from models.enterprises import Enterprise, MembershipRequest
from models.messages import Notice
from models.people import RoleGrant, User
from models.signups import Signup, SignupState
from models.trainings import EnterpriseSeats, Training, TrainingState
from tests.bodies import body_of
from tests.builders import Person, World, fresh_phone

PUBLIC = {
    "GET /",
    "GET /verify/",
    "GET /verify/<code>",
    "GET /healthz",
    "GET /readyz",
    "GET /wechat/push",
    "POST /wechat/push",
    "GET /api/docs",
    "GET /api/openapi.json",
    "GET /api/v1/people/privacy-notice",
    "POST /api/v1/people/sign-in",
    "POST /api/v1/people/refresh",
    "POST /api/v1/people/staff-sign-in",
    "GET /api/v1/divisions",
    "GET /api/v1/industries",
    "GET /api/v1/needs-survey",
    "GET /api/v1/certificates/<code>",
}


@pytest.fixture(scope="module")
def app(app_with_platform: Flask) -> Flask:
    """Some routes ask the platform."""
    return app_with_platform


def routes(app: Flask) -> Iterator[tuple[str, Rule, Any]]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule, app.view_functions[rule.endpoint]


def test_every_route_says_who_may_call_it(app: Flask) -> None:
    undeclared = [f"{m} {rule.rule}" for m, rule, view in routes(app) if not hasattr(view, "permission")]
    assert undeclared == []
    unknown = {view.permission for _, _, view in routes(app)} - set(PERMISSIONS) - {None}
    assert unknown == set()


def test_the_public_routes_are_these(app: Flask) -> None:
    assert {f"{m} {rule.rule}" for m, rule, view in routes(app) if view.permission is None} == PUBLIC


def test_every_permission_is_of_known_roles_and_is_asked_for_somewhere(app: Flask) -> None:
    assert {role for p in PERMISSIONS.values() for role in p.roles} <= {*ROLES, PERSON}
    assert {view.permission for _, _, view in routes(app)} >= set(PERMISSIONS)


# --- the matrix


@dataclass(frozen=True)
class Thing:
    """What an id in a URL stands for, by whose it is; nothing known of it: it goes with the other ids."""

    division: str | None = None
    enterprise: UUID | None = None
    training: UUID | None = None
    user: UUID | None = None
    public: bool = False


@dataclass(frozen=True)
class Place:
    """One of everything, in one division."""

    ids: dict[str, UUID]
    things: dict[str, Thing]
    given: dict[str, Any]


@dataclass(frozen=True)
class Caller:
    name: str
    person: Person | None
    grants: list[tuple[str, str, str]] = field(default_factory=list)

    def holds(self, permission: str) -> bool:
        roles = PERMISSIONS[permission].roles
        return PERSON in roles or any(role in roles for role, _, _ in self.grants)

    def reaches(self, permission: str, thing: Thing) -> bool:
        if thing == Thing() or (thing.public and not PERMISSIONS[permission].for_staff):
            return True
        roles = PERMISSIONS[permission].roles
        if PERSON in roles and self.person and thing.user == self.person.id:
            return True
        for role, kind, scope in self.grants:
            held = str(getattr(thing, kind))
            below = kind == "division" and held.startswith(f"{scope}.")
            if role in roles and (held == scope or below):
                return True
        return False

    def own(self, kind: str) -> str | None:
        return next((scope for _, of, scope in self.grants if of == kind), None)


def place(world: World, division: str, state: TrainingState) -> Place:
    """Everything that a URL can name; the attendee, the applicant and the one told are one person."""
    person, enterprise = world.person(), world.enterprise(division_id=division)
    training = world.training(division_id=division, state=state, taken=1)
    helper = world.person(
        grants=[("member", "enterprise", str(enterprise.id)), ("trainer", "training", str(training.id))]
    )
    [session_id] = world.sessions_of(training)
    phone = fresh_phone()
    signup = Signup(
        training_id=training.id,
        division_id=division,
        enterprise_id=enterprise.id,
        enterprise_name=enterprise.name,
        created_by=helper.id,
        attendee_name="李质量",
        attendee_phone=phone,
        attendee_phone_index=phone.encode(),
        attendee_user_id=person.id,
        state=SignupState.confirmed,
    )
    seats = EnterpriseSeats(
        training_id=training.id, enterprise_id=enterprise.id, division_id=division, taken=1
    )
    request = MembershipRequest(enterprise_id=enterprise.id, division_id=division, user_id=person.id)
    with world.session() as s:
        s.add_all([signup, seats, request])
        s.flush()
        notice = Notice(
            user_id=person.id,
            kind="signup.confirmed",
            title="报名已通过",
            body="请准时参加。",
            subject_type="signups",
            subject_id=signup.id,
            dedupe_key=str(signup.id),
        )
        s.add(notice)
    of_training = Thing(division, training=training.id, public=state != TrainingState.draft)
    of_enterprise = Thing(division, enterprise=enterprise.id)
    return Place(
        ids={
            "enterprise_id": enterprise.id,
            "training_id": training.id,
            "session_id": session_id,
            "signup_id": signup.id,
            "request_id": request.id,
            "notice_id": notice.id,
            "user_id": helper.id,
        },
        things={
            "enterprise_id": of_enterprise,
            "training_id": of_training,
            "session_id": of_training,
            "signup_id": Thing(division, enterprise.id, training.id, person.id),
            "request_id": Thing(division, enterprise.id, user=person.id),
            "notice_id": Thing(user=person.id),
            "user_id": Thing(),
        },
        given={
            "enterprise_id": str(enterprise.id),
            "signup_id": str(signup.id),
            "user_id": str(helper.id),
            "credit_code": enterprise.credit_code,
            "phone": helper.phone,
            "division_id": division,
            "reason": "材料不完整",
        },
    )


@pytest.fixture(scope="module")
def places(app: Flask) -> dict[str, Place]:
    """One county's things, open to all; and the province's, of a training that is not published yet."""
    world = World(app)
    return {
        "fengxian": place(world, "js.xz.fengxian", TrainingState.published),
        "province": place(world, "js", TrainingState.draft),
    }


@pytest.fixture(scope="module")
def callers(app: Flask, places: dict[str, Place]) -> list[Caller]:
    world, here, far = World(app), places["fengxian"].ids, places["province"].ids
    elsewhere = world.enterprise(division_id="js.xz.peixian")
    held: dict[str, list[tuple[str, str, str]]] = {
        "nobody in particular": [],
        "owner": [("owner", "enterprise", str(here["enterprise_id"]))],
        "member": [("member", "enterprise", str(here["enterprise_id"]))],
        "owner elsewhere": [("owner", "enterprise", str(elsewhere.id))],
        "member of the province's": [("member", "enterprise", str(far["enterprise_id"]))],
        "trainer": [("trainer", "training", str(here["training_id"]))],
        "trainer elsewhere": [("trainer", "training", str(far["training_id"]))],
        "county staff": [("county_staff", "division", "js.xz.fengxian")],
        "county staff elsewhere": [("county_staff", "division", "js.xz.peixian")],
        "city staff": [("city_staff", "division", "js.xz")],
        "branch staff": [("branch_staff", "division", "js.xz.fengxian")],
        "auditor": [("auditor", "division", "js.xz")],
        "system administrator": [("system_administrator", "division", "js.xz")],
    }
    with world.session() as s:
        attendees = {
            name: s.execute(select(Signup.attendee_user_id).where(Signup.id == ids["signup_id"])).scalar_one()
            for name, ids in (("attendee", here), ("attendee elsewhere", far))
        }
    known = [Caller(name, world.person(grants=grants), grants) for name, grants in held.items()]
    known += [Caller(name, world.signed_in(user_id)) for name, user_id in attendees.items()]
    return [Caller("nobody", None), *known]


class _Undone(Exception):
    pass


@contextmanager
def undone(app: Flask) -> Iterator[None]:
    """Takes back whatever the requests of the block did, so that each meets the same world."""
    try:
        with app.app_context(), begin(SYSTEM):
            yield
            raise _Undone
    except _Undone:
        pass


def expected(caller: Caller, permission: str, things: list[Thing]) -> str:
    if caller.person is None:
        return "401"
    if not caller.holds(permission):
        return "403"
    return "in" if all(caller.reaches(permission, thing) for thing in things) else "404"


def test_every_role_reaches_what_its_permission_says_and_nothing_else(
    app: Flask, callers: list[Caller], places: dict[str, Place]
) -> None:
    client, wrong, seen = app.test_client(), [], Counter[str]()
    document = client.get("/api/openapi.json").json
    for method, rule, view in routes(app):
        if view.permission is None:
            continue
        named = [name for name in re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)]
        for where, there in places.items():
            unknown = set(named) - set(there.ids)
            assert not unknown, f"{rule.rule}: this test must be told what {unknown} stand for"
            url = rule.build({name: there.ids[name] for name in named})[1]  # type: ignore[index]
            for caller in callers:
                given = there.given | {f"{k}_id": v for k in ("enterprise", "division") if (v := caller.own(k))}
                path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
                body = body_of(document, path, method.lower(), given)
                headers = caller.person.headers if caller.person else {}
                with undone(app):
                    answer = client.open(url, method=method, headers=headers, json=body)
                must = expected(caller, view.permission, [there.things[name] for name in named])
                seen[must] += 1
                status = answer.status_code
                right = status < 500 and status not in (401, 403, 404) if must == "in" else must == str(status)
                if not right:
                    wrong.append(f"{method} {url} ({where}) as {caller.name}: {must} expected, got {status} {answer.json}")
    assert not wrong, "\n".join(wrong)
    assert min(seen[kind] for kind in ("401", "403", "404", "in")) > 30


def test_the_answer_to_what_is_out_of_reach_is_the_answer_to_what_does_not_exist(
    app: Flask, callers: list[Caller], places: dict[str, Place]
) -> None:
    [staff] = [caller for caller in callers if caller.name == "county staff elsewhere"]
    assert staff.person
    client, missing = app.test_client(), UUID(int=7)
    for url in ("signups/{}", "enterprises/{}", "sessions/{}/counts", "trainings/{}/roster"):
        name = {"enterprises": "enterprise_id", "sessions": "session_id", "trainings": "training_id"}
        there = places["fengxian"].ids[name.get(url.split("/")[0], "signup_id")]
        answers = [
            client.get(f"/api/v1/{url.format(i)}", headers=staff.person.headers).json
            for i in (there, missing)
        ]
        assert [answer.pop("instance") != "" for answer in answers] == [True, True]
        assert answers[0] == answers[1] and answers[0]["status"] == 404


# --- the guard


@pytest.fixture
def fengxian(app: Flask, callers: list[Caller]) -> Iterator[Actor]:
    """An act of the county's staff; everything that is not theirs must be out of its sight."""
    actor = Actor(UUID(int=1), (Grant("county_staff", "division", "js.xz.fengxian"),), "signups.review")
    with app.app_context(), begin(actor):
        yield actor


def test_a_query_without_an_actor_raises(app: Flask) -> None:
    with app.app_context():
        for statement in (select(User), select(func.count()).select_from(User), update(User).values(name="x"), text("SELECT 1")):
            with pytest.raises(NoActor):
                session().execute(statement)
        with pytest.raises(NoActor):
            session().get(User, UUID(int=1))
        session().add(User())
        with pytest.raises(NoActor):
            session().flush()


S = aliased(Signup)
STATEMENTS = {
    "rows": select(Signup.division_id),
    "objects": select(Signup).with_only_columns(Signup.division_id, Signup),
    "distinct": select(Signup.division_id).distinct(),
    "aliased": select(S.division_id),
    "joined": select(Signup.division_id).join(Training, Training.id == Signup.training_id),
    "outer side": select(Signup.division_id).select_from(User).join(Signup, Signup.attendee_user_id == User.id),
    "subquery": select(select(Signup.division_id).subquery().c.division_id),
    "CTE": select(select(Signup.division_id).cte().c.division_id),
    "union": union_all(select(Signup.division_id), select(S.division_id)),
    "scalar subquery": select(
        select(func.max(Signup.division_id)).where(Signup.division_id == "js").scalar_subquery()
    ),
    "in subquery": select(Training.division_id).where(Training.id.in_(select(Signup.training_id))),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_rows_are_narrowed_however_they_are_asked_for(fengxian: Actor, name: str) -> None:
    found = {row[0] for row in session().execute(STATEMENTS[name])} - {None}
    assert found <= {"js.xz.fengxian"}
    with begin(SYSTEM):
        assert "js" in {row[0] for row in session().execute(STATEMENTS[name])}


def test_counts_and_existence_are_narrowed(fengxian: Actor) -> None:
    there = select(exists().where(Signup.division_id == "js"))
    also = select(Training.id).where(select(S.id).where(S.division_id == "js").exists())
    count = select(func.count()).select_from(Signup)
    rows = len(session().execute(select(Signup.id)).all())
    assert session().execute(there).scalar_one() is False
    assert session().execute(also).first() is None
    assert session().execute(count).scalar_one() == rows
    with begin(SYSTEM):
        assert session().execute(there).scalar_one() is True
        assert session().execute(count).scalar_one() > rows


def test_changes_are_narrowed(app: Flask, places: dict[str, Place]) -> None:
    actor = Actor(UUID(int=1), (Grant("county_staff", "division", "js.xz.fengxian"),), "signups.review")
    far = places["province"].ids["signup_id"]
    with undone(app), begin(actor):
        changed = update(Signup).where(Signup.id == far).values(state_reason="x").returning(Signup.id)
        assert session().execute(changed).first() is None
        gone = delete(MembershipRequest).returning(MembershipRequest.division_id)
        assert set(session().execute(gone).scalars()) <= {"js.xz.fengxian"}
        assert session().get(Signup, far) is None


def test_nobody_reaches_only_what_is_everybodys(app: Flask) -> None:
    with app.app_context(), begin(NOBODY):
        for model in (User, RoleGrant, Enterprise, Signup, Notice):
            assert session().execute(select(model).limit(1)).first() is None
        assert set(session().execute(select(Training.state)).scalars()) <= {"published", "cancelled"}


def test_a_division_is_not_its_neighbour_with_a_longer_name(app: Flask) -> None:
    actor = Actor(UUID(int=1), (Grant("county_staff", "division", "js.x"),), "signups.review")
    assert not actor.reaches_division("js.xz.fengxian") and actor.reaches_division("js.x.y")
    with app.app_context(), begin(actor):
        assert session().execute(select(Signup)).first() is None


def test_every_model_says_whose_its_rows_are() -> None:
    for mapper in Base.registry.mappers:
        model = mapper.class_
        assert "__scope__" in vars(model), f"{model.__name__} declares no __scope__"
        scope = model.__scope__
        if isinstance(scope, Scope):
            columns = [scope.division, scope.enterprise, scope.training, scope.user]
            assert any(columns) and all(c in model.__table__.c for c in columns if c), model.__name__
    everybodys = {m.class_.__name__ for m in Base.registry.mappers if m.class_.__scope__ is None}
    assert everybodys == {"Division", "Document", "Industry", "ReceivedPush", "SizeRuleRow"}
