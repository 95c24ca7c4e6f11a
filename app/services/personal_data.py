"""What the law gives people over their data: a copy, withdrawal, closure, erasure (PIPL 15, 44–47)."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from app import audit, notices, outbox
from app.access import Actor
from app.errors import DomainError
from app.services import followers, messages, people, reference
from app.transactions import session, transaction
from models.agencies import Expert
from models.base import now
from models.bookings import Booking
from models.cases import Case
from models.checkins import AttendanceCertificate
from models.crypto import keyring
from models.deliveries import Delivery
from models.enterprises import MembershipRequest
from models.lifecycle import move
from models.messages import Notice
from models.people import Consent, RecoveryCode, RoleGrant, SignIn, StaffAccount, User, UserState
from models.requests import IdempotencyKey
from models.signups import Signup
from models.subscriptions import Subscription, SubscriptionAnswer

CLOSING = timedelta(days=7)
"""How long a closure may be taken back; well inside the 15 working days that the law allows."""
GONE = "已注销"
"""The name of an attendee whose account is closed."""

_OWN: tuple[Any, ...] = (
    RoleGrant,
    RecoveryCode,
    StaffAccount,
    Delivery,
    Notice,
    Subscription,
    SubscriptionAnswer,
    IdempotencyKey,
    MembershipRequest,
)
"""What goes with the account; deliveries before the notices that they are of."""


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
    user = people.me(actor)
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
    user = people.me(actor)
    notice = reference.current_document(actor, people.PRIVACY)
    if not people.has_consented(user.id, notice.version):
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
    followers.forget(actor, unionid=user.unionid)
    user.name = user.phone = user.phone_index = user.mp_openid = user.unionid = user.closing_at = None
    people.end_sign_ins(user.id, "closed")
    session().execute(
        update(StaffAccount).where(StaffAccount.wechat_user_id == user.id).values(wechat_user_id=None)
    )
    # The expert's name stays with the agency, whose record it is.
    session().execute(update(Expert).where(Expert.user_id == user.id).values(user_id=None))
    for model in _OWN:
        session().execute(delete(model).where(model.user_id == user.id))
    attended = select(Signup.id, Signup.created_by, Signup.attendee_name)
    for signup in session().execute(attended.where(Signup.attendee_user_id == user.id)).all():
        session().execute(
            update(Signup)
            .where(Signup.id == signup.id)
            .values(
                attendee_name=GONE,
                attendee_phone="",
                attendee_phone_index=keyring().blind_index(str(signup.id)),
                attendee_user_id=None,
            )
        )
        session().execute(delete(AttendanceCertificate).where(AttendanceCertificate.signup_id == signup.id))
        messages.name_another(actor, signup.created_by, signup.id, signup.attendee_name, GONE)
    # Whom to ask for at a booking or in a case was mostly themselves.
    session().execute(
        update(Booking).where(Booking.created_by == user.id).values(contact_name=None, contact_phone=None)
    )
    session().execute(
        update(Case).where(Case.created_by == user.id).values(contact_name=GONE, contact_phone="")
    )
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
    user = people.me(actor)

    def rows(model: Any, *columns: Any, whose: Any = None) -> list[dict[str, Any]]:
        mine = (_whose(model) if whose is None else whose) == user.id
        found = session().execute(select(*columns).where(mine).order_by(model.id))
        return [dict(row) for row in found.mappings()]

    attended = set(session().execute(select(Signup.id).where(_whose(Signup) == user.id)).scalars())
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
        "experts": rows(
            Expert, Expert.agency_id, Expert.name, Expert.title, Expert.fields, whose=Expert.user_id
        ),
        "signups": rows(
            Signup,
            Signup.training_id,
            Signup.attendee_name,
            Signup.attendee_phone,
            Signup.state,
            Signup.created_at,
        ),
        "bookings": rows(
            Booking,
            Booking.starts_at,
            Booking.state,
            Booking.need,
            Booking.contact_name,
            Booking.contact_phone,
            Booking.created_at,
            whose=Booking.created_by,
        ),
        "cases": rows(
            Case,
            Case.number,
            Case.state,
            Case.need,
            Case.contact_name,
            Case.contact_phone,
            Case.rating_comment,
            Case.created_at,
            whose=Case.created_by,
        ),
        "certificates": [
            {**row, "facts": json.loads(row["facts"])}
            for row in rows(
                AttendanceCertificate,
                AttendanceCertificate.number,
                AttendanceCertificate.facts,
                AttendanceCertificate.issued_at,
            )
        ],
        "membership_requests": rows(
            MembershipRequest,
            MembershipRequest.enterprise_id,
            MembershipRequest.note,
            MembershipRequest.state,
            MembershipRequest.created_at,
        ),
        "messages": [
            {**row, "facts": _told(row, attended)}
            for row in rows(
                Notice,
                Notice.kind,
                Notice.title,
                Notice.body,
                Notice.facts,
                Notice.subject_id,
                Notice.created_at,
                Notice.read_at,
            )
        ],
        "deliveries": rows(
            Delivery, Delivery.channel, Delivery.state, Delivery.created_at, Delivery.settled_at
        ),
        "subscription_answers": rows(
            SubscriptionAnswer, SubscriptionAnswer.answer, SubscriptionAnswer.answered_at
        ),
    }


def _told(message: dict[str, Any], own: Collection[UUID]) -> dict[str, str]:
    """What a message told the person, by its Chinese labels; the name of another attendee is not theirs."""
    labels = notices.KINDS[message["kind"]].variables
    facts = notices.from_json(message["facts"])
    if message["subject_id"] not in own:
        facts.pop("attendee", None)
    return {labels[name]: text for name, text in facts.items()}


def _whose(model: Any) -> Any:
    return getattr(model, model.__scope__.user)
