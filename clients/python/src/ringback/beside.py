"""Work that goes on beside something, and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Beside:
    """Tasks that nobody waits for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something beside everything else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self) -> None:
        """None of it goes on."""
        for task in self._tasks:
            task.cancel()

    async def end(self) -> None:
        """The same, and waits until all of it has ended."""
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
