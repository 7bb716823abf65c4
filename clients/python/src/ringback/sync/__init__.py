"""The client for programs without an event loop: the same, with calls that wait.

    with ringback.sync.connect("ws://127.0.0.1:8000/ws/system/") as client:
        print(client.submit("generate", "tea").result(timeout=60))

Everything may be called from any thread. Listeners are called in the thread of the client, and must not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client import Client
from .job import Job
from .stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..settings import Options

__all__ = ["Client", "Job", "Stream", "connect"]


def connect(url: str, **options: Unpack[Options]) -> Client:
    """Connects, and stays so, until the client is closed. What it is asked for meanwhile waits for the connection."""
    return Client(url, **options)
