"""The web server's settings; GUNICORN_CMD_ARGS overrides any of them, as in --bind 0.0.0.0:8000."""

from __future__ import annotations

import gc
from typing import Any

from config.settings import settings

_settings = settings()

# Only this machine: the reverse proxy with the certificate stands before us.
bind = f"127.0.0.1:{_settings.port}"

worker_class = "gthread"
workers = _settings.web_processes
threads = _settings.web_threads

# Each worker imports the program itself. Loading it once before the fork would save some memory, but
# whatever an import or an extension opened by then (sockets, pools, locks) would be shared by accident.
preload_app = False

timeout = 60  # seconds that a worker may not show a sign of life (of the process, not of one request)
graceful_timeout = 5 if _settings.embedded else 30  # a request under way may end; a statement ends after 30
keepalive = 65  # longer than a reverse proxy keeps an idle connection (60), so that we never close first

# Who may set X-Forwarded-*: one place decides, the application by TRUSTED_PROXIES.
forwarded_allow_ips = ""

control_socket_disable = True  # nobody steers a running server through a socket in a home directory
accesslog = None  # the application logs each request, without addresses of people
errorlog = "-"
loglevel = _settings.log_level.lower()
proc_name = "tizhitong"


def post_worker_init(_worker: Any) -> None:
    """Takes what was loaded at the start out of garbage collection, which else pauses requests to walk it."""
    gc.collect()
    gc.freeze()
