"""The orders in which a gateway may say things, which a network brings about only now and then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from gateway import Case, events_of, text_of
from ringback import Cancelled, Chunk, ErrorItem, Failed, Gap, Job, JobError, JobRecord, Place, Queued, Result
from ringback.beside import Beside
from ringback.lookup import Lookup
from ringback.message import Message
from ringback.requests import Requests
from ringback.story import TRIES

JOB = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1"
TEXT = ["one ", "two ", "three"]


def piece(seq: int, attempt: int = 1) -> Message:
    return Message("job_chunk", TEXT[seq - 1], job_id=JOB, job={"attempt": attempt, "seq": seq}, size=100)


RESULT = Message("job_result", "".join(TEXT), id=JOB, job_id=JOB)


class Orders(Case):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.sent: list[str] = []
        self.read: list[Place] = []
        self.error = ""
        self.errors: list[str] = []
        self.records: list[JobRecord] = []
        self.beside = Beside()
        self.addAsyncCleanup(self.beside.end)
        self.requests = Requests(self.sent.append, self.read_text, self.cancel, Lookup(self.read_jobs), self.beside.start)
        self.requests.begun(recovered=False, have={})

    async def cancel(self, _: str) -> None:
        raise AssertionError

    async def read_text(self, job_id: str, after: Place) -> list[Chunk]:
        """The text as HTTP has it."""
        self.read.append(after)
        error = self.errors.pop() if self.errors else self.error
        if error:
            raise JobError("it is not to be had", code=error)
        return [Chunk(job_id, 1, seq, TEXT[seq - 1]) for seq in range(after[1] + 1, len(TEXT) + 1)]

    async def read_jobs(self, ids: Sequence[str]) -> list[JobRecord]:
        """Jobs as HTTP has them."""
        if self.error:
            raise JobError("it is not to be had", code=self.error)
        return [record for record in self.records if record["id"] in ids]

    def submit(self) -> tuple[Job, Message]:
        """A job, and the answer to it."""
        job = self.requests.begin("system_message", {"task_type": "t", "content": "c", "stream": True})
        return job, Message("job_queued", ref=f"{self.requests._mark}-{self.requests._refs}", job_id=JOB)

    async def ends_well(self, *jobs: Job) -> None:
        for job in jobs:
            self.assertEqual(text_of(await events_of(job)), "one two three")
            self.assertEqual(await job, "one two three")
        self.assertEqual(self.requests.have, {})
        self.assertEqual(self.requests._asked, {})

    async def test_a_text_that_begins_before_the_answer_is_kept(self) -> None:
        job, answer = self.submit()
        self.requests.chunk(piece(1))
        self.requests.lost()
        self.requests.begun(recovered=True, have={})
        self.requests.chunk(piece(2))
        self.requests.queued(answer)
        self.requests.chunk(piece(3))
        self.requests.over(RESULT)
        await self.ends_well(job)
        self.assertEqual((len(self.sent), self.read), (2, [(1, 3)]))

    async def test_a_text_that_was_too_much_to_keep_is_read_over_http(self) -> None:
        with patch("ringback.unclaimed.PIECES_AT_MOST", 1):
            job, answer = self.submit()
            self.requests.chunk(piece(1))
            self.requests.chunk(piece(2))
            self.requests.queued(answer)
        self.requests.chunk(piece(3))
        self.requests.over(RESULT)
        await self.ends_well(job)
        self.assertEqual(self.read, [(0, 0)])

    async def test_a_text_that_may_not_be_whole_is_read_over_http_before_the_end(self) -> None:
        job, answer = self.submit()
        self.requests.queued(answer)
        self.requests.chunk(piece(1))
        self.requests.lost()
        self.requests.begun(recovered=True, have={})
        self.requests.over(RESULT)
        await self.ends_well(job)
        self.assertEqual(self.read, [(1, 1), (1, 3)])
        # Who may not read it has to do without, and is told so; the result is whole.
        self.error = "forbidden"
        *events, gap, last = await events_of(job)
        self.assertEqual([type(event) for event in (*events, last)], [Queued, Chunk, Result])
        assert isinstance(gap, Gap)
        self.assertEqual((gap.job_id, gap.after, gap.error.code), (JOB, (1, 1), "forbidden"))

    async def test_a_text_that_is_merely_doubted_keeps_nobody_from_its_end(self) -> None:
        job, answer = self.submit()
        self.requests.queued(answer)
        for seq in (1, 2, 3):
            self.requests.chunk(piece(seq))
        have = self.requests.have
        self.requests.lost()
        # The gateway knows how much was heard, and tells the rest.
        self.requests.begun(recovered=True, have=have)
        self.requests.over(RESULT)
        with patch("ringback.story.READ_FIRST", 0.001):
            for self.error in ("unavailable", "rate_limited", "unauthorized", "forbidden", "not_found"):
                await self.ends_well(job)
        self.assertEqual(len(self.read), 3 * TRIES + 2)

    async def test_a_text_that_cannot_be_read_now_is_read_a_little_later(self) -> None:
        with patch("ringback.story.TEXT_AT_MOST", 4), patch("ringback.story.READ_FIRST", 0.001):
            job, answer = self.submit()
            self.requests.queued(answer)
            for seq in (1, 2, 3):
                self.requests.chunk(piece(seq))
            self.requests.over(RESULT)
            for error in ("unavailable", "rate_limited", "busy", "unauthorized"):
                self.errors = [error] * (TRIES - 1)
                await self.ends_well(job)
            # What stays away for long is said, and may be asked for again.
            self.error = "unavailable"
            iterator = aiter(job)
            await anext(iterator)
            with self.assertRaises(JobError):
                await anext(iterator)
            self.error = ""
            self.assertEqual(text_of([event async for event in iterator]), "one two three")

    async def test_a_text_that_is_out_of_reach_has_a_gap_where_pieces_are_missing(self) -> None:
        with patch("ringback.story.TEXT_AT_MOST", 4):
            job, answer = self.submit()
            self.requests.queued(answer)
            for seq in (1, 2, 3):
                self.requests.chunk(piece(seq))
            self.requests.over(RESULT)
        for self.error in ("forbidden", "not_found"):
            queued, gap, *rest = await events_of(job)
            assert isinstance(gap, Gap)
            self.assertEqual((gap.after, gap.error.code), ((0, 0), self.error))
            self.assertEqual([type(event) for event in (queued, *rest)], [Queued, Result])

    async def test_a_failure_with_the_code_of_a_cancelled_job_is_a_failure(self) -> None:
        for action, kind in (("job_failed", Failed), ("job_cancelled", Cancelled)):
            job, answer = self.submit()
            self.requests.queued(answer)
            self.requests.over(Message(action, "why", id=JOB, job_id=JOB, job={"code": "cancelled", "attempts": 1}))
            self.assertEqual([type(event) for event in await events_of(job)], [Queued, kind])

    async def test_whoever_hears_of_an_end_before_the_answer_asks_again_and_is_told_everything(self) -> None:
        job, answer = self.submit()
        self.requests.chunk(piece(1))
        self.requests.over(RESULT)
        self.requests.queued(answer)
        self.assertEqual(len(self.sent), 2)
        # The answer is lost once more.
        self.requests.lost()
        self.requests.begun(recovered=True, have={})
        self.assertEqual((len(self.sent), len(set(self.sent))), (3, 1))
        self.requests.queued(answer)
        for seq in (1, 2, 3):
            self.requests.chunk(piece(seq))
        self.requests.over(RESULT)
        await self.ends_well(job)

    async def test_an_end_that_one_hears_while_another_has_no_answer_is_asked_for_again(self) -> None:
        first, answer_to_first = self.submit()
        second, answer_to_second = self.submit()
        self.requests.queued(answer_to_first)
        for seq in (1, 2, 3):
            self.requests.chunk(piece(seq))
        self.requests.over(RESULT)
        self.requests.queued(answer_to_second)
        self.assertEqual(len(self.sent), 3)
        for seq in (1, 2, 3):
            self.requests.chunk(piece(seq))
        self.requests.over(RESULT)
        await self.ends_well(first, second)

    async def test_a_higher_attempt_starts_the_text_again(self) -> None:
        job, answer = self.submit()
        self.requests.queued(answer)
        said = [piece(1), piece(2), piece(2), piece(1, attempt=2), piece(3), piece(2, attempt=2), piece(3, attempt=2)]
        news = [self.requests.chunk(message) for message in said]
        self.assertEqual(news, [True, True, False, True, False, True, True])
        self.requests.over(RESULT)
        places = [event.place for event in await events_of(job) if isinstance(event, Chunk)]
        self.assertEqual(places, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)])
        self.assertEqual(job._story.end, len(places) + 1, "what comes again is not kept")

    async def test_where_the_gateway_is_told_that_one_is_in_a_text(self) -> None:
        job, answer = self.submit()
        self.assertEqual(self.requests.have, {})
        self.requests.queued(answer)
        # Of a job that has said nothing yet as well: it may be over when this client is back.
        self.assertEqual(self.requests.have, {JOB: (0, 0)})
        self.requests.chunk(piece(1))
        self.assertEqual(self.requests.have, {JOB: (1, 1)})
        self.requests.chunk(piece(2))
        self.requests.chunk(piece(3))
        self.requests.over(RESULT)
        await self.ends_well(job)

    async def test_more_jobs_than_a_session_may_have_wait_for_those_that_are_over_and_acknowledged(self) -> None:
        answers = [self.submit()[1] for _ in range(1_001)]
        self.assertEqual(len(self.sent), 1_000)
        self.requests.queued(answers[0])
        self.requests.over(RESULT)
        self.assertEqual(len(self.sent), 1_000)
        self.requests.acknowledged()
        self.assertEqual(len(self.sent), 1_001)

    async def test_of_what_is_too_large_the_largest_is_given_up_by_its_bytes(self) -> None:
        texts = ["\N{SNOWMAN}" * 50, "a" * 100, "b"]
        jobs = [self.requests.begin("system_message", {"task_type": "t", "content": text}) for text in texts]
        sizes = [len(text.encode()) for text in self.sent]
        # Something else was larger, so that it was none of these.
        self.requests.lost(too_large=max(sizes) + 1)
        self.requests.begun(recovered=True, have={})
        self.assertEqual(len(self.requests._asked), 3)
        self.requests.lost(too_large=max(sizes))
        error = await self.fails(jobs[0], "too_large")
        self.assertIn(f"({max(sizes)} bytes)", str(error))
        self.assertEqual(len(self.requests._asked), 2)

    def retry(self) -> tuple[Job, str]:
        """A wish to retry whose answer is lost, and its mark."""
        job = self.requests.begin("retry_job", {"job_id": JOB})
        self.requests.lost()
        self.requests.begun(recovered=True, have={})
        self.assertEqual(len(self.sent), 2)
        return job, json.loads(self.sent[-1])["ref"]

    def record(self, **facts: Any) -> JobRecord:
        whole = {"id": JOB, "state": "running", "attempts": 1, "result": None, "error": None, "error_code": None}
        return {**whole, "retried_as": None, **facts}  # type: ignore[typeddict-item]

    async def test_a_retry_that_conflicts_with_itself_is_told_of_the_end_that_there_is_or_comes(self) -> None:
        for is_over in (True, False):
            self.sent.clear()
            job, ref = self.retry()
            self.records = [self.record(state="succeeded", result="one two three") if is_over else self.record()]
            self.requests.refused(ref, (ErrorItem("conflict", "it runs"),))
            self.assertEqual(await job.id, JOB)
            if not is_over:
                self.requests.over(RESULT)
            await self.ends_well(job)

    async def test_a_retry_that_was_refused_at_once_is_refused(self) -> None:
        job = self.requests.begin("retry_job", {"job_id": JOB})
        self.requests.refused(json.loads(self.sent[-1])["ref"], (ErrorItem("conflict", "it has succeeded"),))
        await self.fails(job, "conflict")

    async def test_a_retry_of_which_a_new_session_knows_nothing_is_found(self) -> None:
        other = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b2"
        with patch("ringback.lookup.LOOK_FIRST", 0.001):
            job, ref = self.retry()
            self.records = [self.record(state="failed", retried_as=other), self.record(id=other)]
            self.requests.refused(ref, (ErrorItem("not_found", "no such job"),))
            self.assertEqual(await job.id, other)
            self.records = [self.record(id=other, state="failed", error="why", error_code="task_failed")]
            self.assertEqual((await self.fails(job, "task_failed")).job_id, other)
            # One that had no effect, and one of which nothing is to be known.
            for self.records, self.error in (([self.record(state="failed")], ""), ([], ""), ([], "forbidden")):
                self.sent.clear()
                job, ref = self.retry()
                self.requests.refused(ref, (ErrorItem("not_found", "no such job"),))
                await self.fails(job, "not_found")
