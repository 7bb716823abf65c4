"""A client: what a program asks for, and what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .api import Api
from .chunks import Chunks
from .ears import Ears, Way
from .errors import JobError
from .events import Place
from .job import Job
from .listeners import Listeners
from .message import Message
from .notices import Notice, Notices
from .records import JobRecord, TaskRecord
from .session import Session
from .settings import Options, Settings
from .state import State
from .submission import JobOptions, job_id_of, payload_of
from .told import Told

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


class Client:
    """A connection that is made again whenever it is lost. It is used in the event loop in which it was made.

    What ends a listener is what adding it answers.
    """

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        settings = Settings.of(url, **options)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            words = "there is no event loop here: connect in an async function, or use ringback.sync.connect"
            raise RuntimeError(words) from None
        self._api = Api(settings)
        self._ears = Ears()
        self._session = Session(settings, self._api, self._ears)
        self._running = loop.create_task(self._session.run())
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def state(self) -> State:
        """How the connection is."""
        return self._session.state

    def submit(self, task: str, content: str | None = None, **options: Unpack[JobOptions]) -> Job:
        """Submits a job. It is sent again, as the same job, until there is an answer."""
        payload = payload_of(task, content, **options)
        return self._begin("system_message", payload)

    def retry(self, job_id: str) -> Job:
        """Gives a job of this session another chance; answers the job to wait for.

        One that waits for its time is due now, and is the same job; one that has failed or was cancelled is submitted
        again, as a new job.
        """
        return self._begin("retry_job", {"job_id": job_id_of(job_id)})

    async def cancel(self, job_id: str) -> None:
        """Cancels a job of this session; done when the gateway has said that it will be.

        Its end comes as that of any job.
        """
        await self._session.cancel(job_id_of(job_id))

    async def jobs(self, ids: Sequence[str]) -> list[JobRecord]:
        """What the gateway knows of jobs, in the order of these ids; those that it does not know are left out."""
        if isinstance(ids, str):
            raise TypeError("ids must be a list of ids: for one, write [id]")
        return await self._api.jobs([job_id_of(job_id) for job_id in ids])

    def chunks(self, job_id: str, after: Place = (0, 0)) -> Chunks:
        """What a job has said so far, in order, from its beginning or after the piece with this attempt and number."""
        attempt, seq = after
        return Chunks(self._api.text, job_id_of(job_id), (attempt, seq))

    async def tasks(self) -> list[TaskRecord]:
        """What the fleet can run, by name, with what its jobs work on and give back (JSON Schema)."""
        return await self._api.tasks()

    @property
    def told(self) -> tuple[Told, ...]:
        """What this session was told of, in the order in which it was heard, the latest 200: the jobs that were asked for,
        also by earlier processes with the same store, and the notices."""
        return self._session.account.told

    def on_told(self, listener: Callable[[tuple[Told, ...]], object]) -> Callable[[], None]:
        """Hears what this session was told of, now and whenever there is more or less of it."""
        return _now_and_then(self._ears.on_told, listener, self.told)

    def forget_told(self) -> None:
        """Empties what this session was told of. Its jobs go on, and are not told of again."""
        self._session.forget_told()

    def notices(self) -> Notices:
        """Iterates over the notices to everyone from now on, each once, until the client is closed."""
        return self._ears.notices()

    def on_notice(self, listener: Callable[[Notice], object]) -> Callable[[], None]:
        """Hears the notices to everyone, each once."""
        return self._ears.on_notice.add(listener)

    def on_state(self, listener: Callable[[State], object]) -> Callable[[], None]:
        """Hears how the connection is, now and whenever that changes."""
        return _now_and_then(self._ears.on_state, listener, self.state)

    def on_message(self, listener: Callable[[Message, Job | None], object]) -> Callable[[], None]:
        """Hears every message, each once, also about jobs that this session was asked for before this client.

        With the direct answer to what this client has asked for comes the job that `submit` or `retry` has given.
        """
        return self._ears.on_message.add(listener)

    def on_frame(self, listener: Callable[[Way, str], object]) -> Callable[[], None]:
        """Hears the frames as they cross the wire, with the secrets in them, and notes about the wire itself."""
        return self._ears.on_frame.add(listener)

    def send(self, message: Mapping[str, Any]) -> bool:
        """Sends a message of one's own, for which there is no method here. What it brings is heard with `on_message`.

        It answers whether there is a session to send it to now, and room.
        """
        if not isinstance(message.get("action"), str):
            raise ValueError("a message must have an action, such as {'action': 'ping'}")
        return self._session.send(message)

    def connect_now(self) -> None:
        """Opens a socket without waiting, unless one is open or opening."""
        self._session.connect_now()

    async def close(self) -> None:
        """Ends the connection for good; the session stays, for another client with the same store.

        Jobs go on, but not here: those that are not over raise a `JobError` with the code `closed`.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    def _begin(self, action: str, payload: dict[str, Any]) -> Job:
        if self.state.name == "closed":
            raise JobError(self.state.why, code="closed")
        return self._session.requests.begin(action, payload)

    async def _close(self) -> None:
        try:
            await self._session.close()
        finally:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


def _now_and_then(listeners: Listeners[[T]], listener: Callable[[T], object], now: T) -> Callable[[], None]:
    """Adds a listener who hears what is so now, unless that is an error to it."""
    end = listeners.add(listener)
    try:
        listener(now)
    except BaseException:
        end()
        raise
    return end
