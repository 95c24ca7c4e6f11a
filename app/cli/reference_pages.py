"""`flask docs`: the pages of the documentation that are drawn from the code's own tables."""

from __future__ import annotations

from pathlib import Path

import click

from app.errors import ERRORS
from app.notices import TRUTHS, automatic
from config.settings import ROOT
from models.bookings import BookingState
from models.campaigns import CampaignState
from models.cases import CaseState, FindingState, OfferState
from models.checkins import Outcome
from models.deliveries import DeliveryState
from models.enterprises import EnterpriseState, MembershipState
from models.lifecycle import State
from models.message_templates import TemplateState
from models.people import AccountState, UserState
from models.signups import SignupState
from models.trainings import TrainingState
from models.transfers import TransferState

LIFECYCLES: dict[str, type[State]] = {
    "个人": UserState,
    "工作人员账号": AccountState,
    "企业": EnterpriseState,
    "加入申请": MembershipState,
    "培训": TrainingState,
    "报名": SignupState,
    "导入导出": TransferState,
    "群发": CampaignState,
    "投递": DeliveryState,
    "消息模板": TemplateState,
    "帮扶项目": CaseState,
    "派单": OfferState,
    "问题清单": FindingState,
    "预约": BookingState,
}


@click.command("docs")
def docs() -> None:
    """重写 docs 中由代码表格生成的页面。"""
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text, encoding="utf-8")
        click.echo(f"{Path('docs') / name}")


def pages() -> dict[str, str]:
    """Returns the generated pages by file name."""
    return {"lifecycles.md": _lifecycles(), "errors.md": _errors(), "notices.md": _notices()}


def _lifecycles() -> str:
    parts = ["# 状态\n\n由 `flask docs` 从 `models/` 中的状态表生成。\n"]
    for title, states in LIFECYCLES.items():
        lines = [f"    {state.value}: {state.label}" for state in states]
        lines += [
            f"    {state.value} --> {target.value}"
            for state, targets in states.moves().items()
            for target in targets
        ]
        parts.append(f"## {title}\n\n```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n")
    rows = "\n".join(f"| `{outcome.value}` | {outcome.label} |" for outcome in Outcome)
    parts.append(f"## 扫码结果\n\n每次扫码都留一行，未成功的也留。\n\n| 结果 | 说明 |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def _errors() -> str:
    rows = "\n".join(f"| `{code}` | {status} | {message} |" for code, (status, message) in ERRORS.items())
    return (
        "# 错误代码\n\n由 `flask docs` 从 `app/errors.py` 生成。"
        "接口以 RFC 9457 `application/problem+json` 答复，`code` 不变，`title` 给人看。"
        f"\n\n| 代码 | HTTP | 说明 |\n|---|---|---|\n{rows}\n"
    )


def _notices() -> str:
    rows = "\n".join(
        f"| `{kind.name}` | {kind.label} | {'、'.join(kind.variables.values())} "
        f"| {f'`{kind.page}`' if kind.page else ''} | {TRUTHS[kind.truth]} |"
        for _, kind in sorted(automatic().items())
    )
    return (
        "# 自动通知\n\n由 `flask docs` 从 `app/notices.py` 生成。每条都进站内消息；"
        "配置了渠道的，再由微信发送。轮到发送时须仍成立，否则不发送并说明原因，站内标为已过时。"
        f"\n\n| 类别 | 名称 | 模板可用的变量 | 打开的页面 | 须仍成立 |\n|---|---|---|---|---|\n{rows}\n"
    )
