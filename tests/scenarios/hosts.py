"""The hosts that scenarios run through: each takes a command line, a folder and an input, and gives what came out."""

import json
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    stdout: bytes
    stderr: bytes


class Host(ABC):
    """One way to run azall."""

    def close(self) -> None:  # noqa: B027  (most hosts keep nothing running)
        """Ends what the host keeps running."""

    @abstractmethod
    def run(self, words: Sequence[str], root: Path, folder: str, stdin: bytes, env: Mapping[str, str]) -> Ran:
        """Runs a command in a folder below `root`, which is all of the disk that it needs."""


def isolated(env: Mapping[str, str]) -> dict[str, str]:
    """An environment that is the same everywhere."""
    return {"PATH": os.environ["PATH"], "TZ": "UTC", "LANG": "C.UTF-8", **env}


class Native(Host):
    """A program of this machine."""

    def __init__(self, program: Sequence[str]) -> None:
        """The words that a command starts with."""
        self._program = program

    def run(self, words: Sequence[str], root: Path, folder: str, stdin: bytes, env: Mapping[str, str]) -> Ran:
        """Runs it as a process."""
        done = subprocess.run(
            [*self._program, *words], cwd=root / folder, input=stdin, capture_output=True, env=isolated(env), timeout=60
        )
        return Ran(done.returncode, done.stdout, done.stderr)


class Python(Native):
    """The Python package, as the command of one interpreter."""

    def __init__(self, interpreter: str) -> None:
        """An interpreter that has it."""
        super().__init__([interpreter, "-m", "azall"])


class Node(Native):
    """The npm package's command, over one of its two cores."""

    def __init__(self, script: Path, core: str) -> None:
        """The package's `bin/azall.js`, and `native` or `wasm`."""
        super().__init__(["node", str(script)])
        self._core = core

    def run(self, words: Sequence[str], root: Path, folder: str, stdin: bytes, env: Mapping[str, str]) -> Ran:
        """Runs it as a process."""
        return super().run(words, root, folder, stdin, {**env, "AZALL_CORE": self._core})


class Sandbox(Host):
    """`azall.wasm` in wasmtime, where the scenario's folder is all that there is."""

    def __init__(self, program: str, module: Path) -> None:
        """The sandbox's program, and what it runs."""
        self._program = program
        self._module = module

    def run(self, words: Sequence[str], root: Path, folder: str, stdin: bytes, env: Mapping[str, str]) -> Ran:
        """Runs it as a process."""
        given = [f"--env={name}={value}" for name, value in env.items()]
        inside = "/" if folder == "." else f"/{folder}"
        done = subprocess.run(
            [self._program, "--folder", str(root), "--cwd", inside, *given, "--", *words],
            input=stdin,
            capture_output=True,
            env={**os.environ, "AZALL_WASM": str(self._module)},
            timeout=60,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


class NodeWasi(Host):
    """`azall.wasm` in Node's WASI: one process that runs each command of a scenario in a fresh instance."""

    def __init__(self, module: Path) -> None:
        """Nothing is started before there is something to run."""
        self._module = module
        self._root: Path | None = None
        self._node: subprocess.Popen[str] | None = None

    def _process(self, root: Path) -> "subprocess.Popen[str]":
        # One for each scenario: Node 20 crashes after some dozens of instances over different folders.
        if self._node is None or root != self._root:
            self.close()
            script = Path(__file__).with_name("node_wasi.mjs")
            words = ["node", "--no-warnings", str(script), str(self._module)]
            self._node = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._root = root
        return self._node

    def run(self, words: Sequence[str], root: Path, folder: str, stdin: bytes, env: Mapping[str, str]) -> Ran:
        """Asks the process to run it."""
        node = self._process(root)
        assert node.stdin is not None, "it was started with a pipe"
        assert node.stdout is not None, "it was started with a pipe"
        request = {
            "words": list(words),
            "root": str(root),
            "folder": str((root / folder).resolve()),
            "stdin": stdin.hex(),
            "env": isolated(env) | {"AZALL_MACHINE_FACTS": "some|machine"},
        }
        node.stdin.write(json.dumps(request) + "\n")
        node.stdin.flush()
        answer = json.loads(node.stdout.readline())
        return Ran(int(answer["code"]), bytes.fromhex(answer["stdout"]), bytes.fromhex(answer["stderr"]))

    def close(self) -> None:
        """Ends the process."""
        if self._node is not None and self._node.stdin is not None:
            self._node.stdin.close()
            self._node.wait(timeout=10)
            self._node = None
