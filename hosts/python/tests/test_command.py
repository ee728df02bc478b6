"""The console command. What it prints is compared with the native program's by the scenarios."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = {"PATH": os.environ["PATH"], "TZ": "UTC"}


def azall(folder: Path, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "azall", *words]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, env=ENVIRONMENT, timeout=60)


def test_a_conversation(tmp_path: Path) -> None:
    assert azall(tmp_path, "setup", "--agent", "ada").returncode == 0
    assert azall(tmp_path, "address", "-q").stdout == b"ada@localhost\n"
    sent = azall(tmp_path, "send", "--to", "ada@localhost", "-s", "Hi", stdin=b"from a pipe")
    assert (sent.returncode, sent.stderr) == (0, b"")
    assert b"Hi" in azall(tmp_path, "inbox").stdout
    assert azall(tmp_path, "search", "pipe").returncode == 0


@pytest.mark.parametrize("words", [["server", "--agenttalk"], ["up"], ["sandbox", "x"]], ids=lambda words: words[0])
def test_what_the_native_program_alone_has(tmp_path: Path, words: list[str]) -> None:
    ran = azall(tmp_path, *words)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"native" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_exit_codes_and_streams(tmp_path: Path) -> None:
    assert azall(tmp_path, "--version").stdout.startswith(b"azall ")
    assert b"Welcome!" in azall(tmp_path, "address").stderr
    refused = {"frobnicate": 2, "read abcdef": 1, "send": 2, "export -o no/such/x.zip": 1}
    for words, code in refused.items():
        ran = azall(tmp_path, *words.split())
        assert (ran.returncode, ran.stdout) == (code, b""), words
        assert ran.stderr.startswith(b"error:"), ran.stderr
    assert azall(tmp_path, "--json", "read", "abcdef").stdout.startswith(b'{\n  "error"')
    assert azall(tmp_path, "send", "--to", "ada@x", "-s", "s", "--body-file", "missing").returncode == 1
    assert azall(tmp_path, "send", "--to", "ada@x", "-s", "s", "--body-file", ".").stderr.startswith(
        b"error: cannot read ."
    )


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    assert azall(folder, "setup", "--agent", "ada").returncode == 0
    assert azall(folder, "remember", "-t", "x").returncode == 0
    assert azall(folder, "read", os.fsdecode(b"\xff")).returncode == 2


@pytest.mark.parametrize("name", ["AGENTAZALL_CONFIG", "AGENTAZALL_ROOT", "AGENTAZALL_AGENT"])
def test_a_variable_that_cannot_be_used_is_not_passed_over(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-m", "azall", "remember", "--text", "x"]
    odd = ENVIRONMENT | {name: os.fsdecode(b"ann\xff@localhost")}
    ran = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, env=odd)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, b"", f"error: ${name} is not UTF-8\n".encode())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_failure(tmp_path: Path, closed: str) -> None:
    azall(tmp_path, "setup", "--agent", "ada")
    words = ["sh", "-c", f"'{sys.executable}' -m azall send --to ada@localhost -s x {closed}"]
    assert subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True).returncode in (0, 2)
    assert azall(tmp_path, "inbox").stderr == b""


def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    azall(tmp_path, "setup", "--agent", "ada")
    ran = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m azall prompt; echo $? >&2"],
        cwd=tmp_path,
        stdout=_closed_pipe(),
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert ran.stderr == b"0\n"


def _closed_pipe() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


def test_the_daemon_stops_at_a_signal(tmp_path: Path) -> None:
    azall(tmp_path, "setup", "--agent", "ada")
    for number in (signal.SIGTERM, signal.SIGINT):
        words = [sys.executable, "-m", "azall", "--json", "-v", "daemon", "--interval", "1"]
        with subprocess.Popen(
            words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        ) as daemon:
            # The first message that it tells of shows that it runs.
            azall(tmp_path, "send", "--to", "ada@localhost", "-s", "x", "-b", "y")
            assert daemon.stderr is not None
            assert daemon.stderr.readline() != b""
            daemon.send_signal(number)
            out, _ = daemon.communicate(timeout=30)
        assert (daemon.returncode, b'"cycles"' in out) == (0, True)
    assert azall(tmp_path, "remember", "-t", "The mailbox is not locked.").returncode == 0
