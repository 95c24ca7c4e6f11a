"""A campaign sent to oneself first: to the WeChat that is bound to one's account, at once, and told at once.

It counts as nobody's message of the week, and takes a subscription of one's own like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from app import audit, notices, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import campaigns, template_rendering
from app.services.template_rendering import Unfit
from app.transactions import outside_transaction, session, transaction
from config.settings import settings
from models.base import now
from models.message_templates import Channel
from models.people import StaffAccount, User
from models.subscriptions import Follower
from wechat.client import MiniProgram, MiniProgramState
from wechat.errors import WeChatError
from wechat.official_account import OfficialAccount, Page

NOTICE = notices.kind("campaign.trial", "群发测试", {})
_STATES: dict[str, MiniProgramState] = {"release": "formal", "trial": "trial", "develop": "developer"}
_NOT_FOLLOWING = "您绑定的微信没有关注公众号"
_NO_ACCOUNT = "没有配置公众号"


@dataclass(frozen=True)
class Trial:
    """What became of a test on one channel; None stands for the inbox."""

    channel: Channel | None
    sent: bool
    said: str


@dataclass(frozen=True)
class _Identity:
    mp_openid: str | None
    oa_openid: str | None


@dataclass(frozen=True)
class _Message:
    channel: Channel
    template: str
    data: dict[str, str]
    problem: str = ""


def send_to_oneself(actor: Actor, campaign_id: UUID) -> list[Trial]:
    """Sends a campaign as it stands to oneself, on each of its channels and to one's inbox.

    Raises DomainError `not_found`, `campaign_incomplete` (no title or no text), `campaign_without_wechat`.
    """
    page, identity, messages = _noted(actor, campaign_id)
    outside_transaction()
    trials = [_sent(message, identity, page) for message in messages]
    return [Trial(None, True, "已放入您的小程序消息"), *trials]


@transaction("messages.send")
def _noted(actor: Actor, campaign_id: UUID) -> tuple[str, _Identity, list[_Message]]:
    campaign = campaigns.require(campaign_id)
    wrong = campaigns.problems(actor, campaign)
    if missing := {name: texts for name, texts in wrong.items() if name in ("title", "body")}:
        raise DomainError("campaign_incomplete", fields=missing)
    user_id, identity = _identity(SYSTEM, actor.user_id)
    title, once = f"【测试】{campaign.title}", f"{now():%Y%m%d%H%M%S%f}"
    outbox.notify(user_id, NOTICE.name, campaign, title, campaign.body, {}, once=once)
    audit.record(actor, "campaign.tested", campaign)
    messages = []
    for channel, (template, _) in campaigns.said(actor, campaign.channels, campaign.templates).items():
        fields = campaign.templates[channel.value]["fields"]
        try:
            data = template_rendering.render(fields, template.fields, {})
            messages.append(_Message(channel, template.platform_id, data))
        except Unfit as unfit:
            messages.append(_Message(channel, template.platform_id, {}, str(unfit)))
    return campaign.page, identity, messages


@transaction(None)
def _identity(_system: Actor, user_id: UUID | None) -> tuple[UUID, _Identity]:
    wanted = (
        select(User.id, User.mp_openid, User.unionid)
        .join(StaffAccount, StaffAccount.wechat_user_id == User.id)
        .where(StaffAccount.user_id == user_id)
    )
    found = session().execute(wanted).first()
    if found is None:
        raise DomainError("campaign_without_wechat")
    follower = select(Follower.openid).where(Follower.unionid == found.unionid).limit(1)
    return found.id, _Identity(found.mp_openid, session().execute(follower).scalar())


def _sent(message: _Message, identity: _Identity, page: str) -> Trial:
    if message.problem:
        return Trial(message.channel, False, message.problem)
    extensions: dict[str, Any] = current_app.extensions
    try:
        if message.channel is Channel.subscribe:
            client: MiniProgram = extensions["mini_program"]
            state = _STATES[settings().wechat_mp_env_version]
            openid = identity.mp_openid or ""
            client.send_subscribe_message(openid, message.template, message.data, page=page, state=state)
        elif "official_account" not in extensions:
            return Trial(message.channel, False, _NO_ACCOUNT)
        elif identity.oa_openid is None:
            return Trial(message.channel, False, _NOT_FOLLOWING)
        else:
            account: OfficialAccount = extensions["official_account"]
            opens = Page(settings().wechat_mp_appid, page) if page else None
            account.send_template_message(identity.oa_openid, message.template, message.data, page=opens)
    except WeChatError as error:
        return Trial(message.channel, False, str(error))
    return Trial(message.channel, True, "微信已接受，请在手机上查看")
