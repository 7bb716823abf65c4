"""The jobs whose ends were heard."""

from __future__ import annotations

JOBS_AT_MOST = 10_000
"""Of more those are forgotten that were heard of first; it is remembered until when that goes."""


class Ends:
    """It may be that the answer to a submission was lost, and comes again after the end of its job."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._forgotten = 0
        self.now = 0
        """How many were heard."""

    def note(self, job_id: str) -> None:
        """A job has ended, which may be said more than once."""
        self.now += 1
        self._last.pop(job_id, None)
        self._last[job_id] = self.now
        if len(self._last) > JOBS_AT_MOST:
            self._forgotten = self._last.pop(next(iter(self._last)))

    def may_have(self, job_id: str, since: int) -> bool:
        """Whether the end of a job was heard after that time, as far as is known."""
        return max(self._last.get(job_id, 0), self._forgotten) > since
