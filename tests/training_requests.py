"""What tests of trainings ask over HTTP, and how they look behind the scenes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select

from models.base import now
from models.messages import Notice
from models.signups import Signup, SignupState
from tests.builders import Person, World, fresh_phone

URL = "/api/v1/trainings"
START = now().replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=30)


def hours(count: float, of: datetime = START) -> str:
    return (of + timedelta(hours=count)).isoformat()


def body(**changes: Any) -> dict[str, Any]:
    values = {
        "title": "质量管理体系内审员培训",
        "description": "面向小微企业\n两天",
        "mode": "onsite",
        "provider": "own",
        "audience": "internal_auditor",
        "organiser": "丰县市场监督管理局",
        "place": "丰县政务服务中心三楼",
        "division_id": "js.xz.fengxian",
        "capacity": 40,
        "seats_per_enterprise": 3,
        "opens_at": hours(-240),
        "closes_at": hours(-24),
        "sessions": [
            {"starts_at": hours(0), "ends_at": hours(3)},
            {"title": "实操", "starts_at": hours(5), "ends_at": hours(8)},
        ],
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def post(client: FlaskClient, person: Person, path: str, json: Any = None) -> Any:
    return client.post(URL + path, json=json, headers=person.headers)


def patch(client: FlaskClient, person: Person, training_id: Any, **changes: Any) -> Any:
    return client.patch(f"{URL}/{training_id}", json=changes, headers=person.headers)


def get(client: FlaskClient, person: Person, path: str = "", **query: Any) -> Any:
    return client.get(URL + path, query_string=query, headers=person.headers)


def draft(client: FlaskClient, staff: Person, **changes: Any) -> dict[str, Any]:
    answer = post(client, staff, "", body(**changes))
    assert answer.status_code == 201, answer.json
    made: dict[str, Any] = answer.json
    return made


def published(client: FlaskClient, staff: Person, **changes: Any) -> dict[str, Any]:
    training = draft(client, staff, **changes)
    answer = post(client, staff, f"/{training['id']}/publish")
    assert answer.status_code == 200, answer.json
    changed: dict[str, Any] = answer.json
    return changed


def sign_up(client: FlaskClient, world: World, training_id: Any, count: int = 1, **changes: Any) -> Person:
    """Signs `count` people of a fresh enterprise up, the first of them the owner; returns the owner."""
    owner = world.person()
    enterprise = world.enterprise(owner=owner, **changes)
    phones = [owner.phone, *(fresh_phone() for _ in range(count - 1))]
    party = [{"name": "李质量", "phone": phone, "post": "质量负责人"} for phone in phones]
    answer = client.post(
        f"{URL}/{training_id}/signups",
        json={"enterprise_id": str(enterprise.id), "attendees": party},
        headers=owner.headers,
    )
    assert answer.status_code == 201, answer.json
    return owner


def state_of(world: World, training_id: Any, person: Person) -> SignupState:
    with world.session() as session:
        found = session.execute(
            select(Signup.state).where(
                Signup.training_id == UUID(str(training_id)), Signup.attendee_user_id == person.id
            )
        )
        state: SignupState = found.scalar_one()
        return state


def notices(world: World, person: Person, kind: str) -> list[Any]:
    with world.session() as session:
        found = select(Notice.id, Notice.body).where(Notice.user_id == person.id, Notice.kind == kind)
        return list(session.execute(found.order_by(Notice.id)))
