"""What is measured: the data, the requests, and what must be true behind the scenes afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle, islice
from secrets import token_hex
from typing import Any

import orjson
from sqlalchemy import insert, select

from app.tickets import TICKET
from models.base import new_id, now
from models.columns import new_code_number
from models.crypto import keyring
from models.enterprises import Enterprise
from models.signups import Signup, SignupState
from models.trainings import Training
from tests.builders import Person, World, fresh_phone, party

OWNERS = 200
PUBLISHED = 500
ROSTER = 5_000
SEATS, ATTEMPTS = 100, 2_000


class Wrong(Exception):
    """What was measured was not done right, so the figures mean nothing."""


@dataclass(frozen=True)
class Request:
    """One request to the program, and what of it the floor needs to run the same SQL."""

    method: str
    path: str
    token: str
    given: dict[str, str]
    body: dict[str, Any] | None = None

    def to_program(self) -> bytes:
        """Returns the request as it goes to the program."""
        content = b"" if self.body is None else orjson.dumps(self.body)
        return _http(self.method, self.path, content, f"Authorization: Bearer {self.token}\r\n")

    def to_floor(self, kind: str) -> bytes:
        """Returns the request as it goes to the floor."""
        return _http("POST", f"/{kind}", orjson.dumps(self.brings))

    @property
    def brings(self) -> dict[str, str]:
        return {"token": self.token, **self.given}


def _http(method: str, path: str, content: bytes, header: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}"
    if content:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode() + content


class Scene:
    """One kind of request; `count` of them in each of the `rounds`, after `warm_up` that are not counted.

    Rounds are many and short where they can be: another process that takes a core away for a while
    then spoils few of them.

    The program's answer is right when its status is `status` and `mark` stands in it.
    """

    name: str
    kind: str
    goal: float
    at_once: tuple[int, ...]
    count: int
    rounds = 11
    warm_up = 100
    status = 200
    mark = b""

    def requests(self, number: int) -> list[Request]:
        """Returns so many requests that have not been made yet."""
        raise NotImplementedError

    def courses(self) -> list[list[Request]]:
        """Returns, for each course that such a request may take, some that take it, in this order."""
        return [self.requests(3)]

    def check(self, requests: list[Request]) -> None:
        """Raises Wrong when the requests did not leave what they should have left."""


def _signups(training: Training, enterprise: Enterprise, by: Person, number: int) -> list[dict[str, Any]]:
    phones = [fresh_phone() for _ in range(number)]
    return [
        {
            "id": new_id(),
            "training_id": training.id,
            "division_id": training.division_id,
            "enterprise_id": enterprise.id,
            "enterprise_name": enterprise.name,
            "created_by": by.id,
            "attendee_name": "李质量",
            "attendee_phone": phone,
            "attendee_phone_index": keyring().blind_index(phone),
            "attendee_post": "质量负责人",
            "ticket_no": new_code_number(),
            "state": SignupState.confirmed,
        }
        for phone in phones
    ]


class CheckIn(Scene):
    """Tickets scanned at the door, each for the first time, by stations of three trainers."""

    name, kind, goal = "check-in by scan", "check-in", 0.5
    at_once = (8, 32)
    count = 500
    status, mark = 201, b'"outcome":"accepted"'

    def __init__(self, world: World) -> None:
        self._world = world
        self._owner = world.person()
        self._enterprise = world.enterprise(owner=self._owner)
        self._training = world.training(sessions=[now() + timedelta(minutes=10)])
        self._trainers = [world.trainer(self._training) for _ in range(3)]
        (self._session,) = world.sessions_of(self._training)

    def requests(self, number: int) -> list[Request]:
        signups = _signups(self._training, self._enterprise, self._owner, number)
        with self._world.session() as session:
            session.execute(insert(Signup), signups)
        path, at = f"/api/v1/sessions/{self._session}/scans", now()
        return [
            Request(
                "POST",
                path,
                trainer.token,
                {"ticket": signup["ticket_no"], "nonce": (nonce := token_hex(12))},
                {"content": TICKET.code(signup["ticket_no"], at), "nonce": nonce},
            )
            for signup, trainer in zip(signups, cycle(self._trainers), strict=False)
        ]


class Rush(Scene):
    """A training of 100 seats that 2,000 people are signed up for, by the owners of 200 enterprises."""

    name, kind, goal = "sign-up rush", "sign-up", 0.4
    at_once = (32,)
    count, rounds = ATTEMPTS, 5
    status, mark = 201, b'"state":'

    def __init__(self, world: World) -> None:
        self._world = world
        owners = [world.person() for _ in range(OWNERS)]
        self._parties = [(owner, world.enterprise(owner=owner)) for owner in owners]

    def requests(self, number: int) -> list[Request]:
        training = self._training()
        return [self._request(training, *some) for some in islice(cycle(self._parties), number)]

    def courses(self) -> list[list[Request]]:
        seated = [self._training() for _ in range(3)]
        waiting = [self._training(capacity=1, taken=1, waiting=n, waiting_seq=n) for n in range(3)]
        return [
            [self._request(training, *some) for training, some in zip(course, self._parties, strict=False)]
            for course in (seated, waiting)
        ]

    def _training(self, **changes: Any) -> Training:
        return self._world.training(**{"capacity": SEATS, "seats_per_enterprise": 1_000, **changes})

    def _request(self, training: Training, owner: Person, enterprise: Enterprise) -> Request:
        return Request(
            "POST",
            f"/api/v1/trainings/{training.id}/signups",
            owner.token,
            {"training": str(training.id), "enterprise": str(enterprise.id)},
            party(enterprise),
        )

    def check(self, requests: list[Request]) -> None:
        found = select(Signup.state, Signup.waiting_no).order_by(Signup.created_at)
        found = found.where(Signup.training_id == requests[0].given["training"])
        with self._world.session() as session:
            accepted = [(state, number) for state, number in session.execute(found)]
        seated = [(SignupState.confirmed, None)] * SEATS
        waiting = [(SignupState.waiting, number + 1) for number in range(len(requests) - SEATS)]
        if accepted != seated + waiting:
            raise Wrong(f"{self.name}: {len(accepted)} sign-ups, not seated and queued in their order")


class Listing(Scene):
    """The first page of a list, read by several people in turn."""

    at_once = (8,)
    goal = 0.3
    mark = b'"next":"'  # a full page, and more to come

    def __init__(
        self, name: str, kind: str, path: str, limit: int, readers: Sequence[Person], count: int
    ) -> None:
        self.name, self.kind, self.count = name, kind, count
        self._path, self._readers = f"{path}?limit={limit}", readers

    def requests(self, number: int) -> list[Request]:
        readers = islice(cycle(self._readers), number)
        return [Request("GET", self._path, reader.token, {}) for reader in readers]


def listings(world: World) -> list[list[Listing]]:
    """Returns each list in pages of several sizes; how many statements run must not depend on the size."""
    people = [world.person() for _ in range(3)]
    staff = [world.staff() for _ in range(3)]
    starts = now() + timedelta(days=3)
    for number in range(PUBLISHED):
        world.training(sessions=[starts + timedelta(hours=number)])
    owner = world.person()
    training = world.training(sessions=[starts], capacity=ROSTER, seats_per_enterprise=1_000)
    rows = _signups(training, world.enterprise(owner=owner), owner, ROSTER)
    with world.session() as session:
        session.execute(insert(Signup), rows)
    roster = f"/api/v1/trainings/{training.id}/roster"
    return [
        [
            Listing(
                f"list of open trainings, {limit} of {PUBLISHED}",
                f"trainings-{limit}",
                "/api/v1/trainings",
                limit,
                people,
                count,
            )
            for limit, count in ((50, 300), (200, 0))
        ],
        [
            Listing(f"roster, {limit} of {ROSTER:,}", f"roster-{limit}", roster, limit, staff, count)
            for limit, count in ((50, 300), (200, 150))
        ],
    ]
