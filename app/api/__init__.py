"""The mini-program's API under /api/v1, its OpenAPI document and the page that shows it."""

from __future__ import annotations

from flask import Flask

from app.api import docs, pages, wechat_push
from app.api.frame import Api


def init_app(app: Flask) -> None:
    """Registers every domain's endpoints."""
    from app.api import (
        agencies,
        bookings,
        case_work,
        cases,
        checkins,
        enterprises,
        evidence,
        held_certificates,
        messages,
        people,
        reference,
        signups,
        trainings,
    )

    app.config.update(
        API_TITLE="提质通接口",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
    )
    api = Api(app)
    api.describe()
    for domain in (
        people,
        reference,
        enterprises,
        held_certificates,
        trainings,
        signups,
        checkins,
        messages,
        agencies,
        evidence,
        bookings,
        cases,
        case_work,
    ):
        api.register_blueprint(domain.blp, url_prefix="/api/v1")
    docs.init_app(app, api)
    wechat_push.init_app(app)
    pages.init_app(app)
