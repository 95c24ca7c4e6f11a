"""Proofs of who works at a desk: the password, a code of the authenticator, or a recovery code.

Wrong ones count towards one lock (GB/T 22239 身份鉴别). A refusal is returned and not raised, for the count
must stay: `settled` raises it once the act is done.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import pyotp
from sqlalchemy import Select, delete, select, update

from app import audit, passwords
from app.access import Actor
from app.errors import DomainError
from app.transactions import session
from models.base import now
from models.columns import CODE_ALPHABET
from models.crypto import keyring
from models.people import AccountState, RecoveryCode, StaffAccount

FAILURES = 5
"""Wrong proofs in a row before the account is locked; each further one doubles the minute, up to 17 hours."""

STEP = 30
"""Seconds that a code of the authenticator is shown; one step earlier or later is taken too."""

RECOVERY_CODES = 10
ISSUER = "提质通"
_MISREAD = str.maketrans("OIL", "011", " -")


T = TypeVar("T")


def settled(answer: T | DomainError) -> T:
    """Returns what an act answered; raises the refusal that it answered."""
    if isinstance(answer, DomainError):
        raise answer
    return answer


def hold(user_id: UUID | None) -> StaffAccount:
    """Returns a person's account, held for the transaction; raises DomainError `not_found`."""
    found = select(StaffAccount).where(StaffAccount.user_id == user_id)
    account = session().scalar(_held(found))
    if account is None:
        raise DomainError("not_found")
    return account


def hold_by_name(login_name: str) -> StaffAccount | None:
    """Returns the account of that name, held for the transaction."""
    found = select(StaffAccount).where(StaffAccount.login_name == login_name)
    return session().scalar(_held(found))


def _held(statement: Select[StaffAccount]) -> Select[StaffAccount]:
    return statement.with_for_update().execution_options(populate_existing=True)


def locked(account: StaffAccount) -> DomainError | None:
    """Returns `staff_locked`, with the seconds to wait, while the account is."""
    if account.locked_until is None or account.locked_until <= now():
        return None
    wait = round((account.locked_until - now()).total_seconds()) + 1
    return DomainError("staff_locked", headers={"Retry-After": str(wait)}, retry_after=wait)


def password(
    actor: Actor, account: StaffAccount | None, given: str, refusal: DomainError
) -> DomainError | None:
    """Returns None when the password proves who it is, else `staff_locked` or the `refusal`.

    An unknown name, a wrong password and a disabled account are told alike, and take as long to tell.
    """
    if account is not None and (until := locked(account)):
        return until
    right = passwords.matches(account.password_hash if account else None, given)
    if account is None or (right and account.state == AccountState.active):
        return None if account else refusal
    return _failed(actor, account, refusal)


def code(actor: Actor, account: StaffAccount, given: str) -> DomainError | None:
    """Returns None when a code of the authenticator or a recovery code proves who it is, else the refusal.

    The code of a step and a recovery code serve once. Refusals: `staff_locked`, `code_wrong`.
    """
    if until := locked(account):
        return until
    if _is_time_code(account, given.strip()) or _is_recovery_code(actor, account, given):
        forgive(account)
        return None
    wrong = DomainError("code_wrong")
    return _failed(actor, account, DomainError("code_wrong", fields={"code": [wrong.message]}))


def forgive(account: StaffAccount) -> None:
    """Begins the count of failures anew."""
    account.failures, account.locked_until = 0, None


def _failed(actor: Actor, account: StaffAccount, refusal: DomainError) -> DomainError:
    account.failures += 1
    if account.failures >= FAILURES:
        account.locked_until = now() + timedelta(minutes=2 ** min(account.failures - FAILURES, 10))
    audit.record(actor, "staff.proof_failed", account, why=refusal.code, failures=account.failures)
    return refusal


def _is_time_code(account: StaffAccount, given: str) -> bool:
    if account.totp_secret is None:
        return False
    authenticator = pyotp.TOTP(account.totp_secret, interval=STEP)
    here = int(now().timestamp()) // STEP
    for step in (here, here - 1, here + 1):
        if hmac.compare_digest(authenticator.generate_otp(step).encode(), given.encode()):
            used = (
                update(StaffAccount)
                .where(StaffAccount.id == account.id, StaffAccount.totp_last_step < step)
                .values(totp_last_step=step)
                .returning(StaffAccount.id)
                .execution_options(synchronize_session=False)
            )
            return session().execute(used).first() is not None
    return False


def _is_recovery_code(actor: Actor, account: StaffAccount, given: str) -> bool:
    used = (
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == account.user_id,
            RecoveryCode.code_hash == _recovery_hash(account.user_id, given),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now())
        .returning(RecoveryCode.id)
    )
    found = session().execute(used).first() is not None
    if found:
        audit.record(actor, "staff.recovery_code_used", account)
    return found


def _recovery_hash(user_id: UUID, given: str) -> bytes:
    # Keyed: fifty random bits alone could be tried out by whoever holds a copy of the table.
    return keyring().blind_index(f"recovery {user_id} {given.upper().translate(_MISREAD)}")


# --- the second factor of an account that is held


def secret_of(account: StaffAccount) -> str:
    """Returns the secret for the authenticator, made once."""
    if account.totp_secret is None:
        account.totp_secret = pyotp.random_base32()
    return account.totp_secret


def address_of(account: StaffAccount) -> str:
    """Returns the otpauth address that an authenticator scans."""
    authenticator = pyotp.TOTP(secret_of(account), interval=STEP)
    return authenticator.provisioning_uri(name=account.login_name, issuer_name=ISSUER)


def clear_second_factor(account: StaffAccount) -> None:
    """Takes authenticator and recovery codes away; the next sign-in makes new ones."""
    account.totp_secret = account.totp_confirmed_at = None
    account.totp_last_step = 0  # which was of the old secret
    session().execute(delete(RecoveryCode).where(RecoveryCode.user_id == account.user_id))


def new_recovery_codes(account: StaffAccount) -> list[str]:
    """Replaces the recovery codes; returns the new ones, which are shown once."""
    session().execute(delete(RecoveryCode).where(RecoveryCode.user_id == account.user_id))
    codes = ["".join(secrets.choice(CODE_ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    session().add_all(
        [
            RecoveryCode(user_id=account.user_id, code_hash=_recovery_hash(account.user_id, one))
            for one in codes
        ]
    )
    return [f"{one[:5]}-{one[5:]}" for one in codes]
