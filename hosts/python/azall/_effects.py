"""What effects and their answers look like, as the core gives and takes them."""

from __future__ import annotations

import os
from typing import Any, Literal

Effect = dict[str, Any]
"""An effect: its `kind`, and its fields."""

Answer = dict[str, Any]
"""`{"Ok": ...}` or `{"Err": {"kind": ..., "message": ...}}`."""

Kind = Literal["not_found", "permission_denied", "timed_out", "unreachable", "tls", "too_large", "unsupported", "other"]
"""What an effect may fail with. Effects on files, which the extension does, know a few more."""


class EffectError(Exception):
    """Why an effect failed."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @property
    def data(self) -> dict[str, str]:
        """The failure as data."""
        return {"kind": self.kind, "message": self.message}

    @property
    def answer(self) -> Answer:
        """The failure as an answer."""
        return {"Err": self.data}


def words(error: OSError) -> str:
    """What the system says, without its number and without a path."""
    return os.strerror(error.errno) if error.errno is not None else str(error)


def answer_of(error: Exception) -> Answer:
    """What an effect is answered that failed in this way. A fault of its handler must not leave the operation waiting."""
    if isinstance(error, EffectError):
        return error.answer
    if not isinstance(error, OSError):
        return EffectError("other", f"the handler failed: {type(error).__name__}").answer
    if isinstance(error, FileNotFoundError):
        return EffectError("not_found", words(error)).answer
    return EffectError("permission_denied" if isinstance(error, PermissionError) else "other", words(error)).answer
