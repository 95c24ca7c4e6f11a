"""Clusters and chains 产业集群（链）: what they are called, and which are meant.

They are tags: an enterprise holds the codes of any number of them, out of all vocabularies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from app.access import SYSTEM
from app.errors import DomainError
from app.services import reference
from models.enterprises import MAX_CLUSTERS
from models.reference import Cluster

_BETWEEN = re.compile(r"[、，,；;\n]+")


def names() -> dict[str, str]:
    """Returns what they are called by their codes, in order; the vocabulary is added to a name used twice."""
    every = reference.clusters(SYSTEM)
    used = Counter(one.name for one in every)
    return {one.code: _full(one) if used[one.name] > 1 else one.name for one in every}


def _full(one: Cluster) -> str:
    return f"{one.name}（{one.vocabulary}）"


def choices() -> list[tuple[str, str]]:
    """Returns code and name of each, for a form."""
    return list(names().items())


def said(codes: Iterable[str], called: Mapping[str, str]) -> str:
    """Returns the tags in words; what the vocabularies do not know any more is told by its code."""
    return "、".join(called.get(code, code) for code in codes)


def checked(codes: Iterable[str]) -> list[str]:
    """Returns the codes, each once and in order; raises DomainError `cluster_unknown`."""
    wanted, known = sorted(set(codes)), names()
    unknown = [code for code in wanted if code not in known]
    if unknown:
        raise DomainError("cluster_unknown", fields={"clusters": [f"没有“{'、'.join(unknown)}”"]})
    return wanted


class Reader:
    """Reads what people write in a cell: names or codes, with anything usual between them."""

    def __init__(self) -> None:
        self._meant: dict[str, set[str]] = {}
        for one in reference.clusters(SYSTEM):
            for text in (one.code, one.name, _full(one)):
                self._meant.setdefault(_plain(text), set()).add(one.code)

    def read(self, cell: str) -> list[str]:
        """Returns the codes that are meant; raises ValueError with the Chinese reason."""
        codes: set[str] = set()
        for text in filter(None, map(str.strip, _BETWEEN.split(cell))):
            meant = self._meant.get(_plain(text), set())
            if not meant:
                raise ValueError(f"没有“{text}”")
            if len(meant) > 1:
                raise ValueError(f"有多个“{text}”，请填写编号：{'、'.join(sorted(meant))}")
            codes |= meant
        if len(codes) > MAX_CLUSTERS:
            raise ValueError(f"至多 {MAX_CLUSTERS} 个")
        return sorted(codes)


def _plain(text: str) -> str:
    return "".join(text.casefold().split())
