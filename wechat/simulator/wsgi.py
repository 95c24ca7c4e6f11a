"""The simulator as a process: `gunicorn -w 1 --threads 16 wechat.simulator.wsgi:app`."""

from __future__ import annotations

from config.settings import settings
from wechat.simulator import create_simulator

app = create_simulator(settings())
