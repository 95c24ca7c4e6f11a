"""What the commands that import workbooks share: reading the file and reporting every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from app.workbooks import Column, Row, WorkbookError, read_rows, write_rejected

FILE = click.Path(dir_okay=False, path_type=Path)
rejected_option = click.option("--rejected", type=FILE, help="把未导入的行连同原因写入此工作簿")


def read(file: Path, columns: Sequence[Column], rejected: Path | None) -> list[Row]:
    """Returns the rows of the file; ends the command with what is wrong with it or with `rejected`."""
    if rejected is not None and not rejected.absolute().parent.is_dir():
        raise click.BadParameter("所在文件夹不存在", param_hint="--rejected")
    try:
        return read_rows(file, columns)
    except WorkbookError as error:
        raise click.ClickException(error.message_zh) from None
    except OSError:
        raise click.ClickException(f"无法读取文件 {file}") from None


def report(
    outcomes: Sequence[Any], results: Any, title: str, columns: Sequence[Column], rejected: Path | None
) -> None:
    """Says what became of each row and how many of each there are, and writes the rejected ones out."""
    for outcome in outcomes:
        reason = f"：{outcome.reason}" if outcome.reason else ""
        click.echo(f"第 {outcome.row.number} 行：{outcome.result.label}{reason}")
    refused = [(outcome.row, outcome.reason) for outcome in outcomes if outcome.result == results.rejected]
    if rejected is not None and refused:
        with rejected.open("wb") as stream:
            write_rejected(stream, title, columns, refused)
        click.echo(f"未导入的 {len(refused)} 行已写入 {rejected}")
    counts = Counter(outcome.result for outcome in outcomes)
    click.echo(
        f"共 {len(outcomes)} 行：" + "；".join(f"{result.label} {counts[result]}" for result in results)
    )
