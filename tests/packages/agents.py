"""Agents in other processes, one for each language: they take calls as lines of JSON and answer with lines of JSON."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

CONFIG = {"mailbox_dir": "../mailboxes"}


class Failed(Exception):  # noqa: N818  (a result like any other)
    """What a call failed with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Agent:
    """A process that holds a mailbox."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        merged = {**os.environ, **env}
        self._process = subprocess.Popen(
            command, cwd=folder, env=merged, stdin=pipe, stdout=pipe, text=True, encoding="utf-8"
        )

    def call(self, name: str, args: dict[str, Any]) -> Any:  # noqa: ANN401  (data of any kind)
        """Calls a method of the mailbox and gives its result as data."""
        self.begin(name, args)
        return self.finish()

    def begin(self, name: str, args: dict[str, Any]) -> None:
        """Calls without waiting for the result."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"call": name, "args": args}) + "\n")
        self._process.stdin.flush()

    def finish(self) -> Any:  # noqa: ANN401  (data of any kind)
        """The result of what was begun."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the agent's process ended"
        answer = json.loads(line)
        if "failed" in answer:
            raise Failed(answer["failed"]["code"], answer["failed"]["message"])
        return answer["gave"]

    def stop(self) -> None:
        """Ends the process."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True)
class Python:
    """The Python package."""

    python: str

    def __str__(self) -> str:
        return "python"

    def start(self, root: Path, name: str) -> Agent:
        """An agent of this name, in a folder of its own beside one mailboxes folder."""
        return self.open(_folder(root, name), f"{name}@localhost")

    def open(self, folder: Path, address: str, config: str = "config.json") -> Agent:
        """An agent in a folder, over the mailbox that a path means there."""
        return Agent([self.python, str(HERE / "agent.py"), address, config], folder, {})


@dataclass(frozen=True)
class Node:
    """The Node package, over one of its cores."""

    package: str
    core: str

    def __str__(self) -> str:
        return f"node-{self.core}"

    def start(self, root: Path, name: str) -> Agent:
        """An agent of this name, in a folder of its own beside one mailboxes folder."""
        return self.open(_folder(root, name), f"{name}@localhost")

    def open(self, folder: Path, address: str, config: str = "config.json") -> Agent:
        """An agent in a folder, over the mailbox that a path means there."""
        env = {"AZALL_CORE": self.core, "AZALL_PACKAGE": self.package}
        return Agent(["node", str(HERE / "agent.mjs"), address, config], folder, env)


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    agent = {**CONFIG, "agent_name": f"{name}@localhost"}
    (folder / "config.json").write_text(json.dumps(agent), encoding="utf-8")
    return folder


def interpreters() -> list[Python | Node]:
    """Those that the environment names: a Python with the one package, the folder of the other."""
    found: list[Python | Node] = []
    if python := os.environ.get("AZALL_PYTHON"):
        found.append(Python(python))
    if package := os.environ.get("AZALL_NODE_PACKAGE"):
        found += [Node(package, "native"), Node(package, "wasm")]
    return found
