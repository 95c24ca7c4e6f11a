"""The tour from the registration of an enterprise to the certificate of a training."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from models.base import now
from models.credit_code import check_digit
from tests.tour_desk import led_to
from tests.tour_people import People
from tests.tour_walk import typed


def training(title: str, starts: datetime, **changes: str) -> dict[str, Any]:
    """Returns the form of a training of two sessions."""
    return {
        "title": title,
        "mode": "onsite",
        "provider": "own",
        "audience": "internal_auditor",
        "organiser": "丰县市场监督管理局",
        "place": "丰县政务服务中心三楼",
        "division_id": "js.xz.fengxian",
        "open_to": ["js.xz.fengxian"],
        "capacity": "20",
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
        **changes,
    }


class Trainings(People):
    """Enterprises, trainings, sign-ups and check-ins."""

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
        body = training("质量管理体系内审员培训", now() + timedelta(minutes=40), capacity="2")
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
