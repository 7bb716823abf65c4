"""Those who want to hear of something."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Listeners(Generic[P]):
    """Plain functions that are called when something happens, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[P, object]] = {}

    def add(self, listener: Callable[P, object]) -> Callable[[], None]:
        """Adds one; answers what takes it away again."""
        if not callable(listener) or inspect.iscoroutinefunction(listener):
            raise TypeError("a listener is a plain function: one that is async starts a task in it")
        key = object()
        self._listeners[key] = listener

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def tell(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tells all of them; one that raises an error keeps nothing from the others."""
        for listener in list(self._listeners.values()):
            try:
                listener(*args, **kwargs)
            except Exception as error:
                context = {"message": "a listener of ringback raised an error", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
