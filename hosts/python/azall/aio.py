"""An agent's mailbox for asyncio: the methods of `azall.Mailbox`, awaited. Cancelling a task cancels what it runs.

>>> import asyncio, tempfile
>>> from azall import aio
>>> async def main() -> None:
...     with tempfile.TemporaryDirectory() as folder:
...         async with await aio.Mailbox.open(folder, agent="ada@localhost") as mailbox:
...             await mailbox.send("ada@localhost", "Note to self", "Buy milk.")
...             print([message.subject for message in await mailbox.inbox()])
>>> asyncio.run(main())
['Note to self']
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _requests as requests
from . import models
from ._aio_drive import AsyncRun
from ._core import Config, Flag, Op, write_archive
from ._drive import OnEvent, Step
from ._effects import Effect
from ._requests import Addresses, Day, Files, Request
from ._session import Account, Session, locate
from .errors import Error
from .mailbox import News

if TYPE_CHECKING:
    from ._http import AsyncHttp

T = TypeVar("T")


class Mailbox(Account):
    """An agent's mailbox on an event loop."""

    def __init__(self, session: Session) -> None:
        """Use `open`."""
        super().__init__(session)
        self._http: AsyncHttp | None = None
        self._watches: set[Watch] = set()
        self.trust = Trust(self)
        self.filter = Filter(self)
        self.keyring = Keyring(self)

    @classmethod
    async def open(cls, path: str | os.PathLike[str] | None = None, *, agent: str | None = None) -> Mailbox:
        """Opens the mailbox of a config file, or of the one in a folder; as `azall.Mailbox.open`."""
        mailbox = cls(Session(locate(path), agent))
        if agent is not None and not (await mailbox._config()).is_found:
            await mailbox._run(requests.setup(agent))
        await mailbox._learn_address()
        return mailbox

    async def _learn_address(self) -> None:
        self._learn(await self.command("address"))

    async def __aenter__(self) -> Mailbox:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the watches and closes the connections. A closed mailbox may be used again."""
        for watch in list(self._watches):
            await watch.aclose()
        if self._http is not None:
            http, self._http = self._http, None
            await http.aclose()

    async def _send(self, effect: Effect) -> dict[str, object]:
        """Answers `Http`. The library is loaded at the first request."""
        if self._http is None:
            from ._http import AsyncHttp

            self._http = AsyncHttp()
        return await self._http.send(effect)

    async def _config(self) -> Config:
        op = self._session.opening()
        await AsyncRun(op, self._session.config_host(), self._send).to_end()
        return self._session.shown(op.take_config())

    async def _begin(self, request: Request[Any], on_event: OnEvent = lambda _: None) -> AsyncRun:
        """A run of a command over the config as it is now."""
        config = await self._config()
        stopping = Flag()
        op = Op.command(request.command, config, request.tables)
        return AsyncRun(op, self._session.host(config, stopping), self._send, on_event, stopping)

    async def _run(self, request: Request[T]) -> T:
        return request.parse((await (await self._begin(request)).to_end())["outcome"])

    async def command(self, name: str, arguments: Any = None) -> Any:  # noqa: ANN401  (plain data)
        """Runs any command of the core by its name and gives its document, as `--json` prints it."""
        return await self._run(
            Request({"command": name, "arguments": {} if arguments is None else arguments}, requests.plain)
        )

    async def send(
        self, to: Addresses, subject: str, body: str, *, cc: Addresses = (), attachments: Files = ()
    ) -> models.Sent:
        """Signs and queues a message, delivers what can be delivered now, and says truly what happened.

        `attachments` are paths, pairs of a name and bytes, or a mapping of names to bytes.
        """
        return await self._run(await asyncio.to_thread(requests.send, to, subject, body, cc, attachments))

    async def reply(
        self,
        message: str | models.Message | models.Summary,
        body: str,
        *,
        attachments: Files = (),
        to_all: bool = False,
    ) -> models.Sent:
        """Answers a message, quoting it."""
        return await self._run(await asyncio.to_thread(requests.reply, message, body, attachments, to_all))

    async def inbox(
        self,
        date: Day | None = None,
        *,
        all: bool = False,
        offline: bool = False,
        unread: bool = False,
    ) -> models.Inbox:
        """Lists the inbox of today, another day, or every day. It syncs first, unless `offline`."""
        return await self._run(requests.inbox(date, all, offline, unread))

    async def read(self, message: str | models.Summary | models.Match, *, raw: bool = False) -> models.Message:
        """Reads a message and marks it read. An id may be shortened while it is unambiguous."""
        return await self._run(requests.read(message, raw))

    async def search(
        self,
        query: str,
        *,
        from_: str | None = None,
        to: str | None = None,
        since: Day | None = None,
        limit: int | None = None,
    ) -> models.Found:
        """Full text over all days."""
        return await self._run(requests.search(query, from_, to, since, limit))

    async def remember(self, text: str, title: str | None = None) -> models.Stored:
        """Stores a memory. A title that exists today gets a line more."""
        return await self._run(requests.remember(text, title))

    async def recall(
        self, query: str | None = None, *, agent: str | None = None, limit: int | None = None
    ) -> models.Recalled:
        """The memories that match; without a query, the index of all of them. `agent`: another's, if it shares them."""
        return await self._run(requests.recall(query, agent, limit))

    async def whoami(self, text: str | None = None) -> str | None:
        """Who the agent is; with a text, writes it. A method rather than a property, because it reads and writes files."""
        return await self._run(requests.whoami(text))

    async def doing(self, text: str | None = None, *, append: str | None = None) -> str | None:
        """What the agent is doing; with a text, writes it; with `append`, adds a line."""
        if text is not None or append is not None:
            await self._run(requests.doing(text, append))
        return await self._run(requests.doing(None, None))

    async def note(self, name: str, text: str | None = None, *, append: str | None = None) -> str:
        """A note of today; with a text, writes it; with `append`, adds a line. A missing note is a `NotFoundError`."""
        if text is not None or append is not None:
            await self._run(requests.note(name, text, append))
        return await self._run(requests.note(name, None, None)) or ""

    async def notes(self, date: Day | None = None) -> tuple[models.NoteEntry, ...]:
        """The notes of a day."""
        return await self._run(requests.notes(date))

    async def sync(self) -> models.SyncReport:
        """One delivery cycle: what waits goes out, what came in is stored."""
        return await self._run(requests.sync())

    def watch(self, *, unread: bool = False) -> Watch:
        """New messages as they arrive, for ever: pushed where a relay can, else looked for at each sync interval.

        With `unread`, what was not read yet comes first. End it with `aclose` (of the watch or the mailbox), or by
        leaving its `async with`.
        """
        return Watch(self, unread)

    async def sign(self, text: str, *, documented: bool = False) -> str:
        """Signs a text with the agent's key, so that it can be verified wherever it is copied to."""
        return await self._run(requests.sign(text, documented))

    async def verify(self, text: str) -> models.Checked:
        """What a signature in a text proves, with the keys of the keyring."""
        return await self._run(requests.verify(text))

    async def register(self, name: str, server: str) -> str:
        """Makes an account on a relay, adds it to the config, and gives the address: the mailbox is that account's from now on."""
        registered = await self._run(requests.register(name, server))
        self._session.forget_agent()
        await self._learn_address()
        return registered

    async def export(self, path: str | os.PathLike[str]) -> models.Exported:
        """Writes the whole state to a ZIP archive, readable by its owner alone: it holds the secrets."""
        request = requests.export(os.path.abspath(path))
        step = await (await self._begin(request)).to_end()
        await asyncio.to_thread(write_archive, step["file"]["path"], step["file"]["bytes"])
        return request.parse(step["outcome"])


class Trust:
    """Whom the agent is bound to. `Mailbox.trust`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._run = mailbox._run

    async def status(self) -> models.TrustState:
        """The binding, if there is one."""
        return await self._run(requests.trust_status())

    async def make_token(self, *, force: bool = False) -> models.TrustToken:
        """A token that proves, for ten minutes and on this machine, who holds this mailbox."""
        return await self._run(requests.trust_make(force))

    async def bind(self, owner: str, token: str) -> models.Bound:
        """Binds the agent to an owner who shows a token."""
        return await self._run(requests.trust_bind(owner, token))

    async def bind_locally(self, owner: str, *, force: bool = False) -> models.Bound:
        """Binds the agent to an owner who is at this machine."""
        return await self._run(requests.trust_bind_locally(owner, force))

    async def revoke(self) -> str | None:
        """Frees the agent, and gives the owner whom it was bound to."""
        return await self._run(requests.trust_revoke())


class Filter:
    """Whose messages come in. `Mailbox.filter`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._run = mailbox._run

    async def state(self) -> models.FilterState:
        """The filter as it is."""
        return await self._run(requests.change_filter([]))

    async def mode(self, mode: str) -> models.FilterState:
        """`blacklist`, `whitelist` or `off`."""
        return await self._run(requests.change_filter([{"mode": mode}]))

    async def allow(self, pattern: str) -> models.FilterState:
        """Adds a pattern to the whitelist."""
        return await self._run(requests.change_filter([{"add": ["whitelist", pattern]}]))

    async def disallow(self, pattern: str) -> models.FilterState:
        """Takes a pattern from the whitelist."""
        return await self._run(requests.change_filter([{"remove": ["whitelist", pattern]}]))

    async def block(self, pattern: str) -> models.FilterState:
        """Adds a pattern to the blacklist."""
        return await self._run(requests.change_filter([{"add": ["blacklist", pattern]}]))

    async def unblock(self, pattern: str) -> models.FilterState:
        """Takes a pattern from the blacklist."""
        return await self._run(requests.change_filter([{"remove": ["blacklist", pattern]}]))


class Keyring:
    """The keys of those who wrote. `Mailbox.keyring`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._run = mailbox._run

    async def list(self) -> tuple[models.PeerKey, ...]:
        """Every key."""
        return await self._run(requests.keyring("list"))

    async def show(self, fingerprint: str) -> models.PeerKey:
        """One key."""
        return (await self._run(requests.keyring("show", fingerprint)))[0]

    async def trust(self, fingerprint: str) -> None:
        """Settles a changed key: this one is right."""
        await self._run(requests.keyring("trust", fingerprint))

    async def forget(self, fingerprint: str) -> None:
        """Forgets a key."""
        await self._run(requests.keyring("forget", fingerprint))


class Watch(AsyncIterator[models.Summary]):
    """New messages as they arrive. `aclose` ends it."""

    _LOOK_SECONDS = 2.0
    """How often to look for what another process has received meanwhile."""

    def __init__(self, mailbox: Mailbox, unread: bool) -> None:
        """Use `Mailbox.watch`."""
        self._mailbox = mailbox
        self._unread = unread
        self._bell = asyncio.Event()
        self._news = News()
        self._due: list[models.Summary] = []
        self._is_closed = False
        self._run: AsyncRun | None = None
        self._task: asyncio.Task[Step] | None = None

    async def _begin(self) -> asyncio.Task[Step]:
        there = await self._mailbox._run(requests.inbox(None, True, True, False))
        self._news.note(there)
        if self._unread:
            self._due = [message for message in there if message.unread]
        self._run = await self._mailbox._begin(requests.inbox(None, False, False, True, watch=True), self._on_event)
        task = asyncio.ensure_future(self._run.to_end())
        task.add_done_callback(lambda _: self._bell.set())
        self._mailbox._watches.add(self)
        return task

    def _on_event(self, event: Step) -> None:
        if event["level"] == "result":
            self._bell.set()

    def __aiter__(self) -> Watch:
        return self

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __anext__(self) -> models.Summary:
        try:
            found = await self.wait(None)
        except BaseException:
            # Whoever looks no longer, as a cancelled task does, leaves nothing running.
            await self.aclose()
            raise
        if found is None:
            raise StopAsyncIteration
        return found

    async def wait(self, seconds: float | None) -> models.Summary | None:
        """The next message; `None` when none came within this time, or the watch is closed. A failure of the watch is raised."""
        if self._task is None and not self._is_closed:
            self._task = await self._begin()
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._is_closed and not self._due:
            left = self._LOOK_SECONDS
            if deadline is not None:
                left = min(left, deadline - time.monotonic())
            if left <= 0:
                return None
            await self._listen(left)
        return None if self._is_closed else self._due.pop(0)

    async def _listen(self, seconds: float) -> None:
        """Waits for the bell, but not longer than this, and looks for messages."""
        is_rung = True
        try:
            await asyncio.wait_for(self._bell.wait(), seconds)
        except (asyncio.TimeoutError, TimeoutError):
            is_rung = False
        self._bell.clear()
        if self._is_closed:
            return
        self._due += self._news.take(await self._mailbox._run(requests.inbox(None, False, True, False)))
        if is_rung and not self._due:
            # A message may lie under another day than today.
            self._due += self._news.take(await self._mailbox._run(requests.inbox(None, True, True, False)))
        if self._task is not None and self._task.done() and not self._due:
            # Raises what it failed with.
            self._task.result()
            self._is_closed = True

    async def aclose(self) -> None:
        """Ends the watch: what is being received is stored first."""
        self._is_closed = True
        self._bell.set()
        self._mailbox._watches.discard(self)
        if self._run is not None and self._task is not None:
            self._run.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled() and not isinstance(self._task.exception(), (Error, type(None))):
                self._task.result()
