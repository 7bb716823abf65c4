"""What HTTP says of jobs and tasks."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

JobState = Literal["scheduled", "held", "ready", "running", "waiting", "succeeded", "failed", "cancelled"]


class ProgressRecord(TypedDict):
    """How far a job is."""

    percent: float | None
    note: str | None


class JobRecord(TypedDict):
    """A job as the gateway knows it. Times are texts (RFC 3339)."""

    id: str
    task: str
    """What runs it."""
    task_type: str
    """The name it was asked by."""
    queue: str
    input: Any
    state: JobState
    result: Any
    error_code: str | None
    error: str | None
    progress: ProgressRecord | None
    attempts: int
    max_attempts: int
    queued_at: str
    run_at: str
    started_at: str | None
    finished_at: str | None
    is_cancelling: bool
    retry_of: str | None
    retried_as: str | None


class TaskRecord(TypedDict):
    """A task as the gateway knows it."""

    name: str
    queue: str
    max_attempts: int
    input: dict[str, Any]
    """What its jobs work on, as JSON Schema."""
    output: dict[str, Any]
    """What they give back."""
    workers: int
    """How many can run it now."""
