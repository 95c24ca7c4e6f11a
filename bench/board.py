"""The board of cases: what it costs with ten thousand of them, against a hundred."""

from __future__ import annotations

import statistics
import time
from typing import Any

from flask import Flask

from bench.scenes import Wrong
from tests.builders import World
from tests.case_builders import many
from tests.console_client import Desk, desk
from tests.statements import queries

FEW, MANY = 100, 10_000
ROUNDS = 20
PATH = "/console/cases"


def rows(app: Flask, world: World) -> list[dict[str, Any]]:
    """Measures the board in this process; raises Wrong when more cases take more statements."""
    measured = []
    for number, county in ((FEW, "js.xz.yunlong"), (MANY, "js.xz.quanshan")):
        at = desk(world, "county_staff", county)
        many(world, number, county, at.person.id)
        measured.append(_measure(app, at))
    (least, few_ms), (ours, many_ms) = measured
    if ours != least:
        raise Wrong(f"the board takes {least} statements for {FEW} cases and {ours} for {MANY}")
    same = {"goal": None, "p99_ms": None, "statements": ours}
    return [
        {
            "name": f"case board, {MANY:,} cases, a second",
            "ours": round(1000 / many_ms, 1),
            "floor": round(1000 / few_ms, 1),
            "ratio": round(few_ms / many_ms, 3),
            "p50_ms": round(many_ms, 1),
            "floor_p50_ms": round(few_ms, 1),
            **same,
        }
    ]


def _measure(app: Flask, at: Desk) -> tuple[int, float]:
    """Returns the statements and the median milliseconds of a page, once it has been opened before."""
    at.get(PATH)
    with queries(app) as seen:
        at.get(PATH)
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        if at.get(PATH).status_code != 200:
            raise Wrong("the board did not open")
        taken.append((time.perf_counter() - began) * 1000)
    return len(seen), statistics.median(taken)
