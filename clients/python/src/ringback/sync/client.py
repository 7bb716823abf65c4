"""A client for programs without an event loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import client as asynchronous
from ..ears import Way
from ..errors import JobError
from ..events import Chunk, Place
from ..message import Message
from ..notices import Notice
from ..records import JobRecord, TaskRecord
from ..settings import Options
from ..state import State
from ..submission import JobOptions
from ..told import Told
from .backstage import Backstage
from .job import Job
from .stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Client:
    """A connection that is made again whenever it is lost. What ends a listener is what adding it answers."""

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self._backstage = Backstage()
        try:
            self._client = self._backstage.call(lambda: asynchronous.Client(url, **options))
        except BaseException:
            self._backstage.end()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def state(self) -> State:
        """How the connection is."""
        return self._client.state

    def submit(self, task: str, content: str | None = None, **options: Unpack[JobOptions]) -> Job:
        """Submits a job. It is sent again, as the same job, until there is an answer."""
        return self._backstage.call(lambda: Job(self._backstage, self._client.submit(task, content, **options)))

    def retry(self, job_id: str) -> Job:
        """Gives a job of this session another chance; answers the job to wait for: the same, or a new one."""
        return self._backstage.call(lambda: Job(self._backstage, self._client.retry(job_id)))

    def cancel(self, job_id: str, timeout: float | None = None) -> None:
        """Cancels a job of this session, and waits until the gateway has said that it will be."""
        self._backstage.wait(lambda: self._client.cancel(job_id), timeout)

    def jobs(self, ids: Sequence[str]) -> list[JobRecord]:
        """What the gateway knows of jobs, in the order of these ids; those that it does not know are left out."""
        return self._backstage.wait(lambda: self._client.jobs(ids))

    def tasks(self) -> list[TaskRecord]:
        """What the fleet can run, by name, with what its jobs work on and give back (JSON Schema)."""
        return self._backstage.wait(self._client.tasks)

    @property
    def told(self) -> tuple[Told, ...]:
        """What this session was told of, in the order in which it was heard, the latest 200: jobs and notices."""
        return self._client.told

    def on_told(self, listener: Callable[[tuple[Told, ...]], object]) -> Callable[[], None]:
        """Hears what this session was told of, now and whenever there is more or less of it."""
        return self._backstage.call(lambda: self._client.on_told(listener))

    def forget_told(self) -> None:
        """Empties what this session was told of. Its jobs go on, and are not told of again."""
        self._backstage.call(self._client.forget_told)

    def chunks(self, job_id: str, after: Place = (0, 0), timeout: float | None = None) -> Stream[Chunk]:
        """What a job has said so far, in order, from its beginning or after the piece with this attempt and number. The time
        is for each piece."""
        return Stream(self._backstage, self._client.chunks(job_id, after), timeout)

    def notices(self, timeout: float | None = None) -> Stream[Notice]:
        """Iterates over the notices to everyone from now on, until the client is closed. The time is for each of them."""
        return Stream(self._backstage, self._backstage.call(self._client.notices), timeout)

    def on_notice(self, listener: Callable[[Notice], object]) -> Callable[[], None]:
        """Hears the notices to everyone, each once."""
        return self._backstage.call(lambda: self._client.on_notice(listener))

    def on_state(self, listener: Callable[[State], object]) -> Callable[[], None]:
        """Hears how the connection is, now and whenever that changes."""
        return self._backstage.call(lambda: self._client.on_state(listener))

    def on_message(self, listener: Callable[[Message], object]) -> Callable[[], None]:
        """Hears every message, each once, also about jobs that this session was asked for before this client."""
        return self._backstage.call(lambda: self._client.on_message(lambda message, _: listener(message)))

    def on_frame(self, listener: Callable[[Way, str], object]) -> Callable[[], None]:
        """Hears the frames as they cross the wire, with the secrets in them, and notes about the wire itself."""
        return self._backstage.call(lambda: self._client.on_frame(listener))

    def send(self, message: Mapping[str, Any]) -> bool:
        """Sends a message of one's own; answers whether there is a session to send it to now, and room."""
        return self._backstage.call(lambda: self._client.send(message))

    def connect_now(self) -> None:
        """Opens a socket without waiting, unless one is open or opening."""
        self._backstage.call(self._client.connect_now)

    def close(self) -> None:
        """Ends the connection for good; the session stays, for another client with the same store."""
        try:
            with contextlib.suppress(JobError):
                # Another thread may have closed it.
                self._backstage.wait(self._client.close)
        finally:
            self._backstage.end()
