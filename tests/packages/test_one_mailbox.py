"""Python, Node and the native daemon on one mailbox at once, under load: nothing is lost, nothing is there twice."""

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agents import Agent, Failed, Node, Python, interpreters

SECONDS = int(os.environ.get("AZALL_LOAD_SECONDS", "60"))
AZALL = os.environ.get("AZALL_BIN", "")

_found = interpreters()
PYTHON = next((one for one in _found if isinstance(one, Python)), None)
NODE = next((one for one in _found if isinstance(one, Node)), None)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def running(*words: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The native azall, ended well at the end."""
    with (folder / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen([AZALL, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (folder / f"{words[0]}.log").read_text()


def azall(folder: Path, *words: str) -> Any:  # noqa: ANN401  (a JSON document)
    """Runs one native command."""
    ran = subprocess.run(
        [AZALL, *words, "--json"], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran
    return json.loads(ran.stdout)


def work(agents: dict[str, Agent], writer: Path, address: str) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Keeps everybody busy; what each agent sent, what they remembered, and what the outside writer sent to them."""
    sent: dict[str, list[str]] = {name: [] for name in agents}
    remembered: list[str] = []
    written: list[str] = []
    deadline = time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < deadline:
        number += 1
        for name, agent in agents.items():
            kind = number % 4
            if kind == 0:
                agent.begin("inbox", {"all": True})
            elif kind == 1:
                agent.begin("remember", {"text": f"{name} {number}", "title": f"{name}-{number}"})
            else:
                agent.begin("send", {"to": "bob@localhost", "subject": f"{name} {number}", "body": "b" * 500})
        if number % 3 == 0:
            azall(writer, "send", "--to", address, "--subject", f"outside {number}", "--body", "hello")
            written.append(f"outside {number}")
        for name, agent in agents.items():
            gave = agent.finish()
            if number % 4 == 1:
                remembered.append(gave["title"])
            elif number % 4 > 1:
                assert gave["folder"] == "sent", gave
                sent[name].append(gave["subject"])
    return sent, remembered, written


@pytest.mark.skipif(not (AZALL and PYTHON and NODE), reason="needs AZALL_BIN, AZALL_PYTHON and AZALL_NODE_PACKAGE")
def test_three_hosts_on_one_mailbox(tmp_path: Path) -> None:
    """What was told as sent is at the recipient once; what others sent is in the inbox once; every memory is there."""
    assert PYTHON
    assert NODE
    port = free_port()
    server = f"http://127.0.0.1:{port}"
    data = tmp_path / "relay"
    serve = ["server", "--agenttalk", "--bind", "127.0.0.1", "--port", str(port), "--data-dir", str(data)]
    with running(*serve, folder=tmp_path):
        await_server(port)
        bob, writer = tmp_path / "bob", tmp_path / "writer"
        agents = {"python": PYTHON.start(tmp_path, "ada")}
        home = tmp_path / "ada"
        azall(home, "register", "--agent", "ada-of-three", "--server", server, "--yes")
        agents["python"].stop()
        writer.mkdir()
        azall(writer, "register", "--agent", "outside-writer", "--server", server)
        bob.mkdir()
        config = {"agent_name": "bob@localhost", "mailbox_dir": "../mailboxes"}
        (bob / "config.json").write_text(json.dumps(config))
        azall(bob, "address")
        address = azall(home, "address")
        relay_address = next(iter(address["relay_addresses"]), address["address"])
        with running("daemon", "--interval", "1", folder=home):
            agents = {"python": PYTHON.open(home, address["address"]), "node": NODE.open(home, address["address"])}
            try:
                sent, remembered, written = work(agents, writer, relay_address)
            except Failed as failed:
                pytest.fail(f"a call failed: {failed.code}: {failed}")
            finally:
                for agent in agents.values():
                    agent.stop()
        azall(home, "inbox", "--all")
        judge(home, bob, sent, remembered, written)


def await_server(port: int) -> None:
    """Waits until a server listens."""
    for _ in range(300):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the relay does not listen")


def judge(home: Path, bob: Path, sent: dict[str, list[str]], remembered: list[str], written: list[str]) -> None:
    """Compares what was told with what is there."""
    subjects = Counter(row["subject"] for row in azall(bob, "inbox", "--all")["messages"])
    told = Counter(subject for subjects in sent.values() for subject in subjects)
    assert all(sent.values())
    assert subjects == told, (subjects - told, told - subjects)
    got = Counter(row["subject"] for row in azall(home, "inbox", "--all", "--offline")["messages"])
    assert written
    assert got == Counter(written), (got - Counter(written), Counter(written) - got)
    memories = [memory["title"] for memory in azall(home, "recall", "-", "--limit", "100000")["memories"]]
    assert remembered
    assert set(remembered) <= set(memories), set(remembered) - set(memories)
    print(f"{sum(told.values())} sent, {len(written)} received, {len(remembered)} memories in {SECONDS} s")
