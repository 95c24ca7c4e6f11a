"""Commands: `flask reference load`, `flask admin create`, `flask enterprises import` and the others."""

from __future__ import annotations

import importlib
from typing import Any, cast

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from app.access import SYSTEM
from app.cli.enterprises import enterprises_cli
from app.cli.reference_pages import docs
from app.cli.trainings import demo_cli, trainings_cli
from app.errors import DomainError
from app.services import keys, reference, staff

reference_cli = AppGroup("reference", help="基础数据")
admin_cli = AppGroup("admin", help="管理员账号")
keys_cli = AppGroup("keys", help="数据密钥")


def init_app(app: Flask) -> None:
    """Registers the commands."""
    for group in (reference_cli, admin_cli, keys_cli, enterprises_cli, trainings_cli, demo_cli):
        app.cli.add_command(group)
    app.cli.add_command(docs)
    app.cli.add_command(worker)
    app.cli.add_command(sender)


@reference_cli.command("load")
def load() -> None:
    """装载 config/reference 中的基础数据（可重复执行）。"""
    for table, rows in reference.load(SYSTEM).items():
        click.echo(f"{table}：{rows} 行")


@admin_cli.command("create")
@click.option("--login-name", default="admin", show_default=True)
@click.option("--division", default="js.xz", show_default=True, help="所管辖区")
@click.option("--if-missing", is_flag=True, help="已有管理员时不作任何事")
def create(login_name: str, division: str, if_missing: bool) -> None:
    """建立第一个系统管理员，显示一次性初始密码。"""
    made = staff.create_administrator(SYSTEM, login_name, division)
    if made is None:
        if not if_missing:
            raise click.ClickException("已有系统管理员")
        return
    click.echo(
        f"系统管理员 {made.login_name}，初始密码 {made.initial_password}（只显示这一次，首次登录须修改）"
    )


@admin_cli.command("recover")
@click.option("--login-name", required=True)
def recover(login_name: str) -> None:
    """管理员本人丢失密码或动态口令、又没有其他管理员时：重置其密码与第二道验证。"""
    try:
        made = staff.recover(SYSTEM, login_name)
    except DomainError:
        raise click.ClickException("没有这个用户名") from None
    click.echo(
        f"{made.login_name} 的一次性密码 {made.initial_password}（只显示这一次，登录时重新启用动态口令）"
    )


@keys_cli.command("rotate")
def rotate() -> None:
    """用 DATA_KEYS 中最后一个密钥重新加密全部个人信息和上传的文件（可中断、可重复执行）。"""
    for table, rows in keys.rotate(SYSTEM).items():
        click.echo(f"{table}：{rows} 行")


@click.command("worker")
def worker() -> None:
    """运行后台任务进程。"""
    jobs = importlib.import_module("app.jobs")
    jobs.run(cast(Any, current_app)._get_current_object())


@click.command("sender")
def sender() -> None:
    """运行微信消息发送进程。"""
    process = importlib.import_module("app.jobs.sender")
    process.run(cast(Any, current_app)._get_current_object(), current_app.config["SETTINGS"])
