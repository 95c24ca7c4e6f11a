"""The size class 划型 of an enterprise, by the rules that are in force today."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from app.access import Actor
from app.errors import DomainError
from app.transactions import session, transaction
from models.base import now
from models.reference import Industry, SizeRuleRow
from models.size_class import (
    FIGURES,
    IndustryCodeError,
    SizeClass,
    SizeFiguresMissing,
    SizeRule,
    sector_of,
    size_class,
)


@dataclass(frozen=True)
class Yardstick:
    """The industries and one version of the size rules, read once for any number of enterprises."""

    version: str
    sectors: Mapping[str, str | None]
    rules: tuple[SizeRule, ...]

    def industry_code(self, text: str) -> str:
        """Returns the code with its section letter, which lists often leave out ("3670" is C3670)."""
        code = "".join(unicodedata.normalize("NFKC", text).upper().split())
        letters = (known[0] for known in self.sectors if len(known) == 3 and known[1:] == code[:2])
        return next(letters, "") + code if code.isdigit() else code

    def measure(
        self, industry_code: str, headcount: int | None, revenue: int | None, assets: int | None
    ) -> SizeClass:
        """Returns the size class (工信部联企业〔2011〕300号): persons, and whole 元.

        Raises DomainError `industry_unknown` or `size_figures_missing`.
        """
        try:
            sector = sector_of(industry_code, self.sectors)
            return size_class(sector, headcount, revenue, assets, self.rules)
        except IndustryCodeError as error:
            raise DomainError("industry_unknown", fields={"industry_code": [error.message]}) from None
        except SizeFiguresMissing as error:
            raise DomainError(
                "size_figures_missing",
                fields={name: ["该行业划型需要此项"] for name in error.fields},
                missing="、".join(FIGURES[name] for name in error.fields),
            ) from None


@transaction(None)
def yardstick(_actor: Actor) -> Yardstick:
    """Returns the yardstick in force today; raises LookupError where no rules were loaded."""
    in_force = (
        select(SizeRuleRow.version)
        .where(SizeRuleRow.effective_from <= now().date())
        .order_by(SizeRuleRow.effective_from.desc(), SizeRuleRow.version.desc())
        .limit(1)
    )
    rows = session().execute(select(SizeRuleRow).where(SizeRuleRow.version == in_force.scalar_subquery()))
    rules = list(rows.scalars())
    if not rules:
        raise LookupError("no size rules are in force")
    sectors = dict(session().execute(select(Industry.code, Industry.sector)).all())
    return Yardstick(rules[0].version, sectors, tuple(_rule(row) for row in rules))


def _rule(row: SizeRuleRow) -> SizeRule:
    return SizeRule(row.sector, SizeClass(row.size_class), row.min_headcount, row.min_revenue, row.min_assets)


@dataclass(frozen=True)
class Threshold:
    """The lower bounds of a class as people read them, and whether the figures meet them all."""

    label: str
    bounds: str
    met: bool


@dataclass(frozen=True)
class Explanation:
    """Why an enterprise has its size class: the sector, and the bounds from the largest class down."""

    sector: str | None
    thresholds: tuple[Threshold, ...]


@transaction(None)
def explain(
    _actor: Actor, version: str, industry_code: str, figures: Mapping[str, int | None]
) -> Explanation:
    """Returns how that version of the rules sees the figures: persons, and whole 元."""
    sectors = dict(session().execute(select(Industry.code, Industry.sector)).all())
    try:
        sector = sector_of(industry_code, sectors)
    except IndustryCodeError:  # the reference data no longer know the code
        return Explanation(None, ())
    rows = select(SizeRuleRow).where(SizeRuleRow.version == version, SizeRuleRow.sector == sector)
    rules = {rule.size_class: rule for rule in map(_rule, session().execute(rows).scalars())}
    falling = [rules[one] for one in reversed(SizeClass) if one in rules]
    return Explanation(sector, tuple(_threshold(rule, figures) for rule in falling))


def _threshold(rule: SizeRule, figures: Mapping[str, int | None]) -> Threshold:
    bounds = rule.bounds()
    said = [
        f"{FIGURES[name]} {bound:,} 人"
        if name == "headcount"
        else f"{FIGURES[name]} {bound / 10_000:,.0f} 万元"
        for name, bound in bounds.items()
    ]
    met = all((figures[name] or 0) >= bound for name, bound in bounds.items())
    return Threshold(rule.size_class.label, "、".join(said), met)
