"""What holds on every page of the console, whatever it shows."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app.console.frame import own_path
from config.settings import ROOT
from tests.builders import World
from tests.conftest import OtherApp
from tests.console_client import desk, text_of

TEMPLATES = ROOT / "app" / "console" / "templates"
PLACES = {"uuid": "0199f0c0-0000-7000-8000-000000000000", "default": "anything"}


def posts(app: Flask) -> list[Rule]:
    return [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.") and "POST" in (rule.methods or ())
    ]


def built(rule: Rule) -> str:
    parts = re.sub(r"<uuid:\w+>", PLACES["uuid"], rule.rule)
    return re.sub(r"<\w+>", PLACES["default"], parts)


def test_no_form_is_taken_without_the_token_that_our_pages_carry(app: Flask, world: World) -> None:
    staff = desk(world, "city_staff", "js.xz")
    rules = posts(app)
    assert len(rules) > 30
    for rule in rules:
        answer = staff.client.post(built(rule), data={"reason": "无"})
        assert answer.status_code == 400 and "不是由本系统打开" in text_of(answer), rule.rule


def test_the_token_of_one_browser_is_none_of_anothers(world: World) -> None:
    one, other = desk(world, "city_staff", "js.xz"), desk(world, "city_staff", "js.xz")
    forged = one.client.post("/console/sign-out", headers={"X-CSRFToken": other.token})
    assert forged.status_code == 400
    assert one.get("/console/").status_code == 200


def test_who_is_not_signed_in_is_led_to_sign_in_and_back(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/console/enterprises?state=registered&q=铝")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(
        "/console/sign-in?next=/console/enterprises?state%3Dregistered"
    )
    part = client.get("/console/transfers", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"][:16]) == (401, "/console/sign-in")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/console//evil.example",
        "/consolex",
        "/\\evil.example",
        "\\\\evil.example/console",
        "javascript:alert(1)",
        "/console/\r\nSet-Cookie: a=b",
        "/api/v1/people/me",
        "http://localhost@evil.example/console/",
        "",
    ],
)
def test_nobody_is_led_away_from_the_console(app: Flask, world: World, address: str) -> None:
    with app.test_request_context("/console/"):
        assert own_path(address) is None
    staff = desk(world, "city_staff", "js.xz")
    for at in (f"/console/enterprises/{PLACES['uuid']}/merge", "/console/exports/nothing"):
        answer = staff.post(at, back=address)
        assert "evil" not in answer.headers.get("Location", "")


def test_pages_of_ours_are_kept_with_their_query(app: Flask) -> None:
    with app.test_request_context("/console/"):
        assert (
            own_path("/console/enterprises?q=%E9%93%9D&page=2") == "/console/enterprises?q=%E9%93%9D&page=2"
        )
        assert own_path("http://localhost/console/reviews") == "/console/reviews"


def test_the_cookie_is_for_the_console_alone_and_for_no_script(app: Flask, world: World) -> None:
    answer = app.test_client().get("/console/sign-in")
    [cookie] = answer.headers.getlist("Set-Cookie")
    for part in ("HttpOnly", "SameSite=Lax", "Path=/console"):
        assert part in cookie


def test_over_https_the_cookie_is_secure(other_app: OtherApp) -> None:
    answer = other_app(public_url="https://tizhitong.example").get("/console/sign-in")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_every_page_has_the_strict_policy_and_is_not_kept(world: World) -> None:
    staff = desk(world, "city_staff", "js.xz")
    for path in (
        "/console/",
        "/console/sign-in",
        "/console/transfers",
        f"/console/enterprises/{PLACES['uuid']}",
    ):
        answer = staff.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert (
            "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"


def test_assets_are_ours_fingerprinted_and_kept(app: Flask, world: World) -> None:
    page = desk(world, "city_staff", "js.xz").get("/console/").get_data(as_text=True)
    addresses = re.findall(r'(?:href|src)="(/console/static/[^"#]+)', page)
    assert len(addresses) >= 4 and not re.search(r'(?:href|src)="(?:https?:)?//', page)
    for address in addresses:
        assert re.search(r"\?v=[0-9a-f]{12}$", address), address
        with app.test_client().get(address) as answer:
            assert answer.status_code == 200 and "immutable" in answer.headers["Cache-Control"]


def test_no_template_holds_a_script_or_a_style_of_its_own() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        markup = re.sub(r"(?s)\{[%#{].*?[%#}]\}", "", text)
        assert not re.search(r"\sstyle=|\son\w+=\"|<style|<script(?![^>]*\ssrc=)|javascript:", markup), path
        assert "| safe" not in text and "|safe" not in text, path


def test_what_is_out_of_reach_and_what_does_not_exist_get_the_same_page(world: World) -> None:
    staff = desk(world, "county_staff", "js.xz.peixian")
    foreign = world.enterprise()
    answers = [staff.get(f"/console/enterprises/{i}") for i in (foreign.id, PLACES["uuid"])]
    assert [answer.status_code for answer in answers] == [403, 403]
    pages = [re.sub(r'content="[^"]+"|value="[^"]+"', "", one.get_data(as_text=True)) for one in answers]
    assert pages[0] == pages[1] and "不在您的管辖范围内" in pages[0] and "沛县 · 县局经办" in pages[0]
    assert foreign.name not in pages[0]


def test_a_page_that_does_not_exist_is_not_found(world: World) -> None:
    assert desk(world, "county_staff").get("/console/nothing-here").status_code == 404


def test_what_is_typed_is_shown_as_text(world: World) -> None:
    staff = desk(world, "county_staff")
    page = staff.get("/console/enterprises", q="<script>alert(1)</script>\"'").get_data(as_text=True)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_a_bad_filter_is_told_at_its_field_and_does_not_filter(world: World) -> None:
    staff = desk(world, "county_staff")
    world.enterprise()
    answer = staff.get("/console/enterprises", state="nonsense", sort="password", page="-3", size="7")
    assert answer.status_code == 200 and "没有符合条件" not in text_of(answer)


def test_the_navigation_shows_what_a_role_may_do(world: World) -> None:
    offered = {
        role: re.findall(
            r'href="(/console/[\w-]*)"', desk(world, role, scope).get("/console/").get_data(as_text=True)
        )
        for role, scope in (
            ("county_staff", "js.xz.fengxian"),
            ("branch_staff", "js.xz.fengxian"),
            ("system_administrator", "js.xz"),
            ("auditor", "js.xz"),
        )
    }
    assert "/console/reviews" in offered["county_staff"]
    assert (
        "/console/enterprises" in offered["branch_staff"]
        and "/console/reviews" not in offered["branch_staff"]
    )
    assert {"/console/accounts", "/console/organisations"} <= set(offered["system_administrator"])
    assert "/console/audit" in offered["auditor"]
    business = {"/console/enterprises", "/console/trainings", "/console/calendar", "/console/reviews"}
    assert not business & {*offered["system_administrator"], *offered["auditor"]}


def test_vendored_files_are_the_ones_that_are_told() -> None:
    folder = ROOT / "app" / "console" / "static" / "vendor"
    told = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.M))
    files = {path.name for path in folder.iterdir()} - {"README.md"}
    assert set(told) == files
    for name, digest in told.items():
        assert hashlib.sha256(Path(folder / name).read_bytes()).hexdigest() == digest, name
