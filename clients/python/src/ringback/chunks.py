"""The text of a job so far."""

from __future__ import annotations

from collections import deque

from .events import Chunk, Place
from .story import ReadText


class Chunks:
    """An iterator over what a job has said so far, read over HTTP page by page.

    Who gives up a wait (by a time-out, say), or is told with a `JobError` that there is no answer, may go on: nothing is lost.
    """

    def __init__(self, read_text: ReadText, job_id: str, after: Place) -> None:
        self._read_text = read_text
        self._job_id = job_id
        self._place = after
        self._read: deque[Chunk] = deque()
        self._is_over = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Chunk:
        while not self._read and not self._is_over:
            place = self._place
            pieces = await self._read_text(self._job_id, place)
            # A wait that was given up may have come to its end all the same, before this one.
            if not self._read and self._place == place:
                self._is_over = not pieces
                self._read.extend(pieces)
        if not self._read:
            raise StopAsyncIteration
        piece = self._read.popleft()
        self._place = piece.place
        return piece
