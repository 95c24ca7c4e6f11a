"""People: signing in and out, consent, phone, export and closure of the account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ARRAY, LargeBinary, any_, bindparam, delete, func, null, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app import audit, outbox, tokens
from app.access import SYSTEM, Actor, Grant
from app.errors import DomainError
from app.prepared import Prepared
from app.services import reference
from app.transactions import begin, outside_transaction, session, transaction
from models.base import new_id, now
from models.checkins import AttendanceCertificate
from models.crypto import keyring
from models.enterprises import MembershipRequest
from models.lifecycle import move
from models.messages import Notice
from models.people import Consent, RoleGrant, SignIn, StaffAccount, User, UserState
from models.requests import IdempotencyKey
from models.signups import Signup
from wechat.client import MiniProgram
from wechat.errors import Outcome, WeChatError

PRIVACY = "privacy"
CLOSING = timedelta(days=7)
"""How long a closure may be taken back; well inside the 15 working days that the law allows."""

_BY_ACCESS_TOKEN = Prepared(
    select(
        SignIn.user_id,
        SignIn.access_expires_at,
        User.closing_at,
        select(func.array_agg(RoleGrant.role + " " + RoleGrant.scope_type + " " + RoleGrant.scope_id))
        .where(RoleGrant.user_id == SignIn.user_id)
        .scalar_subquery()
        .label("grants"),
    )
    .join(User, User.id == SignIn.user_id)
    .where(SignIn.access_hash == bindparam("hash"), SignIn.ended_at.is_(null()))
)

_BY_PHONES = Prepared(
    select(User.phone_index, User.id).where(
        User.phone_index == any_(bindparam("indexes", type_=ARRAY(LargeBinary)))
    )
)


def authenticate(token: str) -> Actor:
    """Returns the actor that an access token stands for.

    Raises DomainError `sign_in_required` (unknown or ended) or `token_expired`.
    """
    with begin(SYSTEM, commit=False):
        found = _BY_ACCESS_TOKEN.first(hash=tokens.digest(token))
    if found is None:
        raise DomainError("sign_in_required")
    if found.access_expires_at <= now():
        raise DomainError("token_expired")
    grants = tuple(Grant(*grant.split(" ")) for grant in found.grants or ())
    return Actor(found.user_id, grants, closing_at=found.closing_at)


@dataclass(frozen=True)
class SignedIn:
    """A fresh pair of tokens; times are aware."""

    user_id: UUID
    pair: tokens.Pair


def sign_in(code: str, consent_version: str | None) -> SignedIn:
    """Signs in by the code of wx.login (WeChat: 小程序登录), registering the person on first consent.

    Raises DomainError `login_code_invalid`, `wechat_account_restricted`, `wechat_unavailable`,
    `consent_required` (nothing has been stored) or `consent_outdated`.
    """
    try:
        identity = _mini_program().code2session(code)
    except WeChatError as error:
        raise _refusal(error, "login_code_invalid") from None
    return _sign_in(SYSTEM, identity.openid, identity.unionid, consent_version)


@transaction(None)
def _sign_in(actor: Actor, openid: str, unionid: str | None, consent_version: str | None) -> SignedIn:
    notice = reference.current_document(actor, PRIVACY)
    if consent_version is not None and consent_version != notice.version:
        raise DomainError("consent_outdated", version=notice.version)
    user_id = session().execute(select(User.id).where(User.mp_openid == openid)).scalar()
    consented = user_id is not None and _has_consented(user_id, notice.version)
    if not consented and consent_version is None:
        raise DomainError("consent_required", version=notice.version)
    if user_id is None:
        user_id = _register(actor, openid)
    if unionid:
        session().execute(update(User).where(User.id == user_id).values(unionid=unionid))
    if not consented:
        _consent(user_id, notice.version)
    return open_sign_in(actor, user_id, "mini_program")


def _register(actor: Actor, openid: str) -> UUID:
    """Makes the person; of two devices that register the same one at once, one makes them."""
    made = insert(User).values(id=new_id(), mp_openid=openid, state=UserState.active)
    fresh = session().execute(made.on_conflict_do_nothing(index_elements=["mp_openid"]).returning(User.id))
    user_id = fresh.scalar()
    if user_id is None:
        return session().execute(select(User.id).where(User.mp_openid == openid)).scalar_one()
    audit.record(actor, "user.registered", ("users", user_id))
    return user_id


def _has_consented(user_id: UUID, version: str) -> bool:
    given = select(Consent.id).where(
        Consent.user_id == user_id,
        Consent.kind == PRIVACY,
        Consent.version == version,
        Consent.withdrawn_at.is_(None),
    )
    return session().execute(given).first() is not None


def _consent(user_id: UUID, version: str) -> None:
    session().execute(
        insert(Consent)
        .values(id=new_id(), user_id=user_id, kind=PRIVACY, version=version)
        .on_conflict_do_update(
            index_elements=["user_id", "kind", "version"],
            set_={"withdrawn_at": None, "given_at": func.clock_timestamp()},
        )
    )


@transaction(None)
def open_sign_in(actor: Actor, user_id: UUID, client: str) -> SignedIn:
    """Starts a family of tokens for a person who has proved who they are."""
    sign_in_id = new_id()
    pair = tokens.issue(sign_in_id)
    session().add(SignIn(id=sign_in_id, user_id=user_id, **tokens.columns(pair)))
    audit.record(actor, "user.signed_in", ("users", user_id), client=client)
    return SignedIn(user_id, pair)


def refresh(refresh_token: str) -> SignedIn:
    """Exchanges a refresh token for a fresh pair; the old pair is dead.

    Raises DomainError `refresh_token_invalid`; an old refresh token used again ends the whole family,
    for one of the two who hold it is a thief.
    """
    fresh = _refresh(SYSTEM, refresh_token)
    if fresh is None:
        raise DomainError("refresh_token_invalid")
    return fresh


@transaction(None)
def _refresh(actor: Actor, refresh_token: str) -> SignedIn | None:
    sign_in_id = tokens.sign_in_of(refresh_token)
    if sign_in_id is None:
        return None
    pair = tokens.issue(sign_in_id)
    good = (
        SignIn.id == sign_in_id,
        SignIn.refresh_hash == tokens.digest(refresh_token),
        SignIn.refresh_expires_at > now(),
        SignIn.ended_at.is_(None),
    )
    user_id = (
        session()
        .execute(update(SignIn).where(*good).values(**tokens.columns(pair)).returning(SignIn.user_id))
        .scalar()
    )
    if user_id is not None:
        return SignedIn(user_id, pair)
    ended = (
        session()
        .execute(
            update(SignIn)
            .where(SignIn.id == sign_in_id, SignIn.ended_at.is_(None))
            .values(ended_at=now(), end_reason="reused")
            .returning(SignIn.user_id)
        )
        .scalar()
    )
    if ended is not None:
        audit.record(actor, "user.refresh_token_reused", ("users", ended))
    return None


@transaction("people.self")
def sign_out(actor: Actor) -> None:
    """Ends every sign-in of the person, on all devices."""
    end_sign_ins(actor.user_id, "signed_out")
    audit.record(actor, "user.signed_out", ("users", _self(actor)))


def end_sign_ins(user_id: UUID | None, reason: str) -> None:
    """Ends every sign-in of a person, inside the caller's transaction."""
    session().execute(
        update(SignIn)
        .where(SignIn.user_id == user_id, SignIn.ended_at.is_(None))
        .values(ended_at=now(), end_reason=reason)
    )


@transaction("people.self")
def me(actor: Actor) -> User:
    """Returns the person who acts."""
    return session().execute(select(User).where(User.id == actor.user_id)).scalar_one()


@transaction("people.self")
def grants(actor: Actor) -> list[Any]:
    """Returns the roles that the person holds, with their scopes."""
    columns = (RoleGrant.role, RoleGrant.scope_type, RoleGrant.scope_id)
    return list(session().execute(select(*columns).order_by(RoleGrant.id)))


@transaction("people.self")
def rename(actor: Actor, name: str) -> User:
    """Corrects the person's name (PIPL 46)."""
    user = me(actor)
    user.name = name
    audit.record(actor, "user.renamed", user)
    return user


def bind_phone(actor: Actor, code: str) -> User:
    """Binds the phone number that the person let WeChat give us (WeChat: 手机号快速验证).

    Raises DomainError `phone_code_invalid`, `wechat_unavailable`, `phone_invalid` or `phone_in_use`.
    """
    openid = _openid(actor)
    try:
        phone = _mini_program().phone_number(code, openid)
    except WeChatError as error:
        raise _refusal(error, "phone_code_invalid") from None
    if phone.country_code != "86":
        raise DomainError("phone_invalid")
    return _bind_phone(actor, phone.number)


@transaction("people.self")
def _openid(actor: Actor) -> str:
    return me(actor).mp_openid or ""


@transaction("people.self")
def _bind_phone(actor: Actor, phone: str) -> User:
    user, index = me(actor), keyring().blind_index(phone)
    user.phone, user.phone_index = phone, index
    try:
        session().flush()
    except IntegrityError:  # of the index that lets one person have a number
        raise DomainError("phone_in_use") from None
    audit.record(actor, "user.phone_bound", user)
    _claim_signups(SYSTEM, user.id, index)
    return user


@transaction(None)
def find_by_phone(_actor: Actor, phone_index: bytes) -> UUID | None:
    """Returns who has bound the phone number with this blind index."""
    return session().execute(select(User.id).where(User.phone_index == phone_index)).scalar()


@transaction(None)
def find_by_phones(_actor: Actor, phone_indexes: list[bytes]) -> dict[bytes, UUID]:
    """Returns who has bound the phone numbers with these blind indexes, those of nobody left out."""
    found = _BY_PHONES(indexes=phone_indexes)
    return {bytes(index): user_id for index, user_id in found}


@transaction(None)
def _claim_signups(_actor: Actor, user_id: UUID, index: bytes) -> None:
    # Somebody signed this person up before they signed in: the tickets are theirs from now on.
    session().execute(
        update(Signup)
        .where(Signup.attendee_phone_index == index, Signup.attendee_user_id.is_(None))
        .values(attendee_user_id=user_id)
    )


@transaction("people.self")
def withdraw_consent(actor: Actor) -> User:
    """Withdraws the consent to the privacy notice: the account is closed, for it cannot be kept without."""
    session().execute(
        update(Consent)
        .where(Consent.user_id == actor.user_id, Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=now())
    )
    return request_closure(actor)


@transaction("people.self")
def request_closure(actor: Actor) -> User:
    """Asks for the account to be closed; it is done after CLOSING unless taken back (PIPL 47)."""
    user = me(actor)
    if user.state == UserState.active:
        move(user, UserState.closing)
        user.closing_at = now() + CLOSING
        outbox.defer("people.close_account", at=user.closing_at, user_id=str(user.id))
        audit.record(actor, "user.closure_requested", user)
    return user


@transaction("people.self")
def withdraw_closure(actor: Actor) -> User:
    """Takes back the request to close the account.

    Raises DomainError `consent_required` when the consent was withdrawn too: signing in anew gives it.
    """
    user = me(actor)
    notice = reference.current_document(actor, PRIVACY)
    if not _has_consented(user.id, notice.version):
        raise DomainError("consent_required", version=notice.version)
    if user.state == UserState.closing:
        move(user, UserState.active)
        user.closing_at = None
        audit.record(actor, "user.closure_withdrawn", user)
    return user


@transaction(None)
def close_account(actor: Actor, user_id: UUID, *, at_once: bool = False) -> None:
    """Erases what is personal of an account whose time has come; counts of attendance remain.

    `at_once` where the platform demands it (WeChat: 用户注销事件). Done twice, it does nothing more.
    """
    user = session().execute(select(User).where(User.id == user_id).with_for_update()).scalar_one()
    due = user.state == UserState.closing and user.closing_at is not None and user.closing_at <= now()
    if user.state == UserState.closed or not (due or at_once):
        return
    move(user, UserState.closed)
    user.name = user.phone = user.phone_index = user.mp_openid = user.unionid = user.closing_at = None
    end_sign_ins(user.id, "closed")
    for model in (RoleGrant, StaffAccount, Notice, IdempotencyKey):
        session().execute(delete(model).where(model.user_id == user.id))
    asked = update(MembershipRequest).where(MembershipRequest.user_id == user.id)
    session().execute(asked.values(note=None))
    session().execute(delete(MembershipRequest).where(MembershipRequest.user_id == user.id))
    for signup_id in session().execute(select(Signup.id).where(Signup.attendee_user_id == user.id)).scalars():
        session().execute(
            update(Signup)
            .where(Signup.id == signup_id)
            .values(
                attendee_name="已注销",
                attendee_phone="",
                attendee_phone_index=keyring().blind_index(str(signup_id)),
                attendee_user_id=None,
            )
        )
        session().execute(delete(AttendanceCertificate).where(AttendanceCertificate.signup_id == signup_id))
    audit.record(actor, "user.closed", user)


@transaction(None)
def due_closures(_actor: Actor) -> list[UUID]:
    """Returns the accounts whose closure is due, in case their own job was lost."""
    due = select(User.id).where(User.state == UserState.closing, User.closing_at <= now())
    return list(session().execute(due).scalars())


@transaction(None)
def erase_phone(actor: Actor, openid: str) -> None:
    """Erases the phone of a person who revoked it on the platform (WeChat: 用户撤回授权, item 8)."""
    user = session().execute(select(User).where(User.mp_openid == openid)).scalar()
    if user is not None and user.phone is not None:
        user.phone = user.phone_index = None
        audit.record(actor, "user.phone_erased", user)


@transaction(None)
def close_by_openid(actor: Actor, openid: str) -> None:
    """Closes at once the account of a person who left the platform (WeChat: 用户注销)."""
    user_id = session().execute(select(User.id).where(User.mp_openid == openid)).scalar()
    if user_id is not None:
        close_account(actor, user_id, at_once=True)


@transaction("people.self")
def export(actor: Actor) -> dict[str, Any]:
    """Returns a copy of all that is kept about the person (PIPL 45)."""
    user = me(actor)

    def rows(model: Any, *columns: Any) -> list[dict[str, Any]]:
        found = session().execute(select(*columns).where(_whose(model) == user.id).order_by(model.id))
        return [dict(row) for row in found.mappings()]

    return {
        "user": {
            "id": user.id,
            "name": user.name,
            "phone": user.phone,
            "openid": user.mp_openid,
            "unionid": user.unionid,
            "created_at": user.created_at,
        },
        "consents": rows(Consent, Consent.kind, Consent.version, Consent.given_at, Consent.withdrawn_at),
        "sign_ins": rows(SignIn, SignIn.created_at, SignIn.ended_at, SignIn.end_reason),
        "grants": rows(RoleGrant, RoleGrant.role, RoleGrant.scope_type, RoleGrant.scope_id),
        "signups": rows(
            Signup,
            Signup.training_id,
            Signup.attendee_name,
            Signup.attendee_phone,
            Signup.state,
            Signup.created_at,
        ),
        "messages": rows(Notice, Notice.title, Notice.body, Notice.created_at, Notice.read_at),
    }


def _whose(model: Any) -> Any:
    return getattr(model, model.__scope__.user)


def _self(actor: Actor) -> UUID:
    if actor.user_id is None:
        raise DomainError("sign_in_required")
    return actor.user_id


def _mini_program() -> MiniProgram:
    outside_transaction()
    mini_program: MiniProgram = current_app.extensions["mini_program"]
    return mini_program


def _refusal(error: WeChatError, bad_code: str) -> DomainError:
    """What a person is told when the platform refuses: to try again, or to begin anew with a fresh code."""
    if error.errcode == 40226:
        return DomainError("wechat_account_restricted")
    if error.outcome in (Outcome.USER_INPUT, Outcome.USER_STATE, Outcome.CONTENT):
        return DomainError(bad_code)
    return DomainError("wechat_unavailable")
