"""A training's attendance in a browser: the page that moves, the hall's screen, scanning, the import."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import segno
from openpyxl import load_workbook
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader
from sqlalchemy import select

from app.services import checkins
from app.services.attendance_imports import COLUMNS
from app.tickets import Kind
from models.checkins import Outcome, Scan
from models.signups import Signup
from tests.browser.conftest import ARGUMENTS, PATIENCE, OpenPage, assert_accessible, cookie_of
from tests.builders import World, fresh_phone
from tests.test_console_attendance import Hall, opened
from tests.workbook_builders import workbook


@pytest.fixture
def hall(world: World) -> Hall:
    """A training under way."""
    return opened(world)


def accepted(hall: Hall, signup: Signup) -> list[Scan]:
    wanted = select(Scan).where(Scan.signup_id == signup.id, Scan.outcome == Outcome.accepted)
    with hall.world.session() as session:
        return list(session.execute(wanted).scalars())


def session_path(hall: Hall, page: str) -> str:
    return f"/console/sessions/{hall.sessions[0]}/{page}"


# --- the live page


def test_the_live_page_moves_while_people_are_scanned(open_page: OpenPage, hall: Hall) -> None:
    came, late = hall.sign_up("李到场"), hall.sign_up("王补签")
    page = open_page(session_path(hall, "live"), hall.county)
    expect(page.locator("[data-checked-in]")).to_have_text("0")
    expect(page.get_by_text("还没有扫码记录")).to_be_visible()
    hall.check_in(came)
    expect(page.locator("[data-checked-in]")).to_have_text("1")
    expect(page.locator(".scans li").first).to_contain_text("李到场")
    expect(page.locator(".missing li")).to_have_count(1)
    page.get_by_role("button", name="补签").click()
    expect(page.get_by_role("dialog")).to_contain_text("王补签")
    # The page goes on moving behind the dialog, which keeps what is typed.
    page.get_by_label("补签原因").fill("手机没电，")
    with page.expect_response(re.compile("/live$")):
        pass
    page.get_by_label("补签原因").press_sequentially("已核对身份证")
    page.get_by_role("button", name="确认补签").click()
    expect(page.get_by_text("已为 王补签 补签。")).to_be_visible()
    expect(page.get_by_text("全部到齐")).to_be_visible()
    assert [scan.reason for scan in accepted(hall, late)] == ["手机没电，已核对身份证"]


def test_the_live_page_says_when_the_connection_is_lost(open_page: OpenPage, hall: Hall) -> None:
    signup = hall.sign_up()
    page = open_page(session_path(hall, "live"), hall.county)
    page.route("**/live", lambda route: route.abort())
    expect(page.get_by_text("连接中断，正在重试")).to_be_visible()
    hall.check_in(signup)
    expect(page.locator("[data-checked-in]")).to_have_text("0")
    page.unroute("**/live")
    expect(page.get_by_text("连接中断，正在重试")).to_be_hidden()
    expect(page.locator("[data-checked-in]")).to_have_text("1")


# --- scanning


def test_a_usb_scanner_checks_people_in(open_page: OpenPage, hall: Hall) -> None:
    signup = hall.sign_up("李扫码")
    page = open_page(session_path(hall, "scan"), hall.county)
    page.get_by_role("heading", level=1).click()  # wherever the cursor is
    page.keyboard.type(hall.ticket(signup).lower())
    page.keyboard.press("Enter")
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_contain_text("签到成功")
    expect(verdict).to_contain_text("李扫码")
    expect(verdict).to_have_attribute("data-verdict", "accepted")
    expect(page.locator(".tally")).to_contain_text("1 / 1 人已签到")
    # The same code shown on is not a second scan; another one is, and says so.
    page.keyboard.type(hall.ticket(signup))
    page.keyboard.press("Enter")
    page.keyboard.type("https://example.com/")
    page.keyboard.press("Enter")
    expect(verdict).to_contain_text("不是有效的签到码")
    expect(verdict).to_have_attribute("data-verdict", "wrong")
    expect(page.locator("[data-log] li")).to_have_count(2)
    assert len(accepted(hall, signup)) == 1


def test_scans_are_kept_while_the_network_is_away(open_page: OpenPage, hall: Hall) -> None:
    signup = hall.sign_up("李离线")
    page = open_page(session_path(hall, "scan"), hall.county)
    page.context.set_offline(True)
    page.keyboard.type(hall.ticket(signup))
    page.keyboard.press("Enter")
    expect(page.locator("[data-verdict]")).to_contain_text("已存在本机，待上传")
    expect(page.get_by_text("网络中断")).to_contain_text("1 条扫码记录保存在本机")
    assert accepted(hall, signup) == []
    page.context.set_offline(False)
    expect(page.locator("[data-log] li").first).to_contain_text("签到成功（离线扫码已上传）")
    expect(page.locator("[data-log] li").first).to_contain_text("李离线")
    expect(page.get_by_text("网络中断")).to_be_hidden()
    [scan] = accepted(hall, signup)
    assert scan.device_time is not None
    assert page.evaluate("Object.values(localStorage)") == ["[]"]


def test_scans_outlive_a_sign_in_that_ended(open_page: OpenPage, hall: Hall) -> None:
    signup = hall.sign_up("李重登")
    page = open_page(session_path(hall, "scan"), hall.county)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.keyboard.type(hall.ticket(signup))
    page.keyboard.press("Enter")
    expect(page.get_by_text("登录已变化或过期")).to_contain_text("1 条扫码记录保存在本机")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.get_by_role("link", name="重新打开此页").click()
    expect(page.locator("[data-log] li").first).to_contain_text("签到成功（离线扫码已上传）")
    assert len(accepted(hall, signup)) == 1


def test_without_a_camera_the_page_says_what_to_do(open_page: OpenPage, hall: Hall) -> None:
    page = open_page(session_path(hall, "scan"), hall.county)
    page.get_by_role("button", name="打开摄像头").click()
    expect(page.locator("[data-camera-says]")).to_contain_text("或使用扫码枪")


def film(path: Path, content: str, width: int = 640, height: int = 480, scale: int = 10) -> None:
    """Writes a film (YUV4MPEG2) in which a code is held before the camera."""
    code = [bytes(row) for row in segno.make_qr(content).matrix]
    left, top = (width - len(code) * scale) // 2, (height - len(code) * scale) // 2
    light = bytearray(b"\xeb" * width * height)
    for y, row in enumerate(code):
        for x, dark in enumerate(row):
            if dark:
                for line in range(top + y * scale, top + (y + 1) * scale):
                    start = line * width + left + x * scale
                    light[start : start + scale] = b"\x10" * scale
    frame = b"FRAME\n" + bytes(light) + b"\x80" * (width * height // 2)
    path.write_bytes(b"YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420\n" % (width, height) + frame * 10)


@pytest.fixture
def before_camera(
    browser: Browser, chromium: str, site: str, tmp_path: Path
) -> Iterator[Callable[[str, Hall], Page]]:
    """A browser of its own with a camera, before which a code is held."""
    opened: list[Browser] = []

    def open_(content: str, hall: Hall) -> Page:
        film(tmp_path / "code.y4m", content)
        camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
        held = f"--use-file-for-fake-video-capture={tmp_path / 'code.y4m'}"
        other = browser.browser_type.launch(executable_path=chromium, args=[*ARGUMENTS, *camera, held])
        opened.append(other)
        context = other.new_context(base_url=site, locale="zh-CN")
        context.set_default_timeout(PATIENCE)
        where: Any = {"domain": "127.0.0.1", "path": "/console"}
        context.add_cookies([{"name": "tizhitong", "value": cookie_of(hall.county), **where}])
        page = context.new_page()
        page.goto(session_path(hall, "scan"))
        return page

    yield open_
    for other in opened:
        other.close()


def test_a_laptops_camera_checks_people_in(before_camera: Callable[[str, Hall], Page], hall: Hall) -> None:
    signup = hall.sign_up("李镜头")
    page = before_camera(hall.ticket(signup), hall)
    page.get_by_role("button", name="打开摄像头").click()
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_contain_text("签到成功")
    expect(verdict).to_contain_text("李镜头")
    page.get_by_role("button", name="关闭摄像头").click()
    expect(page.locator("video")).to_be_hidden()
    assert len(accepted(hall, signup)) == 1


# --- the hall's screen


def test_the_halls_code_changes_by_itself_and_outlives_an_outage(
    open_page: OpenPage, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkins, "HALL", Kind("H", 10, timedelta(seconds=4)))
    signup = hall.sign_up()
    page = open_page(session_path(hall, "projector"), hall.county)
    image = page.locator("[data-image]")
    expect(image).to_have_attribute("src", re.compile("^data:image/"))
    first, code = image.get_attribute("src"), image.get_attribute("data-shown") or ""
    expect(page.locator("[data-checked-in]")).to_have_text("0")
    hall.check_in(signup)
    expect(page.locator("[data-checked-in]")).to_have_text("1")
    expect(image).not_to_have_attribute("data-shown", code)
    expect(image).not_to_have_attribute("src", first or "")
    assert_accessible(page)
    page.route("**/hall-code*", lambda route: route.abort())
    expect(page.get_by_text("网络中断，正在重试")).to_be_visible()
    expect(image).to_be_visible()
    page.unroute("**/hall-code*")
    expect(page.get_by_text("网络中断，正在重试")).to_be_hidden()


# --- the import


def test_an_import_with_bad_rows(
    open_page: OpenPage, hall: Hall, work: Callable[[], None], tmp_path: Path
) -> None:
    signup = hall.sign_up()
    header = [column.name for column in COLUMNS]
    rows = [
        [hall.enterprise.credit_code, signup.attendee_phone, None, None, "1", None],
        [hall.enterprise.credit_code, fresh_phone(), None, None, "1", None],
        [hall.enterprise.credit_code, signup.attendee_phone, None, None, "9", None],
    ]
    (tmp_path / "签到名单.xlsx").write_bytes(workbook(header, *rows).getvalue())
    page = open_page(hall.path, hall.county)
    page.get_by_role("link", name="导入签到").click()
    page.get_by_label("签到名单").set_input_files(tmp_path / "签到名单.xlsx")
    page.get_by_role("button", name="上传并导入").click()
    expect(page.get_by_text("文件已收到")).to_be_visible()
    work()
    expect(page.get_by_text("有 2 行未导入")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="下载未导入的行").click()
    assert re.fullmatch(r"未导入的行-[\d-]+\.xlsx", download.value.suggested_filename)
    sheet = load_workbook(BytesIO(Path(download.value.path()).read_bytes())).active
    assert sheet is not None
    reasons = [str(row[-1].value) for row in sheet.iter_rows(min_row=3)]
    assert reasons == ["该手机号未报名本培训", "场次不存在：“9”，本培训共 2 场"]
    assert len(accepted(hall, signup)) == 1


# --- all of them


@pytest.mark.parametrize("of", ["live", "scan", "projector", "", "/sheet", "/import"])
def test_the_pages_are_accessible_and_hold_at_twice_the_font(
    open_page: OpenPage, hall: Hall, of: str
) -> None:
    hall.check_in(hall.sign_up("李到场"))
    hall.scan("https://example.com", "nonce-unknown")
    hall.sign_up("王未到", attendee_post="质量负责人")
    path = f"{hall.path}{of}" if not of or of.startswith("/") else session_path(hall, of)
    page = open_page(path, hall.county)
    assert_accessible(page)
    page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    page.reload()
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0


def test_the_sheet_fits_paper(open_page: OpenPage, hall: Hall) -> None:
    for number in range(30):
        hall.sign_up(f"参训人{number}")
    page = open_page(f"{hall.path}/sheet", hall.county)
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="打印")).to_be_hidden()
    expect(page.get_by_role("navigation", name="主导航")).to_be_hidden()
    paper = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True)))
    assert len(paper.pages) > 1
    for sheet in paper.pages:
        assert float(sheet.mediabox.width) > float(sheet.mediabox.height)
        assert "签到表" in sheet.extract_text() and "企业名称" in sheet.extract_text()
