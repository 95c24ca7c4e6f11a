"""The interfaces of an Official Account (服务号) that are in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wechat.account import Account, answer_list, answer_text
from wechat.errors import Outcome, WeChatError
from wechat.templates import MessageTemplate, read_template

BATCH = 100
RECOGNISED_SECONDS = 600
"""How long the platform recognises a client_msg_id, so that the same message may be sent again safely."""


@dataclass(frozen=True, slots=True)
class Page:
    """The mini-program page a message opens; `path` may have a query. The account must be linked (关联)."""

    appid: str
    path: str


@dataclass(frozen=True, slots=True)
class Follower:
    """Who somebody is to the account; of one who does not follow, nothing but the openid is known.

    `unionid` only if the account belongs to an open platform account; `since` is in Unix seconds.
    """

    openid: str = field(repr=False)
    follows: bool
    unionid: str | None = field(repr=False, default=None)
    since: int | None = None


@dataclass(frozen=True, slots=True)
class FollowerPage:
    """Up to 10,000 openids; `next_openid` is where the next page begins, empty after the last."""

    openids: tuple[str, ...] = field(repr=False)
    next_openid: str = field(repr=False)
    total: int


class OfficialAccount(Account):
    """A verified Official Account (认证服务号)."""

    def send_template_message(
        self,
        openid: str,
        template_id: str,
        data: Mapping[str, str],
        *,
        url: str = "",
        page: Page | None = None,
        client_msg_id: str = "",
    ) -> str:
        """Send one template message (WeChat: 发送模板消息) and return its msgid; see `send` for failures.

        `page` goes before `url`, which old clients open. Within RECOGNISED_SECONDS a message with the same
        `openid` and `client_msg_id` may be sent again: it arrives once.
        """
        body: dict[str, Any] = {
            "touser": openid,
            "template_id": template_id,
            "data": {key: {"value": value} for key, value in data.items()},
        }
        if url:
            body["url"] = url
        if page:
            body["miniprogram"] = {"appid": page.appid, "pagepath": page.path}
        if client_msg_id:
            body["client_msg_id"] = client_msg_id
        return self.send("/cgi-bin/message/template/send", body)

    def templates(self) -> list[MessageTemplate]:
        """Return the account's own templates (WeChat: 获取所有模板列表).

        Left out is what some accounts have and cannot delete: 订阅模板消息 with nothing but {{content.DATA}}.
        """
        path = "/cgi-bin/template/get_all_private_template"
        rows = answer_list(self.get(path), "template_list", path)
        templates = [read_template(answer_text(row, "template_id", path), row, "none") for row in rows]
        return [t for t in templates if [f.key for f in t.fields] != ["content"]]

    def follower(self, openid: str) -> Follower:
        """Return who that is (WeChat: 获取用户基本信息)."""
        path = "/cgi-bin/user/info"
        return _follower(self.get(path, {"openid": openid, "lang": "zh_CN"}), path)

    def followers(self, openids: Iterable[str]) -> list[Follower]:
        """Return who they are, 100 at most (WeChat: 批量获取用户基本信息)."""
        asked = [{"openid": openid, "lang": "zh_CN"} for openid in openids]
        if not asked:
            return []
        if len(asked) > BATCH:
            raise ValueError("一次最多查询 100 人")
        path = "/cgi-bin/user/info/batchget"
        answer = self.post(path, {"user_list": asked}, idempotent=True)
        return [_follower(row, path) for row in answer_list(answer, "user_info_list", path)]

    def follower_page(self, next_openid: str = "") -> FollowerPage:
        """Return the openids of up to 10,000 followers after `next_openid` (WeChat: 获取用户列表)."""
        path = "/cgi-bin/user/get"
        answer = self.get(path, {"next_openid": next_openid} if next_openid else {})
        data = answer.get("data")
        openids = data.get("openid") if isinstance(data, dict) else []
        if not isinstance(openids, list):
            raise WeChatError(Outcome.RETRY_TRANSIENT, endpoint=path)
        # The last page names its own last follower; the page after it is empty and names nobody.
        following = str(answer.get("next_openid") or "") if openids else ""
        return FollowerPage(tuple(map(str, openids)), following, int(answer.get("total") or 0))

    def all_followers(self) -> Iterator[str]:
        """Yield the openid of every follower, asking for each page as it is reached."""
        page = self.follower_page()
        yield from page.openids
        while page.next_openid:
            page = self.follower_page(page.next_openid)
            yield from page.openids


def _follower(row: dict[str, Any], path: str) -> Follower:
    openid = answer_text(row, "openid", path)
    if row.get("subscribe") != 1:
        return Follower(openid, follows=False)
    since = row.get("subscribe_time")
    return Follower(openid, True, row.get("unionid") or None, since if isinstance(since, int) else None)
