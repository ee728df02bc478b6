"""Commands as data, each with what its document becomes: the same for the plain and the asynchronous mailbox."""

from __future__ import annotations

import datetime
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import models
from .errors import ArgumentError, TooLargeError

T = TypeVar("T")

Files = Iterable["str | os.PathLike[str] | tuple[str, bytes]"] | Mapping[str, bytes]
"""Attachments: paths, pairs of a name and its content, or a mapping of names to contents."""

Addresses = str | Iterable[str]
"""One address, several separated by commas, or a collection of them."""

Day = str | datetime.date
"""A day: `YYYY-MM-DD` or a date."""

Tables = tuple[tuple[str, tuple[str, ...], Callable[[Iterator[tuple[Any, ...]]], Any]], ...]
"""Lists of a document whose maps are to become something else than dicts: of which of their fields, and by what."""

MOST_BYTES = 64 << 20
"""The largest file that is read to be attached: more than any message may carry."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """A command, and what its document becomes."""

    command: dict[str, Any]
    parse: Callable[[Any], T]
    tables: Tables = ()


def request(command: str, parse: Callable[[Any], T], /, **arguments: Any) -> Request[T]:  # noqa: ANN401  (plain data)
    """A command of this name."""
    return Request({"command": command, "arguments": arguments}, parse)


def plain(document: Any) -> Any:  # noqa: ANN401  (plain data)
    """The document as it is."""
    return document


def _addresses(given: Addresses) -> list[str]:
    return [_address(each) for each in (given.split(",") if isinstance(given, str) else given)]


def _address(given: object) -> str:
    if not isinstance(given, str):
        raise ArgumentError(f"an address is text, not {type(given).__name__}", "argument", 2)
    return given.strip()


def _day(given: Day | None) -> str | None:
    return given.isoformat() if isinstance(given, datetime.date) else given


def attachments_of(files: Files) -> list[dict[str, Any]]:
    """Reads the files to attach."""
    if isinstance(files, (str, bytes)):
        raise ArgumentError("attachments are a list of paths, not one path", "argument", 2)
    listed = files.items() if isinstance(files, Mapping) else files
    return [{"name": item[0], "bytes": bytes(item[1])} if isinstance(item, tuple) else _read(item) for item in listed]


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as raw:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise ArgumentError(f"{os.fspath(path)} is no regular file", "argument", 2)
        content = io.BufferedReader(raw).read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise TooLargeError(f"{os.fspath(path)} is larger than {MOST_BYTES} bytes", "too-large")
    return {"name": os.path.basename(path), "bytes": content}


def send(to: Addresses, subject: str, body: str, cc: Addresses, files: Files) -> Request[models.Sent]:
    """`send`."""
    return request(
        "send",
        models.Sent.of,
        to=_addresses(to),
        cc=_addresses(cc) if cc else [],
        subject=subject,
        body=body,
        attachments=attachments_of(files),
    )


def reply(
    message: str | models.Message | models.Summary, body: str, files: Files, to_all: bool
) -> Request[models.Sent]:
    """`reply`."""
    number = id_of(message)
    return request("reply", models.Sent.of, id=number, body=body, attachments=attachments_of(files), all=to_all)


def id_of(message: str | models.Message | models.Summary | models.Match) -> str:
    """The id of a message that is given by its id, or as itself."""
    return message if isinstance(message, str) else message.id


def inbox(date: Day | None, every_day: bool, offline: bool, unread: bool, watch: bool = False) -> Request[models.Inbox]:
    """`inbox`."""
    arguments = {"date": _day(date), "all": every_day, "offline": offline, "unread": unread, "watch": watch}
    tables = (("messages", models.SUMMARY_FIELDS, models.summaries),)
    return Request({"command": "inbox", "arguments": arguments}, models.Inbox.of, tables)


def read(message: str | models.Summary | models.Match, raw: bool) -> Request[models.Message]:
    """`read`."""
    day = None if isinstance(message, str) else message.day
    return request("read", models.Message.of, id=id_of(message), date=day, raw=raw)


def search(
    query: str, sender: str | None, to: str | None, since: Day | None, limit: int | None
) -> Request[models.Found]:
    """`search`."""
    arguments = {"query": query, "from": sender, "to": to, "since": _day(since), "limit": limit}
    return request("search", models.Found.of, **arguments)


def remember(text: str, title: str | None) -> Request[models.Stored]:
    """`remember`."""
    return Request({"command": "remember", "arguments": {"store": {"text": text, "title": title}}}, models.Stored.of)


def recall(query: str | None, agent: str | None, limit: int | None) -> Request[models.Recalled]:
    """`recall`."""
    return request("recall", models.Recalled.of, query=query, agent=agent, limit=limit)


def _own_text(document: dict[str, Any], written: str | None) -> str | None:
    text: str | None = document["text"]
    return text if text is not None else written


def whoami(text: str | None) -> Request[str | None]:
    """`whoami`."""
    return request("whoami", lambda document: _own_text(document, text), set=text)


def _edit(text: str | None, append: str | None) -> dict[str, str] | None:
    if text is not None and append is not None:
        raise ArgumentError("give either the new text or what to append", "argument", 2)
    if text is not None:
        return {"set": text}
    return None if append is None else {"append": append}


def doing(text: str | None, append: str | None) -> Request[str | None]:
    """`doing`."""
    return request("doing", lambda document: _own_text(document, None), edit=_edit(text, append))


def note(name: str, text: str | None, append: str | None) -> Request[str | None]:
    """`note`."""
    return request("note", lambda document: _own_text(document, None), name=name, edit=_edit(text, append))


def notes(date: Day | None) -> Request[tuple[models.NoteEntry, ...]]:
    """`notes`."""

    def parse(document: dict[str, Any]) -> tuple[models.NoteEntry, ...]:
        return tuple(models.NoteEntry(item["name"], item["size"], item["path"]) for item in document["notes"])

    return request("notes", parse, date=_day(date))


def sync() -> Request[models.SyncReport]:
    """A delivery cycle, by way of the listing that makes one."""

    def parse(document: dict[str, Any]) -> models.SyncReport:
        return models.SyncReport.of(document["sync"])

    return request("inbox", parse, unread=True)


def verify(text: str) -> Request[models.Checked]:
    """`verify`."""
    return request("verify", models.Checked.of, text=text)


def sign(text: str, documented: bool) -> Request[str]:
    """`sign`."""
    form = "documented" if documented else "envelope"
    return request("sign", lambda document: str(document["signed"]), text=text, format=form)


def change_filter(changes: list[Any]) -> Request[models.FilterState]:
    """`filter`."""
    return request("filter", models.FilterState.of, changes=changes)


def keyring(action: str, fingerprint: str | None = None) -> Request[tuple[models.PeerKey, ...]]:
    """`keyring`."""
    arguments: Any = action if fingerprint is None else {action: fingerprint}
    return Request({"command": "keyring", "arguments": arguments}, models.PeerKey.all_of)


def trust_status() -> Request[models.TrustState]:
    """`trust-status`."""
    return request("trust-status", models.TrustState.of)


def trust_make(force: bool) -> Request[models.TrustToken]:
    """`trust-gen`."""

    def parse(document: dict[str, Any]) -> models.TrustToken:
        return models.TrustToken(document["agent"], document["token"], document["armor"], document["expires"])

    return request("trust-gen", parse, force=force)


def _bound(document: dict[str, Any]) -> models.Bound:
    return models.Bound(document["agent"], document["owner"], document["since"])


def trust_bind(owner: str, token: str) -> Request[models.Bound]:
    """`trust-bind`."""
    return request("trust-bind", _bound, owner=owner, token=token)


def trust_bind_locally(owner: str, force: bool) -> Request[models.Bound]:
    """`trust-bind-local`."""
    return request("trust-bind-local", _bound, owner=owner, force=force)


def trust_revoke() -> Request[str | None]:
    """`trust-revoke`."""

    def parse(document: dict[str, Any]) -> str | None:
        owner: str | None = document["owner"]
        return owner

    return request("trust-revoke", parse, yes=True)


def export(path: str) -> Request[models.Exported]:
    """`export`; the host writes the file."""

    def parse(document: dict[str, Any]) -> models.Exported:
        return models.Exported(document["path"], document["files"], document["bytes"], document["contains_secrets"])

    return request("export", parse, output=path)


def setup(agent: str) -> Request[Any]:
    """`setup`."""
    return request("setup", plain, agent=agent)


def register(name: str, server: str) -> Request[str]:
    """`register`."""
    return request("register", lambda document: str(document["address"]), name=name, server=server, yes=True)
