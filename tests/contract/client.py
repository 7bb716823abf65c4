"""Generates a client from the contract of a running gateway, and talks to that gateway with it.

    python client.py http://127.0.0.1:8000

Needs chanx with its command line, pydantic and websockets. The gateway must have a worker and the demonstration tasks.
"""

import asyncio
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "ringback_client"
PATIENCE = 30.0


def generate(base_url: str, folder: str) -> Any:
    """The module of the one channel, freshly generated."""
    command = [str(Path(sys.executable).with_name("chanx")), "generate-client", "--no-format"]
    schema = f"{base_url}/asyncapi/schema.json"
    subprocess.run(
        [*command, "--schema", schema, "--output", str(Path(folder) / PACKAGE)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    sys.path.insert(0, folder)
    return importlib.import_module(f"{PACKAGE}.system")


def check(truth: bool, complaint: str) -> None:
    if not truth:
        raise AssertionError(complaint)


async def talk(system: Any, address: str) -> None:
    inbox: asyncio.Queue[Any] = asyncio.Queue()

    class Client(system.SystemClient):
        async def send_init_message(self) -> None:
            inbox.put_nowait("connected")

        async def handle_message(self, message: Any) -> None:
            inbox.put_nowait(message)

        async def handle_invalid_message(self, invalid_message: Any) -> None:
            inbox.put_nowait(AssertionError(f"not in the contract: {invalid_message}"))

        async def handle_error(self, error: Exception) -> None:
            inbox.put_nowait(error)

        async def handle_websocket_connection_error(self, e: Exception) -> None:
            inbox.put_nowait(e)

    async def receive(kind: Any) -> Any:
        """The next message, which must be of this kind; notices to everyone are passed over."""
        while True:
            message = await asyncio.wait_for(inbox.get(), PATIENCE)
            if isinstance(message, Exception):
                raise message
            if not isinstance(message, system.SystemNotification) or kind is system.SystemNotification:
                check(isinstance(message, kind), f"expected {kind.__name__}, received {message!r}")
                return message

    client = Client(address)
    running = asyncio.create_task(client.handle())
    try:
        await receive(str)

        # The optional fields of what follows are sent as nulls.
        await client.send_message(system.PingMessage())
        pong = await receive(system.PongMessage)
        check(pong.payload is None and pong.ref is None, f"a bare pong was due: {pong!r}")

        await client.send_message(system.PingMessage(ref="a"))
        pong = await receive(system.PongMessage)
        check(pong.ref == "a", f"the mark is missing: {pong!r}")

        task = system.TaskPayload(task_type="translate", content="hello")
        await client.send_message(system.SystemMessage(payload=task, ref="b"))
        queued = await receive(system.JobQueued)
        check(queued.ref == "b", f"the mark is missing: {queued!r}")
        check(bool(queued.job_id) and queued.job_id in queued.payload, f"the job has no id: {queued!r}")
        result = await receive(system.JobResult)
        check(result.job_id == queued.job_id, f"this is another job's result: {result!r}")
        check("hola" in result.payload, f"this is not the translation: {result!r}")

        await client.send_json({"action": "fly"})
        error = await receive(system.ErrorMessage)
        check(error.payload[0].type == "union_tag_invalid", f"another error was due: {error!r}")
    finally:
        if hasattr(client, "websocket"):
            await client.disconnect()
        await running


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: client.py http://ADDRESS:PORT", file=sys.stderr)
        return 2
    base_url = sys.argv[1].rstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        try:
            system = generate(base_url, folder)
            asyncio.run(talk(system, base_url.replace("http", "ws", 1)))
        except TimeoutError:
            print(f"client.py: no answer for {PATIENCE:.0f} s", file=sys.stderr)
            return 1
        except Exception as error:
            print(f"client.py: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    print("the generated client works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
