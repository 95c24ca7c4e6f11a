"""Builders: each makes one thing that a test needs, valid in everything that the test does not name."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from app.access import SYSTEM
from app.services import people
from app.transactions import begin
from models.base import new_id, now
from models.credit_code import check_digit
from models.crypto import keyring
from models.enterprises import Enterprise, EnterpriseState
from models.people import Consent, RoleGrant, User
from models.trainings import Audience, Mode, Provider, Training, TrainingSession, TrainingState

_numbers = itertools.count(random.SystemRandom().randrange(10**6) * 1000)


def fresh_phone() -> str:
    """Returns a mobile number that no other test uses."""
    return f"13{next(_numbers) % 10**9:09d}"


def fresh_credit_code() -> str:
    """Returns a valid credit code that no other test uses."""
    body = f"91320321{next(_numbers) % 10**9:09d}"
    return body + check_digit(body)


@dataclass
class Person:
    """Somebody who is signed in."""

    id: UUID
    token: str
    refresh_token: str
    phone: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers = {"Authorization": f"Bearer {self.token}"}


class World:
    """Makes things by the back door, so that a test says only what it is about."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A transaction of the program itself, to look behind the scenes or to arrange them."""
        with self.app.app_context(), begin(SYSTEM) as session:
            yield session

    def person(
        self,
        *,
        phone: str | None = "",
        name: str = "王小明",
        grants: list[tuple[str, str, str]] | None = None,
    ) -> Person:
        """A person who consented and is signed in, with a bound phone unless `phone` is None."""
        number = fresh_phone() if phone == "" else phone
        with self.session() as session:
            user = User(name=name, mp_openid=f"o{new_id().hex}", phone=number)
            user.phone_index = keyring().blind_index(number) if number else None
            session.add(user)
            session.flush()
            version = "2026-11"
            session.add(Consent(user_id=user.id, kind="privacy", version=version))
            for role, scope_type, scope_id in grants or []:
                session.add(RoleGrant(user_id=user.id, role=role, scope_type=scope_type, scope_id=scope_id))
            session.flush()
        return self.signed_in(user.id, number)

    def signed_in(self, user_id: UUID, phone: str | None = None) -> Person:
        """A user who exists already, signed in once more."""
        with self.session():
            pair = people.open_sign_in(SYSTEM, user_id, "mini_program").pair
        return Person(user_id, pair.access_token, pair.refresh_token, phone)

    def staff(self, role: str = "county_staff", division: str = "js.xz.fengxian") -> Person:
        """A member of staff of a division, signed in."""
        return self.person(grants=[(role, "division", division)])

    def trainer(self, training: Training) -> Person:
        """A trainer who is assigned to the training."""
        return self.person(grants=[("trainer", "training", str(training.id))])

    def enterprise(self, *, owner: Person | None = None, **changes: Any) -> Enterprise:
        """A reviewed enterprise in 丰县, owned by `owner` if given."""
        values: dict[str, Any] = {
            "credit_code": fresh_credit_code(),
            "name": "丰县小微车辆配件厂",
            "division_id": "js.xz.fengxian",
            "industry_code": "C36",
            "headcount": 30,
            "revenue": 5_000_000,
            "assets": 3_000_000,
            "state": EnterpriseState.reviewed,
        }
        with self.session() as session:
            enterprise = Enterprise(**{**values, **changes})
            session.add(enterprise)
            session.flush()
            if owner:
                session.add(
                    RoleGrant(
                        user_id=owner.id, role="owner", scope_type="enterprise", scope_id=str(enterprise.id)
                    )
                )
        return enterprise

    def member(self, enterprise: Enterprise, role: str = "member") -> Person:
        """A member of the enterprise, signed in."""
        return self.person(grants=[(role, "enterprise", str(enterprise.id))])

    def training(self, *, sessions: list[datetime] | None = None, **changes: Any) -> Training:
        """A published training of 丰县, open for sign-up, two days ahead, of two hours a session."""
        starts = sessions or [now() + timedelta(days=2)]
        values: dict[str, Any] = {
            "division_id": "js.xz.fengxian",
            "title": "质量管理体系基础培训",
            "mode": Mode.onsite,
            "provider": Provider.own,
            "audience": Audience.quality_lead,
            "organiser": "丰县市场监督管理局",
            "place": "丰县政务服务中心三楼",
            "open_to": ["js.xz"],
            "capacity": 10,
            "seats_per_enterprise": 3,
            "opens_at": now() - timedelta(days=1),
            "closes_at": starts[0],
            "change_deadline": starts[0],
            "cancel_deadline": starts[0],
            "starts_at": starts[0],
            "ends_at": starts[-1] + timedelta(hours=2),
            "state": TrainingState.published,
        }
        values = {**values, **changes}
        values["opens_at"] = min(values["opens_at"], values["closes_at"] - timedelta(minutes=1))
        with self.session() as session:
            training = Training(**values)
            session.add(training)
            session.flush()
            for number, at in enumerate(starts, 1):
                session.add(
                    TrainingSession(
                        training_id=training.id,
                        division_id=training.division_id,
                        number=number,
                        title=f"第{number}场",
                        starts_at=at,
                        ends_at=at + timedelta(hours=2),
                        checkin_from=at - timedelta(hours=1),
                        checkin_until=at + timedelta(hours=2),
                    )
                )
        return training

    def sessions_of(self, training: Training) -> list[UUID]:
        """The ids of the training's sessions, in order."""
        found = select(TrainingSession.id).where(TrainingSession.training_id == training.id)
        with self.session() as session:
            return list(session.execute(found.order_by(TrainingSession.number)).scalars())


def party(enterprise: Enterprise, *phones: str) -> dict[str, Any]:
    """The body of a sign-up of one attendee, or of one for each phone."""
    attendees = [
        {"name": "李质量", "phone": phone, "post": "质量负责人"} for phone in phones or (fresh_phone(),)
    ]
    return {"enterprise_id": str(enterprise.id), "attendees": attendees}
