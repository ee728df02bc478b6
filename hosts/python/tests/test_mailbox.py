"""The plain mailbox."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import azall
from azall import DeliveryState, Folder, Peer, Verdict


def test_it_is_found_as_the_command_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert azall.Mailbox.open().config_path == str(tmp_path / "config.json")
    (tmp_path / "root").mkdir()
    monkeypatch.setenv("AGENTAZALL_ROOT", str(tmp_path / "root"))
    assert azall.Mailbox.open().config_path == str(tmp_path / "root/config.json")
    monkeypatch.setenv("AGENTAZALL_CONFIG", "other.json")
    assert azall.Mailbox.open().config_path == str(tmp_path / "other.json")
    first = azall.Mailbox.open(tmp_path).address
    monkeypatch.setenv("AGENTAZALL_AGENT", "eve@localhost")
    assert azall.Mailbox.open(tmp_path).address == "eve@localhost"
    assert azall.Mailbox.open(tmp_path / "config.json", agent="ann@localhost").address == "ann@localhost"
    monkeypatch.delenv("AGENTAZALL_AGENT")
    assert azall.Mailbox.open(tmp_path).address == first
    (tmp_path / "new").mkdir()
    assert azall.Mailbox.open(tmp_path / "new", agent="ann@localhost").address == "ann@localhost"
    assert azall.Mailbox.open(tmp_path / "new").address == "ann@localhost"


def test_a_message_and_its_answer(pair: tuple[azall.Mailbox, azall.Mailbox], tmp_path: Path) -> None:
    ada, bob = pair
    (tmp_path / "list.txt").write_text("eggs")
    sent = ada.send("bob@localhost", "Groceries", "Milk.", attachments=[tmp_path / "list.txt", ("more.bin", b"\0\1")])
    assert (sent.is_accepted, sent.folder, sent.recipients[0].state) == (True, Folder.SENT, DeliveryState.ACCEPTED)
    listed = bob.inbox()
    assert (listed.unread, len(listed)) == (1, 1)
    summary = listed.messages[0]
    assert (summary.from_, summary.attachments) == ("ada@localhost", ("list.txt", "more.bin"))
    assert (summary.verdict, summary.peer, summary.unread) == (Verdict.VALID, Peer.FIRST_SEEN, True)
    message = bob.read(summary)
    assert (message.text, message.is_proven, message.raw) == ("Milk.", True, None)
    assert {item.name: item.read_bytes() for item in message.attachments} == {"list.txt": b"eggs", "more.bin": b"\0\1"}
    assert bob.inbox(unread=True).messages == ()
    assert bob.reply(message, "Bought.").is_accepted
    answer = ada.read(ada.inbox().messages[0])
    assert answer.in_reply_to == message.id
    assert answer.text.startswith("Bought.\n\n--- Original from ada@localhost")
    found = ada.search("bought", from_="bob", since=datetime.date.today() - datetime.timedelta(1))
    assert [match.id for match in found] == [answer.id]


def test_attachments_are_saved_and_never_replaced(mailbox: azall.Mailbox, tmp_path: Path) -> None:
    sent = mailbox.send(mailbox.address, "s", "b", attachments={"a.txt": b"abc"})
    attachment = mailbox.read(sent.id).attachments[0]
    (tmp_path / "out").mkdir()
    assert attachment.save(tmp_path / "out") == tmp_path / "out/a.txt"
    with pytest.raises(FileExistsError):
        attachment.save(tmp_path / "out")
    with pytest.raises(ValueError, match="larger than 2"):
        attachment.read_bytes(limit=2)
    assert attachment.path is not None
    os.remove(attachment.path)
    os.symlink("/etc/passwd", attachment.path)
    with pytest.raises(OSError, match="symbolic"):
        attachment.read_bytes()


def test_memories_notes_and_what_one_is(mailbox: azall.Mailbox) -> None:
    assert (mailbox.whoami(), mailbox.doing()) == (None, None)
    assert mailbox.whoami("A reader.") == mailbox.whoami() == "A reader."
    assert mailbox.doing("Reading.") == "Reading."
    assert mailbox.doing(append="Writing.") == "Reading.\nWriting."
    assert mailbox.note("plan", "one") == "one"
    assert mailbox.note("plan", append="two") == "one\ntwo"
    assert [note.name for note in mailbox.notes()] == ["plan"]
    with pytest.raises(azall.NotFoundError):
        mailbox.note("none")
    assert mailbox.remember("OAuth2", title="api").appended is False
    assert mailbox.remember("and a key", title="api").appended is True
    assert [memory.title for memory in mailbox.recall("oauth")] == ["api"]
    assert "api" in (mailbox.recall().index or "")


def test_filter_keyring_and_trust(pair: tuple[azall.Mailbox, azall.Mailbox]) -> None:
    ada, bob = pair
    assert bob.filter.block("ada@*").blacklist == ("ada@*",)
    ada.send("bob@localhost", "s", "b")
    assert len(bob.inbox()) == 0
    assert bob.filter.unblock("ada@*").blacklist == ()
    assert bob.filter.allow("ada@*").whitelist == ("ada@*",)
    assert bob.filter.mode("whitelist") == bob.filter.state()
    ada.send("bob@localhost", "s", "b")
    bob.sync()
    key = bob.keyring.list()[0]
    assert (key.addresses, key.trusted, bob.keyring.show(key.fingerprint)) == (("ada@localhost",), False, key)
    bob.keyring.trust(key.fingerprint)
    assert bob.keyring.show(key.fingerprint).trusted
    bob.keyring.forget(key.fingerprint)
    assert bob.keyring.list() == ()
    token = ada.trust.make_token()
    assert token.token not in repr(token)
    assert ada.trust.bind("olga", token.token).owner == "olga"
    assert (ada.trust.status().owner, ada.trust.status().machine_matches) == ("olga", True)
    with pytest.raises(azall.TrustError):
        ada.trust.bind("eve", token.token)
    assert ada.trust.revoke() == "olga"
    assert bob.trust.bind_locally("otto").owner == "otto"


def test_any_text_is_signed_and_verified(mailbox: azall.Mailbox) -> None:
    for documented in (False, True):
        signed = mailbox.sign("The parcel has arrived.", documented=documented)
        assert mailbox.verify(signed).is_valid
        assert mailbox.verify(signed.replace("parcel", "letter")).verdict is Verdict.INVALID


def test_export(mailbox: azall.Mailbox, tmp_path: Path) -> None:
    mailbox.remember("x")
    exported = mailbox.export(tmp_path / "all.zip")
    assert exported.contains_secrets
    assert (tmp_path / "all.zip").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "all.zip").read_bytes()[:4] == b"PK\3\4"
    mailbox.export(tmp_path / "all.zip")
    (tmp_path / "diary.txt").write_text("dear")
    (tmp_path / "link.zip").symlink_to("all.zip")
    for target in ("diary.txt", "link.zip", "missing/all.zip", "."):
        with pytest.raises(azall.Error):
            mailbox.export(tmp_path / target)
    assert (tmp_path / "diary.txt").read_text() == "dear"


def test_what_is_no_argument_is_refused(mailbox: azall.Mailbox, tmp_path: Path) -> None:
    deep: object = []
    for _ in range(10_000):
        deep = [deep]
    circle: list[object] = []
    circle.append(circle)
    values = ["\ud800", {"\udfff": 1}, {1: 2}, 2**64, -(2**70), deep, circle, object(), 1j, {"a"}, b"bytes", None, 1.5]
    for value in values:
        with pytest.raises(azall.ArgumentError):
            mailbox.command("search", {"query": value})
        with pytest.raises(azall.ArgumentError):
            mailbox.command("search", value if value is not None else 7)
    for address in ("../x", "a b", "", "\x1b[31m"):
        with pytest.raises(azall.ArgumentError) as refused:
            mailbox.send(address, "s", "b")
        assert "\x1b" not in str(refused.value)
    for no_address in (b"bob@localhost", [b"bob@localhost"], [5], [None]):
        with pytest.raises(azall.ArgumentError, match="an address is text"):
            mailbox.send(no_address, "s", "b")  # type: ignore[arg-type]
    for subject in ("a\nBcc: eve@x", "a\rb", "a\0b"):
        with pytest.raises(azall.MessageError):
            mailbox.send("bob@localhost", subject, "b")
    with pytest.raises(azall.ArgumentError):
        mailbox.send("bob@localhost", "s", "b", attachments="list.txt")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises((azall.ArgumentError, IsADirectoryError)):
            mailbox.send("bob@localhost", "s", "b", attachments=[path])
    with pytest.raises(azall.ArgumentError):
        mailbox.inbox("tomorrow")
    with pytest.raises(azall.ArgumentError):
        mailbox.doing("a", append="b")
    with pytest.raises(azall.ArgumentError):
        mailbox.command("rememebr")


def test_hostile_messages_are_data(mailbox: azall.Mailbox, tmp_path: Path) -> None:
    today = time.strftime("%Y-%m-%d")
    inbox = tmp_path / "data/mailboxes/ada@localhost" / today / "inbox"
    inbox.mkdir(parents=True)
    files = {
        "../evil": b"",
        "bad.txt": b"\xff\xfe\0\0" * 100,
        "long.txt": b"From: " + b"a" * 300_000 + b"\n\n---\nx",
        "escape.txt": b"From: eve@x\nSubject: \x1b[2Jgone\nMessage-ID: escape\nStatus: new\n\n---\n\x1b]0;owned\x07",
        "attached.txt": b"From: eve@x\nMessage-ID: attached\nAttachments: ../../../key, /etc/passwd\n\n---\nx",
    }
    for name, content in files.items():
        if "/" not in name:
            (inbox / name).write_bytes(content)
    (inbox / "link.txt").symlink_to("/etc/passwd")
    os.mkfifo(inbox / "pipe.txt")
    listed = mailbox.inbox()
    assert {"link.txt", "pipe.txt"} <= {os.path.basename(item.path) for item in listed.damaged}
    assert "root:" not in repr(listed)

    async def by_asyncio() -> azall.Inbox:
        async with await azall.aio.Mailbox.open(tmp_path) as other:
            return await other.inbox(offline=True)

    assert asyncio.run(by_asyncio()) == mailbox.inbox(offline=True)
    message = mailbox.read("escape")
    assert message.verdict is Verdict.UNSIGNED
    named = mailbox.read("attached").attachments
    assert len(named) == 2
    for attachment in named:
        assert attachment.path is None
        with pytest.raises(FileNotFoundError):
            attachment.read_bytes()
        with pytest.raises(FileNotFoundError):
            attachment.save(tmp_path)


def test_summaries_are_what_the_document_says(mailbox: azall.Mailbox) -> None:
    for number in range(5):
        mailbox.send("ada@localhost", f"number {number}", "text", attachments={"a.txt": b"a"} if number % 2 else {})
    listed = mailbox.inbox()
    document = mailbox.command("inbox", {"offline": True})
    assert [message.subject for message in listed] == [row["subject"] for row in document["messages"]]
    for message, row in zip(listed, document["messages"], strict=True):
        row = {"from_": row.pop("from"), **row, "attachments": tuple(row["attachments"])}
        assert dataclasses.asdict(message) == row
        assert message == azall.Summary(
            **{**row, "folder": Folder.INBOX, "verdict": Verdict.VALID, "peer": message.peer}
        )
        assert (message.folder, message.verdict, type(message.misaddressed)) == (Folder.INBOX, Verdict.VALID, bool)
        assert type(message) is azall.Summary
        assert pickle.loads(pickle.dumps(message)) == message
        assert hash(message) == hash(dataclasses.replace(message))
        with pytest.raises(dataclasses.FrozenInstanceError):
            message.subject = "another"  # type: ignore[misc]


def test_errors(mailbox: azall.Mailbox, tmp_path: Path) -> None:
    with pytest.raises(azall.NotFoundError) as missing:
        mailbox.read("abcdef")
    error = missing.value
    assert (error.code, error.exit_code) == ("not-found", 1)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.exit_code) == (type(error), str(error), "not-found", 1)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(azall.ConfigError):
        mailbox.inbox()


def test_many_threads_share_a_mailbox(mailbox: azall.Mailbox) -> None:
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                mailbox.send(mailbox.address, f"{number} {turn}", "x")
                mailbox.remember(f"{number} {turn}", title="all")
                mailbox.inbox(offline=True)
        except Exception as error:  # noqa: BLE001, RUF100  (told by the thread that waits)
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({message.id for message in mailbox.inbox()}) == 30
    assert len(mailbox.recall("0").memories[0].text.splitlines()) == 30


def test_watching_what_is_dropped_into_the_folder(pair: tuple[azall.Mailbox, azall.Mailbox]) -> None:
    ada, bob = pair
    ada.send("bob@localhost", "before", "b")
    bob.sync()
    with bob.watch(unread=True) as watch:
        assert next(watch).subject == "before"
        assert watch.wait(0) is None
        ada.send("bob@localhost", "after", "b")
        assert next(watch).subject == "after"
    assert list(watch) == []
    assert watch.wait(10) is None


def test_a_watch_ends_with_its_mailbox(mailbox: azall.Mailbox) -> None:
    watch = mailbox.watch()
    ended: list[list[azall.Summary]] = []
    thread = threading.Thread(target=lambda: ended.append(list(watch)))
    thread.start()
    mailbox.close()
    thread.join(20)
    assert ended == [[]]


def test_watching_over_a_relay(over_relay: Callable[[str], azall.Mailbox]) -> None:
    ada, bob = over_relay("ada"), over_relay("bob")
    with bob.watch() as watch:
        sent = ada.send(bob.address, "Hello", "there", attachments={"a.txt": b"abc"})
        assert sent.is_accepted
        found = next(watch)
        assert (found.id, found.verdict) == (sent.id, Verdict.VALID)
        assert bob.read(found).attachments[0].read_bytes() == b"abc"
        assert bob.reply(found, "Hello back").is_accepted
    assert [message.subject for message in ada.inbox()] == ["Re: Hello"]


WATCH_FOR_EVER = """
import azall, sys
with azall.Mailbox.open(sys.argv[1]) as mailbox:
    print("open", flush=True)
    try:
        for message in mailbox.watch(unread=True):
            print(message.subject, flush=True)
    except KeyboardInterrupt:
        print("interrupted")
mailbox.remember("The mailbox is not locked.")
"""


def test_ctrl_c_ends_a_watch_and_leaves_no_lock(mailbox: azall.Mailbox, tmp_path: Path) -> None:
    mailbox.send(mailbox.address, "first", "b")
    words = [sys.executable, "-c", WATCH_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["open\n", "first\n"]
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        assert process.wait(30) == 0
    assert len(mailbox.recall("locked")) == 1


def test_a_private_key_is_never_shown(mailbox: azall.Mailbox, tmp_path: Path) -> None:
    import json

    mailbox.sign("x")
    secret = json.loads(next(tmp_path.rglob(".identity_key")).read_bytes())["private_key_hex"]
    identity = azall.protocol.Identity.from_file(next(tmp_path.rglob(".identity_key")).read_bytes())
    assert secret not in repr(identity)
    with pytest.raises(azall.Error) as refused:
        azall.protocol.Identity.from_seed(bytes.fromhex(secret)[:31])
    assert secret[:20] not in str(refused.value)


def test_a_long_inbox_is_listed_whole_and_in_order(tmp_path: Path) -> None:
    with azall.Mailbox.open(tmp_path, agent="ada@localhost") as mailbox:
        inbox = tmp_path / "data/mailboxes/ada@localhost" / time.strftime("%Y-%m-%d") / "inbox"
        inbox.mkdir(parents=True)
        names = [f"{number * 7919 % 100_003:06}" for number in range(1300)]
        for name in names:
            head = f"From: eve@localhost\nTo: ada@localhost\nSubject: of {name}\nDate: today\nMessage-ID: {name}\nStatus: new"
            # Some with more headers than are read at once.
            more = f"\nX-More: {'x' * 2000}" if name.endswith("7") else ""
            (inbox / f"{name}.txt").write_text(f"{head}{more}\n\n---\ntext")
        (inbox / f"{names[700]}.txt").write_text("no message")
        listed = mailbox.inbox(offline=True)
        assert [message.id for message in listed] == sorted({*names} - {names[700]})
        assert all(message.subject == f"of {message.id}" for message in listed)
        assert [damaged.path.rsplit("/", 1)[1] for damaged in listed.damaged] == [f"{names[700]}.txt"]
