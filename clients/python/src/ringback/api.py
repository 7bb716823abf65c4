"""What is asked over HTTP, which is where the socket is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urljoin

from .apart import Apart
from .errors import ErrorItem, JobError, errors_in, sentence
from .events import Chunk, Place
from .records import JobRecord, TaskRecord
from .settings import Settings

ANSWER_WITHIN = 30.0
"""So long an answer may take, with the token that it needs."""
TICKET_WITHIN = 10.0
"""The same for a ticket, which a socket waits for."""
ANSWER_AT_MOST = 64 * 1024 * 1024
"""An answer of more bytes is given up; a page of jobs has about two million."""
JOBS_AT_ONCE = 100
"""For so many jobs one request asks."""


@dataclass(frozen=True)
class Ticket:
    """What opens one socket, or keeps one open."""

    secret: str
    ends_at: float | None
    """When the token ends that it was bought with, in seconds since 1970; none, where it does not."""


class Api:
    """Asks the gateway. What has no answer raises a `JobError`, whose code says why."""

    def __init__(self, settings: Settings) -> None:
        self._base = urljoin(re.sub("^ws", "http", settings.url), "../../api/v1/")
        self._tokens = settings.tokens
        self._apart = Apart()
        secure = urllib.request.HTTPSHandler(context=settings.ssl)
        self._opener = urllib.request.build_opener(secure, _proxies(settings.proxy), _NoRedirects)

    async def ticket(self) -> Ticket:
        """Buys a ticket."""
        answer = await self._fetch("POST", "tickets", {}, TICKET_WITHIN)
        with _understood("tickets"):
            return Ticket(_written(answer["ticket"]), _seconds(answer.get("token_ends_at")))

    async def jobs(self, ids: Sequence[str]) -> list[JobRecord]:
        """What the gateway knows of jobs, in the order of these ids; those that it does not know are left out."""
        found: dict[str, JobRecord] = {}
        for start in range(0, len(ids), JOBS_AT_ONCE):
            some = ids[start : start + JOBS_AT_ONCE]
            query = {"id": ",".join(some), "limit": str(JOBS_AT_ONCE)}
            while True:
                page = await self._fetch("GET", "jobs", query, ANSWER_WITHIN)
                with _understood("jobs"):
                    found.update((job["id"], job) for job in page["jobs"])
                if not page.get("next") or all(job_id in found for job_id in some):
                    break
                query["cursor"] = page["next"]
        return [found[job_id] for job_id in ids if job_id in found]

    async def tasks(self) -> list[TaskRecord]:
        """What the fleet can run."""
        page = await self._fetch("GET", "tasks", {}, ANSWER_WITHIN)
        with _understood("tasks"):
            return list(page["tasks"])

    async def text(self, job_id: str, after: Place) -> list[Chunk]:
        """The first pieces of a job's text after a place; none, where there are no more."""
        query = {} if after == (0, 0) else {"after": f"{after[0]}-{after[1]}"}
        page = await self._fetch("GET", f"jobs/{job_id}/chunks", query, ANSWER_WITHIN)
        with _understood(f"jobs/{job_id}/chunks"):
            return [_chunk(job_id, **chunk) for chunk in page["chunks"]]

    async def _fetch(self, method: str, path: str, query: Mapping[str, str], within: float) -> Any:
        """The JSON of an answer."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        try:
            token = await asyncio.wait_for(self._tokens.current(), within)
        except asyncio.TimeoutError:
            raise JobError("there is no token: it did not come in time", code="unavailable") from None
        url = urljoin(self._base, path) + ("?" + urlencode(query) if query else "")
        headers = {"Accept": "application/json", "User-Agent": "ringback-python"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(url, method=method, headers=headers)
        left = max(deadline - loop.time(), 0.001)
        asking = self._apart.call(partial(self._ask, request, left))
        try:
            status, body = await asyncio.wait_for(asking, left)
        except (OSError, HTTPException, asyncio.TimeoutError) as error:
            why = str(error) or "there was no answer in time"
            raise JobError(f"/api/v1/{path} could not be read: {why}", code="unavailable") from error
        return _answer(path, status, body)

    def _ask(self, request: urllib.request.Request, within: float) -> tuple[int, bytes]:
        """Asks, and blocks meanwhile; the time is for each of its steps."""
        try:
            with self._opener.open(request, timeout=within) as answer:
                return answer.status, answer.read(ANSWER_AT_MOST)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(ANSWER_AT_MOST)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for the gateway that was named, and would be sent to wherever a redirect leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _proxies(proxy: str | bool) -> urllib.request.ProxyHandler:
    if proxy is True:
        return urllib.request.ProxyHandler()
    return urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {})


def _answer(path: str, status: int, body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status < 300 and isinstance(answer, dict):
        return answer
    if status < 300:
        raise JobError(f"/api/v1/{path} was answered with status {status}, and no JSON", code="unavailable")
    raise refusal(f"/api/v1/{path}", status, answer)


def refusal(what: str, status: int, answer: object) -> JobError:
    """The error that an answer of HTTP is."""
    errors: tuple[ErrorItem, ...] = errors_in(answer.get("errors")) if isinstance(answer, dict) else ()
    passing = {401: "unauthorized", 403: "forbidden", 429: "rate_limited"}.get(status)
    code = errors[0].type if errors else passing or ("unavailable" if status >= 500 else f"http_{status}")
    return JobError(sentence(errors) or f"{what} was answered with status {status}", code=code, errors=errors)


@contextlib.contextmanager
def _understood(what: str) -> Iterator[None]:
    """What is not as the protocol has it, such as the page of something between here and the gateway, is no answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JobError(f"/api/v1/{what}: the answer makes no sense ({error!r})", code="unavailable") from error


def _written(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("it is no ticket")
    return value


def _chunk(job_id: str, attempt: object, seq: object, text: object, **_: object) -> Chunk:
    if not isinstance(attempt, int) or not isinstance(seq, int) or not isinstance(text, str):
        raise TypeError("it is no piece of a text")
    return Chunk(job_id, attempt, seq, text)


def _seconds(text: object) -> float | None:
    """A time (RFC 3339), in seconds since 1970. Python before 3.11 reads no Z, and none reads billionths."""
    if not isinstance(text, str):
        return None
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00")).timestamp()
