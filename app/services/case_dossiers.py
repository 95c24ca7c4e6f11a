"""The dossier of a case: everything on it as one Word document, and that with all its evidence as a zip."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

from docx import Document
from docx.oxml.ns import qn
from docx.shared import Pt
from sqlalchemy import select

from app import audit, files
from app.access import SYSTEM, Actor
from app.files import FileMissing, StoreUnavailable
from app.logs import log
from app.services import case_work, cases, evidence, reference
from app.services.case_work import Work
from app.transactions import session, transaction
from models.agencies import Agency
from models.base import BEIJING, now
from models.cases import Case, CaseState, CaseTransition, Correction
from models.people import User

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(frozen=True)
class _Known:
    """What a dossier is written from."""

    case: Case
    division: str
    agency: str
    work: Work
    transitions: Sequence[Any]
    corrections: Sequence[Correction]
    evidence: Sequence[Any]


def document(actor: Actor, case_id: UUID) -> tuple[str, bytes]:
    """Returns a case in reach as a .docx, and what the file is called; raises DomainError `not_found`."""
    known = _read(actor, case_id)
    return f"{_title(known)}.docx", _written(known)


def package(actor: Actor, case_id: UUID) -> tuple[str, IO[bytes]]:
    """Returns a case in reach as a .zip of the document and all evidence, and what the file is called.

    A file that the store cannot give is named in 缺少的材料.txt instead of being left out in silence.
    Raises DomainError `not_found`.
    """
    known = _read(actor, case_id)
    return f"{_title(known)}.zip", _packed(_title(known), _written(known), known.evidence)


def _title(known: _Known) -> str:
    return f"{known.case.enterprise_name}帮扶档案-{known.case.number}"


@transaction("cases.desk")
def _read(actor: Actor, case_id: UUID) -> _Known:
    case = cases.find(case_id)
    agency = select(Agency.name).where(Agency.id == case.agency_id)
    corrections = select(Correction).where(Correction.case_id == case_id).order_by(Correction.id)
    audit.record(actor, "case.dossier_taken", case)
    return _Known(
        case,
        reference.division_names(SYSTEM).get(case.division_id, case.division_id),
        session().execute(agency).scalar() or "",
        case_work.sections(actor, case),
        _transitions(SYSTEM, case_id),
        session().execute(corrections).scalars().all(),
        evidence.of_case(actor, case_id),
    )


@transaction(None)
def _transitions(_system: Actor, case_id: UUID) -> Sequence[Any]:
    # Who moved it is a user of somebody else's reach; the name belongs to the dossier.
    found = (
        select(CaseTransition.to_state, CaseTransition.at, CaseTransition.reason, User.name.label("who"))
        .outerjoin(User, User.id == CaseTransition.by_user_id)
        .where(CaseTransition.case_id == case_id)
        .order_by(CaseTransition.id)
    )
    return session().execute(found).all()


# --- the document


def _written(known: _Known) -> bytes:
    case, work = known.case, known.work
    page = Document()
    font = page.styles["Normal"].font
    font.name, font.size = "SimSun", Pt(10.5)
    page.styles["Normal"].element.rPr.rFonts.set(qn("w:eastAsia"), "宋体")
    page.add_heading(f"{case.enterprise_name}帮扶档案", 0)
    _table(
        page,
        ("项目编号", case.number, "年度", f"{case.year} 年"),
        [
            ("所属辖区", known.division, "帮扶机构", known.agency or "尚未确定"),
            ("当前环节", case.state.label, "办结时间", _when(case.closed_at)),
        ],
    )
    _text(page, "需求说明", case.need)
    if case.strategy:
        page.add_heading("策略与方案", 1)
        page.add_paragraph(f"策略：{case.strategy.label}")
        page.add_paragraph(f"提升方面：{'、'.join(work.aspects)}")
        _text(page, "选择理由", case.strategy_reason, 2)
        _text(page, "提升方案", case.plan, 2)
    if work.diagnosis:
        page.add_heading("诊断", 1)
        for title, pairs in work.diagnosis:
            page.add_heading(title, 2)
            _table(page, ("内容", "结果"), pairs)
    if work.scored:
        page.add_heading("六方面评分", 1)
        _table(
            page,
            ("方面", "帮扶前", "帮扶后", "变化"),
            [(one.label, one.before, one.after, _signed(one.change)) for one in work.scores],
        )
    _findings(page, work)
    _held(page, work)
    if work.measured:
        page.add_heading("效果数据", 1)
        _table(
            page,
            ("指标", "帮扶前", "帮扶后"),
            [(one.label, *(_figure(one.name, it) for it in (one.before, one.after))) for one in work.effects],
        )
    _text(page, "提升小结", case.summary)
    if case.rating:
        page.add_heading("企业评价", 1)
        page.add_paragraph(f"{case.rating.label}（{_when(case.rated_at)}）")
        _text(page, "", case.rating_comment)
    _text(page, "整改情况", case.rectification)
    _course(page, known)
    stream = BytesIO()
    page.save(stream)
    return stream.getvalue()


def _findings(page: Any, work: Work) -> None:
    if not work.findings:
        return
    page.add_heading("问题清单（一企一策）", 1)
    _table(
        page,
        ("方面", "问题", "措施", "责任人", "期限", "状态", "完成情况"),
        [
            (
                one.aspect.label,
                one.problem,
                one.measure,
                work.attendee(one.owner),
                f"{one.due_on:%Y-%m-%d}",
                one.state.label,
                one.result,
            )
            for one in work.findings
        ],
    )


def _held(page: Any, work: Work) -> None:
    if work.trainings:
        page.add_heading("分层培训", 1)
    for held in work.trainings:
        row = held.row
        page.add_heading(row.title, 2)
        page.add_paragraph(
            f"{row.audience.label}；{_when(row.starts_at)}；{row.place}；"
            f"应到 {len(held.attendees)} 人，实到 {held.came} 人"
        )
        came = {True: "到场", False: "缺席", None: "未登记"}
        people = [(work.attendee(one.name), one.post, came[one.attended]) for one in held.attendees]
        _table(page, ("姓名", "职务", "到场"), people)
    if work.visits:
        page.add_heading("走访", 1)
        _table(
            page,
            ("时间", "事由", "地点", "专家", "县局人员", "情况"),
            [
                (
                    _when(one.row.starts_at),
                    one.row.purpose.label,
                    one.row.place,
                    one.expert,
                    one.officer + ("" if one.row.confirmed_at else "（未确认）"),
                    one.row.notes,
                )
                for one in work.visits
            ],
        )


def _course(page: Any, known: _Known) -> None:
    page.add_heading("办理过程", 1)
    rows: list[tuple[datetime, str, str, str]] = [
        (one.at, CaseState(one.to_state).label, one.who or "系统", one.reason or "")  # type: ignore[call-arg]
        for one in known.transitions
    ]
    rows += [(one.asked_at, "要求补正", "", one.asked) for one in known.corrections]
    rows += [
        (one.ended_at, "补正" if one.answer else "收回补正要求", "", one.answer or "")
        for one in known.corrections
        if one.ended_at
    ]
    _table(page, ("时间", "事项", "办理人", "说明"), [(_when(at), *more) for at, *more in sorted(rows)])
    if known.evidence:
        page.add_heading("佐证材料目录", 1)
        _table(
            page,
            ("类别", "文件名", "上传时间", "SHA-256"),
            [(one.kind.label, one.name, _when(one.created_at), one.digest) for one in known.evidence],
        )
    page.add_paragraph(f"本档案由系统于 {_when(now())} 生成。")


def _text(page: Any, title: str, text: str | None, level: int = 1) -> None:
    if not text:
        return
    if title:
        page.add_heading(title, level)
    for line in text.splitlines():
        page.add_paragraph(line)


def _table(page: Any, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    table = page.add_table(rows=1, cols=len(head))
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, head, strict=True):
        cell.text = text
    for row in rows:
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = "" if value is None else str(value)


def _when(moment: datetime | None) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M}" if moment else ""


def _signed(change: int | None) -> str:
    return "" if change is None else f"{change:+d}"


def _figure(name: str, value: int | None) -> str:
    if value is None:
        return ""
    return f"{value / 100:.2f}" if name == "profit_margin" else f"{value:,}"


# --- the package


def _packed(title: str, written: bytes, attached: Sequence[Any]) -> IO[bytes]:
    """Returns the package as a file that is gone when it is closed: it is never whole in memory."""
    made = TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    missing = []
    with zipfile.ZipFile(made, "w") as package:  # what comes in is compressed already
        package.writestr(f"{title}.docx", written)
        for number, one in enumerate(attached, 1):
            name = f"{one.kind.label}/{number:03d}-{one.name}"
            try:
                package.writestr(name, files.store().read(one.object_name))
            except (FileMissing, StoreUnavailable) as error:
                log.error("file not read", object=one.object_name, reason=repr(error))
                missing.append(name)
        if missing:
            package.writestr(
                "缺少的材料.txt", "以下材料暂时无法取得，请稍后重新下载：\n" + "\n".join(missing)
            )
    made.seek(0)
    return made
