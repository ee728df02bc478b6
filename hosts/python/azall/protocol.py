"""The pure functions of the protocol: no file, clock or network; what they need of those is an argument.

>>> from azall import protocol
>>> identity = protocol.Identity.from_seed(bytes(range(32)))
>>> signed = protocol.sign_body(identity, "The parcel has arrived.")
>>> found = protocol.verify_text(signed)
>>> found.verdict, found.text
(<Verdict.BODY_ONLY: 'body-only'>, 'The parcel has arrived.')
>>> protocol.verify_text(signed.replace("parcel", "letter")).verdict
<Verdict.INVALID: 'invalid'>
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _core
from ._core import Identity, Keyring, SeenIds
from ._core import format_message as format_message
from ._core import machine_fingerprint as machine_fingerprint
from ._core import memory_index as memory_index
from ._core import new_message_id as new_message_id
from ._core import owner_sign as owner_sign
from ._core import owner_verify as owner_verify
from ._core import sanitize as sanitize
from ._core import script_description as script_description
from ._core import sign_body as sign_body
from ._core import sign_documented as sign_documented
from ._core import sign_message as sign_message
from .models import Verdict

Keys = Mapping[str, "bytes | str"]
"""Keys that a signature may name without bringing them: fingerprints to public keys, as 32 bytes or their base64."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message file taken apart."""

    headers: tuple[tuple[str, str], ...]
    body: str

    def header(self, name: str) -> str | None:
        """The value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a signature proves."""

    verdict: Verdict
    envelope: str
    """`version-1`, `version-2`, `documented`, `legacy` or `none`."""
    fingerprint: str | None
    public_key: bytes | None
    reason: str | None
    """Why it is invalid."""
    headers: Mapping[str, str] | None
    """The signed headers, where they are proven."""
    text: str
    before: str
    """Text before the envelope, which nobody has signed."""
    after: str
    """Text after it, likewise."""

    @property
    def is_proven(self) -> bool:
        """Whether at least the text is the signer's."""
        return self.verdict in (Verdict.VALID, Verdict.BODY_ONLY)


@dataclass(frozen=True, slots=True)
class Token:
    """A trust token's facts. The owner's secret is one."""

    agent: str
    nonce: str
    created: int
    expires: int
    owner_secret: str
    token: str | None = None
    armor: str | None = None

    def __repr__(self) -> str:
        """Never the secrets."""
        return f"<azall.protocol.Token of {self.agent}>"


def parse(file: bytes) -> Parsed:
    r"""Takes a message file apart.

    >>> parse(b"From: a@x\nSubject: Hi\n\n---\nHello").header("subject")
    'Hi'
    """
    found = _core.parse_message(file)
    return Parsed(tuple((name, value) for name, value in found["headers"]), found["body"])


def _proof(found: dict[str, Any]) -> Proof:
    fields: dict[str, Any] = found | {"verdict": Verdict(found["verdict"])}
    return Proof(**fields)


def verify(file: bytes, known: Keys | None = None) -> Proof:
    """Verifies a message file: what its signature proves of its headers and its text."""
    return _proof(_core.verify(file, known))


def verify_text(
    text: str, headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None, known: Keys | None = None
) -> Proof:
    """Verifies a body, or any text with an envelope in it, against the headers beside it, if any."""
    return _proof(_core.verify_body(text, headers, known))


def fingerprint(public_key: bytes | str) -> str:
    """The fingerprint of a public key: 32 bytes, or their base64.

    >>> fingerprint(bytes(32))
    '66687aadf862bd77'
    """
    return _core.fingerprint_of(public_key)


def accepts(
    sender: str,
    *,
    mode: str = "blacklist",
    blacklist: Iterable[str] = (),
    whitelist: Iterable[str] = (),
) -> bool:
    """Whether an address filter lets a sender through.

    >>> accepts("eve@evil.example", blacklist=["*@evil.example"])
    False
    """
    data = {"mode": mode, "blacklist": list(blacklist), "whitelist": list(whitelist)}
    return _core.accepts(data, sender)


def day_index(day: Mapping[str, Any]) -> str:
    """The text index of a day: `agent, day, now, inbox, sent, outbox (file, headers), notes (file, size), memories (file, text),
    has_identity, has_tasks, skills, tools (file, description)`.
    """
    return _core.day_index(day)


def now(moment: datetime) -> dict[str, int]:
    """A moment as the indexes take it.

    >>> now(datetime(2026, 3, 11, tzinfo=timezone.utc))
    {'unix_ms': 1773187200000, 'offset_seconds': 0}
    """
    offset = moment.utcoffset()
    aware = moment if offset is not None else moment.astimezone()
    seconds = int((aware.utcoffset() or offset or timezone.utc.utcoffset(None)).total_seconds())
    return {"unix_ms": int(aware.timestamp() * 1000), "offset_seconds": seconds}


def _setting(agent: str, agent_key: str, machine: str, now_ms: int) -> dict[str, Any]:
    return {"agent": agent, "agent_key": agent_key, "machine": machine, "now_ms": now_ms}


def make_token(*, agent: str, agent_key: str, machine: str, now_ms: int, nonce: bytes, machine_name: str) -> Token:
    """Makes a trust token with a nonce of 32 random bytes, for the machine with this fingerprint."""
    return Token(**_core.make_token(_setting(agent, agent_key, machine, now_ms), nonce, machine_name))


def check_token(token: str, *, agent: str, agent_key: str, machine: str, now_ms: int) -> Token:
    """Checks a trust token, armored or not. A refused one is a `TrustError` with the reason. Whether it was used before, its caller
    knows.
    """
    return Token(**_core.check_token(token, _setting(agent, agent_key, machine, now_ms)))


__all__ = [
    "Identity",
    "Keyring",
    "Parsed",
    "Proof",
    "SeenIds",
    "Token",
    "accepts",
    "check_token",
    "day_index",
    "fingerprint",
    "format_message",
    "machine_fingerprint",
    "make_token",
    "memory_index",
    "new_message_id",
    "now",
    "owner_sign",
    "owner_verify",
    "parse",
    "sanitize",
    "script_description",
    "sign_body",
    "sign_documented",
    "sign_message",
    "verify",
    "verify_text",
]
