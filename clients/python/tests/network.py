"""The network between a client and a gateway, which can be cut."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter


class Network:
    """A proxy for TCP, which fails when it is told to."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._lines: set[StreamWriter] = set()
        self._is_down = False
        self._flows = asyncio.Event()
        self._ways: set[asyncio.Task[None]] = set()
        self.cut_every: int | None = None
        """After so many bytes from the gateway a line is cut, when all of them have arrived."""
        self.is_deaf = False
        """Whether what the gateway says gets lost on its way."""
        self.cuts = 0

    @classmethod
    async def to(cls, address: str) -> Network:
        """One that leads to a gateway."""
        host, port = address.rsplit(":", 1)
        network = cls(host, int(port))
        network._server = await asyncio.start_server(network._join, "127.0.0.1", 0)
        return network

    _server: asyncio.Server

    @property
    def url(self) -> str:
        """Where the socket is on this side."""
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws/system/"

    def cut(self) -> None:
        """Every line is cut, without a word."""
        self.cuts += 1
        for line in list(self._lines):
            line.transport.abort()

    def down(self) -> None:
        """Nothing passes any more."""
        self._is_down = True
        self.cut()

    def up(self) -> None:
        """It is mended."""
        self._is_down = False

    def stall(self) -> None:
        """The lines there are stay, and nothing passes: as where somebody has gone out of reach."""
        self._flows = asyncio.Event()

    async def close(self) -> None:
        """It is taken down."""
        self._is_down = True
        self._server.close()
        self.cut()
        await asyncio.wait_for(self._ended(), 10)

    async def _ended(self) -> None:
        while self._ways:
            for way in self._ways:
                way.cancel()
            await asyncio.sleep(0)

    async def _join(self, here_in: StreamReader, here_out: StreamWriter) -> None:
        if self._is_down:
            return here_out.transport.abort()
        self._lines.add(here_out)
        try:
            there_in, there_out = await asyncio.open_connection(*self._there)
        except OSError:
            self._lines.discard(here_out)
            return here_out.transport.abort()
        self._lines.add(there_out)
        ways = [
            asyncio.create_task(self._pass(here_in, there_out, self._flows, is_gateway=False)),
            asyncio.create_task(self._pass(there_in, here_out, self._flows, is_gateway=True)),
        ]
        self._ways.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for line in (here_out, there_out):
            self._lines.discard(line)
            line.transport.abort()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._ways.difference_update(ways)

    async def _pass(self, source: StreamReader, to: StreamWriter, flows: asyncio.Event, *, is_gateway: bool) -> None:
        passed = 0
        while data := await source.read(65_536):
            if flows is not self._flows:
                # It was there when everything stopped.
                await asyncio.Event().wait()
            if not is_gateway:
                to.write(data)
            elif self.cut_every is not None and passed + len(data) >= self.cut_every:
                to.write(data[: self.cut_every - passed])
                self.cuts += 1
                to.write_eof()
                # Nobody is told to read the rest.
                await asyncio.Event().wait()
            elif not self.is_deaf:
                passed += len(data)
                to.write(data)
            await to.drain()
