"""The end of a client: nothing goes on, nothing is lost, nothing is heard twice."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import ringback
from gateway import PATIENCE, SOON, URL, Case, until
from ringback import FileStore, MemoryStore
from ringback.connection import Connection, Ending
from ringback.memory import Memory


class Closing(Case):
    async def test_no_task_is_left(self) -> None:
        client = ringback.connect(URL, **SOON)
        self.assertEqual(await client.submit("default", "last"), "✅ Processed: LAST")
        await client.close()
        self.assertEqual({task for task in asyncio.all_tasks() if task is not asyncio.current_task()}, set())

    async def test_what_comes_while_the_socket_is_being_closed_is_heard_by_the_next_client_alone(self) -> None:
        store, arrived, heard = MemoryStore(), asyncio.Event(), []
        converse, close = Connection.converse, Connection.close

        async def watched(connection: Connection, hear: Callable[[str], None]) -> Ending:
            def hear_and_note(text: str) -> None:
                hear(text)
                if '"job_result"' in text:
                    arrived.set()

            return await converse(connection, hear_and_note)

        async def late(connection: Connection) -> None:
            await asyncio.wait_for(arrived.wait(), PATIENCE)
            await close(connection)

        with patch.object(Connection, "converse", watched), patch.object(Connection, "close", late):
            first = ringback.connect(URL, store=store)
            first.on_message(lambda message, _: heard.append(message.id))
            job_id = await first.submit("default", "amid", delay=0.5).id
            await first.close()
        self.assertEqual(heard, [None])
        async with ringback.connect(URL, store=store) as second:
            second.on_message(lambda message, _: heard.append(message.job_id))
            await until("it is heard", lambda: job_id in heard)

    async def test_a_store_that_hangs_is_not_waited_for_without_end(self) -> None:
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        class Hangs(MemoryStore):
            def write(self, text: str) -> None:
                if json.loads(text)["seen"]:
                    let_go.wait()

        client = ringback.connect(URL, store=Hangs())
        await client.submit("default", "never kept")
        with patch("ringback.session.KEEP_WITHIN", 0.2):
            await asyncio.wait_for(client.close(), PATIENCE)

    async def test_a_new_session_does_not_wait_without_end_for_a_store_that_hangs(self) -> None:
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        class Hangs(MemoryStore):
            def write(self, text: str) -> None:
                let_go.wait()

        with patch("ringback.memory.WRITE_WITHIN", 0.1), self.assertLogs("ringback", "WARNING"):
            client = ringback.connect(URL, store=Hangs())
            self.assertEqual(await client.submit("default", "on"), "✅ Processed: ON")
            await client.close()


class Writing(Case):
    async def test_what_a_store_has_at_last_is_the_latest_session(self) -> None:
        is_writing, go_on = threading.Event(), threading.Event()

        class Slow(MemoryStore):
            def write(self, text: str) -> None:
                if '"first"' in text and '"seen": ["a"]' in text:
                    is_writing.set()
                    go_on.wait(PATIENCE)
                super().write(text)

        store = Slow()
        memory = Memory(store, URL)
        memory.began("first", "token")
        memory.is_new("a")
        keeping = asyncio.create_task(memory.keep())
        await until("it is being written", is_writing.is_set)
        threading.Timer(0.1, go_on.set).start()
        memory.began("second", "token")
        await keeping
        self.assertEqual(json.loads(store.read() or "")["session"], "second")
        await becomes_quiet()


async def becomes_quiet() -> None:
    """Until no thread of a client is left."""
    await until("no thread is left", lambda: not any(thread.name == "ringback" for thread in threading.enumerate()))


AT_EXIT = """
import atexit, sys
import ringback

client = ringback.sync.connect(sys.argv[1], store=ringback.FileStore(sys.argv[2]))
atexit.register(client.close)
print(client.submit("default", "at exit").result(timeout=30))
"""


class AtExit(unittest.TestCase):
    def test_a_client_may_be_closed_as_the_program_ends_and_what_it_has_heard_is_kept(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "session.json"
            command = [sys.executable, "-c", AT_EXIT, URL, str(path)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((ended.stdout, ended.stderr, ended.returncode), ("✅ Processed: AT EXIT\n", "", 0))
            self.assertEqual(len(json.loads(FileStore(path).read() or "{}")["seen"]), 1)
