"""Acknowledgements: of what has arrived on this socket, when that is remembered."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

from gateway import URL, Case, until
from ringback.memory import Memory
from ringback.receipts import ACKS_AT_ONCE, Receipts
from ringback.store import MemoryStore


class Acknowledging(Case):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.store = MemoryStore()
        self.memory = Memory(self.store, URL)
        self.memory.began("session", "token")
        self.sent: list[tuple[str, list[str], list[str]]] = []
        self.rounds = 0
        self.receipts = Receipts(self.memory, self.send, lambda: f"ref-{len(self.sent)}", self.count)

    def send(self, message: dict[str, Any]) -> bool:
        """Notes what is sent, and what is in the store then."""
        kept = json.loads(self.store.read() or "{}")["seen"]
        self.sent.append((message["ref"], message["payload"]["ids"], kept))
        return True

    def count(self) -> None:
        self.rounds += 1

    def hear(self, *ids: str) -> None:
        for message_id in ids:
            self.memory.is_new(message_id)
            self.receipts.add(message_id)

    async def test_what_arrives_is_acknowledged_at_once_and_remembered_before(self) -> None:
        self.hear("a", "b")
        await until("it is acknowledged", lambda: self.rounds == 1)
        self.assertEqual(self.sent, [("ref-0", ["a", "b"], ["a", "b"])])

    async def test_many_are_acknowledged_without_waiting_for_more_and_in_lists(self) -> None:
        ids = [f"{number}" for number in range(ACKS_AT_ONCE + 1)]
        self.hear(*ids)
        await self.receipts.finish()
        self.assertEqual([ids for _, ids, _ in self.sent], [ids[:ACKS_AT_ONCE], ids[ACKS_AT_ONCE:]])

    async def test_a_list_that_is_refused_is_sent_again(self) -> None:
        self.hear("a")
        await self.receipts.finish()
        self.receipts.refused("ref-0")
        self.receipts.refused("another")
        await self.receipts.finish()
        self.assertEqual([ids for _, ids, _ in self.sent], [["a"], ["a"]])

    async def test_what_came_on_a_socket_that_is_gone_is_remembered_and_not_acknowledged_on_the_next(self) -> None:
        self.hear("a")
        self.receipts.lost()
        await self.receipts.finish()
        self.assertEqual(self.sent, [])
        self.assertEqual(json.loads(self.store.read() or "{}")["seen"], ["a"])
        self.hear("b")
        await self.receipts.finish()
        self.assertEqual([ids for _, ids, _ in self.sent], [["b"]])
        # It goes while that is being written.
        self.hear("c")
        with patch.object(self.store, "write", lambda text: self.receipts.lost()):
            await self.receipts.finish()
        self.assertEqual(len(self.sent), 1)

    async def test_what_there_is_no_room_for_on_the_socket_is_acknowledged_when_there_is(self) -> None:
        answers = [False, False, True]
        with patch.object(self.receipts, "_send", lambda message: answers.pop(0) and self.send(message)):
            self.hear("a", "b")
            await until("it is acknowledged", lambda: self.rounds == 1)
        self.assertEqual([ids for _, ids, _ in self.sent], [["a", "b"]])
