"""Service agents: each message is answered once, whatever happens when."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import until

import azall

Pair = tuple[azall.Mailbox, azall.Mailbox]


def ask(ada: azall.Mailbox, count: int = 1) -> list[str]:
    return [ada.send("bob@localhost", f"question {number}", f"text {number}").id for number in range(count)]


def answers(ada: azall.Mailbox) -> dict[str, list[str]]:
    """The texts of the answers by the message that they answer."""
    found: dict[str, list[str]] = {}
    for summary in ada.inbox(all=True):
        message = ada.read(summary)
        found.setdefault(message.in_reply_to or "", []).append(message.text.split("\n\n---")[0])
    return found


def records(bob: azall.Mailbox, name: str = "default") -> list[str]:
    folder = Path(bob.config_path).parent.parent / "data/mailboxes/bob@localhost/services" / name
    return sorted(path.name for path in folder.rglob("*.json"))


def test_every_message_is_answered_once(pair: Pair) -> None:
    ada, bob = pair
    asked = ask(ada, 12)

    def handler(ticket: azall.Ticket) -> azall.Reply:
        assert ticket.tries == 1
        return azall.Reply(ticket.text.upper(), {"copy.txt": ticket.text.encode()})

    service = azall.Service(bob, handler=handler)
    assert service.run_once() == 12
    assert service.run_once() == 0
    assert answers(ada) == {name: [f"TEXT {number}"] for number, name in enumerate(asked)}
    assert ada.read(ada.inbox().messages[0]).attachments[0].read_bytes().startswith(b"text")
    assert records(bob) == []


def test_nothing_is_answered_where_there_is_no_answer(pair: Pair) -> None:
    ada, bob = pair
    ask(ada)
    bob.send("bob@localhost", "to myself", "x")
    seen: list[str] = []
    service = azall.Service(bob)

    @service.handler
    def keep(ticket: azall.Ticket) -> None:
        seen.append(ticket.message.subject)

    assert service.run_once() == 1
    assert (seen, answers(ada), records(bob)) == (["question 0"], {}, [])


def test_asynchronous_handlers_share_a_loop(pair: Pair) -> None:
    ada, bob = pair
    asked = ask(ada, 4)
    together = []

    @azall.service("slow", mailbox=bob)
    async def slow(ticket: azall.Ticket) -> str:
        together.append(ticket)
        while len(together) < 4:
            await asyncio.sleep(0.01)
        return "done"

    assert slow.run_once() == 4
    assert answers(ada) == {name: ["done"] for name in asked}


def test_at_most_so_many_run_at_once(pair: Pair) -> None:
    ada, bob = pair
    ask(ada, 9)
    lock = threading.Lock()
    three = threading.Barrier(3)
    running = most = 0

    def handler(_: azall.Ticket) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        three.wait(30)
        with lock:
            running -= 1

    assert azall.Service(bob, handler=handler, concurrency=3).run_once() == 9
    assert most == 3


def test_failures_are_tried_again_and_put_aside(pair: Pair) -> None:
    ada, bob = pair
    asked = ask(ada, 2)
    tries: list[tuple[str, int]] = []

    def handler(ticket: azall.Ticket) -> str:
        tries.append((ticket.message.id, ticket.tries))
        if ticket.message.id == asked[0] or ticket.tries < 2:
            raise RuntimeError("no\x1b[31m luck")
        return "at last"

    def service() -> azall.Service:
        # A new one each time: what counts is on the disk.
        return azall.Service(bob, "fragile", handler=handler, tries=3, backoff=0.0)

    done = [service().run_once() for _ in range(5)]
    assert done == [0, 1, 1, 0, 0]
    assert sorted(tries) == sorted([(asked[0], 1), (asked[0], 2), (asked[0], 3), (asked[1], 1), (asked[1], 2)])
    assert answers(ada) == {asked[1]: ["at last"]}
    aside = service().aside()
    assert [(item.id, item.tries, item.error.split(":")[0]) for item in aside] == [(asked[0], 3, "RuntimeError")]
    assert records(bob, "fragile") == [f"{asked[0]}.json"]
    service().retry(asked[0])
    assert service().aside() == ()
    handler_fixed = azall.Service(bob, "fragile", handler=lambda _: "after all")
    assert handler_fixed.run_once() == 1
    assert answers(ada)[asked[0]] == ["after all"]
    with pytest.raises(azall.NotFoundError):
        service().retry(asked[0])


def test_a_pause_follows_a_failure(pair: Pair) -> None:
    ada, bob = pair
    ask(ada)

    def handler(_: azall.Ticket) -> str:
        raise RuntimeError

    assert azall.Service(bob, handler=handler, backoff=3600).run_once() == 0
    assert azall.Service(bob, handler=lambda _: "x").run_once() == 0, "it is not due yet"
    assert len(records(bob)) == 1


def test_a_wrong_answer_is_a_failure(pair: Pair) -> None:
    ada, bob = pair
    ask(ada)
    wrong = azall.Service(bob, handler=lambda _: 7, tries=1)  # type: ignore[arg-type, return-value]
    wrong.run_once()
    assert "TypeError" in wrong.aside()[0].error


def test_one_process_at_a_time(pair: Pair) -> None:
    _, bob = pair
    entered, leave = threading.Event(), threading.Event()

    def handler(_: azall.Ticket) -> None:
        entered.set()
        leave.wait(30)

    ask(pair[0])
    thread = threading.Thread(target=azall.Service(bob, handler=handler).run_once)
    thread.start()
    assert entered.wait(30)
    with pytest.raises(azall.PolicyError):
        azall.Service(bob, handler=handler).run_once()
    leave.set()
    thread.join(30)


def test_it_runs_until_it_is_stopped(pair: Pair) -> None:
    ada, bob = pair
    service = azall.Service(bob, handler=lambda ticket: ticket.text.upper())
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(service.run()))
    asked = ask(ada)
    thread.start()
    until(lambda: answers(ada))
    asked += [ada.send("bob@localhost", "later", "later").id]
    until(lambda: len(answers(ada)) >= 2)
    service.stop()
    thread.join(30)
    assert done == [2]
    assert answers(ada) == {asked[0]: ["TEXT 0"], asked[1]: ["LATER"]}


PROGRAM = """
import azall, os, sys, time

@azall.service("crashing", tries=1000, backoff=0.0)
def answer(ticket):
    if "poison" in ticket.text:
        os._exit(9)
    return "answer to " + ticket.text

if len(sys.argv) > 1:
    answer.tries = int(sys.argv[1])
print("begun", flush=True)
print(answer.run(), flush=True)
"""


def start(bob: azall.Mailbox, *words: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "AGENTAZALL_CONFIG": bob.config_path}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_cleanly(pair: Pair, number: signal.Signals) -> None:
    ada, bob = pair
    asked = ask(ada, 3)
    with start(bob) as process:
        until(lambda: len(answers(ada)) >= 3)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "begun\n3\n")
    assert set(answers(ada)) == set(asked)
    assert records(bob, "crashing") == []


def test_a_killed_service_answers_every_message_once(pair: Pair) -> None:
    ada, bob = pair
    chance = random.Random(20260311)
    asked = ask(ada, 20)
    for _ in range(12):
        with start(bob) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.25))
            process.kill()
    with start(bob) as process:
        until(lambda: len(answers(ada)) >= len(asked))
        process.terminate()
        process.communicate(timeout=60)
    bob.sync()
    assert answers(ada) == {name: [f"answer to text {number}"] for number, name in enumerate(asked)}
    assert records(bob, "crashing") == []


def test_a_crash_at_each_step_loses_nothing_and_repeats_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change of the disk, and every command, in turn is the last thing that a process does."""
    from azall import _journal

    class Crash(BaseException):
        pass

    ada, bob = pair
    left = -1

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash

    def crashing(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def before_and_after(self: object, *arguments: object, **named: object) -> object:
            count()
            result = original(self, *arguments, **named)
            count()
            return result

        monkeypatch.setattr(owner, name, before_and_after)

    for name in ("write", "remove", "move"):
        crashing(_journal.Journal, name)
    for name in ("command", "reply"):
        crashing(azall.Mailbox, name)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    steps = 0
    while left <= 0:
        steps += 1
        (asked,) = ask(ada)
        left = steps
        azall.Service(bob, handler=lambda ticket: "x " + ticket.message.id, concurrency=1).run_once()
        if left > 0:
            break
        left = 0
        azall.Service(bob, handler=lambda ticket: "x " + ticket.message.id, concurrency=1).run_once()
        left = 0
        assert answers(ada)[asked] == [f"x {asked}"], steps
        assert records(bob) == [], steps
    assert steps > 8


def wait_for_end_or_answer(process: subprocess.Popen[str], ada: azall.Mailbox, good: str) -> bool:
    """Whether the process ended by itself. Where only the good message is left to it, it is stopped."""
    while process.poll() is None:
        if good in answers(ada) and put_aside(ada):
            process.terminate()
            process.communicate(timeout=60)
            return False
        time.sleep(0.05)
    return True


def put_aside(ada: azall.Mailbox) -> list[Path]:
    return list((Path(ada.config_path).parent.parent / "data/mailboxes/bob@localhost/services").rglob("aside/*.json"))


def test_what_takes_the_process_down_is_put_aside(pair: Pair) -> None:
    ada, bob = pair
    poison = ada.send("bob@localhost", "p", "poison").id
    good = ada.send("bob@localhost", "g", "good").id
    # At first both are tried at once, or the poison alone; then one by one.
    for _ in range(5):
        with start(bob, "3") as process:
            ended = wait_for_end_or_answer(process, ada, good)
        if not ended:
            break
        assert process.returncode == 9
    aside = azall.Service(bob, "crashing").aside()
    assert [(item.id, item.tries) for item in aside] == [(poison, 3)]
    assert set(answers(ada)) == {good}


def test_a_listing_from_before_answers_nothing_twice(pair: Pair) -> None:
    ada, bob = pair
    asked = ask(ada)
    bob.sync()
    stale = bob.inbox(offline=True).messages[0]
    assert stale.unread
    service = azall.Service(bob, handler=lambda _: "x")
    with service._working() as work:
        work.consider(stale)
        work.start_due()
        until(lambda: work._done == 1)
        work.consider(stale)
        work.start_due()
        assert work.finish(everything=True) == 1
    assert answers(ada) == {asked[0]: ["x"]}


def test_a_handler_that_exits_is_a_failure(pair: Pair) -> None:
    ada, bob = pair
    ask(ada)
    service = azall.Service(bob, handler=lambda _: sys.exit(1), tries=1)
    assert service.run_once() == 1
    assert service.aside()[0].error == "SystemExit: 1"
    assert service.run_once() == 0


def test_what_was_put_aside_before_it_was_read_stays_there(pair: Pair) -> None:
    ada, bob = pair
    ask(ada)
    bob.sync()
    reading = azall.Mailbox.command
    broken = azall.Service(bob, handler=lambda _: "x", tries=1)

    def fail(self: azall.Mailbox, name: str, arguments: object = None) -> object:
        if name == "read":
            raise azall.StorageError("broken", "file")
        return reading(self, name, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(azall.Mailbox, "command", fail)
        assert broken.run_once() == 1
    assert bob.inbox(all=True).unread == 1
    assert broken.run_once() == 0
    broken.retry(broken.aside()[0].id)
    assert broken.run_once() == 1
    assert len(answers(ada)) == 1


def test_a_damaged_record_is_as_good_as_none(pair: Pair) -> None:
    ada, bob = pair
    asked = ask(ada)
    folder = Path(bob.config_path).parent.parent / "data/mailboxes/bob@localhost/services/default"
    folder.mkdir(parents=True)
    (folder / f"{asked[0]}.json").write_text("{")
    (folder / "other.json").symlink_to("/etc/passwd")
    assert azall.Service(bob, handler=lambda _: "x").run_once() == 1
    assert answers(ada) == {asked[0]: ["x"]}


def test_names_that_a_mailbox_never_has_are_passed_over(pair: Pair, tmp_path: Path) -> None:
    ada, bob = pair
    service = azall.Service(bob, handler=lambda _: "x")
    bobs = tmp_path / "data/mailboxes/bob@localhost"
    (bobs / "services/default/aside").mkdir(parents=True)
    (bobs / "services/default/a:b.json").write_text("{}")
    (bobs / "services/default/aside/a\nb.json").write_text("{}")
    (bobs / "2999:01/outbox").mkdir(parents=True)
    (bobs / "2999:01/outbox/a:b.txt").write_text("In-Reply-To: x\n\n---\n")
    asked = ask(ada)
    assert service.run_once() == 1
    assert list(answers(ada)) == asked
    assert service.aside() == ()
    journal = service._journal(bob)
    assert journal.was_sent({"id": "x", "day": "2999", "reply": None}) is False  # type: ignore[typeddict-item]
    for outside in ("../../x", "a/../../x", "/etc/passwd", ""):
        with pytest.raises(azall.NotFoundError):
            service.retry(outside)
