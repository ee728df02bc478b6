"""What a running service agent has to do, and the threads that do it."""

from __future__ import annotations

import asyncio
import base64
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from ._core import Flag
from ._journal import Journal, Record
from ._requests import Files, attachments_of
from .errors import Error, NotFoundError
from .mailbox import Mailbox
from .models import Attachment, Message, Summary

_LONGEST_PAUSE = 3600.0
_MOST_FINISHED = 100_000
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
class Manner:
    """How a service works."""

    handler: Handler
    accepts: Callable[[Summary], bool]
    concurrency: int
    tries: int
    backoff: float
    grace: float


class Work:
    """What a running service has to do, and the threads that do it."""

    def __init__(self, manner: Manner, mailbox: Mailbox, journal: Journal, stop: Flag) -> None:
        self.mailbox = mailbox
        self._manner = manner
        self._journal = journal
        self._stop = stop
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
        self._aside: set[str] = set()
        # The newest of those that were done with: a listing from before that may still call them unread.
        self._finished: dict[str, None] = {}
        for name in journal.names():
            if (record := journal.read(name)) is not None and record["running"]:
                self._suspects.append((name, record["day"]))
                self._taken.add(name)
        self._threads = [
            threading.Thread(target=self._work, args=(number == 0,), name=f"azall-service-{number}", daemon=True)
            for number in range(manner.concurrency)
        ]
        for thread in self._threads:
            thread.start()

    def consider(self, message: Summary) -> None:
        """Takes a message up, if it is new and for this service."""
        if not message.unread or not self._manner.accepts(message):
            return
        with self._lock:
            if not any(message.id in known for known in (self._taken, self._aside, self._finished)):
                self._due.setdefault(message.id, (message.day, 0.0))

    def start_due(self) -> None:
        """Hands what is due to the threads."""
        if time.monotonic() >= self._next_scan:
            self._next_scan = time.monotonic() + _SCAN_SECONDS
            self._load_records()
            for message in self.mailbox.inbox(all=True, offline=True, unread=True):
                self.consider(message)
        moment = time.time()
        with self._lock:
            for name, (day, not_before) in list(self._due.items()):
                if not_before <= moment and name not in self._taken:
                    del self._due[name]
                    self._taken.add(name)
                    self._queue.put((name, day))

    def _load_records(self) -> None:
        """Takes up what was begun before, or was put aside and taken back."""
        with self._lock:
            # What is being tried now may be done with before its record is read. Nothing more is handed out meanwhile.
            busy = set(self._taken)
        aside = set(self._journal.names("/aside"))
        records = [record for name in self._journal.names() if (record := self._journal.read(name)) is not None]
        with self._lock:
            self._aside = aside
            for record in records:
                if record["id"] not in busy and not record["running"]:
                    self._due.setdefault(record["id"], (record["day"], record["not_before"]))

    def finish(self, everything: bool = False) -> int:
        """Waits for what is being done, or for everything that was taken, and ends the threads."""
        if not everything:
            self._stop.set()
        for _ in self._threads:
            self._queue.put(None)
        limit = None if everything else time.monotonic() + self._manner.grace
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
        if self._stop.is_set():
            return
        try:
            due = self._attended(name, day, how)
        except Error:
            # The disk is full, or worse: what was recorded before still says where to go on.
            due = time.time() + max(self._manner.backoff, 1.0)
        with self._lock:
            self._taken.discard(name)
            if due is None:
                self._done += 1
                self._finished[name] = None
                if len(self._finished) > _MOST_FINISHED:
                    del self._finished[next(iter(self._finished))]
            else:
                self._due[name] = (day, due)

    def _attended(self, name: str, day: str, how: str) -> float | None:
        """`None` when a message is done with, else the moment from which it is to be tried again."""
        record = self._journal.read(name) or Record(
            id=name, day=day, tries=0, not_before=0.0, error="", running="", reply=None
        )
        if record["running"] == "together":
            # Any of those that were tried may have ended the process.
            record["tries"] -= 1
        record["running"] = how
        try:
            if record["tries"] >= self._manner.tries:
                self._put_aside({**record, "error": record["error"] or "the process ended during each try"})
                return None
            return self._try(record)
        except (Exception, SystemExit) as error:  # whatever a handler raises is a failed try
            return self._failed(record, error)

    def _try(self, record: Record) -> float | None:
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
        answer: Any = self._manner.handler(ticket)
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

    def _failed(self, record: Record, error: BaseException) -> float | None:
        """Records a failed try; the message is put aside after the last one."""
        record["error"] = f"{type(error).__name__}: {error}"
        record["running"] = ""
        pause = min(self._manner.backoff * 2 ** (record["tries"] - 1), _LONGEST_PAUSE)
        record["not_before"] = time.time() + pause
        if record["tries"] >= self._manner.tries:
            self._put_aside(record)
            return None
        self._journal.write(record)
        return record["not_before"]

    def _put_aside(self, record: Record) -> None:
        self._journal.write({**record, "running": ""})
        self._journal.move(record["id"], "", "aside/")
        with self._lock:
            self._aside.add(record["id"])
