"""What the tests share: mailboxes in folders of their own, and a relay where the native program is at hand."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import azall

REPOSITORY = Path(__file__).resolve().parents[3]


def until(is_so: Callable[[], object]) -> None:
    """Waits until something is so. What never comes is a failure, not a hang."""
    limit = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AGENTAZALL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[azall.Mailbox]:
    with azall.Mailbox.open(tmp_path, agent="ada@localhost") as opened:
        yield opened


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[azall.Mailbox, azall.Mailbox]]:
    """Two agents that share a mailboxes folder, each with a config of its own."""
    opened = []
    for name in ("ada", "bob"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(
            f'{{"agent_name": "{name}@localhost", "agent_key": "{name * 8}", "mailbox_dir": "../data/mailboxes"}}'
        )
        opened.append(azall.Mailbox.open(folder))
    yield opened[0], opened[1]
    for mailbox in opened:
        mailbox.close()


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A relay's URL."""
    program = os.environ.get("AZALL_BIN")
    if not program:
        pytest.skip("AZALL_BIN names no native azall")
    folder = tmp_path_factory.mktemp("relay")
    words = [program, "server", "--agenttalk", "--bind", "127.0.0.1", "--port", "0", "--data-dir", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            raise AssertionError("the relay did not start")
        yield found[0]
        process.terminate()
        process.stdout.read()


@pytest.fixture
def over_relay(relay: str, tmp_path: Path) -> Iterator[Callable[[str], azall.Mailbox]]:
    """Makes mailboxes with an account on the relay."""
    opened: list[azall.Mailbox] = []

    def make(name: str) -> azall.Mailbox:
        folder = tmp_path / name
        folder.mkdir()
        unique = f"{name}-{os.urandom(4).hex()}"
        mailbox = azall.Mailbox.open(folder, agent=f"{unique}@localhost")
        mailbox.register(unique, relay)
        mailbox.close()
        opened.append(azall.Mailbox.open(folder))
        return opened[-1]

    yield make
    for mailbox in opened:
        mailbox.close()
