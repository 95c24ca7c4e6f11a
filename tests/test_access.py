"""Who reaches what: every route with every role, generated from the URL map; and the guard beneath."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from app.access import PERMISSIONS, PERSON, ROLES
from models.signups import Signup
from models.trainings import TrainingState
from tests.bodies import body_of, takes_a_file
from tests.builders import Person, World
from tests.console_client import Browser, desk_of
from tests.evidence_builders import PDF
from tests.places import Place, Thing, place, undone

PUBLIC = {
    "GET /",
    "GET /verify/",
    "GET /verify/<code>",
    "GET /healthz",
    "GET /readyz",
    "GET /wechat/push",
    "POST /wechat/push",
    "GET /wechat/push/oa",
    "POST /wechat/push/oa",
    "GET /api/docs",
    "GET /api/openapi.json",
    "GET /api/v1/people/privacy-notice",
    "POST /api/v1/people/sign-in",
    "POST /api/v1/people/refresh",
    "GET /api/v1/divisions",
    "GET /api/v1/clusters",
    "GET /api/v1/industries",
    "GET /api/v1/needs-survey",
    "GET /api/v1/diagnosis-form",
    "GET /api/v1/schemes",
    "GET /api/v1/certificates/<code>",
    "GET /api/v1/files/<string:token>",
    "GET /console/sign-in",
    "POST /console/sign-in",
    "GET /console/sign-in/code",
    "POST /console/sign-in/code",
    "GET /console/sign-in/new-password",
    "POST /console/sign-in/new-password",
    "GET /console/sign-in/authenticator",
    "POST /console/sign-in/authenticator",
    "GET /console/sign-in/scan",
    "POST /console/sign-in/scan",
    "GET /console/sign-in/scan.png",
}


@pytest.fixture(scope="module")
def app(app_with_platform: Flask) -> Flask:
    """Some routes ask the platform."""
    return app_with_platform


def routes(app: Flask) -> Iterator[tuple[str, Rule, Any]]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in ("static", "console.static"):
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
        if PERMISSIONS[permission].reaches_own and self.person and thing.user == self.person.id:
            return True
        for role, kind, scope in self.grants:
            held = str(getattr(thing, kind))
            below = kind == "division" and held.startswith(f"{scope}.")
            if role in roles and (held == scope or below):
                return True
        return False

    def own(self, kind: str) -> str | None:
        return next((scope for _, of, scope in self.grants if of == kind), None)


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
        "agency staff": [("agency_staff", "agency", str(here["agency_id"]))],
        "agency staff elsewhere": [("agency_staff", "agency", str(far["agency_id"]))],
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
        if view.permission is None or rule.endpoint.startswith("console."):
            continue
        named = re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)
        for where, there in places.items():
            unknown = set(named) - set(there.ids)
            assert not unknown, f"{rule.rule}: this test must be told what {unknown} stand for"
            url = rule.build({name: there.ids[name] for name in named})[1]  # type: ignore[index]
            for caller in callers:
                given = there.given | {
                    f"{k}_id": v for k in ("enterprise", "division", "agency") if (v := caller.own(k))
                }
                path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
                sent: dict[str, Any] = {"json": body_of(document, path, method.lower(), given)}
                if takes_a_file(document, path, method.lower()):
                    sent = {"data": {"file": (BytesIO(PDF), "a.pdf")}}
                headers = caller.person.headers if caller.person else {}
                with undone(app):
                    answer = client.open(url, method=method, headers=headers, **sent)
                must = expected(caller, view.permission, [there.things[name] for name in named])
                seen[must] += 1
                status = answer.status_code
                right = (
                    status < 500 and status not in (401, 403, 404) if must == "in" else must == str(status)
                )
                if not right:
                    asked = f"{method} {url} ({where}) as {caller.name}"
                    wrong.append(f"{asked}: {must} expected, got {status} {answer.json}")
    assert not wrong, "\n".join(wrong)
    assert min(seen[kind] for kind in ("401", "403", "404", "in")) > 30


@dataclass(frozen=True)
class Window:
    """A browser that somebody is signed in with, as it stood then: requests may throw its cookie away."""

    caller: Caller
    browser: Browser
    cookie: str
    token: str

    def open(self, url: str, method: str, fields: dict[str, Any]) -> Any:
        self.browser.client.set_cookie("tizhitong", self.cookie, path="/console")
        sent = {"data": fields, "headers": {"X-CSRFToken": self.token}} if method == "POST" else {}
        return self.browser.client.open(url, method=method, **sent)


@pytest.fixture(scope="module")
def windows(app: Flask, callers: list[Caller]) -> list[Window]:
    """Every caller at the console: whoever they are, the sign-in is theirs."""
    world, opened = World(app), []
    for caller in callers:
        browser = desk_of(world, caller.person) if caller.person else Browser(app.test_client())
        token = browser.token
        cookie = browser.client.get_cookie("tizhitong", path="/console")
        assert cookie is not None
        opened.append(Window(caller, browser, cookie.value, token))
    return opened


# The first asks for the permission of the register named; the other ends where it must: at the sign-in.
NOT_JUDGED = ("console.export", "console.sign_out")


def test_every_role_reaches_the_same_in_the_console(
    app: Flask, windows: list[Window], places: dict[str, Place]
) -> None:
    wrong, seen = [], Counter[str]()
    for method, rule, view in routes(app):
        if view.permission is None or not rule.endpoint.startswith("console.") or rule.endpoint in NOT_JUDGED:
            continue
        named = re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)
        for where, there in places.items():
            unknown = set(named) - set(there.ids)
            assert not unknown, f"{rule.rule}: this test must be told what {unknown} stand for"
            url = rule.build({name: there.ids[name] for name in named})[1]  # type: ignore[index]
            for window in windows:
                must = expected(window.caller, view.permission, [there.things[name] for name in named])
                with undone(app):
                    answer = window.open(url, method, there.given)
                    answer.close()
                seen[must] += 1
                got = "401" if "/sign-in" in answer.headers.get("Location", "") else str(answer.status_code)
                # Somebody else's row answers 403 here, as one that does not exist does.
                right = (
                    got not in ("401", "403", "404") and answer.status_code < 500
                    if must == "in"
                    else got == must.replace("404", "403")
                )
                if not right:
                    wrong.append(
                        f"{method} {url} ({where}) as {window.caller.name}: {must} expected, got {got}"
                    )
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
