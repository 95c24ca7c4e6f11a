"""The tour of assistance, its second half: the work on a case until it is closed, with its dossier."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timedelta
from typing import Any

from PIL import Image

from app.services import demo_case_work
from models.base import now
from models.cases import Aspect
from tests.tour_messages import told
from tests.tour_routing import Routing

PLAN = {
    "strategy": "foundation",
    "aspects": ["standards", "people"],
    "strategy_reason": "体系文件不全，骨干缺少培训。",
    "plan": "一、补齐规程；二、分层培训；三、按月复核。",
}
PROBLEMS = (("standards", "进货检验没有规程"), ("people", "检验员没有上岗培训"))
PAST = timedelta(hours=2)


def photo() -> bytes:
    """Returns a picture as a phone takes it."""
    content = io.BytesIO()
    Image.new("RGB", (1200, 800), (180, 196, 210)).save(content, "JPEG")
    return content.getvalue()


def hours(began: datetime) -> dict[str, str]:
    """Returns the times of something that took an hour."""
    return {"starts_at": began.isoformat(), "ends_at": (began + timedelta(hours=1)).isoformat()}


class Assistance(Routing):
    """The work on a case, evidence, and how it ends."""

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
