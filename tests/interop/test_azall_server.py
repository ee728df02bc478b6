"""The reference client, as it is, over azall's relay: plain and with TLS."""

import hashlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from agents import Agent
from conftest import Cast
from process import isolated_environment, run
from reference import Reference
from relay import Relay

BODIES = {
    "plain": "Hello.",
    "unicode": "Grüße, 世界 🌍 — \u202eabc\u202c",
    "lines": "one\n\ntwo\n---\nthree",
    "long": "x" * 50_000,
}


def _exchange(sender: Agent, receiver: Agent) -> None:
    for subject, body in BODIES.items():
        sender.send(receiver.address, subject, body).ok()
    receiver.sync()
    for subject, body in BODIES.items():
        message = receiver.received(subject)
        assert message.text == body, subject
        assert message.headers["From"] == sender.address


def test_two_references_write_to_each_other(at_azall: Cast) -> None:
    rita, rolf = at_azall.reference("rita"), at_azall.reference("rolf")
    _exchange(rita, rolf)
    _exchange(rolf, rita)
    assert len(rita.sync()) == len(BODIES), "nothing comes twice"


def test_the_reference_and_azall_write_to_each_other(at_azall: Cast) -> None:
    rita, anna = at_azall.reference("rita"), at_azall.azall("anna")
    _exchange(rita, anna)
    _exchange(anna, rita)


@pytest.mark.parametrize("kinds", [("reference", "reference"), ("reference", "azall"), ("azall", "reference")])
def test_attachments_pass(at_azall: Cast, tmp_path: Path, kinds: tuple[str, str]) -> None:
    make = {"reference": at_azall.reference, "azall": at_azall.azall}
    sender, receiver = make[kinds[0]]("sender"), make[kinds[1]]("receiver")
    binary = tmp_path / "data set (1).bin"
    binary.write_bytes(bytes(range(256)) + random.Random(1).randbytes(100_000))
    sender.send(receiver.address, "file", "See attached.", binary).ok()
    receiver.sync()
    got = receiver.received("file").attachments
    assert {name: hashlib.sha256(data).hexdigest() for name, data in got.items()} == {
        binary.name: hashlib.sha256(binary.read_bytes()).hexdigest()
    }


def test_a_message_that_is_too_large_or_for_nobody_is_not_called_sent(at_azall: Cast, tmp_path: Path) -> None:
    anna, rolf = at_azall.azall("anna"), at_azall.reference("rolf")
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(1 << 20))
    assert anna.send(rolf.address, "large", "See attached.", large).code == 1
    assert anna.send("nobody-at-all.agenttalk", "nobody", "Hello?").code == 1
    assert rolf.sync() == []
    assert anna.folder("sent") == []


def test_the_reference_registers_by_its_own_command(at_azall: Cast) -> None:
    rita, rolf = Reference(at_azall.root / "rita"), at_azall.reference("rolf")
    rita.extra_environment = at_azall.relay.trust
    rita.register(at_azall.fresh("rita"), at_azall.relay.port)
    rita.configure(agenttalk=rita.config["agenttalk"] | {"server": at_azall.relay.url})
    _exchange(rita, rolf)
    _exchange(rolf, rita)


def test_azall_registers_by_its_own_command(at_azall: Cast) -> None:
    anna, rita = at_azall.bare_azall("anna"), at_azall.reference("rita")
    anna.extra_environment = at_azall.relay.trust
    anna.run("register", "--agent", at_azall.fresh("anna"), "--server", at_azall.relay.url, "--yes").ok()
    _exchange(anna, rita)


TRANSPORT = """
import json, sys
from agentazall.transport_agenttalk import AgentTalkTransport
asked = json.load(sys.stdin)
transport = AgentTalkTransport(asked["config"])
answers = []
for name, arguments in asked["calls"]:
    answers.append(getattr(transport, name)(*[set() if one == "seen" else one for one in arguments]))
print(json.dumps(answers))
"""


def _call(relay: Relay, home: Path, name: str, token: str, *calls: tuple[str, list[Any]]) -> list[Any]:
    """Calls functions of the reference's own client for a relay."""
    config = {"agent_name": f"{name}.agenttalk", "agenttalk": {"server": relay.url, "token": token}}
    asked = json.dumps({"config": config, "calls": calls})
    ran = run([sys.executable, "-c", TRANSPORT], home, isolated_environment(home) | relay.trust, stdin=asked).ok()
    answers: list[Any] = json.loads(ran.stdout.splitlines()[-1])
    return answers


def test_the_functions_of_the_references_client_work(azall_relay: Relay, tmp_path: Path) -> None:
    rita, rolf = Cast.fresh("rita"), Cast.fresh("rolf")
    tokens = {name: azall_relay.register(name) for name in (rita, rolf)}
    sent, refused, healthy, (facts, trouble) = _call(
        azall_relay,
        tmp_path,
        rita,
        tokens[rita],
        ("send_message", [f"{rolf}.agenttalk", "a payload"]),
        ("send_message", ["nobody-at-all.agenttalk", "a payload"]),
        ("health_check", []),
        ("server_status", []),
    )
    assert sent[0] is True
    assert refused[0] is False
    assert healthy is True
    assert trouble is None
    assert facts["accounts_active"] >= len(tokens)
    (first, no_trouble), (again, _) = _call(
        azall_relay, tmp_path, rolf, tokens[rolf], ("fetch_messages", []), ("fetch_messages", [])
    )
    assert no_trouble is None
    assert [(one["from"], one["payload"]) for one in first] == [(f"{rita}.agenttalk", "a payload")]
    assert again == []
    (nothing, denied), *_ = _call(azall_relay, tmp_path, rolf, "no-token", ("fetch_messages", []))
    assert nothing == []
    assert denied
