"""Codes on a desk's screen that are scanned with the mini-program: to sign in, or to bind WeChat.

The browser that asked keeps a secret; the code on its screen carries only a number. The phone that scans
it shows what is asked for and the two digits on the screen, and confirms; then that browser, and no
other, goes on. Powers of staff never reach the phone.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app import audit, tokens
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import proofs, staff_sign_ins
from app.services.staff_sign_ins import Opened
from app.transactions import outside_transaction, session, transaction
from models.base import now
from models.people import AccountState, ScanRequest, StaffAccount
from wechat.client import MiniProgram
from wechat.errors import WeChatError

LIFE = timedelta(minutes=3)
PAGE = "pages/signin/index"


class Stage(StrEnum):
    """How far a code on the screen is."""

    waiting = "waiting"
    confirmed = "confirmed"
    gone = "gone"


@dataclass(frozen=True)
class Asked:
    """What the browser that asked gets; `secret` stays with it and is never shown."""

    number: str
    digits: str
    expires_at: datetime
    secret: str = field(repr=False)


def ask_sign_in(device: str) -> Asked:
    """Asks for a sign-in by scanning."""
    return _ask(SYSTEM, device, None)


def ask_binding(actor: Actor, device: str, code: str) -> Asked:
    """Asks to bind the WeChat identity that will scan, by a code: a desk left alone binds nobody.

    Raises DomainError `code_wrong` or `staff_locked`.
    """
    return proofs.settled(_ask_binding(actor, device, code))


@transaction("people.staff")
def _ask_binding(actor: Actor, device: str, code: str) -> Asked | DomainError:
    account = proofs.hold(actor.user_id)
    return proofs.code(actor, account, code) or _ask(SYSTEM, device, account.id)


@transaction(None)
def _ask(_system: Actor, device: str, account_id: UUID | None) -> Asked:
    secret = secrets.token_urlsafe(32)
    request = ScanRequest(
        browser_hash=tokens.digest(secret),
        digits=f"{secrets.randbelow(100):02d}",
        device=device,
        account_id=account_id,
        expires_at=now() + LIFE,
    )
    session().add(request)
    session().flush()
    return Asked(request.number, request.digits, request.expires_at, secret)


def image(number: str) -> bytes:
    """Returns the mini-program code to scan, a PNG (WeChat: getwxacodeunlimit).

    Raises DomainError `wechat_unavailable`.
    """
    outside_transaction()
    mini_program: MiniProgram = current_app.extensions["mini_program"]
    version = current_app.config["SETTINGS"].wechat_mp_env_version
    try:
        return mini_program.mini_program_code(
            f"n={number}", PAGE, check_path=version == "release", env_version=version
        )
    except WeChatError:
        raise DomainError("wechat_unavailable") from None


# --- on the phone


@transaction("people.self")
def read(_actor: Actor, number: str) -> dict[str, Any]:
    """Returns what the phone shows before it confirms; raises DomainError `scan_request_gone`."""
    request = _find(SYSTEM, number)
    return {
        "number": request.number,
        "purpose": "sign_in" if request.account_id is None else "binding",
        "device": request.device,
        "digits": request.digits,
        "asked_at": request.created_at,
        "expires_at": request.expires_at,
    }


@transaction("people.self")
def confirm(actor: Actor, number: str) -> None:
    """Confirms on the phone, once: lets the browser sign in, or binds this WeChat identity to the account.

    Raises DomainError `scan_request_gone`, `wechat_not_bound`, `wechat_already_bound`, `account_disabled`
    or `staff_locked`.
    """
    if actor.user_id is None:
        raise DomainError("sign_in_required")
    _confirm(SYSTEM, actor, actor.user_id, number)


@transaction(None)
def _confirm(_system: Actor, actor: Actor, person: UUID, number: str) -> None:
    request = _find(SYSTEM, number)
    account = _account(request, person)
    confirmed = (
        update(ScanRequest)
        .where(ScanRequest.id == request.id, ScanRequest.confirmed_by.is_(None))
        .values(confirmed_by=person)
        .returning(ScanRequest.id)
    )
    if session().execute(confirmed).first() is None:
        raise DomainError("scan_request_gone")
    if request.account_id is None:
        audit.record(actor, "staff.sign_in_confirmed", account)
        return
    account.wechat_user_id = person
    try:
        session().flush()
    except IntegrityError:  # one WeChat identity signs in to one account
        raise DomainError("wechat_already_bound") from None
    audit.record(actor, "staff.wechat_bound", account)


@transaction(None)
def _find(_system: Actor, number: str) -> ScanRequest:
    waiting = (ScanRequest.confirmed_by.is_(None), ScanRequest.expires_at > now())
    found = session().scalar(select(ScanRequest).where(ScanRequest.number == number, *waiting))
    if found is None:
        raise DomainError("scan_request_gone")
    return found


def _account(request: ScanRequest, person: UUID) -> StaffAccount:
    """Returns the account that a request is about, held, if the person may confirm it."""
    wanted = (
        StaffAccount.wechat_user_id == person
        if request.account_id is None
        else StaffAccount.id == request.account_id
    )
    found = select(StaffAccount).where(wanted).with_for_update()
    account = session().scalar(found.execution_options(populate_existing=True))
    if account is None:
        raise DomainError("wechat_not_bound")
    if account.state != AccountState.active:
        raise DomainError("account_disabled")
    if until := proofs.locked(account):
        raise until
    return account


# --- back in the browser


@transaction(None)
def stage(_actor: Actor, secret: str) -> Stage:
    """Returns how far the request of this browser is."""
    found = session().execute(
        select(ScanRequest.confirmed_by, ScanRequest.used_at, ScanRequest.expires_at).where(
            ScanRequest.browser_hash == tokens.digest(secret)
        )
    )
    request = found.first()
    if request is None or request.used_at is not None or request.expires_at <= now():
        return Stage.gone
    return Stage.waiting if request.confirmed_by is None else Stage.confirmed


@transaction(None)
def exchange(_actor: Actor, secret: str) -> Opened:
    """Exchanges a confirmed request, once, for a sign-in whose second factor the phone was.

    Raises DomainError `scan_request_gone`, `wechat_not_bound`, `account_disabled` or `staff_locked`.
    """
    used = (
        update(ScanRequest)
        .where(
            ScanRequest.browser_hash == tokens.digest(secret),
            ScanRequest.account_id.is_(None),
            ScanRequest.confirmed_by.is_not(None),
            ScanRequest.used_at.is_(None),
            ScanRequest.expires_at > now(),
        )
        .values(used_at=now())
        .returning(ScanRequest)
    )
    request = session().scalar(used)
    if request is None or request.confirmed_by is None:
        raise DomainError("scan_request_gone")
    account = _account(request, request.confirmed_by)
    return staff_sign_ins.open_half(account, request.device, second_factor_at=now())


@transaction(None)
def forget(_actor: Actor) -> None:
    """Forgets the requests that are over."""
    session().execute(delete(ScanRequest).where(ScanRequest.expires_at < now()))
