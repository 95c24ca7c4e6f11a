"""Commands on trainings: `flask trainings import` and `flask demo load`."""

from __future__ import annotations

from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from app.access import SYSTEM
from app.cli.imports import FILE, read, rejected_option, report
from app.services import demo, training_imports
from app.services.training_imports import COLUMNS, Result

trainings_cli = AppGroup("trainings", help="培训")
demo_cli = AppGroup("demo", help="演示数据")


@trainings_cli.command("import", epilog=f"列：{'、'.join(column.name for column in COLUMNS)}。")
@click.argument("file", type=FILE)
@rejected_option
def import_(file: Path, rejected: Path | None) -> None:
    """从 Excel 导入培训草稿：每行一场，同一培训编号的各行为一个培训（可重复执行，不会重复建立）。"""
    outcomes = list(training_imports.import_rows(SYSTEM, read(file, COLUMNS, rejected)))
    report(outcomes, Result, "未导入的培训", COLUMNS, rejected)


@demo_cli.command("load")
def load() -> None:
    """装入演示用的企业、培训、帮扶机构和帮扶项目（仅限内置环境；可重复执行）。不建立任何账号和口令。"""
    if not current_app.config["SETTINGS"].embedded:
        raise click.ClickException("演示数据只能装入内置环境（make run）")
    made = demo.load(SYSTEM)
    click.echo(
        f"企业：新增 {made.enterprises}；培训：新增 {made.trainings}；"
        f"帮扶机构：新增 {made.agencies}；帮扶项目：新增 {made.cases}"
    )
