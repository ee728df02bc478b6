"""The first ten faults of the reference (PROTOCOL section 8), each shown not to be azall's."""

import base64
import json
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from azall import Azall, says
from conftest import Cast
from hostile import Answer, HostileRelay, as_json, hostile_relays, incoming, mail, messages, parts
from mailfile import read_message
from make_mailbox import senders
from relay import free_port
from trees import snapshot

MANY = 200


@pytest.fixture
def anna(local: Cast, hostile: HostileRelay) -> Azall:
    """An agent whose only relay is the hostile one."""
    anna = Cast(local.root, domain=".agenttalk").azall("anna")
    anna.use_relay(hostile.url)
    return anna


@pytest.fixture
def outbound(local: Cast) -> Cast:
    """Others, each in a folder of its own, whose mail leaves by a relay that a test reads."""
    return Cast(local.root / "others", domain=".agenttalk")


def _payload_from(sender: Azall, to: str, subject: str, *attachments: Path) -> dict[str, Any]:
    """What a relay is given when this agent sends."""
    with hostile_relays(1) as [relay]:
        sender.use_relay(relay.url)
        sender.send(to, subject, f"Body of {subject}.", *attachments).ok()
        [payload] = relay.payloads()
        return payload


def _batch(count: int) -> list[dict[str, Any]]:
    people = senders(count)
    return [
        incoming(f"{n:013}_s_{n:08x}", mail(f"n{n}", person.sign(f"Body {n}")), sender=f"s{n}")
        for n, person in enumerate(people)
    ]


def _subjects(agent: Azall) -> list[str]:
    return sorted(message.subject for message in agent.inbox())


# 1. A crash between GET /messages and the write to disk loses the messages.


@pytest.mark.parametrize("stored", [1, 2, 20, MANY // 2, MANY])
def test_1_killed_while_storing_every_message_is_there_once(anna: Azall, hostile: HostileRelay, stored: int) -> None:
    hostile.hand_out(_batch(MANY))
    with anna.start("inbox") as fetching:
        deadline = time.monotonic() + 20
        while fetching.running() and time.monotonic() < deadline:
            if sum(1 for _ in anna.mailbox.glob("????-??-??/inbox/*.txt")) >= stored:
                break
        fetching.kill()
    anna.run("inbox", timeout=60).ok()
    assert _subjects(anna) == sorted(f"n{n}" for n in range(MANY))
    assert anna.damaged() == []
    assert len(anna.keyring) == MANY


def test_1_killed_in_the_middle_of_the_answer_leaves_nothing_half(anna: Azall, hostile: HostileRelay) -> None:
    answer = json.dumps({"messages": _batch(MANY)}).encode()
    half = len(answer) // 2
    hostile.on("GET", "/messages", _stalled(hostile, answer[:half], len(answer)), messages(_batch(MANY)), messages([]))
    with anna.start("inbox") as fetching:
        _until(lambda: any(request.path == "/messages" for request in hostile.requests))
        time.sleep(0.2)
        fetching.kill()
    assert anna.inbox() == []
    anna.run("inbox", timeout=60).ok()
    assert _subjects(anna) == sorted(f"n{n}" for n in range(MANY))


def test_1_an_answer_cut_short_is_no_answer(anna: Azall, hostile: HostileRelay) -> None:
    answer = json.dumps({"messages": _batch(3)}).encode()
    hostile.on("GET", "/messages", parts([answer[:-10]], len(answer)), messages(_batch(3)), messages([]))
    anna.run("inbox")
    anna.run("inbox").ok()
    assert _subjects(anna) == ["n0", "n1", "n2"]


# 2. The id from a relay and an attachment's name are used as file names.

BAD_NAMES = [
    "../../escaped",
    "../../../../../../../../tmp/azall-escaped",
    "/tmp/azall-escaped",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "nul\0byte",
    "x" * 5000,
    "new\nline",
    "\x1b[31mred",
    ".keyring.json",
    "CON",
    "a\u202etxt.exe",
]


def test_2_ids_do_not_become_paths(anna: Azall, hostile: HostileRelay) -> None:
    hostile.hand_out([incoming(name, mail(f"n{n}", "Hello.")) for n, name in enumerate(BAD_NAMES)])
    before = _outside(anna)
    anna.run("inbox").ok()
    assert _outside(anna) == before
    assert not Path("/tmp/azall-escaped.txt").exists()
    assert _subjects(anna) == sorted(f"n{n}" for n in range(len(BAD_NAMES)))
    assert all(message.path.parent.name == "inbox" for message in anna.inbox())


def test_2_attachments_stay_in_their_folder(anna: Azall, hostile: HostileRelay) -> None:
    data = base64.b64encode(b"escaped").decode()
    attached = [{"name": name, "data": data} for name in BAD_NAMES]
    hostile.hand_out([incoming("1_s_1", {"subject": "n", "body": "Hello.", "from": "m", "attachments": attached})])
    before = _outside(anna)
    anna.run("inbox").ok()
    assert _outside(anna) == before
    assert not Path("/tmp/azall-escaped").exists()
    got = anna.received("n").attachments
    assert len(got) == len(BAD_NAMES)
    assert set(got.values()) == {b"escaped"}


# 3. A message that comes twice is stored twice.


def test_3_one_message_by_two_relays_is_stored_once(anna: Azall, outbound: Cast) -> None:
    payload = _payload_from(outbound.azall("otto"), anna.address, "twice")
    with hostile_relays(2) as relays:
        for number, relay in enumerate(relays):
            relay.hand_out([incoming(f"{number}_otto_{number}", payload, sender="otto")])
        anna.configure(relays=[{"server": relay.url, "token": "t", "address": anna.address} for relay in relays])
        anna.run("inbox").ok()
    assert _subjects(anna) == ["twice"]


def test_3_the_same_answer_again_is_stored_once(anna: Azall, hostile: HostileRelay) -> None:
    hostile.hand_out(_batch(5), _batch(5), _batch(5)[::-1])
    for _ in range(3):
        anna.run("inbox").ok()
    assert _subjects(anna) == [f"n{n}" for n in range(5)]


def test_3_nobody_keeps_a_message_out_by_taking_its_id(anna: Azall, hostile: HostileRelay, outbound: Cast) -> None:
    payload = _payload_from(outbound.azall("otto"), anna.address, "genuine")
    signed_id = next(line for line in payload["body"].splitlines() if line.startswith("Message-ID: ")).split()[1]
    squatter = incoming(signed_id, mail("squatter", "First!", sender="otto.agenttalk"), sender="otto.agenttalk")
    hostile.hand_out([squatter], [incoming("1_otto_1", payload, sender="otto")])
    for _ in range(2):
        anna.run("inbox").ok()
    assert _subjects(anna) == ["genuine", "squatter"]


# 4. The signature binds neither sender, recipient, subject nor attachments.


def test_4_what_is_signed_wins_over_what_the_relay_says(anna: Azall, hostile: HostileRelay, outbound: Cast) -> None:
    otto = outbound.azall("otto")
    payload = _payload_from(otto, anna.address, "the true subject")
    replay = payload | {"from": "boss.agenttalk", "subject": "a false subject"}
    hostile.hand_out([incoming("1_boss_1", replay, sender="boss")])
    anna.run("inbox").ok()
    message = anna.received("the true subject")
    assert message.sender == otto.address
    assert "boss" in message.headers["Via"]
    assert anna.verdict_on("the true subject") == "valid"


def test_4_a_body_signed_in_version_1_proves_no_sender(anna: Azall, hostile: HostileRelay) -> None:
    [person] = senders(1)
    replay = mail("replayed", person.sign("I agree."), sender="boss.agenttalk")
    hostile.hand_out([incoming("1_boss_1", replay, sender="boss.agenttalk")])
    anna.run("inbox").ok()
    assert anna.verdict_on("replayed") == "body-only"


def test_4_changed_attachments_are_noticed(anna: Azall, hostile: HostileRelay, outbound: Cast) -> None:
    contract = outbound.root / "contract.txt"
    contract.parent.mkdir(exist_ok=True)
    contract.write_text("100 euro")
    payload = _payload_from(outbound.azall("otto"), anna.address, "contract", contract)
    [attached] = payload["attachments"]
    swapped = payload | {"attachments": [attached | {"data": base64.b64encode(b"999 euro").decode()}]}
    removed = payload | {"attachments": []}
    for number, changed in enumerate((swapped, removed)):
        hostile.hand_out([incoming(f"{number}_otto_1", changed, sender="otto")])
        anna.run("inbox").ok()
    assert {message.verdict for message in anna.listed()} == {"invalid"}


def test_4_a_message_for_somebody_else_is_marked(anna: Azall, hostile: HostileRelay, outbound: Cast) -> None:
    payload = _payload_from(outbound.azall("otto"), "carla.agenttalk", "for carla")
    hostile.hand_out([incoming("1_otto_1", payload, sender="otto")])
    anna.run("inbox").ok()
    assert anna.the_one_listed("for carla").misaddressed


# 5. A changed key for a known address goes unnoticed.


def _two_ottos(anna: Azall, hostile: HostileRelay, outbound: Cast, policy: str) -> None:
    anna.configure(on_key_change=policy)
    first = outbound.azall("otto")
    second = Cast(outbound.root / "impostor", domain=".agenttalk").azall("otto")
    assert first.address == second.address
    for number, otto in enumerate((first, second)):
        payload = _payload_from(otto, anna.address, f"by key {number}")
        hostile.hand_out([incoming(f"{number}_otto_1", payload, sender="otto")])
        anna.run("inbox").ok()


def test_5_a_changed_key_is_held_where_policy_says_so(anna: Azall, hostile: HostileRelay, outbound: Cast) -> None:
    _two_ottos(anna, hostile, outbound, "hold")
    assert _subjects(anna) == ["by key 0"]
    [held] = anna.held()
    assert (held.subject, held.peer) == ("by key 1", "key-changed")
    anna.run("held", "release", held.id).ok()
    assert _subjects(anna) == ["by key 0", "by key 1"]


def test_5_a_changed_key_is_told_where_policy_accepts_it(anna: Azall, hostile: HostileRelay, outbound: Cast) -> None:
    _two_ottos(anna, hostile, outbound, "accept")
    assert anna.the_one_listed("by key 1").peer == "key-changed"


# 6. Files are written in place; two processes on one mailbox overwrite each other.


def test_6_processes_on_one_mailbox_lose_nothing(anna: Azall, hostile: HostileRelay) -> None:
    batch = _batch(8)
    hostile.hand_out(*[[message] for message in batch])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: anna.run("inbox", timeout=60).ok(), range(8)))
    anna.run("inbox").ok()
    assert _subjects(anna) == [f"n{n}" for n in range(8)]
    assert len(anna.keyring) == 8
    seen = (anna.mailbox / ".seen_ids").read_text().splitlines()
    assert {message["id"] for message in batch} <= set(seen)


def test_6_killed_at_any_moment_every_file_is_whole(anna: Azall, hostile: HostileRelay) -> None:
    anna.run("filter", "--block", "nobody").ok()
    batches = [_batch(40)[4 * n : 4 * n + 4] for n in range(10)]
    hostile.hand_out(*batches)
    for number in range(10):
        with anna.start("inbox") as fetching, anna.start("filter", "--block", f"spam{number}") as filtering:
            time.sleep(0.004 * number)
            fetching.kill()
            filtering.kill()
        assert anna.config["agent_name"] == anna.address
        for path in (anna.mailbox / ".keyring.json", anna.mailbox / ".identity_key"):
            assert not path.exists() or json.loads(path.read_text())
        for message in anna.inbox():
            assert "END AGENTAZALL SIGNATURE" in message.body, message.path
    anna.run("inbox", timeout=60).ok()
    assert anna.damaged() == []


# 7. Secrets are written world-readable.


def test_7_secrets_are_private(anna: Azall, hostile: HostileRelay) -> None:
    hostile.hand_out(_batch(1))
    anna.run("inbox").ok()
    anna.run("filter", "--block", "nobody").ok()
    anna.run("trust-bind-local", "--owner", "gregor@localhost").ok()
    secrets = [anna.config_path]
    secrets += [anna.mailbox / name for name in (".identity_key", ".agent_key", ".trust", ".keyring.json")]
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in secrets} == {
        path.name: "0o600" for path in secrets
    }


# 8. Header values are not checked for line breaks.


@pytest.mark.parametrize("injected", ["x\nBcc: evil", "x\rBcc: evil", "x\u2028Bcc: evil", "x\x0bBcc: evil"])
def test_8_a_subject_cannot_add_a_header_when_sent(local: Cast, injected: str) -> None:
    rita, anna = local.neighbours()
    ran = anna.send(rita.address, injected, "Hello.")
    assert ran.code == 2, str(ran)
    assert "subject" in ran.text
    assert rita.inbox() == []


def test_8_a_relay_cannot_add_a_header(anna: Azall, hostile: HostileRelay) -> None:
    evil = "x\nStatus: read\nVerdict: valid\r\nFrom: boss.agenttalk\n\n---\nfake body"
    payload = {"subject": evil, "body": "Hello.", "from": evil, "attachments": [{"name": evil, "data": ""}]}
    hostile.hand_out([incoming(evil, payload, sender=evil, to=evil, when=evil)])
    anna.run("inbox").ok()
    [message] = anna.inbox()
    assert message.headers["Status"] == "new"
    assert message.body == "Hello."
    [listed] = anna.listed()
    assert listed.verdict == "unsigned"
    assert listed.sender != "boss.agenttalk"


def test_8_local_headers_from_outside_are_dropped(anna: Azall, hostile: HostileRelay) -> None:
    hostile.hand_out([incoming("1_s_1", mail("plain", "Verdict: valid\nHello."))])
    anna.run("inbox").ok()
    path = anna.received("plain").path
    path.write_text(path.read_text().replace("Verdict: unsigned", "Verdict: valid"))
    assert anna.verdict_on("plain") == "unsigned"


# 9. "Delivered." is printed whether or not it was.


def test_9_a_recipient_that_the_relay_does_not_know_is_a_failure(anna: Azall, hostile: HostileRelay) -> None:
    hostile.on("POST", "/send", as_json({"error": "Recipient 'nosuch' not found"}, 404))
    ran = anna.send("nosuch.agenttalk", "lost", "Hello?")
    assert ran.code == 1, str(ran)
    assert says(ran, "not found"), str(ran)
    assert not says(ran, "delivered."), str(ran)
    assert anna.folder("sent") == []
    assert [message.subject for message in anna.folder("failed")] == ["lost"]


REFUSALS: dict[str, Answer] = {
    "500": as_json({"error": "out of order"}, 500),
    "507": as_json({"error": "inbox full"}, 507),
    "429": as_json({"error": "slow down"}, 429, {"Retry-After": "60"}),
    "200 without sense": as_json(["?"]),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_9_a_relay_that_does_not_take_it_now_leaves_it_queued(anna: Azall, hostile: HostileRelay, refusal: str) -> None:
    hostile.on("POST", "/send", REFUSALS[refusal])
    ran = anna.send("bob.agenttalk", "later", "Hello?")
    assert says(ran, "queued"), str(ran)
    assert not says(ran, "delivered."), str(ran)
    assert [message.subject for message in anna.folder("outbox")] == ["later"]
    assert anna.folder("sent") == []


def test_9_a_relay_that_is_not_there_leaves_it_queued_until_it_is(anna: Azall, hostile: HostileRelay) -> None:
    anna.use_relay(f"http://127.0.0.1:{free_port()}")
    ran = anna.send("bob.agenttalk", "later", "Hello?")
    assert says(ran, "queued"), str(ran)
    assert [message.subject for message in anna.folder("outbox")] == ["later"]
    anna.use_relay(hostile.url)
    deadline = time.monotonic() + 30
    while anna.folder("outbox") and time.monotonic() < deadline:
        anna.run("inbox").ok()
        time.sleep(0.5)
    assert [message.subject for message in anna.folder("sent")] == ["later"]
    assert [payload["subject"] for payload in hostile.payloads()] == ["later"]


# 10. A failed transport counts as success when none is configured.


@pytest.mark.parametrize("recipient", ["bob@example.org", "bob.agenttalk"])
def test_10_without_any_transport_a_message_waits(local: Cast, recipient: str) -> None:
    anna = local.azall("anna")
    ran = anna.send(recipient, "waiting", "Hello?")
    assert not says(ran, "delivered."), str(ran)
    assert recipient in ran.text
    anna.run("inbox")
    assert [message.subject for message in anna.folder("outbox")] == ["waiting"]
    assert anna.folder("sent") == []


def test_10_one_of_two_recipients_is_not_both(local: Cast) -> None:
    rita, anna = local.neighbours()
    anna.send(f"{rita.address},bob@example.org", "half", "Hello?")
    assert rita.received("half").text == "Hello?"
    assert [message.subject for message in anna.folder("outbox")] == ["half"]
    assert anna.folder("sent") == []
    anna.run("inbox")
    assert len(rita.inbox()) == 1, "the first recipient got it again"


def _outside(agent: Azall) -> dict[str, bytes]:
    """Every file around a mailbox, but not in it."""
    inside = str(agent.mailbox.relative_to(agent.home.parent))
    around = snapshot(agent.home.parent)
    return {path: data for path, data in around.items() if not path.startswith(f"{inside}/")}


def _stalled(hostile: HostileRelay, begin: bytes, length: int) -> Answer:
    """The beginning of an answer, then nothing until the relay is closed."""

    def chunks() -> Iterator[bytes]:
        yield begin
        hostile.closing.wait(30)

    return parts(chunks(), length)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def test_the_snapshot_of_what_lies_outside_sees_an_escape(anna: Azall) -> None:
    before = _outside(anna)
    escaped = anna.home / "escaped.txt"
    escaped.write_text("From: x\n\n---\n")
    assert _outside(anna) != before
    assert read_message(escaped).sender == "x"
