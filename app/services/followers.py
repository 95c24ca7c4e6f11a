"""Followers of the Official Account: who can be sent a template message, linked by the UnionID alone.

A row comes with the event or the back-fill and knows only the openid; what the platform says of it when
asked afterwards decides. So an event that comes late, or twice, leaves the truth as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import Text, column, delete, func, literal, null, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app import outbox
from app.access import SYSTEM, Actor
from app.transactions import outside_transaction, session, transaction
from models.base import now
from models.subscriptions import Follower
from wechat.official_account import BATCH, OfficialAccount
from wechat.official_account import Follower as Known

STALE = timedelta(days=30)
"""A follower is asked about again after so long: an unfollow event may have been lost."""
WITHOUT_UNIONID = timedelta(days=1)
"""And one without a UnionID after so long: followers get theirs when the accounts are bound together."""


def account() -> OfficialAccount | None:
    """Returns the Official Account, if there is one."""
    found: OfficialAccount | None = current_app.extensions.get("official_account")
    return found


# --- events


@transaction(None)
def follow(_actor: Actor, openid: str) -> None:
    """Enters a follower (WeChat: 关注), and has a job ask who that is."""
    session().execute(insert(Follower).values(openid=openid).on_conflict_do_nothing())
    outbox.defer("followers.check", openid=openid)


@transaction(None)
def unfollow(_actor: Actor, openid: str, at: datetime) -> None:
    """Deletes a follower at once (WeChat: 取消关注, which obliges to), with all that is known.

    One who seems to have followed again since is asked about.
    """
    entered = delete(Follower).where(Follower.openid == openid).returning(Follower.created_at)
    created_at = session().execute(entered).scalar()
    if created_at is not None and created_at > at + timedelta(seconds=1):  # the platform tells whole seconds
        session().execute(insert(Follower).values(openid=openid).on_conflict_do_nothing())
        outbox.defer("followers.check", openid=openid)


@transaction(None)
def forget(_actor: Actor, *, openid: str | None = None, unionid: str | None = None) -> None:
    """Erases a person whose account was closed, by the one id or the other."""
    for column_, value in ((Follower.openid, openid), (Follower.unionid, unionid)):
        if value:
            session().execute(delete(Follower).where(column_ == value))


def check(openid: str) -> None:
    """Asks the platform who a follower is; raises WeChatError."""
    _ask([openid])


# --- the back-fill


def back_fill(next_openid: str = "") -> None:
    """Enters one page of the account's followers and leaves the next to another job; raises WeChatError.

    After the last, those of whom too little is known are asked about. A page that fails is done again,
    and those before it are not.
    """
    official = account()
    if official is not None:
        outside_transaction()
        page = official.follower_page(next_openid)
        _enter(SYSTEM, page.openids, page.next_openid)


@transaction(None)
def _enter(_system: Actor, openids: Sequence[str], next_openid: str) -> None:
    if openids:
        array = func.unnest(literal(list(openids), ARRAY(Text)))
        given = array.table_valued(column("openid", Text), name="given").render_derived()
        entered = insert(Follower).from_select(["openid"], select(given.c.openid), include_defaults=False)
        session().execute(entered.on_conflict_do_nothing())
    if next_openid:
        outbox.defer("followers.back_fill", next_openid=next_openid)
    else:
        outbox.defer("followers.ask")


def ask() -> None:
    """Asks the platform about a hundred followers of whom too little is known; raises WeChatError.

    The others are left to another job.
    """
    unknown = _unknown(SYSTEM) if account() else []
    if unknown:
        _ask(unknown)
        _ask_on(SYSTEM)


@transaction(None)
def _unknown(_system: Actor) -> list[str]:
    moment = now()
    too_little = or_(
        Follower.checked_at.is_(null()),
        Follower.checked_at < moment - STALE,
        Follower.unionid.is_(null()) & (Follower.checked_at < moment - WITHOUT_UNIONID),
    )
    found = select(Follower.openid).where(too_little).order_by(Follower.openid).limit(BATCH)
    return list(session().execute(found).scalars())


@transaction(None)
def _ask_on(_system: Actor) -> None:
    outbox.defer("followers.ask")


def _ask(openids: Collection[str]) -> None:
    official = account()
    if official is not None:
        outside_transaction()
        _learn(SYSTEM, openids, official.followers(openids))


@transaction(None)
def _learn(_system: Actor, openids: Collection[str], known: Sequence[Known]) -> None:
    """Enters what the platform answered; whoever unfollowed while it did is gone already, and stays so."""
    follows = {one.openid: one.unionid for one in known if one.follows}
    session().execute(delete(Follower).where(Follower.openid.in_([o for o in openids if o not in follows])))
    columns = (column("openid", Text), column("unionid", Text))
    arrays = [literal(list(given), ARRAY(Text)) for given in (follows, follows.values())]
    given = func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
    session().execute(
        update(Follower)
        .where(Follower.openid == given.c.openid)
        .values(unionid=given.c.unionid, checked_at=now())
    )
