"""What the tests ask of a client, whichever it is. The reference and azall differ only in what they are called with."""

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mailfile import Message, messages_in
from process import Ran, isolated_environment, run, spawn


class Agent(ABC):
    """One agent: a client program with one configuration. Its mailbox is `data/mailboxes` beside the configuration."""

    def __init__(self, home: Path, config: str = "config.json") -> None:
        """An agent whose configuration is (or will be) the file `config` in the folder `home`."""
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.config_path = home / config
        # What its commands find in their environment besides.
        self.extra_environment: dict[str, str] = {}

    @property
    @abstractmethod
    def program(self) -> Sequence[str]:
        """The words that a command starts with."""

    # The configuration.

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as it is on disk."""
        loaded: dict[str, Any] = json.loads(self.config_path.read_text())
        return loaded

    def configure(self, **keys: object) -> None:
        """Changes keys of the configuration."""
        self.config_path.write_text(json.dumps(self.config | keys, indent=2))

    @property
    def address(self) -> str:
        """This agent's address."""
        return str(self.config["agent_name"])

    @property
    def mailboxes(self) -> Path:
        """The folder of mailboxes."""
        return (self.home / str(self.config["mailbox_dir"])).resolve()

    @property
    def mailbox(self) -> Path:
        """This agent's own folder."""
        return self.mailboxes / self.address

    # Commands.

    @property
    def environment(self) -> dict[str, str]:
        """What a command of this agent runs in."""
        environment = isolated_environment(self.home) | {"AGENTAZALL_CONFIG": str(self.config_path)}
        return environment | self.extra_environment

    def run(self, *args: str, stdin: str = "", timeout: float = 30.0, env: Mapping[str, str] | None = None) -> Ran:
        """Runs a command to its end, whatever that is."""
        environment = self.environment | dict(env or {})
        return run([*self.program, *args], self.home, environment, stdin=stdin, timeout=timeout)

    def start(self, *args: str) -> "Running":
        """Starts a command in the background."""
        return Running(self, args)

    def setup(self, name: str) -> None:
        """Configures this agent by the client's own `setup`, without any transport that would have to be reached."""
        self.run("setup", "--agent", name, "--transport", "agenttalk").ok()

    def register(self, name: str, port: int) -> None:
        """Makes an account on a relay of this machine."""
        self.run("register", "--agent", name, "--server", "127.0.0.1", "--port", str(port), "--yes").ok()

    def settle(self, address: str, server: str = "", token: str = "") -> None:
        """Writes the configuration that `setup` and `register` would, and makes a key pair. Without the client's help,
        because the reference's `register` tries TLS first, and then the small server often stalls for ten seconds.
        """
        config: dict[str, object] = {"agent_name": address, "agent_key": secrets.token_hex(16)}
        config |= {"mailbox_dir": "./data/mailboxes", "transport": "agenttalk"}
        config |= {"agenttalk": {"server": server, "token": token}}
        self.config_path.write_text(json.dumps(config, indent=2))
        self.config_path.chmod(0o600)
        self.run("crypto-identity").ok()

    def use_relay(self, url: str, token: str = "token") -> None:
        """Points the configuration at one relay."""
        self.configure(transport="agenttalk", agenttalk={"server": url, "token": token})

    def send(self, to: str, subject: str, body: str, *attachments: Path) -> Ran:
        """Sends a message, whatever comes of it. The body goes by a file, so that any text can be sent."""
        body_file = self.home / "body.txt"
        body_file.write_bytes(body.encode())
        attach = [word for path in attachments for word in ("--attach", str(path))]
        return self.run("send", "--to", to, "--subject", subject, "--body-file", str(body_file), *attach)

    def reply(self, message_id: str, body: str) -> Ran:
        """Replies to a message."""
        return self.run("reply", message_id, "--body", body)

    def sync(self, timeout: float = 30.0) -> list[Message]:
        """Fetches what waits, and returns the inbox."""
        self.run("inbox", "--all", timeout=timeout).ok()
        return self.inbox()

    # What lies on disk.

    def inbox(self) -> list[Message]:
        """The messages received."""
        return messages_in(self.mailbox, "inbox")

    def folder(self, name: str) -> list[Message]:
        """The messages of a folder."""
        return messages_in(self.mailbox, name)

    def received(self, subject: str) -> Message:
        """The one message in the inbox with this subject."""
        found = [message for message in self.inbox() if message.subject == subject]
        assert len(found) == 1, f"{len(found)} messages with subject {subject!r}"
        return found[0]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of this agent's key."""
        return str(json.loads((self.mailbox / ".identity_key").read_text())["fingerprint"])

    @property
    def keyring(self) -> dict[str, Any]:
        """The keyring, by fingerprint."""
        path = self.mailbox / ".keyring.json"
        loaded: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return loaded


class Running:
    """A command in the background; killed, if it still runs, when the `with` block ends."""

    def __init__(self, agent: Agent, args: Sequence[str]) -> None:
        """Starts it."""
        self._child = spawn([*agent.program, *args], agent.home, agent.environment)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._child.kill()
        self._child.wait()

    def terminate(self) -> None:
        """SIGTERM."""
        self._child.terminate()

    def wait(self, timeout: float) -> int:
        """The exit code."""
        return self._child.wait(timeout)

    def running(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
