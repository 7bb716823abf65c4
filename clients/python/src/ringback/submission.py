"""What is asked for, checked before it is sent: what the gateway would refuse is said at the call."""

from __future__ import annotations

import math
import re
import secrets
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from typing_extensions import Unpack

KEY_AT_MOST = 255
TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
LONGEST_DELAY = 10 * 366 * 86_400
"""Ten years; the gateway says it more exactly."""


class JobOptions(TypedDict, total=False):
    """What a job may say besides its task and its content, as the protocol has it. None is as good as nothing."""

    input: Any
    """What to work on, instead of a text: anything that is JSON."""
    delay: float | None
    """Seconds that it waits at least."""
    run_at: datetime | None
    """Instead of that, a time with a time zone before which it does not start."""
    priority: int | None
    """Each step is worth a minute of waiting."""
    max_attempts: int | None
    """How often it may fail."""
    concurrency_key: str | None
    """Jobs of one task with the same key share the limits for each key."""
    stream: bool
    """Whether it says its text piece by piece."""
    traceparent: str | None
    """The trace that it is a part of, as W3C Trace Context writes it; an OpenTelemetry propagator gives it."""
    idempotency_key: str | None
    """A name for this submission: the same again, with the same name, is the same job. A random one, if this does not say."""


def payload_of(task: str, content: str | None, **options: Unpack[JobOptions]) -> dict[str, Any]:
    """The payload of a submission. What makes no sense raises a `ValueError` or a `TypeError` that says what to do."""
    unknown = set(options) - set(JobOptions.__annotations__)
    if unknown:
        names = ", ".join(sorted(JobOptions.__annotations__))
        raise TypeError(f"a job has no option {sorted(unknown)[0]!r}; it has {names}")
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if not _text("task", task):
        raise ValueError("task must be the name of one, such as 'translate'")
    if content is not None:
        _text("content", content)
    if (content is None) == ("input" not in given):
        raise ValueError("give either content, which is a text to work on, or the option input, which is any JSON")
    if "delay" in given and "run_at" in given:
        raise ValueError("give either delay or run_at")
    if "delay" in given:
        given["delay"] = _delay(given["delay"])
    if "run_at" in given:
        given["run_at"] = _time(given["run_at"])
    for name, least, most in (("priority", -32_768, 32_767), ("max_attempts", 1, 1_000)):
        if name in given and not (type(given[name]) is int and least <= given[name] <= most):
            raise ValueError(f"{name} must be a whole number from {least} to {most}, not {given[name]!r}")
    for name in ("concurrency_key", "idempotency_key"):
        if name in given and len(_text(name, given[name]).encode()) > KEY_AT_MOST:
            raise ValueError(f"{name} must have at most {KEY_AT_MOST} bytes; use a digest of what is longer")
    if "traceparent" in given and not TRACEPARENT.fullmatch(_text("traceparent", given["traceparent"])):
        raise ValueError(f"traceparent must be one of W3C Trace Context, not {given['traceparent']!r}")
    if not isinstance(given.get("stream", False), bool):
        raise TypeError(f"stream must be True or False, not {given['stream']!r}")
    given.setdefault("idempotency_key", secrets.token_hex(16))
    if content is not None:
        given["content"] = content
    return {"task_type": task, **given}


def job_id_of(value: Any) -> str:
    """The id of a job, as the gateway writes it."""
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{value!r} is no id of a job; `await job.id` gives one") from None


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{name} has a NUL character, which cannot be stored; leave it out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} has half a surrogate pair, which is no text: {error}") from None
    return value


def _delay(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"delay must be a number of seconds, not {type(value).__name__}")
    if not math.isfinite(value) or not 0 <= value <= LONGEST_DELAY:
        raise ValueError(f"delay must be from 0 to ten years of seconds, not {value!r}")
    return value


def _time(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"run_at must be a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise ValueError("run_at must have a time zone, such as datetime.now(timezone.utc) has")
    return value.astimezone(timezone.utc).isoformat()
