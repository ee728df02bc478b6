"""An agent's mailbox."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from . import _requests as requests
from . import models
from ._core import write_archive
from ._drive import Step
from ._requests import Addresses, Day, Files, Request
from ._session import Account, Session, locate
from .errors import Error

T = TypeVar("T")

_STOP_SECONDS = 12.0
"""How long a watch may take to end: a little more than requests have."""


class Mailbox(Account):
    """An agent's mailbox: send, receive, remember. Threads may share it.

    >>> import azall, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> mailbox = azall.Mailbox.open(folder.name, agent="ada@localhost")
    >>> mailbox.address
    'ada@localhost'
    >>> sent = mailbox.send("ada@localhost", "Note to self", "Buy milk.")
    >>> sent.is_accepted
    True
    >>> [message.subject for message in mailbox.inbox()]
    ['Note to self']
    >>> mailbox.read(sent.id).text
    'Buy milk.'
    >>> mailbox.close(); folder.cleanup()
    """

    def __init__(self, session: Session) -> None:
        """Use `open`."""
        super().__init__(session)
        self._watches: set[Watch] = set()
        self.trust = Trust(self)
        self.filter = Filter(self)
        self.keyring = Keyring(self)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None, *, agent: str | None = None) -> Mailbox:
        """Opens the mailbox of a config file, or of the `config.json` in a folder.

        What is not there yet is a file if its name ends with `.json`, else a folder. Without a path the config is found as the
        command line finds it: `$AGENTAZALL_CONFIG`, `$AGENTAZALL_ROOT/config.json`, `./config.json`. Where there is none, one is
        made: for `agent`, if it is given. Else `agent` takes the place of the name in the config (and of `$AGENTAZALL_AGENT`).
        """
        mailbox = cls(Session(locate(path), agent))
        if agent is not None and not mailbox._session.open().is_found:
            mailbox._run(requests.setup(agent))
        mailbox._learn_address()
        return mailbox

    def _learn_address(self) -> None:
        self._learn(self.command("address"))

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the watches and closes the connections. A closed mailbox may be used again."""
        for watch in list(self._watches):
            watch.close()
        self._session.close()

    def _run(self, request: Request[T]) -> T:
        return request.parse(self._session.command(request)["outcome"])

    def command(self, name: str, arguments: Any = None) -> Any:  # noqa: ANN401  (plain data)
        """Runs any command of the core by its name and gives its document, as `--json` prints it.

        >>> import azall, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, azall.Mailbox.open(folder, agent="ada@localhost") as mailbox:
        ...     mailbox.command("tree", {"date": None})["agent"]
        'ada@localhost'
        """
        return self._run(
            Request({"command": name, "arguments": {} if arguments is None else arguments}, requests.plain)
        )

    def send(
        self, to: Addresses, subject: str, body: str, *, cc: Addresses = (), attachments: Files = ()
    ) -> models.Sent:
        """Signs and queues a message, delivers what can be delivered now, and says truly what happened.

        `attachments` are paths, pairs of a name and bytes, or a mapping of names to bytes.
        """
        return self._run(requests.send(to, subject, body, cc, attachments))

    def reply(
        self,
        message: str | models.Message | models.Summary,
        body: str,
        *,
        attachments: Files = (),
        to_all: bool = False,
    ) -> models.Sent:
        """Answers a message, quoting it."""
        return self._run(requests.reply(message, body, attachments, to_all))

    def inbox(
        self,
        date: Day | None = None,
        *,
        all: bool = False,
        offline: bool = False,
        unread: bool = False,
    ) -> models.Inbox:
        """Lists the inbox of today, another day, or every day. It syncs first, unless `offline`."""
        return self._run(requests.inbox(date, all, offline, unread))

    def read(self, message: str | models.Summary | models.Match, *, raw: bool = False) -> models.Message:
        """Reads a message and marks it read. An id may be shortened while it is unambiguous."""
        return self._run(requests.read(message, raw))

    def search(
        self,
        query: str,
        *,
        from_: str | None = None,
        to: str | None = None,
        since: Day | None = None,
        limit: int | None = None,
    ) -> models.Found:
        """Full text over all days."""
        return self._run(requests.search(query, from_, to, since, limit))

    def remember(self, text: str, title: str | None = None) -> models.Stored:
        """Stores a memory. A title that exists today gets a line more."""
        return self._run(requests.remember(text, title))

    def recall(
        self, query: str | None = None, *, agent: str | None = None, limit: int | None = None
    ) -> models.Recalled:
        """The memories that match; without a query, the index of all of them. `agent`: another's, if it shares them."""
        return self._run(requests.recall(query, agent, limit))

    def whoami(self, text: str | None = None) -> str | None:
        """Who the agent is; with a text, writes it. A method rather than a property, because it reads and writes files.

        >>> import azall, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, azall.Mailbox.open(folder, agent="ada@localhost") as mailbox:
        ...     mailbox.whoami("A careful reader."), mailbox.whoami()
        ('A careful reader.', 'A careful reader.')
        """
        return self._run(requests.whoami(text))

    def doing(self, text: str | None = None, *, append: str | None = None) -> str | None:
        """What the agent is doing; with a text, writes it; with `append`, adds a line."""
        if text is not None or append is not None:
            self._run(requests.doing(text, append))
        return self._run(requests.doing(None, None))

    def note(self, name: str, text: str | None = None, *, append: str | None = None) -> str:
        """A note of today; with a text, writes it; with `append`, adds a line. A missing note is a `NotFoundError`."""
        if text is not None or append is not None:
            self._run(requests.note(name, text, append))
        return self._run(requests.note(name, None, None)) or ""

    def notes(self, date: Day | None = None) -> tuple[models.NoteEntry, ...]:
        """The notes of a day."""
        return self._run(requests.notes(date))

    def sync(self) -> models.SyncReport:
        """One delivery cycle: what waits goes out, what came in is stored."""
        return self._run(requests.sync())

    def watch(self, *, unread: bool = False) -> Watch:
        """New messages as they arrive, for ever: pushed where a relay can, else looked for at each sync interval.

        With `unread`, what was not read yet comes first. End it with `close` (of the watch or the mailbox) or Ctrl-C.
        """
        return Watch(self, unread)

    def sign(self, text: str, *, documented: bool = False) -> str:
        """Signs a text with the agent's key, so that it can be verified wherever it is copied to."""
        return self._run(requests.sign(text, documented))

    def verify(self, text: str) -> models.Checked:
        """What a signature in a text proves, with the keys of the keyring."""
        return self._run(requests.verify(text))

    def register(self, name: str, server: str) -> str:
        """Makes an account on a relay, adds it to the config, and gives the address: the mailbox is that account's from now on."""
        registered = self._run(requests.register(name, server))
        self._session.forget_agent()
        self._learn_address()
        return registered

    def export(self, path: str | os.PathLike[str]) -> models.Exported:
        """Writes the whole state to a ZIP archive, readable by its owner alone: it holds the secrets."""
        request = requests.export(os.path.abspath(path))
        step = self._session.command(request)
        write_archive(step["file"]["path"], step["file"]["bytes"])
        return request.parse(step["outcome"])


class Trust:
    """Whom the agent is bound to. `Mailbox.trust`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._run = mailbox._run

    def status(self) -> models.TrustState:
        """The binding, if there is one."""
        return self._run(requests.trust_status())

    def make_token(self, *, force: bool = False) -> models.TrustToken:
        """A token that proves, for ten minutes and on this machine, who holds this mailbox."""
        return self._run(requests.trust_make(force))

    def bind(self, owner: str, token: str) -> models.Bound:
        """Binds the agent to an owner who shows a token."""
        return self._run(requests.trust_bind(owner, token))

    def bind_locally(self, owner: str, *, force: bool = False) -> models.Bound:
        """Binds the agent to an owner who is at this machine."""
        return self._run(requests.trust_bind_locally(owner, force))

    def revoke(self) -> str | None:
        """Frees the agent, and gives the owner whom it was bound to."""
        return self._run(requests.trust_revoke())


class Filter:
    """Whose messages come in. `Mailbox.filter`.

    >>> import azall, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, azall.Mailbox.open(folder, agent="ada@localhost") as mailbox:
    ...     mailbox.filter.allow("*@example.org").whitelist
    ('*@example.org',)
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._run = mailbox._run

    def state(self) -> models.FilterState:
        """The filter as it is."""
        return self._run(requests.change_filter([]))

    def mode(self, mode: str) -> models.FilterState:
        """`blacklist`, `whitelist` or `off`."""
        return self._run(requests.change_filter([{"mode": mode}]))

    def allow(self, pattern: str) -> models.FilterState:
        """Adds a pattern to the whitelist."""
        return self._run(requests.change_filter([{"add": ["whitelist", pattern]}]))

    def disallow(self, pattern: str) -> models.FilterState:
        """Takes a pattern from the whitelist."""
        return self._run(requests.change_filter([{"remove": ["whitelist", pattern]}]))

    def block(self, pattern: str) -> models.FilterState:
        """Adds a pattern to the blacklist."""
        return self._run(requests.change_filter([{"add": ["blacklist", pattern]}]))

    def unblock(self, pattern: str) -> models.FilterState:
        """Takes a pattern from the blacklist."""
        return self._run(requests.change_filter([{"remove": ["blacklist", pattern]}]))


class Keyring:
    """The keys of those who wrote. `Mailbox.keyring`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._run = mailbox._run

    def list(self) -> tuple[models.PeerKey, ...]:
        """Every key."""
        return self._run(requests.keyring("list"))

    def show(self, fingerprint: str) -> models.PeerKey:
        """One key."""
        return self._run(requests.keyring("show", fingerprint))[0]

    def trust(self, fingerprint: str) -> None:
        """Settles a changed key: this one is right."""
        self._run(requests.keyring("trust", fingerprint))

    def forget(self, fingerprint: str) -> None:
        """Forgets a key."""
        self._run(requests.keyring("forget", fingerprint))


class News:
    """Which messages of an inbox are new, told from those that were seen."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def note(self, messages: models.Inbox) -> None:
        """These were seen."""
        self._seen.update((message.day, message.id) for message in messages)

    def take(self, messages: models.Inbox) -> list[models.Summary]:
        """Those of them that were not seen yet."""
        new = [message for message in messages if (message.day, message.id) not in self._seen]
        self.note(messages)
        return new


class Watch(Iterator[models.Summary]):
    """New messages as they arrive. An iterator that waits; `close` ends it, from any thread."""

    _LOOK_SECONDS = 2.0
    """How often to look for what another process has received meanwhile."""

    def __init__(self, mailbox: Mailbox, unread: bool) -> None:
        """Use `Mailbox.watch`."""
        self._mailbox = mailbox
        self._bell: SimpleQueue[Error | None] = SimpleQueue()
        self._news = News()
        self._due: list[models.Summary] = []
        self._is_closed = False
        self._next_look = time.monotonic() + self._LOOK_SECONDS
        there = mailbox._run(requests.inbox(None, True, True, False))
        self._news.note(there)
        if unread:
            self._due = [message for message in there if message.unread]
        self._watching = mailbox._session.begin(requests.inbox(None, False, False, True, watch=True), self._on_event)
        self._thread = threading.Thread(target=self._drive, name="azall-watch", daemon=True)
        self._thread.start()
        mailbox._watches.add(self)

    def _drive(self) -> None:
        try:
            self._watching.to_end()
        except Error as error:
            self._bell.put(error)
        finally:
            self._bell.put(None)

    def _on_event(self, event: Step) -> None:
        if event["level"] == "result":
            self._bell.put(None)

    def __iter__(self) -> Watch:
        return self

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._is_closed

    def __next__(self) -> models.Summary:
        while True:
            if (found := self.wait(None)) is not None:
                return found
            if self._is_closed:
                raise StopIteration

    def wait(self, seconds: float | None) -> models.Summary | None:
        """The next message; `None` when none came within this time, or the watch is closed. A failure of the watch is raised."""
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            while not self._is_closed:
                if self._due:
                    return self._due.pop(0)
                left = self._next_look - time.monotonic()
                if deadline is not None:
                    left = min(left, deadline - time.monotonic())
                self._listen(max(left, 0))
                if not self._due and deadline is not None and deadline <= time.monotonic():
                    return None
        except BaseException:
            self.close()
            raise
        return None

    def _listen(self, seconds: float) -> None:
        """Waits for the bell, but not longer than this, and looks for messages when it rang or it is time to."""
        is_rung = False
        try:
            rung = self._bell.get(timeout=seconds)
            is_rung = True
            while True:
                if rung is not None:
                    raise rung
                rung = self._bell.get_nowait()
        except Empty:
            pass
        if self._is_closed or not (is_rung or self._next_look <= time.monotonic()):
            return
        self._next_look = time.monotonic() + self._LOOK_SECONDS
        self._due += self._news.take(self._mailbox._run(requests.inbox(None, False, True, False)))
        if is_rung and not self._due:
            # A message may lie under another day than today.
            self._due += self._news.take(self._mailbox._run(requests.inbox(None, True, True, False)))
        if not self._thread.is_alive() and not self._due:
            self.close()

    def close(self) -> None:
        """Ends the watch: what is being received is stored first."""
        if not self._is_closed:
            self._is_closed = True
            self._watching.cancel()
            self._bell.put(None)
            if threading.current_thread() is not self._thread:
                self._thread.join(_STOP_SECONDS)
            self._mailbox._watches.discard(self)
