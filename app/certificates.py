"""The attendance certificate 培训证明 as a PDF, with a QR code for checking it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import cast

import segno
from fpdf import FPDF, TextMode
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont

FONT_FILE = Path(__file__).parent / "fonts" / "NotoSansSC-Regular.cut.ttf"
FONT = "NotoSansSC"
CHINA = timezone(timedelta(hours=8))

# Millimetres on a landscape A4 sheet.
WIDTH, HEIGHT = 297.0, 210.0
MARGIN = 42.0
TEXT_WIDTH = WIDTH - 2 * MARGIN
BODY_TOP, BODY_BOTTOM = 78.0, 142.0
QR_LEFT, QR_TOP, QR_SIZE = MARGIN, 150.0, 26.0

RED = (158, 27, 34)
GOLD = (196, 160, 92)
INK = (34, 34, 34)
GREY = (96, 96, 96)

NOT_AT_LINE_START = frozenset("，。、；：！？）》”’」』】〉·…%,.;:!?)")
NOT_AT_LINE_END = frozenset("（《“‘「『【〈(")
# 〓 is the printers' sign for a character that the fount lacks.
LACKING = "〓"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says; the same facts give the same bytes."""

    number: str
    verification_code: str
    verify_url: str
    holder: str
    enterprise: str
    training: str
    first_day: date
    last_day: date
    sessions_attended: int
    sessions_total: int
    organiser: str
    issued_on: date
    hours: Decimal | None = None


def attendance_certificate(facts: CertificateFacts) -> bytes:
    """Return a one-page landscape A4 PDF; characters that the font lacks are shown as 〓."""
    page = FPDF(orientation="landscape", unit="mm", format="A4")
    page.set_auto_page_break(False)
    page.set_margin(0)
    page.add_font(FONT, fname=FONT_FILE)
    page.set_creation_date(datetime.combine(facts.issued_on, time(), CHINA))
    page.set_lang("zh-CN")
    page.set_title(f"培训证明 {facts.number}")
    page.set_author(facts.organiser)
    page.add_page()
    legible = _legible(cast("TTFFont", page.fonts[FONT.lower()]).cmap)

    _frame(page)
    _heading(page, legible(facts.number))
    _body(page, legible(facts.holder), [legible(text) for text in _paragraphs(facts)])
    _verification(page, facts.verify_url, legible(facts.verification_code))
    _signature(page, legible(facts.organiser), _chinese_date(facts.issued_on))
    return bytes(page.output())


def _legible(available: Container[int]) -> Callable[[str], str]:
    def legible(text: str) -> str:
        composed = " ".join(unicodedata.normalize("NFC", text).split())
        return "".join(char if ord(char) in available else LACKING for char in composed)

    return legible


def _chinese_date(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _period(first: date, last: date) -> str:
    if first == last:
        return f"于{_chinese_date(first)}"
    ending = _chinese_date(last) if last.year != first.year else f"{last.month}月{last.day}日"
    return f"于{_chinese_date(first)}至{ending}"


def _paragraphs(facts: CertificateFacts) -> list[str]:
    attended = f"培训共{facts.sessions_total}场，实际参加{facts.sessions_attended}场"
    if facts.hours is not None:
        attended += f"，计{facts.hours.normalize():f}学时"
    return [
        f"系{facts.enterprise}人员，{_period(facts.first_day, facts.last_day)}"
        f"参加“{facts.training}”。{attended}，达到出勤要求。",
        "特此证明。",
    ]


def _frame(page: FPDF) -> None:
    page.set_draw_color(*RED)
    page.set_line_width(1.4)
    page.rect(9, 9, WIDTH - 18, HEIGHT - 18)
    page.set_draw_color(*GOLD)
    page.set_line_width(0.35)
    page.rect(12.2, 12.2, WIDTH - 24.4, HEIGHT - 24.4)
    page.set_line_width(0.7)
    reach = 12.0
    for x, across in ((16.0, 1), (WIDTH - 16.0, -1)):
        for y, down in ((16.0, 1), (HEIGHT - 16.0, -1)):
            page.line(x, y, x + across * reach, y)
            page.line(x, y, x, y + down * reach)


def _heading(page: FPDF, number: str) -> None:
    _line(page, 36, "培训证明", size=42, colour=RED, align="C", spacing=16, stroke=0.5)
    page.set_draw_color(*GOLD)
    page.set_line_width(0.5)
    page.line(WIDTH / 2 - 52, 60.5, WIDTH / 2 - 4, 60.5)
    page.line(WIDTH / 2 + 4, 60.5, WIDTH / 2 + 52, 60.5)
    page.set_fill_color(*RED)
    middle, half = WIDTH / 2, 1.8
    page.polygon(
        [(middle - half, 60.5), (middle, 60.5 - half), (middle + half, 60.5), (middle, 60.5 + half)],
        style="F",
    )
    _line(page, 64.5, f"编号：{number}", size=11, colour=GREY, align="C")


def _body(page: FPDF, holder: str, paragraphs: list[str]) -> None:
    room = BODY_BOTTOM - BODY_TOP
    for size in (19, 17, 15, 13, 11, 9):
        page.set_font(FONT, size=size)
        em = page.get_string_width("国")
        name_lines = wrap(holder, TEXT_WIDTH, page.get_string_width, 0.0)
        lines = [wrap(text, TEXT_WIDTH, page.get_string_width, 2 * em) for text in paragraphs]
        pitch = em * 1.75
        if (len(name_lines) + 0.4 + sum(map(len, lines))) * pitch <= room:
            break
    y = BODY_TOP
    for text in name_lines:
        _line(page, y, text, size=size + 3, colour=INK, align="C", stroke=0.25)
        y += pitch
    y += 0.4 * pitch
    for paragraph in lines:
        for position, text in enumerate(paragraph):
            _line(page, y, text, size=size, colour=INK, indent=2 * em if position == 0 else 0.0)
            y += pitch


def _verification(page: FPDF, url: str, code: str) -> None:
    matrix = segno.make_qr(url, error="m").matrix
    module = QR_SIZE / len(matrix)
    page.set_fill_color(0, 0, 0)
    for row, modules in enumerate(matrix):
        column = 0
        while column < len(modules):
            end = column
            while end < len(modules) and modules[end]:
                end += 1
            if end > column:
                left, top = QR_LEFT + column * module, QR_TOP + row * module
                page.rect(left, top, (end - column) * module, module, style="F")
            column = end + 1
    page.link(QR_LEFT, QR_TOP, QR_SIZE, QR_SIZE, url)
    beside = QR_SIZE + 5
    _line(page, QR_TOP + 6, "扫码核验本证明", size=11, colour=INK, indent=beside)
    _line(page, QR_TOP + 14, f"验证码：{code}", size=11, colour=GREY, indent=beside)


def _signature(page: FPDF, organiser: str, issued: str) -> None:
    width = 100.0
    page.set_font(FONT, size=15)
    lines = wrap(organiser, width, page.get_string_width, 0.0)
    for above, text in enumerate(reversed(lines)):
        _line(page, 161 - 9 * above, text, size=15, colour=INK, align="C", indent=TEXT_WIDTH - width)
    _line(page, 171, issued, size=15, colour=INK, align="C", indent=TEXT_WIDTH - width)


def wrap(text: str, width: float, measure: Callable[[str], float], indent: float) -> list[str]:
    """Break Chinese text into lines no wider than `width`, the first indented, by 避头尾.

    Figures and Latin words stay whole; a mark that may not begin a line takes the character before with it.
    """
    lines: list[str] = []
    line, room = "", width - indent
    for piece in _pieces(text):
        if line and measure(line + piece) > room:
            cut = len(line)
            while cut > 1 and (
                (line[cut:] or piece)[0] in NOT_AT_LINE_START or line[cut - 1] in NOT_AT_LINE_END
            ):
                cut -= 1
            lines.append(line[:cut].rstrip())
            line, room = line[cut:], width
        line = (line + piece) if line else piece.lstrip()
    return [*lines, line]


def _pieces(text: str) -> list[str]:
    pieces: list[str] = []
    for char in text:
        joined = bool(pieces) and char.isascii() and char.isalnum() and pieces[-1][-1].isascii()
        if joined and pieces[-1][-1].isalnum() and len(pieces[-1]) < 24:
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces


def _line(
    page: FPDF,
    y: float,
    text: str,
    *,
    size: float,
    colour: tuple[int, int, int],
    align: str = "L",
    indent: float = 0.0,
    spacing: float = 0.0,
    stroke: float = 0.0,
) -> None:
    """Set one line at height y within the margins; `stroke` (mm) thickens our single weight to a bold."""
    page.set_font(FONT, size=size)
    page.set_char_spacing(spacing)
    page.set_text_color(*colour)
    page.set_draw_color(*colour)
    page.set_line_width(stroke)
    page.text_mode = TextMode.FILL_STROKE if stroke else TextMode.FILL
    page.set_xy(MARGIN + indent, y)
    page.cell(TEXT_WIDTH - indent, size * 0.45, text, align=align, new_x=XPos.LEFT, new_y=YPos.TOP)
    page.text_mode = TextMode.FILL
    page.set_char_spacing(0)
