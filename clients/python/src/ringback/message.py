"""What crosses the socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .events import Place

OUTCOMES = frozenset({"job_result", "job_failed", "job_cancelled"})
"""The messages that say how a job ended."""


@dataclass(frozen=True)
class Message:
    """A message from the gateway."""

    action: str
    payload: Any = None
    ref: str | None = None
    """The mark of what it is the answer to."""
    id: str | None = None
    """A message that comes again has the same one."""
    job_id: str | None = None
    job: Mapping[str, Any] = field(default_factory=dict)
    """Facts about the job."""
    size: int = 0
    """How many characters its frame has."""

    @property
    def place(self) -> Place:
        """Where in a text it is, of a piece of one."""
        return (_number(self.job.get("attempt")), _number(self.job.get("seq")))


def read(text: str) -> Message | None:
    """The message of a frame; none, where a frame is nothing that this client knows."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("action"), str):
        return None
    job = value.get("job")
    return Message(
        action=value["action"],
        payload=value.get("payload"),
        ref=_text(value.get("ref")),
        id=_text(value.get("id")),
        job_id=_text(value.get("job_id")),
        job=job if isinstance(job, dict) else {},
        size=len(text),
    )


def write(message: Mapping[str, Any]) -> str:
    """The frame of a message. It raises a `ValueError` or a `TypeError` where that cannot be."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A half of a surrogate pair is no text, and would end the socket rather than be refused.
    text.encode()
    return text


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
