"""A job that was asked for, until it is over."""

from __future__ import annotations

from .errors import ErrorItem, JobError, sentence
from .events import Chunk, Place, Progress
from .job import Job
from .message import Message
from .story import Story


class Asked:
    """A submission, or a wish to retry: what is sent for it, and the job that whoever asked has in their hands."""

    def __init__(self, ref: str, text: str, job: Job, story: Story, *, streams: bool, retries: str | None) -> None:
        self.ref = ref
        """What its answers carry."""
        self.text = text
        """The message, which may be sent again."""
        self.size = len(text.encode())
        """How many bytes that has."""
        self.job = job
        self.streams = streams
        """Whether it may say a text."""
        self.retries = retries
        """The job that is to be retried; none, of a submission."""
        self.may_be_done = False
        """Whether it may have had its effect without an answer to it, so that the next one is so because of that."""
        self.is_looked_up = False
        self.job_id: str | None = None
        self.is_answered = False
        """Whether the session that there is knows of it."""
        self.is_under_way = False
        """Whether it was sent to that session."""
        self.since = -1
        """How many ends had been heard when it was first sent."""
        self.losses = 0
        """How many sockets were lost on which it was sent and not answered."""
        self.refusals = 0
        """How often it was told to come again later."""
        self._story = story

    def queued(self, job_id: str) -> None:
        """Its job is stored."""
        self.job_id = job_id
        self.job._queued(job_id)

    def catch_up_with(self, other: Asked) -> None:
        """Somebody else has asked for the same job, and heard some of its text."""
        self._story.catch_up_with(other._story)

    def catch_up(self, pieces: list[Message], place: Place) -> None:
        """Of its text these were heard before it was known whose they are, or more of it, up to this place."""
        if pieces and pieces[0].place[1] == 1:
            for piece in pieces:
                self.hear(piece)
        else:
            self._story.skip(place)

    def doubt(self) -> None:
        """Some of its text may be missing: the socket was lost, or its end was heard before it was known as its."""
        if self.streams:
            self._story.doubt()

    def retold(self) -> None:
        """The gateway knows how much of its text was heard, and tells the rest."""
        self._story.retold()

    def hear(self, message: Message) -> None:
        """A piece of its text, or how far it is."""
        job_id, (attempt, seq), said = message.job_id or "", message.place, message.payload
        if message.action == "job_chunk":
            self._story.hear(Chunk(job_id, attempt, seq, str(said)))
        elif isinstance(said, dict):
            self._story.add(Progress(job_id, attempt, said.get("percent"), said.get("note")))

    def over(self, message: Message) -> None:
        """Its job has ended."""
        job_id = message.job_id or ""
        if message.action == "job_result":
            result = message.job["result"] if "result" in message.job else message.payload
            self.job._succeeded(job_id, result)
        else:
            # A task may give any code to its failure, also that of a cancelled job.
            is_cancelled = message.action == "job_cancelled"
            code, attempts = message.job.get("code", "cancelled" if is_cancelled else "failed"), message.job.get("attempts")
            error = JobError(str(message.payload), code=str(code), job_id=job_id, attempts=attempts)
            if is_cancelled:
                self.job._cancelled(job_id, error)
            else:
                self.job._failed(error)

    def refuse(self, words: str, code: str, errors: tuple[ErrorItem, ...] = ()) -> None:
        """There will be no end of it, or nobody will hear of that."""
        self.job._failed(JobError(words, code=code, job_id=self.job_id, errors=errors))


def refused_by(errors: tuple[ErrorItem, ...], job_id: str | None = None) -> JobError:
    """The error of something that the gateway has refused."""
    return JobError(sentence(errors), code=errors[0].type, job_id=job_id, errors=errors)
