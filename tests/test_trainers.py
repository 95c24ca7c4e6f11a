"""Trainers of a training over HTTP."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.builders import World, fresh_phone
from tests.training_requests import (
    URL,
    draft,
    get,
    notices,
    patch,
    post,
)


def test_trainers(client: FlaskClient, world: World) -> None:
    staff, trainer = world.staff(), world.person(name="张培训")
    training = draft(client, staff)
    path = f"/{training['id']}/trainers"
    unknown = post(client, staff, path, {"phone": fresh_phone()})
    assert (unknown.status_code, unknown.json["code"]) == (404, "trainer_unknown")
    assert post(client, staff, path, {"phone": "12345"}).json["fields"].keys() == {"phone"}
    assert get(client, trainer, f"/{training['id']}").status_code == 404
    for _ in range(2):
        answer = post(client, staff, path, {"phone": trainer.phone})
        assert answer.status_code == 201, answer.json
    (listed,) = get(client, staff, path).json
    assert listed == answer.json
    assert trainer.phone is not None
    assert (listed["user_id"], listed["name"]) == (str(trainer.id), "张*训")
    assert listed["phone"] == f"{trainer.phone[:3]}****{trainer.phone[-4:]}"
    assert len(notices(world, trainer, "training.trainer_assigned")) == 1
    assert get(client, trainer, f"/{training['id']}").status_code == 200
    assert patch(client, trainer, training["id"], title="改名").status_code == 403
    removed = client.delete(f"{URL}{path}/{trainer.id}", headers=staff.headers)
    assert removed.status_code == 204
    assert get(client, staff, path).json == []
    assert get(client, trainer, f"/{training['id']}").status_code == 404
    assert client.delete(f"{URL}{path}/{trainer.id}", headers=staff.headers).status_code == 404


@pytest.mark.parametrize("role", ["system_administrator", "auditor"])
def test_separation_of_duties(client: FlaskClient, world: World, role: str) -> None:
    staff = world.staff()
    apart = world.person(grants=[(role, "division", "js.xz")])
    answer = post(client, staff, f"/{draft(client, staff)['id']}/trainers", {"phone": apart.phone})
    assert (answer.status_code, answer.json["code"]) == (409, "role_conflict")
