"""Jobs that are looked up over HTTP, since this client is not told of them over the socket, or may not be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from .errors import JobError
from .later import PASSING
from .message import Message
from .records import JobRecord

LOOK_FIRST = 1.0
LOOK_MOST = 15.0
"""So long it is waited before the next look, in seconds: at first, and at most."""

ReadJobs = Callable[[Sequence[str]], Awaitable[list[JobRecord]]]


class Lookup:
    """Looks again for as long as it takes. What is out of reach raises a `JobError`."""

    def __init__(self, read_jobs: ReadJobs) -> None:
        self._read_jobs = read_jobs

    async def retried(self, job_id: str) -> str | None:
        """The job to wait for when this one was retried; none, where that was without effect."""
        record = await self._record(job_id)
        if record["retried_as"] is not None:
            return record["retried_as"]
        return None if record["state"] in ("failed", "cancelled") else job_id

    async def end(self, job_id: str) -> Message | None:
        """How a job has ended; none, where it is not over."""
        record = await self._record(job_id)
        attempts = record["attempts"]
        if record["state"] == "succeeded":
            return Message("job_result", job_id=job_id, job={"result": record["result"], "attempts": attempts})
        if record["state"] in ("failed", "cancelled"):
            job = {"code": record["error_code"] or record["state"], "attempts": attempts}
            return Message(f"job_{record['state']}", record["error"] or record["state"], job_id=job_id, job=job)
        return None

    async def wait(self, turn: int) -> None:
        """Waits before the next look, the longer the more there were."""
        delay = min(LOOK_FIRST * 2.0 ** min(turn, 64), LOOK_MOST)
        await asyncio.sleep(delay * (1 + random.random() / 4))

    async def _record(self, job_id: str) -> JobRecord:
        turn = 0
        while True:
            try:
                records = await self._read_jobs([job_id])
            except JobError as error:
                if error.code not in PASSING:
                    raise
                await self.wait(turn)
                turn += 1
                continue
            if not records:
                raise JobError("there is no such job any more", code="not_found", job_id=job_id)
            return records[0]
