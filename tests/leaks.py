"""pytest plugin: a test fails when what the program wrote while it ran holds anything personal or secret.

It looks at what pytest captured of stdout and stderr, where the program logs, for the shapes of what
must never be there; the secrets of the tests' own settings and the names of their people are named.
"""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest

SHAPES = {
    "a mobile number": r"(?<![\w.-])(?:\+?86[ -]?)?1[3-9]\d{9}(?!\w)",
    "an openid": r"\bo(?:[0-9a-f]{32}|[\w-]{27})(?![\w-])",
    "a token of ours": r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{43}(?![\w-])",
    "a ticket or hall code": r"\b[TH][0-9A-HJKMNP-TV-Z]{18}\b",
    "a name": "王小明|李质量|王敏",
    "a secret of the settings": "test-secret|test-push-token|B{42}|MDEyMzQ1Njc4OWFi",
    "an address with credentials": r"\w+://[^\s/@:]+:[^\s/@]+@",
}
_PATTERN = re.compile("|".join(f"(?P<_{number}>{shape})" for number, shape in enumerate(SHAPES.values())))


def leaks_in(output: str) -> list[str]:
    """Returns the kinds of things in `output` that must not be there."""
    names = list(SHAPES)
    return sorted({names[int(str(found.lastgroup)[1:])] for found in _PATTERN.finditer(output)})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test whose output holds what must not be there."""
    report = yield
    now = {f"Captured {stream} {report.when}" for stream in ("stdout", "stderr")}
    wrote = "".join(text for name, text in report.sections if name in now)
    if report.passed and (found := leaks_in(wrote)):
        report.outcome, report.longrepr = "failed", f"the program wrote {', '.join(found)}; see what it wrote"
    return report
