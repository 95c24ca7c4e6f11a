"""People: signing in and out, consent, phone, export and closure of the account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ARRAY, LargeBinary, any_, bindparam, func, null, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app import audit, tokens
from app.access import APART, DESK, ROLE_NAMES, SYSTEM, Actor, Grant
from app.errors import DomainError
from app.prepared import Prepared
from app.services import reference
from app.transactions import begin, outside_transaction, session, transaction
from config.settings import settings
from models.base import new_id, now
from models.crypto import keyring
from models.people import CONSOLE, MINI_PROGRAM, Consent, RoleGrant, SignIn, User, UserState
from models.signups import Signup
from wechat.client import MiniProgram
from wechat.errors import Outcome, WeChatError

PRIVACY = "privacy"
_GRANTS = (
    select(func.array_agg(RoleGrant.role + " " + RoleGrant.scope_type + " " + RoleGrant.scope_id))
    .where(RoleGrant.user_id == User.id)
    .scalar_subquery()
    .label("grants")
)
_BY_ACCESS_TOKEN = Prepared(
    select(SignIn.user_id, SignIn.access_expires_at, SignIn.client, SignIn.seen_at, User.closing_at, _GRANTS)
    .join(User, User.id == SignIn.user_id)
    .where(
        SignIn.access_hash == bindparam("hash"),
        SignIn.ended_at.is_(null()),
        SignIn.complete.is_(true()),
    )
)
_BY_ID = Prepared(select(User.id, User.closing_at, _GRANTS).where(User.id == bindparam("user")))

_BY_PHONES = Prepared(
    select(User.phone_index, User.id).where(
        User.phone_index == any_(bindparam("indexes", type_=ARRAY(LargeBinary)))
    )
)


def authenticate(token: str) -> Actor:
    """Returns the actor that an access token of the mini-program stands for.

    Raises DomainError `sign_in_required` (unknown, ended, or of the console) or `token_expired`.
    """
    with begin(SYSTEM, commit=False):
        found = _BY_ACCESS_TOKEN.first(hash=tokens.digest(token))
    return _actor(found, MINI_PROGRAM)


def authenticate_at_desk(token: str) -> Actor:
    """Returns the actor that the token in a browser's session stands for, and keeps it alive.

    Every request puts off the idle time-out (GB/T 22239 会话超时), written at most once a minute, never
    beyond the hours that one sign-in lasts. Raises DomainError `sign_in_required` or `token_expired`.
    """
    with begin(SYSTEM) as session:
        found = _BY_ACCESS_TOKEN.first(hash=tokens.digest(token))
        actor = _actor(found, CONSOLE)
        if found.seen_at < now() - timedelta(minutes=1):
            idle = now() + timedelta(minutes=settings().console_idle_minutes)
            session.execute(
                update(SignIn)
                .where(SignIn.access_hash == tokens.digest(token))
                .values(access_expires_at=func.least(idle, SignIn.refresh_expires_at), seen_at=now())
            )
    return actor


def _actor(found: Any, client: str) -> Actor:
    if found is None or found.client != client:
        raise DomainError("sign_in_required")
    if found.access_expires_at <= now():
        raise DomainError("token_expired")
    return Actor(found.user_id, _granted(found), closing_at=found.closing_at)


def _granted(found: Any) -> tuple[Grant, ...]:
    return tuple(Grant(*grant.split(" ")) for grant in found.grants or ())


@transaction(None)
def actor_of(_system: Actor, user_id: UUID) -> Actor:
    """Returns a person as an actor with the roles held now: for jobs that act for whoever started them.

    Raises DomainError `permission_denied` when there is no such person.
    """
    found = _BY_ID.first(user=user_id)
    if found is None:
        raise DomainError("permission_denied")
    return Actor(found.id, _granted(found), closing_at=found.closing_at)


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
    consented = user_id is not None and has_consented(user_id, notice.version)
    if not consented and consent_version is None:
        raise DomainError("consent_required", version=notice.version)
    if user_id is None:
        user_id = _register(actor, openid)
    if unionid:
        session().execute(update(User).where(User.id == user_id).values(unionid=unionid))
    if not consented:
        _consent(user_id, notice.version)
    return open_sign_in(actor, user_id, MINI_PROGRAM)


def _register(actor: Actor, openid: str) -> UUID:
    """Makes the person; of two devices that register the same one at once, one makes them."""
    made = insert(User).values(id=new_id(), mp_openid=openid, state=UserState.active)
    fresh = session().execute(made.on_conflict_do_nothing(index_elements=["mp_openid"]).returning(User.id))
    user_id = fresh.scalar()
    if user_id is None:
        return session().execute(select(User.id).where(User.mp_openid == openid)).scalar_one()
    audit.record(actor, "user.registered", ("users", user_id))
    return user_id


def has_consented(user_id: UUID, version: str) -> bool:
    """Returns whether the person's consent to that version of the privacy notice is in force."""
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
        SignIn.client == MINI_PROGRAM,
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
            .where(SignIn.id == sign_in_id, SignIn.client == MINI_PROGRAM, SignIn.ended_at.is_(None))
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


@dataclass(frozen=True)
class Card:
    """Who acts, as the console's header says it: the name, and scope and role of each grant."""

    name: str
    posts: list[str]


@transaction("people.self")
def card(actor: Actor) -> Card:
    """Returns the person's own name and posts, such as “丰县 · 县局经办”."""
    held = {
        (grant.role, grant.scope_type, grant.scope_id) for grant in actor.grants if grant.role in DESK | APART
    }
    names = reference.scope_names(actor, {(kind, scope) for _, kind, scope in held})
    posts = [f"{names.get((kind, scope), '')} · {ROLE_NAMES[role]}" for role, kind, scope in sorted(held)]
    return Card(me(actor).name or "", posts)


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
def find_by_phone(actor: Actor, phone_index: bytes) -> UUID | None:
    """Returns who has bound the phone number with this blind index."""
    return find_by_phones(actor, [phone_index]).get(phone_index)


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
