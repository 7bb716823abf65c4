"""What may be there instead of a gateway."""

from __future__ import annotations

import asyncio
import os
import unittest
from asyncio import StreamReader, StreamWriter
from functools import partial
from typing import Any
from unittest.mock import patch

import ringback
from gateway import ADDRESS, PATIENCE, SMALL, SOON, URL, Case, becomes, until, until_state
from ringback import State


class Odd:
    """A server that answers every request with the same, and knows what it was asked."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.requests: list[str] = []

    @classmethod
    async def with_answer(cls, case: Case, answer: str) -> Odd:
        """One that is there as long as the test takes."""
        odd = cls(answer)
        odd._server = await asyncio.start_server(odd._join, "127.0.0.1", 0)
        case.addCleanup(odd._server.close)
        return odd

    _server: asyncio.Server

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"ws://{self.address}/ws/system/"

    def was_asked(self, times: int) -> bool:
        return len(self.requests) >= times

    async def _join(self, reader: StreamReader, writer: StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(request.decode())
        writer.write(self.answer.encode())
        await writer.drain()
        writer.close()


def answer(status: str, body: str = "", *headers: str) -> str:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


class Opening(Case):
    async def on_odd(self, url: str, **options: Any) -> ringback.Client:
        client = ringback.connect(url, **{**SOON, **options})
        self.addAsyncCleanup(client.close)
        return client

    async def test_a_socket_does_not_follow_to_where_a_redirect_leads(self) -> None:
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            elsewhere = await Odd.with_answer(self, answer("404 Not Found"))
            odd = await Odd.with_answer(self, answer(status, "", f"Location: {elsewhere.url}"))
            client = await self.on_odd(odd.url)
            state = await until_state(client, lambda state: state.why != "")
            self.assertIn(f"perhaps at {elsewhere.url}", state.why)
            await until("it is tried again", partial(odd.was_asked, 3))
            await client.close()
            self.assertEqual(elsewhere.requests, [])

    async def test_an_answer_that_makes_no_sense_is_an_outage(self) -> None:
        odd_tickets = ["{}", '{"ticket": 5}', '{"ticket": "a b"}', '{"ticket": "ok", "token_ends_at": "soon"}', "[", "5"]
        for body in odd_tickets:
            with self.subTest(body):
                odd = await Odd.with_answer(self, answer("200 OK", body))
                client = await self.on_odd(odd.url, token="token")
                await until("it is tried again", partial(odd.was_asked, 3))
                self.assertEqual(client.state.name, "connecting")
                await client.close()

    async def test_what_is_said_of_jobs_and_makes_no_sense_is_unavailable(self) -> None:
        bodies = ["{}", '{"jobs": 5}', '{"jobs": [{}]}', '{"chunks": [{"seq": 1}]}', '{"chunks": [5]}']
        for body in bodies:
            with self.subTest(body):
                odd = await Odd.with_answer(self, answer("200 OK", body))
                client = await self.on_odd(odd.url)
                job_id = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1"
                await self.fails(client.jobs([job_id]), "unavailable")
                await self.fails(anext(client.chunks(job_id)), "unavailable")

    async def test_what_goes_wrong_with_a_proxy_is_tried_again(self) -> None:
        # Nothing for these is installed.
        with patch.dict(os.environ, {"socks_proxy": "socks5://127.0.0.1:1", "no_proxy": ""}):
            client = await self.on_odd("ws://gateway.invalid/ws/system/")
            tries: list[State] = []
            client.on_state(lambda state: tries.append(state) if state.retry_at else None)
            await until("it was tried often", lambda: len(tries) > 3)
            self.assertEqual(client.state.name, "connecting")

    async def test_a_proxy_is_used_that_is_named_or_that_the_environment_names_unless_none_is_wanted(self) -> None:
        named = await Odd.with_answer(self, answer("502 Bad Gateway"))
        client = await self.on_odd(URL, proxy=f"http://{named.address}")
        await until("it is asked", lambda: len(named.requests) > 0)
        self.assertTrue(named.requests[0].startswith(f"CONNECT {ADDRESS} "), named.requests[0])
        await self.fails(client.jobs(["01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1"]), "unavailable")
        self.assertTrue(any(request.startswith(f"GET http://{ADDRESS}/api") for request in named.requests))
        await client.close()
        environment = {name: f"http://{named.address}" for name in ("http_proxy", "https_proxy")}
        with patch.dict(os.environ, {**environment, "no_proxy": ""}):
            named.requests.clear()
            client = await self.on_odd(URL)
            await until("it is asked", lambda: len(named.requests) > 0)
            await client.close()
            named.requests.clear()
            client = await self.on_odd(URL, proxy=False)
            await becomes(client, "connected")
            self.assertEqual(await client.jobs(["01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1"]), [])
            self.assertEqual(named.requests, [])


@unittest.skipUnless(SMALL, "set RINGBACK_SMALL")
class TooLarge(Case):
    async def test_what_a_gateway_that_takes_but_small_frames_closes_on_is_given_up_and_everything_else_goes_on(self) -> None:
        async with ringback.connect(f"ws://{SMALL}/ws/system/", **SOON) as client:
            await becomes(client, "connected")
            # Fewer characters than bytes, and both below the usual limit.
            large = client.submit("default", "\N{SNOWMAN}" * 15_000)
            small = client.submit("default", "small")
            self.assertIn("too large", str(await self.fails(large, "too_large")))
            self.assertEqual(await asyncio.wait_for(small, PATIENCE), "✅ Processed: SMALL")
