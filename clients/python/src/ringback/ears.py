"""What is heard, and who hears it."""

from __future__ import annotations

from typing import Literal
from weakref import WeakSet

from .job import Job
from .listeners import Listeners
from .message import Message
from .notices import Notice, Notices
from .state import State
from .told import Told

Way = Literal["in", "out", "note"]


class Ears:
    """Everybody who listens to a client."""

    def __init__(self) -> None:
        self.on_notice: Listeners[[Notice]] = Listeners()
        self.on_state: Listeners[[State]] = Listeners()
        self.on_message: Listeners[[Message, Job | None]] = Listeners()
        self.on_told: Listeners[[tuple[Told, ...]]] = Listeners()
        self.on_frame: Listeners[[Way, str]] = Listeners()
        self._iterators: WeakSet[Notices] = WeakSet()

    def notices(self) -> Notices:
        """An iterator, for as long as somebody has it."""
        notices = Notices()
        self._iterators.add(notices)
        return notices

    def notice(self, notice: Notice) -> None:
        """Tells those who want notices."""
        self.on_notice.tell(notice)
        for notices in list(self._iterators):
            notices._add(notice)

    def end(self) -> None:
        """There will be no more notices."""
        for notices in list(self._iterators):
            notices._end()
