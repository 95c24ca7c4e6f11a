"""The accounts the platform serves: a mini-program and, if one is configured, an Official Account."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from config.settings import Settings
from wechat.simulator.errors import Refusal
from wechat.simulator.pushes import PushService
from wechat.simulator.tokens import TokenBook

Kind = Literal["mini_program", "official_account"]
MINI_PROGRAM_PUSH = "/wechat/push"
OFFICIAL_ACCOUNT_PUSH = "/wechat/push/oa"


@dataclass(frozen=True)
class App:
    """One account as its owner registered it, with its tokens and its push address."""

    kind: Kind
    appid: str
    secret: str
    tokens: TokenBook
    pushes: PushService


class Accounts:
    """The accounts by their appid."""

    def __init__(self, settings: Settings) -> None:
        s, url = settings, settings.public_url.rstrip("/")
        keys = (s.wechat_mp_appid, s.wechat_mp_secret, s.wechat_mp_push_token, s.wechat_mp_aes_key)
        self.mini_program = _app("mini_program", *keys, url + MINI_PROGRAM_PUSH)
        self.official: App | None = None
        if s.wechat_oa_appid:
            keys = (s.wechat_oa_appid, s.wechat_oa_secret, s.wechat_oa_push_token, s.wechat_oa_aes_key)
            self.official = _app("official_account", *keys, url + OFFICIAL_ACCOUNT_PUSH)

    @property
    def all(self) -> list[App]:
        """Every account, the mini-program first."""
        return [self.mini_program] + ([self.official] if self.official else [])

    def of_token(self, value: str, now: float) -> App:
        """Returns whose access_token that is; raises Refusal unless it is in force."""
        owner = next((app for app in self.all if app.tokens.issued(value)), self.mini_program)
        owner.tokens.check(value, now)
        return owner

    def of_appid(self, appid: object) -> App:
        """Returns the account; raises Refusal 41002 or 40013."""
        if not appid:
            raise Refusal(41002)
        app = next((app for app in self.all if app.appid == appid), None)
        if app is None:
            raise Refusal(40013)
        return app


def _app(kind: Kind, appid: str, secret: str, token: str, aes_key: str, callback_url: str) -> App:
    pushes = PushService(
        appid=appid,
        original_id="gh_" + hashlib.sha256(appid.encode()).hexdigest()[:12],
        token=token,
        aes_key=aes_key,
        callback_url=callback_url,
        xml_only=kind == "official_account",
    )
    return App(kind, appid, secret, TokenBook(), pushes)
