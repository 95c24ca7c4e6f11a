"""The tour of assistance, its first half: a request, the agencies that are asked, and an expert's time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from app.services.demo_stories import FOOD, QUALITY
from models.base import now
from tests.tour_desk import Desk
from tests.tour_messages import Messages, told

NEED = "返工率高，想建立质量管理体系，请专家到现场指导。"


class Routing(Messages):
    """Agencies, requests and offers, bookings."""

    def agency_people(self) -> None:
        """Two agencies have people at a desk; an expert of one works with the phone."""
        page = self.admin.open("/accounts/new")
        self.agency_id, self.other_agency_id = (self._agency(page, name) for name in (QUALITY, FOOD))
        self.agency = self.agency_account("zhiliang", "冯顾问", self.agency_id)
        self.other_agency = self.agency_account("huaihai", "蒋顾问", self.other_agency_id)
        _, self.expert = self.enter("演示专家甲")
        own = self.agency.open("/agency")
        found = re.search(r"/console(/agency/experts/([0-9a-f-]+)/bind)", own.text)
        bind, self.expert_id = (found[1], found[2]) if found else ("", "")
        phone = self._phone_number("演示专家甲")
        self.led("冯顾问：为专家绑定手机号", self.agency.post(bind, phone=phone), "/agency")
        elsewhere = self.other_agency.post(bind, phone=phone)
        self.step("蒋顾问：不能绑定别家机构的专家", elsewhere, status=403)

    def agency_account(self, login_name: str, name: str, agency_id: str) -> Desk:
        """The administrator makes an account in an agency."""
        body = {"login_name": login_name, "name": name, "role": "agency_staff", "agency_id": agency_id}
        made = self.step(
            f"管理员：建立{name}的账号（帮扶机构）", self.admin.post("/accounts/new", **body), status=200
        )
        password = re.search(r'id="password">([^<]+)<', made.text)
        return self.staff_sign_in(login_name, password[1] if password else "")

    def not_done(self, title: str, answer: Any, desk: Desk, said: str) -> None:
        """Prints a press of a button that is refused: the page says why."""
        self.led(title, answer)
        self.expect("  页面这样答复", said in (shown := desk.told()), shown)

    def _agency(self, page: Any, name: str) -> str:
        found = re.search(rf'<option value="([0-9a-f-]+)"[^>]*>{name}', page.text)
        self.expect(f"演示数据里有“{name}”", found is not None)
        return found[1] if found else ""

    def _phone_number(self, name: str) -> str:
        known = self.http.get(f"{self.platform}/__sim__/people", timeout=10).json()
        people = known["people"] if isinstance(known, dict) else known
        return str(next(one["phone"] for one in people if one["name"] == name))

    # from the request to an agency

    def request(self) -> None:
        """An enterprise asks for assistance; the county is told."""
        listed = self.call("GET", "agencies?division=js.xz.fengxian&scheme=qms", by=self.owner)
        agencies = self.step("王厂长：查看服务丰县的机构", listed, status=200)["items"]
        self.expect("  含专家、考核、减免", all(one["experts"] and one["rank"] for one in agencies))
        body = {
            "enterprise_id": self.mine,
            "need": NEED,
            "wanted": ["standards", "people"],
            "scheme": "qms",
            "contact_name": "李质量",
            "contact_phone": "13900000002",
        }
        wrong = self.call("POST", "cases", {**body, "scheme": "iso"}, by=self.owner)
        self.step("王厂长：没有这个认证类别", wrong, status=422, code="validation_failed")
        case = self.step("王厂长：申请帮扶", self.call("POST", "cases", body, by=self.owner), status=201)
        self.case, self.case_number = case["id"], case["number"]
        again = self.call("POST", "cases", body, by=self.owner)
        self.step("王厂长：同时只能有一个在办项目", again, status=409, code="case_open")
        hidden = self.call("GET", f"cases/{self.case}", by=self.rival)
        self.step("赵经理：看不到别人的项目", hidden, status=404, code="not_found")

    def routing(self) -> None:
        """The county admits it, sees the agencies ranked with reasons, and offers it to two."""
        queue = told(self.step("县局经办：派单", self.county.open("/queue"), status=200))
        self.expect("  申请在列", self.case_number in queue)
        admitted = self.county.post(f"/queue/{self.case}", decision="admit", reason="")
        self.led("县局经办：受理", admitted, f"/queue/{self.case}")
        page = self.step("县局经办：机构排序和理由", self.county.open(f"/queue/{self.case}"), status=200)
        self.expect("  本年选定、位次在前的居首", page.text.index(QUALITY) < page.text.index(FOOD))
        for reason in ("服务丰县", "年度已选定", "认证领域含质量管理体系认证", "还可承接", "未经丰县选定"):
            self.expect(f"  写明“{reason}”", reason in told(page))

    def offering(self) -> None:
        """Two agencies are asked; one declines, the other accepts, and nobody accepts a second time."""
        both = [self.agency_id, self.other_agency_id]
        offered = self.county.post(f"/queue/{self.case}/offer", agency_ids=both)
        self.led("县局经办：派给两家", offered, "/queue")
        desk = self.other_agency.open("/own-cases")
        own = rf"{self.case_number}.*?/console(/case-offers/[0-9a-f-]+)/decline"
        found = re.search(own, desk.text, re.DOTALL)
        offer = found[1] if found else ""
        self.expect("蒋顾问：看到需求，看不到电话", NEED in desk.text and "13900000002" not in desk.text)
        declined = self.other_agency.post(f"{offer}/decline", reason="近期专家已排满")
        self.led("蒋顾问：拒单并说明原因", declined, "/own-cases")
        seen = told(self.county.open(f"/queue/{self.case}"))
        self.expect("县局经办：看到拒单原因", "近期专家已排满" in seen)
        offers = self.step(
            "演示专家甲：手机上的派单", self.call("GET", "case-offers", by=self.expert), status=200
        )
        mine = next(one["id"] for one in offers["items"] if one["case_id"] == self.case)
        accepted = self.call("POST", f"case-offers/{mine}/accept", by=self.expert)
        case = self.step("演示专家甲：接单", accepted, status=200)
        self.expect("  进入诊断，有时限", case["state"] == "diagnosis", case["due_at"])
        late = self.agency.post(f"/case-offers/{mine}/accept")
        self.not_done("冯顾问：同时在电脑上点接单，已被接走", late, self.agency, "不能再答复")
        again = self.other_agency.post(f"{offer}/accept")
        self.not_done("蒋顾问：拒单后反悔，不行", again, self.other_agency, "不能再答复")
        hidden = self.other_agency.open(f"/cases/{self.case}")
        self.step("蒋顾问：看不到别家的项目", hidden, status=403)
        inbox = self.call("GET", "messages", by=self.owner).json()["items"]
        self.expect("王厂长：收到消息", inbox[0]["kind"] == "case.moved", inbox[0]["title"])

    # the expert's time

    def booking(self) -> None:
        """A slot is held while the form is filled in, booked, moved, and put into the calendar."""
        first = now().date()
        days = f"from={first}&to={first + timedelta(days=21)}&expert_id={self.expert_id}&meeting=onsite"
        free = self.call("GET", f"agencies/{self.agency_id}/slots?{days}", by=self.owner)
        starts = self.step("王厂长：专家甲三周内的空闲时段", free, status=200)["items"][0]["starts_at"]
        self.expect(f"  {len(starts)} 个", len(starts) > 5, starts[0])
        wanted = {"enterprise_id": self.mine, "expert_id": self.expert_id, "starts_at": starts[2]}
        url = f"agencies/{self.agency_id}/bookings"
        odd = {**wanted, "starts_at": starts[2].replace(":00:00+", ":07:00+").replace(":30:00+", ":37:00+")}
        self.step(
            "  不在时段上", self.call("POST", url, odd, by=self.owner), status=409, code="slot_not_offered"
        )
        elsewhere = self.call("POST", f"agencies/{self.other_agency_id}/bookings", wanted, by=self.owner)
        self.step("  别家机构的专家", elsewhere, status=409, code="case_with_other_agency")
        held = self.step(
            "王厂长：选定时段，保留 15 分钟", self.call("POST", url, wanted, by=self.owner), status=201
        )
        booking = f"bookings/{held['id']}"
        body = {"need": "看现场，定诊断计划。", "contact_name": "李质量", "contact_phone": "13900000002"}
        where = self.call("POST", f"{booking}/book", body, by=self.owner)
        self.step("  专家上门，须写明地址", where, status=422, code="validation_failed")
        body["place"] = "丰县经开区一号厂房"
        made = self.step("  提交预约", self.call("POST", f"{booking}/book", body, by=self.owner), status=200)
        self.expect("  属于在办的项目", made["case_id"] == self.case)
        moved = self.call("POST", f"{booking}/change", {"starts_at": starts[4]}, by=self.owner)
        changed = self.step("王厂长：改约", moved, status=200)
        self.expect("  同一个预约，改约一次", (changed["id"], changed["revision"]) == (held["id"], 1))
        calendar = self.call("GET", f"{booking}/calendar.ics", by=self.owner)
        self.step("王厂长：加入日历", calendar, status=200, shows="SEQUENCE:1")
        self.expect("  日历知道是第一次改动", "SEQUENCE:1" in calendar.text)
        agenda = self.call(
            "GET", f"bookings/agenda?from={first}&to={first + timedelta(days=21)}", by=self.expert
        )
        listed = self.step("演示专家甲：日程", agenda, status=200)["bookings"]
        self.expect("  有这次预约", held["id"] in [one["id"] for one in listed])
        self.booking_id = held["id"]
