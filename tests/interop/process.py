"""Running a client as a subprocess: its own environment, a time limit, and what it used."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float
    peak_rss_mib: float

    @property
    def text(self) -> str:
        """Both streams."""
        return self.stdout + self.stderr

    def ok(self) -> "Ran":
        """This, if it succeeded; else a failure of the test that shows everything."""
        assert self.code == 0, str(self)
        return self

    def __str__(self) -> str:
        return (
            f"$ {' '.join(self.argv)}\nexit code {self.code} after {self.seconds:.1f} s\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        )


def isolated_environment(home: Path) -> dict[str, str]:
    """An environment that carries nothing of the developer's own: no configuration, proxy, locale or time zone."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": tempfile.gettempdir(),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def spawn(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A command in the background, silent, leading its own process group."""
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], *, stdin: str = "", timeout: float = 30.0) -> Ran:
    """Runs a command to its end. One that takes longer than the limit is killed and fails the test."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source.write(stdin.encode())
        source.seek(0)
        start = time.monotonic()
        child = subprocess.Popen(argv, cwd=cwd, env=dict(env), stdin=source, stdout=out, stderr=err)
        expired = threading.Event()

        def kill() -> None:
            expired.set()
            child.kill()

        timer = threading.Timer(timeout, kill)
        timer.start()
        try:
            # wait4, because it alone tells what this one child used.
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        ran = Ran(
            argv=tuple(argv),
            code=child.returncode,
            stdout=out.read().decode(errors="replace"),
            stderr=err.read().decode(errors="replace"),
            seconds=time.monotonic() - start,
            peak_rss_mib=usage.ru_maxrss / 1024,
        )
    assert not expired.is_set(), f"took longer than {timeout:.0f} s and was killed\n{ran}"
    return ran
