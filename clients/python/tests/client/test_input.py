"""What makes no sense is said at the call, and says what to do."""

from __future__ import annotations

import unittest
from datetime import datetime
from typing import Any

import ringback
from gateway import URL, Case, becomes


class Input(Case):
    async def test_a_submission_that_makes_no_sense_is_refused_at_the_call(self) -> None:
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("task must be", {"task": ""}),
            ("task must be", {"task": 5}),
            ("either content", {"content": None}),
            ("either content", {"input": 1}),
            ("content must be a str", {"content": 5}),
            ("NUL", {"content": "a\0b"}),
            ("surrogate", {"content": "\ud83d"}),
            ("written as JSON", {"content": None, "input": object()}),
            ("written as JSON", {"content": None, "input": float("nan")}),
            ("written as JSON", {"content": None, "input": "\ud83d"}),
            ("delay must be a number", {"delay": "5"}),
            ("delay must be from", {"delay": -1}),
            ("delay must be from", {"delay": float("inf")}),
            ("either delay or run_at", {"delay": 1, "run_at": datetime.now().astimezone()}),
            ("time zone", {"run_at": datetime.now()}),
            ("run_at must be a datetime", {"run_at": "2026-01-31T12:00:00Z"}),
            ("priority must be", {"priority": 99_999}),
            ("priority must be", {"priority": 1.5}),
            ("max_attempts must be", {"max_attempts": 0}),
            ("max_attempts must be", {"max_attempts": True}),
            ("255 bytes", {"idempotency_key": "é" * 200}),
            ("concurrency_key must be a str", {"concurrency_key": 5}),
            ("traceparent must be a str", {"traceparent": 5}),
            ("traceparent must be one", {"traceparent": "00-1-2-01"}),
            ("stream must be", {"stream": "yes"}),
            ("has no option 'dealy'", {"dealy": 5}),
        ]
        async with ringback.connect(URL) as client:
            for words, options in wrong:
                with self.subTest(options), self.assertRaisesRegex((TypeError, ValueError), words):
                    client.submit(**{"task": "default", "content": "x", **options})
            # None is as good as nothing, and the largest that is allowed is.
            longest = {"priority": -32_768, "max_attempts": 1_000, "concurrency_key": "k" * 255, "delay": None, "run_at": None}
            longest["traceparent"] = f"00-{'a' * 32}-{'b' * 16}-01"
            self.assertEqual(await client.submit("default", "x", **longest), "✅ Processed: X")  # type: ignore[arg-type]

    async def test_what_is_no_id_of_a_job_is_refused_at_the_call(self) -> None:
        async with ringback.connect(URL) as client:
            for value in ("no id", "", 5, None):
                with self.assertRaisesRegex(ValueError, "no id of a job"):
                    client.retry(value)  # type: ignore[arg-type]
                with self.assertRaisesRegex(ValueError, "no id of a job"):
                    await client.cancel(value)  # type: ignore[arg-type]
                with self.assertRaisesRegex(ValueError, "no id of a job"):
                    await client.jobs([value])  # type: ignore[list-item]
            with self.assertRaisesRegex(TypeError, "a list of ids"):
                await client.jobs("01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1")
            with self.assertRaisesRegex(ValueError, "an action"):
                client.send({"payload": 5})
            with self.assertRaises(ValueError):
                client.send({"action": "\ud83d"})

            async def listen(*_: object) -> None:
                raise AssertionError

            for add in (client.on_notice, client.on_state, client.on_message, client.on_frame):
                for listener in (listen, 5):
                    with self.assertRaisesRegex(TypeError, "a plain function"):
                        add(listener)  # type: ignore[arg-type]

    async def test_a_connection_that_makes_no_sense_is_refused_at_the_call(self) -> None:
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("url must be a str", {"url": 5}),
            ("begin with ws://", {"url": "http://127.0.0.1:8000/ws/system/"}),
            ("begin with ws://", {"url": "127.0.0.1:8000/ws/system/"}),
            ("end with /ws/system/", {"url": "ws://127.0.0.1:8000"}),
            ("end with /ws/system/", {"url": "ws://127.0.0.1:8000/ws/system/?a=b"}),
            ("name and a password", {"url": "ws://me:secret@127.0.0.1:8000/ws/system/"}),
            ("[Pp]ort", {"url": "ws://127.0.0.1:eight/ws/system/"}),
            ("token must be a str or a function", {"token": 5}),
            ("without spaces", {"token": "a token\n"}),
            ("without spaces", {"token": ""}),
            ("FileStore", {"store": "session.json"}),
            ("SSLContext", {"ssl": True}),
            ("proxy must be True, False", {"proxy": 5}),
            ("an HTTP proxy", {"proxy": "socks5://127.0.0.1:1080"}),
            ("an HTTP proxy", {"proxy": "127.0.0.1:3128"}),
            ("retry_first must be", {"retry_first": 0}),
            ("must not be less", {"retry_first": 5, "retry_most": 1}),
            ("max_message must be", {"max_message": 0}),
            ("has no option 'tokens'", {"tokens": "t"}),
        ]
        for words, options in wrong:
            with self.subTest(options), self.assertRaisesRegex((TypeError, ValueError), words):
                ringback.connect(**{"url": URL, **options})
        with self.assertRaisesRegex(ValueError, "make it first"):
            ringback.FileStore("/nowhere/at/all/session.json")
        with self.assertRaisesRegex(ValueError, "is a folder"):
            ringback.FileStore("/")


    async def test_a_listener_that_raises_an_error_at_its_first_call_is_not_kept(self) -> None:
        async with ringback.connect(URL) as client:
            heard: list[str] = []

            def hear(state: ringback.State) -> None:
                heard.append(state.name)
                raise RuntimeError("not now")

            with self.assertRaises(RuntimeError):
                client.on_state(hear)
            await becomes(client, "connected")
        self.assertEqual(heard, ["connecting"])


class WithoutLoop(unittest.TestCase):
    def test_without_an_event_loop_it_says_what_to_use(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "ringback.sync.connect"):
            ringback.connect(URL)
