"""Transfers: imports and exports of workbooks that run in the background.

Whoever starts one may leave the page and come back. The job acts as that person, with the roles held
when it runs; it may run again after a crash, which harms nothing: an import takes nothing over twice, an
export is only read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import delete, func, select, update

from app import audit, outbox, registers
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.logs import log
from app.services import people
from app.transactions import begin, session, transaction
from app.workbooks import Column, Outcome, Row, WorkbookError, read_rows, write_rejected, write_rows
from app.workbooks.intake import check_package, load_bytes
from models.base import now
from models.labels import Labelled
from models.transfers import FileRole, Transfer, TransferFile, TransferState

KEPT = timedelta(days=7)
PROGRESS_EVERY = 200
UNDER_WAY = (TransferState.waiting, TransferState.running)
EXPORT = "export"

_LISTED = (
    Transfer.id,
    Transfer.kind,
    Transfer.title,
    Transfer.state,
    Transfer.done,
    Transfer.total,
    Transfer.summary,
    Transfer.error,
    Transfer.created_at,
    Transfer.finished_at,
    Transfer.expires_at,
)


@dataclass(frozen=True)
class Import:
    """A kind of import: what it takes over, and who may.

    Args:
        run: takes the rows over and yields an outcome (row, result, reason) for each, in their order; with
            the parameters that it was started with as keywords. It commits in steps of its own.
        results: what may become of a row; one of them is `rejected`.
        explained: column key → what to write in it; and an example row, for the template.
    """

    kind: str
    title: str
    permission: str
    columns: Sequence[Column]
    results: type[Labelled]
    run: Callable[..., Iterator[Outcome]]
    example: Mapping[str, Any]


_imports: dict[str, Import] = {}


def register_import(
    kind: str,
    title: str,
    permission: str,
    columns: Sequence[Column],
    results: type[Labelled],
    run: Callable[..., Iterator[Outcome]],
    example: Mapping[str, Any],
) -> Import:
    """Makes a kind of import known, and returns it."""
    made = _imports[kind] = Import(kind, title, permission, columns, results, run, example)
    return made


def imports(kind: str) -> Import:
    """Returns the kind of import of that name; raises KeyError."""
    return _imports[kind]


def template(kind: Import) -> bytes:
    """Returns the empty workbook of an import: the header that is expected, and one row as an example."""
    stream = BytesIO()
    write_rows(stream, kind.title, kind.columns, [kind.example])
    return stream.getvalue()


@transaction("people.staff")
def start_import(actor: Actor, /, kind: Import, name: str, content: bytes, **parameters: Any) -> Transfer:
    """Takes a workbook in and starts its import; its rows are looked at in the background.

    Raises DomainError `permission_denied`, or the `workbook_*` that says why the file is refused.
    """
    actor.acting(kind.permission)
    try:
        check_package(load_bytes(BytesIO(content)))
    except WorkbookError as error:
        raise DomainError(error.code, fields={"file": [error.message_zh]}) from None
    transfer = _start(actor, kind.kind, f"{kind.title}：{name}", parameters)
    session().add(
        TransferFile(
            transfer_id=transfer.id,
            role=FileRole.source,
            user_id=transfer.user_id,
            name=name[-120:],
            content=content,
        )
    )
    return transfer


@transaction("people.staff")
def start_export(
    actor: Actor, /, register: registers.Register, asked: Mapping[str, str], **of: Any
) -> Transfer:
    """Starts the export of what a register shows for `asked`; raises DomainError `permission_denied`."""
    actor.acting(register.permission)
    parameters = {
        "register": register.name,
        "asked": dict(asked),
        "of": {name: str(value) for name, value in of.items()},
    }
    return _start(actor, EXPORT, f"导出{register.title}", parameters)


def _start(actor: Actor, kind: str, title: str, parameters: Mapping[str, Any]) -> Transfer:
    if actor.user_id is None:
        raise DomainError("sign_in_required")
    transfer = Transfer(
        user_id=actor.user_id,
        kind=kind,
        title=title[:120],
        parameters=json.dumps(parameters, ensure_ascii=False, default=str),
        expires_at=now() + KEPT,
    )
    session().add(transfer)
    session().flush()
    outbox.defer("transfers.run", transfer_id=str(transfer.id))
    audit.record(actor, "transfer.started", transfer, kind=_named(kind, transfer.title))
    return transfer


def _named(kind: str, title: str) -> str:
    # What is audited holds no name that somebody gave a file.
    return _imports[kind].title if kind in _imports else title


# --- what its owner sees of it


@transaction("people.staff")
def mine(_actor: Actor, limit: int = 50) -> list[Any]:
    """Returns one's own transfers, newest first."""
    return list(session().execute(select(*_LISTED).order_by(Transfer.id.desc()).limit(limit)))


@transaction("people.staff")
def under_way(_actor: Actor) -> int:
    """Returns how many of one's own transfers are not finished."""
    wanted = select(func.count()).select_from(Transfer).where(Transfer.state.in_(UNDER_WAY))
    return session().execute(wanted).scalar_one()


@transaction("people.staff")
def get(_actor: Actor, transfer_id: UUID) -> dict[str, Any]:
    """Returns one's own transfer with the files that are kept of it; raises DomainError `not_found`."""
    found = session().execute(select(*_LISTED).where(Transfer.id == transfer_id)).first()
    if found is None:
        raise DomainError("not_found")
    kept = select(
        TransferFile.role, TransferFile.name, func.length(TransferFile.content).label("bytes")
    ).where(TransferFile.transfer_id == transfer_id)
    kind = _imports.get(found.kind)
    labels = {one.value: one.label for one in kind.results} if kind else {}
    return {
        **found._mapping,
        "files": {row.role: row for row in session().execute(kept)},
        "labels": labels,
    }


@transaction("people.staff")
def download(actor: Actor, transfer_id: UUID, role: FileRole) -> tuple[str, bytes]:
    """Returns the name and the content of a file of one's own; raises DomainError `not_found`."""
    wanted = select(TransferFile.name, TransferFile.content).where(
        TransferFile.transfer_id == transfer_id, TransferFile.role == role
    )
    found = session().execute(wanted).first()
    if found is None:
        raise DomainError("not_found")
    audit.record(actor, "transfer.downloaded", (Transfer.__tablename__, transfer_id), file=role)
    return found.name, found.content


# --- in the background


def run(transfer_id: UUID) -> None:
    """Carries a transfer out, as the person who started it."""
    begun = _begin(SYSTEM, transfer_id)
    if begun is None:
        return
    kind, user_id, parameters = begun
    try:
        actor = people.actor_of(SYSTEM, user_id)
        if kind == EXPORT:
            _export(actor, transfer_id, **parameters)
        else:
            _import(actor, transfer_id, _imports[kind], parameters)
    except (DomainError, WorkbookError) as error:
        said = error.message_zh if isinstance(error, WorkbookError) else error.message
        _fail(SYSTEM, transfer_id, said)
    except Exception as error:
        log.error("crash", exc_info=error)
        _fail(SYSTEM, transfer_id, "系统出错，已记录，请稍后重试")


@transaction(None)
def _begin(_actor: Actor, transfer_id: UUID) -> tuple[str, UUID, dict[str, Any]] | None:
    started = (
        update(Transfer)
        .where(Transfer.id == transfer_id, Transfer.state.in_(UNDER_WAY))
        .values(state=TransferState.running, started_at=now(), done=0)
        .returning(Transfer.kind, Transfer.user_id, Transfer.parameters)
    )
    found = session().execute(started).first()
    return (found.kind, found.user_id, json.loads(found.parameters)) if found else None


def _import(actor: Actor, transfer_id: UUID, kind: Import, parameters: Mapping[str, Any]) -> None:
    rows = read_rows(BytesIO(_source(SYSTEM, transfer_id)), kind.columns)
    _progress(transfer_id, 0, len(rows))
    counts: Counter[str] = Counter()
    rejected: list[tuple[Row, str]] = []
    for number, outcome in enumerate(kind.run(actor, rows, **parameters), 1):
        counts[outcome.result.value] += 1
        if outcome.result.value == "rejected":
            rejected.append((outcome.row, outcome.reason))
        if number % PROGRESS_EVERY == 0:
            _progress(transfer_id, number, len(rows))
    files = {}
    if rejected:
        stream = BytesIO()
        write_rejected(stream, f"{kind.title}：未导入的行", kind.columns, rejected)
        files[FileRole.rejected] = (f"未导入的行-{now():%Y%m%d-%H%M}.xlsx", stream.getvalue())
    _finish(SYSTEM, actor, transfer_id, len(rows), dict(counts), files)


@transaction(None)
def _source(_actor: Actor, transfer_id: UUID) -> bytes:
    wanted = select(TransferFile.content).where(
        TransferFile.transfer_id == transfer_id, TransferFile.role == FileRole.source
    )
    content: bytes = session().execute(wanted).scalar_one()
    return content


def _export(
    actor: Actor, transfer_id: UUID, register: str, asked: Mapping[str, str], of: Mapping[str, str]
) -> None:
    wanted = registers.register(register)
    if wanted is None:
        raise DomainError("not_found")
    stream = BytesIO()
    with begin(actor.acting(wanted.permission)):
        whose = {name: wanted.of[name](value) for name, value in of.items()}
        total, rows = wanted.rows(asked, **whose)
        columns = wanted.columns_of(**whose)
        written = write_rows(stream, wanted.title, columns, _followed(transfer_id, total, rows))
    files = {FileRole.result: (f"{wanted.title}-{now():%Y%m%d-%H%M}.xlsx", stream.getvalue())}
    _finish(SYSTEM, actor, transfer_id, written, {"exported": written}, files)


def _followed(transfer_id: UUID, total: int, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Passes rows on as a workbook holds them, and tells how far it is."""
    for number, row in enumerate(rows, 1):
        if number % PROGRESS_EVERY == 1:
            _progress(transfer_id, number - 1, max(total, number))
        yield {key: value.label if isinstance(value, Labelled) else value for key, value in row.items()}


def _progress(transfer_id: UUID, done: int, total: int) -> None:
    # On a session of its own: what the transfer reads or writes is another transaction.
    with current_app.app_context():
        _note_progress(SYSTEM, transfer_id, done, total)


@transaction(None)
def _note_progress(_actor: Actor, transfer_id: UUID, done: int, total: int) -> None:
    session().execute(update(Transfer).where(Transfer.id == transfer_id).values(done=done, total=total))


@transaction(None)
def _finish(
    _system: Actor,
    actor: Actor,
    transfer_id: UUID,
    rows: int,
    summary: dict[str, int],
    files: Mapping[FileRole, tuple[str, bytes]],
) -> None:
    finished = (
        update(Transfer)
        .where(Transfer.id == transfer_id, Transfer.state == TransferState.running)
        .values(
            state=TransferState.done,
            done=rows,
            total=rows,
            summary=summary,
            finished_at=now(),
            expires_at=now() + KEPT,
        )
        .returning(Transfer.user_id, Transfer.kind, Transfer.title)
    )
    found = session().execute(finished).first()
    if found is None:
        return
    for role, (name, content) in files.items():
        session().add(
            TransferFile(
                transfer_id=transfer_id, role=role, user_id=found.user_id, name=name, content=content
            )
        )
    audit.record(
        actor,
        "transfer.finished",
        (Transfer.__tablename__, transfer_id),
        kind=_named(found.kind, found.title),
        summary=summary,
    )


@transaction(None)
def _fail(_actor: Actor, transfer_id: UUID, reason: str) -> None:
    failed = update(Transfer).where(Transfer.id == transfer_id, Transfer.state.in_(UNDER_WAY))
    session().execute(failed.values(state=TransferState.failed, error=reason[:200], finished_at=now()))


@transaction(None)
def forget(_actor: Actor) -> None:
    """Forgets the transfers whose files are no longer kept, with the files."""
    session().execute(delete(Transfer).where(Transfer.expires_at < now()))
