"""The tour of assistance: from a request on the phone to a case that is closed, with its dossier."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime, timedelta
from typing import Any

from PIL import Image

from app.services import demo_case_work
from app.services.demo_cases import FOOD, QUALITY
from models.base import now
from models.cases import Aspect
from tests.tour_desk import Desk
from tests.tour_messages import Messages, told

NEED = "返工率高，想建立质量管理体系，请专家到现场指导。"
PAST = timedelta(hours=2)


def photo() -> bytes:
    """Returns a picture as a phone takes it."""
    content = io.BytesIO()
    Image.new("RGB", (1200, 800), (180, 196, 210)).save(content, "JPEG")
    return content.getvalue()


def hours(began: datetime) -> dict[str, str]:
    """Returns the times of something that took an hour."""
    return {"starts_at": began.isoformat(), "ends_at": (began + timedelta(hours=1)).isoformat()}


class Assistance(Messages):
    """Agencies, cases, bookings, evidence."""

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

    # the work

    def work(self, method: str, path: str, body: Any, title: str, **expected: Any) -> Any:
        """The expert writes something on the case."""
        answer = self.call(method, path, body, by=self.expert)
        return self.step(f"演示专家甲：{title}", answer, **{"status": 200, **expected})

    def advance(self, title: str, state: str) -> None:
        case = self.work("POST", f"cases/{self.case}/advance", None, title)
        self.expect("  有新的时限", case["state"] == state and bool(case["due_at"]), case["due_at"])

    def diagnosing(self) -> None:
        """The form, scores, problems, a photo, and a visit that the county's officer confirms."""
        url = f"cases/{self.case}"
        early = {"status": 409, "code": "case_incomplete"}
        self.work("POST", f"{url}/advance", None, "还没有诊断，不能进入下一环节", **early)
        answers = {"answers": demo_case_work.ANSWERS}
        self.work("POST", f"{url}/diagnosis", answers, "填写诊断表")
        scores: dict[str, Any] = {one.value: 40 + 5 * place for place, one in enumerate(Aspect)}
        refused = {"status": 422, "code": "validation_failed"}
        wrong = {**scores, "phase": "before", "energy": 101}
        self.work("POST", f"{url}/scores", wrong, "101 分不行", **refused)
        self.work("POST", f"{url}/scores", {**scores, "phase": "before"}, "六方面评分（帮扶前）")
        self.findings = [self._finding(aspect, problem) for aspect, problem in PROBLEMS]
        self._evidence()
        self.visit = self._visit("diagnosis")
        refused_by = self.second.post(f"/visits/{self.visit}/confirm")
        self.not_done("吴复核：没有参加，不能确认", refused_by, self.second, "须由其本人确认")

    def _finding(self, aspect: str, problem: str) -> str:
        due_on = f"{now() + timedelta(days=20):%Y-%m-%d}"
        body = {
            "aspect": aspect,
            "problem": problem,
            "measure": "编写规程并培训",
            "owner": "李质量",
            "due_on": due_on,
        }
        path = f"cases/{self.case}/findings"
        return str(self.work("POST", path, body, f"登记问题：{problem}", status=201)["id"])

    def _evidence(self) -> None:
        path = f"cases/{self.case}/evidence"

        def send(name: str, content: bytes) -> Any:
            form = {"kind": "diagnosis", "finding_id": self.findings[0]}
            headers = {"Authorization": f"Bearer {self.expert}"}
            url = f"{self.web}/api/v1/{path}"
            return self.http.post(
                url, data=form, files={"file": (name, content)}, headers=headers, timeout=30
            )

        fake = send("现场.jpg", b"MZ\x90 not a picture")
        self.step("演示专家甲：名为 .jpg 的程序不收", fake, status=422, code="file_refused")
        added = self.step("演示专家甲：上传现场照片", send("现场.jpg", photo()), status=201)
        link = self.call("GET", f"evidence/{added['id']}/link", by=self.owner)
        address = self.step("王厂长：取得五分钟内有效的链接", link, status=200)["url"]
        opened = self.http.get(self.web + address[address.index("/api/") :], timeout=30)
        self.step("  打开照片", opened, status=200, shows=opened.headers["Content-Type"])
        self.expect("  内容完好", Image.open(io.BytesIO(opened.content)).size == (1200, 800))
        other = self.call("GET", f"evidence/{added['id']}/link", by=self.rival)
        self.step("赵经理：取不到链接", other, status=404, code="not_found")

    def _visit(self, purpose: str) -> str:
        people = self.call("GET", f"cases/{self.case}/participants", by=self.expert).json()
        officer = next(one["id"] for one in people["officers"] if one["name"] == "赵经办")
        who = {"expert_id": self.expert_id, "officer_id": officer}
        body = {
            "purpose": purpose,
            "place": "一号厂房",
            **who,
            **hours(now() - PAST),
            "notes": "看现场，访谈。",
        }
        made = self.work("POST", f"cases/{self.case}/visits", body, "登记走访，请县局确认", status=201)
        return str(made["id"])

    def confirm(self) -> None:
        """The officer who took part says so."""
        waiting = told(self.step("县局经办：走访确认", self.county.open("/visits"), status=200))
        self.expect("  等本人确认", self.case_number in waiting)
        self.led("县局经办：确认参与", self.county.post(f"/visits/{self.visit}/confirm"))
        self.expect("  页面这样答复", "已确认" in (shown := self.county.told()), shown)

    def correcting(self) -> None:
        """The enterprise is asked for something, and the clock stands still until it has answered."""
        url = f"cases/{self.case}"
        self.advance("进入“制定方案”", "planning")
        asked = {"asked": "请补充上一年度的返工统计。"}
        paused = self.work("POST", f"{url}/ask-correction", asked, "要求企业补正")
        self.expect("  停止计时", paused["paused_at"] is not None)
        self.work("POST", f"{url}/plan", PLAN, "等待补正时什么都不能填", status=409, code="correction_open")
        answer = self.call("POST", f"{url}/answer-correction", {"answer": "全年返工 320 件。"}, by=self.owner)
        answered = self.step("王厂长：答复补正", answer, status=200)
        goes_on = answered["paused_at"] is None and answered["due_at"] >= paused["due_at"]
        self.expect("  接着计时，剩余的时间没有少", goes_on, answered["due_at"])

    def planning(self) -> None:
        """One strategy of three, aspects of six, with the reason."""
        self.work("POST", f"cases/{self.case}/plan", PLAN, "选定策略和提升方面，写明方案")
        self.advance("进入“分层培训”", "training")

    def teaching(self) -> None:
        """A training of one layer, who was to come and who came."""
        body = {"audience": "team", "title": "检验方法", "trainer": "演示专家甲", "place": "一号厂房"}
        path = f"cases/{self.case}/trainings"
        training = self.work("POST", path, {**body, **hours(now() - PAST)}, "登记班组培训", status=201)["id"]
        self.case_training = training
        people = {"attendees": [{"name": "王班长", "post": "班组长"}, {"name": "刘检验", "post": "检验员"}]}
        listed = self.work("POST", f"case-trainings/{training}/attendees", people, "添加参训人", status=201)[
            "items"
        ]
        came = {"attended": [listed[0]["id"]]}
        self.work("POST", f"case-trainings/{training}/attendance", came, "登记到场：一人到，一人未到")
        self.advance("进入“提升”", "improvement")

    def improving(self) -> None:
        """Problems are settled, scores and figures taken again."""
        url = f"cases/{self.case}"
        for finding in self.findings:
            self.work("POST", f"findings/{finding}/move", {"state": "under_way"}, "问题整改中")
            done = {"state": "done", "result": "规程已发布，人员已培训。"}
            self.work("POST", f"findings/{finding}/move", done, "问题已完成")
        scores = {one.value: 70 + 3 * place for place, one in enumerate(Aspect)}
        self.work("POST", f"{url}/scores", {**scores, "phase": "after"}, "六方面评分（帮扶后）")
        before = {"phase": "before", "revenue": 12_000_000, "profit_margin": 512, "quality_cost": 460_000}
        after = {"phase": "after", "revenue": 13_100_000, "profit_margin": 640, "quality_cost": 330_000}
        for figures in (before, after):
            self.work("POST", f"{url}/effects", figures, "效果数据")
        self.work("POST", f"{url}/summary", {"summary": "返工率由 6% 降到 2%。"}, "提升小结")
        self.advance("进入“评价”", "evaluation")
        seen = self.step("王厂长：前后对比（雷达图数据）", self.call("GET", url, by=self.owner), status=200)
        self.expect("  六个方面都有前后得分", all(one["before"] < one["after"] for one in seen["radar"]))

    # how it ends

    def rating(self) -> None:
        """Who is dissatisfied is not let go by: it is put right and visited again."""
        url = f"cases/{self.case}"
        rating = {"rating": "dissatisfied", "comment": "班组培训只有一次，不够。"}
        rated = self.step(
            "王厂长：评价“不满意”", self.call("POST", f"{url}/evaluate", rating, by=self.owner), status=200
        )
        self.expect("  自动进入整改", rated["state"] == "rectification")
        twice = self.call("POST", f"{url}/evaluate", {"rating": "satisfied"}, by=self.owner)
        self.step("  评价只有一次", twice, status=409, code="case_state")
        closing = self.county.post(f"/cases/{self.case}/close")
        self.not_done("县局经办：不能就此办结", closing, self.county, "整改")
        self.work("POST", f"{url}/rectification", {"rectification": "补办两次班组培训。"}, "填写整改情况")
        self.advance("进入“回访”", "revisit")
        incomplete = self.county.post(f"/cases/{self.case}/close")
        self.not_done("县局经办：还没有回访", incomplete, self.county, "回访经县局人员确认参与")
        self.visit = self._visit("revisit")
        self.confirm()

    def closing(self) -> None:
        """The county closes it; dossier and figures are taken out."""
        self.led("县局经办：办结", self.county.post(f"/cases/{self.case}/close"), f"/cases/{self.case}")
        page = told(self.step("县局经办：项目全貌", self.county.open(f"/cases/{self.case}"), status=200))
        for said in (
            "申请帮扶",
            "近期专家已排满",
            "要求企业补正",
            "企业答复补正",
            "走访（回访）",
            "进入“已办结”",
        ):
            self.expect(f"  时间线上有“{said}”", said in page)
        document = self.county.open(f"/cases/{self.case}/dossier.docx")
        self.step("县局经办：卷宗（Word）", document, status=200, shows=f"{len(document.content)} 字节")
        packed = self.county.open(f"/cases/{self.case}/dossier.zip")
        self.step("县局经办：卷宗和佐证材料（zip）", packed, status=200, shows=f"{len(packed.content)} 字节")
        names = zipfile.ZipFile(io.BytesIO(packed.content)).namelist()
        self.expect(
            "  含卷宗和照片", any(".docx" in one for one in names) and any(".jpg" in one for one in names)
        )
        figures = told(
            self.step("县局经办：帮扶统计", self.county.open("/cases/figures?by=strategy"), status=200)
        )
        self.expect("  按策略统计", "建立体系+夯实基础" in figures)
        hidden = self.call("POST", f"cases/{self.case}/withdraw", {"reason": "不办了"}, by=self.owner)
        self.step("王厂长：办结后不能撤回", hidden, status=409, code="illegal_move")


PLAN = {
    "strategy": "foundation",
    "aspects": ["standards", "people"],
    "strategy_reason": "体系文件不全，骨干缺少培训。",
    "plan": "一、补齐规程；二、分层培训；三、按月复核。",
}
PROBLEMS = (("standards", "进货检验没有规程"), ("people", "检验员没有上岗培训"))
