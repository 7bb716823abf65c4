"""The texts of jobs: each piece once and in its order."""

from __future__ import annotations

import asyncio
import contextlib
from unittest.mock import patch

from gateway import PATIENCE, Case, becomes, events_of, jobs_with, mark, text_of, until
from ringback import Chunk, JobError, Place, Progress, Queued, Result
from ringback.story import TEXT_AT_MOST


class Text(Case):
    async def test_a_text_comes_piece_by_piece_each_once_and_in_its_order_whatever_happens_to_the_network(self) -> None:
        network, client = await self.on()
        # Room for the answer, which has the content in it, or for the result, and for some pieces beside that.
        network.cut_every = 8_000
        job = client.submit("generate", f"{mark()} " * 180, stream=True)
        chunks = [event async for event in job if isinstance(event, Chunk)]
        self.assertEqual([chunk.seq for chunk in chunks], list(range(1, len(chunks) + 1)))
        self.assertEqual("".join(chunk.text for chunk in chunks), await job)
        self.assertGreater(len(chunks), 90)
        self.assertGreaterEqual(network.cuts, 2)

    async def test_a_text_that_is_told_before_the_answer_to_its_submission_is_not_lost(self) -> None:
        for state in ("running", "succeeded"):
            network, client = await self.on()
            await becomes(client, "connected")
            network.is_deaf = True
            content = mark()
            job = client.submit("generate", content, stream=True)

            async def is_so() -> bool:
                return any(found["state"] in (state, "succeeded") for found in await jobs_with(content, "generate"))

            await until("it says something", is_so)
            network.is_deaf = False
            network.cut()
            events = await asyncio.wait_for(events_of(job), PATIENCE)
            self.assertEqual(text_of(events), await job)
            self.assertNotEqual(text_of(events), "")

    async def test_a_text_that_is_told_while_the_client_is_away_is_not_lost(self) -> None:
        network, client = await self.on()
        content = mark()
        job = client.submit("generate", content, stream=True, delay=0.3)
        await job.id
        network.down()

        async def is_over() -> bool:
            return any(found["state"] == "succeeded" for found in await jobs_with(content, "generate"))

        await until("it is over", is_over)
        network.up()
        self.assertEqual(text_of(await asyncio.wait_for(events_of(job), PATIENCE)), await job)

    async def test_an_end_that_one_hears_before_the_other_has_an_answer_is_heard_by_both(self) -> None:
        network, client = await self.on()
        key, content = mark(), mark()
        first = client.submit("generate", content, stream=True, delay=0.3, idempotency_key=key)
        await first.id
        network.is_deaf = True
        second = client.submit("generate", content, stream=True, delay=0.3, idempotency_key=key)

        async def is_over() -> bool:
            return any(found["state"] == "succeeded" for found in await jobs_with(content, "generate"))

        await until("it is over", is_over)
        network.is_deaf = False
        network.cut()
        for job in (first, second):
            self.assertEqual(text_of(await asyncio.wait_for(events_of(job), PATIENCE)), await job)

    async def test_how_far_a_job_is_is_told(self) -> None:
        _, client = await self.on()
        job = client.submit("generate", "tea", stream=True)
        # A session that was away is told how far the job was, so that at least one is heard.
        events = await events_of(job)
        self.assertIsInstance(events[0], Queued)
        self.assertIsInstance(events[-1], Result)
        for event in events:
            if isinstance(event, Progress):
                self.assertEqual(event.attempt, 1)
                self.assertTrue(event.percent is not None and 0 < event.percent <= 100, event)

    async def test_whoever_reads_late_gets_all_of_a_text_that_is_not_kept(self) -> None:
        _, client = await self.on()
        job = client.submit("generate", f"{mark()} " * 3_000, stream=True)
        result = await job
        self.assertGreater(len(result), TEXT_AT_MOST)
        kept = [event for event in job._story._kept if isinstance(event, Chunk)]
        self.assertLessEqual(sum(len(event.text) for event in kept), TEXT_AT_MOST)
        for _ in range(2):
            events = await events_of(job)
            self.assertEqual(text_of(events), result)
            self.assertEqual((type(events[0]), type(events[-1])), (Queued, Result))

    async def test_who_begins_to_read_amid_a_text_that_goes_on_gets_all_of_it(self) -> None:
        network, client = await self.on()
        await becomes(client, "connected")
        network.cut_every = 120_000
        job = client.submit("generate", f"{mark()} " * 3_000, stream=True)
        reading = [asyncio.create_task(events_of(job))]
        await until("the line is cut", lambda: network.cuts > 0)
        reading.append(asyncio.create_task(events_of(job)))
        result = await job
        for events in await asyncio.gather(*reading):
            self.assertEqual(text_of(events), result)

    async def test_what_cannot_be_read_again_now_may_be_read_later(self) -> None:
        network, client = await self.on()
        job = client.submit("generate", f"{mark()} " * 3_000, stream=True)
        result = await job
        iterator = aiter(job)
        events = [await anext(iterator)]
        network.down()
        with patch("ringback.story.TRIES", 1):
            await self.fails(anext(iterator), "unavailable")
        reading = asyncio.create_task(anext(iterator))
        await until("it is tried again", lambda: iterator._tries > 0)
        network.up()
        events += [await asyncio.wait_for(reading, PATIENCE)]
        events += [event async for event in iterator]
        self.assertEqual(text_of(events), result)

    async def test_after_a_cut_a_text_that_was_heard_ends_well_although_http_does_not_answer(self) -> None:
        asked: list[Place] = []

        async def read_text(job_id: str, after: Place) -> list[Chunk]:
            asked.append(after)
            raise JobError("it is not to be had", code=codes[len(asked) % len(codes)])

        for codes in (["unavailable", "rate_limited"], ["forbidden"], ["not_found"]):
            network, client = await self.on()
            with patch.object(client._session.requests, "_read_text", read_text), patch("ringback.story.READ_FIRST", 0.01):
                job = client.submit("story", "30", stream=True)
                events = []
                async for event in job:
                    events.append(event)
                    if isinstance(event, Chunk) and event.seq == 10:
                        network.cut()
            self.assertEqual(text_of(events), "".join(f"{piece} " for piece in range(1, 31)))
            self.assertEqual([type(event) for event in events], [Queued, *[Chunk] * 30, Result])
        self.assertGreater(len(asked), 0)

    async def test_who_gives_up_waiting_for_an_event_loses_none(self) -> None:
        _, client = await self.on()
        job = client.submit("generate", "one two three", stream=True, delay=1)
        iterator, events, given_up = aiter(job), [], 0
        with contextlib.suppress(StopAsyncIteration):
            while True:
                try:
                    events.append(await asyncio.wait_for(anext(iterator), 0.002))
                except asyncio.TimeoutError:
                    given_up += 1
        self.assertGreater(given_up, 5)
        self.assertEqual(text_of(events), await job)
        self.assertEqual(events, await events_of(job))

    async def test_a_key_that_is_given_again_has_the_text_as_well(self) -> None:
        _, client = await self.on()
        key, content = mark(), f"{mark()} " * 500
        first = client.submit("generate", content, stream=True, idempotency_key=key)
        async for event in first:
            if isinstance(event, Chunk):
                break
        second = client.submit("generate", content, stream=True, idempotency_key=key)
        self.assertEqual(text_of(await events_of(second)), await second)
        self.assertEqual(text_of(await events_of(first)), await first)
        self.assertEqual(await first.id, await second.id)

    async def test_the_text_so_far_is_read_from_its_beginning_or_from_a_place_in_it(self) -> None:
        network, client = await self.on()
        job = client.submit("generate", f"{mark()} " * 300, stream=True)
        result, job_id = await job, await job.id
        pieces = [piece async for piece in client.chunks(job_id)]
        self.assertEqual("".join(piece.text for piece in pieces), result)
        self.assertEqual(pieces[0].place, (1, 1))
        after = [piece.seq async for piece in client.chunks(job_id, (1, len(pieces) - 3))]
        self.assertEqual(after, [piece.seq for piece in pieces[-3:]])
        network.down()
        await self.fails(anext(client.chunks(job_id)), "unavailable")
        network.up()
        await self.fails(anext(client.chunks("01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1")), "not_found")
