"""The control plane of the simulator, under /__sim__."""

from __future__ import annotations

from wechat.simulator.control import account, audience, deliveries, service  # their routes join the blueprint
from wechat.simulator.control.plane import blueprint

__all__ = ["account", "audience", "blueprint", "deliveries", "service"]
