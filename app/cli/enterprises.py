"""Commands on enterprises: `flask enterprises import`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import AppGroup

from app.access import SYSTEM
from app.errors import DomainError
from app.services import enterprise_imports
from app.services.enterprise_imports import COLUMNS, Outcome, Result
from app.workbooks import Row, WorkbookError, read_rows, write_rejected

enterprises_cli = AppGroup("enterprises", help="企业")


@enterprises_cli.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--division", help="名单所属辖区的编号，如 js.xz.fengxian；行内可不再填写")
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="把未导入的行连同原因写入此工作簿",
)
def import_(file: Path, division: str | None, rejected: Path | None) -> None:
    """从 Excel 名单导入企业（可重复执行，不会重复登记，也不会改动已由企业自行维护的信息）。"""
    if rejected is not None and not rejected.absolute().parent.is_dir():
        raise click.BadParameter("所在文件夹不存在", param_hint="--rejected")
    outcomes = _import(_read(file), division)
    for outcome in outcomes:
        click.echo(_line(outcome))
    refused = [(outcome.row, outcome.reason) for outcome in outcomes if outcome.result == Result.rejected]
    if rejected is not None and refused:
        with rejected.open("wb") as stream:
            write_rejected(stream, "未导入的企业", COLUMNS, refused)
        click.echo(f"未导入的 {len(refused)} 行已写入 {rejected}")
    counts = Counter(outcome.result for outcome in outcomes)
    click.echo(
        f"共 {len(outcomes)} 行：" + "；".join(f"{result.label} {counts[result]}" for result in Result)
    )


def _read(file: Path) -> list[Row]:
    try:
        return read_rows(file, COLUMNS)
    except WorkbookError as error:
        raise click.ClickException(error.message_zh) from None
    except OSError:
        raise click.ClickException(f"无法读取文件 {file}") from None


def _import(rows: Sequence[Row], division: str | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    done = enterprise_imports.import_rows(SYSTEM, rows, division)
    try:
        with click.progressbar(done, length=len(rows), label="导入", file=sys.stderr) as bar:
            outcomes.extend(bar)
    except DomainError as error:
        raise click.BadParameter(error.message, param_hint="--division") from None
    return outcomes


def _line(outcome: Outcome) -> str:
    reason = f"：{outcome.reason}" if outcome.reason else ""
    return f"第 {outcome.row.number} 行：{outcome.result.label}{reason}"
