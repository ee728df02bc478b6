"""The host: what answers effects. Those on files are done by the extension, as the native program does them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ._core import FILE_EFFECT_KINDS, Files
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

    def __init__(self, files: Files, send: Send, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """`send` answers `Http`."""
        self.files = files
        self._is_stopping = is_stopping
        self._handlers: dict[str, Callable[[Effect], Any]] = {
            "HostFacts": lambda _: facts(),
            "Http": send,
            "RunScript": self._run_script,
        }

    @property
    def known(self) -> frozenset[str]:
        """The kinds of effects that this host can do."""
        return FILES | self._handlers.keys()

    def _run_script(self, effect: Effect) -> dict[str, object]:
        from . import _script

        return _script.run(self.files, effect, self._is_stopping)

    def answer(self, effect: Effect) -> Answer:
        """Does what an effect that is not on files asks, on this thread, and answers when it is done."""
        try:
            if (handler := self._handlers.get(effect["kind"])) is None:
                raise EffectError("unsupported", "this host does not know the effect")
            return {"Ok": handler(effect)}
        except Exception as error:
            return answer_of(error)
