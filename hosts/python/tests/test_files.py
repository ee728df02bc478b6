"""What the host does and refuses. How durably files are written is tested where they are: in `hosts/files` and `hosts/native`."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import until

import azall
from azall import _core
from azall._effects import Effect, EffectError
from azall._host import Host


def no_network(_: Effect) -> dict[str, object]:
    raise EffectError("unsupported", "no network here")


@pytest.fixture
def files(tmp_path: Path) -> _core.Files:
    for name in ("config", "data/mailboxes", "data/shared"):
        (tmp_path / name).mkdir(parents=True)
    return _core.Files(str(tmp_path / "config"), str(tmp_path / "data/mailboxes"))


@pytest.fixture
def host(files: _core.Files) -> Host:
    return Host(files, no_network)


def place(path: str, root: str = "mailboxes") -> dict[str, str]:
    return {"root": root, "path": path}


def write(path: str, content: bytes = b"x", *, private: bool = False, exclusive: bool = False) -> Effect:
    return {"kind": "WriteAtomic", "place": place(path), "bytes": content, "private": private, "exclusive": exclusive}


def read(path: str, limit: int = 1000) -> Effect:
    return {"kind": "ReadFile", "place": place(path), "limit": limit}


HTTP: dict[str, Any] = {"headers": [], "body": b"", "limit": 1, "timeout_ms": 1}


def kind(answer: dict[str, Any]) -> str:
    assert set(answer) == {"Err"}, answer
    word: str = answer["Err"]["kind"]
    return word


def test_every_effect_has_its_handler(host: Host) -> None:
    assert host.known == set(_core.EFFECT_KINDS)


def test_an_unknown_effect_is_unsupported(host: Host) -> None:
    assert kind(host.answer({"kind": "MakeTea"})) == "unsupported"


def test_written_and_read(files: _core.Files, tmp_path: Path) -> None:
    assert files.answer(write("a/b/c.txt", b"one")) == {"Ok": None}
    assert files.answer(write("a/b/c.txt", b"two")) == {"Ok": None}
    assert files.answer(read("a/b/c.txt")) == {"Ok": b"two"}
    assert os.listdir(tmp_path / "data/mailboxes/a/b") == ["c.txt"]
    assert (tmp_path / "data/mailboxes/a/b/c.txt").stat().st_mode & 0o777 == 0o644


def test_secrets_are_their_owners(files: _core.Files, tmp_path: Path) -> None:
    files.answer(write("key", private=True))
    files.answer({"kind": "Append", "place": place("log"), "bytes": b"x", "private": True})
    for name in ("key", "log"):
        assert (tmp_path / "data/mailboxes" / name).stat().st_mode & 0o777 == 0o600


def test_an_exclusive_write_happens_once(files: _core.Files) -> None:
    answers: list[dict[str, Any]] = []

    def work(number: int) -> None:
        answers.append(files.answer(write("lock", str(number).encode(), exclusive=True)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count({"Ok": None}) == 1
    assert {kind(answer) for answer in answers if "Err" in answer} == {"already_exists"}


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "..", "a/.", "a\0b", "x/"], ids=repr)
@pytest.mark.parametrize("name", ["ReadFile", "WriteAtomic", "Append", "Remove", "List", "ReadMany"])
def test_no_path_leaves_its_root(files: _core.Files, path: str, name: str) -> None:
    there = {"place": place(path), "folder": place(path), "limit": 1, "bytes": b"", "names": [], "with_meta": False}
    effect = {"kind": name, **there, "private": False, "exclusive": False}
    both = {"kind": "Rename", "from": place("a"), "to": place(path), "exclusive": False}
    for refused in (effect, both):
        with pytest.raises(azall.ArgumentError):
            files.answer(refused)
    with pytest.raises(azall.ArgumentError):
        files.resolve(place(path))


def test_a_root_itself_is_never_changed(files: _core.Files) -> None:
    for effect in (write(""), {"kind": "Remove", "place": place("")}):
        assert kind(files.answer(effect)) == "permission_denied"
    with pytest.raises(azall.ArgumentError):
        files.answer({"kind": "Remove", "place": place("a", "elsewhere")})


def test_links_are_not_followed_in_the_place_of_a_file(files: _core.Files, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    mailboxes = tmp_path / "data/mailboxes"
    (mailboxes / "link").symlink_to(secret)
    assert kind(files.answer(read("link"))) == "permission_denied"
    assert kind(files.answer({"kind": "Append", "place": place("link"), "bytes": b"x", "private": False})) == (
        "permission_denied"
    )
    heads = files.answer({"kind": "ReadMany", "folder": place(""), "names": ["link", "..", "a/b"], "limit": 9})["Ok"]
    assert [kind(head) for head in heads] == ["permission_denied"] * 3
    assert kind(files.answer(write("link", exclusive=True))) == "already_exists"
    assert files.answer(write("link", b"mine")) == {"Ok": None}
    assert secret.read_text() == "secret"
    assert not (mailboxes / "link").is_symlink()
    (mailboxes / "other").symlink_to(secret)
    assert files.answer({"kind": "Remove", "place": place("other")}) == {"Ok": None}
    assert secret.exists()


def test_only_regular_files_are_read(files: _core.Files, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data/mailboxes/pipe")
    (tmp_path / "data/mailboxes/folder").mkdir()
    assert kind(files.answer(read("pipe"))) == "permission_denied"
    assert kind(files.answer(read("folder"))) == "permission_denied"
    assert kind(files.answer(read("missing"))) == "not_found"


def test_limits(files: _core.Files) -> None:
    files.answer(write("big", b"0123456789" * 20_000))
    assert kind(files.answer(read("big", 199_999))) == "too_large"
    assert files.answer(read("big", 200_000))["Ok"] == b"0123456789" * 20_000
    for limit in (5, 100_000, 300_000):
        head = files.answer({"kind": "ReadMany", "folder": place(""), "names": ["big"], "limit": limit})["Ok"][0]["Ok"]
        assert head == {"bytes": (b"0123456789" * 20_000)[:limit], "truncated": limit < 200_000}


def test_many_files_are_read_in_their_order(files: _core.Files, tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(1100)]
    for name in names:
        if not name.startswith("7"):
            (tmp_path / "data/mailboxes" / name).write_text(name)
    heads = files.answer({"kind": "ReadMany", "folder": place(""), "names": names, "limit": 100})["Ok"]
    assert len(heads) == len(names)
    for name, head in zip(names, heads, strict=True):
        if name.startswith("7"):
            assert kind(head) == "not_found"
        else:
            assert head == {"Ok": {"bytes": name.encode(), "truncated": False}}


def test_listing(files: _core.Files, tmp_path: Path) -> None:
    mailboxes = tmp_path / "data/mailboxes"
    (mailboxes / "file").write_text("four")
    (mailboxes / "folder").mkdir()
    (mailboxes / "to-folder").symlink_to("folder")
    (mailboxes / "to-file").symlink_to("file")
    with open(os.fsencode(mailboxes) + b"/\xff.txt", "w"):
        pass
    found = files.answer({"kind": "List", "folder": place(""), "with_meta": True})["Ok"]
    kinds = {entry["name"]: entry["kind"] for entry in found}
    assert kinds == {
        "file": "file",
        "folder": "folder",
        "to-folder": "linkedfolder",
        "to-file": "other",
        "\ufffd.txt": "other",
    }
    assert next(entry for entry in found if entry["name"] == "file")["size"] == 4
    assert kind(files.answer({"kind": "List", "folder": place("missing"), "with_meta": False})) == "not_found"


def test_renames(files: _core.Files, tmp_path: Path) -> None:
    def rename(start: str, end: str, exclusive: bool) -> dict[str, Any]:
        return files.answer({"kind": "Rename", "from": place(start), "to": place(end), "exclusive": exclusive})

    files.answer(write("a", b"a"))
    files.answer(write("b", b"b"))
    assert kind(rename("a", "b", True)) == "already_exists"
    assert kind(rename("missing", "c", True)) == "not_found"
    assert rename("a", "new/c", True) == {"Ok": None}
    assert rename("b", "new/c", False) == {"Ok": None}
    assert files.answer(read("new/c")) == {"Ok": b"b"}
    assert sorted(os.listdir(tmp_path / "data/mailboxes")) == ["new"]


def test_removing(files: _core.Files, tmp_path: Path) -> None:
    files.answer(write("folder/below/file"))
    for path in ("folder", "folder", "no/such"):
        assert files.answer({"kind": "Remove", "place": place(path)}) == {"Ok": None}
    assert os.listdir(tmp_path / "data/mailboxes") == []


def test_random(files: _core.Files) -> None:
    assert len(files.answer({"kind": "Random", "count": 32})["Ok"]) == 32
    assert kind(files.answer({"kind": "Random", "count": 1025})) == "too_large"


def test_what_is_no_effect_is_refused(files: _core.Files) -> None:
    nones: tuple[dict[str, object], ...] = (
        {},
        {"kind": "MakeTea"},
        {"kind": "ReadFile"},
        {"kind": 7},
        {"ReadFile": {}},
        {**read("a"), "limit": -1},
    )
    for none in nones:
        with pytest.raises(azall.ArgumentError):
            files.answer(none)
    assert kind(files.answer({"kind": "Http", "method": "GET", "url": "http://x", **HTTP})) == "unsupported"
    with pytest.raises(azall.ArgumentError):
        _core.Files("config", "/mailboxes")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="the system does not tell threads here")
def test_no_threads_are_left_idle(tmp_path: Path) -> None:
    with azall.Mailbox.open(tmp_path, agent="ada@localhost") as mailbox:
        inbox = tmp_path / "data/mailboxes/ada@localhost" / time.strftime("%Y-%m-%d") / "inbox"
        inbox.mkdir(parents=True)
        for number in range(200):
            (inbox / f"{number:012x}.txt").write_text(f"From: eve@x\nSubject: {number}\nStatus: new\n\n---\nx")
        before = len(os.listdir("/proc/self/task"))
        with mailbox.watch(unread=True) as watch:
            assert len([watch.wait(1) for _ in range(200)]) == 200
            # The watch itself has one; what its operation has read, it has read.
            until(lambda: len(os.listdir("/proc/self/task")) <= before + 1)
        until(lambda: len(os.listdir("/proc/self/task")) <= before)


def test_a_process_that_was_forked_reads_as_well(files: _core.Files, tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(300)]
    for name in names:
        (tmp_path / "data/mailboxes" / name).write_text(name)
    effect = {"kind": "ReadMany", "folder": place(""), "names": names, "limit": 100}
    expected = files.answer(effect)
    if (child := os.fork()) == 0:
        # Whatever happens here must not come back into the tests.
        signal.alarm(20)
        os._exit(0 if files.answer(effect) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_facts_are_those_that_the_reference_hashes(host: Host) -> None:
    import platform
    import uuid

    facts = host.answer({"kind": "HostFacts"})["Ok"]
    assert facts["fingerprint_parts"][:7] == [
        platform.node(),
        platform.machine(),
        platform.processor(),
        platform.system(),
        platform.release(),
        platform.python_version(),
        str(uuid.getnode()),
    ]
    assert len(facts["fingerprint_parts"]) in (7, 8)
    assert facts["process"] == f"{os.getpid()}@{facts['machine_name']}"


def script(host: Host, code: str, *arguments: str, timeout_ms: int = 10_000, limit: int = 1000) -> dict[str, Any]:
    host.files.answer(write("tool.py", code.encode()))
    effect = {"kind": "RunScript", "script": place("tool.py"), "folder": place(""), "args": list(arguments)}
    return host.answer({**effect, "timeout_ms": timeout_ms, "output_limit": limit})


def test_scripts(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AZALL_SECRET", "hidden")
    monkeypatch.setenv("AGENTAZALL_ROOT", "shown")
    code = (
        "import os, sys\n"
        "print(os.getcwd(), sys.argv[1:], os.environ.get('AZALL_SECRET'), os.environ['AGENTAZALL_ROOT'])\n"
        "sys.exit(3)"
    )
    ran = script(host, code, "a b", "c")["Ok"]
    shown = f"{tmp_path / 'data/mailboxes'} ['a b', 'c'] None shown\n"
    assert ran == {"code": 3, "timed_out": False, "stdout": shown.encode(), "stderr": b"", "truncated": False}


def test_scripts_end(host: Host) -> None:
    code = "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint('started', flush=True)\ntime.sleep(60)"
    ran = script(host, code, timeout_ms=1500)["Ok"]
    assert (ran["code"], ran["timed_out"], ran["stdout"]) == (None, True, b"started\n")
    ran = script(host, "print('x' * 100_000)", limit=10)["Ok"]
    assert (ran["stdout"], ran["truncated"], ran["code"]) == (b"x" * 10, True, 0)


def test_scripts_that_are_none(host: Host, tmp_path: Path) -> None:
    (tmp_path / "data/mailboxes/link.py").symlink_to("/etc/passwd")
    effect = {"kind": "RunScript", "folder": place(""), "args": [], "timeout_ms": 1000, "output_limit": 10}
    assert kind(host.answer({**effect, "script": place("link.py")})) == "permission_denied"
    assert kind(host.answer({**effect, "script": place("missing.py")})) == "not_found"
    assert kind(script(host, "", "a\0b")) == "other"


def test_the_wish_to_stop_ends_a_script(files: _core.Files) -> None:
    files.answer(write("tool.py", b"import time\nprint('started', flush=True)\ntime.sleep(60)"))
    effect = {"kind": "RunScript", "script": place("tool.py"), "folder": place(""), "args": []}
    stopping = _core.Flag()
    timer = threading.Timer(1.5, stopping.set)
    timer.start()
    ran = files.answer({**effect, "timeout_ms": 30_000, "output_limit": 100}, stopping)["Ok"]
    timer.join()
    assert (ran["code"], ran["timed_out"], ran["stdout"]) == (None, False, b"started\n")
    stopping.clear()
    assert not stopping.is_set()
