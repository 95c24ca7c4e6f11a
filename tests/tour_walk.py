"""How a step of the tour is taken and told, and the people who take them."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests

from tests.tour_desk import Desk, led_to

PASSWORD = "Xuzhou-2026-提升"


def typed(at: datetime) -> str:
    """Returns a time as a form's field holds it."""
    return f"{at:%Y-%m-%dT%H:%M}"


class Surprise(Exception):
    """An answer that the tour did not expect."""


class Walk:
    """A walk through a copy, step by step; the first surprise ends it."""

    def __init__(self, port: int, password: str) -> None:
        self.web, self.platform = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
        self.password = password
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Connection"] = "close"  # a server may end an idle one at any moment
        self.steps = 0

    # how a step is told

    def step(self, title: str, answer: Any, *, status: int, code: str = "", shows: str = "") -> Any:
        """Prints a step; raises Surprise when status or code are not the expected ones."""
        self.steps += 1
        says = answer.content and "json" in answer.headers.get("Content-Type", "")
        body = answer.json() if says else {}
        told = (body.get("title") if isinstance(body, dict) and code else shows) or ""
        ms = answer.elapsed.total_seconds() * 1000
        width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in title)
        print(f"{self.steps:3}. {title}{' ' * max(1, 58 - width)}{answer.status_code} {ms:7.1f} ms  {told}")
        if answer.status_code != status or (code and body.get("code") != code):
            raise Surprise(f"应为 {status} {code}，却是 {answer.status_code}：{answer.text[:800]}")
        return body if body != {} else answer

    def expect(self, title: str, held: bool, told: Any = "") -> None:
        """Prints something that must hold; raises Surprise when it does not."""
        self.steps += 1
        print(f"{self.steps:3}. {title}  {told}")
        if not held:
            raise Surprise(f"不成立：{title} {told}")

    def until(self, title: str, holds: Callable[[], bool], seconds: float = 20) -> None:
        """Waits for what a background job does."""
        began = time.monotonic()
        while not holds() and time.monotonic() - began < seconds:
            time.sleep(min(1, 0.1 + (time.monotonic() - began) / 10))
        self.expect(title, holds(), f"（{time.monotonic() - began:.1f} 秒）")

    def call(self, method: str, path: str, body: Any = None, by: str | None = None, **options: Any) -> Any:
        """Returns the API's answer to a call by the holder of the token `by`."""
        headers = {"Authorization": f"Bearer {by}"} if by else {}
        headers |= options.pop("headers", {})
        return self.http.request(
            method, f"{self.web}/api/v1/{path}", json=body, headers=headers, timeout=30, **options
        )

    def sim(self, path: str, body: Any = None) -> Any:
        """Returns what the simulated platform's control plane says."""
        answer = self.http.post(f"{self.platform}/__sim__/{path}", json=body or {}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    # the people of the journey

    def phone_of(self, name: str) -> dict[str, Any]:
        """Makes somebody with a phone and WeChat in it."""
        person: dict[str, Any] = self.sim("people", {"name": name})
        return person.get("person", person)

    def code_of(self, person: dict[str, Any]) -> str:
        return str(self.sim("login", {"person": person["id"]})["code"])

    def enter(self, name: str, *, bind: bool = True) -> tuple[dict[str, Any], str]:
        """Somebody opens the mini-program, agrees to the notice, and binds the phone."""
        person = self.phone_of(name)
        body = {"code": self.code_of(person), "consent_version": self.version}
        token = self.step(
            f"{name}：同意隐私政策并登录", self.call("POST", "people/sign-in", body), status=200
        )
        if bind:
            code = self.sim("phone_code", {"person": person["id"]})["code"]
            bound = self.call("POST", "people/me/phone", {"code": code}, by=token["access_token"])
            shown = self.step(f"{name}：授权手机号", bound, status=200)
            named = self.call("PATCH", "people/me", {"name": name}, by=token["access_token"])
            self.step(f"{name}：填写姓名", named, status=200)
            self.expect("  手机号在屏幕上隐去中间四位", "****" in shown["phone"], shown["phone"])
        return person, token["access_token"]

    def staff_sign_in(self, login_name: str, initial: str) -> Desk:
        """A member of staff signs in for the first time: password, new password, authenticator."""
        desk = Desk(self.web)
        given = {"login_name": login_name, "password": initial}
        self.led(
            f"{login_name}：初始密码登录，须先改密", desk.post("/sign-in", **given), "/sign-in/new-password"
        )
        weak = {"new_password": "12345678", "repeated": "12345678"}
        self.step(f"{login_name}：太简单的密码不行", desk.post("/sign-in/new-password", **weak), status=422)
        new = {"new_password": PASSWORD, "repeated": PASSWORD}
        set_ = desk.post("/sign-in/new-password", **new)
        self.led(f"{login_name}：设置新密码，须启用动态口令", set_, "/sign-in/authenticator")
        half_open = desk.http.get(f"{self.web}/console/account", timeout=30, allow_redirects=False)
        self.led(f"{login_name}：只有密码还进不去", half_open, "/sign-in")
        enrolled = desk.post("/sign-in/authenticator", code=desk.code())
        self.step(f"{login_name}：启用动态口令，得到恢复码", enrolled, status=200)
        desk.recovery_codes = re.findall(r"<code>(\w{5}-\w{5})</code>", enrolled.text)
        self.expect("  十个恢复码，只显示这一次", len(desk.recovery_codes) == 10)
        return desk

    def led(self, title: str, answer: Any, path: str = "", *, at: str = "") -> None:
        """Prints a form's step; raises Surprise when it led elsewhere than to `path`, or below `at`."""
        self.step(title, answer, status=303)
        led = led_to(answer)
        if (path and led != f"/console{path}") or not led.startswith(f"/console{at}"):
            raise Surprise(f"应转到 {path or at}，却是 {led}")
