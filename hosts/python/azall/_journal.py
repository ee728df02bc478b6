"""The records of a service agent: what is being answered, and how far it has come, durably."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypedDict

from . import protocol
from ._core import Files
from .errors import ArgumentError, NotFoundError, PolicyError, StorageError

_RECORD_LIMIT = 256 << 20
_HEAD_LIMIT = 16 << 10


class Record(TypedDict):
    """What is known of a message that is being answered."""

    id: str
    day: str
    tries: int
    not_before: float
    error: str
    running: str
    """How it is being tried, and was if the process ended: `alone`, or `together` with others; empty while it is not."""
    reply: dict[str, Any] | None


class Journal:
    """The records of a service, in `services/NAME/` of the agent's folder."""

    def __init__(self, files: Files, agent: str, name: str) -> None:
        self._files = files
        self._agent = agent
        self.folder = f"{agent}/services/{name}"

    def _do(self, kind: str, **fields: Any) -> Any:  # noqa: ANN401  (an effect's answer)
        try:
            answer = self._files.answer({"kind": kind, **fields})
        except ArgumentError as refused:
            # Somebody's file, of a name that a mailbox has none of.
            raise NotFoundError(str(refused), "not-found") from None
        if (error := answer.get("Err")) is None:
            return answer["Ok"]
        if error["kind"] == "not_found":
            raise NotFoundError(error["message"], "not-found")
        raise StorageError(f"{self.folder}: {error['message']}", "file")

    def _place(self, path: str) -> dict[str, str]:
        return {"root": "mailboxes", "path": path}

    @property
    def path(self) -> str:
        """The folder's path."""
        return self._files.resolve(self._place(self.folder))

    def read(self, name: str) -> Record | None:
        """A record; what is damaged is as good as none: the message is then answered anew."""
        try:
            content = self._do("ReadFile", place=self._place(f"{self.folder}/{name}.json"), limit=_RECORD_LIMIT)
            record: Record = json.loads(content)
            return record if Record.__required_keys__ <= record.keys() else None
        except (NotFoundError, ValueError):
            return None

    def write(self, record: Record) -> None:
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

    def was_sent(self, record: Record) -> bool:
        """Whether the recorded answer lies in the outbox, among what was sent, or among what failed. In this order: that is how a
        message moves.
        """
        days = [day for day in self._listed(self._agent, "folder") if day >= record["day"] and day[:1].isdigit()]
        return any(
            self._holds_answer(f"{self._agent}/{day}/{folder}", record)
            for day in days
            for folder in ("outbox", "sent", "failed")
        )

    def _holds_answer(self, folder: str, record: Record) -> bool:
        names = [name for name in self._listed(folder, "file") if name.endswith(".txt")]
        if not names:
            return False
        heads = self._do("ReadMany", folder=self._place(folder), names=names, limit=_HEAD_LIMIT)
        for name, head in zip(names, heads, strict=True):
            content: bytes = head["Ok"]["bytes"] if "Ok" in head else b""
            if protocol.parse(content).header("In-Reply-To") == record["id"] and self._is_answer(folder, name, record):
                return True
        return False

    def _is_answer(self, folder: str, name: str, record: Record) -> bool:
        try:
            file = self._do("ReadFile", place=self._place(f"{folder}/{name}"), limit=_RECORD_LIMIT)
        except NotFoundError:
            return False
        text = (record["reply"] or {}).get("text", "")
        return protocol.verify(file).text.startswith(text)


@contextmanager
def alone(journal: Journal) -> Generator[None, None, None]:
    """Sees to it that one process works on these records. The lock is the kernel's: it goes with its process."""
    import fcntl

    folder = journal.path
    os.makedirs(folder, exist_ok=True)
    fd = os.open(f"{folder}/.running", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PolicyError("this service runs already", "running", 3) from None
        yield
    finally:
        os.close(fd)
