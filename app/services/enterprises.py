"""Enterprises: registering one, finding them, and keeping what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.pagination import Listing, Page, holds, like
from app.services import clusters, people, questionnaires, reference, sizing
from app.transactions import session, transaction
from models import credit_code
from models.base import division_patterns, in_divisions, new_id
from models.enterprises import Enterprise, EnterpriseState
from models.people import RoleGrant
from models.reference import Division
from models.size_class import FIGURES, SizeClass

NEEDS_SURVEY = "needs_survey"
CHOOSABLE = ("county", "branch")
"""The kinds of division to which an enterprise may belong."""

FIELDS = {
    "credit_code": "统一社会信用代码",
    "name": "企业名称",
    "division_id": "所属辖区",
    "industry_code": "行业代码",
    "clusters": "产业集群（链）",
    "headcount": "从业人员",
    "revenue": "营业收入",
    "assets": "资产总额",
    "address": "地址",
    "legal_representative": "法定代表人",
    NEEDS_SURVEY: "需求调查",
    "size_class": "企业规模",
    "size_rule_version": "划型标准版本",
}
"""What the facts of an enterprise are called on screen."""

LISTED: tuple[Any, ...] = (
    Enterprise.id,
    Enterprise.credit_code,
    Enterprise.name,
    Enterprise.division_id,
    Enterprise.industry_code,
    Enterprise.headcount,
    Enterprise.size_class,
    Enterprise.legal_representative,
    Enterprise.state,
    Enterprise.created_at,
)


@dataclass(frozen=True)
class Profile:
    """What an enterprise says of itself: headcount in persons, revenue and assets in whole 元."""

    name: str
    industry_code: str
    headcount: int | None = None
    revenue: int | None = None
    assets: int | None = None
    address: str | None = None
    legal_representative: str | None = None
    clusters: Sequence[str] = ()

    def columns(self, yardstick: sizing.Yardstick) -> dict[str, Any]:
        """Returns what is stored of it, the size class and its rules' version included.

        Raises DomainError `industry_unknown` or `size_figures_missing`.
        """
        code = yardstick.industry_code(self.industry_code)
        return {
            **asdict(self),
            "industry_code": code,
            "clusters": sorted(set(self.clusters)),
            "size_class": yardstick.measure(code, self.headcount, self.revenue, self.assets),
            "size_rule_version": yardstick.version,
        }


@transaction("enterprises.register")
def register(
    actor: Actor, code: str, division_id: str, profile: Profile, needs_survey: Mapping[str, Any]
) -> Enterprise:
    """Registers an enterprise, whose owner the registrant becomes.

    Raises DomainError `phone_required`, `credit_code_*` (GB 32100-2015), `division_unknown`,
    `industry_unknown`, `cluster_unknown`, `size_figures_missing`, `survey_invalid` or `enterprise_exists`,
    whose details name the enterprise that can be joined.
    """
    require_phone(actor)
    try:
        checked = credit_code.check(code)
    except credit_code.CreditCodeError as error:
        raise wrong_code(error) from None
    values = profile.columns(sizing.yardstick(actor)) | answered(actor, needs_survey)
    enterprise = make(checked, division_id, values)
    session().add(
        RoleGrant(
            user_id=signed_in(actor), role="owner", scope_type="enterprise", scope_id=str(enterprise.id)
        )
    )
    audit.record(actor, "enterprise.registered", enterprise, division=division_id)
    return enterprise


def make(code: str, division_id: str, values: Mapping[str, Any]) -> Enterprise:
    """Writes a new enterprise inside the caller's act; the unique credit code decides who was first.

    Raises DomainError `division_unknown`, `cluster_unknown` or `enterprise_exists`.
    """
    _require_choosable(division_id)
    clusters.checked(values["clusters"])
    statement = (
        insert(Enterprise)
        .values(
            id=new_id(),
            credit_code=code,
            division_id=division_id,
            state=EnterpriseState.registered,
            **values,
        )
        .on_conflict_do_nothing(index_elements=["credit_code"])
        .returning(Enterprise)
    )
    made = session().execute(statement).scalar()
    if made is None:
        existing = kept(SYSTEM, by_credit_code(SYSTEM, code))
        raise DomainError("enterprise_exists", id=existing.id, name=existing.name)
    return made


def wrong_code(error: credit_code.CreditCodeError) -> DomainError:
    """Returns the refusal of a credit code, under the field where it was typed."""
    return DomainError(error.code, fields={"credit_code": [error.message]})


@transaction(None)
def by_credit_code(_actor: Actor, code: str) -> Enterprise:
    """Returns the enterprise of a credit code, whoever's it is; raises DomainError `not_found`."""
    wanted = select(Enterprise).where(Enterprise.credit_code == credit_code.normalise(code))
    found = session().execute(wanted).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


@transaction(None)
def kept(_actor: Actor, enterprise: Enterprise) -> Enterprise:
    """Returns the enterprise that this one was merged into, whoever's it is; itself where it was not."""
    return find(enterprise.merged_into) if enterprise.merged_into else enterprise


def require_eligible(state: EnterpriseState) -> None:
    """Raises DomainError `enterprise_not_eligible` for the states in which an enterprise does nothing."""
    if state in (EnterpriseState.refused, EnterpriseState.merged):
        raise DomainError("enterprise_not_eligible", state=state.label)


def require_phone(actor: Actor) -> None:
    """Raises DomainError `phone_required` unless the person can be called."""
    if people.me(actor).phone_index is None:
        raise DomainError("phone_required")


def signed_in(actor: Actor) -> UUID:
    """Returns who acts; raises DomainError `sign_in_required` for the program itself."""
    if actor.user_id is None:
        raise DomainError("sign_in_required")
    return actor.user_id


def _require_choosable(division_id: str) -> None:
    kind = session().execute(select(Division.kind).where(Division.id == division_id)).scalar()
    if kind not in CHOOSABLE:
        reason = "没有这个辖区" if kind is None else "请选择县（市）区局或基层分局"
        raise DomainError("division_unknown", fields={"division_id": [reason]})


def answered(actor: Actor, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns of a needs survey answered in its current version; raises `survey_invalid`."""
    survey = reference.current_document(actor, NEEDS_SURVEY)
    return {
        "needs_survey": questionnaires.check(survey.content["questions"], answers, NEEDS_SURVEY),
        "needs_survey_version": survey.version,
    }


@transaction("enterprises.read")
def get(_actor: Actor, enterprise_id: UUID) -> Enterprise:
    """Returns an enterprise in reach; raises DomainError `not_found`."""
    return find(enterprise_id)


def find(enterprise_id: UUID, *, lock: bool = False) -> Enterprise:
    """Returns an enterprise in the reach of the running act; raises DomainError `not_found`."""
    wanted = select(Enterprise).where(Enterprise.id == enterprise_id)
    if lock:
        wanted = wanted.with_for_update()
    found = session().execute(wanted, execution_options={"populate_existing": True}).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


_SEARCH = Listing(
    select(*LISTED),
    [Enterprise.id],
    newest=True,
    q=holds(Enterprise.name, "q"),
    code=holds(Enterprise.credit_code, "code"),
    state=Enterprise.state == bindparam("state"),
    divisions=in_divisions(Enterprise.division_id, "divisions"),
    size_class=Enterprise.size_class == bindparam("size_class"),
)


@transaction("enterprises.read")
def search(
    _actor: Actor,
    *,
    q: str | None = None,
    code: str | None = None,
    state: EnterpriseState | None = None,
    division_id: str | None = None,
    size_class: SizeClass | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """Returns one page of the enterprises in reach, newest first.

    Args:
        q: part of the name.
        code: the beginning of the credit code.
        division_id: this division and those below it.
    """
    return _SEARCH.page(
        cursor,
        limit,
        q=like(q),
        code=like(credit_code.normalise(code), start=True) if code else None,
        state=state,
        divisions=division_patterns((division_id,)) if division_id else None,
        size_class=size_class,
    )


@transaction("enterprises.write")
def change(actor: Actor, enterprise_id: UUID, changes: Mapping[str, Any]) -> Enterprise:
    """Changes what an enterprise says of itself: fields of Profile, and `needs_survey`.

    The size class is worked out anew when the industry or a figure changes. Raises DomainError
    `not_found`, `enterprise_not_eligible` (refused or merged), `industry_unknown`, `cluster_unknown`,
    `size_figures_missing` or `survey_invalid`.
    """
    enterprise = find(enterprise_id, lock=True)
    require_eligible(enterprise.state)
    values = {name: value for name, value in changes.items() if name != NEEDS_SURVEY}
    if "clusters" in values:
        values["clusters"] = clusters.checked(values["clusters"])
    if values.keys() & {"industry_code", *FIGURES}:
        values = replace(_profile(enterprise), **values).columns(sizing.yardstick(actor))
    if NEEDS_SURVEY in changes:
        values |= answered(actor, changes[NEEDS_SURVEY])
    if not values:
        return enterprise
    audit.record(actor, "enterprise.changed", enterprise, fields=sorted(changes))
    return write(enterprise_id, values) or enterprise


def _profile(enterprise: Enterprise) -> Profile:
    return Profile(**{field.name: getattr(enterprise, field.name) for field in fields(Profile)})


def write(
    enterprise_id: UUID, values: Mapping[str, Any], *conditions: ColumnElement[bool]
) -> Enterprise | None:
    """Writes columns of an enterprise in the reach of the running act; None where a condition fails."""
    statement = (
        update(Enterprise)
        .where(Enterprise.id == enterprise_id, *conditions)
        .values(**values)
        .returning(Enterprise)
    )
    options = {"populate_existing": True, "synchronize_session": False}
    return session().execute(statement, execution_options=options).scalar()
