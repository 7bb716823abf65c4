"""What comes one after the other, for those who wait for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from ..errors import JobError
from .backstage import Backstage

T = TypeVar("T")


class Stream(Generic[T]):
    """An iterator, for one thread at a time.

    With a time-out, what does not come in time raises a `TimeoutError`, and may be asked for again: nothing is lost.
    """

    def __init__(self, backstage: Backstage, items: AsyncIterator[T], timeout: float | None = None) -> None:
        self._backstage = backstage
        self._items = items
        self._timeout = timeout
        self._turn = threading.Lock()
        self._kept: deque[T] = deque()
        """What has come for somebody who had just given up waiting for it."""

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        return self.next(self._timeout)

    def next(self, timeout: float | None = None) -> T:
        """The next thing; a `StopIteration` where there are no more."""
        with self._turn:
            try:
                self._backstage.wait(self._come, timeout)
            except JobError as error:
                if error.code != "closed" or not self._is_here():
                    raise
            if not self._kept:
                raise StopIteration
            return self._kept.popleft()

    async def _come(self) -> None:
        if not self._kept:
            try:
                self._kept.append(await self._items.__anext__())
            except StopAsyncIteration:
                pass

    def _is_here(self) -> bool:
        """When the client is closed: what need not be waited for is there all the same."""
        coming = self._come()
        try:
            coming.send(None)
        except StopIteration:
            return True
        except RuntimeError:
            # It needs the event loop, which has ended.
            return False
        coming.close()
        return False
