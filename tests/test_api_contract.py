"""The API and its OpenAPI document agree, and what every endpoint does with a request it cannot use."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from models.trainings import TrainingState
from tests.builders import Person, World
from tests.places import Place, place, undone


@pytest.fixture(scope="module")
def app(app_with_platform: Flask) -> Flask:
    return app_with_platform


@pytest.fixture(scope="module")
def there(app: Flask) -> Place:
    return place(World(app), "js.xz.fengxian", TrainingState.published)


@pytest.fixture(scope="module")
def everybody(app: Flask, there: Place) -> Person:
    """Somebody in many roles, so that requests get past the permissions."""
    return World(app).person(
        grants=[
            ("owner", "enterprise", str(there.ids["enterprise_id"])),
            ("trainer", "training", str(there.ids["training_id"])),
            ("city_staff", "division", "js.xz"),
            ("system_administrator", "division", "js.xz"),
            ("agency_staff", "agency", str(there.ids["agency_id"])),
        ]
    )


@pytest.fixture(scope="module")
def operations(app: Flask, there: Place) -> list[Any]:
    """The operations of the document; the ids that are tried are mostly of things that exist."""
    generation = GenerationConfig(with_security_parameters=False)
    config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app, config=config)
    known: dict[str, Any] = {**there.given, **{name: str(known) for name, known in there.ids.items()}}

    def real(values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for name, value in values.items():
            # Only what is valid is replaced: what was made wrong on purpose stays wrong.
            if name in known and isinstance(value, str) and re.fullmatch(WELL_FORMED.get(name, UUIDS), value):
                values[name] = known[name]
        return values

    @schema.hook
    def map_path_parameters(_context: Any, path_parameters: Any) -> Any:
        return real(path_parameters)

    @schema.hook
    def map_body(_context: Any, body: Any) -> Any:
        return real(body)

    return [result.ok() for result in schema.get_all_operations()]


UUIDS = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
WELL_FORMED = {
    "phone": "1[3-9][0-9]{9}",
    "division_id": ".{1,64}",
    "credit_code": ".{1,64}",
    "reason": ".{2,200}",
}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_keeps_to_the_document(
    app: Flask, operations: list[Any], everybody: Person, mode: GenerationMode, subtests: pytest.Subtests
) -> None:
    """No crash, no undocumented status, type or shape; and what the document forbids is refused."""
    statuses = Counter[int]()
    for operation in operations:
        with subtests.test(operation.label):

            @settings(
                max_examples=20 if mode is GenerationMode.POSITIVE else 10,
                derandomize=True,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def asked(case: Case) -> None:
                with undone(app):
                    answer = case.call(headers=everybody.headers)
                statuses[answer.status_code] += 1
                # A business rule may refuse what has the right shape.
                case.validate_response(answer, excluded_checks=[positive_data_acceptance, ignored_auth])

            with suppress(Unsatisfiable):  # an operation without anything that could be wrong
                asked()
    done = sum(count for status, count in statuses.items() if status < 300)
    if mode is GenerationMode.POSITIVE:  # else the requests did not get far enough to prove anything
        assert done > sum(statuses.values()) / 3, statuses
