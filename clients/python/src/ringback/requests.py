"""The jobs that were asked for, until they are over."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from .asked import Asked, refused_by
from .ends import Ends
from .errors import ErrorItem, JobError
from .events import Place
from .job import Job
from .later import Later, is_passing
from .lookup import Lookup
from .message import Message, write
from .story import ReadText, Story
from .unclaimed import Unclaimed

ASKED_AT_MOST = 10_000
"""So many jobs may be waited for; the next submission is refused, with the code `busy`."""
UNDER_WAY_AT_MOST = 1_000
"""So many jobs a session may have that are not over or not acknowledged. Others wait here, in their order, for these."""
PLACES_AT_MOST = 1_000
"""For so many jobs the gateway is told where one is in their texts, which is the most that it takes. The text of another is
told again, and heard once, or not at all, if the job is over by then: its result is whole."""
LARGE = 65_536
LOSSES = 5
"""A submission over so many bytes is given up when so many sockets were lost on which it was sent and not answered."""


class Requests:
    """Each job is asked for until there is an answer, on whatever socket there is."""

    def __init__(
        self,
        send: Callable[[str], None],
        read_text: ReadText,
        cancel: Callable[[str], Awaitable[None]],
        lookup: Lookup,
        beside: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._send = send
        self._read_text = read_text
        self._cancel = cancel
        self._lookup = lookup
        self._beside = beside
        self._is_ready = False
        self._mark = secrets.token_hex(4)
        self._refs = 0
        self._asked: dict[str, Asked] = {}
        """By their refs."""
        self._waiting: deque[Asked] = deque()
        """Those that are to be sent."""
        self._under_way = 0
        self._unacknowledged = 0
        """How many of those are over, and the gateway is not told yet that it is known."""
        self._jobs: dict[str, list[Asked]] = {}
        """By the ids of their jobs: more than one where a key was given twice."""
        self._ends = Ends()
        self._unclaimed = Unclaimed()
        self._places: dict[str, Place] = {}
        self._later = Later()

    def ref(self) -> str:
        """A mark for a message, which nobody else gives."""
        self._refs += 1
        return f"{self._mark}-{self._refs}"

    @property
    def have(self) -> dict[str, Place]:
        """Where this client is in the texts of jobs. A job that is over says its text to those alone who say this."""
        silent = {asked.job_id: (0, 0) for asked in self._asked.values() if asked.job_id is not None and asked.streams}
        have = {**silent, **self._places}
        return dict(list(have.items())[-PLACES_AT_MOST:])

    def begin(self, action: str, payload: dict[str, Any]) -> Job:
        """Asks for a job."""
        if len(self._asked) >= ASKED_AT_MOST:
            raise JobError(f"{ASKED_AT_MOST} jobs are waited for; await some before the next", code="busy")
        ref = self.ref()
        try:
            text = write({"action": action, "payload": payload, "ref": ref})
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"the option input cannot be written as JSON: {error}") from error
        story = Story(self._read_text)
        streams = action == "retry_job" or payload.get("stream") is True
        retries = payload["job_id"] if action == "retry_job" else None
        asked = Asked(ref, text, Job(story, self._cancel), story, streams=streams, retries=retries)
        self._asked[ref] = asked
        self._waiting.append(asked)
        self._fill()
        return asked.job

    def begun(self, *, recovered: bool, have: Mapping[str, Place]) -> None:
        """There is a session: what has no answer is asked again. The gateway was told where this client is in texts."""
        self._is_ready = True
        for asked in self._asked.values():
            # A new session does not know of the jobs of the old one; with their keys they are the same jobs.
            if asked.is_answered and not recovered:
                asked.is_answered, asked.may_be_done = False, True
            asked.is_under_way = asked.is_answered
            if asked.is_answered and asked.job_id in have:
                asked.retold()
        self._waiting = deque(asked for asked in self._asked.values() if not asked.is_answered)
        self._under_way = len(self._asked) - len(self._waiting)
        self._unacknowledged = 0
        self._fill()

    def lost(self, *, too_large: int = 0) -> None:
        """Nothing can be sent until there is one again.

        It may be that something was sent that was too large for the gateway; then the largest frame had so many bytes.
        """
        self._is_ready = False
        self._later.clear()
        sent = [asked for asked in self._asked.values() if asked.is_under_way and not asked.is_answered]
        for asked in self._asked.values():
            asked.doubt()
        for asked in sent:
            asked.is_under_way = False
            asked.may_be_done = True
            asked.losses += 1
        largest = max(sent, key=lambda asked: asked.size, default=None)
        for asked in sent:
            # What is larger than what is too large is so as well. What cuts the connection without a word whenever it is
            # sent must not do so for ever.
            is_it = asked is largest and 0 < too_large <= asked.size
            if is_it or (asked.losses >= LOSSES and asked.size > LARGE):
                words = f"it is too large: the connection was lost as it was sent ({asked.size} bytes)"
                self._drop(asked)
                asked.refuse(words, "too_large")

    def end(self, why: str) -> None:
        """There will be none any more."""
        self.lost()
        for asked in list(self._asked.values()):
            self._drop(asked)
            asked.refuse(why, "closed")

    def acknowledged(self) -> None:
        """What is over counts no more: there is room for others."""
        self._under_way -= self._unacknowledged
        self._unacknowledged = 0
        self._fill()

    def answered_by(self, message: Message) -> Job | None:
        """The job that a message is the direct answer to."""
        asked = self._asked.get(message.ref or "")
        return asked.job if asked is not None else None

    def queued(self, message: Message) -> None:
        """A job is stored."""
        asked = self._asked.get(message.ref or "")
        if asked is None or message.job_id is None:
            return
        is_first = asked.job_id is None
        self._take(asked, message.job_id)
        # The same for its end, which is acknowledged. Who asks again for a job that is over is told everything again.
        if is_first and self._ends.may_have(message.job_id, asked.since):
            asked.doubt()
            self._send(asked.text)
        else:
            asked.is_answered = True

    def chunk(self, message: Message) -> bool:
        """A piece of a job's text; answers whether it is news."""
        job_id = message.job_id or ""
        is_news = message.place > self._places.get(job_id, (0, 0))
        if is_news:
            self._places.pop(job_id, None)
            self._places[job_id] = message.place
            if len(self._places) > PLACES_AT_MOST:
                del self._places[next(iter(self._places))]
        everyone = self._jobs.get(job_id, [])
        for asked in everyone:
            asked.hear(message)
        if is_news and not everyone:
            self._unclaimed.keep(message)
        return is_news

    def progress(self, message: Message) -> None:
        """How far a job is."""
        for asked in self._jobs.get(message.job_id or "", []):
            asked.hear(message)

    def over(self, message: Message) -> None:
        """A job has ended, which may be said more than once."""
        job_id = message.job_id or ""
        everyone = self._jobs.pop(job_id, [])
        self._places.pop(job_id, None)
        # Somebody may have asked for the same job, and have no answer yet.
        self._ends.note(job_id)
        self._unclaimed.claim(job_id)
        for asked in everyone:
            del self._asked[asked.ref]
            self._later.drop(asked.ref)
            self._unacknowledged += asked.is_under_way
            asked.over(message)

    def refused(self, ref: str, errors: tuple[ErrorItem, ...]) -> None:
        """The gateway has said no."""
        asked = self._asked.get(ref)
        if asked is None:
            return
        if is_passing(errors):
            self._later.after(errors, asked.refusals, ref, lambda: self._send(asked.text))
            asked.refusals += 1
            asked.may_be_done = asked.may_be_done or any(error.type == "unavailable" for error in errors)
        elif asked.retries is not None and asked.may_be_done and errors[0].type in ("conflict", "not_found"):
            asked.is_answered = True
            if not asked.is_looked_up:
                asked.is_looked_up = True
                self._beside(self._look_up(asked, asked.retries, errors))
        else:
            self._refuse(asked, errors)

    def _refuse(self, asked: Asked, errors: tuple[ErrorItem, ...]) -> None:
        if asked.ref in self._asked:
            self._drop(asked)
            error = refused_by(errors)
            asked.refuse(str(error), error.code, errors)
            self._fill()

    async def _look_up(self, asked: Asked, retried: str, errors: tuple[ErrorItem, ...]) -> None:
        """Finds out what became of a job that was retried.

        It is no more to be retried, which may be so because it was, and the answer was lost; or it is not this session's,
        which may be new. In the first case the session is told of its end, unless that was before.
        """
        is_told = errors[0].type == "conflict"
        try:
            job_id = asked.job_id or (retried if is_told else await self._lookup.retried(retried))
            if job_id is None:
                return self._refuse(asked, errors)
            turn = 0
            while asked.ref in self._asked:
                end = await self._lookup.end(job_id)
                if asked.ref not in self._asked:
                    return
                self._take(asked, job_id)
                if end is not None:
                    return self._found(asked, end)
                if is_told:
                    return
                await self._lookup.wait(turn)
                turn += 1
        except JobError:
            self._refuse(asked, errors)
        finally:
            asked.is_looked_up = False

    def _take(self, asked: Asked, job_id: str) -> None:
        """This is its job."""
        everyone = self._jobs.setdefault(job_id, [])
        if asked not in everyone:
            everyone.append(asked)
        if asked.job_id is not None:
            return
        asked.queued(job_id)
        if everyone[0] is asked:
            # An earlier answer was lost: what came before this one was nobody's.
            asked.catch_up(self._unclaimed.claim(job_id), self._places.get(job_id, (0, 0)))
        else:
            asked.catch_up_with(everyone[0])
            asked.doubt()

    def _found(self, asked: Asked, end: Message) -> None:
        """Its job is over, which it is told alone: others may still hear of it."""
        asked.doubt()
        self._drop(asked)
        asked.over(end)
        self._fill()

    def _fill(self) -> None:
        """Sends what there is room for."""
        while self._is_ready and self._waiting and self._under_way < UNDER_WAY_AT_MOST:
            asked = self._waiting.popleft()
            if asked.ref in self._asked:
                asked.is_under_way = True
                asked.since = self._ends.now if asked.since < 0 else asked.since
                self._under_way += 1
                self._send(asked.text)

    def _drop(self, asked: Asked) -> None:
        """It is not waited for any more."""
        del self._asked[asked.ref]
        self._later.drop(asked.ref)
        self._under_way -= asked.is_under_way
        everyone = self._jobs.get(asked.job_id or "", [])
        if asked in everyone:
            everyone.remove(asked)
            if not everyone:
                del self._jobs[asked.job_id or ""]
