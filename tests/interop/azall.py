"""azall, from the binary that AZALL_BIN names; and the one place that knows the fields of its `--json`."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents import Agent
from process import Ran

# The fields of `azall --json` that the tests read.
INBOX_MESSAGES = "messages"
ID = "id"
SUBJECT = "subject"
FROM = "from"
VERDICT = "verdict"
KEY = "key"
TEXT = "text"
DAMAGED = "damaged"
HELD_MESSAGES = "messages"


@dataclass(frozen=True)
class Listed:
    """A message as `inbox --json` or `read --json` shows it."""

    id: str
    subject: str
    sender: str
    verdict: str
    key: str
    text: str


class Azall(Agent):
    """An agent who uses azall."""

    @property
    def program(self) -> Sequence[str]:
        return [os.environ["AZALL_BIN"]]

    def json(self, *args: str) -> dict[str, Any]:
        """What a command says with `--json`."""
        ran = self.run(*args, "--json").ok()
        document: dict[str, Any] = json.loads(ran.stdout)
        return document

    def listed(self, *, offline: bool = True) -> list[Listed]:
        """The inbox as azall lists it."""
        document = self.json("inbox", "--all", *(["--offline"] if offline else []))
        return [_listed(message) for message in document[INBOX_MESSAGES]]

    def damaged(self) -> list[str]:
        """The files that `inbox` lists as damaged, by name."""
        document = self.json("inbox", "--all", "--offline")
        return [str(file) for file in document[DAMAGED]]

    def held(self) -> list[Listed]:
        """The messages that policy holds back."""
        return [_listed(message) for message in self.json("held", "list")[HELD_MESSAGES]]

    def shown(self, message_id: str) -> Listed:
        """A message as azall reads it."""
        return _listed(self.json("read", message_id))

    def verdict_on(self, subject: str) -> str:
        """The verdict on the one message with this subject."""
        found = [message.verdict for message in self.listed() if message.subject == subject]
        assert len(found) == 1, f"{len(found)} messages with subject {subject!r}"
        return found[0]


def says(ran: Ran, *words: str) -> bool:
    """Whether a command's text holds all of these words, in any case."""
    return all(word.lower() in ran.text.lower() for word in words)


def _listed(message: dict[str, Any]) -> Listed:
    return Listed(
        id=str(message[ID]),
        subject=str(message[SUBJECT]),
        sender=str(message[FROM]),
        verdict=str(message[VERDICT]),
        key=str(message.get(KEY, "")),
        text=str(message.get(TEXT, "")),
    )
