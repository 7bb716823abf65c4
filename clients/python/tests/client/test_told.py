"""What a session was told of, and what the fleet can run."""

from __future__ import annotations

import asyncio
import json
import unittest

from gateway import PATIENCE, Case, api, becomes, mark, until
from ringback import MemoryStore, Message, TaskRecord, Told, ToldJob, ToldNotice
from ringback.told import GONE_AT_MOST, TOLD_AT_MOST, Account, told_by


class Telling(Case):
    async def test_what_a_session_was_told_of_is_kept_in_its_order_for_the_next_client_as_well(self) -> None:
        store, mine = MemoryStore(), mark()
        network, client = await self.on(store=store)
        await becomes(client, "connected")
        first = client.submit("default", "one")
        await first
        await api("/api/v1/notices", {"content": mine})

        def ours(told: tuple[Told, ...]) -> list[str]:
            return [entry.text if isinstance(entry, ToldNotice) else entry.id for entry in told if is_ours(entry)]

        def is_ours(entry: Told) -> bool:
            return isinstance(entry, ToldJob) or entry.text == mine

        heard: list[tuple[Told, ...]] = []
        client.on_told(heard.append)
        await until("the notice is told of", lambda: len(ours(client.told)) == 2)
        second = client.submit("default", "two", delay=0.5)
        ids = [await first.id, mine, await second.id]
        await client.close()
        self.assertEqual(ours(client.told), ids)
        self.assertEqual((ours(heard[0])[0], heard[-1]), (ids[0], client.told))
        _, other = await self.on(network, store=store)
        self.assertEqual(ours(other.told), ids)
        # Its end is of a job that is known.
        ends: list[str | None] = []
        other.on_message(lambda message, _: ends.append(message.job_id) if message.action == "job_result" else None)
        await until("it has ended", lambda: ids[2] in ends)
        self.assertEqual(ours(other.told), ids)

    async def test_what_is_forgotten_does_not_come_back_and_its_jobs_go_on(self) -> None:
        store = MemoryStore()
        network, client = await self.on(store=store)
        job = client.submit("default", "on", delay=0.3)
        await job.id
        told: list[tuple[Told, ...]] = []
        client.on_told(told.append)
        self.assertEqual(told[0], (ToldJob(await job.id),))
        client.forget_told()
        self.assertEqual(told[-1], ())
        self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: ON")
        await client.close()
        self.assertNotIn(ToldJob(await job.id), client.told)
        _, other = await self.on(network, store=store)
        await becomes(other, "connected")
        self.assertNotIn(ToldJob(await job.id), other.told)

    async def test_a_job_whose_answer_nobody_has_heard_is_told_of_by_the_session(self) -> None:
        store = MemoryStore()
        network, client = await self.on(store=store)
        job = client.submit("default", "unheard", delay=60)
        job_id = await job.id
        await client.close()
        # As where the process was killed before it had noted that.
        store.write(json.dumps({**json.loads(store.read() or "{}"), "told": []}))
        _, other = await self.on(network, store=store)
        await becomes(other, "connected")
        self.assertIn(ToldJob(job_id), other.told)
        await other.cancel(job_id)

    async def test_what_the_fleet_can_run_is_read(self) -> None:
        _, client = await self.on()
        [generate] = [task for task in await client.tasks() if task["name"] == "generate"]
        self.assertEqual(set(generate), set(TaskRecord.__annotations__))
        self.assertEqual(generate["input"]["type"], "string")


class Bounds(unittest.TestCase):
    def test_the_latest_is_kept_and_what_is_gone_does_not_come_back(self) -> None:
        account = Account()
        entries = [ToldJob(f"{number}") for number in range(TOLD_AT_MOST + 1)]
        self.assertTrue(account.add(entries))
        self.assertEqual(account.told, tuple(entries[1:]))
        self.assertFalse(account.add(entries))
        again = Account()
        again.learn(json.loads(json.dumps(account.kept)))
        self.assertEqual((again.told, again.kept), (account.told, account.kept))
        for number in range(GONE_AT_MOST):
            account.add([ToldJob(f"more {number}")])
        self.assertEqual(len(account.kept["gone"]), GONE_AT_MOST)

    def test_what_tells_of_something(self) -> None:
        self.assertEqual(told_by(Message("system_notification", "text", id="n"), 5.0), [ToldNotice("n", "text", 5.0)])
        many = Message("jobs_queued", {"job_ids": ["a", "b"]})
        self.assertEqual(told_by(many, 5.0), [ToldJob("a"), ToldJob("b")])
        for action in ("job_queued", "job_result", "job_failed", "job_cancelled"):
            self.assertEqual(told_by(Message(action, job_id="a"), 5.0), [ToldJob("a")])
        for message in (Message("job_chunk", job_id="a"), Message("jobs_queued"), Message("error")):
            self.assertEqual(told_by(message, 5.0), [])
