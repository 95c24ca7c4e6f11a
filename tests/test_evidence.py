"""Evidence over HTTP: what comes in, who sees it and how long, and that nothing is lost."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from html import unescape
from io import BytesIO, RawIOBase
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select

from app import files
from app.files import FileMissing, StoreUnavailable
from app.services import evidence
from config.settings import settings, use
from models import crypto
from models.agencies import Agency
from models.audit import AuditEvent
from models.base import now, set_clock
from models.cases import Aspect, Case, CaseState, Finding
from models.crypto import Keyring
from models.enterprises import Enterprise
from models.evidence import Evidence, StoredFile
from tests import agency_builders as agencies
from tests import case_builders as cases
from tests import evidence_builders as build
from tests.builders import Person, World
from tests.console_client import desk, text_of


@pytest.fixture
def owner(world: World) -> Person:
    return world.person()


@pytest.fixture
def agency(world: World) -> Agency:
    return agencies.agency(world)


@pytest.fixture
def case(world: World, owner: Person, agency: Agency) -> Case:
    enterprise = world.enterprise(owner=owner)
    return cases.case(world, CaseState.diagnosis, enterprise=enterprise, agency=agency)


def objects(app: Flask) -> set[str]:
    with app.app_context():
        return set(files.store().older_than(now() + timedelta(days=1)))


def fetched(client: FlaskClient, who: Person, evidence_id: str, **query: Any) -> Any:
    link = client.get(f"/api/v1/evidence/{evidence_id}/link", query_string=query, headers=who.headers)
    assert link.status_code == 200, link.json
    return client.get(link.json["url"].removeprefix(settings().public_url))


def test_a_photo_comes_in_without_its_place_and_is_shown_to_those_of_the_case(
    client: FlaskClient, world: World, case: Case, owner: Person, agency: Agency
) -> None:
    taken = build.photo(place=True)
    answer = build.upload(client, owner, case.id, "车间 改善前.jpg", taken, kind="improvement")
    assert answer.status_code == 201 and answer.json["name"] == "车间 改善前.jpg"
    [listed] = client.get(f"/api/v1/cases/{case.id}/evidence", headers=owner.headers).json["items"]
    assert listed["media_type"] == "image/jpeg" and listed["has_thumbnail"] is True
    expert = agencies.agency_person(world, agency)
    shown = fetched(client, expert, answer.json["id"])
    assert shown.status_code == 200 and shown.headers["Content-Disposition"].startswith("inline")
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    with Image.open(BytesIO(taken)) as before, Image.open(BytesIO(shown.data)) as after:
        assert dict(before.getexif().get_ifd(build.GPS)) and 0x010F in before.getexif()
        assert dict(after.getexif()) == {0x0112: 6}
        assert before.size == after.size
    small = fetched(client, expert, answer.json["id"], thumbnail="true")
    with Image.open(BytesIO(small.data)) as image:
        assert max(image.size) <= 320 and image.height > image.width  # as the camera was held


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("诊断.pdf", build.PDF, "application/pdf"),
        (
            "诊断.docx",
            build.word(),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
def test_documents_come_in_and_are_saved_rather_than_shown(
    client: FlaskClient, case: Case, owner: Person, name: str, content: bytes, media_type: str
) -> None:
    answer = build.upload(client, owner, case.id, name, content)
    served = fetched(client, owner, answer.json["id"])
    assert served.data == content and served.mimetype == media_type
    assert served.headers["Content-Disposition"].startswith("attachment")
    assert served.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pdf", build.photo(), "不符"),
        ("a.jpg", build.PDF, "不符"),
        ("a.jpg", build.photo()[:200], "打开"),
        ("a.docx", b"PK\x03\x04 nothing", "损坏"),
        ("a.xlsx", build.word(), "不符"),
        ("a.docx", build.bomb(), "解压后过大"),
        ("a.docx", build.with_macro(), "宏"),
        ("a.doc", bytes.fromhex("d0cf11e0a1b11ae1"), "另存为"),
        ("a.svg", b"<svg onload='alert(1)'/>", "只接受"),
        ("a", b"", "只接受"),
        ("a.pdf", b"", "空"),
    ],
)
def test_what_is_not_what_it_says_is_refused_and_leaves_nothing(
    app: Flask, client: FlaskClient, case: Case, owner: Person, name: str, content: bytes, reason: str
) -> None:
    before = objects(app)
    answer = build.upload(client, owner, case.id, name, content)
    assert answer.status_code == 422 and answer.json["code"] == "file_refused"
    assert reason in answer.json["fields"]["file"][0]
    assert objects(app) == before


def test_an_image_with_too_many_pixels_is_refused_before_it_is_read(
    client: FlaskClient, case: Case, owner: Person
) -> None:
    stream = BytesIO()
    Image.new("1", (20_000, 20_000)).save(stream, "PNG")
    answer = build.upload(client, owner, case.id, "a.png", stream.getvalue())
    assert answer.status_code == 422 and answer.json["code"] == "file_refused"


def test_two_gigabytes_are_refused_before_they_are_read(
    client: FlaskClient, case: Case, owner: Person
) -> None:
    class Unread(RawIOBase):
        """A body that only says its length; whoever reads from it has lost."""

        def readinto(self, _buffer: Any) -> int:
            raise AssertionError("read")

    answer = client.post(
        f"/api/v1/cases/{case.id}/evidence",
        headers={**owner.headers, "Content-Type": "multipart/form-data; boundary=x"},
        environ_overrides={"CONTENT_LENGTH": str(2 * 1024**3), "wsgi.input": Unread()},
    )
    assert answer.status_code == 413 and answer.json["code"] == "body_too_large"
    large = build.photo() + b"\0" * (settings().file_megabytes * 1024 * 1024)
    answer = build.upload(client, owner, case.id, "a.jpg", large)
    assert answer.status_code == 413 and answer.json["code"] == "file_too_large"


def test_the_same_content_is_kept_once_in_a_case_and_in_the_store(
    app: Flask, client: FlaskClient, world: World, case: Case, owner: Person
) -> None:
    content = build.photo("orange")
    first = build.upload(client, owner, case.id, "a.jpg", content)
    before = objects(app)
    again = build.upload(client, owner, case.id, "b.jpg", content)
    assert again.json["id"] == first.json["id"]
    other = world.person()
    others = cases.case(world, CaseState.requested, enterprise=world.enterprise(owner=other))
    assert build.upload(client, other, others.id, "c.jpg", content).status_code == 201
    assert objects(app) == before


def test_nobody_else_sees_it_and_a_link_dies(
    client: FlaskClient, world: World, case: Case, owner: Person
) -> None:
    made = build.upload(client, owner, case.id, "a.pdf", build.PDF).json
    for other in (world.person(), agencies.agency_person(world, agencies.agency(world))):
        answer = client.get(f"/api/v1/evidence/{made['id']}/link", headers=other.headers)
        assert answer.status_code in (403, 404)
    url = client.get(f"/api/v1/evidence/{made['id']}/link", headers=owner.headers).json["url"]
    path = url.removeprefix(settings().public_url)
    assert client.get(path).status_code == 200
    assert client.get(path[:-3] + "abc").json["code"] == "file_link_expired"
    for change in ("x", "."):
        assert client.get(f"/api/v1/files/{change}").json["code"] == "file_link_expired"


def test_a_link_of_somebody_who_has_left_opens_no_more(
    client: FlaskClient, world: World, case: Case, owner: Person
) -> None:
    made = build.upload(client, owner, case.id, "a.pdf", build.PDF).json
    enterprise = case.enterprise_id
    with world.session() as session:
        member = world.member(session.get(Enterprise, enterprise))
    url = client.get(f"/api/v1/evidence/{made['id']}/link", headers=member.headers).json["url"]
    gone = client.delete(f"/api/v1/enterprises/{enterprise}/members/{member.id}", headers=owner.headers)
    assert gone.status_code == 204, gone.json
    answer = client.get(url.removeprefix(settings().public_url))
    assert answer.status_code in (403, 404)


def test_a_link_is_too_old_after_five_minutes(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, case: Case, owner: Person
) -> None:
    made = build.upload(client, owner, case.id, "a.pdf", build.PDF).json
    url = client.get(f"/api/v1/evidence/{made['id']}/link", headers=owner.headers).json["url"]
    real = __import__("time").time
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: real() + evidence.LINK_SECONDS + 2)
    answer = client.get(url.removeprefix(settings().public_url))
    assert answer.status_code == 410 and answer.json["code"] == "file_link_expired"


def test_one_removes_ones_own_while_the_case_is_open(
    client: FlaskClient, world: World, case: Case, owner: Person, agency: Agency
) -> None:
    expert = agencies.agency_person(world, agency)
    theirs = build.upload(client, expert, case.id, "a.pdf", build.PDF).json
    assert client.delete(f"/api/v1/evidence/{theirs['id']}", headers=owner.headers).status_code == 409
    assert client.delete(f"/api/v1/evidence/{theirs['id']}", headers=expert.headers).status_code == 204
    assert client.delete(f"/api/v1/evidence/{theirs['id']}", headers=expert.headers).status_code == 404
    over = cases.case(world, CaseState.closed, enterprise=world.enterprise(owner=world.person()))
    officer = desk(world, "county_staff")
    answer = build.upload_at(officer, over.id, ("a.pdf", build.PDF))
    assert "不能进行此项操作" in text_of(officer.follow(answer))


def test_it_belongs_to_something_of_the_same_case(client: FlaskClient, case: Case, owner: Person) -> None:
    answer = build.upload(client, owner, case.id, "a.pdf", build.PDF, finding_id=str(case.id))
    assert answer.status_code == 422 and answer.json["fields"] == {"finding_id": ["不属于此项目"]}


# --- the store


def test_what_lies_in_the_store_is_sealed(app: Flask, client: FlaskClient, case: Case, owner: Person) -> None:
    before = objects(app)
    build.upload(client, owner, case.id, "a.pdf", build.PDF + b"% 1")
    [name] = objects(app) - before
    lying = (settings().files_dir / name[:2] / name).read_bytes()
    assert b"%PDF" not in lying
    assert (settings().files_dir / name[:2] / name).stat().st_mode & 0o077 == 0
    with app.app_context(), pytest.raises(FileMissing):
        files.store().read("nothing")


def test_another_data_key_seals_files_anew(
    app: Flask, client: FlaskClient, world: World, case: Case, owner: Person
) -> None:
    made = build.upload(client, owner, case.id, "a.jpg", build.photo("purple")).json
    small = fetched(client, owner, made["id"], thumbnail="true").data
    s, new = settings(), b"0123456789abcdef0123456789abcdef"

    def own() -> str:
        of = select(StoredFile.object_name).join(Evidence, Evidence.digest == StoredFile.digest)
        with world.session() as session:
            return str(session.scalars(of.where(Evidence.id == UUID(made["id"]))).one())

    before = own()
    try:
        crypto.configure(Keyring({**s.keyring(), "k2": new}, s.secret_key, s.data_cipher))
        assert "stored_files：" in app.test_cli_runner().invoke(args=["keys", "rotate"]).output
        assert "stored_files：" not in app.test_cli_runner().invoke(args=["keys", "rotate"]).output
        crypto.configure(Keyring({"k2": new}, s.secret_key, s.data_cipher))
        with app.app_context():
            assert files.store().read(own())[:2] == b"\xff\xd8"
        assert own() in objects(app) and not {before, before + evidence.THUMBNAIL} & objects(app)
    finally:
        crypto.configure(Keyring({"k2": new, **s.keyring()}, s.secret_key, s.data_cipher))
        assert app.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
        crypto.configure(Keyring(s.keyring(), s.secret_key, s.data_cipher))
    assert fetched(client, owner, made["id"], thumbnail="true").data == small


def test_nothing_is_lost_when_the_act_fails_and_what_it_left_is_swept(
    monkeypatch: pytest.MonkeyPatch, app: Flask, client: FlaskClient, world: World, case: Case, owner: Person
) -> None:
    kept = build.upload(client, owner, case.id, "kept.pdf", build.PDF + b"% kept").json
    before = objects(app)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk of the database is full")

    with monkeypatch.context() as broken:
        broken.setattr("app.services.evidence.audit.record", fail)
        with pytest.raises(RuntimeError):
            build.upload(client, owner, case.id, "lost.pdf", build.PDF + b"% lost")
    left = objects(app) - before
    assert len(left) == 1
    with world.session() as session:
        assert [e.name for e in session.scalars(select(Evidence).where(Evidence.case_id == case.id))] == [
            "kept.pdf"
        ]
    with app.app_context():
        evidence.sweep()
        assert left <= objects(app)  # younger than a day: it might be on its way
        later = now() + timedelta(days=2)
        set_clock(lambda: later)
        evidence.sweep()
        set_clock(None)
    assert not left & objects(app)
    assert fetched(client, owner, kept["id"]).data.endswith(b"% kept")


def test_what_was_removed_is_swept_unless_another_case_has_it(
    app: Flask, client: FlaskClient, world: World, case: Case, owner: Person
) -> None:
    content, shared = build.PDF + b"% only here", build.PDF + b"% shared"
    other = world.person()
    others = cases.case(world, CaseState.requested, enterprise=world.enterprise(owner=other))
    mine = build.upload(client, owner, case.id, "a.pdf", content).json
    both = build.upload(client, owner, case.id, "b.pdf", shared).json
    theirs = build.upload(client, other, others.id, "b.pdf", shared).json
    for one in (mine, both):
        assert client.delete(f"/api/v1/evidence/{one['id']}", headers=owner.headers).status_code == 204
    later = now() + timedelta(days=2)
    with world.session() as session:
        digests = {row.digest: row for row in session.scalars(select(StoredFile))}
        for row in digests.values():
            row.created_at = now() - timedelta(days=3)
    set_clock(lambda: later)
    with app.app_context():
        evidence.sweep()
    set_clock(None)
    assert fetched(client, other, theirs["id"]).data == shared
    again = build.upload(client, owner, case.id, "a.pdf", content)
    assert fetched(client, owner, again.json["id"]).data == content


def test_a_content_swept_between_finding_and_attaching_is_stored_again(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, case: Case, owner: Person
) -> None:
    known = iter([True, False])
    monkeypatch.setattr("app.services.evidence._known", lambda *_: next(known))
    content = build.PDF + b"% swept meanwhile"
    answer = build.upload(client, owner, case.id, "a.pdf", content)
    assert answer.status_code == 201
    assert fetched(client, owner, answer.json["id"]).data == content


def test_a_store_that_does_not_answer_is_said_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, app: Flask, client: FlaskClient, world: World, case: Case, owner: Person
) -> None:
    def down(*_: Any) -> None:
        raise StoreUnavailable("no route to host")

    monkeypatch.setattr(type(app.extensions["files"]), "write", down)
    answer = build.upload(client, owner, case.id, "a.pdf", build.PDF + b"% down")
    assert answer.status_code == 503 and answer.json["code"] == "files_unavailable"
    with world.session() as session:
        assert session.scalars(select(Evidence).where(Evidence.case_id == case.id)).all() == []


# --- the scanner


@contextmanager
def clamd(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A scanner that takes one stream and says what it is told to."""
    received: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream:
            assert stream.read(10) == b"zINSTREAM\0"
            content = b""
            while length := struct.unpack("!L", stream.read(4))[0]:
                content += stream.read(length)
            received.append(content)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", received
        thread.join(5)


@contextmanager
def scanner_at(address: str) -> Iterator[None]:
    before = settings()
    use(replace(before, clamd_address=address))
    try:
        yield
    finally:
        use(before)


def test_a_scanner_sees_a_file_first(client: FlaskClient, world: World, case: Case, owner: Person) -> None:
    with clamd(b"stream: OK\0") as (address, received), scanner_at(address):
        assert build.upload(client, owner, case.id, "a.pdf", build.PDF + b"% fine").status_code == 201
    assert received == [build.PDF + b"% fine"]
    bad = build.PDF + build.EICAR
    with clamd(b"stream: Eicar-Test-Signature FOUND\0") as (address, _), scanner_at(address):
        answer = build.upload(client, owner, case.id, "b.pdf", bad)
    assert answer.status_code == 422 and answer.json["code"] == "file_infected"
    with world.session() as session:
        told = select(AuditEvent).where(AuditEvent.verb == "evidence.infected")
        assert "Eicar-Test-Signature" in str(session.scalars(told).all()[-1].detail)


@pytest.mark.parametrize("answer", [b"INSTREAM size limit exceeded. ERROR\0", b""])
def test_nothing_comes_in_unscanned_when_the_scanner_fails(
    client: FlaskClient, case: Case, owner: Person, answer: bytes
) -> None:
    with clamd(answer) as (address, _), scanner_at(address):
        refused = build.upload(client, owner, case.id, "a.pdf", build.PDF + b"% unscanned")
    assert refused.status_code == 503 and refused.json["code"] == "files_unavailable"
    with scanner_at("127.0.0.1:9"):
        refused = build.upload(client, owner, case.id, "a.pdf", build.PDF + b"% unscanned")
    assert refused.status_code == 503


# --- at a desk


def test_a_file_of_a_problem_stands_beside_it(world: World, case: Case, agency: Agency) -> None:
    at = agencies.agency_desk(world, agency)
    with world.session() as session:
        finding = Finding(
            case_id=case.id,
            aspect=Aspect.energy,
            problem="能耗没有计量",
            measure="加装分表",
            owner="王设备",
            due_on=now().date(),
        )
        session.add(finding)
    page = at.get(f"/console/cases/{case.id}").get_data(as_text=True)
    [way] = re.findall(rf'href="([^"]*finding_id={finding.id}[^"]*)"', page)
    form = at.client.get(unescape(way)).get_data(as_text=True)
    assert f'name="finding_id" value="{finding.id}"' in form and 'value="improvement" selected' in form
    file = ("分表照片.pdf", build.PDF + b"% meter")
    build.upload_at(at, case.id, file, finding_id=str(finding.id), kind="improvement")
    assert "佐证： 分表照片.pdf" in text_of(at.get(f"/console/cases/{case.id}"))


def test_a_desk_uploads_several_and_hears_of_each_that_was_refused(
    world: World, case: Case, agency: Agency
) -> None:
    at = agencies.agency_desk(world, agency)
    good, bad = ("签到表.pdf", build.PDF + b"% sheet"), ("照片.jpg", build.PDF)
    answer = build.upload_at(at, case.id, good, bad)
    page = text_of(answer)
    assert answer.status_code == 422 and "已上传 1 份" in page and "“照片.jpg”：文件内容与扩展名不符" in page
    with world.session() as session:
        [kept] = session.scalars(select(Evidence).where(Evidence.case_id == case.id)).all()
    opened = at.get(f"/console/evidence/{kept.id}")
    assert opened.status_code == 303
    served = at.client.get(opened.headers["Location"])
    assert served.data.endswith(b"% sheet")
