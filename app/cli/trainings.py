"""Commands on trainings: `flask trainings import` and `flask demo load`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from app.access import SYSTEM
from app.services import demo, training_imports
from app.services.training_imports import COLUMNS, Outcome, Result
from app.workbooks import Row, WorkbookError, read_rows, write_rejected

trainings_cli = AppGroup("trainings", help="培训")
demo_cli = AppGroup("demo", help="演示数据")


@trainings_cli.command("import", epilog=f"列：{'、'.join(column.name for column in COLUMNS)}。")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="把未导入的行连同原因写入此工作簿",
)
def import_(file: Path, rejected: Path | None) -> None:
    """从 Excel 导入培训草稿：每行一场，同一培训编号的各行为一个培训（可重复执行，不会重复建立）。"""
    if rejected is not None and not rejected.absolute().parent.is_dir():
        raise click.BadParameter("所在文件夹不存在", param_hint="--rejected")
    outcomes: list[Outcome] = []
    for outcome in training_imports.import_rows(SYSTEM, _read(file)):
        outcomes.append(outcome)
        reason = f"：{outcome.reason}" if outcome.reason else ""
        click.echo(f"第 {outcome.row.number} 行：{outcome.result.label}{reason}")
    refused = [(outcome.row, outcome.reason) for outcome in outcomes if outcome.result == Result.rejected]
    if rejected is not None and refused:
        with rejected.open("wb") as stream:
            write_rejected(stream, "未导入的培训", COLUMNS, refused)
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


@demo_cli.command("load")
def load() -> None:
    """装入演示用的企业和培训（仅限内置环境；可重复执行）。不建立任何账号和口令。"""
    if not current_app.config["SETTINGS"].embedded:
        raise click.ClickException("演示数据只能装入内置环境（make run）")
    made = demo.load(SYSTEM)
    click.echo(f"企业：新增 {made.enterprises}；培训：新增 {made.trainings}")
