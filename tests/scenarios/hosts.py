"""The hosts that scenarios run through: each takes a command line, a folder and an input, and gives back what came out."""

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

    def close(self) -> None:
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
    """`azall.wasm` in Node's WASI: one process that runs each command in a fresh instance."""

    def __init__(self, module: Path) -> None:
        """Starts Node, which compiles the module once."""
        script = Path(__file__).with_name("node_wasi.mjs")
        self._node = subprocess.Popen(
            ["node", "--no-warnings", str(script), str(module)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words: Sequence[str], root: Path, folder: str, stdin: bytes, env: Mapping[str, str]) -> Ran:
        """Asks the process to run it."""
        assert self._node.stdin is not None, "it was started with a pipe"
        assert self._node.stdout is not None, "it was started with a pipe"
        request = {
            "words": list(words),
            "root": str(root),
            "folder": str((root / folder).resolve()),
            "stdin": stdin.hex(),
            "env": isolated(env) | {"AZALL_MACHINE_FACTS": "some|machine"},
        }
        self._node.stdin.write(json.dumps(request) + "\n")
        self._node.stdin.flush()
        answer = json.loads(self._node.stdout.readline())
        return Ran(int(answer["code"]), bytes.fromhex(answer["stdout"]), bytes.fromhex(answer["stderr"]))

    def close(self) -> None:
        """Ends it."""
        assert self._node.stdin is not None, "it was started with a pipe"
        self._node.stdin.close()
        self._node.wait(timeout=10)
