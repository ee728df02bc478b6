"""What effects and their answers look like, as the core gives and takes them."""

from __future__ import annotations

import errno
import os
from typing import Any, Literal

Effect = dict[str, Any]
"""An effect: its `kind`, and its fields."""

Answer = dict[str, Any]
"""`{"Ok": ...}` or `{"Err": {"kind": ..., "message": ...}}`."""

Kind = Literal[
    "not_found",
    "already_exists",
    "permission_denied",
    "storage_full",
    "timed_out",
    "unreachable",
    "tls",
    "too_large",
    "unsupported",
    "other",
]


class EffectError(Exception):
    """Why an effect failed."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @property
    def answer(self) -> Answer:
        """The failure as an answer."""
        return {"Err": {"kind": self.kind, "message": self.message}}


_KINDS: dict[int, Kind] = {
    errno.ENOENT: "not_found",
    errno.EEXIST: "already_exists",
    errno.ENOTEMPTY: "already_exists",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.EROFS: "permission_denied",
    # The answer to a symbolic link in the place of a file: none is ever followed there.
    errno.ELOOP: "permission_denied",
    errno.ENOSPC: "storage_full",
    errno.EDQUOT: "storage_full",
    errno.ETIMEDOUT: "timed_out",
    errno.ENOSYS: "unsupported",
    errno.EOPNOTSUPP: "unsupported",
}


def words(error: OSError) -> str:
    """What the system says, without its number and without a path."""
    return os.strerror(error.errno) if error.errno is not None else str(error)


def of_system(error: OSError) -> EffectError:
    """The failure of a system call."""
    if error.errno == errno.ELOOP:
        return EffectError("permission_denied", "a symbolic link, which is not followed in the place of a file")
    if error.errno == errno.ENOTDIR:
        return EffectError("other", "a file stands where a folder must be")
    return EffectError(_KINDS.get(error.errno or 0, "other"), words(error))
