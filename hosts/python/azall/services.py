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

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from . import protocol
from ._core import Flag
from ._journal import Journal, alone
from ._work import Handler, Manner, Work
from .errors import NotFoundError
from .mailbox import Mailbox
from .models import Summary

_TICK = 0.5
"""How often the wish to stop is looked at, in seconds."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A message that was put aside."""

    id: str
    day: str
    tries: int
    error: str


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
        self._stop = Flag()

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
            try:
                with work.mailbox.watch() as watch:
                    while not (self._stop.is_set() or watch.is_closed):
                        work.start_due()
                        if (found := watch.wait(_TICK)) is not None:
                            work.consider(found)
            except KeyboardInterrupt:
                pass
            finally:
                done = work.finish()
            return done

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

    def _journal(self, mailbox: Mailbox) -> Journal:
        session = mailbox._session
        config = session.open()
        return Journal(session.files(config), config.agent, self.name)

    @contextmanager
    def _working(self) -> Generator[Work, None, None]:
        if self.function is None:
            raise TypeError("the service has no handler")
        self._stop.clear()
        with self._opened() as mailbox:
            journal = self._journal(mailbox)
            with alone(journal):
                yield Work(self._manner(mailbox, self.function), mailbox, journal, self._stop)

    def _manner(self, mailbox: Mailbox, handler: Handler) -> Manner:
        own = {address.lower() for address in (mailbox.address, *mailbox.relay_addresses)}

        def from_others(message: Summary) -> bool:
            return message.from_.lower() not in own

        accepts = self._accept or from_others
        return Manner(handler, accepts, self.concurrency, self.tries, self.backoff, self.grace)

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
