"""What a client keeps has a bound."""

from __future__ import annotations

import unittest

from gateway import URL
from ringback.ends import JOBS_AT_MOST, Ends
from ringback.memory import REMEMBERED, Memory
from ringback.message import Message
from ringback.unclaimed import PIECES_AT_MOST, SIZE_AT_MOST, Unclaimed


class Bounds(unittest.TestCase):
    def test_of_the_ends_that_were_heard_the_oldest_is_forgotten_and_may_have_been_of_any_job(self) -> None:
        ends = Ends()
        ends.note("a")
        then = ends.now
        self.assertFalse(ends.may_have("a", then))
        self.assertTrue(ends.may_have("a", then - 1))
        ends.note("b")
        self.assertTrue(ends.may_have("b", then))
        self.assertFalse(ends.may_have("c", then))
        for number in range(JOBS_AT_MOST - 1):
            ends.note(f"{number}")
        self.assertFalse(ends.may_have("c", then))
        ends.note("d")
        self.assertTrue(ends.may_have("c", then), "what is forgotten may have been its")
        self.assertFalse(ends.may_have("c", ends.now))
        self.assertTrue(ends.may_have("0", then + 1))
        self.assertEqual(len(ends._last), JOBS_AT_MOST)

    def test_of_the_texts_that_nobody_claims_the_oldest_is_dropped(self) -> None:
        unclaimed = Unclaimed()
        for number in range(PIECES_AT_MOST + 1):
            unclaimed.keep(Message("job_chunk", job_id=f"{number // 2}"))
        self.assertEqual([len(unclaimed.claim(f"{number}")) for number in range(3)], [0, 2, 2])
        unclaimed = Unclaimed()
        for number in range(3):
            unclaimed.keep(Message("job_chunk", job_id=f"{number}", size=SIZE_AT_MOST // 2))
        self.assertEqual([len(unclaimed.claim(f"{number}")) for number in range(3)], [0, 1, 1])
        self.assertEqual((unclaimed._count, unclaimed._size), (0, 0))

    def test_of_the_ids_that_were_shown_the_latest_are_remembered(self) -> None:
        memory = Memory(None, URL)
        for number in range(REMEMBERED + 1):
            self.assertTrue(memory.is_new(f"{number}"))
        self.assertFalse(memory.is_new(f"{REMEMBERED}"))
        self.assertFalse(memory.is_new("1"))
        self.assertTrue(memory.is_new("0"))
