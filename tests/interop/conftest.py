"""Fixtures: relays, and agents with names that no other test uses."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from agents import Agent
from azall import Azall
from hostile import HostileRelay, hostile_relays
from reference import Reference
from relay import Relay, running_azall_relay, running_relay

_numbers = itertools.count(1)
_Agent = TypeVar("_Agent", bound=Agent)


def _azall_is_there() -> None:
    binary = os.environ.get("AZALL_BIN")
    if not binary:
        pytest.skip("AZALL_BIN does not name the azall binary (`cargo xtask test` sets it)")
    assert Path(binary).is_file(), f"AZALL_BIN names {binary}, which is no file"


class Cast:
    """Makes the agents of one test, each in a folder of its own and, on a relay, under a name of its own."""

    def __init__(self, root: Path, relay: Relay | None = None, domain: str = "@localhost") -> None:
        """Agents below `root`, with an account on `relay` if there is one, else with addresses of this domain."""
        self.root = root
        self._domain = domain
        self._relay = relay

    @property
    def relay(self) -> Relay:
        """The relay that these agents use."""
        assert self._relay is not None, "these agents have no relay"
        return self._relay

    @staticmethod
    def fresh(name: str) -> str:
        """This name with a number, so that nobody else has it."""
        return f"{name}-{next(_numbers)}"

    @staticmethod
    def as_azall(agent: Agent) -> Azall:
        """The same agent, through azall."""
        return Azall(agent.home, agent.config_path.name)

    def reference(self, name: str) -> Reference:
        """An agent who uses the reference."""
        return self._introduce(Reference(self.root / f"reference-{name}"), name)

    def azall(self, name: str) -> Azall:
        """An agent who uses azall."""
        return self._introduce(self.bare_azall(name), name)

    def bare_azall(self, name: str) -> Azall:
        """An agent who uses azall and has no configuration yet."""
        _azall_is_there()
        return Azall(self.root / f"azall-{name}")

    def neighbours(self) -> tuple[Reference, Azall]:
        """One agent of each kind, whose mailboxes lie in one folder, so that mail between them is copied."""
        _azall_is_there()
        folder = self.root / "together"
        rita, anna = Reference(folder, "rita.json"), Azall(folder, "anna.json")
        rita.settle("rita@localhost")
        anna.settle("anna@localhost")
        return rita, anna

    def sharing(self, name: str) -> tuple[Reference, Azall]:
        """One agent, with one configuration and one mailbox, through either client."""
        _azall_is_there()
        first = self.reference(name)
        return first, self.as_azall(first)

    def _introduce(self, agent: _Agent, name: str) -> _Agent:
        if self._relay is None:
            agent.settle(f"{name}{self._domain}")
        else:
            agent.extra_environment = self._relay.trust
            account = self.fresh(name)
            agent.settle(f"{account}.agenttalk", self._relay.url, self._relay.register(account))
        return agent


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The reference's relay, one for all tests."""
    with running_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@pytest.fixture(scope="session", params=["plain", "tls"])
def azall_relay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The relay of azall, one for all tests, with TLS and without."""
    _azall_is_there()
    flags = ["--tls-self-signed"] if request.param == "tls" else []
    with running_azall_relay(tmp_path_factory.mktemp("azall-relay"), *flags) as relay:
        yield relay


@pytest.fixture
def at_azall(tmp_path: Path, azall_relay: Relay) -> Cast:
    """Agents with an account on azall's relay."""
    return Cast(tmp_path, azall_relay)


@pytest.fixture
def local(tmp_path: Path) -> Cast:
    """Agents without a relay."""
    return Cast(tmp_path)


@pytest.fixture
def online(tmp_path: Path, relay: Relay) -> Cast:
    """Agents with an account on the relay."""
    return Cast(tmp_path, relay)


@pytest.fixture
def relay_token(relay: Relay) -> tuple[str, str]:
    """Name and token of an account that no client uses."""
    name = Cast.fresh("mallory")
    return name, relay.register(name)


@pytest.fixture
def hostile() -> Iterator[HostileRelay]:
    """A relay that answers what the test wants."""
    with hostile_relays(1) as [relay]:
        yield relay
