"""What a session was told of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Union

from .message import OUTCOMES, Message

TOLD_AT_MOST = 200
"""Of more the oldest are forgotten."""
GONE_AT_MOST = 2_000
"""So many of those that were forgotten are remembered, so that what is said of them later does not bring them back."""


@dataclass(frozen=True)
class ToldJob:
    """A job that the session has asked for."""

    id: str


@dataclass(frozen=True)
class ToldNotice:
    """A notice to everyone."""

    id: str
    text: str
    at: float
    """When it was heard, in seconds since 1970."""


Told = Union[ToldJob, ToldNotice]


class Account:
    """What the session was told of, in the order in which it was heard."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}
        self._gone: dict[str, None] = {}

    @property
    def told(self) -> tuple[Told, ...]:
        """The latest of it."""
        return tuple(self._told.values())

    def add(self, entries: Iterable[Told]) -> bool:
        """Notes it; answers whether any of it is news."""
        news = [entry for entry in entries if entry.id not in self._told and entry.id not in self._gone]
        for entry in news:
            self._told[entry.id] = entry
        for oldest in list(self._told)[: max(0, len(self._told) - TOLD_AT_MOST)]:
            self._forget(oldest)
        return bool(news)

    def forget(self) -> None:
        """Empties it. What is forgotten does not come back."""
        for known in list(self._told):
            self._forget(known)

    @property
    def kept(self) -> dict[str, Any]:
        """What of it outlives the process."""
        return {"told": [asdict(entry) for entry in self.told], "gone": list(self._gone)}

    def learn(self, kept: Mapping[str, Any]) -> None:
        """Goes on with that. It raises a `ValueError` or a `TypeError` where it makes no sense."""
        self._told = {entry.id: entry for entry in map(_entry, kept.get("told", []))}
        self._gone = dict.fromkeys(map(str, kept.get("gone", [])))

    def _forget(self, entry_id: str) -> None:
        del self._told[entry_id]
        self._gone[entry_id] = None
        if len(self._gone) > GONE_AT_MOST:
            del self._gone[next(iter(self._gone))]


def told_by(message: Message, at: float) -> list[Told]:
    """What the session is told of by a message."""
    if message.action == "system_notification" and message.id is not None:
        return [ToldNotice(message.id, str(message.payload), at)]
    if message.action == "jobs_queued" and isinstance(message.payload, dict):
        ids = message.payload.get("job_ids")
        return [ToldJob(str(job_id)) for job_id in ids] if isinstance(ids, list) else []
    if message.job_id is not None and (message.action == "job_queued" or message.action in OUTCOMES):
        return [ToldJob(message.job_id)]
    return []


def _entry(kept: Mapping[str, Any]) -> Told:
    return ToldNotice(**kept) if "text" in kept else ToldJob(**kept)
