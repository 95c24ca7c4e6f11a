"""`make tour`: the whole journey over HTTP, against a copy that this program starts and stops itself.

Each step is printed with its answer and its time; the first surprise ends the tour with exit status 1.
"""

from __future__ import annotations

import sys
import time

from tests.tour_assistance import Assistance
from tests.tour_copy import own_copy
from tests.tour_walk import Surprise


class Tour(Assistance):
    """The chapters of the journey in their order; each goes on with what those before it made."""

    def run(self) -> None:
        """Walks the whole journey."""
        self.step("服务就绪", self.http.get(f"{self.web}/readyz", timeout=10), status=200)
        self.step("接口文档", self.http.get(f"{self.web}/api/docs", timeout=10), status=200)
        self.staff()
        self.sign_in()
        self.scanning()
        self.enterprise()
        self.training()
        self.sign_ups()
        self.check_ins()
        self.certificate()
        self.templates_and_routes()
        self.reachable()
        self.campaign()
        self.automatic_notices()
        self.approval()
        self.quota()
        self.pauses()
        self.outcomes()
        self.reminder()
        self.agency_people()
        self.request()
        self.routing()
        self.offering()
        self.booking()
        self.diagnosing()
        self.confirm()
        self.correcting()
        self.planning()
        self.teaching()
        self.improving()
        self.rating()
        self.closing()
        self.bad_input()
        self.leaving()


def main() -> int:
    """Returns 0 when the whole journey went as told."""
    began = time.monotonic()
    try:
        with own_copy() as (port, password):
            tour = Tour(port, password)
            tour.run()
    except Surprise as surprise:
        print(f"\n意外：{surprise}", file=sys.stderr)
        return 1
    print(f"全程 {tour.steps} 步，一切如常（{time.monotonic() - began:.0f} 秒）。")
    return 0


if __name__ == "__main__":
    sys.exit(main())
