"""Jobs of bookings."""

from __future__ import annotations

from app.access import SYSTEM
from app.jobs import task
from app.services import booking_moves, booking_notices


@task("bookings.lapse", cron="*/5 * * * *")
def lapse() -> None:
    """Every five minutes: ends the holds whose time is up, so that what is shown of them is true."""
    booking_moves.lapse(SYSTEM)


@task("bookings.remind", cron="*/5 * * * *")
def remind() -> None:
    """Every five minutes: reminds of the bookings that are a day or an hour ahead."""
    booking_notices.remind(SYSTEM)
