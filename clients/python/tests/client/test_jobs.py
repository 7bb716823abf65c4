"""Jobs: their results, what is wrong with them, and that each is one."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import ringback
from gateway import PATIENCE, UNKNOWN, Case, api, becomes, events_of, jobs_with, mark, until
from ringback import Failed, JobError, Message, Queued, Result


class Jobs(Case):
    async def test_a_job_is_awaited_for_its_result_and_iterated_for_what_happens_to_it(self) -> None:
        _, client = await self.on()
        job = client.submit("translate", "hello")
        expected = "🌍 Translated: 'hello' → 'hola'"
        self.assertEqual(await job, expected)
        job_id = await job.id
        self.assertEqual(await events_of(job), [Queued(job_id), Result(job_id, expected)])
        # Both as often as one likes.
        self.assertEqual(await job, expected)
        self.assertEqual(len(await events_of(job)), 2)

    async def test_what_fails_is_refused_or_is_cancelled_says_why(self) -> None:
        _, client = await self.on()
        failed = client.submit("fail", "")
        error = await self.fails(failed, "task_failed")
        self.assertEqual((error.attempts, error.job_id), (1, await failed.id))
        self.assertEqual(await events_of(failed), [Queued(await failed.id), Failed(await failed.id, error)])
        refused = client.submit("default", "x" * 70_000)
        error = await self.fails(refused, "too_large")
        self.assertEqual(error.errors[0].type, "too_large")
        await self.fails(refused.id, "too_large")
        self.assertEqual(await events_of(refused), [Failed(None, error)])
        nul = client.submit("default", input=["a\0b"])
        self.assertEqual((await self.fails(nul, "string_type")).errors[0].loc[2], "input")
        held = client.submit("default", "later", delay=3_600)
        await held.cancel()
        error = await self.fails(held, "cancelled")
        self.assertEqual(error.job_id, await held.id)
        self.assertIsInstance((await events_of(held))[-1], ringback.Cancelled)
        await self.fails(client.cancel(await held.id), "conflict")
        await self.fails(client.cancel(UNKNOWN), "not_found")

    async def test_a_job_that_has_failed_is_given_another_chance_whatever_happens_to_the_network(self) -> None:
        network, client = await self.on()
        failed = client.submit("fail", "")
        await self.fails(failed, "task_failed")
        retried = client.retry(await failed.id)
        network.cut()
        await self.fails(retried, "task_failed")
        self.assertNotEqual(await retried.id, await failed.id)
        self.assertEqual(await client.retry(await failed.id).id, await retried.id)
        later = client.submit("default", "later", delay=3_600)
        due = client.retry(await later.id)
        self.assertEqual([await due, await later], ["✅ Processed: LATER"] * 2)
        self.assertEqual(await due.id, await later.id)
        await self.fails(client.retry(await later.id), "conflict")

    async def test_a_retry_whose_answer_is_lost_is_told_of_its_job_although_that_is_over(self) -> None:
        network, client = await self.on()
        later = client.submit("default", "later", delay=3_600)
        job_id = await later.id
        network.is_deaf = True
        due = client.retry(job_id)

        async def is_over() -> bool:
            return bool((await api(f"/api/v1/jobs/{job_id}"))["state"] == "succeeded")

        await until("it is over", is_over)
        network.is_deaf = False
        network.cut()
        self.assertEqual(await asyncio.wait_for(asyncio.gather(due, later), PATIENCE), ["✅ Processed: LATER"] * 2)
        self.assertEqual(await due.id, job_id)

    async def test_a_retry_outlives_its_session(self) -> None:
        network, client = await self.on()
        first = client.submit("hold", "1.5")
        await first.cancel()
        await self.fails(first, "cancelled")
        again = client.retry(await first.id)
        self.assertNotEqual(await again.id, await first.id)
        # Nobody knows this session.
        client._session._memory.session = (UNKNOWN, "none")
        network.cut()
        self.assertEqual(await asyncio.wait_for(again, PATIENCE), "held")

    async def test_a_key_that_is_given_twice_is_one_job_and_both_hear_of_it(self) -> None:
        _, client = await self.on()
        key = mark() * 10
        jobs = [client.submit("default", "once", delay=0.2, idempotency_key=key) for _ in range(2)]
        self.assertEqual(await asyncio.gather(*jobs), ["✅ Processed: ONCE"] * 2)
        self.assertEqual(await jobs[0].id, await jobs[1].id)
        again = client.submit("default", "once", delay=0.2, idempotency_key=key)
        self.assertEqual((await again, await again.id), ("✅ Processed: ONCE", await jobs[0].id))
        await self.fails(client.submit("default", "twice", idempotency_key=key), "conflict")

    async def test_a_job_starts_no_sooner_than_it_says(self) -> None:
        _, client = await self.on()
        due = datetime.now(timezone(timedelta(hours=5))) + timedelta(seconds=0.5)
        job = client.submit("default", "at", run_at=due, priority=3, max_attempts=2, concurrency_key="k")
        await job
        [record] = await client.jobs([await job.id])
        run_at, started = (datetime.fromisoformat(f"{time:.19}+00:00") for time in (record["run_at"], record["started_at"]))
        self.assertLess(abs(run_at - due), timedelta(seconds=1))
        self.assertGreaterEqual(started, run_at)
        self.assertEqual((record["max_attempts"], record["state"]), (2, "succeeded"))

    async def test_of_many_jobs_each_has_one_result_whatever_happens_to_the_network(self) -> None:
        network, client = await self.on()
        mine = mark()
        jobs = [client.submit("analyze", f"{mine} {number}", delay=number % 10 / 100) for number in range(300)]
        heard = 0

        def cut_as_it_begins(state: ringback.State) -> None:
            if state.name == "connected" and network.cuts < 2:
                network.cut()

        def cut_now_and_then(_: Message, __: object) -> None:
            nonlocal heard
            heard += 1
            if heard % 60 == 0:
                network.cut()

        # Before the first answer, amid the answers, and amid the results.
        client.on_state(cut_as_it_begins)
        client.on_message(cut_now_and_then)
        results = await asyncio.wait_for(asyncio.gather(*jobs), PATIENCE)
        for number, result in enumerate(results):
            self.assertIn(f"'{mine} {number}'", result)
        ids = [await job.id for job in jobs]
        self.assertEqual(len(set(ids)), 300)
        for job in jobs:
            self.assertEqual([type(event) for event in await events_of(job)], [Queued, Result])
        self.assertGreater(network.cuts, 5)
        # Nothing was stored twice.
        self.assertEqual({job["id"] for job in await jobs_with(mine, "analyze")}, set(ids))

    async def test_an_outcome_that_comes_before_the_answer_to_its_submission_is_not_lost(self) -> None:
        network, client = await self.on()
        await becomes(client, "connected")
        network.is_deaf = True
        content = mark()
        job = client.submit("translate", content)

        async def is_over() -> bool:
            return any(found["state"] == "succeeded" for found in await jobs_with(content, "translate"))

        await until("the job is over", is_over)
        network.is_deaf = False
        network.cut()
        self.assertIn(content, await asyncio.wait_for(job, PATIENCE))
        self.assertEqual([type(event) for event in await events_of(job)], [Queued, Result])

    async def test_who_gives_up_waiting_takes_the_job_from_nobody(self) -> None:
        _, client = await self.on()
        job = client.submit("default", "patience", delay=0.3)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(job, 0.01)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(client.submit("default", "more", delay=9).id, 0)
        self.assertEqual(await job, "✅ Processed: PATIENCE")

    async def test_where_a_coroutine_is_wanted_a_job_has_one(self) -> None:
        _, client = await self.on()
        job = client.submit("default", "task", delay=0.2)
        given_up, task = asyncio.create_task(job.result()), asyncio.create_task(job.result())
        await asyncio.sleep(0)
        given_up.cancel()
        self.assertEqual([await task, await job], ["✅ Processed: TASK"] * 2)

    async def test_more_jobs_than_a_session_may_have_are_all_done(self) -> None:
        _, client = await self.on()
        jobs = [client.submit("translate", f"{number}") for number in range(2_500)]
        results = await asyncio.wait_for(asyncio.gather(*jobs), PATIENCE)
        self.assertEqual(results[-1], "🌍 Translated: '2499' → '[TRANSLATED: 2499]'")
        self.assertEqual(len({await job.id for job in jobs}), 2_500)

    async def test_a_submission_that_is_told_to_come_again_later_does(self) -> None:
        _, client = await self.on()
        await becomes(client, "connected")
        heard: list[Message] = []
        client.on_message(lambda message, _: heard.append(message))
        # The session is filled with jobs that this client does not count.
        many = [{"task_type": "default", "content": "much", "delay": 1.5} for _ in range(500)]
        for _ in range(2):
            self.assertTrue(client.send({"action": "submit_jobs", "payload": {"jobs": many}}))
        await until("it is full", lambda: [message.action for message in heard].count("jobs_queued") == 2)
        job = client.submit("default", "at last")
        self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: AT LAST")
        refusals = [message for message in heard if message.action == "error"]
        self.assertEqual({message.payload[0]["type"] for message in refusals}, {"busy"})

    async def test_what_is_waited_for_has_a_bound(self) -> None:
        network, client = await self.on()
        network.down()
        jobs = [client.submit("default", "waiting") for _ in range(10_000)]
        with self.assertRaises(JobError) as caught:
            client.submit("default", "too much")
        self.assertEqual(caught.exception.code, "busy")
        await client.close()
        await self.fails(jobs[0], "closed")
        with self.assertRaises(JobError):
            client.submit("default", "too late")
        with self.assertRaises(JobError):
            await client.cancel(UNKNOWN)

    async def test_what_cuts_the_connection_whenever_it_is_sent_is_given_up_and_everything_else_goes_on(self) -> None:
        _, client = await self.on()
        huge = client.submit("default", "x" * 6_000_000)
        small = client.submit("default", "small")
        await self.fails(huge, "too_large")
        self.assertEqual(await small, "✅ Processed: SMALL")
        self.assertEqual(await client.submit("default", "next"), "✅ Processed: NEXT")

    async def test_what_the_gateway_knows_of_jobs_is_read_in_the_order_of_their_ids(self) -> None:
        _, client = await self.on()
        jobs = [client.submit("default", f"{number}") for number in range(130)]
        ids = [await job.id for job in jobs]
        records = await client.jobs([*ids[:50], UNKNOWN, *ids[50:]])
        self.assertEqual([record["id"] for record in records], ids)
        self.assertEqual([record["input"] for record in records], [f"{number}" for number in range(130)])
        self.assertEqual(await client.jobs([]), [])
        self.assertEqual(set(ringback.JobRecord.__annotations__) - set(records[0]), set())
        self.assertEqual((await api(f"/api/v1/jobs/{ids[0]}"))["id"], ids[0])
