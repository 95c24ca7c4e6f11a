"""`flask sender` with its guard off: it marks a delivery as being sent after the call, not before.

It shows what the guard is for; `python -m tests.unguarded_sender sender`.
"""

from __future__ import annotations

from uuid import UUID

from flask.cli import main

from app.access import SYSTEM
from app.jobs.sender import Sender
from app.services import sending
from app.services.outgoing import Message
from app.services.sending import Claim
from app.services.sending_results import Result


def _mark_afterwards(self: Sender, results: list[Result], planned: list[Message]) -> set[UUID]:
    with self._app.app_context():
        called = [Claim(one.id, one.attempt - 1) for one in results]
        sending.turn(SYSTEM, self._worker, [], called, self._lease)
        sending.turn(SYSTEM, self._worker, results, [], self._lease)
    return {message.id for message in planned}


if __name__ == "__main__":
    Sender._turn = _mark_afterwards  # type: ignore[method-assign]
    main()
