"""Reference data: what the files in config/reference say, in the database where it can be edited."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.access import Actor
from app.errors import DomainError
from app.transactions import session, transaction
from config.settings import ROOT
from models.agencies import Agency
from models.base import now
from models.cases import StepDeadline
from models.financing import Bank
from models.reference import Cluster, Division, Document, Industry, Scheme, SizeRuleRow

FILES = ROOT / "config" / "reference"


@transaction(None)
def load(_actor: Actor) -> dict[str, int]:
    """Loads the files, replacing rows of the same key; returns the number of rows by table."""
    rules = _read("size_rules.json")
    clusters = [
        {**cluster, "vocabulary": vocabulary["name"]}
        for vocabulary in _read("clusters.json")["vocabularies"]
        for cluster in vocabulary["clusters"]
    ]
    documents = [
        ("privacy", _read("privacy-notice.json")),
        ("needs_survey", _read("needs-survey.json")),
        ("diagnosis", _read("diagnosis-form.json")),
    ]
    sources: list[tuple[Any, Iterable[dict[str, Any]]]] = [
        (Division, _read("divisions.json")["divisions"]),
        (Industry, _read("industries.json")["industries"]),
        (Cluster, _numbered(clusters)),
        (Scheme, _numbered(_read("schemes.json")["schemes"])),
        (SizeRuleRow, [{**rules, **rule, "size_class": rule["class"]} for rule in rules["rules"]]),
        (StepDeadline, _read("step-deadlines.json")["deadlines"]),
        (Document, [{**document, "kind": kind, "content": document} for kind, document in documents]),
    ]
    return {model.__tablename__: _replace(model, list(rows)) for model, rows in sources}


def _read(name: str) -> Any:
    return json.loads((FILES / name).read_text(encoding="utf-8"))


def _numbered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "position": number} for number, row in enumerate(rows, 1)]


def _replace(model: Any, rows: list[dict[str, Any]]) -> int:
    columns = [column.key for column in model.__table__.columns]
    keys = [column.key for column in model.__table__.primary_key]
    statement = insert(model).values([{key: row.get(key) for key in columns} for row in rows])
    session().execute(
        statement.on_conflict_do_update(
            index_elements=keys, set_={key: statement.excluded[key] for key in columns if key not in keys}
        )
    )
    return len(rows)


@transaction(None)
def current_document(_actor: Actor, kind: str) -> Document:
    """Returns the version of a document that is in force today; raises DomainError `not_found`."""
    today: date = now().date()
    found = (
        session()
        .execute(
            select(Document)
            .where(Document.kind == kind, Document.effective_from <= today)
            .order_by(Document.effective_from.desc(), Document.version.desc())
            .limit(1)
        )
        .scalar()
    )
    if found is None:
        raise DomainError("not_found")
    return found


@transaction(None)
def document(_actor: Actor, kind: str, version: str) -> Document | None:
    """Returns one version of a document, if it is known."""
    return session().get(Document, (kind, version))


@transaction(None)
def divisions(_actor: Actor) -> list[Division]:
    """Returns the division tree in the order of its paths."""
    return list(session().execute(select(Division).order_by(Division.position, Division.id)).scalars())


@transaction(None)
def division_names(_actor: Actor) -> dict[str, str]:
    """Returns the short names of all divisions by their paths."""
    return dict(session().execute(select(Division.id, Division.short_name)).all())


@transaction(None)
def scope_names(_actor: Actor, scopes: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Returns the names of divisions, agencies and banks by (scope type, scope id)."""
    names: dict[tuple[str, str], str] = {}
    for kind, model, name, read in (
        ("division", Division, Division.short_name, str),
        ("agency", Agency, Agency.name, UUID),
        ("bank", Bank, Bank.name, UUID),
    ):
        wanted = [read(scope) for of, scope in scopes if of == kind]
        if wanted:
            found = session().execute(select(model.id, name).where(model.id.in_(wanted)))
            names |= {(kind, str(id_)): text for id_, text in found}
    return names


@transaction(None)
def industry_names(_actor: Actor) -> dict[str, str]:
    """Returns the names of all industries by their codes."""
    return dict(session().execute(select(Industry.code, Industry.name)).all())


@transaction(None)
def industries(_actor: Actor) -> list[Industry]:
    """Returns the industries that an enterprise may choose."""
    return list(session().execute(select(Industry).order_by(Industry.code)).scalars())


@transaction(None)
def clusters(_actor: Actor) -> list[Cluster]:
    """Returns the clusters and chains, vocabulary by vocabulary."""
    return list(session().execute(select(Cluster).order_by(Cluster.position, Cluster.code)).scalars())


@transaction(None)
def schemes(_actor: Actor) -> list[Scheme]:
    """Returns the schemes of certification, the usual ones first."""
    return list(session().execute(select(Scheme).order_by(Scheme.position, Scheme.code)).scalars())


@transaction(None)
def scheme_names(_actor: Actor) -> dict[str, str]:
    """Returns the names of all schemes by their codes, the usual ones first."""
    return {one.code: one.name for one in schemes(_actor)}


@transaction(None)
def check_schemes(_actor: Actor, field: str, codes: Collection[str]) -> None:
    """Raises DomainError `validation_failed` at the field unless there are all of these schemes."""
    if codes and not set(codes) <= scheme_names(_actor).keys():
        raise DomainError("validation_failed", fields={field: ["没有这个认证类别"]})
