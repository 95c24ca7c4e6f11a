"""Evidence of a case: uploaded, listed, shown by short-lived links, removed; and what nobody names swept.

A file is looked through and stored before the act that attaches it, for nothing calls the network in a
transaction. What an act that failed has left in the store is swept later; what an act has attached is
there for certain.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app import audit, files, uploads, virus_scan
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.files import FileMissing, StoreUnavailable
from app.logs import log
from app.services import case_moves, cases, people
from app.services.enterprises import signed_in
from app.transactions import session, transaction
from app.uploads import Upload
from config.settings import settings
from models.base import Base, now
from models.cases import OPEN, Case, CaseTraining, Finding, Visit
from models.crypto import keyring
from models.evidence import MOST, Evidence, EvidenceKind, StoredFile

LINK_SECONDS = 300
KEPT = timedelta(days=1)
"""How long a content stays that nothing names: longer than any upload takes."""
THUMBNAIL = ".thumbnail"
_BELONGS: dict[str, type[Base]] = {"finding_id": Finding, "visit_id": Visit, "training_id": CaseTraining}


@dataclass(frozen=True)
class File:
    """A content to be served."""

    name: str
    media_type: str
    content: bytes


class _Swept(Exception):
    """The content went between being found and being attached: it has to be stored again."""


def check_size(size: int) -> None:
    """Raises DomainError `file_too_large`."""
    if size > settings().file_megabytes * 1024 * 1024:
        raise DomainError("file_too_large", megabytes=settings().file_megabytes)


def add(
    actor: Actor, case_id: UUID, kind: EvidenceKind, name: str, content: bytes, **belongs: UUID | None
) -> Evidence:
    """Attaches a file to an open case in reach, and returns it; the same content once.

    Args:
        belongs: `finding_id`, `visit_id` or `training_id` of the case, where the file is about one.

    Raises DomainError `not_found`, `case_state`, `file_too_large`, `file_refused`, `file_infected`,
    `files_unavailable` or `evidence_too_many`.
    """
    open_for(actor, case_id)
    check_size(len(content))
    upload = uploads.inspect(name, content)
    try:
        if threat := virus_scan.threat_in(upload.content):
            _record_threat(actor, case_id, threat)
            raise DomainError("file_infected")
        digest = hashlib.sha256(upload.content).hexdigest()
        while True:
            stored = None if _known(SYSTEM, digest) else _store(digest, upload)
            try:
                return _attach(actor, case_id, kind, upload.name, digest, stored, belongs)
            except _Swept:
                continue
    except (StoreUnavailable, virus_scan.ScannerUnavailable) as error:
        log.error("files unavailable", reason=str(error))
        raise DomainError("files_unavailable") from error


@transaction("evidence.write")
def open_for(_actor: Actor, case_id: UUID) -> Case:
    """Returns a case to which files may be attached; raises DomainError `not_found` or `case_state`."""
    case = cases.find(case_id)
    case_moves.require_state(case, *OPEN)
    return case


@transaction("evidence.write")
def _record_threat(actor: Actor, case_id: UUID, threat: str) -> None:
    audit.record(actor, "evidence.infected", (Case.__tablename__, case_id), threat=threat[:100])


@transaction(None)
def _known(_system: Actor, digest: str) -> bool:
    return session().get(StoredFile, digest) is not None


def _store(digest: str, upload: Upload) -> StoredFile:
    name = _new_name(digest)
    files.store().write(name, upload.content)
    if upload.thumbnail:
        files.store().write(name + THUMBNAIL, upload.thumbnail)
    return StoredFile(
        digest=digest,
        object_name=name,
        size=len(upload.content),
        media_type=upload.media_type,
        key_id=keyring().key_id,
        has_thumbnail=upload.thumbnail is not None,
    )


def _new_name(digest: str) -> str:
    return f"{digest}.{secrets.token_hex(8)}"


@transaction("evidence.write")
def _attach(
    actor: Actor,
    case_id: UUID,
    kind: EvidenceKind,
    name: str,
    digest: str,
    stored: StoredFile | None,
    belongs: Mapping[str, Any],
) -> Evidence:
    case = case_moves.hold(case_id)
    case_moves.require_state(case, *OPEN)
    for field, model in _BELONGS.items():
        _check_belongs(model, case_id, field, belongs.get(field))
    here = select(Evidence).where(Evidence.case_id == case_id)
    same = session().execute(here.where(Evidence.digest == digest)).scalar()
    if same is not None:
        return same
    count = select(func.count()).select_from(Evidence).where(Evidence.case_id == case_id)
    if session().execute(count).scalar_one() >= MOST:
        raise DomainError("evidence_too_many", most=MOST)
    _hold_content(digest, stored)
    by = signed_in(actor)
    made = Evidence(case_id=case_id, digest=digest, kind=kind, name=name, uploaded_by=by, **belongs)
    session().add(made)
    audit.record(actor, "evidence.added", case, evidence=str(made.id), kind=kind.label)
    session().flush()
    return made


def _check_belongs(model: Any, case_id: UUID, field: str, wanted: UUID | None) -> None:
    if wanted is None:
        return
    found = select(model.id).where(model.id == wanted, model.case_id == case_id)
    if session().execute(found).first() is None:
        raise DomainError("validation_failed", fields={field: ["不属于此项目"]})


def _hold_content(digest: str, stored: StoredFile | None) -> None:
    """Makes sure of a content's row until the act is over; raises _Swept."""
    if stored is not None:
        columns = (column.key for column in StoredFile.__table__.columns if column.key != "created_at")
        values = {name: getattr(stored, name) for name in columns}
        # Somebody else may have stored it meanwhile: then ours is swept.
        session().execute(insert(StoredFile).values(values).on_conflict_do_nothing())
    held = select(StoredFile.digest).where(StoredFile.digest == digest).with_for_update(key_share=True)
    if session().execute(held).first() is None:
        raise _Swept


# --- looking


@transaction("evidence.read")
def of_case(_actor: Actor, case_id: UUID) -> Sequence[Any]:
    """Returns the files of a case, the oldest first, with what is known of their contents.

    Raises DomainError `not_found` for a case out of reach.
    """
    cases.find(case_id)
    found = (
        select(
            Evidence.id,
            Evidence.kind,
            Evidence.name,
            Evidence.finding_id,
            Evidence.visit_id,
            Evidence.training_id,
            Evidence.uploaded_by,
            Evidence.created_at,
            StoredFile.digest,
            StoredFile.object_name,
            StoredFile.size,
            StoredFile.media_type,
            StoredFile.has_thumbnail,
        )
        .join(StoredFile, StoredFile.digest == Evidence.digest)
        .where(Evidence.case_id == case_id)
        .order_by(Evidence.id)
    )
    return session().execute(found).all()


def fetch(actor: Actor, evidence_id: UUID, *, thumbnail: bool = False) -> File:
    """Returns a file in reach, or its thumbnail.

    Raises DomainError `not_found` or `files_unavailable`.
    """
    name, stored = _find(actor, evidence_id)
    if thumbnail and not stored.has_thumbnail:
        raise DomainError("not_found")
    content = _read(stored.object_name + (THUMBNAIL if thumbnail else ""))
    return File(name, "image/jpeg" if thumbnail else stored.media_type, content)


@transaction("evidence.read")
def _find(_actor: Actor, evidence_id: UUID) -> tuple[str, StoredFile]:
    found = (
        select(Evidence.name, StoredFile)
        .join(StoredFile, StoredFile.digest == Evidence.digest)
        .where(Evidence.id == evidence_id)
    )
    row = session().execute(found).first()
    if row is None:
        raise DomainError("not_found")
    return row.name, row.StoredFile


def _read(object_name: str) -> bytes:
    try:
        return files.store().read(object_name)
    except (FileMissing, StoreUnavailable) as error:
        log.error("file not read", object=object_name, reason=repr(error))
        raise DomainError("files_unavailable") from error


# --- links


@dataclass(frozen=True)
class Link:
    """The token of a link, and until when it opens."""

    token: str
    expires_at: datetime


def link(actor: Actor, evidence_id: UUID, *, thumbnail: bool = False) -> Link:
    """Returns a link to a file in reach, good for five minutes and for this person's reach only.

    Raises DomainError `not_found`.
    """
    _find(actor, evidence_id)
    return token_of(actor, evidence_id, thumbnail=thumbnail)


def token_of(actor: Actor, evidence_id: UUID, *, thumbnail: bool = False) -> Link:
    """Returns a link to what the caller has just read under this actor: opening it asks again."""
    token = _signer().dumps([str(evidence_id), str(actor.user_id), int(thumbnail)])
    return Link(token, now() + timedelta(seconds=LINK_SECONDS))


def opened(token: str) -> File:
    """Returns the file of a link, if whom it was made for may still see it.

    Raises DomainError `file_link_expired`, `permission_denied`, `not_found` or `files_unavailable`.
    """
    try:
        evidence_id, user_id, thumbnail = _signer().loads(token, max_age=LINK_SECONDS)
    except BadSignature:
        raise DomainError("file_link_expired") from None
    actor = people.actor_of(SYSTEM, UUID(user_id)).acting("evidence.read")
    return fetch(actor, UUID(evidence_id), thumbnail=bool(thumbnail))


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(keyring().purpose_key("evidence links"), salt="evidence")


# --- removing


@transaction("evidence.write")
def remove(actor: Actor, evidence_id: UUID) -> Case:
    """Removes a file from an open case: one's own, or any of it for staff; returns the case.

    Raises DomainError `not_found`, `case_state` or `evidence_not_own`.
    """
    found = session().execute(select(Evidence).where(Evidence.id == evidence_id)).scalar()
    if found is None:
        raise DomainError("not_found")
    case = case_moves.hold(found.case_id)
    case_moves.require_state(case, *OPEN)
    if found.uploaded_by != actor.user_id and not actor.may("cases.desk"):
        raise DomainError("evidence_not_own")
    audit.record(actor, "evidence.removed", case, evidence=str(evidence_id), kind=found.kind.label)
    session().delete(found)
    return case


# --- another data key


def reseal() -> int:
    """Stores anew, under a new name, what is not sealed with the current data key; returns how many.

    It may be interrupted and run again: an object that no content names is swept. A file that the store has
    lost is told in the log and left as it is. Raises KeyError for a file whose key is no longer configured,
    StoreUnavailable.
    """
    done = 0
    for old in _sealed_before(SYSTEM):
        try:
            _reseal(old)
        except FileMissing:
            log.error("file not read", object=old.object_name, reason="missing")
            continue
        done += 1
    return done


def _reseal(old: StoredFile) -> None:
    store, name = files.store(), _new_name(old.digest)
    parts = ("", THUMBNAIL) if old.has_thumbnail else ("",)
    for part in parts:
        store.write(name + part, store.read(old.object_name + part))
    _rename(SYSTEM, old, name)
    for part in parts:
        store.remove(old.object_name + part)


@transaction(None)
def _sealed_before(_system: Actor) -> Sequence[StoredFile]:
    stale = select(StoredFile).where(StoredFile.key_id != keyring().key_id).order_by(StoredFile.digest)
    return session().execute(stale).scalars().all()


@transaction(None)
def _rename(_system: Actor, old: StoredFile, name: str) -> None:
    # Whoever reads the old name at this moment has found the content before; the next one finds the new.
    same = (StoredFile.digest == old.digest, StoredFile.object_name == old.object_name)
    renamed = update(StoredFile).where(*same).values(object_name=name, key_id=keyring().key_id)
    session().execute(renamed, execution_options={"synchronize_session": False})


# --- sweeping


def sweep() -> int:
    """Deletes contents that no case names and objects that no content names; returns how many.

    Both only when they are older than a day: an upload under way is younger.
    """
    before = now() - KEPT
    swept = list(_forget(SYSTEM, before))
    store = files.store()
    named = _named(SYSTEM)
    for name in store.older_than(before):
        if name.removesuffix(THUMBNAIL) not in named:
            store.remove(name)
            swept.append(name)
    return len(swept)


@transaction(None)
def _forget(_system: Actor, before: datetime) -> Sequence[str]:
    unnamed = ~exists().where(Evidence.digest == StoredFile.digest)
    gone = delete(StoredFile).where(StoredFile.created_at < before, unnamed)
    options = {"synchronize_session": False}
    return (
        session().execute(gone.returning(StoredFile.object_name), execution_options=options).scalars().all()
    )


@transaction(None)
def _named(_system: Actor) -> frozenset[str]:
    return frozenset(session().execute(select(StoredFile.object_name)).scalars())
