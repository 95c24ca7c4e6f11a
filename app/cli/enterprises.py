"""Commands on enterprises: `flask enterprises import`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import AppGroup

from app.access import SYSTEM
from app.cli.imports import FILE, read, rejected_option, report
from app.errors import DomainError
from app.services import enterprise_imports
from app.services.enterprise_imports import COLUMNS, Result
from app.workbooks import Outcome, Row

enterprises_cli = AppGroup("enterprises", help="企业")


@enterprises_cli.command("import")
@click.argument("file", type=FILE)
@click.option("--division", help="名单所属辖区的编号，如 js.xz.fengxian；行内可不再填写")
@rejected_option
def import_(file: Path, division: str | None, rejected: Path | None) -> None:
    """从 Excel 名单导入企业（可重复执行，不会重复登记，也不会改动已由企业自行维护的信息）。"""
    outcomes = _import(read(file, COLUMNS, rejected), division)
    report(outcomes, Result, "未导入的企业", COLUMNS, rejected)


def _import(rows: Sequence[Row], division: str | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    done = enterprise_imports.import_rows(SYSTEM, rows, division)
    try:
        with click.progressbar(done, length=len(rows), label="导入", file=sys.stderr) as bar:
            outcomes.extend(bar)
    except DomainError as error:
        raise click.BadParameter(error.message, param_hint="--division") from None
    return outcomes
