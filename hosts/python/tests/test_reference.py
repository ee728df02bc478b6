"""The reference client as a peer, over one folder and on one machine. `AZALL_REFERENCE_PYTHON` names a Python that has it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import azall
from azall import Verdict


class Reference:
    """An agent who uses the reference client."""

    def __init__(self, program: Path, home: Path, name: str) -> None:
        home.mkdir(exist_ok=True)
        self._program = program
        self.config = home / "reference.json"
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AGENTAZALL_CONFIG": str(self.config)}
        self.run("setup", "--agent", name)
        config = json.loads(self.config.read_text())
        self.config.write_text(json.dumps(config | {"mailbox_dir": "../data/mailboxes"}))
        self.address = config["agent_name"]

    def run(self, *words: str) -> str:
        ran = subprocess.run(
            [str(self._program), *words],
            env=self._environment,
            cwd=self.config.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran
        return ran.stdout


@pytest.fixture
def rita(tmp_path: Path) -> Reference:
    python = os.environ.get("AZALL_REFERENCE_PYTHON")
    if not python:
        pytest.skip("AZALL_REFERENCE_PYTHON names no Python with the reference client")
    return Reference(Path(python).parent / "agentazall", tmp_path / "rita", "rita")


def test_mail_goes_both_ways(rita: Reference, pair: tuple[azall.Mailbox, azall.Mailbox]) -> None:
    ada = pair[0]
    # The reference signs once it has a key, and delivers into folders that are there.
    rita.run("crypto-identity")
    rita.run("whoami", "--set", "Rita.")
    ada.whoami("Ada.")
    sent = ada.send(rita.address, "from azall", "Hello, Rita.", attachments={"a.txt": b"abc"})
    assert sent.is_accepted
    assert "Hello, Rita." in rita.run("read", sent.id)
    rita.run("send", "--to", ada.address, "--subject", "from the reference", "--body", "Hello, Ada.")
    (summary,) = ada.inbox()
    message = ada.read(summary)
    assert (message.subject, message.text, message.verdict) == ("from the reference", "Hello, Ada.", Verdict.BODY_ONLY)
    service = azall.Service(ada, accept=lambda _: True, handler=lambda ticket: ticket.text.upper())
    rita.run("send", "--to", ada.address, "--subject", "shout", "--body", "louder")
    assert service.run_once() == 1
    assert "LOUDER" in rita.run("search", "LOUDER")


def test_tokens_of_one_are_good_for_the_other(rita: Reference, tmp_path: Path) -> None:
    rita.run("whoami", "--set", "Rita.")
    with azall.Mailbox.open(rita.config) as same:
        token = rita.run("trust-gen", "--quiet").strip()
        assert same.command("trust-verify", {"token": token})["valid"]
        own = same.trust.make_token(force=True)
        (tmp_path / "token").write_text(own.token)
        assert "valid" in rita.run("trust-verify", "--file", str(tmp_path / "token")).lower()
        assert same.trust.bind("olga", own.token).owner == "olga"
        assert "olga" in rita.run("trust-status")
