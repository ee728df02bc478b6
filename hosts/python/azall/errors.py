"""What azall raises. Every exception is an `Error` with a word for programs, a sentence for people, and the exit code that the
command line gives for it.

>>> import azall
>>> try:
...     azall.protocol.fingerprint("no key")
... except azall.ArgumentError as error:
...     print(error.code, error.exit_code, "-", error)
argument 2 - a public key is 32 bytes, or their base64
"""

from __future__ import annotations


class Error(Exception):
    """Why something failed. No secret is in it, and nothing in it can steer a terminal.

    `code` is a word that stays as it is from version to version; the subclass tells the family that it belongs to.
    """

    code: str
    exit_code: int

    def __init__(self, message: str, code: str = "other", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type[Error], tuple[str, str, int]]:
        """So that it passes from process to process whole."""
        return type(self), (str(self), self.code, self.exit_code)


class ArgumentError(Error, ValueError):
    """A value is not what it must be: an address, a day, an id, a kind of data."""


class NotFoundError(Error, LookupError):
    """There is no such message, note, key or script, or several begin in this way."""


class ConfigError(Error):
    """The config, the key file or the keyring is not what it must be."""


class PolicyError(Error):
    """Refused by policy: the mailbox is another agent's, its memories are not shared, a token is not accepted."""


class TrustError(PolicyError):
    """A trust token is refused, or the agent is bound already."""


class LockedError(Error):
    """Another process holds the mailbox and did not let go."""


class StorageError(Error):
    """A file could not be read or written."""


class RelayError(Error):
    """A relay refused, or a delivery cycle cannot go on."""


class TooLargeError(Error):
    """A text, a message or a mailbox is larger than azall carries."""


class MessageError(Error):
    """A message cannot be composed or signed."""


class CancelledError(Error):
    """The operation was told to stop before it was done."""


_FAMILIES: dict[str, type[Error]] = {
    "argument": ArgumentError,
    "usage": ArgumentError,
    "address": ArgumentError,
    "path": ArgumentError,
    "filter": ArgumentError,
    "not-found": NotFoundError,
    "ambiguous": NotFoundError,
    "config": ConfigError,
    "identity": ConfigError,
    "keyring": ConfigError,
    "name-taken": PolicyError,
    "not-shared": PolicyError,
    "foreign-mailbox": PolicyError,
    "trust": TrustError,
    "locked": LockedError,
    "lock-lost": LockedError,
    "file": StorageError,
    "archive": StorageError,
    "already-there": StorageError,
    "relay": RelayError,
    "sync": RelayError,
    "too-large": TooLargeError,
    "message": MessageError,
    "cancelled": CancelledError,
}


def of_code(code: str, message: str, exit_code: int) -> Error:
    """The exception of the family that a code belongs to."""
    return _FAMILIES.get(code, Error)(message, code, exit_code)
