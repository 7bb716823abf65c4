"""The client of Ringback: submits jobs over one socket and hears what becomes of them, whatever happens to the socket.

It keeps a session, so that what finishes while it is away comes when it is back; it gives each submission a key, so that
one that is sent again is the same job; it acknowledges what has arrived, in batches, and shows each thing once.

    async with ringback.connect("ws://127.0.0.1:8000/ws/system/") as client:
        print(await client.submit("generate", "tea"))

`ringback.sync` has the same for programs without an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import sync
from .chunks import Chunks
from .client import Client
from .errors import ErrorItem, JobError
from .events import Cancelled, Chunk, Failed, Gap, JobEvent, Place, Progress, Queued, Result
from .job import Job
from .message import Message
from .notices import Notice, Notices
from .records import JobRecord, JobState, TaskRecord
from .settings import Options
from .state import State, StateName
from .store import FileStore, MemoryStore, Store
from .submission import JobOptions
from .told import Told, ToldJob, ToldNotice
from .tokens import TokenSource

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Cancelled",
    "Chunk",
    "Chunks",
    "Client",
    "ErrorItem",
    "Failed",
    "FileStore",
    "Gap",
    "Job",
    "JobError",
    "JobEvent",
    "JobOptions",
    "JobRecord",
    "JobState",
    "MemoryStore",
    "Message",
    "Notice",
    "Notices",
    "Options",
    "Place",
    "Progress",
    "Queued",
    "Result",
    "State",
    "StateName",
    "Store",
    "TaskRecord",
    "TokenSource",
    "Told",
    "ToldJob",
    "ToldNotice",
    "connect",
    "sync",
]


def connect(url: str, **options: Unpack[Options]) -> Client:
    """Connects, and stays so, until the client is closed. What it is asked for meanwhile waits for the connection."""
    return Client(url, **options)
