"""The host: everything that answers effects on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import _files
from ._effects import Answer, Effect, EffectError, of_system
from ._files import Roots

_MOST_RANDOM = 1024

SLOW = frozenset({"Http", "RunScript"})
"""Effects that may take long: they never hold up files."""


def _random(effect: Effect) -> bytes:
    count: int = effect["count"]
    if count > _MOST_RANDOM:
        raise EffectError("too_large", f"at most {_MOST_RANDOM} random bytes at once")
    return os.urandom(count)


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
    process = f"{os.getpid()}@{platform.node()}"
    return {
        "machine_name": platform.node(),
        "system": platform.system(),
        "fingerprint_parts": parts,
        "process": process,
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
    """Answers effects over the file system, the network and the processes of this machine."""

    def __init__(
        self, roots: Roots, send: Callable[[Effect], Any], is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """`send` answers `Http`."""
        self.roots = roots
        self.is_stopping = is_stopping
        self._handlers: dict[str, Callable[[Effect], Any]] = {
            "ReadFile": lambda effect: _files.read_file(roots, effect),
            "ReadMany": lambda effect: _files.read_many(roots, effect),
            "List": lambda effect: _files.list_folder(roots, effect),
            "Append": lambda effect: _files.append(roots, effect),
            "Rename": lambda effect: _files.rename(roots, effect),
            "Remove": lambda effect: _files.remove(roots, effect),
            "Random": _random,
            "HostFacts": lambda _: facts(),
            "Http": send,
            "RunScript": self._run_script,
        }

    @property
    def known(self) -> frozenset[str]:
        """The kinds of effects that this host can do."""
        return frozenset(self._handlers) | {"WriteAtomic"}

    def _run_script(self, effect: Effect) -> dict[str, object]:
        from . import _script

        return _script.run(self.roots, effect, self.is_stopping)

    def answer(self, effect: Effect) -> Answer:
        """Does what an effect asks, on this thread, and answers when it is done."""
        if effect["kind"] == "WriteAtomic":
            return self.commit([effect])[0]
        handler = self._handlers.get(effect["kind"])
        try:
            if handler is None:
                raise EffectError("unsupported", "this host does not know the effect")
            return {"Ok": handler(effect)}
        except EffectError as error:
            return error.answer
        except OSError as error:
            return of_system(error).answer

    def commit(self, writes: list[Effect]) -> list[Answer]:
        """Does several writes as one commit; the answers are in their order."""
        return _files.commit(self.roots, writes)
