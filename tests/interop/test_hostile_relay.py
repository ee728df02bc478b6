"""Relays that answer amiss, too much or never, and a mailbox with strange files in it: through the real process."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from azall import Azall
from conftest import Cast
from hostile import (
    Answer,
    HostileRelay,
    as_json,
    bare,
    endless,
    hostile_relays,
    incoming,
    mail,
    messages,
    parts,
    raw,
)
from relay import running_relay

# A relay's answer may have 64 MiB; it is held in memory a few times over.
MOST_MEMORY_MIB = 400
GOOD = [incoming("1_g_1", mail("good", "Hello."))]
WHOLE = json.dumps({"messages": GOOD * 50}).encode()
PIECE = b"x" * 65536


@pytest.fixture
def anna(local: Cast) -> Azall:
    """An agent with an address on relays."""
    return Cast(local.root, domain=".agenttalk").azall("anna")


def _use(agent: Azall, *relays: HostileRelay) -> None:
    agent.configure(relays=[{"server": relay.url, "token": "t", "address": agent.address} for relay in relays])


def _subjects(agent: Azall) -> list[str]:
    return sorted(message.subject for message in agent.inbox())


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


ANSWERS: dict[str, Answer] = {
    "a login page": raw(b"<html>Sign in</html>" * 1000),
    "half a JSON": raw(WHOLE[:-30]),
    "200 MB, announced": parts((PIECE for _ in range(3200)), 200 << 20),
    "200 MB, not announced": endless(PIECE, 200 << 20),
    "brackets": raw(b'{"messages": ' + b"[" * 10_000_000),
    "endless headers": bare(b"HTTP/1.1 200 OK\r\n", *(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(2000))),
    "half a JSON, cut short of its length": bare(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", WHOLE[:-30]),
    "a body cut short": bare(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "no HTTP": bare(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "nothing": bare(),
    "elsewhere": as_json({}, 302, {"Location": "http://127.0.0.1:1/"}),
    "not now": as_json({"error": "later"}, 503),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_bad_answer_is_told_costs_little_and_keeps_nobody_out(anna: Azall, name: str) -> None:
    with hostile_relays(2) as [bad, good]:
        bad.on("GET", "/messages", ANSWERS[name])
        good.hand_out(GOOD)
        _use(anna, bad, good)
        ran = anna.run("inbox", timeout=60).ok()
    assert f"warning: {bad.url}" in ran.stderr, str(ran)
    assert _subjects(anna) == ["good"]
    assert ran.peak_rss_mib < MOST_MEMORY_MIB, str(ran)


def test_ten_megabytes_and_the_same_message_a_thousand_times(anna: Azall) -> None:
    text = "x" * (10 << 20)
    with hostile_relays(2) as [big, stubborn]:
        big.hand_out([incoming("1_b_1", mail("big", text))])
        stubborn.on("GET", "/messages", messages(GOOD * 1000))
        _use(anna, big, stubborn)
        ran = anna.run("inbox", timeout=60).ok()
    assert _subjects(anna) == ["big", "good"]
    assert anna.received("big").body == text
    assert ran.peak_rss_mib < MOST_MEMORY_MIB, str(ran)


def test_a_relay_that_never_answers_delays_neither_the_others_nor_the_end(anna: Azall) -> None:
    with hostile_relays(2) as [silent, good]:
        silent.on("GET", "/messages", silent.hang)
        good.hand_out(GOOD)
        _use(anna, silent, good)
        with anna.start("daemon") as daemon:
            _until(lambda: _subjects(anna) == ["good"])
            daemon.terminate()
            assert daemon.wait(60) == 0, "the relay would have kept it for two minutes"
    assert not (anna.mailbox / ".lock").exists()


@pytest.mark.parametrize("command", [["daemon"], ["daemon", "--interval", "3600"], ["inbox", "--watch"]])
def test_it_stops_when_told(anna: Azall, hostile: HostileRelay, command: list[str]) -> None:
    _use(anna, hostile)
    hostile.hand_out(GOOD)
    with anna.start(*command) as running:
        _until(lambda: _subjects(anna) == ["good"])
        running.terminate()
        assert running.wait(20) == 0


def test_two_daemons_send_each_message_once(anna: Azall, hostile: HostileRelay) -> None:
    _use(anna, hostile)
    outbox = anna.mailbox / time.strftime("%Y-%m-%d", time.gmtime()) / "outbox"
    outbox.mkdir(parents=True)
    for n in range(30):
        head = f"From: {anna.address}\nTo: bob.agenttalk\nSubject: n{n:02}\nMessage-ID: {n:012x}\nStatus: new\n"
        (outbox / f"{n:012x}.txt").write_text(f"{head}\n---\nHello.")
    with anna.start("daemon", "--interval", "1") as first, anna.start("daemon", "--interval", "1") as second:
        _until(lambda: len(anna.folder("sent")) == 30)
        for daemon in (first, second):
            daemon.terminate()
            assert daemon.wait(20) == 0
    assert sorted(payload["subject"] for payload in hostile.payloads()) == [f"n{n:02}" for n in range(30)]
    assert anna.folder("outbox") == []


def test_a_relay_that_is_killed_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    with running_relay(tmp_path / "relay") as relay:
        anna, otto = (Cast(tmp_path, relay).azall(name) for name in ("anna", "otto"))
        otto.send(anna.address, "before", "Hello.").ok()
        anna.run("inbox").ok()
        otto.send(anna.address, "at the relay", "Hello.").ok()
    ran = otto.send(anna.address, "between", "Hello.").ok()
    assert "queued" in ran.stdout, str(ran)
    ran = anna.run("daemon", "--once")
    assert ran.code == 1, str(ran)
    assert f"{relay.url} cannot be reached" in ran.stderr, str(ran)
    # It comes back on another port: where the old one is still being cleared away, it would not listen there.
    with running_relay(tmp_path / "relay") as back:
        for agent in (anna, otto):
            agent.use_relay(back.url, agent.config["agenttalk"]["token"])
        with otto.start("daemon", "--interval", "1"), anna.start("daemon", "--interval", "1"):
            _until(lambda: _subjects(anna) == ["at the relay", "before", "between"])
    assert {message.verdict for message in anna.listed()} == {"valid"}


def test_what_is_no_file_in_the_inbox_is_not_followed(anna: Azall) -> None:
    secret = anna.home / "secret.txt"
    secret.write_text("From: x\nSubject: secret\n\n---\nsecret")
    inbox = anna.mailbox / time.strftime("%Y-%m-%d", time.gmtime()) / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "linked.txt").symlink_to(secret)
    (inbox / "dangling.txt").symlink_to(anna.home / "nowhere")
    (inbox / "folder").symlink_to("/etc")
    os.mkfifo(inbox / "fifo.txt")
    (inbox / "noise.txt").write_bytes(bytes(range(256)) * 100)
    (inbox / "good.txt").write_text("From: x\nSubject: good\nMessage-ID: good\nStatus: new\n\n---\nHello.")
    for command in (["inbox"], ["inbox", "--offline"], ["search", "secret"]):
        ran = anna.run(*command).ok()
        assert "Subject" not in ran.stdout, str(ran)
    assert sorted(anna.damaged()) == ["dangling.txt", "fifo.txt", "linked.txt", "noise.txt"]
    assert [message.subject for message in anna.listed()] == ["good"]
    assert anna.run("read", "linked").code == 1
    assert anna.run("doctor").code == 1
