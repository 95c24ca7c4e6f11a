"""Signing in at a desk: password, second factor and what else is due, in steps (GB/T 22239 身份鉴别).

A sign-in is half open until its last step: its token opens nothing but these steps, and lives for ten
minutes. Which step is next is derived from the account and the sign-in, never stored. When the last one
is passed the half-open sign-in ends, and a complete one begins with a token of its own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, update

from app import audit, passwords, tokens
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import proofs
from app.transactions import session, transaction
from config.settings import settings
from models.base import now
from models.people import CONSOLE, SignIn, StaffAccount

HALF_OPEN = timedelta(minutes=10)


class Step(StrEnum):
    """What a sign-in waits for."""

    code = "code"
    password = "password"
    enrol = "enrol"
    done = "done"


@dataclass(frozen=True)
class Opened:
    """The token that the browser holds from now on, and what is asked for next."""

    token: str = field(repr=False)
    step: Step


@dataclass(frozen=True)
class Due:
    """The step that a sign-in waits for, and whose it is."""

    step: Step
    login_name: str


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator needs: the secret to type, or the address to scan."""

    secret: str = field(repr=False)
    address: str = field(repr=False)


@dataclass(frozen=True)
class Enrolled:
    """A sign-in with a new second factor; the recovery codes are shown once."""

    opened: Opened
    recovery_codes: list[str] = field(repr=False)


def begin(login_name: str, password: str, device: str) -> Opened:
    """Opens a half-open sign-in by name and password.

    Raises DomainError `staff_sign_in_failed` (which never tells whether there is such a name) or
    `staff_locked`.
    """
    return proofs.settled(_begin(SYSTEM, login_name, password, device))


@transaction(None)
def _begin(actor: Actor, login_name: str, password: str, device: str) -> Opened | DomainError:
    account = proofs.hold_by_name(login_name)
    refusal = proofs.password(actor, account, password, DomainError("staff_sign_in_failed"))
    if refusal or account is None:
        return refusal or DomainError("staff_sign_in_failed")
    if account.totp_confirmed_at is None:  # else the code decides: a guessed password forgives nothing
        proofs.forgive(account)
    return open_half(account, device)


def open_half(account: StaffAccount, device: str, second_factor_at: datetime | None = None) -> Opened:
    """Opens a sign-in for the account that is held, inside the caller's transaction."""
    sign_in, token = _open(account, device, second_factor_at, complete=False)
    return _advance(account, sign_in, token)


@transaction(None)
def due(_actor: Actor, token: str) -> Due:
    """Returns what a half-open sign-in waits for; raises DomainError `sign_in_required`."""
    account, sign_in = _hold(token)
    return Due(_step(account, sign_in), account.login_name)


def give_code(token: str, code: str) -> Opened:
    """Passes the second factor by a code of the authenticator or a recovery code.

    Raises DomainError `sign_in_required`, `sign_in_step`, `code_wrong` or `staff_locked`.
    """
    return proofs.settled(_give_code(SYSTEM, token, code))


@transaction(None)
def _give_code(actor: Actor, token: str, code: str) -> Opened | DomainError:
    account, sign_in = _expect(token, Step.code)
    refusal = proofs.code(actor, account, code)
    if refusal:
        return refusal
    sign_in.second_factor_at = now()
    return _advance(account, sign_in, token)


@transaction(None)
def set_password(_actor: Actor, token: str, new: str) -> Opened:
    """Sets the password that is due, at the first sign-in or after 180 days; ends the other sign-ins.

    Raises DomainError `sign_in_required`, `sign_in_step` or `password_too_weak`.
    """
    account, sign_in = _expect(token, Step.password)
    replace_password(Actor(account.user_id), account, new, but=sign_in.id)
    return _advance(account, sign_in, token)


@transaction(None)
def enrolment(_actor: Actor, token: str) -> Enrolment:
    """Returns what the authenticator needs; raises DomainError `sign_in_required` or `sign_in_step`."""
    account, _ = _expect(token, Step.enrol)
    return Enrolment(proofs.secret_of(account), proofs.address_of(account))


def confirm_enrolment(token: str, code: str) -> Enrolled:
    """Takes the authenticator into use by its first code, which completes the sign-in.

    Raises DomainError `sign_in_required`, `sign_in_step`, `code_wrong` or `staff_locked`.
    """
    return proofs.settled(_confirm_enrolment(SYSTEM, token, code))


@transaction(None)
def _confirm_enrolment(actor: Actor, token: str, code: str) -> Enrolled | DomainError:
    account, sign_in = _expect(token, Step.enrol)
    refusal = proofs.code(actor, account, code)
    if refusal:
        return refusal
    account.totp_confirmed_at = sign_in.second_factor_at = now()
    codes = proofs.new_recovery_codes(account)
    audit.record(Actor(account.user_id), "staff.second_factor_enrolled", account)
    return Enrolled(_advance(account, sign_in, token), codes)


# --- sign-ins of an account that is held, for the acts of its owner and of administrators


def replace_password(actor: Actor, account: StaffAccount, new: str, *, but: UUID) -> None:
    """Sets a password of the owner's choice and ends all sign-ins but one; raises `password_too_weak`."""
    passwords.check(new, account.login_name, account.password_hash)
    account.password_hash, account.password_set_at = passwords.hashed(new), now()
    end(account, "password_changed", but=but)
    audit.record(actor, "staff.password_set", account)


def end(account: StaffAccount, reason: str, *, but: UUID | None = None) -> int:
    """Ends the sign-ins of an account, all or all but one; returns how many."""
    mine = (SignIn.user_id == account.user_id, SignIn.ended_at.is_(None))
    others = (SignIn.id != but,) if but else ()
    ended = update(SignIn).where(*mine, *others).values(ended_at=now(), end_reason=reason)
    return len(session().execute(ended.returning(SignIn.id)).all())


def _open(
    account: StaffAccount, device: str, second_factor_at: datetime | None, *, complete: bool
) -> tuple[SignIn, str]:
    token, moment = secrets.token_urlsafe(32), now()
    lasts = timedelta(hours=settings().console_hours) if complete else HALF_OPEN
    idle = timedelta(minutes=settings().console_idle_minutes) if complete else HALF_OPEN
    sign_in = SignIn(
        user_id=account.user_id,
        access_hash=tokens.digest(token),
        access_expires_at=moment + min(idle, lasts),
        refresh_hash=tokens.digest(secrets.token_urlsafe(32)),  # nobody's: a browser does not refresh
        refresh_expires_at=moment + lasts,
        client=CONSOLE,
        device=device,
        complete=complete,
        second_factor_at=second_factor_at,
    )
    sign_in.seen_at = moment
    session().add(sign_in)
    session().flush()
    return sign_in, token


def _hold(token: str) -> tuple[StaffAccount, SignIn]:
    """Returns a half-open sign-in and its account, held; raises DomainError `sign_in_required`."""
    half_open = select(SignIn).where(
        SignIn.access_hash == tokens.digest(token),
        SignIn.client == CONSOLE,
        SignIn.complete.is_(False),
        SignIn.ended_at.is_(None),
        SignIn.access_expires_at > now(),
    )
    found = session().execute(half_open).scalar()
    if found is None:
        raise DomainError("sign_in_required")
    account = proofs.hold(found.user_id)
    # Whoever held the account before may have ended it.
    found = session().execute(half_open.execution_options(populate_existing=True)).scalar()
    if found is None:
        raise DomainError("sign_in_required")
    return account, found


def _expect(token: str, step: Step) -> tuple[StaffAccount, SignIn]:
    account, sign_in = _hold(token)
    if _step(account, sign_in) != step:
        raise DomainError("sign_in_step")
    return account, sign_in


def _step(account: StaffAccount, sign_in: SignIn) -> Step:
    if account.totp_confirmed_at is not None and sign_in.second_factor_at is None:
        return Step.code
    if account.password_set_at is None or account.password_set_at + passwords.LIFE < now():
        return Step.password
    return Step.enrol if account.totp_confirmed_at is None else Step.done


def _advance(account: StaffAccount, half_open: SignIn, token: str) -> Opened:
    step = _step(account, half_open)
    if step != Step.done:
        return Opened(token, step)
    half_open.ended_at, half_open.end_reason = now(), "completed"
    _, fresh = _open(account, half_open.device, half_open.second_factor_at, complete=True)
    audit.record(
        Actor(account.user_id),
        "user.signed_in",
        ("users", account.user_id),
        division=account.division_id,
        client=CONSOLE,
    )
    return Opened(fresh, step)
