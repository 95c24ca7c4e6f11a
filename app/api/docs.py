"""The OpenAPI document at /api/openapi.json and a readable page of it at /api/docs."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify, render_template

from app.api.frame import Api, public
from app.errors import ERRORS


def init_app(app: Flask, api: Api) -> None:
    """Adds the two routes; the document is built once, when all endpoints are known."""
    document: dict[str, Any] = api.spec.to_dict()

    @public
    def openapi(_actor: Any) -> Response:
        return jsonify(document)

    @public
    def page(_actor: Any) -> str:
        groups: dict[str, list[dict[str, Any]]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if method != "parameters":
                    tag = operation.get("tags", ["其他"])[0]
                    groups.setdefault(tag, []).append({"path": path, "method": method, **operation})
        return render_template(
            "docs.html",
            document=document,
            groups=groups,
            schemas=document["components"]["schemas"],
            errors=ERRORS,
        )

    app.add_url_rule("/api/openapi.json", view_func=openapi, endpoint="openapi")
    app.add_url_rule("/api/docs", view_func=page, endpoint="docs")
