"""The tour's people: staff sign in at a desk, others on the phone, and how one leaves."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from models.base import now
from tests.tour_desk import Desk
from tests.tour_walk import Walk


class People(Walk):
    """Signing in and leaving."""

    def staff(self) -> None:
        """The administrator makes the county's account; neither does the other's work."""
        self.admin = self.staff_sign_in("admin", self.password)
        self.county = self.account("fengxian", "赵经办", "county_staff", "js.xz.fengxian")
        refused = self.county.post("/accounts/new", login_name="another")
        self.step("县局经办：无权建立账号", refused, status=403)
        self.step("管理员：不办业务", self.admin.open("/enterprises"), status=403)

    def account(self, login_name: str, name: str, role: str, division_id: str) -> Desk:
        """The administrator makes an account, and whoever it is for signs in."""
        body = {"login_name": login_name, "name": name, "role": role, "division_id": division_id}
        made = self.step(f"管理员：建立{name}的账号", self.admin.post("/accounts/new", **body), status=200)
        password = re.search(r'id="password">([^<]+)<', made.text)
        self.expect("  一次性密码只显示这一次", password is not None)
        return self.staff_sign_in(login_name, password[1] if password else "")

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
        self.rival_person, self.rival = self.enter("赵经理")
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
        self.county_person, phone = self.enter("赵经办的手机", bind=False)
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
