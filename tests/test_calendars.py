"""Calendar files of trainings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from icalendar import Calendar

from app.calendars import CalendarSession, calendar_file

CHINA = timezone(timedelta(hours=8))
STAMP = datetime(2026, 11, 23, 9, 0, tzinfo=CHINA)
SESSIONS = [
    CalendarSession(
        "01J9", datetime(2026, 12, 1, 9, tzinfo=CHINA), datetime(2026, 12, 1, 11, 30, tzinfo=CHINA), "第一场"
    ),
    CalendarSession(
        "01JA",
        datetime(2026, 12, 2, 0, 30, tzinfo=CHINA),
        datetime(2026, 12, 2, 2, tzinfo=CHINA),
        place="丰县电动车产业园，3号楼",
    ),
]


def made(sessions: list[CalendarSession] = SESSIONS, sequence: int = 0, cancelled: bool = False) -> bytes:
    return calendar_file(
        "内审员培训；进园区",
        sessions,
        "tizhitong.example.cn",
        "徐州市市场监督管理局",
        "市局报告厅",
        "https://tizhitong.example.cn/trainings/1?a=1,2",
        sequence,
        cancelled,
        stamp=STAMP,
    )


def test_sessions_come_back_in_utc_with_their_names_and_places() -> None:
    first, second = Calendar.from_ical(made()).walk("VEVENT")
    assert first.decoded("dtstart") == datetime(2026, 12, 1, 1, tzinfo=UTC)
    assert first.decoded("dtend") == datetime(2026, 12, 1, 3, 30, tzinfo=UTC)
    assert second.decoded("dtstart") == datetime(2026, 12, 1, 16, 30, tzinfo=UTC)
    assert str(first["summary"]) == "内审员培训；进园区（第一场）"
    assert str(second["summary"]) == "内审员培训；进园区"
    assert str(first["location"]) == "市局报告厅"
    assert str(second["location"]) == "丰县电动车产业园，3号楼"
    assert str(first["url"]) == "https://tizhitong.example.cn/trainings/1?a=1,2"
    assert first["organizer"].params["CN"] == "徐州市市场监督管理局"
    assert b"DTSTART:20261201T010000Z\r\n" in made()


def test_a_change_keeps_the_uids_and_raises_the_sequence() -> None:
    moved = [replace(SESSIONS[0], starts_at=SESSIONS[0].starts_at + timedelta(hours=1)), SESSIONS[1]]
    before = Calendar.from_ical(made()).walk("VEVENT")
    after = Calendar.from_ical(made(moved, sequence=3)).walk("VEVENT")
    assert (
        [e["uid"] for e in before]
        == [e["uid"] for e in after]
        == [
            "01J9@tizhitong.example.cn",
            "01JA@tizhitong.example.cn",
        ]
    )
    assert [e["sequence"] for e in after] == [3, 3]


def test_alarms_ring_a_day_and_an_hour_before() -> None:
    event = Calendar.from_ical(made()).walk("VEVENT")[0]
    assert [alarm.decoded("trigger") for alarm in event.walk("VALARM")] == [
        timedelta(days=-1),
        timedelta(hours=-1),
    ]


def test_a_cancelled_training_withdraws_every_event_silently() -> None:
    calendar = Calendar.from_ical(made(sequence=4, cancelled=True))
    assert calendar["method"] == "CANCEL"
    for event in calendar.walk("VEVENT"):
        assert event["status"] == "CANCELLED"
        assert str(event["summary"]).startswith("【已取消】")
        assert event.walk("VALARM") == []


def test_one_cancelled_session_leaves_the_others() -> None:
    calendar = Calendar.from_ical(made([replace(SESSIONS[0], cancelled=True), SESSIONS[1]]))
    assert calendar["method"] == "PUBLISH"
    assert [event["status"] for event in calendar.walk("VEVENT")] == ["CANCELLED", "CONFIRMED"]


def test_lines_end_in_crlf_and_are_folded_at_75_bytes() -> None:
    content = made()
    assert content.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 75


def test_line_breaks_in_a_title_cannot_add_properties() -> None:
    hostile = replace(SESSIONS[0], name="x\r\nATTENDEE:mailto:a@example.com")
    event = Calendar.from_ical(made([hostile])).walk("VEVENT")[0]
    assert "attendee" not in event


def test_the_same_training_gives_the_same_bytes() -> None:
    assert made() == made()
