"""A config file and what runs over it, for every kind of mailbox and for the command line."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from ._core import CommandLine, Config, Files, Flag, Op
from ._drive import OnEvent, Run, Step
from ._effects import Effect
from ._host import Host
from .errors import ConfigError

if TYPE_CHECKING:
    from ._http import Http
    from ._requests import Request


def locate(path: str | os.PathLike[str] | None) -> str:
    """The config file: this one, the one in this folder, or the one that the environment names, as the command line finds it.

    What is not there yet is a file if its name ends with `.json`, else a folder.
    """
    if path is None:
        line = CommandLine.parse(["address"])
        assert isinstance(line, CommandLine)
        return absolute(line.config_path(variable("AGENTAZALL_CONFIG"), variable("AGENTAZALL_ROOT")))
    found = os.fspath(path)
    is_file = os.path.isfile(found) or (found.endswith(".json") and not os.path.isdir(found))
    return absolute(found if is_file else os.path.join(found, "config.json"))


def variable(name: str) -> str | None:
    """A variable of the environment.

    One that is there and cannot be used is not passed over: what was meant for one mailbox would be done in another.
    """
    value = os.environ.get(name)
    if value is not None and shown(value) != value:
        raise ConfigError(f"${name} is not UTF-8", "config")
    return value


def shown(path: str) -> str:
    """A path as text for people, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def absolute(path: str) -> str:
    """A path from the working folder as one from the root, without looking at links."""
    if not path:
        raise ConfigError("the config path is empty", "config")
    whole = path if path.startswith("/") else f"{os.getcwd()}/{path}"
    return "/" + "/".join(part for part in whole.split("/") if part not in ("", "."))


class Session:
    """Runs commands over one config file. Every command reads the config anew: somebody else may have changed it."""

    def __init__(self, path: str, agent: str | None) -> None:
        self.path = path
        self.folder, name = os.path.split(path)
        self._name = "" if name == ".." else name
        self._agent = agent if agent is not None else variable("AGENTAZALL_AGENT")
        self._http: Http | None = None
        self._lock = threading.Lock()
        self._files: dict[str, Files] = {}

    def opening(self) -> Op:
        """The operation that reads the config."""
        return Op.open(self._name, shown(self.path), self._agent)

    def forget_agent(self) -> None:
        """From now on the config alone says who the agent is."""
        self._agent = None

    def config_host(self) -> Host:
        """A host for reading the config, which names the other folders: it is read through its own alone."""
        return Host(Files(self.folder, self.folder), self._send)

    def mailboxes(self, config: Config) -> str:
        """The folder of all mailboxes."""
        return os.path.normpath(os.path.join(self.folder, config.mailbox_dir))

    def files(self, config: Config) -> Files:
        """The files of this config and its mailboxes."""
        mailboxes = self.mailboxes(config)
        return self._files.setdefault(mailboxes, Files(self.folder, mailboxes))

    def host(self, config: Config, stopping: Flag | None = None) -> Host:
        """The host for commands over this config."""
        return Host(self.files(config), self._send, stopping)

    def shown(self, config: Config) -> Config:
        """The config, with its folder as people know it."""
        return config.with_mailboxes_shown(shown(self.mailboxes(config)))

    def open(self) -> Config:
        """Reads the config."""
        op = self.opening()
        Run(op, self.config_host()).to_end()
        return self.shown(op.take_config())

    def begin(self, request: Request[Any], on_event: OnEvent = lambda _: None) -> Run:
        """A run of a command over the config as it is now."""
        config = self.open()
        return self.start(Op.command(request.command, config, request.tables), config, on_event)

    def start(self, op: Op, config: Config, on_event: OnEvent) -> Run:
        """A run of an operation over this config."""
        stopping = Flag()
        return Run(op, self.host(config, stopping), on_event, stopping)

    def command(self, request: Request[Any]) -> Step:
        """Runs a command to its end. Ctrl-C asks it to stop and is raised once it has."""
        run = self.begin(request)
        if threading.current_thread() is not threading.main_thread():
            return run.to_end()
        return _interruptible(run)

    def _send(self, effect: Effect) -> dict[str, object]:
        """Answers `Http`. The library is loaded at the first request."""
        with self._lock:
            if self._http is None:
                from ._http import Http

                self._http = Http()
            http = self._http
        return http.send(effect)

    def close(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            self._http.close()


class Account:
    """Whose mailbox it is, whichever way it is driven."""

    def __init__(self, session: Session) -> None:
        """Use `open`."""
        self._session = session
        self._address = ""
        self._relay_addresses: tuple[str, ...] = ()

    def _learn(self, document: dict[str, Any]) -> None:
        """Takes what `address` tells."""
        self._address = document["address"]
        self._relay_addresses = tuple(document["relay_addresses"])

    @property
    def address(self) -> str:
        """The agent's address."""
        return self._address

    @property
    def relay_addresses(self) -> tuple[str, ...]:
        """The addresses that relays know the agent by."""
        return self._relay_addresses

    @property
    def config_path(self) -> str:
        """The config file."""
        return self._session.path

    def __repr__(self) -> str:
        module = type(self).__module__.removesuffix(".mailbox")
        return f"<{module}.Mailbox {self._address}>"


def _interruptible(run: Run) -> Step:
    """Drives on another thread, so that Ctrl-C cannot tear an effect, or leave the mailbox locked."""
    result: list[Step | BaseException] = []

    def drive() -> None:
        try:
            result.append(run.to_end())
        except BaseException as error:  # raised again on the thread that waits
            result.append(error)

    thread = threading.Thread(target=drive, name="azall-command", daemon=True)
    try:
        thread.start()
        thread.join()
    except KeyboardInterrupt:
        run.cancel()
        if thread.ident is not None:
            thread.join()
        raise
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]
