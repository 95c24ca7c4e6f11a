"""Check-ins over HTTP: tickets, scans online and offline, the hall's code, marks, counts, certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader

from app.tickets import HALL, TICKET
from models.base import now, set_clock
from models.checkins import Scan
from models.trainings import Training
from tests.builders import Person, World, party


@dataclass
class Hall:
    """A training that begins soon, its trainer, and one confirmed attendee with a phone of their own."""

    client: FlaskClient
    world: World
    training: Training
    trainer: Person
    owner: Person
    attendee: Person
    signup: str
    sessions: list[str]

    def codes(self) -> list[dict[str, Any]]:
        answer = self.client.get(f"/api/v1/signups/{self.signup}/ticket", headers=self.attendee.headers)
        codes: list[dict[str, Any]] = answer.json["codes"]
        return codes

    def scan(self, content: str, nonce: str, *, session: int = 0, by: Person | None = None) -> Any:
        return self.client.post(
            f"/api/v1/sessions/{self.sessions[session]}/scans",
            json={"content": content, "nonce": nonce},
            headers=(by or self.trainer).headers,
        )

    def upload(self, scans: list[dict[str, Any]], device_time: datetime) -> list[dict[str, Any]]:
        answer = self.client.post(
            f"/api/v1/sessions/{self.sessions[0]}/scans/upload",
            json={"device_time": device_time.isoformat(), "scans": scans},
            headers=self.trainer.headers,
        )
        assert answer.status_code == 201, answer.json
        items: list[dict[str, Any]] = answer.json["items"]
        return items


@pytest.fixture
def hall(client: FlaskClient, world: World) -> Hall:
    starts = now() + timedelta(minutes=30)
    training = world.training(sessions=[starts, starts + timedelta(days=1)], certificate_percent=50)
    owner, attendee = world.person(), world.person()
    assert attendee.phone
    made = client.post(
        f"/api/v1/trainings/{training.id}/signups",
        json=party(world.enterprise(owner=owner), attendee.phone),
        headers=owner.headers,
    )
    sessions = [str(session_id) for session_id in world.sessions_of(training)]
    signup = made.json["items"][0]["id"]
    return Hall(client, world, training, world.trainer(training), owner, attendee, signup, sessions)


def outcomes(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["outcome"] for answer in answers]


def test_a_ticket_checks_in_once(hall: Hall) -> None:
    code = hall.codes()[0]["content"]
    first = hall.scan(code, "nonce-1-first")
    assert (first.status_code, first.json["outcome"], first.json["message"]) == (201, "accepted", "签到成功")
    assert first.json["enterprise_name"] == "丰县小微车辆配件厂"
    assert hall.scan(code, "nonce-1-first").json == first.json  # the phone sent it again: the same answer
    assert hall.scan(code, "nonce-1-other").json["outcome"] == "duplicate"
    counts = hall.client.get(f"/api/v1/sessions/{hall.sessions[0]}/counts", headers=hall.trainer.headers).json
    assert counts == {"expected": 1, "checked_in": 1, "by_method": {"ticket": 1}, "refused": {"duplicate": 1}}


def test_the_codes_rotate(hall: Hall) -> None:
    codes = hall.codes()
    assert len({code["content"] for code in codes}) == len(codes) == 20
    until = [datetime.fromisoformat(code["valid_until"]) for code in codes]
    assert all(late - early == timedelta(seconds=30) for early, late in pairwise(until))
    assert len(codes[0]["content"]) == 19 and codes[0]["content"].isalnum()


def test_a_photograph_is_useless_soon_after(hall: Hall) -> None:
    code = hall.codes()[0]["content"]
    moment = now()
    set_clock(lambda: moment + timedelta(seconds=95))
    assert hall.scan(code, "nonce-2-stale").json["outcome"] == "code_expired"
    yesterday = TICKET.code(code[1:11], moment - timedelta(days=1))
    assert hall.scan(yesterday, "nonce-2-yesterday").json["outcome"] == "code_expired"
    forged = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert hall.scan(forged, "nonce-2-forged").json["outcome"] == "code_expired"


def test_what_is_not_a_ticket(hall: Hall) -> None:
    for n, content in enumerate(
        ("https://example.com", "T" + "0" * 18, "你好", "H" + hall.codes()[0]["content"][1:])
    ):
        answer = hall.scan(content, f"nonce-3-{n}-unknown")
        assert (answer.status_code, answer.json["outcome"]) == (201, "unknown_ticket")


def test_a_ticket_of_another_training_says_so(hall: Hall, world: World) -> None:
    elsewhere = world.training(sessions=[now() + timedelta(minutes=20)])
    trainer = world.trainer(elsewhere)
    [session] = world.sessions_of(elsewhere)
    answer = hall.client.post(
        f"/api/v1/sessions/{session}/scans",
        json={"content": hall.codes()[0]["content"], "nonce": "nonce-4-elsewhere"},
        headers=trainer.headers,
    )
    assert answer.json["outcome"] == "wrong_training"


def test_only_an_assigned_trainer_scans(hall: Hall, world: World) -> None:
    code = hall.codes()[0]["content"]
    assert hall.scan(code, "nonce-5-owner", by=hall.owner).status_code == 403
    assert hall.scan(code, "nonce-5-other", by=world.trainer(world.training())).status_code == 404
    assert hall.scan(code, "nonce-5-county", by=world.staff()).json["outcome"] == "accepted"


def test_a_cancelled_and_a_waiting_ticket(hall: Hall, world: World) -> None:
    code = hall.codes()[0]["content"]
    cancelled = hall.client.post(f"/api/v1/signups/{hall.signup}/cancel", headers=hall.owner.headers)
    assert cancelled.status_code == 200
    assert hall.scan(code, "nonce-6-cancelled").json["outcome"] == "cancelled"


def test_the_window_of_a_session(hall: Hall) -> None:
    assert hall.scan(hall.codes()[0]["content"], "nonce-7-early", session=1).json["outcome"] == "too_early"
    end = hall.training.starts_at + timedelta(hours=2)
    set_clock(lambda: end + timedelta(seconds=1))
    assert hall.scan(hall.codes()[0]["content"], "nonce-7-late").json["outcome"] == "late"


def test_every_scan_is_kept(hall: Hall) -> None:
    code = hall.codes()[0]["content"]
    for n, content in enumerate((code, code, "T" + "0" * 18)):
        hall.scan(content, f"nonce-8-{n}-kept")
    url = f"/api/v1/sessions/{hall.sessions[0]}/scans"
    kept = hall.client.get(url, headers=hall.trainer.headers).json["items"]
    assert outcomes(kept) == ["unknown_ticket", "duplicate", "accepted"]
    only = hall.client.get(f"{url}?outcome=duplicate", headers=hall.trainer.headers).json["items"]
    assert outcomes(only) == ["duplicate"]


def test_offline_scans_are_placed_in_time(hall: Hall) -> None:
    """The device was offline, its clock three minutes slow; the scans come an hour after the session."""
    slow = timedelta(minutes=3)
    scanned = hall.training.starts_at + timedelta(minutes=5)
    code = TICKET.code(hall.codes()[0]["content"][1:11], scanned)
    uploaded = hall.training.starts_at + timedelta(hours=3)
    late = hall.training.starts_at + timedelta(hours=2, minutes=1)
    late_code = TICKET.code(code[1:11], late)
    set_clock(lambda: uploaded)
    scans = [
        {"nonce": "nonce-9-good", "content": code, "scanned_at": (scanned - slow).isoformat()},
        {"nonce": "nonce-9-twice", "content": code, "scanned_at": (scanned - slow).isoformat()},
        {"nonce": "nonce-9-unknown", "content": "T" + "0" * 18, "scanned_at": (scanned - slow).isoformat()},
        {"nonce": "nonce-9-stale", "content": code, "scanned_at": (scanned + slow).isoformat()},
        {"nonce": "nonce-9-late", "content": late_code, "scanned_at": (late - slow).isoformat()},
        {"nonce": "nonce-9-future", "content": code, "scanned_at": (uploaded + slow).isoformat()},
    ]
    answers = hall.upload(scans, uploaded - slow)
    assert outcomes(answers) == [
        "accepted",
        "duplicate",
        "unknown_ticket",
        "code_expired",
        "late",
        "clock_skewed",
    ]
    assert datetime.fromisoformat(answers[0]["scanned_at"]) == scanned
    again = hall.upload(scans, uploaded - slow)
    assert [a["id"] for a in again] == [a["id"] for a in answers]  # nothing is dropped, nothing is doubled
    with hall.world.session() as session:
        kept = session.query(Scan).filter_by(training_id=hall.training.id).count()
    assert kept == len(scans)


def test_a_device_whose_clock_is_far_off_waits_for_a_person(hall: Hall) -> None:
    moment = now()
    set_clock(lambda: moment)
    code = TICKET.code(hall.codes()[0]["content"][1:11], moment)
    off = moment - timedelta(minutes=11)
    [answer] = hall.upload([{"nonce": "nonce-10-skew", "content": code, "scanned_at": off.isoformat()}], off)
    assert (answer["outcome"], answer["message"]) == ("clock_skewed", "设备时间偏差过大，需人工核对")
    marked = hall.client.post(
        f"/api/v1/sessions/{hall.sessions[0]}/marks",
        json={"signup_id": hall.signup, "reason": "设备时钟有误，现场核对本人", "nonce": "nonce-10-mark"},
        headers=hall.trainer.headers,
    )
    assert (marked.status_code, marked.json["outcome"]) == (201, "accepted")


def test_a_mark_needs_a_reason(hall: Hall) -> None:
    url = f"/api/v1/sessions/{hall.sessions[0]}/marks"
    body = {"signup_id": hall.signup, "nonce": "nonce-11-mark", "reason": " "}
    refused = hall.client.post(url, json=body, headers=hall.trainer.headers)
    assert (refused.status_code, list(refused.json["fields"])) == (422, ["reason"])
    other = {**body, "reason": "手机没电", "signup_id": str(hall.training.id)}
    assert hall.client.post(url, json=other, headers=hall.trainer.headers).status_code == 404


def test_self_check_in_by_the_halls_code(hall: Hall, world: World) -> None:
    url = f"/api/v1/sessions/{hall.sessions[0]}/hall-code"
    shown = hall.client.get(url, headers=hall.trainer.headers).json

    def check_in(person: Person, content: str, nonce: str) -> Any:
        body = {"content": content, "nonce": nonce}
        return hall.client.post("/api/v1/check-ins/hall", json=body, headers=person.headers)

    assert check_in(hall.attendee, shown["content"], "nonce-12-self").json["outcome"] == "accepted"
    assert check_in(hall.attendee, shown["content"], "nonce-12-again").json["outcome"] == "duplicate"
    assert check_in(world.person(), shown["content"], "nonce-12-nobody").json["outcome"] == "not_confirmed"
    an_hour_ago = HALL.code(shown["content"][1:11], now() - timedelta(hours=1))
    assert check_in(hall.attendee, an_hour_ago, "nonce-12-photo").json["outcome"] == "code_expired"
    bad = check_in(hall.attendee, "H" + "0" * 18, "nonce-12-bad")
    assert (bad.status_code, bad.json["code"]) == (422, "hall_code_invalid")


def test_the_roster_masks_and_counts(hall: Hall, world: World) -> None:
    hall.scan(hall.codes()[0]["content"], "nonce-13-roster")
    url = f"/api/v1/trainings/{hall.training.id}/roster"
    [row] = hall.client.get(url, headers=hall.trainer.headers).json["items"]
    assert (row["attendee_name"], row["attended"]) == ("李*量", 1)
    assert row["attendee_phone"][3:7] == "****"
    assert hall.client.get(url, headers=hall.owner.headers).status_code == 403
    assert hall.client.get(url, headers=world.staff(division="js.xz.peixian").headers).status_code == 404


def test_a_certificate_is_earned_and_can_be_checked(hall: Hall) -> None:
    url = f"/api/v1/signups/{hall.signup}/certificate"
    early = hall.client.post(url, headers=hall.attendee.headers)
    assert (early.status_code, early.json["code"]) == (409, "certificate_not_earned")
    hall.scan(hall.codes()[0]["content"], "nonce-14-earned")
    issued = hall.client.post(url, headers=hall.attendee.headers).json
    assert hall.client.post(url, headers=hall.owner.headers).json == issued
    pdf = hall.client.get(f"{url}.pdf", headers=hall.attendee.headers)
    text = PdfReader(BytesIO(pdf.data)).pages[0].extract_text()
    assert pdf.mimetype == "application/pdf" and "李质量" in text and hall.training.title in text
    code = issued["verification_code"]
    checked = hall.client.get(f"/api/v1/certificates/{code.lower()}").json
    assert (checked["holder"], checked["sessions_attended"]) == ("李*量", 1)
    page = hall.client.get(f"/verify/{code}")
    assert page.status_code == 200 and hall.training.title in page.text and "李质量" not in page.text
    assert hall.client.get("/api/v1/certificates/0000000000").json["code"] == "certificate_unknown"
