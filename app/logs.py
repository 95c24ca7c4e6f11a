"""Structured logs: one JSON object a line, with the request's id, and nothing personal or secret.

What is logged is chosen, never scrubbed: the route's rule instead of the address, the type and the
place of an exception instead of its text (texts of databases and HTTP clients quote values).
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import Any

import structlog
from flask import Flask, Response, g, request

from models.base import new_id

log = structlog.get_logger()


def configure(level: str) -> None:
    """Sends structlog's and the standard library's records to stdout as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_without_text,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _event_of_library],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # These quote addresses or parameters at INFO and below.
    for name in ("urllib3", "werkzeug", "fontTools", "fpdf", "sqlalchemy"):
        logging.getLogger(name).setLevel("WARNING")


def _exception_without_text(_logger: Any, _method: str, event: Any) -> Any:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0]:
        event["exception"] = f"{info[0].__module__}.{info[0].__qualname__}"
        # Our own part of the way there, and where it ended: a library's forty frames say less.
        frames = traceback.extract_tb(info[2])
        own = [f for f in frames[:-1] if "site-packages" not in f.filename][-10:]
        event["at"] = [f"{f.filename}:{f.lineno} {f.name}" for f in (*own, *frames[-1:])]
    return event


def _event_of_library(_logger: Any, _method: str, event: Any) -> Any:
    record: logging.LogRecord | None = event.get("_record")
    if record is not None:
        # The message's template only: its arguments are values we do not know.
        event["event"], event["logger"] = str(record.msg)[:200], record.name
        event.pop("positional_args", None)
        if record.name.startswith("procrastinate"):  # whose texts quote the arguments of jobs
            event["event"] = getattr(record, "action", record.funcName)
            job = getattr(record, "job", None)
            if isinstance(job, dict):
                event["task"], event["job"] = job.get("task_name"), job.get("id")
    return event


def init_app(app: Flask) -> None:
    """Gives each request an id and one line in the log."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.request_id = str(new_id())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        rule = request.url_rule
        log.info(
            "request",
            method=request.method,
            route=rule.rule if rule else None,
            status=response.status_code,
            ms=round((time.perf_counter() - g.began) * 1000, 1),
            user=str(g.actor.user_id) if "actor" in g else None,
        )
        return response
