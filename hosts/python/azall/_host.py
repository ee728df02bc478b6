"""The host: what answers effects. Those on files, and scripts, are done by the extension, as the native program does them."""

from __future__ import annotations

import os
from collections.abc import Callable

from ._core import FILE_EFFECT_KINDS, Files, Flag
from ._effects import Answer, Effect, EffectError, answer_of

FILES = frozenset(FILE_EFFECT_KINDS)
"""Effects on files, and randomness."""

SLOW = frozenset({"Http", "RunScript"})
"""Effects that may take long: they never hold up files."""

Send = Callable[[Effect], dict[str, object]]
"""What answers `Http`."""


def facts() -> dict[str, object]:
    """Answers `HostFacts`: what the reference hashes under the same Python, in its order."""
    import platform
    import uuid

    parts = [
        platform.node(),
        platform.machine(),
        platform.processor(),
        platform.system(),
        platform.release(),
        platform.python_version(),
        str(uuid.getnode()),
        *_machine_id(),
    ]
    return {
        "machine_name": platform.node(),
        "system": platform.system(),
        "fingerprint_parts": parts,
        "process": f"{os.getpid()}@{platform.node()}",
    }


def _machine_id() -> list[str]:
    """The machine's id, where the system keeps one."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            with open(path, encoding="utf-8") as file:
                if found := file.read().strip():
                    return [found]
        except (OSError, UnicodeDecodeError):
            continue
    return []


class Host:
    """The files of a mailbox, the network and the processes of this machine."""

    known = FILES | SLOW | {"HostFacts"}
    """The kinds of effects that it can do."""

    def __init__(self, files: Files, send: Send, stopping: Flag | None = None) -> None:
        """`send` answers `Http`; scripts end when `stopping` is raised."""
        self.files = files
        self._send = send
        self._stopping = stopping

    def answer(self, effect: Effect) -> Answer:
        """Does what an effect asks, on this thread, and answers when it is done."""
        try:
            kind = effect["kind"]
            if kind not in self.known:
                raise EffectError("unsupported", "this host does not know the effect")
            if kind == "HostFacts":
                return {"Ok": facts()}
            if kind == "Http":
                return {"Ok": self._send(effect)}
            return self.files.answer(effect, self._stopping)
        except Exception as error:
            return answer_of(error)
