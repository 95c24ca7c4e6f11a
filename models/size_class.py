"""The size class of an enterprise 划型 (工信部联企业〔2011〕300号, 国统字〔2017〕213号)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

INDUSTRY_CODE = re.compile(r"[A-T][0-9]{2,4}")


class SizeClass(StrEnum):
    """Size classes from the smallest up, and `unclassified` where the standard sets none."""

    micro = "micro"
    small = "small"
    medium = "medium"
    large = "large"
    unclassified = "unclassified"

    @property
    def label(self) -> str:
        """The Chinese name."""
        return LABELS[self]


LABELS = {
    SizeClass.micro: "微型",
    SizeClass.small: "小型",
    SizeClass.medium: "中型",
    SizeClass.large: "大型",
    SizeClass.unclassified: "不划型",
}
FIGURES = {"headcount": "从业人员", "revenue": "营业收入", "assets": "资产总额"}
INDUSTRY_MESSAGES = {
    "industry_code_format": "行业代码应为门类字母加 2 至 4 位数字，如 C36、C3670",
    "industry_code_unknown": "国民经济行业分类中没有这个代码，请核对门类字母和大类数字",
    "industry_code_too_coarse": "该大类包含不同的划型行业，请填写到中类（3 位数字）",
}


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Lower bounds of one class in one sector: persons and whole 元; None where a figure does not count."""

    sector: str
    size_class: SizeClass
    min_headcount: int | None
    min_revenue: int | None
    min_assets: int | None

    def bounds(self) -> dict[str, int]:
        """The bounds that count, by the name of the figure."""
        every = {"headcount": self.min_headcount, "revenue": self.min_revenue, "assets": self.min_assets}
        return {figure: bound for figure, bound in every.items() if bound is not None}


class IndustryCodeError(ValueError):
    """An industry code cannot be used; `code` is a stable reason, `message` its Chinese wording."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.message = INDUSTRY_MESSAGES[code]
        super().__init__(self.message)


class SizeFiguresMissing(ValueError):
    """The sector's rules need figures that were not given; `fields` names them."""

    code = "size_figures_missing"

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.message = "划型还需要填写：" + "、".join(FIGURES[field] for field in fields)
        super().__init__(self.message)


def sector_of(industry_code: str, industries: Mapping[str, str | None]) -> str | None:
    """Return the size-class industry of a GB/T 4754-2017 code, None where no size class is set.

    `industries` maps codes ("C36") to sectors; the longest prefix wins. Raises IndustryCodeError for a
    malformed or unknown code, and for one whose finer codes belong to different sectors (G59, K70).
    """
    if not INDUSTRY_CODE.fullmatch(industry_code):
        raise IndustryCodeError("industry_code_format")
    prefixes = (industry_code[:length] for length in range(len(industry_code), 2, -1))
    known = next((prefix for prefix in prefixes if prefix in industries), None)
    if known is None:
        raise IndustryCodeError("industry_code_unknown")
    sector = industries[known]
    if sector is None and any(finer for code, finer in industries.items() if code.startswith(known)):
        raise IndustryCodeError("industry_code_too_coarse")
    return sector


def size_class(
    sector: str | None,
    headcount: int | None,
    revenue: int | None,
    assets: int | None,
    rules: Iterable[SizeRule],
) -> SizeClass:
    """Return the highest class all of whose lower bounds are met, else micro; unclassified without sector.

    Headcount in persons, revenue and assets in whole 元. Raises SizeFiguresMissing when a figure that the
    sector's rules look at is None, LookupError when the sector has no rules.
    """
    if sector is None:
        return SizeClass.unclassified
    bounds = {rule.size_class: rule.bounds() for rule in rules if rule.sector == sector}
    if not bounds:
        raise LookupError(f"no size rules for sector {sector}")
    figures = {"headcount": headcount, "revenue": revenue, "assets": assets}
    missing = [
        name for name, value in figures.items() if value is None and any(name in b for b in bounds.values())
    ]
    if missing:
        raise SizeFiguresMissing(missing)
    for candidate in (SizeClass.large, SizeClass.medium, SizeClass.small):
        lower = bounds.get(candidate)
        if lower is not None and all((figures[name] or 0) >= bound for name, bound in lower.items()):
            return candidate
    return SizeClass.micro
