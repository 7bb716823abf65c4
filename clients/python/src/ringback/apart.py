"""What blocks is run in threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 4
"""So many calls are under way at once, with those that were given up and go on; others wait for a place."""


class Apart:
    """Runs calls that block. Who gives up waiting for one leaves it behind, and a program that ends does not wait for it."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    async def call(self, function: Callable[[], T]) -> T:
        """What the function answers, or raises."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            self._places.release()
            if answer.done():
                return
            if error is None:
                answer.set_result(result)  # type: ignore[arg-type]
            elif isinstance(error, StopIteration):
                # A future cannot hold this one.
                answer.set_exception(RuntimeError("the function has nothing more to give"))
            else:
                answer.set_exception(error)

        def work() -> None:
            try:
                settled = partial(settle, function(), None)
            except BaseException as error:
                settled = partial(settle, None, error)
            try:
                loop.call_soon_threadsafe(settled)
            except RuntimeError:
                # The loop has ended meanwhile, and with it whoever has asked.
                pass

        try:
            threading.Thread(target=work, name="ringback", daemon=True).start()
        except RuntimeError:
            self._places.release()
            raise
        return await answer
