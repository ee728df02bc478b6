"""Every program of the cookbook and every example, run as a person would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from conftest import REPOSITORY, until

import azall

COOKBOOK = REPOSITORY / "docs" / "cookbook" / "python"
EXAMPLES = REPOSITORY / "examples" / "python"
Pair = tuple[azall.Mailbox, azall.Mailbox]


def start(path: Path, mailbox: azall.Mailbox | None, *words: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"]}
    if mailbox is not None:
        environment["AGENTAZALL_CONFIG"] = mailbox.config_path
    pipe = subprocess.PIPE
    words = (sys.executable, str(path), *words)
    return subprocess.Popen(words, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def run(name: str, mailbox: azall.Mailbox | None, *words: str, stdin: str = "", code: int = 0) -> str:
    with start(COOKBOOK / name, mailbox, *words) as process:
        out, err = process.communicate(stdin, timeout=60)
    assert process.returncode == code, (out, err)
    return out


def test_every_program_is_run_here() -> None:
    here = Path(__file__).read_text()
    for path in [*COOKBOOK.glob("*.py"), *EXAMPLES.glob("*.py")]:
        assert f'"{path.name}"' in here, path


def test_send_and_wait_with_a_service_agent(pair: Pair) -> None:
    ada, bob = pair
    with start(COOKBOOK / "service_agent.py", bob) as service:
        assert run("send_and_wait.py", ada, "bob@localhost", "one\ntwo").startswith("two\none\n")
        service.send_signal(signal.SIGTERM)
        out, _ = service.communicate(timeout=60)
    assert (service.returncode, out) == (0, "1 messages answered\n")


def test_memory_loop(pair: Pair) -> None:
    lines = "The key is under the mat.\nMilk is sour.\nWhere is the key?\nWho?\n"
    out = run("memory_loop.py", pair[0], stdin=lines).splitlines()
    assert out[0] == "(remembered under told)"
    assert out[2:] == ["The key is under the mat.", "I do not know."]


def test_verify_file(pair: Pair, tmp_path: Path) -> None:
    ada, bob = pair
    ada.send("bob@localhost", "s", "pay 10")
    message = bob.read(bob.inbox().messages[0])
    assert run("verify_file.py", None, message.path).startswith("valid by ")
    forged = tmp_path / "forged.txt"
    forged.write_text(Path(message.path).read_text().replace("pay 10", "pay 99"))
    assert run("verify_file.py", None, str(forged), code=1).startswith("invalid by ")


def test_whitelist(pair: Pair) -> None:
    ada, bob = pair
    assert "whitelist=('carl@*',)" in run("whitelist.py", bob, "carl@*")
    ada.send("bob@localhost", "s", "b")
    assert len(bob.inbox()) == 0


def test_attachments(pair: Pair, tmp_path: Path) -> None:
    ada, bob = pair
    (tmp_path / "a.txt").write_text("abc")
    assert run("attachments.py", ada, "send", "bob@localhost", str(tmp_path / "a.txt")) == "bob@localhost accepted \n"
    kept = Path(run("attachments.py", bob, "keep", str(tmp_path / "kept")).strip())
    assert (kept.name, kept.read_text()) == ("a.txt", "abc")


def test_watch(pair: Pair) -> None:
    ada, bob = pair
    ada.send("bob@localhost", "evil \u202e subject", "b")
    bob.sync()
    with start(COOKBOOK / "watch.py", bob) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("'ada@localhost' 'evil ")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "That was all.\n")


def test_async_watch(pair: Pair) -> None:
    ada, bob = pair
    ada.send("bob@localhost", "1", "four")
    bob.sync()
    later = threading.Timer(0.5, lambda: ada.send("bob@localhost", "2", "seven77"))
    later.start()
    assert run("async_watch.py", bob, "2") == "2 answered\n"
    later.join()
    answers = sorted(ada.read(message).text.split("\n")[0] for message in ada.inbox())
    assert answers == ["I have read 4 characters.", "I have read 7 characters."]


def test_several_mailboxes(pair: Pair) -> None:
    ada, bob = pair
    ada.send("bob@localhost", "1", "x")
    out = run("several_mailboxes.py", None, ada.config_path, bob.config_path)
    assert out == "ada@localhost: 0 unread\nbob@localhost: 1 unread\n"


def test_export(pair: Pair, tmp_path: Path) -> None:
    assert "keep it secret" in run("export.py", pair[0], str(tmp_path / "backup.zip"))
    (tmp_path / "diary.zip").write_text("dear")
    run("export.py", pair[0], str(tmp_path / "diary.zip"), code=1)


def test_text_statistics(pair: Pair) -> None:
    ada, bob = pair
    with start(EXAMPLES / "text_statistics.py", bob) as service:
        files = {"poem.txt": b"The sea. The sea!\nAnd the ship.\n", "photo.bin": b"\xff\xfe"}
        ada.send("bob@localhost", "Count", "One two two.", attachments=files)
        until(lambda: ada.inbox().messages)
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=60)
    answer = ada.read(ada.inbox().messages[0])
    rows = answer.text.splitlines()
    assert rows[1].split() == ["message", "1", "3", "2", "3.0", "one"]
    assert rows[2].split() == ["poem.txt", "2", "7", "4", "2.3", "ship"]
    assert rows[3] == "Left out: photo.bin: it is no UTF-8 text"
    tables = {item.name: item.read_bytes() for item in answer.attachments}
    assert tables["words-2.csv"] == b"word,count\nthe,3\nsea,2\nand,1\nship,1\n"
