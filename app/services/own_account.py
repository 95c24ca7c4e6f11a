"""A member of staff's own account: password, sign-ins, second factor and WeChat."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app import audit, passwords, tokens
from app.access import Actor
from app.errors import DomainError
from app.services import proofs, staff_sign_ins
from app.services.staff_sign_ins import Opened
from app.transactions import session, transaction
from models.base import now
from models.people import CONSOLE, RecoveryCode, SignIn, StaffAccount, User


@transaction("people.staff")
def get(actor: Actor) -> dict[str, Any]:
    """Returns what its owner sees of an account; raises DomainError `not_found`."""
    account = session().execute(select(StaffAccount).where(StaffAccount.user_id == actor.user_id)).scalar()
    if account is None:
        raise DomainError("not_found")
    left = select(func.count()).select_from(RecoveryCode)
    mine = left.where(RecoveryCode.user_id == actor.user_id, RecoveryCode.used_at.is_(None))
    due: datetime | None = account.password_set_at and account.password_set_at + passwords.LIFE
    return {
        "login_name": account.login_name,
        "name": session().execute(select(User.name).where(User.id == actor.user_id)).scalar_one(),
        "password_set_at": account.password_set_at,
        "password_due_at": due,
        "totp_confirmed_at": account.totp_confirmed_at,
        "recovery_codes_left": session().execute(mine).scalar_one(),
        "wechat_bound": account.wechat_user_id is not None,
    }


@transaction("people.staff")
def sign_ins(actor: Actor, token: str) -> list[dict[str, Any]]:
    """Returns where one is signed in, the latest first; the sign-in of `token` is `here`."""
    alive = (SignIn.complete, SignIn.ended_at.is_(None), SignIn.access_expires_at > now())
    columns = (SignIn.id, SignIn.device, SignIn.created_at, SignIn.seen_at, SignIn.access_hash)
    found = select(*columns).where(_mine(actor), *alive).order_by(SignIn.seen_at.desc(), SignIn.id)
    here = tokens.digest(token)
    return [{**row._mapping, "here": row.access_hash == here} for row in session().execute(found)]


def _mine(actor: Actor) -> Any:
    return (SignIn.user_id == actor.user_id) & (SignIn.client == CONSOLE)


def _here(actor: Actor, token: str) -> SignIn:
    found = select(SignIn).where(_mine(actor), SignIn.access_hash == tokens.digest(token))
    return session().execute(found).scalar_one()


@transaction("people.staff")
def sign_out(actor: Actor, token: str) -> None:
    """Ends the sign-in of this browser."""
    here = _here(actor, token)
    here.ended_at, here.end_reason = now(), "signed_out"
    audit.record(actor, "user.signed_out", ("users", here.user_id), client=CONSOLE)


@transaction("people.staff")
def end_other_sign_ins(actor: Actor, token: str) -> int:
    """Ends all other sign-ins of the account at once; returns how many there were."""
    account = proofs.hold(actor.user_id)
    ended = staff_sign_ins.end(account, "revoked", but=_here(actor, token).id)
    audit.record(actor, "staff.sign_ins_ended", account, ended=ended)
    return ended


def change_password(actor: Actor, token: str, current: str, new: str) -> None:
    """Replaces one's password and ends the other sign-ins.

    Raises DomainError `password_wrong`, `staff_locked` or `password_too_weak`.
    """
    proofs.settled(_change_password(actor, token, current, new))


@transaction("people.staff")
def _change_password(actor: Actor, token: str, current: str, new: str) -> DomainError | None:
    account = proofs.hold(actor.user_id)
    wrong = DomainError("password_wrong")
    refusal = DomainError("password_wrong", fields={"current_password": [wrong.message]})
    if refused := proofs.password(actor, account, current, refusal):
        return refused
    staff_sign_ins.replace_password(actor, account, new, but=_here(actor, token).id)
    return None


def renew_recovery_codes(actor: Actor, code: str) -> list[str]:
    """Replaces one's recovery codes, by a code; returns the new ones, which are shown once.

    Raises DomainError `code_wrong` or `staff_locked`.
    """
    return proofs.settled(_renew_recovery_codes(actor, code))


@transaction("people.staff")
def _renew_recovery_codes(actor: Actor, code: str) -> list[str] | DomainError:
    account = proofs.hold(actor.user_id)
    if refusal := proofs.code(actor, account, code):
        return refusal
    audit.record(actor, "staff.recovery_codes_renewed", account)
    return proofs.new_recovery_codes(account)


def replace_second_factor(actor: Actor, token: str, code: str) -> Opened:
    """Takes the authenticator out of use, by a code of it or a recovery code.

    Every sign-in ends, this one too: what is returned is half open, and waits for the new authenticator.
    Raises DomainError `code_wrong` or `staff_locked`.
    """
    return proofs.settled(_replace_second_factor(actor, token, code))


@transaction("people.staff")
def _replace_second_factor(actor: Actor, token: str, code: str) -> Opened | DomainError:
    account, device = proofs.hold(actor.user_id), _here(actor, token).device
    if refusal := proofs.code(actor, account, code):
        return refusal
    proofs.clear_second_factor(account)
    staff_sign_ins.end(account, "revoked")
    audit.record(actor, "staff.second_factor_replaced", account)
    return staff_sign_ins.open_half(account, device)


@transaction("people.staff")
def unbind_wechat(actor: Actor) -> None:
    """Ends signing in by scanning; without a binding it does nothing."""
    account = proofs.hold(actor.user_id)
    if account.wechat_user_id is not None:
        account.wechat_user_id = None
        audit.record(actor, "staff.wechat_unbound", account)
