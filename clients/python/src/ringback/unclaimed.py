"""The texts of jobs that nobody has asked for, as far as is known."""

from __future__ import annotations

from .message import Message

PIECES_AT_MOST = 5_000
"""Of more the oldest are dropped, with the whole text of their job: who asked for it reads that over HTTP."""
SIZE_AT_MOST = 4 * 1024 * 1024
"""The same for so many characters."""


class Unclaimed:
    """It may be that the answer to a submission was lost, and comes again amid the text of its job."""

    def __init__(self) -> None:
        self._by_job: dict[str, list[Message]] = {}
        self._count = 0
        self._size = 0

    def keep(self, message: Message) -> None:
        """Keeps a piece until its job is claimed, or over."""
        self._by_job.setdefault(message.job_id or "", []).append(message)
        self._count += 1
        self._size += message.size
        while self._count > PIECES_AT_MOST or self._size > SIZE_AT_MOST:
            self.claim(next(iter(self._by_job)))

    def claim(self, job_id: str) -> list[Message]:
        """What is kept of the text of a job; from now on it is not kept here."""
        pieces = self._by_job.pop(job_id, [])
        self._count -= len(pieces)
        self._size -= sum(piece.size for piece in pieces)
        return pieces
