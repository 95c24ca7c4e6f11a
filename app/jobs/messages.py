"""Jobs of messages: what the platform has of ours, asked for again and again."""

from __future__ import annotations

from app.access import SYSTEM
from app.jobs import task
from app.logs import log
from app.services import followers, message_templates, notice_routes


@task("messages.synchronise_templates", cron="23 * * * *")
def synchronise_templates() -> None:
    """Every hour: takes over what changed in the templates on the platform."""
    for one in message_templates.synchronise(SYSTEM):
        if one.problem:
            log.warning("templates not synchronised", channel=one.channel.value, problem=one.problem)


@task("messages.set_up")
def set_up() -> None:
    """Sets sending up by what the platform has: the templates, and the routes that nobody has decided."""
    problems = [one.problem for one in message_templates.synchronise(SYSTEM) if one.problem]
    notice_routes.set_up(SYSTEM)
    if problems:
        raise RuntimeError("the platform was not heard")  # it is started beside us, and tried again


@task("followers.back_fill", cron="41 19 * * *")
def back_fill_followers(next_openid: str = "") -> None:
    """Every night (03:41 in Beijing): enters followers of whom no event came, a page a job."""
    followers.back_fill(next_openid)


@task("followers.ask")
def ask_about_followers() -> None:
    """Asks who a hundred followers are."""
    followers.ask()


@task("followers.check")
def check_follower(openid: str) -> None:
    """Asks who a follower is."""
    followers.check(openid)
