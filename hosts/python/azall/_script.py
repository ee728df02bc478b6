"""Running a mailbox's scripts: Python in a session of its own, all of which ends with the script; WebAssembly in the sandbox."""

from __future__ import annotations

import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from ._core import Files
from ._effects import Effect, EffectError

_SANDBOX = "azall-sandbox"
"""The program that runs WebAssembly, on the path. It comes with the native azall."""

_GRACE = 5.0
"""The sandbox ends a program at the time limit itself, and says why; this many seconds later it is ended from outside."""

_TICK = 0.02
"""How often the script and the wish to stop are looked at while no output comes, in seconds."""

_PIPE_SIZE = 64 * 1024

_MOST_RESTS = 16
"""How many reads empty any pipe: its size can be raised to 1 MiB."""

_SHARED_VARIABLES = ("AGENTAZALL_CONFIG", "AGENTAZALL_ROOT", "AGENTAZALL_AGENT")
"""Variables of azall's own that a script may see: they say where the mailbox is, and hold no secret."""


def run(files: Files, effect: Effect, is_stopping: Callable[[], bool]) -> dict[str, object]:
    """Answers `RunScript`."""
    path = files.resolve(effect["script"])
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise EffectError("permission_denied", "not a regular file")
    seconds = effect["timeout_ms"] / 1000
    if effect["script"]["path"].endswith(".wasm"):
        command, seconds = [*_in_sandbox(files, effect), "--module", path, "--"], seconds + _GRACE
    else:
        command = ["python3", path]
    process = _start([*command, *effect["args"]], files.resolve({"root": "mailboxes", "path": ""}))
    return _finish(process, effect["output_limit"], seconds, is_stopping)


def _in_sandbox(files: Files, effect: Effect) -> list[str]:
    """The sandbox with its bounds, where the agent's own folder is all that there is."""
    seconds = str(max(1, -(-effect["timeout_ms"] // 1000)))
    mebibytes = str(max(1, -(-effect["output_limit"] // (1 << 20))))
    bounds = ["--time", seconds, "--wall", seconds, "--output", mebibytes]
    return [_SANDBOX, "--folder", files.resolve(effect["folder"]), *bounds]


def _start(command: list[str], folder: str) -> subprocess.Popen[bytes]:
    own = ("AGENTAZALL_", "AZALL_")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(own) or name in _SHARED_VARIABLES
    }
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if error.filename == command[0]:
            raise EffectError("unsupported", f"there is no {error.filename} to run it with") from None
        raise
    except ValueError as error:
        raise EffectError("other", str(error)) from None


class _Stream:
    """What comes out of one end of a script."""

    def __init__(self, fd: int, limit: int) -> None:
        self.fd = fd
        self.kept = bytearray()
        self.truncated = False
        self._limit = limit
        os.set_blocking(fd, False)

    def read_once(self) -> bool:
        """Takes what one read gives; false at the end. Where there is nothing yet, it is a `BlockingIOError`."""
        content = os.read(self.fd, _PIPE_SIZE)
        wanted = content[: max(self._limit - len(self.kept), 0)]
        self.kept += wanted
        self.truncated |= len(wanted) < len(content)
        return bool(content)

    def read_rest(self) -> None:
        """Takes what is still in the pipe, but no more: a process that has left the session may write for ever."""
        with suppress(BlockingIOError):
            for _ in range(_MOST_RESTS):
                if not self.read_once():
                    break


def _finish(
    process: subprocess.Popen[bytes], limit: int, seconds: float, is_stopping: Callable[[], bool]
) -> dict[str, object]:
    """Reads what the script writes until it ends or has to."""
    deadline = time.monotonic() + seconds
    timed_out = False
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = (_Stream(pipe.fileno(), limit) for pipe in (process.stdout, process.stderr))
    with process, selectors.DefaultSelector() as selector:
        for stream in (out, err):
            selector.register(stream.fd, selectors.EVENT_READ, stream)
        try:
            while not (_has_exited(process.pid) or timed_out or is_stopping()):
                left = deadline - time.monotonic()
                timed_out = left <= 0
                # Closed streams mostly mean that the script is about to exit.
                tick = _TICK if selector.get_map() else 0.001
                for key, _ in selector.select(max(min(left, tick), 0)):
                    with suppress(BlockingIOError):
                        if not key.data.read_once():
                            selector.unregister(key.fd)
        finally:
            # The leader is waited for only afterwards: until then its number cannot become that of another session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.read_rest()
            err.read_rest()
    return {
        "code": process.returncode if process.returncode >= 0 else None,
        "timed_out": timed_out,
        "stdout": bytes(out.kept),
        "stderr": bytes(err.kept),
        "truncated": out.truncated or err.truncated,
    }


def _has_exited(leader: int) -> bool:
    """Whether the leader has exited; it stays to be waited for."""
    try:
        return os.waitid(os.P_PID, leader, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
