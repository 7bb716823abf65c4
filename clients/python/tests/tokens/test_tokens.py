"""The client with tokens, against a gateway that asks for them, and a worker.

RINGBACK_SHORT is a token that ends within seconds, RINGBACK_LONG one that does not; both are the same subject's.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import unittest
from collections.abc import Awaitable, Callable
from unittest.mock import patch

import ringback
from gateway import PATIENCE, SOON, URL, Case, becomes, until, until_state
from ringback import State

SHORT, LONG = os.environ.get("RINGBACK_SHORT", ""), os.environ.get("RINGBACK_LONG", "")


class NotSignedIn(Exception):
    """As a library of HTTP says it."""

    status = 401


class WithTokens(Case):
    """A test whose clients have tokens."""

    def setUp(self) -> None:
        self.assertTrue(SHORT and LONG, "set RINGBACK_SHORT and RINGBACK_LONG")

    def connect(self, token: str | Callable[[], str | Awaitable[str]] | None) -> tuple[ringback.Client, list[str]]:
        """A client that is asked for tokens, and all that has crossed its wire."""
        frames: list[str] = []
        options: ringback.Options = {**SOON, "token": token}
        client = ringback.connect(URL, **options)
        client.on_frame(lambda way, text: frames.append(f"{way} {text}"))
        self.addAsyncCleanup(client.close)
        return client, frames


class Ends(WithTokens):
    """A token that ends. These come first, by their name: the short one is good for seconds only."""

    async def test_a_socket_stays_as_long_as_there_are_tokens(self) -> None:
        await asyncio.gather(self.stays(), self.comes_back())

    async def stays(self) -> None:
        """A fresh ticket is given before the token ends, and the socket stays."""
        tokens = [SHORT]

        async def token() -> str:
            return tokens.pop() if tokens else LONG

        client, frames = self.connect(token)
        self.assertEqual(await client.submit("default", "first"), "✅ Processed: FIRST")
        ends_at = (client._session._connection and client._session._connection.ends_at) or 0.0
        states: list[State] = []
        client.on_state(states.append)
        await until("it is renewed", lambda: any('"authenticated"' in frame for frame in frames))
        self.assertLess(time.time(), ends_at)
        await until("the first one has ended", lambda: time.time() > ends_at + 2)
        self.assertEqual(await client.submit("default", "second"), "✅ Processed: SECOND")
        self.assertEqual([state.name for state in states], ["connected"])
        self.assertEqual(sum('"resumed"' in frame for frame in frames), 1)
        self.assertFalse(any(LONG in frame or SHORT in frame for frame in frames), "a token does not cross the socket")

    async def comes_back(self) -> None:
        """Who has no other in time is closed, and comes back with one."""
        tokens = [SHORT]
        is_there = False

        async def token() -> str:
            if tokens:
                return tokens.pop()
            if not is_there:
                raise OSError("the application is away")
            return LONG

        client, _ = self.connect(token)
        job = client.submit("default", "across", delay=14)
        await job.id
        whys: list[str] = []
        client.on_state(lambda state: whys.append(state.why))
        await until_state(client, lambda state: state.name == "reconnecting" and "application" in state.why)
        is_there = True
        await becomes(client, "connected")
        self.assertIn("the token has ended; come back with a fresh one", whys)
        self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: ACROSS")


class Tokens(WithTokens):
    async def test_a_token_that_is_not_taken_is_said_and_another_one_is_asked_for_by_connect_now(self) -> None:
        token = "nonsense"
        client, _ = self.connect(lambda: token)
        with self.assertLogs("ringback", "WARNING") as logs:
            refused = 0

            def ask_again(state: State) -> None:
                nonlocal refused
                refused += state.name == "unauthorized"
                if state.name == "unauthorized" and refused < 3:
                    asyncio.get_running_loop().call_soon(client.connect_now)

            client.on_state(ask_again)
            await until("it was asked again", lambda: refused == 3)
            state = client.state
        self.assertEqual(len(logs.records), 1)
        self.assertIn("no signed token", state.why)
        self.assertIsNone(state.retry_at)
        job = client.submit("default", "later")
        token = LONG
        client.connect_now()
        self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: LATER")

    async def test_a_gateway_that_asks_for_a_token_says_so_to_who_has_none(self) -> None:
        client, _ = self.connect(None)
        state = await becomes(client, "unauthorized")
        self.assertEqual(state.why, "the gateway asks for a token; give one with the option token")
        job = client.submit("default", "never")
        await client.close()
        await self.fails(job, "closed")

    async def test_an_application_that_has_no_token_for_a_while_is_asked_again(self) -> None:
        asked = 0

        async def token() -> str:
            nonlocal asked
            asked += 1
            if asked < 3:
                raise OSError("the application is away")
            return LONG

        client, _ = self.connect(token)
        state = await until_state(client, lambda state: state.why != "")
        self.assertEqual(state.why, "there is no token: the application is away")
        self.assertEqual(await client.submit("default", "patience"), "✅ Processed: PATIENCE")
        self.assertGreaterEqual(asked, 3)

    async def test_an_application_that_does_not_answer_is_not_waited_for_without_end(self) -> None:
        let_go = threading.Event()
        self.addCleanup(let_go.set)
        asked = 0

        async def waits() -> str:
            nonlocal asked
            asked += 1
            if asked < 2:
                await asyncio.Event().wait()
            return LONG

        def blocks() -> str:
            nonlocal asked
            asked += 1
            if asked < 2:
                let_go.wait()
            return LONG

        for token in (waits, blocks):
            asked = 0
            # Long enough for a gateway on a busy machine, which is asked in the same time.
            with patch("ringback.api.TICKET_WITHIN", 2.0):
                client, _ = self.connect(token)
                job = client.submit("default", "silence")
                state = await until_state(client, lambda state: state.why != "")
                self.assertEqual(state.why, "there is no token: it did not come in time")
                self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: SILENCE")
                self.assertEqual(asked, 2)

    async def test_an_application_that_gives_its_user_no_token_is_not_asked_again_by_itself(self) -> None:
        asked: list[int] = []
        is_signed_in = False

        def token() -> str:
            asked.append(threading.get_ident())
            if not is_signed_in:
                raise NotSignedIn("sign in first")
            return LONG

        client, _ = self.connect(token)
        tries: list[State] = []
        client.on_state(tries.append)
        state = await becomes(client, "unauthorized")
        self.assertEqual(state.why, "there is no token: sign in first")
        # Another client is away for longer than any delay of this one.
        other = ringback.connect("ws://127.0.0.1:1/ws/system/", **SOON)
        retries: list[State] = []
        other.on_state(retries.append)
        await until("it was tried often", lambda: len(retries) > 20)
        await other.close()
        self.assertEqual((len(asked), tries[-1]), (1, state))
        is_signed_in = True
        client.connect_now()
        self.assertEqual(await client.submit("default", "signed in"), "✅ Processed: SIGNED IN")
        # It may block, so that it is not called where everything else goes on.
        self.assertNotIn(threading.get_ident(), asked)

    async def test_what_gives_no_token_says_what_it_should_give(self) -> None:
        client, _ = self.connect(lambda: 5)  # type: ignore[arg-type,return-value]
        state = await until_state(client, lambda state: state.why != "")
        self.assertEqual(state.why, "there is no token: a token must be a str, not int")

    async def test_what_a_job_has_said_is_read_with_the_token_as_well(self) -> None:
        client, _ = self.connect(LONG)
        job = client.submit("generate", "mine", stream=True)
        result = await job
        [found] = await client.jobs([await job.id])
        self.assertEqual(found["input"], "mine")
        self.assertEqual("".join([piece.text async for piece in client.chunks(await job.id)]), result)

    async def test_whoever_buys_too_many_tickets_at_once_comes_again_later(self) -> None:
        whys: list[str] = []
        clients = [self.connect(LONG)[0] for _ in range(120)]
        for client in clients:
            client.on_state(lambda state: whys.append(state.why))
        results = await asyncio.wait_for(asyncio.gather(*(client.submit("default", "all") for client in clients)), PATIENCE)
        self.assertEqual(set(results), {"✅ Processed: ALL"})
        self.assertTrue(any("Too many tickets" in why for why in whys))


class WithoutLoop(unittest.TestCase):
    def test_programs_without_an_event_loop_have_tokens_too(self) -> None:
        with ringback.sync.connect(URL, token=lambda: LONG) as client:
            self.assertEqual(client.submit("default", "sync").result(PATIENCE), "✅ Processed: SYNC")
