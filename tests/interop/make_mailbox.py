"""Fills a mailbox with signed messages in the reference's format: the same input for both clients.

Run as a program: `make_mailbox.py MAILBOX_DIR/AGENT AGENT MESSAGES DAYS`.
"""

import base64
import hashlib
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from nacl.signing import SigningKey

# What a search is for: this many messages in a thousand hold it.
RARE_WORD = "bicycle"
RARE_IN_THOUSAND = 5
BODY_BYTES = 1024
SENDERS = 20
_WORDS = ["mailbox", "agent", "signature", "relay", "memory", "review", "deploy", "token", "the", "and", "of", "is"]


@dataclass(frozen=True)
class Sender:
    """Somebody who signs."""

    address: str
    key: SigningKey

    @property
    def public_key(self) -> bytes:
        return bytes(self.key.verify_key)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.public_key).hexdigest()[:16]

    def sign(self, body: str) -> str:
        """The body in an envelope of version 1 (PROTOCOL section 2)."""
        signature = base64.b64encode(self.key.sign(body.encode()).signature).decode()
        return (
            "---BEGIN AGENTAZALL SIGNED MESSAGE---\n"
            f"Fingerprint: {self.fingerprint}\n"
            f"Public-Key: {base64.b64encode(self.public_key).decode()}\n"
            "\n"
            f"{body}\n"
            "---END AGENTAZALL SIGNED MESSAGE---\n"
            "---BEGIN AGENTAZALL SIGNATURE---\n"
            f"{signature}\n"
            "---END AGENTAZALL SIGNATURE---"
        )


@dataclass(frozen=True)
class Letter:
    """One message."""

    sender: Sender
    subject: str
    body: str


def senders(count: int = SENDERS) -> list[Sender]:
    """The same senders with the same keys, every time."""
    return [
        Sender(f"sender{n}.agenttalk", SigningKey(hashlib.sha256(f"sender {n}".encode()).digest()))
        for n in range(count)
    ]


def letters(count: int, people: list[Sender] | None = None) -> Iterator[Letter]:
    """The same letters every time, signed by the senders in turn."""
    chance = random.Random(count)
    people = people or senders()
    for number in range(count):
        words = [f"Message {number}."]
        if number % 1000 < RARE_IN_THOUSAND:
            words.append(RARE_WORD)
        while sum(map(len, words)) + len(words) < BODY_BYTES:
            words.append(chance.choice(_WORDS))
        body = " ".join(words)[:BODY_BYTES].rstrip()
        sender = people[number % len(people)]
        yield Letter(sender, f"Subject {number}", sender.sign(body))


def fill(mailbox: Path, agent: str, messages: int, days: int, last: date | None = None) -> None:
    """Spreads messages over the inboxes of this many days; `last` is the last of them, today if not given."""
    last = last or datetime.now().date()
    for number, letter in enumerate(letters(messages)):
        day = last - timedelta(days=days - 1 - number * days // messages)
        sent = datetime.combine(day, time(8)) + timedelta(seconds=number % 36_000)
        message_id = hashlib.sha256(f"{agent} {number}".encode()).hexdigest()[:12]
        inbox = mailbox / day.isoformat() / "inbox"
        inbox.mkdir(parents=True, exist_ok=True)
        (inbox / f"{message_id}.txt").write_text(
            f"From: {letter.sender.address}\nTo: {agent}\nSubject: {letter.subject}\nDate: {sent:%Y-%m-%d %H:%M:%S}\n"
            f"Message-ID: {message_id}\nStatus: new\n\n---\n{letter.body}"
        )
    seen = {
        person.fingerprint: {
            "public_key_b64": base64.b64encode(person.public_key).decode(),
            "fingerprint": person.fingerprint,
            "first_seen": "2026-01-01T00:00:00.000000",
            "last_seen": "2026-01-01T00:00:00.000000",
            "addresses": [person.address],
        }
        for person in senders()
    }
    (mailbox / ".keyring.json").write_text(json.dumps(seen, indent=2))


if __name__ == "__main__":
    folder, name, message_count, day_count = sys.argv[1:]
    fill(Path(folder), name, int(message_count), int(day_count))
