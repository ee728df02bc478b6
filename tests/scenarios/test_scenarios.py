"""Every scenario through every host: the same output, the same exit codes, the same files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts import Host, Native, Node, NodeWasi, Python, Sandbox
from play import play
from scenario import all_cases, parse


def _hosts() -> dict[str, Host]:
    hosts: dict[str, Host] = {}
    if module := os.environ.get("AZALL_WASM"):
        hosts["node-wasi"] = NodeWasi(Path(module))
        if sandbox := os.environ.get("AZALL_SANDBOX"):
            hosts["sandbox"] = Sandbox(sandbox, Path(module))
    if interpreter := os.environ.get("AZALL_PYTHON"):
        hosts["python"] = Python(interpreter)
    if script := os.environ.get("AZALL_NODE"):
        package = Path(script).resolve().parent.parent
        # A package holds the addon of the machine that built it, the WebAssembly build, or both.
        for core in ("native", "wasm"):
            if (package / core).is_dir():
                hosts[f"node-{core}"] = Node(Path(script), core)
    return hosts


@pytest.fixture(scope="session")
def others() -> Iterator[dict[str, Host]]:
    """The hosts that must do as the native one does."""
    hosts = _hosts()
    yield hosts
    for host in hosts.values():
        host.close()


@pytest.mark.parametrize("case", all_cases(), ids=lambda path: path.stem)
def test_hosts_agree(case: Path, tmp_path: Path, others: dict[str, Host]) -> None:
    """A scenario does what it says on the native host, and the same everywhere else."""
    steps = parse(case)
    (tmp_path / "native").mkdir()
    expected = play(steps, Native([os.environ["AZALL_BIN"]]), tmp_path / "native")
    for name, host in others.items():
        (tmp_path / name).mkdir()
        assert play(steps, host, tmp_path / name) == expected, name
