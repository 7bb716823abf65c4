"""What is asked again after a while."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from .errors import ErrorItem

PASSING = frozenset({"busy", "rate_limited", "unavailable"})
"""Errors after which the same may be accepted: nothing was stored, or it is the same job."""
PATIENCE = 8
"""The longest time until then, as a multiple of what the gateway says, and in seconds."""
LONGEST = 60.0


class Later:
    """Asks again for what the gateway could not take, later each time, and never all at the same moment."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def after(self, errors: tuple[ErrorItem, ...], refusals: int, ref: str, then: Callable[[], None]) -> None:
        """Does it after the time that the errors say, the longer the more often it was refused."""
        least = max((error.retry_after or 1.0 for error in errors), default=1.0)
        delay = min(least * min(2**refusals, PATIENCE), LONGEST) * (1 + random.random() / 4)

        def now() -> None:
            self._timers.pop(ref, None)
            then()

        self.drop(ref)
        self._timers[ref] = asyncio.get_running_loop().call_later(delay, now)

    def drop(self, ref: str) -> None:
        """It is not asked again."""
        timer = self._timers.pop(ref, None)
        if timer is not None:
            timer.cancel()

    def clear(self) -> None:
        """Nothing is: the next session is asked for all of it."""
        for ref in list(self._timers):
            self.drop(ref)


def is_passing(errors: tuple[ErrorItem, ...]) -> bool:
    """Whether the same may be accepted later."""
    return bool(errors) and all(error.type in PASSING for error in errors)
