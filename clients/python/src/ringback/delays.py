"""How long to wait before the next socket."""

from __future__ import annotations

import random

SETTLED_AFTER = 5.0
"""A socket that has lived so many seconds has worked: the next loss starts with the shortest delay again."""

ASKED_AT_MOST = 60.0
"""The longest that the gateway may ask for before the next socket."""


class Delays:
    """Delays that grow, have a bound, and are never the same for two clients."""

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._losses = 0

    def next(self, at_least: float = 0.0) -> float:
        """The next delay. The gateway may have asked for some time, as all the others of its clients."""
        self._losses += 1
        most = min(self._most, self._first * 2.0 ** min(self._losses, 64))
        asked = min(at_least, ASKED_AT_MOST) * (1 + random.random() / 4)
        return max(asked, self._first + random.random() * max(0.0, most - self._first))

    def lived(self, seconds: float) -> None:
        """There was a session on a socket for so long."""
        if seconds >= SETTLED_AFTER:
            self._losses = 0

    def begin_again(self) -> None:
        """Somebody wants to know it now."""
        self._losses = 0
