"""What happens to a job, kept for whoever iterates, from its beginning."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable

from .errors import JobError
from .events import Chunk, Gap, JobEvent, Place, Queued
from .later import PASSING

EVENTS_AT_MOST = 10_000
"""Of more events the oldest are dropped. Pieces of text are then read again over HTTP by whoever has not had them; how far
the job was is told by a later event."""
TEXT_AT_MOST = 65_536
"""The same for so many characters of text."""

TRIES = 5
"""So often a text is asked for that cannot be had now, the next token may be one that is taken."""
READ_FIRST = 0.5
READ_MOST = 8.0
"""So long it is waited between that, in seconds: at first, and at most unless the gateway says more."""

ReadText = Callable[[str, Place], Awaitable[list[Chunk]]]
"""Reads the pieces of a job's text that come after a place, or the first of them; none, where there are no more."""


class Story:
    """What has happened to one job so far."""

    def __init__(self, read_text: ReadText) -> None:
        self.read_text = read_text
        self.queued: Queued | None = None
        self.is_over = False
        self.is_doubted = False
        """Whether pieces of the text may be missing: who iterates reads it again before its end."""
        self.is_retold = False
        """Whether the gateway was told since then where one is in it, and has told the rest again."""
        self.place: Place = (0, 0)
        """The last piece of the text that was heard."""
        self.dropped: Place = (0, 0)
        """The last piece that was heard and is not kept."""
        self.first = 0
        """The number of the first event that is kept; they are numbered from 0."""
        self._kept: deque[JobEvent] = deque()
        self._size = 0
        self._news = asyncio.Event()

    @property
    def end(self) -> int:
        """The number of the next event."""
        return self.first + len(self._kept)

    def at(self, number: int) -> JobEvent:
        """An event that is kept."""
        return self._kept[number - self.first]

    def begin(self, event: Queued) -> None:
        """The job is stored."""
        self.queued = event
        self._tell()

    def add(self, event: JobEvent) -> None:
        """Something has happened."""
        self._kept.append(event)
        if isinstance(event, Chunk):
            self._size += len(event.text)
        while len(self._kept) > 1 and (len(self._kept) > EVENTS_AT_MOST or self._size > TEXT_AT_MOST):
            self._drop()
        self._tell()

    def finish(self, event: JobEvent) -> None:
        """The last thing has happened."""
        self.is_over = True
        self.add(event)

    def hear(self, chunk: Chunk) -> None:
        """A piece of the text has come; one that is there already is passed over."""
        if chunk.place > self.place:
            self.place = chunk.place
            self.add(chunk)

    def catch_up_with(self, other: Story) -> None:
        """Takes over the text of the same job, which is not told again."""
        self.place, self.dropped = other.place, other.dropped
        for event in other._kept:
            if isinstance(event, Chunk):
                self.add(event)

    def doubt(self) -> None:
        """Something was lost on its way, perhaps of this."""
        self.is_doubted, self.is_retold = True, False

    def retold(self) -> None:
        """What was lost on its way comes again."""
        self.is_retold = True

    def skip(self, place: Place) -> None:
        """The text was heard up to this place, and is not kept."""
        self.place = self.dropped = place

    async def changed(self) -> None:
        """Waits until something happens."""
        await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _drop(self) -> None:
        gone = self._kept.popleft()
        self.first += 1
        if isinstance(gone, Chunk):
            self._size -= len(gone.text)
            self.dropped = gone.place


class Events:
    """An iterator over a story. What is under way may be given up (by a time-out, say) without losing anything."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._is_begun = False
        self._next = 0
        self._place: Place = (0, 0)
        self._read: deque[Chunk] = deque()
        self._is_whole = False
        self._tries = 0
        self._read_at = 0.0

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> JobEvent:
        while True:
            event = self._ready()
            if event is not None:
                return event
            if self._lacks_text():
                gap = await self._read_again()
                if gap is not None:
                    return gap
            elif self._story.is_over:
                raise StopAsyncIteration
            else:
                await self._story.changed()

    def _ready(self) -> JobEvent | None:
        """The next event that is here."""
        story = self._story
        if not self._is_begun and story.queued is not None:
            self._is_begun = True
            return story.queued
        if self._read:
            return self._passing(self._read.popleft())
        while not self._lacks_text():
            self._next = max(self._next, story.first)
            if self._next == story.end:
                break
            event = story.at(self._next)
            self._next += 1
            # What was read over HTTP may have been ahead of the socket.
            if not isinstance(event, Chunk) or event.place > self._place:
                return self._passing(event)
        return None

    def _passing(self, event: JobEvent) -> JobEvent:
        if isinstance(event, Chunk):
            self._place = event.place
        return event

    def _lacks_text(self) -> bool:
        """Whether there is more of the text than is here, or may be, before what is next."""
        story = self._story
        if self._place < story.dropped:
            return True
        is_last = story.is_over and max(self._next, story.first) == story.end - 1
        return is_last and story.is_doubted and not self._is_whole and story.queued is not None

    async def _read_again(self) -> Gap | None:
        """Reads the next pieces over HTTP; a gap where they are not to be had.

        It raises a `JobError` for pieces that are missing and may be had later: then it may be asked again.
        """
        story = self._story
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:
            # The client without an event loop is closed, and somebody still iterates.
            error = JobError("the client was closed", code="closed", job_id=self._job_id)
            return self._go_on(story.dropped, error, is_over=story.is_over)
        await asyncio.sleep(self._read_at - now)
        dropped, is_over, place = story.dropped, story.is_over, self._place
        try:
            chunks = await story.read_text(self._job_id, place)
        except JobError as error:
            is_passing = error.code in PASSING or error.code == "unauthorized"
            if is_passing and self._tries + 1 < TRIES:
                self._read_later(error)
                return None
            self._tries = 0
            if is_passing and self._place < dropped:
                raise
            return self._go_on(dropped, error, is_over=is_over)
        self._tries = 0
        if self._read or self._place != place:
            # A wait that was given up has come to its end all the same, before this one.
            return None
        self._read.extend(chunks)
        return None if chunks else self._go_on(dropped, None, is_over=is_over)

    def _read_later(self, error: JobError) -> None:
        delay = max(min(READ_FIRST * 2**self._tries, READ_MOST), error.retry_after)
        self._tries += 1
        self._read_at = asyncio.get_running_loop().time() + delay * (1 + random.random() / 4)

    def _go_on(self, dropped: Place, error: JobError | None, *, is_over: bool) -> Gap | None:
        """That is all that there is, or all that this client may have."""
        after, self._place = self._place, max(self._place, dropped)
        self._is_whole = is_over
        if error is None and after < dropped:
            error = JobError("the gateway has no more of this text", code="not_found", job_id=self._job_id)
        if error is not None and (after < dropped or not self._story.is_retold):
            return Gap(self._job_id, after, error)
        return None

    @property
    def _job_id(self) -> str:
        return self._story.queued.job_id if self._story.queued is not None else ""
