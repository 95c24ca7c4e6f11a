"""The console's attendance pages over HTTP: register, live page, screen, scanning, sheet, certificates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from openpyxl import load_workbook
from pypdf import PdfReader
from sqlalchemy import select

from app.services import checkins
from app.services.attendance_imports import COLUMNS
from app.tickets import HALL, TICKET
from models.base import now
from models.checkins import AttendanceCertificate, Scan
from models.crypto import keyring
from models.enterprises import Enterprise
from models.messages import Notice
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession, TrainingState
from models.transfers import Transfer
from tests.builders import World, fresh_phone
from tests.console_client import Desk, desk, text_of
from tests.statements import queries
from tests.workbook_builders import workbook

HEADER = [column.name for column in COLUMNS]


@dataclass
class Hall:
    """A training under way in two sessions, the county's desk, and people who signed up."""

    world: World
    training: Training
    sessions: list[UUID]
    county: Desk
    enterprise: Enterprise

    def sign_up(self, name: str = "李质量", **changes: Any) -> Signup:
        phone = fresh_phone()
        values: dict[str, Any] = {
            "training_id": self.training.id,
            "division_id": self.training.division_id,
            "enterprise_id": self.enterprise.id,
            "enterprise_name": self.enterprise.name,
            "created_by": self.county.person.id,
            "attendee_name": name,
            "attendee_phone": phone,
            "attendee_phone_index": keyring().blind_index(phone),
            "state": SignupState.confirmed,
        }
        with self.world.session() as session:
            signup = Signup(**{**values, **changes})
            session.add(signup)
        return signup

    def scan(self, content: str, nonce: str, *, session: int = 0, by: Desk | None = None) -> Any:
        return self.json(
            f"/console/sessions/{self.sessions[session]}/scans", by, content=content, nonce=nonce
        )

    def json(self, path: str, by: Desk | None = None, **body: Any) -> Any:
        at = by or self.county
        return at.client.post(
            path, json=body, headers={"X-CSRFToken": at.token, "Accept": "application/json"}
        )

    def ticket(self, signup: Signup) -> str:
        return TICKET.code(signup.ticket_no, now())

    def check_in(self, signup: Signup, session: int = 0) -> None:
        made = self.scan(self.ticket(signup), f"check-in-{signup.id.hex}-{session}", session=session)
        assert made.json["outcome"] == "accepted", made.json

    @property
    def path(self) -> str:
        return f"/console/trainings/{self.training.id}/attendance"


def opened(world: World, **changes: Any) -> Hall:
    starts = [now() - timedelta(minutes=30), now() + timedelta(minutes=20)]
    training = world.training(sessions=starts, certificate_percent=50, **changes)
    return Hall(world, training, world.sessions_of(training), desk(world, "county_staff"), world.enterprise())


@pytest.fixture
def hall(world: World) -> Hall:
    """The hall."""
    return opened(world)


# --- the live page


def test_the_live_page_shows_who_came_how_and_who_is_missing(hall: Hall) -> None:
    came, missing = hall.sign_up("李到场"), hall.sign_up("王未到")
    hall.check_in(came)
    hall.scan(hall.ticket(came), "again-nonce")
    hall.scan("https://example.com", "foreign-nonce")
    page = hall.county.get(f"/console/sessions/{hall.sessions[0]}/live")
    said = text_of(page)
    assert page.status_code == 200
    for text in ("应到 2", "已签到 1", "未到 1", "扫码 1 人", "已签到过 1 次", "不是有效的签到码 1 次"):
        assert text in said, said
    assert said.index("李到场") < said.index("尚未到场") < said.index("王未到")
    assert f"{missing.attendee_phone[:3]}****{missing.attendee_phone[-4:]}" in said
    assert missing.attendee_phone not in page.text
    part = hall.county.client.get(
        f"/console/sessions/{hall.sessions[0]}/live", headers={"HX-Request": "true"}
    )
    assert part.text.lstrip().startswith('<div class="live"') and "<html" not in part.text


def test_the_live_page_takes_as_many_queries_however_many_came(app: Flask, hall: Hall) -> None:
    url = f"/console/sessions/{hall.sessions[0]}/live"

    def asked() -> int:
        with queries(app) as seen:
            assert hall.county.client.get(url, headers={"HX-Request": "true"}).status_code == 200
        return len(seen)

    hall.check_in(hall.sign_up())
    asked()  # what is prepared once is prepared
    few = asked()
    for _ in range(5):
        hall.check_in(hall.sign_up())
        hall.sign_up()
    assert asked() == few


def test_a_mark_by_hand_needs_a_reason_and_says_who(hall: Hall) -> None:
    signup = hall.sign_up("赵补签")
    url = f"/console/sessions/{hall.sessions[0]}/marks"
    refused = hall.county.follow(hall.county.post(url, signup_id=str(signup.id), reason=" "))
    assert "填写的内容有误" in text_of(refused)
    done = hall.county.follow(hall.county.post(url, signup_id=str(signup.id), reason="手机没电，已核对"))
    assert "已为 赵补签 补签。" in text_of(done) and "补签：手机没电，已核对" in text_of(done)
    again = hall.county.follow(hall.county.post(url, signup_id=str(signup.id), reason="手机没电，已核对"))
    assert "未补签：赵补签，已签到过。" in text_of(again)
    other = opened(hall.world).sign_up()
    assert hall.county.post(url, signup_id=str(other.id), reason="手机没电").status_code == 403


# --- scanning at the desk


def test_a_desk_scans_as_a_trainer_does(hall: Hall) -> None:
    signup = hall.sign_up()
    code = hall.ticket(signup)
    made = hall.scan(code, "nonce-desk-1")
    assert (made.status_code, made.json["outcome"], made.json["message"]) == (201, "accepted", "签到成功")
    assert (made.json["attendee_name"], made.json["enterprise_name"]) == ("李质量", hall.enterprise.name)
    assert (made.json["checked_in"], made.json["expected"]) == (1, 1)
    assert hall.scan(code, "nonce-desk-1").json["id"] == made.json["id"]
    assert hall.scan(code, "nonce-desk-2").json["outcome"] == "duplicate"
    assert hall.scan("T" + "0" * 18, "nonce-desk-3").json["outcome"] == "unknown_ticket"
    wrong = hall.scan(code, "short")
    assert (wrong.status_code, list(wrong.json["fields"])) == (422, ["nonce"])


def test_scans_that_were_kept_are_uploaded_with_the_time_of_the_device(hall: Hall) -> None:
    signup, at = hall.sign_up(), now() - timedelta(minutes=10)
    kept = {
        "nonce": "nonce-kept-1",
        "content": TICKET.code(signup.ticket_no, at),
        "scanned_at": at.isoformat(),
    }
    url = f"/console/sessions/{hall.sessions[0]}/scans/upload"
    for _ in range(2):  # the answer was lost, and it is sent again
        made = hall.json(url, device_time=now().isoformat(), scans=[kept])
        assert made.status_code == 201 and [item["outcome"] for item in made.json["items"]] == ["accepted"]
    with hall.world.session() as session:
        [scan] = session.execute(select(Scan).where(Scan.signup_id == signup.id)).scalars()
    assert abs(scan.scanned_at - at) < timedelta(seconds=30) and scan.device_time is not None


def test_only_the_scan_page_may_use_the_camera(hall: Hall) -> None:
    page = hall.county.get(f"/console/sessions/{hall.sessions[0]}/scan")
    assert page.headers["Permissions-Policy"].startswith("camera=(self)")
    other = hall.county.get(f"/console/sessions/{hall.sessions[0]}/live")
    assert other.headers["Permissions-Policy"].startswith("camera=()")


def test_a_scan_without_the_token_is_refused(hall: Hall) -> None:
    url = f"/console/sessions/{hall.sessions[0]}/scans"
    forged = hall.county.client.post(url, json={"content": "x", "nonce": "nonce-forged"})
    assert forged.status_code == 400


# --- the hall's screen


def test_the_screen_is_told_the_code_and_the_counts(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    hall.check_in(hall.sign_up())
    hall.sign_up()
    url = f"/console/sessions/{hall.sessions[0]}"
    shown = hall.county.get(f"{url}/hall-code").json
    assert (shown["expected"], shown["checked_in"]) == (2, 1) and 0 <= shown["seconds_left"] <= 300
    with hall.world.session() as session:
        number = session.get(TrainingSession, hall.sessions[0]).hall_no
    assert HALL.number_of(shown["code"]) == number and HALL.was_shown(shown["code"], now())
    monkeypatch.setattr(checkins, "hall_code_image", lambda actor, session_id: b"\x89PNG picture")
    image = hall.county.get(f"{url}/hall-code.png", code=shown["code"])
    assert (image.mimetype, image.data) == ("image/png", b"\x89PNG picture")
    page = hall.county.get(f"{url}/projector")
    assert hall.training.title in page.text and "<script>" not in page.text


# --- the register


def test_the_register_has_a_column_for_each_session(hall: Hall) -> None:
    both, one, none = hall.sign_up("李全勤"), hall.sign_up("王半勤"), hall.sign_up("张缺勤")
    for signup, session in ((both, 0), (both, 1), (one, 0)):
        hall.check_in(signup, session)
    page = hall.county.get(hall.path)
    said = text_of(page)
    assert page.status_code == 200 and "第 1 场（" in said and "第 2 场（" in said
    rows = {name: said[said.index(name) :][:120] for name in ("李全勤", "王半勤", "张缺勤")}
    assert "2 / 2 可发放" in rows["李全勤"] and "1 / 2 可发放" in rows["王半勤"]
    assert "0 / 2 未达到 未签到 未签到" in rows["张缺勤"]
    assert none.attendee_phone not in page.text
    for asked, names in (
        ({"attendance": "whole"}, {"李全勤"}),
        ({"attendance": "part"}, {"王半勤"}),
        ({"attendance": "none"}, {"张缺勤"}),
        ({"certificate": "earned"}, {"李全勤", "王半勤"}),
        ({"enterprise": "没有这家"}, set()),
        ({"attendance": "many"}, {"李全勤", "王半勤", "张缺勤"}),
    ):
        shown = text_of(hall.county.get(hall.path, **asked))
        assert {name for name in rows if name in shown} == names, asked


def test_the_export_is_what_is_shown(hall: Hall, run_jobs: Callable[[], None]) -> None:
    both, _none = hall.sign_up("李全勤"), hall.sign_up("张缺勤")
    hall.check_in(both)
    started = hall.county.post(
        "/console/exports/attendance.register", training=str(hall.training.id), attendance="part"
    )
    run_jobs()
    page = hall.county.follow(started)
    [url] = re.findall(r'href="([^"]+/files/result)"', page.text)
    sheet = load_workbook(BytesIO(hall.county.get(url).data)).active
    assert sheet is not None
    _title, header, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert header[:6] == ["企业名称", "姓名", "手机号", "职务", "出勤", "培训证明"] and len(header) == 8
    assert [(row[1], row[4], row[5]) for row in rows] == [("李全勤", "1 / 2", "可发放")]
    assert rows[0][6].endswith(" 扫码") and rows[0][7] == "未签到"


def test_the_sheet_lists_everybody_who_is_expected(hall: Hall) -> None:
    hall.sign_up("李甲")
    hall.sign_up("王乙", state=SignupState.cancelled)
    page = hall.county.get(f"{hall.path}/sheet")
    said = text_of(page)
    assert "李甲" in said and "王乙" not in said and "应到：1 人" in said
    assert "第 1 场签名" in said and "第 2 场签名" in said
    one = text_of(hall.county.get(f"{hall.path}/sheet", session="2"))
    assert "第 1 场签名" not in one and "第 2 场签名" in one


# --- certificates


def test_what_is_earned_is_issued_in_one_act(hall: Hall) -> None:
    attendee = hall.world.person()
    known = hall.sign_up("李全勤", attendee_user_id=attendee.id)
    other, without = hall.sign_up("王半勤"), hall.sign_up("张缺勤")
    hall.check_in(known)
    hall.check_in(other)
    url = f"/console/trainings/{hall.training.id}/certificates"
    assert "将为 2 名达到出勤要求" in text_of(hall.county.get(hall.path))
    done = text_of(hall.county.follow(hall.county.post(url)))
    assert "已发放 2 份培训证明" in done and "张缺勤" not in done
    again = text_of(hall.county.follow(hall.county.post(url)))
    assert "没有待发放的培训证明" in again
    with hall.world.session() as session:
        issued = session.execute(
            select(AttendanceCertificate.signup_id).where(
                AttendanceCertificate.training_id == hall.training.id
            )
        ).scalars()
        told = session.execute(select(Notice.kind).where(Notice.user_id == attendee.id)).scalars().all()
    assert (set(issued), told) == ({known.id, other.id}, ["certificate.ready"])
    pdf = hall.county.get(f"/console/signups/{known.id}/certificate.pdf")
    assert pdf.mimetype == "application/pdf"
    assert (
        pdf.headers["Content-Disposition"].encode("latin-1").startswith(b"attachment; filename*=UTF-8''%E5")
    )
    assert "李全勤" in PdfReader(BytesIO(pdf.data)).pages[0].extract_text()
    refused = hall.county.get(f"/console/signups/{without.id}/certificate.pdf")
    assert refused.status_code == 409 and "出勤未达到发证要求" in text_of(refused)


# --- the import


def upload(hall: Hall, *lines: list[Any], **fields: Any) -> Any:
    file = (workbook(HEADER, *lines), "签到名单.xlsx")
    return hall.county.post(f"{hall.path}/import", file=file, **fields)


def test_an_import_runs_in_the_background_and_gives_back_what_it_refused(
    hall: Hall, run_jobs: Callable[[], None]
) -> None:
    signup = hall.sign_up()
    good = [hall.enterprise.credit_code, signup.attendee_phone, None, None, "1", None]
    bad = [hall.enterprise.credit_code, fresh_phone(), None, None, "1", None]
    started = upload(hall, good, bad)
    run_jobs()
    page = hall.county.follow(started)
    said = text_of(page)
    assert re.search(r"1 签到 .*1 未导入", said), said
    [url] = re.findall(r'href="([^"]+/files/rejected)"', page.text)
    sheet = load_workbook(BytesIO(hall.county.get(url).data)).active
    assert sheet is not None
    _title, header, row = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert header == ["原行号", *HEADER, "原因"] and row[0] == 3 and row[-1] == "该手机号未报名本培训"
    with hall.world.session() as session:
        transfer = session.execute(
            select(Transfer).where(Transfer.user_id == hall.county.person.id)
        ).scalar_one()
    assert transfer.summary == {"checked_in": 1, "rejected": 1}


def test_an_import_that_enrols(hall: Hall, run_jobs: Callable[[], None]) -> None:
    new = [hall.enterprise.credit_code, fresh_phone(), "赵新来", None, "1", None]
    started = upload(hall, new, **{"enrol": "1", "enrol.there": "1"})
    run_jobs()
    assert "1 补录报名并签到" in text_of(hall.county.follow(started))
    assert "赵新来" in text_of(hall.county.get(hall.path))


def test_enrolling_is_offered_for_what_others_hold(world: World) -> None:
    for provider, ticked in (("own", False), ("province", True)):
        hall = opened(world, provider=provider)
        page = hall.county.get(f"{hall.path}/import").text
        [box] = re.findall(r'<input[^>]*type="checkbox"[^>]*>', page)
        assert ("checked" in box) is ticked
    template = load_workbook(BytesIO(hall.county.get("/console/attendance/template.xlsx").data)).active
    assert template is not None and [cell.value for cell in template[2]] == HEADER


def test_what_cannot_be_imported(hall: Hall, world: World) -> None:
    assert hall.county.post(f"{hall.path}/import").status_code == 422
    broken = hall.county.post(f"{hall.path}/import", file=(BytesIO(b"not a workbook"), "名单.xlsx"))
    assert broken.status_code == 422 and "文件无法读取" in text_of(broken)
    cancelled = opened(world, state=TrainingState.cancelled)
    refused = cancelled.county.get(f"{cancelled.path}/import")
    assert refused.status_code == 409 and "培训已取消" in text_of(refused)


# --- reach


def test_nobody_elsewhere_sees_or_does_anything(hall: Hall, world: World) -> None:
    signup = hall.sign_up()
    neighbour, auditor = desk(world, "county_staff", "js.xz.peixian"), desk(world, "auditor", "js.xz")
    session = f"/console/sessions/{hall.sessions[0]}"
    for at in (neighbour, auditor):
        for path in (hall.path, f"{hall.path}/sheet", f"{hall.path}/import"):
            assert at.get(path).status_code == 403, path
        for path in ("live", "scan", "projector", "hall-code", "hall-code.png"):
            assert at.get(f"{session}/{path}").status_code == 403, path
        assert at.post(f"{session}/marks", signup_id=str(signup.id), reason="手机没电").status_code == 403
        assert at.post(f"/console/trainings/{hall.training.id}/certificates").status_code == 403
        assert at.get(f"/console/signups/{signup.id}/certificate.pdf").status_code == 403
        assert hall.scan(hall.ticket(signup), "nonce-elsewhere", by=at).status_code == 403
    with world.session() as s:
        assert s.query(Scan).filter_by(training_id=hall.training.id).count() == 0
    city = desk(world, "city_staff", "js.xz")
    assert city.get(hall.path).status_code == 200
