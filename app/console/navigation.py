"""The navigation on the left: what each page is called, and who sees it."""

from __future__ import annotations

from dataclasses import dataclass

from app.access import Actor


@dataclass(frozen=True)
class Item:
    """An entry; shown to those who hold the permission. `endpoint` is a page without parameters.

    Args:
        words: first words of the endpoints whose pages belong under it.
    """

    label: str
    icon: str
    endpoint: str
    permission: str
    words: tuple[str, ...]


GROUPS: tuple[tuple[str, tuple[Item, ...]], ...] = (
    ("", (Item("工作台", "home", "home", "people.staff", ("home",)),)),
    (
        "企业",
        (
            Item("企业台账", "building-factory-2", "enterprises", "enterprises.desk", ("enterprise",)),
            Item("登记审核", "clipboard-check", "reviews", "enterprises.review", ("review",)),
            Item("加入申请", "user-plus", "membership_requests", "enterprises.review", ("membership",)),
        ),
    ),
    (
        "培训",
        (
            Item("培训日历", "calendar-event", "calendar", "trainings.desk", ("calendar",)),
            Item("培训列表", "school", "trainings", "trainings.desk", ("train", "signup", "attendance")),
        ),
    ),
    (
        "帮扶",
        (
            Item("帮扶项目", "list-check", "cases", "cases.desk", ("case",)),
            Item("派单", "send", "queue", "cases.route", ("queue",)),
            Item("我的项目", "inbox", "own_cases", "cases.work", ("own_case",)),
            Item("预约", "clock", "bookings", "bookings.desk", ("booking",)),
            Item(
                "专家日程",
                "calendar-event",
                "agency_calendar",
                "bookings.manage",
                ("agency_calendar", "availabilit", "absence"),
            ),
            Item("走访确认", "map-pin", "visits", "cases.route", ("visit",)),
            Item("本机构", "certificate", "agency_own", "agencies.own", ("agency_own",)),
            Item("帮扶机构", "building-community", "agencies", "agencies.desk", ("agencies",)),
        ),
    ),
    (
        "消息",
        (
            Item("群发", "send", "campaigns", "messages.send", ("campaign",)),
            Item("自动通知", "bell", "notice_routes", "messages.desk", ("notice_",)),
            Item("消息模板", "list-check", "message_templates", "messages.desk", ("message_",)),
            Item("发送状态", "report-analytics", "sending", "messages.desk", ("sending",)),
        ),
    ),
    (
        "系统管理",
        (
            Item("账号", "user-cog", "accounts", "people.manage", ("account_", "accounts")),
            Item("协作单位", "building-bank", "organisations", "people.manage", ("organisation",)),
            Item("审计日志", "history", "audit_trail", "audit.read", ("audit",)),
        ),
    ),
    ("", (Item("导入导出", "file-export", "transfers", "people.staff", ("transfer",)),)),
)


def items_for(actor: Actor) -> list[tuple[str, list[Item]]]:
    """Returns the groups with the entries that the actor may use."""
    shown = [(title, [item for item in items if actor.may(item.permission)]) for title, items in GROUPS]
    return [(title, items) for title, items in shown if items]
