"""What happens to a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

from .errors import JobError

Place = tuple[int, int]
"""Where one is in a job's text: the attempt, and the number of the last piece."""


@dataclass(frozen=True)
class Queued:
    """The job is committed, and will run whatever dies."""

    job_id: str


@dataclass(frozen=True)
class Progress:
    """How far an attempt is; the latest counts."""

    job_id: str
    attempt: int
    percent: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class Chunk:
    """The next piece of the job's text. One of a higher attempt than the last starts the text again."""

    job_id: str
    attempt: int
    seq: int
    text: str

    @property
    def place(self) -> Place:
        """Where in the text it is."""
        return (self.attempt, self.seq)


@dataclass(frozen=True)
class Gap:
    """Pieces of the job's text are missing here, or may be: the socket has lost them, or they were too many to keep, and the
    gateway does not give them to this client over HTTP either. What comes next goes on behind them; the result is whole.
    """

    job_id: str
    after: Place
    """The last piece before it."""
    error: JobError
    """Why they cannot be read."""


@dataclass(frozen=True)
class Result:
    """The job has succeeded."""

    job_id: str
    result: Any


@dataclass(frozen=True)
class Failed:
    """The job has failed, or was not accepted, and then it has no id."""

    job_id: str | None
    error: JobError


@dataclass(frozen=True)
class Cancelled:
    """Somebody has cancelled the job."""

    job_id: str
    error: JobError


JobEvent = Union[Queued, Progress, Chunk, Gap, Result, Failed, Cancelled]
