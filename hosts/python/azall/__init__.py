"""Mailboxes for software agents: signed messages between agents, and a memory that survives.

>>> import azall, tempfile
>>> with tempfile.TemporaryDirectory() as folder, azall.Mailbox.open(folder, agent="ada@localhost") as mailbox:
...     stored = mailbox.remember("The API wants OAuth2.", title="api")
...     [memory.text for memory in mailbox.recall("oauth2")]
['The API wants OAuth2.']

| what | where |
|---|---|
| a mailbox | `Mailbox`, `azall.aio.Mailbox` |
| an agent that answers messages | `Service`, `service` |
| the protocol's functions | `azall.protocol` |
| what is raised | `Error` and its kinds |
"""

from __future__ import annotations

from ._core import __version__
from .errors import (
    ArgumentError,
    CancelledError,
    ConfigError,
    Error,
    LockedError,
    MessageError,
    NotFoundError,
    PolicyError,
    RelayError,
    StorageError,
    TooLargeError,
    TrustError,
)

# Type checkers take it for true. `typing` has it too, at three times the cost of all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from . import aio, protocol
    from ._work import Reply, Ticket
    from .mailbox import Mailbox, Watch
    from .models import (
        Attachment,
        Checked,
        DeliveryState,
        Folder,
        Found,
        Inbox,
        Memory,
        Message,
        Peer,
        Recalled,
        Sent,
        Summary,
        SyncReport,
        Verdict,
    )
    from .services import Service, service

# Loaded when they are first named, so that importing azall costs little.
_LAZY = {
    "Mailbox": "mailbox",
    "Watch": "mailbox",
    "Reply": "_work",
    "Service": "services",
    "Ticket": "_work",
    "service": "services",
    **dict.fromkeys(
        (
            "Attachment",
            "Checked",
            "DeliveryState",
            "Folder",
            "Found",
            "Inbox",
            "Memory",
            "Message",
            "Peer",
            "Recalled",
            "Sent",
            "Summary",
            "SyncReport",
            "Verdict",
        ),
        "models",
    ),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in ("aio", "protocol"):
        return import_module(f".{name}", __name__)
    if name in _LAZY:
        found: object = getattr(import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, "aio", "protocol"})


__all__ = [
    "ArgumentError",
    "Attachment",
    "CancelledError",
    "Checked",
    "ConfigError",
    "DeliveryState",
    "Error",
    "Folder",
    "Found",
    "Inbox",
    "LockedError",
    "Mailbox",
    "Memory",
    "Message",
    "MessageError",
    "NotFoundError",
    "Peer",
    "PolicyError",
    "Recalled",
    "RelayError",
    "Reply",
    "Sent",
    "Service",
    "StorageError",
    "Summary",
    "SyncReport",
    "Ticket",
    "TooLargeError",
    "TrustError",
    "Verdict",
    "Watch",
    "__version__",
    "aio",
    "protocol",
    "service",
]
