"""azall with azall's own relay, which speaks version 2: nothing of the reference takes part."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from azall import Azall
from conftest import Cast
from relay import free_port

SECONDS = 30


class OwnRelay:
    """`azall server`, on a free port, with a folder that survives it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [
            os.environ["AZALL_BIN"],
            "server",
            "--agenttalk",
            "--port",
            str(self.port),
            "--data-dir",
            str(self.data),
        ]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _until(self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SECONDS)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)


@pytest.fixture
def own_relay(local: Cast, tmp_path: Path) -> Iterator[OwnRelay]:
    """A relay of azall's own."""
    local.bare_azall("probe")
    relay = OwnRelay(tmp_path / "relay-data")
    relay.start()
    yield relay
    relay.stop()


@pytest.fixture
def pair(local: Cast, own_relay: OwnRelay) -> tuple[Azall, Azall]:
    """Two agents with accounts on it, which their keys own."""
    agents = local.bare_azall("anna"), local.bare_azall("bert")
    for agent, name in zip(agents, ("anna", "bert"), strict=True):
        _register(agent, own_relay, name)
    return agents


def _register(agent: Azall, relay: OwnRelay, name: str, *more: str) -> str:
    args = ("register", "--agent", name, "--server", "127.0.0.1", "--port", str(relay.port), *more)
    return str(agent.json(*args)["certified_address"])


@contextmanager
def _watching(agent: Azall) -> Iterator[Iterator[str]]:
    """The lines of `inbox --watch`, as they come."""
    argv = [*agent.program, "inbox", "--watch"]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=agent.home, env=agent.environment
    )
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def _attached(agent: Azall, name: str) -> Path:
    [found] = [path for path in agent.home.rglob(name) if "/inbox/" in str(path)]
    return found


def test_messages_go_both_ways(pair: tuple[Azall, Azall]) -> None:
    anna, bert = pair
    anna.send("bert.agenttalk", "Over", "Hello.").ok()
    bert.run("inbox").ok()
    bert.send("anna.agenttalk", "Back", "Hello yourself.").ok()
    anna.run("inbox").ok()
    assert (bert.verdict_on("Over"), anna.verdict_on("Back")) == ("valid", "valid")
    bert.run("inbox").ok()
    assert len(bert.listed()) == 1, "what was acknowledged does not come again"


def test_a_certified_address_reaches_its_key_alone(pair: tuple[Azall, Azall], own_relay: OwnRelay) -> None:
    anna, bert = pair
    certified = _register(bert, own_relay, "bert", "--yes")
    anna.send(certified, "Certified", "Only for this key.").ok()
    bert.run("inbox").ok()
    listed = bert.the_one_listed("Certified")
    assert (listed.verdict, listed.misaddressed) == ("valid", False)
    assert anna.send("bert.0123456789abcdef.agenttalk", "No", "x").code == 1


def test_a_registration_that_was_lost_is_got_back(pair: tuple[Azall, Azall], own_relay: OwnRelay) -> None:
    anna, bert = pair
    anna.send("bert.agenttalk", "Waiting", "Before the loss.").ok()
    bert.config_path.unlink()
    for key in bert.home.rglob(".agent_key"):
        key.unlink()
    _register(bert, own_relay, "bert")
    bert.run("inbox").ok()
    assert bert.verdict_on("Waiting") == "valid"


def test_five_megabytes_go_through_a_blob(pair: tuple[Azall, Azall], tmp_path: Path) -> None:
    anna, bert = pair
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(5 << 20))
    anna.send("bert.agenttalk", "Large", "See the file.", large).ok()
    bert.run("inbox").ok()
    assert bert.verdict_on("Large") == "valid"
    assert _attached(bert, "large.bin").read_bytes() == large.read_bytes()


def test_a_watch_shows_what_comes(pair: tuple[Azall, Azall]) -> None:
    anna, bert = pair
    with _watching(bert) as lines:
        anna.send("bert.agenttalk", "Now", "While you wait.").ok()
        assert any("Now" in line for line in lines)
    assert bert.verdict_on("Now") == "valid"


def test_a_daemon_that_is_killed_loses_nothing(pair: tuple[Azall, Azall], own_relay: OwnRelay) -> None:
    anna, bert = pair
    wanted = []
    for round_ in range(6):
        with bert.start("daemon", "--interval", "1") as daemon:
            for number in range(5):
                wanted.append(f"m{round_}-{number}")
                anna.send("bert.agenttalk", wanted[-1], "x").ok()
            # Somewhere between fetch and acknowledgement, as it happens.
            daemon.kill()
        if round_ == 2:
            own_relay.stop()
            own_relay.start()
    # The lock of a process that was killed is left for a while.
    bert.run("inbox").ok()
    assert sorted(message.subject for message in bert.listed()) == sorted(wanted)
