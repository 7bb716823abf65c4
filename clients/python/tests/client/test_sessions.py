"""Sessions: what becomes of a client when its sockets, its process or its gateway go."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import tempfile
from pathlib import Path
from unittest.mock import patch

import ringback
from gateway import PATIENCE, SOON, URL, Case, becomes, mark, until, until_state
from ringback import FileStore, MemoryStore, Message, State
from ringback.delays import Delays

NOBODYS = json.dumps({"url": URL, "session": "6a0f4f0e-52c1-4d0c-9a35-8f1b7d2e90c3", "token": "none", "seen": []})


def with_store(store: MemoryStore) -> ringback.Options:
    return {**SOON, "store": store}


class Sessions(Case):
    async def test_a_session_that_is_gone_is_begun_anew_and_every_job_is_still_heard_of(self) -> None:
        network, client = await self.on()
        states: list[str] = []
        client.on_state(lambda state: states.append(state.name))
        job = client.submit("default", "still there", delay=1.5)
        await job.id
        # Nobody knows this session.
        client._session._memory.session = ("6a0f4f0e-52c1-4d0c-9a35-8f1b7d2e90c3", "none")
        network.cut()
        # And once more, as soon as there is a new one.
        await until("it is begun anew", lambda: states.count("connected") == 2)
        network.cut()
        self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: STILL THERE")

    async def test_what_is_in_a_store_and_is_no_session_is_not_kept(self) -> None:
        odd = [NOBODYS.replace("[]", "5"), NOBODYS.replace('"none"', "5"), "[", "5", "{}", NOBODYS[:-1] + ', "told": 5}']
        for text in (NOBODYS, NOBODYS.replace("6a0f", "no uuid"), *odd):
            store = MemoryStore()
            store.write(text)
            with self.subTest(text):
                if text in odd:
                    with self.assertLogs("ringback", "WARNING"):
                        client = ringback.connect(URL, **with_store(store))
                else:
                    client = ringback.connect(URL, **with_store(store))
                self.assertEqual(await client.submit("default", "anew"), "✅ Processed: ANEW")
                await client.close()
                self.assertNotEqual(store.read(), text)

    async def test_a_wish_to_resume_that_the_gateway_cannot_read_ends_in_a_new_session(self) -> None:
        store = MemoryStore()
        store.write(NOBODYS.replace("none", "x" * 70_000))
        client = ringback.connect(URL, **with_store(store))
        self.addAsyncCleanup(client.close)
        refused: list[str] = []
        client.on_frame(lambda way, text: refused.append(text) if '"too_large"' in text else None)
        self.assertEqual(await asyncio.wait_for(client.submit("default", "anew"), PATIENCE), "✅ Processed: ANEW")
        self.assertEqual(len(refused), 2)

    async def test_while_the_network_is_down_nothing_is_lost_and_it_is_said(self) -> None:
        network, client = await self.on()
        states: list[State] = []
        client.on_state(states.append)
        known = client.submit("default", "known", delay=3_600)
        await known.id
        network.down()
        state = await becomes(client, "reconnecting")
        job = client.submit("default", "back")
        cancelled = [known, client.submit("default", "never", delay=3_600)]
        cancels = [asyncio.create_task(job.cancel()) for job in cancelled]
        self.assertNotEqual(state.why, "")
        network.up()
        self.assertEqual(await job, "✅ Processed: BACK")
        await asyncio.wait_for(asyncio.gather(*cancels), PATIENCE)
        for job in cancelled:
            await self.fails(job, "cancelled")
        self.assertEqual(list(dict.fromkeys(state.name for state in states)), ["connecting", "connected", "reconnecting"])
        self.assertTrue(any(state.retry_at for state in states))

    async def test_a_line_on_which_nothing_comes_any_more_is_given_up(self) -> None:
        with patch("ringback.connection.PING_AFTER", 0.2), patch("ringback.connection.PONG_WITHIN", 0.2):
            network, client = await self.on()
            await becomes(client, "connected")
            network.stall()
            job = client.submit("default", "through another")
            state = await becomes(client, "reconnecting")
            self.assertEqual(state.why, "no pong in time")
            self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: THROUGH ANOTHER")
            # One that is silent and there stays.
            opened: list[State] = []
            client.on_state(opened.append)
            frames: list[str] = []
            client.on_frame(lambda way, text: frames.append(text))
            await until("it was asked often", lambda: sum('"pong"' in frame for frame in frames) >= 3)
            self.assertEqual(len(opened), 1)

    async def test_a_gateway_that_does_not_answer_is_given_up(self) -> None:
        with patch("ringback.session.RESUME_WITHIN", 0.2):
            network, client = await self.on()

            def be_deaf(way: str, text: str) -> None:
                network.is_deaf = network.is_deaf or text == "connection opened"

            end = client.on_frame(be_deaf)
            state = await until_state(client, lambda state: state.why != "")
            self.assertEqual(state.why, "no answer to the wish to resume")
            end()
            network.is_deaf = False
            job = client.submit("default", "later")
            self.assertEqual(await asyncio.wait_for(job, PATIENCE), "✅ Processed: LATER")

    async def test_the_next_client_of_the_same_store_goes_on_where_the_last_one_was_and_hears_nothing_twice(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "session.json"
            heard: list[Message] = []

            def hear(message: Message, _: object) -> None:
                if message.id is not None:
                    heard.append(message)

            network, first = await self.on(store=FileStore(path))
            first.on_message(hear)
            await first.submit("default", "one")
            later = first.submit("default", "two", delay=0.5)
            job_id = await later.id
            await first.close()
            await self.fails(later, "closed")
            self.assertEqual(first.state.name, "closed")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            _, second = await self.on(network, store=FileStore(path))
            second.on_message(hear)
            await until("the result has come", lambda: heard[-1].job_id == job_id)
            self.assertEqual(heard[-1].payload, "✅ Processed: TWO")
            self.assertEqual(await second.submit("default", "three"), "✅ Processed: THREE")
            await second.close()
            self.assertEqual(len({message.id for message in heard}), len(heard))
            self.assertEqual(os.listdir(folder), ["session.json"])

    async def test_a_client_that_is_killed_is_followed_by_one_that_asks_again_under_the_same_names(self) -> None:
        store, key = MemoryStore(), mark()
        network, first = await self.on(store=store)
        job = first.submit("default", "again", delay=0.5, idempotency_key=key)
        job_id = await job.id
        # It has no time to say goodbye.
        first._running.cancel()
        _, second = await self.on(network, store=store)
        again = second.submit("default", "again", delay=0.5, idempotency_key=key)
        self.assertEqual((await again.id, await again), (job_id, "✅ Processed: AGAIN"))

    async def test_a_session_that_goes_on_elsewhere_ends_this_client(self) -> None:
        store = MemoryStore()
        network, first = await self.on(store=store)
        job = first.submit("default", "mine", delay=1)
        job_id = await job.id
        heard: list[str | None] = []
        _, second = await self.on(network, store=store)
        second.on_message(lambda message, _: heard.append(message.job_id))
        await becomes(first, "closed")
        error = await self.fails(job, "closed")
        self.assertEqual(str(error), "the session goes on with another socket; do not come back")
        await until("the other has heard of it", lambda: job_id in heard)
        self.assertEqual(await second.submit("default", "go on"), "✅ Processed: GO ON")

    async def test_what_arrives_is_acknowledged_so_that_the_gateway_may_forget_it(self) -> None:
        store = MemoryStore()
        network, client = await self.on(store=store)
        jobs = [client.submit("default", f"{number}") for number in range(50)]
        await asyncio.gather(*jobs)
        await client.close()
        kept = json.loads(store.read() or "{}")
        self.assertEqual({await job.id for job in jobs} - set(kept["seen"]), set())
        # Another client of this session, which remembers nothing, is sent nothing again.
        store.write(json.dumps({**kept, "seen": []}))
        _, other = await self.on(network, store=store)
        again: list[str | None] = []
        other.on_message(lambda message, _: again.append(message.job_id) if message.action == "job_result" else None)
        job = other.submit("default", "new")
        await job
        self.assertEqual(again, [await job.id])

    async def test_a_session_is_told_to_no_other_gateway(self) -> None:
        store, frames = MemoryStore(), []
        _, first = await self.on(store=store)
        await first.submit("default", "here")
        await first.close()
        secret = json.loads(store.read() or "{}")["token"]
        with self.assertLogs("ringback", "WARNING"):
            _, second = await self.on(store=store)
        second.on_frame(lambda way, text: frames.append(text))
        await second.submit("default", "there")
        self.assertGreater(len(secret), 20)
        self.assertFalse(any(secret in frame for frame in frames))

    async def test_a_store_that_cannot_be_written_keeps_nothing_from_going_on(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "folder" / "session.json"
            path.parent.mkdir()
            store = FileStore(path)
            path.parent.rmdir()
            with self.assertLogs("ringback", "WARNING") as logs:
                _, client = await self.on(store=store)
                self.assertEqual(await client.submit("default", "on"), "✅ Processed: ON")
                await client.close()
            self.assertEqual(len(logs.records), 1)

    async def test_frames_are_heard_as_they_cross_the_wire_and_a_message_of_ones_own_is_sent(self) -> None:
        network, client = await self.on()
        frames: list[tuple[str, str]] = []
        client.on_frame(lambda way, text: frames.append((way, text)))
        self.assertFalse(client.send({"action": "ping"}))
        await becomes(client, "connected")
        self.assertEqual([way for way, _ in frames], ["note", "out", "in"])
        heard: list[tuple[Message, object]] = []
        client.on_message(lambda message, job: heard.append((message, job)))
        self.assertTrue(client.send({"action": "ping", "ref": "mine"}))
        await until("there is a pong", lambda: any(way == "in" and '"pong"' in text for way, text in frames))
        self.assertTrue(client.send({"action": "nonsense"}))
        await until("the error is heard", lambda: any(message.action == "error" for message, _ in heard))
        job = client.submit("default", "answer")
        await job
        answers = [answered for message, answered in heard if message.action == "job_queued"]
        self.assertEqual(answers, [job])
        self.assertTrue(all(answered is None or message.ref for message, answered in heard))
        network.cut()
        await until("it is noted", lambda: any(text.startswith("connection lost") for _, text in frames))

    async def test_a_listener_that_raises_an_error_keeps_nothing_from_the_others(self) -> None:
        _, client = await self.on()
        errors: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["message"]))
        heard: list[str] = []
        client.on_message(lambda message, _: 1 / 0)
        end = client.on_message(lambda message, _: heard.append(message.action))
        await client.submit("default", "all the same")
        self.assertEqual(heard, ["job_queued", "job_result"])
        self.assertEqual(len(errors), 2)
        end()
        await client.submit("default", "once more")
        self.assertEqual(len(heard), 2)

    async def test_where_there_is_no_gateway_it_is_said_and_tried_again(self) -> None:
        client = ringback.connect("ws://127.0.0.1:1/ws/system/", **SOON)
        tries: list[State] = []
        client.on_state(lambda state: tries.append(state) if state.retry_at else None)
        await until("it was tried often", lambda: len(tries) > 3)
        self.assertTrue(all("127.0.0.1" in state.why and state.name == "connecting" for state in tries), tries[0])
        await client.close()
        # No thread, no task of it is left.
        self.assertEqual({task for task in asyncio.all_tasks() if task is not asyncio.current_task()}, set())

    async def test_closing_is_done_once_and_may_be_asked_for_twice(self) -> None:
        async with ringback.connect(URL) as client:
            job = client.submit("default", "x", delay=60)
            await job.id
            await asyncio.gather(client.close(), client.close())
        await self.fails(job, "closed")

    async def test_closing_does_not_wait_for_a_gateway_that_does_not_answer(self) -> None:
        network, client = await self.on()
        await becomes(client, "connected")
        network.stall()
        client.submit("default", "x" * 60_000)
        await asyncio.wait_for(client.close(), 10)
        self.assertEqual(client.state, State("closed", "the client was closed"))

    async def test_a_message_that_is_too_large_is_said(self) -> None:
        _, client = await self.on(max_message=2_000)
        client.submit("default", "x" * 3_000)
        state = await until_state(client, lambda state: state.why != "")
        self.assertEqual(state.why, "a message was larger than max_message")

    async def test_delays_grow_have_a_bound_and_are_not_the_same(self) -> None:
        delays = Delays(0.5, 15)
        first = [delays.next() for _ in range(2_000)]
        self.assertTrue(all(0.5 <= delay <= 15 for delay in first))
        self.assertLessEqual(first[0], 1)
        self.assertLessEqual(first[1], 2)
        self.assertGreater(max(first), 14)
        self.assertGreater(len(set(first)), 1_900)
        delays.lived(1)
        self.assertGreater(max(delays.next() for _ in range(50)), 2)
        # Nor are those that the gateway asks for, which many are told at once.
        asked = [delays.next(20.0) for _ in range(50)]
        self.assertTrue(all(20 <= delay <= 25 for delay in asked))
        self.assertGreater(len(set(asked)), 45)
        self.assertLess(delays.next(1e9), 76)
        delays.lived(6)
        self.assertLessEqual(delays.next(), 1)
