"""The compiled core under hostile hands: wrong answers, many threads, data that is none."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import azall
from azall import _core
from azall._requests import Request


def opening() -> _core.Op:
    return _core.Op.open("config.json", "/a/config.json")


def effect_of(op: _core.Op) -> dict[str, Any]:
    step = op.poll(0)
    assert step["step"] == "effect"
    return step


def test_effects_are_asked_for_as_data() -> None:
    op = opening()
    step = effect_of(op)
    assert step["kind"] == "ReadFile"
    effect = op.effect(step["id"])
    assert effect["kind"] == "ReadFile"
    assert effect["place"] == {"root": "config", "path": "config.json"}
    with pytest.raises(azall.Error):
        op.effect(step["id"] + 1)


def test_wrong_answers_are_refused_and_the_effect_still_waits() -> None:
    op = opening()
    number = effect_of(op)["id"]
    deep: Any = None
    for _ in range(100_000):
        deep = {"Ok": deep}
    wrong: list[Any] = [
        {},
        {"Ok": 7},
        {"Err": {"kind": "bored", "message": ""}},
        None,
        7,
        "\ud800",
        deep,
        {"Ok": 1 << 200},
    ]
    for answer in wrong:
        with pytest.raises(azall.Error):
            op.resume(number, answer)
    with pytest.raises(azall.Error):
        op.resume(number + 1, {"Ok": b""})
    with pytest.raises((OverflowError, TypeError)):
        op.resume(-1, {"Ok": b""})
    op.resume(number, {"Ok": b"no config"})
    with pytest.raises(azall.Error):
        op.resume(number, {"Ok": b""})
    with pytest.raises(azall.ConfigError):
        op.poll(0)
    with pytest.raises(azall.Error):
        op.take_config()


def test_bytes_come_in_every_form() -> None:
    for content in (b"no", bytearray(b"no"), memoryview(b"no")):
        op = opening()
        op.resume(effect_of(op)["id"], {"Ok": content})
        with pytest.raises(azall.ConfigError):
            op.poll(0)


def anything(chance: random.Random, depth: int = 0) -> Any:  # noqa: ANN401  (that is what it makes)
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: chance.choice([True, False]),
        lambda: chance.choice([0, -1, 2**31, -(2**63), 2**64 - 1, 2**64, -(2**65), 2**127, 10**400]),
        lambda: chance.choice([0.0, -1.5, float("nan"), float("inf")]),
        lambda: chance.choice(["", "\0", "\ud83d", "🕊️", "inbox", "../x", "a" * 5000]),
        lambda: chance.randbytes(chance.randrange(40)),
        object,
        lambda: {1, 2},
        lambda: [anything(chance, depth + 1) for _ in range(chance.randrange(4))],
        lambda: {
            chance.choice(["command", "arguments", "Ok", "Err", "kind", "message", "to", "body", "", 3]): anything(
                chance, depth + 1
            )
            for _ in range(chance.randrange(4))
        },
    ]
    return chance.choice(kinds[:8] if depth > 6 else kinds)()


def test_whatever_comes_is_an_error_or_a_value(mailbox: azall.Mailbox) -> None:
    chance = random.Random(20260311)
    names = [
        "send",
        "read",
        "inbox",
        "search",
        "remember",
        "filter",
        "keyring",
        "trust-verify",
        "verify",
        "note",
        "held",
    ]
    config = mailbox._session.open()
    refused = 0
    for _ in range(4000):
        data = chance.choice([anything(chance), {"command": chance.choice(names), "arguments": anything(chance)}])
        calls: list[Callable[[Any], object]] = [
            lambda data: _core.Op.command(data, config),
            lambda data: _core.verify_body(data),
            lambda data: _core.format_message(data),
            lambda data: _core.accepts(data, "a@x"),
            lambda data: _core.check_token("x", data),
            lambda data: _core.day_index(data),
            lambda data: _core.fingerprint_of(data),
            lambda data: _core.parse_message(data),
            lambda data: opening().resume(1, data),
            lambda data: _core.event_line(data, False, False, False),
        ]
        try:
            chance.choice(calls)(data)
        except (azall.Error, TypeError):
            refused += 1
    assert refused > 1000


def test_hostile_files_are_parsed_and_verified() -> None:
    chance = random.Random(1)
    identity = _core.Identity.from_seed(bytes(32))
    signed = f"From: a@x\nMessage-ID: abc\n\n---\n{_core.sign_body(identity, 'text')}".encode()
    assert _core.verify(signed)["verdict"] == "body-only"
    for _ in range(2000):
        changed = bytearray(signed)
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(changed))
            changed[place : place + chance.randrange(20)] = chance.randbytes(chance.randrange(20))
        assert _core.verify(bytes(changed))["verdict"] in ("body-only", "invalid", "unsigned", "unknown-key")
        _core.parse_message(bytes(changed))


def test_threads_share_an_operation_and_a_keyring() -> None:
    op = opening()
    steps: list[str] = []
    keyring = _core.Keyring()
    seen = _core.SeenIds()
    key = _core.Identity.from_seed(bytes(32)).public_key

    def work(number: int) -> None:
        for turn in range(50):
            steps.append(op.poll(0)["step"])
            keyring.observe(f"a{number}@x", key, used_envelope2=bool(turn % 2), unix_ms=turn)
            keyring.entries()
            seen.insert("transport", f"{number}-{turn}", "")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (steps.count("effect"), steps.count("wait")) == (1, 399)
    assert len(keyring.entries()[0]["addresses"]) == 8
    assert len(seen) == 400
    assert len(_core.SeenIds(seen.to_file())) == 400


def test_other_threads_run_while_the_core_works() -> None:
    """The interpreter's lock is released: a thread goes on counting during one long call."""
    big = ("From: a@x\n\n---\n" + _core.sign_body(_core.Identity.from_seed(bytes(32)), "line\n" * 6_000_000)).encode()
    counted = 0
    is_done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not is_done.is_set():
            counted += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted
    _core.verify(big)
    during = counted - before
    is_done.set()
    thread.join()
    # Converting the answer needs the lock; verifying 30 MB does not.
    assert during > 100


def test_a_keyring_survives_its_file() -> None:
    keyring = _core.Keyring()
    identity = _core.Identity.from_seed(bytes(32))
    assert keyring.observe("a@x", identity.public_key, used_envelope2=True, unix_ms=0) == "first-seen"
    assert keyring.observe("a@x", identity.public_key_b64, used_envelope2=True, unix_ms=1) == "known"
    again = _core.Keyring(keyring.to_file())
    assert again.observe("a@x", identity.public_key, used_envelope2=False, unix_ms=2) == "downgraded"
    other = _core.Identity.from_seed(bytes([1]) * 32)
    assert again.observe("a@x", other.public_key, used_envelope2=False, unix_ms=3) == "key-changed"
    assert again.trust(other.fingerprint)
    assert again.forget(other.fingerprint)
    assert not again.forget(other.fingerprint)
    with pytest.raises(azall.ConfigError):
        _core.Keyring(b"[]")


def test_what_was_seen_is_saved_as_the_file_needs_it() -> None:
    seen = _core.SeenIds(b"one\n")
    assert seen.unsaved() is None
    assert seen.insert("transport", "two", "")
    assert not seen.insert("transport", "two", "")
    assert seen.contains("transport", "one", "")
    assert seen.unsaved() == (True, "two\n")
    seen.mark_saved()
    assert seen.unsaved() is None
    with pytest.raises(azall.ArgumentError):
        seen.insert("smoke", "x", "")


def test_signed_messages_prove_their_headers() -> None:
    identity = _core.Identity.from_seed(bytes(32))
    headers = {
        "from": "a@x",
        "to": ["b@x"],
        "subject": "s",
        "date": "2026-03-11 14:23:55",
        "message_id": "abcdef123456",
    }
    body = _core.sign_message(identity, headers, "text")
    file = _core.format_message({**headers, "to": "b@x", "body": body}).encode()
    proof = azall.protocol.verify(file)
    assert (proof.verdict, proof.headers and proof.headers["From"]) == (azall.Verdict.VALID, "a@x")
    assert azall.protocol.verify(file.replace(b"From: a@x", b"From: e@x")).verdict is azall.Verdict.INVALID
    documented = _core.sign_documented(identity, {"from": "a@x", "to": ["b@x"], "date": "d"}, "text")
    assert azall.protocol.verify_text(documented).verdict is azall.Verdict.UNKNOWN_KEY
    known = {identity.fingerprint: identity.public_key}
    assert azall.protocol.verify_text(documented, known=known).verdict is azall.Verdict.VALID


def test_rows_are_made_of_the_fields_that_are_asked_for(mailbox: azall.Mailbox) -> None:
    for name, text in (("b", "two"), ("a", "three")):
        mailbox.note(name, text)

    def notes(tables: Any) -> Any:  # noqa: ANN401  (what it is asked with is the test)
        command = {"command": "notes", "arguments": {"date": None}}
        return mailbox._session.command(Request(command, lambda document: document, tables))["outcome"]

    plain = notes(())
    assert [(note["name"], note["size"]) for note in plain["notes"]] == [("a", 5), ("b", 3)]
    asked = notes((("notes", ("size", "no such", "name"), list), ("date", ("x",), print), ("none", (), print)))
    assert asked["notes"] == [(5, None, "a"), (3, None, "b")]
    assert {name: value for name, value in asked.items() if name != "notes"} == {
        name: value for name, value in plain.items() if name != "notes"
    }
    assert notes((("notes", (), list),))["notes"] == []
    with pytest.raises(ZeroDivisionError):
        notes((("notes", ("size",), lambda rows: next(rows)[0] / 0),))
    with pytest.raises(TypeError):
        notes((("notes", (7,), print),))
