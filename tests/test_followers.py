"""Followers of the Official Account: events in any order, the back-fill, and the link by UnionID alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text

from app import jobs
from app.access import SYSTEM
from app.services import followers, personal_data
from app.transactions import begin
from models.people import User
from models.subscriptions import Follower
from tests.builders import World
from tests.platform_pushes import push, sealed
from tests.wechat_platform import Call, Platform, ok, refuse
from wechat.official_account import OfficialAccount
from wechat.tokens import TokenStore

INFO, LIST = "/cgi-bin/user/info/batchget", "/cgi-bin/user/get"
NOW = int(time.time())


class Account:
    """The account on the platform's side: who follows it, and by which UnionID."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.followers: dict[str, str | None] = {}
        platform.on("/cgi-bin/stable_token", ok(access_token="t" * 20, expires_in=7200))
        platform.on(INFO, self._info)
        platform.on(LIST, self._list)

    def _last(self) -> Call:
        return self.platform.calls[-1]

    def _info(self, handler: Any) -> None:
        asked = [one["openid"] for one in self._last().body["user_list"]]
        rows = [
            {"subscribe": 1, "openid": one, "unionid": self.followers[one]}
            if one in self.followers
            else {"subscribe": 0, "openid": one}
            for one in asked
        ]
        ok(user_info_list=rows)(handler)

    def _list(self, handler: Any) -> None:
        after = self._last().query.get("next_openid", [""])[0]
        rest = [one for one in sorted(self.followers) if one > after]
        page = rest[:3]
        data = {"data": {"openid": page}} if page else {}
        ok(total=len(self.followers), count=len(page), next_openid=page[-1] if page else "", **data)(handler)


@pytest.fixture
def account(app: Flask) -> Iterator[Account]:
    """The Official Account, with nobody following it."""
    platform = Platform()
    usual = app.extensions["official_account"]
    app.extensions["official_account"] = OfficialAccount(
        f"wx{uuid.uuid4().hex[:16]}",
        "secret",
        TokenStore(app.extensions["redis"]),
        api_base=platform.base,
        timeout=(1.0, 1.0),
        sleep=lambda _seconds: None,
    )
    with app.app_context(), begin(SYSTEM) as session:
        session.execute(delete(Follower))
    yield Account(platform)
    app.extensions["official_account"].close()
    app.extensions["official_account"] = usual
    platform.close()


@pytest.fixture
def work(app: Flask) -> Callable[[], None]:
    """Runs the jobs that are due, and those that they leave."""

    def run() -> None:
        for _ in range(4):
            jobs.run(app, wait=False)

    return run


def known(world: World) -> dict[str, str | None]:
    with world.session() as session:
        return {row.openid: row.unionid for row in session.execute(select(Follower.openid, Follower.unionid))}


def test_a_follower_is_linked_and_an_unfollow_deletes_at_once(
    app: Flask, world: World, account: Account, work: Callable[[], None]
) -> None:
    account.followers["oA"] = "uA"
    assert push(app, "oa", "subscribe", "oA", EventKey="").data == b"success"
    assert known(world) == {"oA": None}
    work()
    assert known(world) == {"oA": "uA"}
    del account.followers["oA"]
    assert push(app, "oa", "unsubscribe", "oA", EventKey="").data == b"success"
    assert known(world) == {}


def test_events_out_of_order_leave_the_truth(
    app: Flask, world: World, account: Account, work: Callable[[], None]
) -> None:
    # unfollowed and followed again: the old event comes last
    account.followers["oA"] = "uA"
    push(app, "oa", "subscribe", "oA", NOW)
    work()
    push(app, "oa", "unsubscribe", "oA", NOW - 60)
    work()
    assert known(world) == {"oA": "uA"}
    # followed and unfollowed again: the old event comes last
    push(app, "oa", "unsubscribe", "oB", NOW)
    push(app, "oa", "subscribe", "oB", NOW - 60)
    work()
    assert known(world) == {"oA": "uA"}


def test_a_replayed_unfollow_changes_nothing(
    app: Flask, world: World, account: Account, work: Callable[[], None]
) -> None:
    account.followers["oA"] = "uA"
    query, body = sealed(app, "oa", "unsubscribe", "oA", NOW)
    client = app.test_client()
    client.post("/wechat/push/oa", query_string=query, data=body)
    push(app, "oa", "subscribe", "oA", NOW + 1)
    work()
    assert client.post("/wechat/push/oa", query_string=query, data=body).data == b"success"
    assert known(world) == {"oA": "uA"}


def test_pushes_of_one_account_are_not_taken_for_the_others(
    app: Flask, world: World, account: Account
) -> None:
    query, body = sealed(app, "oa", "subscribe", "oA")
    client = app.test_client()
    assert client.post("/wechat/push", query_string=query, data=body).status_code == 403
    forged = {**query, "msg_signature": "0" * 40}
    assert client.post("/wechat/push/oa", query_string=forged, data=body).status_code == 403
    assert client.post("/wechat/push/oa", query_string=query, data=body[:-40]).status_code in (400, 403)
    push(app, "mp", "subscribe", "oA")  # no event of the mini-program
    assert known(world) == {}
    assert account.platform.calls == []


def test_the_back_fill_takes_up_where_it_failed(
    app: Flask, world: World, account: Account, work: Callable[[], None]
) -> None:
    account.followers |= {f"o{number}": f"u{number}" for number in range(7)} | {"o3": None}
    with world.session() as session:
        session.add(Follower(openid="o-gone"))  # whose unfollow event was lost
    account.platform.on(LIST, account._list, refuse(45009), account._list)
    with app.app_context():
        followers.back_fill()
    assert len(known(world)) == 4
    work()  # the second page fails
    assert len(known(world)) == 4
    with world.session() as session:
        session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))
    work()
    pages = [call.query.get("next_openid", [""])[0] for call in account.platform.calls if call.path == LIST]
    assert pages == ["", "o2", "o2", "o5", "o6"]
    assert known(world) == account.followers
    asked = [call for call in account.platform.calls if call.path == INFO]
    assert len(asked) == 1  # and nobody is asked about again at once


def test_whoever_closes_the_account_is_forgotten_as_a_follower(
    app: Flask, world: World, account: Account
) -> None:
    person = world.person()
    with world.session() as session:
        session.get(User, person.id).unionid = "uA"
        session.add_all([Follower(openid="oA", unionid="uA"), Follower(openid="oB", unionid="uB")])
    with app.app_context():
        personal_data.close_account(SYSTEM, person.id, at_once=True)
    assert known(world) == {"oB": "uB"}
    push(app, "oa", "user_authorization_cancellation", "gh_1", OpenID="oB", UnionID="uB", AppID="wx")
    jobs.run(app, wait=False)
    assert known(world) == {}
