"""What keeps the engine room tidy: jobs of crashed workers, and rows that have served."""

from __future__ import annotations

from typing import Any

import procrastinate

from app.access import SYSTEM
from app.jobs import jobs, task
from app.services import pushes, requests, scan_requests, transfers


@jobs.periodic(cron="*/2 * * * *")
@jobs.task(
    name="housekeeping.retry_stalled", queue="default", queueing_lock="retry_stalled", pass_context=True
)
async def retry_stalled(context: procrastinate.JobContext, timestamp: int) -> None:
    """Gives the jobs of a worker that died back to the queue."""
    manager: Any = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        await manager.retry_job(job)


@task("housekeeping.forget", cron="17 19 * * *")
def forget() -> None:
    """Every night (03:17 in Beijing): forgets the keys, pushes, codes and transfers that have served."""
    requests.forget(SYSTEM)
    pushes.forget(SYSTEM)
    scan_requests.forget(SYSTEM)
    transfers.forget(SYSTEM)
