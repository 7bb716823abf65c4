"""The client for programs without an event loop."""

from __future__ import annotations

import json
import threading
import time
import unittest
import urllib.request
from typing import Any

import ringback
from gateway import ADDRESS, PATIENCE, UNKNOWN, URL, mark, text_of
from ringback import Chunk, Gap, JobError, Queued, Result


def say(text: str) -> None:
    """A notice to everyone."""
    body = json.dumps({"content": text}).encode()
    request = urllib.request.Request(f"http://{ADDRESS}/api/v1/notices", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=PATIENCE).close()


class Synchronous(unittest.TestCase):
    def setUp(self) -> None:
        self.before = threading.active_count()
        self.client = ringback.sync.connect(URL)
        self.addCleanup(self.leaves_no_thread)
        self.addCleanup(self.client.close)

    def leaves_no_thread(self) -> None:
        # Those that were given up go on for as long as the gateway takes.
        give_up = time.monotonic() + PATIENCE
        while threading.active_count() > self.before and time.monotonic() < give_up:
            time.sleep(0.005)
        self.assertEqual(threading.active_count(), self.before)

    def fails(self, code: str, call: Any, *args: Any, **options: Any) -> JobError:
        with self.assertRaises(JobError) as caught:
            call(*args, **options)
        self.assertEqual(caught.exception.code, code)
        return caught.exception

    def test_a_job_is_waited_for_and_iterated(self) -> None:
        job = self.client.submit("generate", "tea", stream=True)
        result = job.result(timeout=PATIENCE)
        events = list(job)
        self.assertEqual(events[0], Queued(job.id()))
        self.assertEqual(events[-1], Result(job.id(), result))
        self.assertEqual(text_of(events), result)
        self.assertEqual("".join(piece.text for piece in self.client.chunks(job.id())), result)
        self.assertEqual([record["state"] for record in self.client.jobs([job.id()])], ["succeeded"])
        self.assertEqual(self.client.state.name, "connected")

    def test_what_has_no_result_says_why(self) -> None:
        failed = self.client.submit("fail", "")
        self.fails("task_failed", failed.result, PATIENCE)
        self.fails("task_failed", self.client.retry(failed.id()).result, PATIENCE)
        held = self.client.submit("default", "later", delay=3_600)
        with self.assertRaises(TimeoutError):
            held.result(timeout=0.01)
        held.cancel(PATIENCE)
        self.fails("cancelled", held.result, PATIENCE)
        self.fails("conflict", self.client.cancel, held.id())
        self.fails("not_found", self.client.cancel, UNKNOWN, PATIENCE)
        with self.assertRaisesRegex(TypeError, "has no option"):
            self.client.submit("default", "x", dealy=5)  # type: ignore[call-arg]

    def test_who_gives_up_waiting_for_an_event_loses_none(self) -> None:
        job = self.client.submit("generate", "one two three", stream=True, delay=1)
        stream, given_up = job.events(timeout=0.001), 0
        events: list[ringback.JobEvent] = []
        while not events or not isinstance(events[-1], Result):
            try:
                events.append(next(stream))
            except TimeoutError:
                given_up += 1
        self.assertGreater(given_up, 5)
        self.assertEqual(text_of(events), job.result())
        # That there is no more is also said by the other thread, which may take longer than the time for an event.
        self.assertRaises(StopIteration, stream.next, PATIENCE)

    def test_who_gives_up_waiting_for_a_piece_of_a_text_loses_none(self) -> None:
        job = self.client.submit("generate", f"{mark()} " * 300, stream=True)
        result = job.result(timeout=PATIENCE)
        stream = self.client.chunks(job.id(), timeout=PATIENCE)
        for _ in range(5):
            with self.assertRaises(TimeoutError):
                stream.next(0.0001)
        pieces = list(stream)
        self.assertEqual("".join(piece.text for piece in pieces), result)

    def test_a_text_is_told_also_when_the_client_is_closed_and_what_is_missing_of_it_is_said(self) -> None:
        job = self.client.submit("generate", "tea", stream=True)
        result = job.result(timeout=PATIENCE)
        job._job._story.doubt()
        chunks = self.client.chunks(job.id())
        self.client.close()
        *events, gap, last = list(job)
        self.assertEqual((text_of(events), last), (result, Result(job.id(), result)))
        assert isinstance(gap, Gap)
        self.assertEqual(gap.error.code, "closed")
        self.fails("closed", next, chunks)

    def test_notices_are_waited_for(self) -> None:
        mine = mark()
        heard: list[str] = []
        self.client.on_notice(lambda notice: heard.append(notice.text))
        connected = threading.Event()
        self.client.on_state(lambda state: connected.set() if state.name == "connected" else None)
        self.assertTrue(connected.wait(PATIENCE))
        notices = self.client.notices(timeout=PATIENCE)
        for number in range(3):
            say(f"{mine} {number}")
        found: list[str] = []
        while len(found) < 3:
            found += [text for text in [next(notices).text] if text.startswith(mine)]
        self.assertEqual(found, [f"{mine} {number}" for number in range(3)])
        self.assertEqual([text for text in heard if text.startswith(mine)], found)

    def test_many_threads_may_use_one_client(self) -> None:
        results: dict[int, str] = {}

        def work(number: int) -> None:
            for turn in range(20):
                results[number * 20 + turn] = self.client.submit("translate", f"{number} {turn}").result(PATIENCE)

        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(len(results), 160)
        self.assertEqual(results[21], "🌍 Translated: '1 1' → '[TRANSLATED: 1 1]'")

    def test_who_waits_is_told_that_the_client_was_closed(self) -> None:
        job = self.client.submit("default", "later", delay=3_600)
        job.id(PATIENCE)
        notices = self.client.notices()
        done = self.client.submit("default", "done")
        done.result(PATIENCE)
        told: list[str] = []

        def wait() -> None:
            self.fails("closed", job.result)
            told.append("result")

        def iterate() -> None:
            told.extend(type(event).__name__ for event in job)

        def listen() -> None:
            told.append(f"{len(list(notices))} notices")

        threads = [threading.Thread(target=target) for target in (wait, iterate, listen)]
        for thread in threads:
            thread.start()
        while "Queued" not in told:
            threading.Event().wait(0.005)
        self.client.close()
        for thread in threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive())
        self.assertEqual(set(told) - {"0 notices"}, {"result", "Queued", "Failed"})
        self.assertEqual(done.result(), "✅ Processed: DONE")
        self.fails("closed", self.client.submit, "default", "late")
        self.client.close()

    def test_a_listener_that_waits_for_its_own_client_is_told_so(self) -> None:
        errors: list[Exception] = []
        over = threading.Event()

        def hear(message: ringback.Message) -> None:
            try:
                self.client.submit("default", "in a listener").result()
            except RuntimeError as error:
                errors.append(error)
                over.set()

        end = self.client.on_message(hear)
        self.client.submit("default", "x")
        self.assertTrue(over.wait(PATIENCE))
        end()
        self.assertRegex(str(errors[0]), "another thread")

    def test_what_makes_no_sense_leaves_nothing_behind(self) -> None:
        before = threading.active_count()
        with self.assertRaisesRegex(ValueError, "begin with ws://"):
            ringback.sync.connect("http://127.0.0.1")
        self.assertEqual(threading.active_count(), before)
        with ringback.sync.connect(URL) as client:
            self.assertFalse(client.send({"action": "ping"}) and False)
            client.connect_now()
            event = next(iter(client.submit("generate", "x", stream=True)))
        self.assertNotIsInstance(event, Chunk)
