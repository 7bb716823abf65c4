"""The gateway that the tests run against, and what a test needs to use it.

RINGBACK_ADDRESS says where it is, and RINGBACK_SMALL where there is one that takes but small frames (`--max-frame 2048`).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
import unittest
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import ringback
from network import Network

ADDRESS = os.environ.get("RINGBACK_ADDRESS", "127.0.0.1:8000")
SMALL = os.environ.get("RINGBACK_SMALL")
URL = f"ws://{ADDRESS}/ws/system/"
UNKNOWN = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1"
PATIENCE = 30.0
SOON: ringback.Options = {"retry_first": 0.005, "retry_most": 0.05}
"""For tests that cut the connection."""


def mark() -> str:
    """A text that nobody else submits."""
    return secrets.token_hex(8)


async def api(path: str, body: object = None) -> Any:
    """What the gateway answers over HTTP."""

    def ask() -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{ADDRESS}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    return await asyncio.to_thread(ask)


async def jobs_with(content: str, task: str) -> list[dict[str, Any]]:
    """The newest jobs of a task whose input has this in it."""
    page = await api(f"/api/v1/jobs?task={task}&limit=500")
    return [job for job in page["jobs"] if isinstance(job["input"], str) and content in job["input"]]


async def until(what: str, is_so: Callable[[], object | Awaitable[object]]) -> None:
    """Waits until this is so, looking again and again."""
    give_up = time.monotonic() + PATIENCE
    while True:
        found = is_so()
        if await found if isinstance(found, Awaitable) else found:
            return
        if time.monotonic() > give_up:
            raise AssertionError(f"waited in vain until {what}")
        await asyncio.sleep(0.005)


async def until_state(client: ringback.Client, is_it: Callable[[ringback.State], bool]) -> ringback.State:
    """The next state that is so, or the one that there is."""
    found: asyncio.Future[ringback.State] = asyncio.get_running_loop().create_future()

    def hear(state: ringback.State) -> None:
        if is_it(state) and not found.done():
            found.set_result(state)

    end = client.on_state(hear)
    try:
        return await asyncio.wait_for(found, PATIENCE)
    finally:
        end()


async def becomes(client: ringback.Client, name: ringback.StateName) -> ringback.State:
    """The next state of this name, or the one that there is."""
    return await until_state(client, lambda state: state.name == name)


async def events_of(job: ringback.Job) -> list[ringback.JobEvent]:
    """Everything that happens to a job."""
    return [event async for event in job]


def text_of(events: list[ringback.JobEvent]) -> str:
    """The text that a job has said."""
    return "".join(event.text for event in events if isinstance(event, ringback.Chunk))


class Case(unittest.IsolatedAsyncioTestCase):
    """A test that uses the gateway, and leaves nothing open."""

    maxDiff = 2_000

    async def asyncSetUp(self) -> None:
        # What the loop itself checks is checked; how fast a busy machine is, is not.
        asyncio.get_running_loop().slow_callback_duration = PATIENCE

    async def on(self, network: Network | None = None, **options: Any) -> tuple[Network, ringback.Client]:
        """A client over a network of its own, or this one, for as long as the test takes."""
        if network is None:
            network = await Network.to(ADDRESS)
            self.addAsyncCleanup(network.close)
        client = ringback.connect(network.url, **{**SOON, **options})
        self.addAsyncCleanup(client.close)
        return network, client

    async def fails(self, awaitable: Awaitable[object], code: str) -> ringback.JobError:
        """The error with this code that something must raise."""
        with self.assertRaises(ringback.JobError) as caught:
            await asyncio.wait_for(awaitable, PATIENCE)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return caught.exception
