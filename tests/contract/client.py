"""Generates a client from the contract of a running gateway, and says and hears every message with it.

    python client.py http://127.0.0.1:8000

Needs chanx with its command line, pydantic and websockets. The gateway must have a worker with the demonstration tasks,
and one with those of examples/unruly.rs.
"""

import asyncio
import importlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator, get_args

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


def request(url: str, body: dict[str, Any] | None = None) -> Any:
    """What HTTP answers."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
        return json.load(answer)


class Talk:
    """One socket of the generated client, and what has come over it."""

    def __init__(self, system: Any, address: str, seen: set[str]) -> None:
        self.system = system
        self.seen = seen
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        inbox = self.inbox

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

        self.client = Client(address)

    async def send(self, message: Any) -> None:
        """Says something; the optional fields that it does not give are nulls."""
        self.seen.add(type(message).__name__)
        await self.client.send_message(message)

    async def receive(self, kind: Any) -> Any:
        """The next message, which must be of this kind; notices to everyone are passed over."""
        while True:
            message = await asyncio.wait_for(self.inbox.get(), PATIENCE)
            if isinstance(message, Exception):
                raise message
            self.seen.add(type(message).__name__)
            notice = self.system.SystemNotification
            if not isinstance(message, notice) or kind is notice:
                check(isinstance(message, kind), f"expected {getattr(kind, '__name__', kind)}, received {message!r}")
                return message

    async def submit(self, task_type: str, content: str, **options: Any) -> Any:
        """A job that is queued."""
        payload = self.system.TaskPayload(task_type=task_type, content=content, **options)
        await self.send(self.system.SystemMessage(payload=payload, ref=task_type))
        return await self.queued(task_type)

    async def queued(self, mark: str) -> Any:
        queued = await self.receive(self.system.JobQueued)
        check(queued.ref == mark, f"the mark is missing: {queued!r}")
        check(bool(queued.job_id), f"the job has no id: {queued!r}")
        return queued

    async def outcome(self, kind: Any, queued: Any) -> Any:
        """How that job ended."""
        ended = await self.receive(kind)
        check(ended.job_id == queued.job_id == ended.id, f"this is another job's: {ended!r}")
        return ended


async def pings(talk: Talk) -> None:
    system = talk.system
    await talk.send(system.PingMessage())
    pong = await talk.receive(system.PongMessage)
    check(pong.payload is None and pong.ref is None, f"a bare pong was due: {pong!r}")
    await talk.send(system.PingMessage(ref="a"))
    pong = await talk.receive(system.PongMessage)
    check(pong.ref == "a", f"the mark is missing: {pong!r}")


async def jobs(talk: Talk) -> None:
    """One, with each of its options, and many."""
    system = talk.system
    queued = await talk.submit("translate", "hello")
    check(queued.job_id in queued.payload, f"the sentence does not name the job: {queued!r}")
    result = await talk.outcome(system.JobResult, queued)
    check("hola" in result.payload, f"this is not the translation: {result!r}")

    options = dict(
        idempotency_key="contract", priority=3, max_attempts=2, concurrency_key="contract", run_at="2020-01-01T00:00:00Z"
    )
    queued = await talk.submit("translate", "hello", **options)
    await talk.outcome(system.JobResult, queued)
    again = await talk.submit("translate", "hello", **options)
    check(again.job_id == queued.job_id, f"the key should give the same job: {again!r}")
    await talk.outcome(system.JobResult, again)

    task = system.TaskPayload(task_type="paced", input={"page": 7})
    await talk.send(system.SystemMessage(payload=task, ref="paced"))
    result = await talk.outcome(system.JobResult, await talk.queued("paced"))
    check(result.payload == "" and result.job is not None, f"a result of nothing was due: {result!r}")

    task = system.TaskPayload(task_type="translate", content="hello")
    await talk.send(system.SubmitJobsMessage(payload=system.JobsPayload(jobs=[task, task]), ref="many"))
    many = await talk.receive(system.JobsQueued)
    check(many.ref == "many" and len(set(many.payload.job_ids)) == 2, f"two jobs were due: {many!r}")
    ended = [(await talk.receive(system.JobResult)).job_id for _ in many.payload.job_ids]
    check(sorted(ended) == sorted(many.payload.job_ids), f"these are other jobs' results: {ended}")


async def reports(talk: Talk) -> None:
    """What a job says while it runs."""
    system = talk.system
    queued = await talk.submit("story", "3", stream=True)
    for number in range(1, 4):
        chunk = await talk.receive(system.JobChunk)
        check(chunk.payload == f"{number} ", f"another piece was due: {chunk!r}")
        check((chunk.job.attempt, chunk.job.seq) == (1, number), f"this is not its place: {chunk!r}")
    result = await talk.outcome(system.JobResult, queued)
    check(result.job.result == 3, f"another result was due: {result!r}")

    queued = await talk.submit("busy", "", stream=True)
    progress = await talk.receive(system.JobProgress)
    check(0 <= progress.payload.percent <= 100 and progress.payload.note == "busy", f"how far is it? {progress!r}")
    check(progress.job_id == queued.job_id and progress.job.attempt == 1, f"whose is it? {progress!r}")
    while isinstance(message := await talk.receive(system.JobProgress | system.JobResult), system.JobProgress):
        check(message.payload.percent >= progress.payload.percent, f"it went back: {message!r}")
        progress = message


async def failures(talk: Talk, codes: set[str]) -> None:
    """Jobs that fail in different ways, and another chance for one of them."""
    system = talk.system
    for task_type, content, code in [
        ("fail", "", "task_failed"),
        ("panic", "", "task_panicked"),
        ("late", "5", "time_limit"),
        ("nul", "", "outcome_unstorable"),
    ]:
        attempts = 2 if task_type == "late" else 1
        queued = await talk.submit(task_type, content, max_attempts=attempts)
        failed = await talk.outcome(system.JobFailed, queued)
        check(failed.job.code == code and code in codes, f"another code was due: {failed!r}")
        check(failed.job.attempts == attempts, f"it should have been tried {attempts} times: {failed!r}")

    await talk.send(system.RetryMessage(payload=system.RetryPayload(job_id=queued.job_id), ref="again"))
    again = await talk.queued("again")
    check(again.job_id != queued.job_id, f"another job was due: {again!r}")
    await talk.outcome(system.JobFailed, again)

    later = await talk.submit("translate", "hello", delay=3600.0)
    await talk.send(system.RetryMessage(payload=system.RetryPayload(job_id=later.job_id), ref="now"))
    now = await talk.queued("now")
    check(now.job_id == later.job_id, f"the same job was due: {now!r}")
    await talk.outcome(system.JobResult, now)


async def cancels(talk: Talk) -> None:
    """A job that waits, and one that runs."""
    system = talk.system
    for task_type, options in [("translate", {"delay": 3600.0}), ("hold", {})]:
        queued = await talk.submit(task_type, "60", **options)
        await talk.send(system.CancelMessage(payload=system.CancelPayload(job_id=queued.job_id), ref="end"))
        cancelling = await talk.receive(system.JobCancelling)
        check((cancelling.ref, cancelling.job_id) == ("end", queued.job_id), f"whose is it? {cancelling!r}")
        cancelled = await talk.outcome(system.JobCancelled, queued)
        check(cancelled.job.code == "cancelled", f"another code was due: {cancelled!r}")


async def mistakes(talk: Talk, contract: dict[str, Any]) -> None:
    """Every frame of the contract that is refused, which is answered as the contract says; and jobs that are not there."""
    system = talk.system
    channel = contract["channels"]["system"]
    examples = {(it.get("name"), it["summary"]): it["payload"] for it in channel["messages"]["error"]["examples"]}
    for row in channel["x-errors"]:
        for asked in row["frames"]:
            await talk.client.send_raw(asked["frame"])
            answer = await talk.receive(system.ErrorMessage)
            promised = examples[row["type"], asked["summary"]]
            check(answer.model_dump(exclude_none=True) == promised, f"{promised} was due: {answer!r}")
    await talk.client.send_raw("x" * 70_000)
    await refused(talk, "too_large")
    strange = "00000000-0000-7000-8000-000000000000"
    await talk.send(system.CancelMessage(payload=system.CancelPayload(job_id=strange), ref="no"))
    await refused(talk, "not_found", "no")
    await talk.send(system.RetryMessage(payload=system.RetryPayload(job_id=strange), ref="no"))
    await refused(talk, "not_found", "no")
    over = await talk.submit("translate", "hello", idempotency_key="mistake")
    await talk.outcome(system.JobResult, over)
    await talk.send(system.CancelMessage(payload=system.CancelPayload(job_id=over.job_id), ref="no"))
    await refused(talk, "conflict", "no")
    other = system.TaskPayload(task_type="translate", content="bye", idempotency_key="mistake")
    await talk.send(system.SystemMessage(payload=other, ref="no"))
    await refused(talk, "conflict", "no")


async def refused(talk: Talk, kind: str, mark: str | None = None) -> None:
    error = await talk.receive(talk.system.ErrorMessage)
    check([item.type for item in error.payload] == [kind], f"{kind} was due: {error!r}")
    check(error.ref == mark, f"the mark is another: {error!r}")


async def notices(talk: Talk, base_url: str) -> None:
    sent = await asyncio.to_thread(request, f"{base_url}/api/v1/notices", {"content": "to everyone"})
    while (notice := await talk.receive(talk.system.SystemNotification)).id != sent["id"]:
        pass
    check(notice.payload == "to everyone", f"another notice was due: {notice!r}")


async def tickets(talk: Talk, base_url: str) -> None:
    """A ticket keeps the socket open, once."""
    bought = await asyncio.to_thread(request, f"{base_url}/api/v1/tickets", {})
    ticket = talk.system.AuthenticatePayload(ticket=bought["ticket"])
    await talk.send(talk.system.AuthenticateMessage(payload=ticket, ref="t"))
    taken = await talk.receive(talk.system.AuthenticatedMessage)
    check(taken.payload.token_ends_at is None, f"nothing ends without authentication: {taken!r}")
    await talk.send(talk.system.AuthenticateMessage(payload=ticket, ref="t"))
    await refused(talk, "unauthorized", "t")


async def sessions(system: Any, address: str, seen: set[str]) -> None:
    """What ends while a client is away comes on its next socket, until it is acknowledged."""
    async with connected(system, address, seen) as first:
        await first.send(system.ResumeMessage(ref="s"))
        begun = (await first.receive(system.ResumedMessage)).payload
        check(not begun.recovered and begun.pending == [], f"a new session was due: {begun!r}")
        later = await first.submit("translate", "hello", delay=3600.0)
        over = await first.submit("translate", "hello")
        await first.outcome(system.JobResult, over)

    place = {later.job_id: [1, 0]}
    session = system.ResumePayload(session=begun.session, token=begun.token, have=place)
    async with connected(system, address, seen) as second:
        await second.send(system.ResumeMessage(payload=session))
        resumed = await second.receive(system.ResumedMessage)
        check(resumed.payload.recovered, f"the session was due: {resumed!r}")
        pending = [(job.job_id, job.state) for job in resumed.payload.pending]
        check(pending == [(later.job_id, "scheduled")], f"another job is pending: {resumed!r}")
        repeated = await second.outcome(system.JobResult, over)
        await second.send(system.AckMessage(payload=system.AckPayload(ids=[repeated.id])))
        await second.send(system.CancelMessage(payload=system.CancelPayload(job_id=later.job_id)))
        await second.receive(system.JobCancelling)
        cancelled = await second.outcome(system.JobCancelled, later)
        await second.send(system.AckMessage(payload=system.AckPayload(ids=[cancelled.id])))
        await pings(second)

    session = system.ResumePayload(session=begun.session, token="a guess")
    async with connected(system, address, seen) as third:
        await third.send(system.ResumeMessage(payload=session))
        other = (await third.receive(system.ResumedMessage)).payload
        check(not other.recovered and other.session != begun.session, f"a new session was due: {other!r}")


def examples(system: Any, contract: dict[str, Any]) -> None:
    """Every example can be read by the generated classes, and nothing is lost by that."""
    classes = get_args(system.IncomingMessage) + get_args(system.OutgoingMessage)
    by_action = {kind.model_fields["action"].default: kind for kind in classes}
    messages = contract["channels"]["system"]["messages"]
    check(set(by_action) == set(messages), f"there are other classes than messages: {set(by_action) ^ set(messages)}")
    for action, message in messages.items():
        for example in message["examples"]:
            frame = example["payload"]
            again = by_action[action].model_validate(frame).model_dump(exclude_unset=True)
            check(again == frame, f"{action} is {frame}, and was read as {again}")


@asynccontextmanager
async def connected(system: Any, address: str, seen: set[str]) -> AsyncIterator[Talk]:
    talk = Talk(system, address, seen)
    running = asyncio.create_task(talk.client.handle())
    try:
        check(await asyncio.wait_for(talk.inbox.get(), PATIENCE) == "connected", "it did not connect")
        yield talk
    finally:
        if hasattr(talk.client, "websocket"):
            await talk.client.disconnect()
        await running


async def everything(system: Any, base_url: str) -> None:
    contract = request(f"{base_url}/asyncapi/schema.json")
    examples(system, contract)
    address = base_url.replace("http", "ws", 1)
    seen: set[str] = set()
    async with connected(system, address, seen) as talk:
        await pings(talk)
        await jobs(talk)
        await reports(talk)
        await failures(talk, {row["code"] for row in contract["channels"]["system"]["x-failure-codes"]})
        await cancels(talk)
        await mistakes(talk, contract)
        await notices(talk, base_url)
        await tickets(talk, base_url)
    await sessions(system, address, seen)
    known = {kind.__name__ for kind in get_args(system.IncomingMessage) + get_args(system.OutgoingMessage)}
    check(seen == known, f"these were neither said nor heard: {known - seen}")


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: client.py http://ADDRESS:PORT", file=sys.stderr)
        return 2
    base_url = sys.argv[1].rstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        try:
            system = generate(base_url, folder)
            asyncio.run(everything(system, base_url))
        except TimeoutError:
            print(f"client.py: no answer for {PATIENCE:.0f} s", file=sys.stderr)
            return 1
        except Exception as error:
            print(f"client.py: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    print("the generated client says and hears every message")
    return 0


if __name__ == "__main__":
    sys.exit(main())
