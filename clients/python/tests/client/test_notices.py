"""Notices: each once and in its order, also those that were missed."""

from __future__ import annotations

import asyncio

from gateway import PATIENCE, Case, api, becomes, mark, until
from ringback import Notice, Notices
from ringback.notices import WAITING_AT_MOST


class Notifying(Case):
    async def test_notices_come_once_also_those_that_were_missed(self) -> None:
        network, client = await self.on()
        mine = mark()
        heard: list[str] = []
        client.on_notice(lambda notice: heard.append(notice.text) if notice.text.startswith(mine) else None)
        notices = client.notices()
        await becomes(client, "connected")
        sent = [f"{mine} {number}" for number in range(20)]
        for number, text in enumerate(sent):
            if number % 4 == 1:
                network.cut()
            if number == 10:
                network.down()
            if number == 15:
                network.up()
            await api("/api/v1/notices", {"content": text})
        await until("all notices have come", lambda: len(heard) >= 20)
        self.assertEqual(heard, sent)
        iterated: list[str] = []
        while len(iterated) < 20:
            notice = await asyncio.wait_for(anext(notices), PATIENCE)
            self.assertTrue(notice.id.startswith("notice-"), notice)
            if notice.text.startswith(mine):
                iterated.append(notice.text)
        self.assertEqual(iterated, sent)
        await client.close()
        self.assertEqual([notice async for notice in notices], [])

    async def test_who_does_not_read_notices_misses_the_oldest_and_is_told_how_many(self) -> None:
        notices = Notices()
        for number in range(WAITING_AT_MOST + 3):
            notices._add(Notice(f"{number}", f"notice-{number}"))
        notices._end()
        self.assertEqual(notices.missed, 3)
        self.assertEqual([notice.text async for notice in notices], [f"{number}" for number in range(3, WAITING_AT_MOST + 3)])
