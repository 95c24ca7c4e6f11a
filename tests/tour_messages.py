"""The tour of messages: templates and routes, automatic notices, a campaign from its name to its outcomes."""

from __future__ import annotations

import io
import re
import time
from datetime import timedelta
from html import unescape
from typing import Any

from openpyxl import load_workbook

from models.base import now
from tests.tour_desk import Desk, led_to
from tests.tour_trainings import Trainings, training

RESULT, START, CANCELLED = "报名结果通知", "培训开始提醒", "活动取消通知"
ROUTES = {
    "signup.received": (RESULT, RESULT),
    "training.reminder": (START, "课程开课提醒"),
    "training.cancelled": (CANCELLED, CANCELLED),
}
"""Kind of notice → the templates of the mini-program and of the Official Account."""
FIRST_LINE = "活动名称"
LEAD = 60
"""Minutes before the start at which the tour's second training reminds."""


def told(page: Any) -> str:
    """Returns a page's text without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


def option(page: Any, field: str, title: str) -> str:
    """Returns the value of the choice in a select of the page whose text begins with the title."""
    select = re.search(rf'<select[^>]*name="{re.escape(field)}".*?</select>', page.text, re.DOTALL)
    assert select, field
    found = re.search(rf'<option value="([^"]+)"[^>]*>{title}', select[0])
    return found[1] if found else ""


class Messages(Trainings):
    """Messages to people's WeChat."""

    # what the platform has, and by which way notices go out

    def templates_and_routes(self) -> None:
        """The city synchronises the templates and says by which of them each kind of notice goes out."""
        self.city = self.account("shiju", "钱科长", "city_staff", "js.xz")
        self.second = self.account("fengxian2", "吴复核", "county_staff", "js.xz.fengxian")
        refused = self.county.post("/messages/templates/synchronise")
        self.step("县局经办：无权同步模板", refused, status=403)
        synchronised = self.city.post("/messages/templates/synchronise")
        self.led("市局：从微信同步模板", synchronised, "/messages/templates")
        page = told(self.step("市局：消息模板", self.city.open("/messages/templates?size=100"), status=200))
        for title in (RESULT, START, "课程开课提醒"):
            self.expect(f"  有“{title}”", title in page)
        for kind, titles in ROUTES.items():
            self.route(kind, *titles)

    def route(self, kind: str, subscribe: str, official: str) -> None:
        """Chooses the templates of a kind; their fields are filled in as proposed."""
        path = f"/messages/routes/{kind}"
        form = self.city.open(f"{path}/change")
        fields = self.city.filled(form) | {"first": "subscribe", "next_when_refused": "1"}
        for channel, title in (("subscribe", subscribe), ("template", official)):
            name = f"{channel}.template_id"
            fields |= {name: option(form, name, title), "choose": channel}
        proposed = self.city.post(f"{path}/change", **fields)
        fields = self.city.filled(proposed)
        empty = [name for name, value in fields.items() if value == ""]
        self.expect(f"市局：{kind} 选用“{subscribe}”“{official}”，各项已填好", "choose" not in fields)
        fields |= dict.fromkeys(empty, "请点击查看详情")
        if kind == "signup.received":
            fields |= {"subscribe.phrase2": "{nobody}"}
            wrong = self.step("  没有这个变量", self.city.post(f"{path}/change", **fields), status=422)
            self.expect("  在该项下说明", "没有变量 {nobody}" in told(wrong))
            fields |= {"subscribe.phrase2": "{state}", "template.const2": "报名成功"}
        self.led("  保存", self.city.post(f"{path}/change", **fields), path)
        self.expect("  手机上的样子", subscribe in told(self.city.open(path)))

    # who can be reached

    def sent_to(self, person: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns what has reached somebody's WeChat, the newest first."""
        answer = self.http.get(f"{self.platform}/__sim__/sent", params={"person": person["id"]}, timeout=10)
        found: list[dict[str, Any]] = answer.json()["sent"]
        return found

    def on_phone(self, person: dict[str, Any], title: str, text: str = "") -> bool:
        """Whether a message of that title has arrived that says this somewhere."""
        return any(
            one["title"] == title and one["result"] == "success" and text in str(one["lines"])
            for one in self.sent_to(person)
        )

    def accept(self, name: str, person: dict[str, Any], token: str, *, report: bool = True) -> None:
        """Somebody taps 报名 and says yes to what WeChat asks."""
        asked = self.step(
            f"{name}：点报名时请求订阅",
            self.call("GET", "messages/subscriptions?at=signup", by=token),
            status=200,
        )
        ids = asked["template_ids"]
        self.expect("  至多 5 个模板", 1 <= len(ids) <= 5, len(ids))
        self.sim("popup", {"person": person["id"], "answers": dict.fromkeys(ids, "accept")})
        if report:
            answers = [{"template_id": one, "answer": "accept"} for one in ids]
            body = {"nonce": f"tour-{time.time_ns()}", "answers": answers}
            self.step("  允许", self.call("POST", "messages/subscriptions", body, by=token), status=204)

    def reachable(self) -> None:
        """One takes subscribe messages, another follows the Official Account, a third neither."""
        for _ in range(3):  # the first training, the second, and the campaign
            self.accept("王厂长", self.owner_person, self.owner)
        self.sim(f"people/{self.rival_person['id']}/follow")
        self.expect("赵经理：关注公众号", True)

    # a campaign is written

    def campaign(self) -> None:
        """Audience with count and sample, content as on the phone, and a test to oneself."""
        made = self.county.post("/campaigns", name="下期培训开始报名")
        self.led("县局经办：新建群发", made, at="/campaigns/")
        self.sending = led_to(made).removeprefix("/console").removesuffix("/audience")
        audience = self.county.filled(self.county.open(f"{self.sending}/audience"))
        audience |= {"who": "members", "states": [], "took_part": "attended", "training": self.course}
        counted = self.county.post(f"{self.sending}/audience/count", **audience)
        page = told(self.step("  受众：来过上次培训的企业，随填随算", counted, status=200))
        self.expect(
            "  3 人，2 家企业，并列出样本", "3 人" in page and "2 家企业" in page and "丰县远航" in page
        )
        self.led(
            "  保存", self.county.post(f"{self.sending}/audience", **audience), f"{self.sending}/content"
        )
        self.content()
        page = f"{self.sending}/check"

        def reached(*said: str) -> bool:
            shown = told(self.county.open(page))
            return all(one in shown for one in said)

        self.until("  关注公众号的人按 UnionID 对上了", lambda: reached("公众号模板消息 1 人"))
        self.expect("  各渠道能到达", reached("小程序订阅消息 1 人", "仅小程序站内消息 1 人"))
        tested = told(self.step("  测试：发给自己", self.county.post(f"{self.sending}/test"), status=200))
        self.expect("  自己还没有订阅", "43101" in tested)
        self.sim("popup", {"person": self.county_person["id"], "answers": {self.result_id: "accept"}})
        tested = told(self.county.post(f"{self.sending}/test"))
        self.expect("  允许之后再测试", "微信已接受" in tested)
        self.expect("  手机上收到", self.on_phone(self.county_person, RESULT, "第三期"))

    def content(self) -> None:
        """What it says: in the inbox, and by a template on each channel."""
        path = f"{self.sending}/content"
        form = self.county.open(path)
        fields = self.county.filled(form)
        fields |= {
            "title": "第三期内审员培训开始报名",
            "body": "第三期内审员培训开始报名，名额有限。\n请在小程序中报名。",
            "next_when_refused": "1",
        }
        for channel in ("subscribe", "template"):
            name = f"templates.{channel}.template_id"
            fields |= {name: option(form, name, RESULT), "choose": channel}
        fields = self.county.filled(self.county.post(path, **fields))
        self.result_id = next(
            one["id"]
            for one in self.http.get(f"{self.platform}/__sim__/templates", timeout=10).json()["templates"]
            if one["title"] == RESULT
        )
        said = {"thing1": "第三期质量管理体系内审员实务与案例分析培训班", "phrase2": "开始报名"}
        said |= {"time3": "2026年12月20日 09:00", "thing4": "名额有限"}
        fields |= {f"templates.subscribe.fields.{key}": text for key, text in said.items()}
        said |= {"const2": "开始报名", "thing4": "丰县政务服务中心"}
        del said["phrase2"]
        fields |= {f"templates.template.fields.{key}": text for key, text in said.items()}
        shown = told(
            self.step("  内容：随填随看手机上的样子", self.county.post(f"{path}/phone", **fields), status=200)
        )
        self.expect("  超长的缩短并说明", "已缩短" in shown)
        for channel in ("subscribe", "template"):
            fields[f"templates.{channel}.fields.thing1"] = "第三期内审员培训"
        self.led("  保存", self.county.post(path, **fields), f"{self.sending}/check")

    # automatic notices

    def automatic_notices(self) -> None:
        """A sign-up is confirmed, and both are told: by a subscribe message, and by the Official Account."""
        due = (now() + timedelta(seconds=75)).replace(second=0, microsecond=0)
        if due - now() < timedelta(seconds=20):
            due += timedelta(minutes=1)
        starts = due + timedelta(minutes=LEAD)
        body = training("首席质量官培训", starts, remind_before=str(LEAD))
        made = self.county.post("/trainings/new", **body)
        self.led("县局经办：新建培训，开始前一小时提醒", made, at="/trainings/")
        self.second_course = led_to(made).rsplit("/", 1)[1]
        published = self.county.post(f"/trainings/{self.second_course}/publish")
        self.led("  发布", published, at="/trainings/")
        for name, enterprise, phone, by in (
            ("王厂长", self.mine, "13900000011", self.owner),
            ("赵经理", self.theirs, "13900000012", self.rival),
        ):
            body = {"enterprise_id": enterprise, "attendees": self.attendees(phone)}
            made = self.call("POST", f"trainings/{self.second_course}/signups", body, by=by)
            self.step(f"{name}：报名首席质量官培训", made, status=201)
        self.until("王厂长：手机收到订阅消息", lambda: self.on_phone(self.owner_person, RESULT, "首席质量官"))
        self.until(
            "赵经理：手机收到公众号消息", lambda: self.on_phone(self.rival_person, RESULT, "首席质量官")
        )
        listed = told(self.city.open("/messages/sending/automatic"))
        self.expect("市局：自动通知发送记录", "报名已收到" in listed)
        self.change_template()

    def change_template(self) -> None:
        """The template of the reminder is changed on the platform: what goes out by it waits."""
        templates = self.http.get(f"{self.platform}/__sim__/templates", timeout=10).json()["templates"]
        start = next(one["id"] for one in templates if one["title"] == START)
        changed = "课程名称:{{thing1.DATA}}\n开课时间:{{time2.DATA}}\n上课地址:{{thing3.DATA}}\n"
        self.sim(f"templates/{start}", {"content": changed})
        self.city.post("/messages/templates/synchronise")
        page = self.city.open("/messages/templates?size=100")
        self.expect("微信上改了提醒的模板，同步后停用待核对", "更改 1 个" in told(page))
        found = re.search(rf'/console(/messages/templates/[0-9a-f-]+)"[^>]*>{START}', page.text)
        self.start_template = found[1] if found else ""
        held = told(self.city.open("/messages/sending"))
        self.expect("  发送状态中提示", "有 1 个正在使用的模板已更改" in held)

    # a campaign goes out

    def approval(self) -> None:
        """It is for more people than one may send to alone."""
        submitted = self.county.post(f"{self.sending}/submit")
        self.led("县局经办：提交", submitted, self.sending)
        self.expect("  等待另一位工作人员复核", "等待另一位" in (said := self.county.told()), said)
        self.county.post(f"{self.sending}/approve")
        self.expect("  不能自己复核", "不能复核自己" in (said := self.county.told()), said)
        page = told(self.step("吴复核：查看", self.second.open(self.sending), status=200))
        self.expect("  看到受众和内容", "将发给 3 人" in page and "第三期内审员培训" in page)
        # The first message meets the day's quota, the second does not arrive.
        self.sim("faults", {"path": "/cgi-bin/message/subscribe/send", "kind": "errcode", "value": 45009})
        self.sim("results", {"result": "failed: system failed", "times": 1})
        self.led("吴复核：复核通过", self.second.post(f"{self.sending}/approve"), self.sending)
        self.until("  开始发送", lambda: "发送中" in told(self.county.open(self.sending)))

    def shows(self, desk: Desk, path: str, *texts: str) -> bool:
        """Whether a page says all of this."""
        page = told(desk.open(path))
        return all(text in page for text in texts)

    def quota(self) -> None:
        """The quota of the day is spent: the channel pauses by itself, and staff see why."""
        self.until(
            "  进展：各有结果，一条在等待",
            lambda: self.shows(self.county, self.sending, "1 待发送", "1 未能接收", "1 发送失败", "2 / 3"),
        )
        self.expect(
            "市局：发送状态写明额度用完、何时恢复",
            self.shows(self.city, "/messages/sending", "45009", "额度", "自动恢复"),
        )

    def pauses(self) -> None:
        """Staff hold the campaign, let the channel go on, and then the campaign."""
        page = self.city.open("/messages/sending")
        found = re.search(r'/console(/messages/pauses/[0-9a-f-]+/lift)"', page.text)
        lift = found[1] if found else ""
        self.step("县局经办：无权恢复", self.county.post(lift), status=403)
        self.led("县局经办：暂停群发", self.county.post(f"{self.sending}/pause"), self.sending)
        self.led("市局：恢复渠道", self.city.post(lift), "/messages/sending")
        self.expect("  渠道已恢复", self.shows(self.city, "/messages/sending", "没有暂停"))
        self.expect("  群发仍暂停", self.shows(self.county, self.sending, "已暂停", "1 待发送"))
        self.led("县局经办：继续群发", self.county.post(f"{self.sending}/resume"), self.sending)
        self.until("王厂长：手机收到", lambda: self.on_phone(self.owner_person, RESULT, "第三期"))

    def outcomes(self) -> None:
        """Every recipient has an outcome; what failed in passing is sent again, and nothing twice."""
        self.led("县局经办：重试失败的", self.county.post(f"{self.sending}/retry"), self.sending)
        self.until("赵经理：手机收到公众号消息", lambda: self.on_phone(self.rival_person, RESULT, "第三期"))
        self.until(
            "  三人都有结果", lambda: self.shows(self.county, self.sending, "3 / 3", "2 已送达", "1 未能接收")
        )
        rows = told(self.step("  结果明细", self.county.open(f"{self.sending}/recipients"), status=200))
        self.expect("  收不到的写明原因", "未订阅且未关注公众号" in rows)
        self.expect(
            "  没有人收到两次",
            all(
                sum("第三期" in str(one["lines"]) and one["result"] == "success" for one in self.sent_to(who))
                == 1
                for who in (self.owner_person, self.rival_person)
            ),
        )
        number = self.sending.rsplit("/", 1)[1]
        export = self.county.post("/exports/campaigns.recipients", campaign=number, sort="state")
        self.led("  导出", export, at="/transfers/")
        page = led_to(export).removeprefix("/console")
        self.until("  导出完成", lambda: self.shows(self.county, page, "共 3 行"))
        found = re.search(r'/console(/transfers/[^"]+/files/[^"]+)"', self.county.open(page).text)
        file = self.step("  下载", self.county.open(found[1] if found else page), status=200)
        sheet = load_workbook(io.BytesIO(file.content), read_only=True).active
        values = list(sheet.iter_rows(values_only=True)) if sheet else []
        people = [row for row in values if "丰县" in str(row)]
        self.expect("  表中三人，姓名隐去", len(people) == 3 and all("*" in str(row) for row in people))
        inbox = self.call("GET", "messages", by=self.attendee).json()["items"]
        self.expect("李质量：收不到微信，小程序里有", inbox[0]["title"] == "第三期内审员培训开始报名")
        self.until("  群发已完成", lambda: self.shows(self.county, self.sending, "已完成"), 90)

    # a reminder that is no longer true

    def reminder(self) -> None:
        """A training is cancelled while its reminder waits: the reminder is not sent, and says why."""

        def inbox() -> dict[str, Any]:
            items = self.call("GET", "messages", by=self.owner).json()["items"]
            return next((one for one in items if one["kind"] == "training.reminder"), {})

        self.until("开课提醒到点，因模板待核对而等待", lambda: bool(inbox()), 100)
        self.expect("  站内已有提醒，仍属实", inbox()["outdated"] is None)
        cancelled = self.county.post(f"/trainings/{self.second_course}/cancel", reason="讲师临时有公务")
        self.led("县局经办：取消培训", cancelled, at="/trainings/")
        self.until("王厂长：手机收到取消通知", lambda: self.on_phone(self.owner_person, CANCELLED))
        confirmed = self.city.post(f"{self.start_template}/confirm")
        self.led("市局：核对模板，继续使用", confirmed, self.start_template)
        path = "/messages/sending/automatic?state=skipped"
        self.until(
            "  那条提醒不再发送，写明“培训已取消”",
            lambda: self.shows(self.city, path, "培训提醒", "不再适用，未发送", "培训已取消"),
        )
        self.expect("  手机上没有提醒", not self.on_phone(self.owner_person, START))
        self.expect("  站内的那条注明已过时", inbox()["outdated"] == "培训已取消", inbox()["outdated"])
