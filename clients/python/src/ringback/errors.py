"""What goes wrong with a job: one exception, whose code says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class ErrorItem:
    """One thing that is wrong with what was asked, as the protocol has it."""

    type: str
    """A stable code."""
    msg: str
    """A sentence for people."""
    loc: tuple[str, ...] = ()
    """The way to the place, from the outside in."""
    retry_after: float | None = None
    """When it is worth trying again, in seconds."""
    maybe: bool = False
    """Whether the submission may have been stored all the same."""


class JobError(Exception):
    """A job that has no result: it failed, was cancelled, or was not accepted. Also a question that has no answer."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        job_id: str | None = None,
        attempts: int | None = None,
        errors: Sequence[ErrorItem] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        """A stable code: of `job_failed`, `cancelled`, `closed`, or the type of the first of the errors."""
        self.job_id = job_id
        self.attempts = attempts
        """How many attempts were made, of a job that failed."""
        self.errors = tuple(errors)
        """Everything that was wrong with what was asked."""

    def __reduce__(self) -> tuple[Any, ...]:
        # For other processes, and copies: by itself an exception gives its message alone to the one that is made of it.
        return partial(type(self), code=self.code), self.args, self.__dict__

    @property
    def retry_after(self) -> float:
        """When it is worth trying again, in seconds; 0 where nobody has said."""
        return max((error.retry_after or 0.0 for error in self.errors), default=0.0)


def errors_in(payload: object) -> tuple[ErrorItem, ...]:
    """The errors that a payload lists. What is none is passed over, so that a newer gateway can say more."""
    items: Iterable[object] = payload if isinstance(payload, list) else ()
    return tuple(_error(item) for item in items if isinstance(item, dict))


def sentence(errors: Iterable[ErrorItem]) -> str:
    """Everything that is wrong, in words."""
    return "; ".join(error.msg for error in errors)


def _error(item: Mapping[str, Any]) -> ErrorItem:
    loc, after = item.get("loc"), item.get("retry_after")
    return ErrorItem(
        type=str(item.get("type", "error")),
        msg=str(item.get("msg", "")),
        loc=tuple(map(str, loc)) if isinstance(loc, list) else (),
        retry_after=float(after) if isinstance(after, int | float) else None,
        maybe=item.get("maybe") is True,
    )
