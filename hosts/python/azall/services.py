"""Agents that answer messages: a handler is given each message, and what it returns is sent as the reply.

>>> import azall, tempfile
>>> @azall.service("shout")
... def shout(ticket: azall.Ticket) -> str:
...     return ticket.text.upper()
>>> with tempfile.TemporaryDirectory() as folder, azall.Mailbox.open(folder, agent="ada@localhost") as mailbox:
...     sent = mailbox.send("ada@localhost", "Please", "louder")
...     shout = azall.Service(mailbox, "shout", accept=lambda message: message.subject == "Please", handler=shout.function)
...     shout.run_once()
...     sorted(message.subject for message in mailbox.inbox())
1
['Please', 'Re: Please']

**What is guaranteed.** A message gets one answer, whatever crashes when. Before a handler runs, the try is recorded durably, and
only then is the message marked read; its answer is recorded durably before it is sent; the record goes once the answer lies in the
outbox. After a crash the records say where to go on: without an answer the handler runs again (so what else it does, it may do
twice); with one, the answer is sent unless it lies in the outbox, among what was sent, or among what failed. A message whose
handler fails again and again, or takes the process down with it, is put aside after `tries` tries.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypedDict

from . import protocol
from ._effects import Effect
from ._host import Host
from ._requests import Files, attachments_of
from .errors import Error, NotFoundError, PolicyError, StorageError
from .mailbox import Mailbox
from .models import Attachment, Message, Summary

_RECORD_LIMIT = 256 << 20
_HEAD_LIMIT = 16 << 10
_LONGEST_PAUSE = 3600.0
_TICK = 0.5
"""How often the wish to stop is looked at, in seconds."""
_SCAN_SECONDS = 60.0
"""How often the whole inbox is looked through for what was missed."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A message to answer."""

    message: Message
    tries: int
    """Which try this is, from 1."""

    @property
    def text(self) -> str:
        """The message's text."""
        return self.message.text

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files that came with it; `read_bytes` gives what is in them."""
        return self.message.attachments


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with files: paths, pairs of a name and bytes, or a mapping of names to bytes."""

    text: str
    attachments: Files = ()


Answer = Reply | str | None
"""What a handler returns; `None`: the message needs no answer."""

Handler = Callable[[Ticket], "Answer | Awaitable[Answer]"]


@dataclass(frozen=True, slots=True)
class Aside:
    """A message that was put aside."""

    id: str
    day: str
    tries: int
    error: str


class _Record(TypedDict):
    """What is known of a message that is being answered."""

    id: str
    day: str
    tries: int
    not_before: float
    error: str
    running: str
    """How it is being tried, and was if the process ended: `alone`, or `together` with others; empty while it is not."""
    reply: dict[str, Any] | None


class _Journal:
    """The records of a service, in `services/NAME/` of the agent's folder."""

    def __init__(self, host: Host, agent: str, name: str) -> None:
        self._host = host
        self._agent = agent
        self.folder = f"{agent}/services/{name}"

    def _do(self, kind: str, **fields: Any) -> Any:  # noqa: ANN401  (an effect's answer)
        effect: Effect = {"kind": kind, **fields}
        answer = self._host.answer(effect)
        if (error := answer.get("Err")) is None:
            return answer["Ok"]
        if error["kind"] == "not_found":
            raise NotFoundError(error["message"], "not-found")
        raise StorageError(f"{self.folder}: {error['message']}", "file")

    def _place(self, path: str) -> dict[str, str]:
        return {"root": "mailboxes", "path": path}

    def read(self, name: str) -> _Record | None:
        """A record; what is damaged is as good as none: the message is then answered anew."""
        try:
            content = self._do("ReadFile", place=self._place(f"{self.folder}/{name}.json"), limit=_RECORD_LIMIT)
            record: _Record = json.loads(content)
            return record if _Record.__required_keys__ <= record.keys() else None
        except (NotFoundError, ValueError):
            return None

    def write(self, record: _Record) -> None:
        """Writes a record durably, for its owner's eyes alone."""
        place = self._place(f"{self.folder}/{record['id']}.json")
        content = json.dumps(record).encode()
        self._do("WriteAtomic", place=place, bytes=content, private=True, exclusive=False)

    def remove(self, name: str) -> None:
        """Removes a record durably."""
        self._do("Remove", place=self._place(f"{self.folder}/{name}.json"))

    def move(self, name: str, source: str, target: str) -> None:
        """Moves a record between this folder and that of what was put aside."""
        start, end = (self._place(f"{self.folder}/{part}{name}.json") for part in (source, target))
        self._do("Rename", **{"from": start, "to": end, "exclusive": False})

    def names(self, below: str = "") -> list[str]:
        """The records there."""
        names = self._listed(f"{self.folder}{below}", "file")
        return [name[: -len(".json")] for name in names if name.endswith(".json")]

    def _listed(self, path: str, kind: str) -> list[str]:
        try:
            entries = self._do("List", folder=self._place(path), with_meta=False)
        except NotFoundError:
            return []
        return sorted(item["name"] for item in entries if item["kind"] == kind and not item["name"].startswith("."))

    def was_sent(self, record: _Record) -> bool:
        """Whether the recorded answer lies in the outbox, among what was sent, or among what failed. In this order: that is how a
        message moves.
        """
        days = [day for day in self._listed(self._agent, "folder") if day >= record["day"] and day[:1].isdigit()]
        return any(
            self._holds_answer(f"{self._agent}/{day}/{folder}", record)
            for day in days
            for folder in ("outbox", "sent", "failed")
        )

    def _holds_answer(self, folder: str, record: _Record) -> bool:
        names = [name for name in self._listed(folder, "file") if name.endswith(".txt")]
        if not names:
            return False
        heads = self._do("ReadMany", folder=self._place(folder), names=names, limit=_HEAD_LIMIT)
        for name, head in zip(names, heads, strict=True):
            content: bytes = head["Ok"]["bytes"] if "Ok" in head else b""
            if protocol.parse(content).header("In-Reply-To") == record["id"] and self._is_answer(folder, name, record):
                return True
        return False

    def _is_answer(self, folder: str, name: str, record: _Record) -> bool:
        try:
            file = self._do("ReadFile", place=self._place(f"{folder}/{name}"), limit=_RECORD_LIMIT)
        except NotFoundError:
            return False
        text = (record["reply"] or {}).get("text", "")
        return protocol.verify(file).text.startswith(text)


class Service:
    """Answers the unread messages of a mailbox, several at a time, until it is stopped.

    `accept` chooses among them: by default all that others have sent. `backoff` is the pause after a failed try in seconds, doubled
    with each further one. Two services with different names and the same mailbox must not accept the same messages.
    """

    def __init__(
        self,
        mailbox: Mailbox | None = None,
        name: str = "default",
        *,
        handler: Handler | None = None,
        concurrency: int = 4,
        tries: int = 5,
        backoff: float = 2.0,
        grace: float = 8.0,
        accept: Callable[[Summary], bool] | None = None,
    ) -> None:
        """Without a mailbox, `run` opens the one that the environment names."""
        self.name = protocol.sanitize(name)
        self.function = handler
        self.concurrency = max(concurrency, 1)
        self.tries = max(tries, 1)
        self.backoff = backoff
        self.grace = grace
        self._mailbox = mailbox
        self._accept = accept
        self._stop = threading.Event()

    def handler(self, function: Handler) -> Handler:
        """Makes a function, plain or `async`, the handler: a decorator."""
        self.function = function
        return function

    def stop(self) -> None:
        """Ends `run`: handlers that run may finish, within `grace` seconds. Any thread and any signal handler may call it."""
        self._stop.set()

    def run(self) -> int:
        """Answers messages until `stop`, SIGTERM or Ctrl-C, and gives the number of those that were done with.

        Messages are pushed where a relay can, else looked for at each sync interval.
        """
        with _signals(self.stop), self._working() as work:
            with work.mailbox.watch() as watch:
                try:
                    while not self._stop.is_set():
                        work.start_due()
                        if (found := watch.wait(_TICK)) is not None:
                            work.consider(found)
                except KeyboardInterrupt:
                    self.stop()
            return work.finish()

    def run_once(self) -> int:
        """Answers what is there now, tries again what is due, and gives the number of messages that were done with."""
        with self._working() as work:
            work.mailbox.sync()
            work.start_due()
            return work.finish(everything=True)

    def aside(self) -> tuple[Aside, ...]:
        """The messages that were put aside."""
        with self._opened() as mailbox:
            journal = self._journal(mailbox)
            records = [journal.read(f"aside/{name}") for name in journal.names("/aside")]
            return tuple(
                Aside(record["id"], record["day"], record["tries"], record["error"])
                for record in records
                if record is not None
            )

    def retry(self, message: str) -> None:
        """Takes a message that was put aside back: it is tried again from the start."""
        with self._opened() as mailbox:
            journal = self._journal(mailbox)
            record = journal.read(f"aside/{message}")
            if record is None:
                raise NotFoundError(f"no message {message!r} was put aside", "not-found")
            journal.write({**record, "tries": 0, "not_before": 0.0, "running": ""})
            journal.remove(f"aside/{message}")

    @contextmanager
    def _opened(self) -> Generator[Mailbox, None, None]:
        if self._mailbox is not None:
            yield self._mailbox
            return
        with Mailbox.open() as mailbox:
            yield mailbox

    def _journal(self, mailbox: Mailbox) -> _Journal:
        session = mailbox._session
        config = session.open()
        return _Journal(session.host(config), config.agent, self.name)

    @contextmanager
    def _working(self) -> Generator[_Work, None, None]:
        if self.function is None:
            raise TypeError("the service has no handler")
        self._stop.clear()
        with self._opened() as mailbox:
            journal = self._journal(mailbox)
            with _alone(journal._host.roots.mailboxes + b"/" + journal.folder.encode()):
                yield _Work(self, mailbox, journal, self.function)

    def accepts(self, message: Summary, own: frozenset[str]) -> bool:
        """Whether a message is for this service."""
        if self._accept is not None:
            return self._accept(message)
        return message.from_.lower() not in own

    def __repr__(self) -> str:
        return f"<azall.Service {self.name}>"


def service(
    name: str,
    *,
    mailbox: Mailbox | None = None,
    concurrency: int = 4,
    tries: int = 5,
    backoff: float = 2.0,
    accept: Callable[[Summary], bool] | None = None,
) -> Callable[[Handler], Service]:
    """Makes a function, plain or `async`, a `Service`: a decorator."""

    def decorate(function: Handler) -> Service:
        return Service(
            mailbox, name, handler=function, concurrency=concurrency, tries=tries, backoff=backoff, accept=accept
        )

    return decorate


@contextmanager
def _alone(folder: bytes) -> Generator[None, None, None]:
    """Sees to it that one process works on these records. The lock is the kernel's: it goes with its process."""
    import fcntl

    os.makedirs(folder, exist_ok=True)
    fd = os.open(folder + b"/.running", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PolicyError("this service runs already", "running", 3) from None
        yield
    finally:
        os.close(fd)


@contextmanager
def _signals(stop: Callable[[], None]) -> Generator[None, None, None]:
    """Has SIGTERM stop the service, where signals are ours to take."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Work:
    """What a running service has to do, and the threads that do it."""

    def __init__(self, service: Service, mailbox: Mailbox, journal: _Journal, function: Handler) -> None:
        self.mailbox = mailbox
        self._service = service
        self._journal = journal
        self._function = function
        self._own = frozenset({mailbox.address.lower(), *(address.lower() for address in mailbox.relay_addresses)})
        self._lock = threading.Lock()
        # Messages that are to be attended to, with their day and the moment before which they are not; and those that are being.
        self._due: dict[str, tuple[str, float]] = {}
        self._taken: set[str] = set()
        self._done = 0
        self._next_scan = 0.0
        self._queue: SimpleQueue[tuple[str, str] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        # What was being tried when the process ended is tried first, one by one: so it shows which one ends it.
        self._suspects: list[tuple[str, str]] = []
        self._is_cleared = threading.Event()
        for name in journal.names():
            if (record := journal.read(name)) is None:
                continue
            if record["running"]:
                self._suspects.append((name, record["day"]))
                self._taken.add(name)
            else:
                self._due[name] = (record["day"], record["not_before"])
        self._threads = [
            threading.Thread(target=self._work, args=(number == 0,), name=f"azall-service-{number}", daemon=True)
            for number in range(service.concurrency)
        ]
        for thread in self._threads:
            thread.start()

    def consider(self, message: Summary) -> None:
        """Takes a message up, if it is new and for this service."""
        if not message.unread or not self._service.accepts(message, self._own):
            return
        with self._lock:
            if message.id not in self._taken:
                self._due.setdefault(message.id, (message.day, 0.0))

    def start_due(self) -> None:
        """Hands what is due to the threads."""
        if time.monotonic() >= self._next_scan:
            self._next_scan = time.monotonic() + _SCAN_SECONDS
            for message in self.mailbox.inbox(all=True, offline=True, unread=True):
                self.consider(message)
        moment = time.time()
        with self._lock:
            for name, (day, not_before) in list(self._due.items()):
                if not_before <= moment and name not in self._taken:
                    del self._due[name]
                    self._taken.add(name)
                    self._queue.put((name, day))

    def finish(self, everything: bool = False) -> int:
        """Waits for what is being done, or for everything that was taken, and ends the threads."""
        if not everything:
            self._service.stop()
        for _ in self._threads:
            self._queue.put(None)
        limit = None if everything else time.monotonic() + self._service.grace
        for thread in self._threads:
            thread.join(None if limit is None else max(limit - time.monotonic(), 0))
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        return self._done

    def _work(self, is_first: bool) -> None:
        if is_first:
            for name, day in self._suspects:
                self._attend(name, day, "alone")
            self._is_cleared.set()
        self._is_cleared.wait()
        while (taken := self._queue.get()) is not None:
            self._attend(*taken, "together")

    def _attend(self, name: str, day: str, how: str) -> None:
        """Attends to one message, and sees to it that it is tried again where it has to be."""
        # What was not begun when the service was stopped waits for the next start.
        if self._service._stop.is_set():
            return
        due = self._attended(name, day, how)
        with self._lock:
            self._taken.discard(name)
            if due is None:
                self._done += 1
            else:
                self._due[name] = (day, due)

    def _attended(self, name: str, day: str, how: str) -> float | None:
        """`None` when a message is done with, else the moment from which it is to be tried again."""
        record = self._journal.read(name) or _Record(
            id=name, day=day, tries=0, not_before=0.0, error="", running="", reply=None
        )
        if record["running"] == "together":
            # Any of those that were tried may have ended the process.
            record["tries"] -= 1
        record["running"] = how
        try:
            if record["tries"] >= self._service.tries:
                self._put_aside({**record, "error": record["error"] or "the process ended during each try"})
                return None
            return self._try(record)
        except Exception as error:  # whatever a handler raises is a failed try
            return self._failed(record, error)

    def _try(self, record: _Record) -> float | None:
        is_recorded = record["reply"] is not None
        record["tries"] += 1
        self._journal.write(record)
        if not is_recorded:
            try:
                data = self.mailbox.command("read", {"id": record["id"], "date": record["day"]})
            except NotFoundError:
                self._journal.remove(record["id"])
                return None
            record["reply"] = self._answer_to(Ticket(Message.of(data), record["tries"]))
            if record["reply"] is not None:
                self._journal.write(record)
        if record["reply"] is not None and not (is_recorded and self._journal.was_sent(record)):
            self._send(record["id"], record["reply"])
        self._journal.remove(record["id"])
        return None

    def _answer_to(self, ticket: Ticket) -> dict[str, Any] | None:
        """What the handler answers, as it is recorded. Line ends are those that the mailbox keeps."""
        answer = self._call(ticket)
        if answer is None:
            return None
        reply = Reply(answer) if isinstance(answer, str) else answer
        if not isinstance(reply, Reply):
            raise TypeError(f"a handler returns a Reply, a str or None, not {type(reply).__name__}")
        text = reply.text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
        files = [
            {"name": item["name"], "data": base64.b64encode(item["bytes"]).decode()}
            for item in attachments_of(reply.attachments)
        ]
        return {"text": text, "attachments": files}

    def _call(self, ticket: Ticket) -> Any:  # noqa: ANN401  (a handler's types are not checked before it runs)
        answer: Any = self._function(ticket)
        if not inspect.isawaitable(answer):
            return answer

        async def wait() -> Any:  # noqa: ANN401
            return await answer

        return asyncio.run_coroutine_threadsafe(wait(), self._event_loop()).result()

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that every asynchronous handler runs on."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="azall-service-loop", daemon=True).start()
            return self._loop

    def _send(self, name: str, reply: dict[str, Any]) -> None:
        files = [(item["name"], base64.b64decode(item["data"])) for item in reply["attachments"]]
        self.mailbox.reply(name, reply["text"], attachments=files)

    def _failed(self, record: _Record, error: Exception) -> float | None:
        """Records a failed try; the message is put aside after the last one."""
        record["error"] = f"{type(error).__name__}: {error}"
        record["running"] = ""
        pause = min(self._service.backoff * 2 ** (record["tries"] - 1), _LONGEST_PAUSE)
        record["not_before"] = time.time() + pause
        try:
            if record["tries"] >= self._service.tries:
                self._put_aside(record)
                return None
            self._journal.write(record)
        except Error:
            # The disk is full, or worse: what was recorded before still says where to go on.
            return record["not_before"]
        return record["not_before"]

    def _put_aside(self, record: _Record) -> None:
        self._journal.write({**record, "running": ""})
        self._journal.move(record["id"], "", "aside/")
