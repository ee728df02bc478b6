"""Reading what lies in a mailbox, without either client (PROTOCOL sections 1 and 3)."""

from dataclasses import dataclass
from pathlib import Path

BEGIN_SIGNED = "---BEGIN AGENTAZALL SIGNED MESSAGE---"
END_SIGNED = "---END AGENTAZALL SIGNED MESSAGE---"


@dataclass(frozen=True)
class Message:
    """A message file."""

    path: Path
    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        """The id, which is the file's name."""
        return self.path.stem

    @property
    def sender(self) -> str:
        return self.headers.get("From", "")

    @property
    def subject(self) -> str:
        return self.headers.get("Subject", "")

    @property
    def text(self) -> str:
        """What was written: the part of an outermost envelope that lies between its head and its end, or the body."""
        before, begin, rest = self.body.partition(BEGIN_SIGNED + "\n")
        if not begin or before.strip():
            return self.body
        inner, end, _ = rest.rpartition("\n" + END_SIGNED)
        _, blank, text = inner.partition("\n\n")
        assert end, f"{self.path}: the envelope has no end"
        assert blank, f"{self.path}: the envelope has no empty line"
        return text

    @property
    def attachments(self) -> dict[str, bytes]:
        """The attached files by name."""
        folder = self.path.with_suffix("")
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def read_message(path: Path) -> Message:
    """Reads a message file."""
    head, separator, body = path.read_bytes().decode().partition("\n---\n")
    assert separator, f"{path} has no separator"
    headers: dict[str, str] = {}
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            headers[key.strip()] = value.strip()
    return Message(path, headers, body)


def messages_in(agent_dir: Path, folder: str) -> list[Message]:
    """The messages of one folder (`inbox`, `sent`, ...) over all days, by file name."""
    return [read_message(path) for path in sorted(agent_dir.glob(f"????-??-??/{folder}/*.txt"))]
