"""What commands give: frozen dataclasses with the names of the command line's `--json`. `from` is a word of Python's own, so the
sender of a message is `from_`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Data = dict[str, Any]


class _Word(str, Enum):
    """A word of the protocol."""

    def __str__(self) -> str:
        return str(self.value)


class Verdict(_Word):
    """What a signature proves.

    >>> import azall
    >>> azall.Verdict("body-only") is azall.Verdict.BODY_ONLY
    True
    """

    VALID = "valid"
    """Headers and text are the signer's."""
    BODY_ONLY = "body-only"
    """The text is the signer's; who sent it to whom is not proven."""
    INVALID = "invalid"
    """There is a signature and it is wrong."""
    UNKNOWN_KEY = "unknown-key"
    """There is a signature by a key that is not known here."""
    UNSIGNED = "unsigned"
    """There is no signature."""


class Peer(_Word):
    """What the keyring says of a signer."""

    KNOWN = "known"
    """This key was seen from this address before."""
    FIRST_SEEN = "first-seen"
    """The first message from this address."""
    KEY_CHANGED = "key-changed"
    """Another key was seen from this address before."""
    DOWNGRADED = "downgraded"
    """This key has signed headers before, and does not now: somebody may have cut the proof off."""


class Folder(_Word):
    """Where a message lies."""

    INBOX = "inbox"
    OUTBOX = "outbox"
    SENT = "sent"
    HELD = "held"
    FAILED = "failed"


class DeliveryState(_Word):
    """What became of a message for one recipient."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    FAILED = "failed"


# A listing looks up thousands: what an `Enum` does itself when it is called takes ten times as long.
_FOLDERS: dict[str, Folder] = {folder.value: folder for folder in Folder}
_VERDICTS: dict[str | None, Verdict | None] = {None: None, **{verdict.value: verdict for verdict in Verdict}}
_PEERS: dict[str | None, Peer | None] = {None: None, **{peer.value: peer for peer in Peer}}


@dataclass(frozen=True, slots=True)
class Summary:
    """A message of a listing."""

    id: str
    day: str
    folder: Folder
    from_: str
    to: str
    subject: str
    date: str
    unread: bool
    attachments: tuple[str, ...]
    verdict: Verdict | None
    """`None` while nobody has verified it: `read` does."""
    peer: Peer | None
    fingerprint: str | None
    misaddressed: bool
    """None of my addresses is among the signed recipients: somebody passes on what was not for me."""


SUMMARY_FIELDS = tuple(item.name.rstrip("_") for item in fields(Summary))
"""The fields of a summary by their names in the document."""


class _Unfrozen:
    """A `Summary` on its way.

    A frozen class asks of each field that is set whether it may be, which takes longer than all else about a listing of thousands.
    One of the same slots that is not frozen is filled in a tenth of the time, and then becomes the frozen one.
    """

    __slots__ = tuple(item.name for item in fields(Summary))


def summaries(rows: Iterator[tuple[Any, ...]]) -> tuple[Summary, ...]:
    """The summaries of rows of `SUMMARY_FIELDS`."""
    new, made = object.__new__, []
    for row in rows:
        summary: Any = new(_Unfrozen)
        (
            summary.id,
            summary.day,
            folder,
            summary.from_,
            summary.to,
            summary.subject,
            summary.date,
            summary.unread,
            summary.attachments,
            verdict,
            peer,
            summary.fingerprint,
            misaddressed,
        ) = row
        summary.folder = _FOLDERS[folder]
        summary.verdict = _VERDICTS[verdict]
        summary.peer = _PEERS[peer]
        summary.misaddressed = misaddressed is True
        summary.__class__ = Summary
        made.append(summary)
    return tuple(made)


def _head(data: Data) -> Data:
    """What every kind of message has, by the names of its fields."""
    names = ("id", "day", "to", "subject", "date")
    return {"folder": _FOLDERS[data["folder"]], "from_": data["from"], **{name: data[name] for name in names}}


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file among messages, notes or memories that is none."""

    path: str
    reason: str

    @classmethod
    def all_of(cls, data: list[Data]) -> tuple[Damaged, ...]:
        """From the command's document."""
        return tuple(cls(item["path"], item["reason"]) for item in data)


@dataclass(frozen=True, slots=True)
class Recipient:
    """What became of a message for one recipient."""

    address: str
    state: DeliveryState
    by: tuple[str, ...] = ()
    """Which transports took it."""
    reason: str | None = None
    """Why it waits, or will not arrive."""
    next_try: str | None = None

    @classmethod
    def all_of(cls, data: list[Data]) -> tuple[Recipient, ...]:
        """From the command's document."""
        return tuple(
            cls(
                item["address"],
                DeliveryState(item["state"]),
                tuple(item.get("by") or ()),
                item.get("reason"),
                item.get("next_try"),
            )
            for item in data
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that waited, and what became of it."""

    message: str
    folder: Folder
    recipients: tuple[Recipient, ...]

    @classmethod
    def of(cls, data: Data) -> Delivery:
        """From the command's document."""
        return cls(data["message"], Folder(data["folder"]), Recipient.all_of(data["recipients"]))


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was queued, and what became of it so far."""

    id: str
    subject: str
    path: str
    folder: Folder
    recipients: tuple[Recipient, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether a transport took it for every recipient."""
        return all(recipient.state is DeliveryState.ACCEPTED for recipient in self.recipients)

    @classmethod
    def of(cls, data: Data) -> Sent:
        """From the command's document."""
        recipients = Recipient.all_of(data["recipients"])
        return cls(data["id"], data["subject"], data["path"], Folder(data["folder"]), recipients)


@dataclass(frozen=True, slots=True)
class RelayReport:
    """What a relay said in a delivery cycle."""

    server: str
    messages: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came in during a delivery cycle."""

    id: str
    day: str
    folder: Folder
    from_: str
    subject: str
    verdict: Verdict
    peer: Peer | None
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a delivery cycle did."""

    delivered: tuple[Delivery, ...]
    received: tuple[Received, ...]
    repeated: int
    blocked: int
    relays: tuple[RelayReport, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong, a line each."""
        return tuple(relay.problem for relay in self.relays if relay.problem is not None)

    @classmethod
    def of(cls, data: Data) -> SyncReport:
        """From the command's document."""
        received = (
            Received(
                item["id"],
                item["day"],
                Folder(item["folder"]),
                item["from"],
                item["subject"],
                Verdict(item["verdict"]),
                _PEERS[item.get("peer")],
                item.get("fingerprint"),
            )
            for item in data["received"]
        )
        return cls(
            tuple(map(Delivery.of, data["delivered"])),
            tuple(received),
            data["repeated"],
            data["blocked"],
            tuple(RelayReport(item["server"], item["messages"], item["problem"]) for item in data["relays"]),
        )


@dataclass(frozen=True, slots=True)
class Inbox:
    """What is in the inbox. It iterates over its messages."""

    agent: str
    date: str | None
    messages: tuple[Summary, ...]
    damaged: tuple[Damaged, ...]
    unread: int
    unchecked: int
    sync: SyncReport | None

    def __iter__(self) -> Iterator[Summary]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

    @classmethod
    def of(cls, data: Data) -> Inbox:
        """From the command's document, in which the messages are summaries already."""
        return cls(
            data["agent"],
            data["date"],
            data["messages"],
            Damaged.all_of(data["damaged"]),
            data["unread"],
            data["unchecked"],
            None if data["sync"] is None else SyncReport.of(data["sync"]),
        )


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message."""

    name: str
    path: str | None
    """`None` when the file is not there: the name, which the sender chose, may then be anything."""
    size: int | None

    @classmethod
    def of(cls, data: Data) -> Attachment:
        """From the command's document."""
        size = data["size"]
        return cls(data["name"], None if size is None else data["path"], size)

    def read_bytes(self, limit: int = 64 << 20) -> bytes:
        """Its content. A symbolic link is not followed, and nothing but a regular file is read.

        A file that is not there is a FileNotFoundError, one larger than `limit` a ValueError.
        """
        if self.path is None:
            raise FileNotFoundError(f"the attachment {self.name!r} is not there")
        fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ValueError(f"the attachment {self.name!r} is no regular file")
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"the attachment {self.name!r} is larger than {limit} bytes")
        return content

    def save(self, target: str | os.PathLike[str]) -> Path:
        """Copies it to a new file, or under its own name into a folder, and gives the path. Nothing that exists is replaced."""
        from pathlib import Path

        content = self.read_bytes()
        path = Path(target)
        if path.is_dir():
            path = path / self.name
        with path.open("xb") as file:
            file.write(content)
        return path


@dataclass(frozen=True, slots=True)
class Message:
    """A message, taken apart and verified."""

    id: str
    day: str
    folder: Folder
    path: str
    from_: str
    to: str
    subject: str
    date: str
    headers: tuple[tuple[str, str], ...]
    text: str
    """The text without its envelope."""
    unsigned_text: str | None
    """Text around the envelope, which nobody has signed."""
    verdict: Verdict
    peer: Peer | None
    fingerprint: str | None
    misaddressed: bool
    reason: str | None
    """Why a signature is invalid."""
    attachments: tuple[Attachment, ...]
    raw: str | None
    """The file's text, where it was asked for."""

    @property
    def is_proven(self) -> bool:
        """Whether a signature proves at least the text."""
        return self.verdict in (Verdict.VALID, Verdict.BODY_ONLY)

    @property
    def in_reply_to(self) -> str | None:
        """The id of the message that this one answers."""
        return next((value for name, value in self.headers if name.lower() == "in-reply-to"), None)

    @classmethod
    def of(cls, data: Data) -> Message:
        """From the command's document."""
        return cls(
            **_head(data),
            path=data["path"],
            headers=tuple((name, value) for name, value in data["headers"]),
            text=data["text"],
            unsigned_text=data["unsigned_text"],
            verdict=Verdict(data["verdict"]),
            peer=_PEERS[data.get("peer")],
            fingerprint=data.get("fingerprint"),
            misaddressed=bool(data.get("misaddressed")),
            reason=data["reason"],
            attachments=tuple(map(Attachment.of, data["attachments"])),
            raw=data["raw"],
        )


@dataclass(frozen=True, slots=True)
class Match:
    """A message that a search found."""

    id: str
    day: str
    folder: Folder
    from_: str
    to: str
    subject: str
    date: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. It iterates over its matches."""

    query: str
    matches: tuple[Match, ...]
    left_out: int
    damaged: tuple[Damaged, ...]

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.matches)

    @classmethod
    def of(cls, data: Data) -> Found:
        """From the command's document."""
        matches = (Match(**_head(item), excerpt=item["excerpt"]) for item in data["matches"])
        return cls(data["query"], tuple(matches), data["left_out"], Damaged.all_of(data["damaged"]))


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory that was stored."""

    title: str
    date: str
    path: str
    appended: bool

    @classmethod
    def of(cls, data: Data) -> Stored:
        """From the command's document."""
        return cls(data["title"], data["date"], data["path"], data["appended"])


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory."""

    date: str
    title: str
    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was recalled. It iterates over its memories."""

    agent: str
    query: str | None
    index: str | None
    """The index of all memories, where nothing was asked for."""
    memories: tuple[Memory, ...]
    left_out: int
    damaged: tuple[Damaged, ...]

    def __iter__(self) -> Iterator[Memory]:
        return iter(self.memories)

    def __len__(self) -> int:
        return len(self.memories)

    @classmethod
    def of(cls, data: Data) -> Recalled:
        """From the command's document."""
        memories = (Memory(item["date"], item["title"], item["text"], item["path"]) for item in data["memories"])
        damaged = Damaged.all_of(data["damaged"])
        return cls(data["agent"], data["query"], data["index"], tuple(memories), data["left_out"], damaged)


@dataclass(frozen=True, slots=True)
class NoteEntry:
    """A note of a day."""

    name: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class PeerKey:
    """A key of the keyring."""

    fingerprint: str
    public_key: str
    addresses: tuple[str, ...]
    first_seen: str
    last_seen: str
    envelope2: bool
    trusted: bool

    @classmethod
    def all_of(cls, data: Data) -> tuple[PeerKey, ...]:
        """From the command's document."""
        return tuple(map(cls._of, data["keys"]))

    @classmethod
    def _of(cls, data: Data) -> PeerKey:
        fields: Data = data | {"addresses": tuple(data["addresses"])}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class FilterState:
    """The address filter."""

    mode: str
    blacklist: tuple[str, ...]
    whitelist: tuple[str, ...]
    log_blocked: bool

    @classmethod
    def of(cls, data: Data) -> FilterState:
        """From the command's document."""
        return cls(data["mode"], tuple(data["blacklist"]), tuple(data["whitelist"]), data["log_blocked"])


@dataclass(frozen=True, slots=True)
class TrustState:
    """Whom an agent is bound to."""

    agent: str
    status: str
    owner: str | None
    since: str | None
    machine_matches: bool | None
    accepts_new_bindings: bool

    @classmethod
    def of(cls, data: Data) -> TrustState:
        """From the command's document."""
        names = ("agent", "status", "owner", "since", "machine_matches", "accepts_new_bindings")
        return cls(*(data[name] for name in names))


@dataclass(frozen=True, slots=True)
class TrustToken:
    """A token that proves who holds this mailbox. It is a secret."""

    agent: str
    token: str
    armor: str
    expires: str

    def __repr__(self) -> str:
        """Never the token."""
        return f"<TrustToken of {self.agent}, expires {self.expires}>"


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding to an owner."""

    agent: str
    owner: str
    since: str


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive that was written."""

    path: str
    files: int
    bytes: int
    contains_secrets: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """What a signature in a text proves."""

    verdict: Verdict
    fingerprint: str | None
    reason: str | None
    addresses: tuple[str, ...]
    """The addresses that the keyring knows the key by."""
    headers: tuple[tuple[str, str], ...]
    """The signed headers."""
    text: str | None

    @property
    def is_valid(self) -> bool:
        """Whether the signature proves all that it speaks of."""
        return self.verdict in (Verdict.VALID, Verdict.BODY_ONLY)

    @classmethod
    def of(cls, data: Data) -> Checked:
        """From the command's document."""
        return cls(
            Verdict(data["verdict"]),
            data["fingerprint"],
            data["reason"],
            tuple(data["addresses"]),
            tuple((name, value) for name, value in data["headers"]),
            data["text"],
        )
