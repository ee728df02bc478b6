"""azall, from the binary that AZALL_BIN names; and the one place that knows the fields of its `--json`."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import Agent
from process import Ran

# The fields of `azall --json` that the tests read.
MESSAGES = "messages"
ID = "id"
SUBJECT = "subject"
FROM = "from"
VERDICT = "verdict"
PEER = "peer"
MISADDRESSED = "misaddressed"
TEXT = "text"
HEADERS = "headers"
DAMAGED = "damaged"
PATH = "path"


@dataclass(frozen=True)
class Listed:
    """A message as azall lists it."""

    id: str
    subject: str
    sender: str
    verdict: str
    peer: str | None
    misaddressed: bool


@dataclass(frozen=True)
class Shown:
    """A message as azall reads it."""

    id: str
    headers: dict[str, str]
    text: str
    verdict: str
    peer: str | None


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

    def listed(self) -> list[Listed]:
        """The inbox as azall lists it, without a sync."""
        return _listed(self.json("inbox", "--all", "--offline"))

    def held(self) -> list[Listed]:
        """The messages that policy holds back."""
        return _listed(self.json("held", "list"))

    def damaged(self) -> list[str]:
        """The files of the inbox that azall lists as damaged, by name."""
        return [Path(str(file[PATH])).name for file in self.json("inbox", "--all", "--offline")[DAMAGED]]

    def shown(self, message_id: str) -> Shown:
        """A message as azall reads it."""
        message = self.json("read", message_id)
        headers = {str(name): str(value) for name, value in message[HEADERS]}
        return Shown(message[ID], headers, message[TEXT], message[VERDICT], message[PEER])

    def the_one_listed(self, subject: str) -> Listed:
        """The one message in the inbox with this subject."""
        found = [message for message in self.listed() if message.subject == subject]
        assert len(found) == 1, f"{len(found)} messages with subject {subject!r}"
        return found[0]

    def verdict_on(self, subject: str) -> str:
        """The verdict on the one message with this subject."""
        return self.the_one_listed(subject).verdict


def says(ran: Ran, *words: str) -> bool:
    """Whether a command's text holds all of these words, in any case."""
    return all(word.lower() in ran.text.lower() for word in words)


def _listed(document: dict[str, Any]) -> list[Listed]:
    return [
        Listed(
            message[ID],
            message[SUBJECT],
            message[FROM],
            message[VERDICT],
            message[PEER],
            bool(message[MISADDRESSED]),
        )
        for message in document[MESSAGES]
    ]
