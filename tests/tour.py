"""`make tour`: the whole journey over HTTP, against a copy that this program starts and stops itself.

Each step is printed with its answer and its time; the first surprise ends the tour with exit status 1.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psutil
import requests

from config.settings import ROOT
from models.base import now
from models.credit_code import check_digit
from tests.tour_desk import Desk, led_to

PASSWORD = "Xuzhou-2026-提升"


def typed(at: datetime) -> str:
    """Returns a time as a form's field holds it."""
    return f"{at:%Y-%m-%dT%H:%M}"


class Surprise(Exception):
    """An answer that the tour did not expect."""


class Tour:
    """The steps of the journey and what they need of each other."""

    def __init__(self, port: int, password: str) -> None:
        self.web, self.platform = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
        self.password = password
        self.http = requests.Session()
        self.http.trust_env = False
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
            time.sleep(0.1)
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

    # the journey

    def run(self) -> None:
        """Walks the whole journey."""
        self.step("服务就绪", self.http.get(f"{self.web}/readyz", timeout=10), status=200)
        self.step("接口文档", self.http.get(f"{self.web}/api/docs", timeout=10), status=200)
        self.staff()
        self.sign_in()
        self.scanning()
        self.enterprise()
        self.training()
        self.sign_ups()
        self.check_ins()
        self.certificate()
        self.bad_input()
        self.leaving()

    def staff(self) -> None:
        """The administrator makes the county's account; neither does the other's work."""
        self.admin = self.staff_sign_in("admin", self.password)
        body = {
            "login_name": "fengxian",
            "name": "赵经办",
            "role": "county_staff",
            "division_id": "js.xz.fengxian",
        }
        made = self.step("管理员：建立丰县经办账号", self.admin.post("/accounts/new", **body), status=200)
        password = re.search(r'id="password">([^<]+)<', made.text)
        self.expect("  一次性密码只显示这一次", password is not None)
        self.county = self.staff_sign_in("fengxian", password[1] if password else "")
        refused = self.county.post("/accounts/new", **body)
        self.step("县局经办：无权建立账号", refused, status=403)
        self.step("管理员：不办业务", self.admin.open("/enterprises"), status=403)

    def sign_in(self) -> None:
        """Nothing is stored before consent; a code serves once."""
        notice = self.step("隐私政策", self.call("GET", "people/privacy-notice"), status=200)
        self.version = notice["version"]
        someone = self.phone_of("犹豫的人")
        code = self.code_of(someone)
        refused = self.call("POST", "people/sign-in", {"code": code})
        self.step("未同意隐私政策不能登录，也不留信息", refused, status=403, code="consent_required")
        again = self.call("POST", "people/sign-in", {"code": code, "consent_version": self.version})
        self.step("用过的登录凭证不能再用", again, status=400, code="login_code_invalid")
        self.owner_person, self.owner = self.enter("王厂长")
        self.attendee_person, self.attendee = self.enter("李质量")
        _, self.rival = self.enter("赵经理")
        self.trainer_person, self.trainer = self.enter("周老师")

    def scanned(self, desk: Desk, page: str, picture: str, by: str) -> None:
        """A phone scans the code on a desk's screen and confirms."""
        self.step("  屏幕上的小程序码", desk.open(picture), status=200)
        walls = self.http.get(f"{self.platform}/__sim__/showing", timeout=10).json()["walls"]
        number = walls[0]["scene"].removeprefix("n=")
        asked = self.step(
            "  手机：扫码", self.call("GET", f"people/scan-requests/{number}", by=by), status=200
        )
        self.expect("  核对数字一致", f">{asked['digits']}<" in desk.open(page).text, asked["digits"])
        confirmed = self.call("POST", f"people/scan-requests/{number}/confirm", by=by)
        self.step("  手机：确认", confirmed, status=204)

    def scanning(self) -> None:
        """The county's officer binds WeChat, and signs in on another computer by scanning."""
        _, phone = self.enter("赵经办的手机", bind=False)
        asked = self.county.post("/account/wechat", code=self.county.recovery_codes[0])
        self.led("县局经办：绑定微信，先用恢复码证明是本人", asked, "/account/wechat/scan")
        self.scanned(self.county, "/account/wechat/scan", "/account/wechat.png", phone)
        other = Desk(self.web)
        self.step("县局经办：在另一台电脑上扫码登录", other.open("/sign-in/scan"), status=200)
        self.scanned(other, "/sign-in/scan", "/sign-in/scan.png", phone)
        self.step("  电脑上自动登录", other.post("/sign-in/scan"), status=204)
        self.step("  进入我的账号", other.open("/account"), status=200)
        ended = self.county.post("/account/sign-ins/end-others")
        self.led("县局经办：退出其他所有登录", ended, "/account")
        gone = other.http.get(f"{self.web}/console/account", timeout=30, allow_redirects=False)
        self.led("  另一台电脑已退出", gone, "/sign-in")

    def register(self, name: str, by: str) -> Any:
        """Registers an enterprise with the needs survey answered."""
        survey = self.call("GET", "needs-survey").json()
        answers: dict[str, Any] = {}
        for question in survey["content"]["questions"]:
            if question["required"]:
                value = question["options"][0]["value"]
                answers[question["id"]] = [value] if question["type"] == "multi" else value
        body17 = f"91320321MA{int(time.time() * 1000) % 10**7:07d}"
        body = {
            "credit_code": body17 + check_digit(body17),
            "name": name,
            "division_id": "js.xz.fengxian",
            "industry_code": "C3670",
            "headcount": 46,
            "revenue": 12_000_000,
            "assets": 8_000_000,
            "needs_survey": answers,
        }
        return body, self.call("POST", "enterprises", body, by=by)

    def enterprise(self) -> None:
        """An enterprise registers, is returned for completion, and is reviewed."""
        body, answer = self.register("丰县振兴车辆配件有限公司", self.owner)
        mine = self.step("王厂长：登记企业", answer, status=201)
        self.expect("  按工信部联企业〔2011〕300号划型", mine["size_class"] == "small", mine["size_class"])
        self.mine = mine["id"]
        clash = self.call("POST", "enterprises", body, by=self.rival)
        self.step("赵经理：同一代码不能重复登记", clash, status=409, code="enterprise_exists")
        wrong = {
            **body,
            "credit_code": body["credit_code"][:-1] + ("1" if body["credit_code"][-1] != "1" else "2"),
        }
        refused = self.call("POST", "enterprises", wrong, by=self.rival)
        self.step("赵经理：代码校验位不对", refused, status=422, code="credit_code_check_digit")
        review = f"/reviews/{self.mine}"
        returned = self.county.post(review, decision="return", reason="请补充地址")
        self.led("县局经办：退回完善", returned, at="/reviews")
        self.expect("  页面这样答复", "退回完善" in (told := self.county.told()), told)
        self.step(
            "王厂长：补充地址",
            self.call("PATCH", f"enterprises/{self.mine}", {"address": "丰县经开区"}, by=self.owner),
            status=200,
        )
        self.step(
            "王厂长：重新提交",
            self.call("POST", f"enterprises/{self.mine}/resubmit", by=self.owner),
            status=200,
        )
        self.led("县局经办：审核通过", self.county.post(review, decision="approve", reason=""), at="/reviews")
        hidden = self.call("GET", f"enterprises/{self.mine}", by=self.rival)
        self.step("赵经理：看不到别人的企业", hidden, status=404, code="not_found")
        _, answer = self.register("丰县远航电动车厂", self.rival)
        self.theirs = self.step("赵经理：登记自己的企业", answer, status=201)["id"]
        invited = self.call("POST", f"enterprises/{self.mine}/invitations", by=self.owner)
        code = self.step("王厂长：邀请成员", invited, status=201)["code"]
        self.step(
            "李质量：凭邀请码加入",
            self.call("POST", "enterprises/join", {"code": code}, by=self.attendee),
            status=200,
        )
        reused = self.call("POST", "enterprises/join", {"code": code}, by=self.rival)
        self.step("赵经理：邀请码只能用一次", reused, status=410, code="invitation_invalid")

    def training(self) -> None:
        """The county publishes a training of two seats and assigns the trainer."""
        starts = now() + timedelta(minutes=40)
        body = {
            "title": "质量管理体系内审员培训",
            "mode": "onsite",
            "provider": "own",
            "audience": "internal_auditor",
            "organiser": "丰县市场监督管理局",
            "place": "丰县政务服务中心三楼",
            "division_id": "js.xz.fengxian",
            "open_to": ["js.xz.fengxian"],
            "capacity": "2",
            "seats_per_enterprise": "3",
            "opens_at": typed(now() - timedelta(hours=1)),
            "closes_at": typed(starts - timedelta(minutes=5)),
            "certificate_percent": "50",
            "sessions-0-title": "上午",
            "sessions-0-starts_at": typed(starts),
            "sessions-0-ends_at": typed(starts + timedelta(hours=2)),
            "sessions-1-title": "下午",
            "sessions-1-starts_at": typed(starts + timedelta(hours=3)),
            "sessions-1-ends_at": typed(starts + timedelta(hours=5)),
        }
        negative = self.county.post("/trainings/new", **{**body, "capacity": "-1"})
        self.step("县局经办：名额为负", negative, status=422)
        self.expect("  填过的还在", "丰县政务服务中心三楼" in negative.text)
        made = self.county.post("/trainings/new", **body)
        self.led("县局经办：新建培训（草稿）", made, at="/trainings/")
        self.course = led_to(made).rsplit("/", 1)[1]
        hidden = self.call("GET", f"trainings/{self.course}", by=self.owner)
        self.step("王厂长：草稿还看不到", hidden, status=404, code="not_found")
        self.led("县局经办：发布", self.county.post(f"/trainings/{self.course}/publish"), at="/trainings/")
        shown = self.step(
            "王厂长：看到培训", self.call("GET", f"trainings/{self.course}", by=self.owner), status=200
        )
        self.sessions = [session["id"] for session in shown["sessions"]]
        listed = self.step("王厂长：正在报名的培训", self.call("GET", "trainings", by=self.owner), status=200)
        self.expect("  新培训在其中", any(item["id"] == self.course for item in listed["items"]))
        known = self.http.get(f"{self.platform}/__sim__/people", timeout=10).json()
        people = known["people"] if isinstance(known, dict) else known
        numbers = {person["id"]: person["phone"] for person in people}
        self.attendee_phone = numbers[self.attendee_person["id"]]
        phone = numbers[self.trainer_person["id"]]
        assigned = self.county.post(f"/trainings/{self.course}/trainers", phone=phone)
        self.led("县局经办：指派讲师", assigned, f"/trainings/{self.course}/trainers")
        calendar = self.call("GET", f"trainings/{self.course}/calendar.ics", by=self.owner)
        self.step("王厂长：日历文件", calendar, status=200, shows=calendar.text.splitlines()[0])

    def attendees(self, *phones: str) -> list[dict[str, str]]:
        return [{"name": "李质量", "phone": phone, "post": "内审员"} for phone in phones]

    def sign_ups(self) -> None:
        """A party takes the seats, the next one waits, and moves up when one is cancelled."""
        url = f"trainings/{self.course}/signups"
        many = {
            "enterprise_id": self.mine,
            "attendees": self.attendees("13900000001", "13900000002", "13900000003"),
        }
        self.step(
            "王厂长：三人报名而只有两席，整组不成",
            self.call("POST", url, many, by=self.owner),
            status=409,
            code="seats_insufficient",
        )
        body = {"enterprise_id": self.mine, "attendees": self.attendees(self.attendee_phone, "13900000002")}
        key = {"Idempotency-Key": f"tour-{time.time_ns()}"}
        first = self.step(
            "王厂长：为两人报名", self.call("POST", url, body, by=self.owner, headers=key), status=201
        )
        again = self.step(
            "王厂长：网络不好又发了一次，同一答复",
            self.call("POST", url, body, by=self.owner, headers=key),
            status=201,
        )
        self.expect("  没有重复报名", again == first)
        self.signup, spare = (item["id"] for item in first["items"])
        theirs = {"enterprise_id": self.theirs, "attendees": self.attendees("13900000009")}
        queued = self.step(
            "赵经理：满员，进入候补", self.call("POST", url, theirs, by=self.rival), status=201
        )
        waiting = queued["items"][0]
        self.expect("  候补第 1 位", (waiting["state"], waiting["waiting_no"]) == ("waiting", 1))
        self.step("王厂长：取消一人", self.call("POST", f"signups/{spare}/cancel", by=self.owner), status=200)
        moved = self.step(
            "赵经理：自动转正", self.call("GET", f"signups/{waiting['id']}", by=self.rival), status=200
        )
        self.expect("  已通过", moved["state"] == "confirmed")
        inbox = self.step("赵经理：收到消息", self.call("GET", "messages", by=self.rival), status=200)
        self.expect("  候补成功", inbox["items"][0]["title"] == "候补成功", inbox["items"][0]["body"])
        self.rival_signup = waiting["id"]

    def scan(self, content: str, by: str, session: int = 0) -> Any:
        body = {"content": content, "nonce": f"tour-{time.time_ns()}"}
        return self.call("POST", f"sessions/{self.sessions[session]}/scans", body, by=by)

    def check_ins(self) -> None:
        """Tickets rotate, every scan has an outcome, and a phone without network loses nothing."""
        ticket = self.step(
            "李质量：出示签到码",
            self.call("GET", f"signups/{self.signup}/ticket", by=self.attendee),
            status=200,
        )
        code = ticket["codes"][0]["content"]
        self.step(
            "赵经理不是讲师，不能扫码", self.scan(code, self.rival), status=403, code="permission_denied"
        )
        for title, outcome in (("周老师：扫码签到", "accepted"), ("周老师：又扫一次", "duplicate")):
            scanned = self.step(title, self.scan(code, self.trainer), status=201)
            self.expect(f"  {scanned['message']}", scanned["outcome"] == outcome)
        scanned = self.step("周老师：第二场还没到签到时间", self.scan(code, self.trainer, 1), status=201)
        self.expect(f"  {scanned['message']}", scanned["outcome"] == "too_early")
        theirs = self.call("GET", f"signups/{self.rival_signup}/ticket", by=self.rival).json()["codes"][0][
            "content"
        ]
        slow = now() - timedelta(minutes=3)
        body = {
            "device_time": slow.isoformat(),
            "scans": [
                {"nonce": f"tour-{time.time_ns()}", "content": content, "scanned_at": slow.isoformat()}
                for content in (theirs, "不是签到码")
            ],
        }
        uploaded = self.step(
            "周老师：上传断网时扫的码（手机慢三分钟）",
            self.call("POST", f"sessions/{self.sessions[0]}/scans/upload", body, by=self.trainer),
            status=201,
        )
        self.expect("  各有结果", [i["outcome"] for i in uploaded["items"]] == ["accepted", "unknown_ticket"])
        image = self.call("GET", f"sessions/{self.sessions[0]}/hall-code.png", by=self.trainer)
        self.step("周老师：现场小程序码", image, status=200, shows=f"{len(image.content)} 字节")
        hall = self.step(
            "周老师：现场码内容",
            self.call("GET", f"sessions/{self.sessions[0]}/hall-code", by=self.trainer),
            status=200,
        )
        own = {"content": hall["content"], "nonce": f"tour-{time.time_ns()}"}
        done = self.step(
            "李质量：自助签到（已签过）",
            self.call("POST", "check-ins/hall", own, by=self.attendee),
            status=201,
        )
        self.expect(f"  {done['message']}", done["outcome"] == "duplicate")
        counts = self.step(
            "实时人数", self.call("GET", f"sessions/{self.sessions[0]}/counts", by=self.trainer), status=200
        )
        self.expect(
            "  应到 2 实到 2", (counts["expected"], counts["checked_in"]) == (2, 2), counts["refused"]
        )
        roster = self.step(
            "名册", self.call("GET", f"trainings/{self.course}/roster", by=self.trainer), status=200
        )
        self.expect("  姓名手机号已隐去", all("*" in row["attendee_name"] for row in roster["items"]))

    def certificate(self) -> None:
        """One session of two earns the certificate; anyone can check it."""
        issued = self.step(
            "李质量：领取培训证明",
            self.call("POST", f"signups/{self.signup}/certificate", by=self.attendee),
            status=200,
        )
        pdf = self.call("GET", f"signups/{self.signup}/certificate.pdf", by=self.attendee)
        self.step("李质量：下载 PDF", pdf, status=200, shows=f"{len(pdf.content)} 字节")
        page = self.http.get(f"{self.web}/verify/{issued['verification_code']}", timeout=10)
        self.step("任何人：凭验证码查验", page, status=200, shows=issued["number"])
        self.step(
            "查无此证", self.call("GET", "certificates/0000000000"), status=404, code="certificate_unknown"
        )

    def bad_input(self) -> None:
        """What is wrong is refused by name, and nothing is half-done."""
        big = self.http.post(
            f"{self.web}/api/v1/people/sign-in",
            data=b'{"code":"' + b"x" * 10**7 + b'"}',
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        self.step("10 MB 的 JSON", big, status=413, code="body_too_large")
        broken = self.http.post(
            f"{self.web}/api/v1/people/sign-in",
            data=b'{"code":"\xff\xfe"}',
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        self.step("不是 UTF-8", broken, status=400, code="malformed_json")
        self.step("没有登录", self.call("GET", "people/me"), status=401, code="sign_in_required")
        self.step("没有这个地址", self.call("GET", "nothing"), status=404, code="not_found")
        self.sim("faults", {"path": "/sns/jscode2session", "kind": "html", "times": 1})
        down = self.call("POST", "people/sign-in", {"code": self.code_of(self.owner_person)})
        self.step("微信答复网页而不是数据", down, status=503, code="wechat_unavailable")
        forged = self.http.post(
            f"{self.web}/wechat/push?timestamp=1&nonce=2&msg_signature=3", data=b"<xml/>", timeout=10
        )
        self.expect("伪造的推送被拒绝", forged.status_code in (400, 403), forged.status_code)

    def leaving(self) -> None:
        """What was revoked on the platform is erased here; a person can take the data out and leave."""

        def phone(token: str) -> Any:
            return self.call("GET", "people/me", by=token).json()["phone"]

        self.expect("李质量的手机号还在", phone(self.attendee) is not None)
        self.sim(f"people/{self.attendee_person['id']}/revoke", {"info": ["8"]})
        self.until("在微信撤回手机号授权，本系统随即删除", lambda: phone(self.attendee) is None)
        export = self.step(
            "王厂长：导出本人信息", self.call("GET", "people/me/export", by=self.owner), status=200
        )
        self.expect("  含同意记录", bool(export["consents"]))
        closing = self.step(
            "王厂长：申请注销", self.call("POST", "people/me/closure", by=self.owner), status=200
        )
        until = datetime.fromisoformat(closing["closing_at"])
        self.expect("  七天内可以反悔", until > now() + timedelta(days=6), f"{until:%m月%d日}")
        self.step("王厂长：撤销注销", self.call("DELETE", "people/me/closure", by=self.owner), status=200)
        self.sim(f"people/{self.attendee_person['id']}/cancel")
        self.until(
            "在微信注销账号，本系统随即注销",
            lambda: self.call("GET", "people/me", by=self.attendee).status_code == 401,
        )


@contextmanager
def own_copy() -> Iterator[tuple[int, str]]:
    """Starts a fresh copy as `make run` does; yields its port and the administrator's password."""
    port = _free_ports()
    with tempfile.TemporaryDirectory(prefix="tizhitong-tour-") as directory:
        environment = {**os.environ, "PORT": str(port), "INSTANCE_DIR": directory}
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "app.embedded"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield port, _password(process)
        finally:
            family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.send_signal(signal.SIGINT)
            status = process.wait(timeout=60)
            left = [
                child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
            ]
            print(f"已停止（返回码 {status}），遗留进程 {len(left)} 个")
            if status or left:
                raise Surprise(f"停止不干净：{status} {left}")


def _free_ports() -> int:
    for port in range(18400, 28400, 10):
        with socket.socket() as a, socket.socket() as b, socket.socket() as c:
            try:
                for place, probe in enumerate((a, b, c)):
                    probe.bind(("127.0.0.1", port + place))
            except OSError:
                continue
            return port
    raise Surprise("没有空闲端口")


def _password(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    password = ""
    for line in process.stdout:
        print("    " + line, end="")
        found = re.search(r"初始密码 (\S+?)（", line)
        password = found.group(1) if found else password
        if "Ctrl-C" in line:
            return password
    raise Surprise("服务没有启动")


def main() -> int:
    """Returns 0 when the whole journey went as told."""
    began = time.monotonic()
    try:
        with own_copy() as (port, password):
            tour = Tour(port, password)
            tour.run()
    except Surprise as surprise:
        print(f"\n意外：{surprise}", file=sys.stderr)
        return 1
    print(f"全程 {tour.steps} 步，一切如常（{time.monotonic() - began:.0f} 秒）。")
    return 0


if __name__ == "__main__":
    sys.exit(main())
