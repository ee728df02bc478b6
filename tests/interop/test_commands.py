"""The same command lines through both clients, each in a folder of its own: exit code, files, meaning of the answer."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import Cast
from trees import assert_same, snapshot

# Keys and the reference's logs differ of necessity; a script's `meta.json` tells when it was made.
OWN_FILES = (".agent_key", ".identity_key", ".keyring.json", ".lock", "lint.meta.json", "count.meta.json")

# Command lines with a word that both answers must hold. They build on one another, and both clients end with code 0.
SAME: Sequence[tuple[Sequence[str], str]] = (
    (("address", "-q"), "ada@localhost"),
    (("address",), "My address: ada@localhost"),
    (("whoami", "--set", "I am Ada."), "Identity updated: "),
    (("whoami", "--set", ""), "I am Ada."),
    (("whoami",), "I am Ada."),
    (("doing", "--append", "first"), "Task appended: "),
    (("doing", "--append", "- second, with a dash"), "Task appended: "),
    (("doing",), "first\n- second, with a dash"),
    (("doing", "--set", "CURRENT: tests.\nNEXT: more."), "Tasks updated: "),
    (("note", "plan", "--set", "one"), "Note 'plan' saved: "),
    (("note", "plan", "--append", "two"), "Note 'plan' appended: "),
    (("note", "plan"), "one\ntwo"),
    (("note", "../../evil", "--set", "x"), "Note '.._.._evil' saved: "),
    (("note", "日本 語", "--set", "Grüße"), "Note '日本_語' saved: "),
    (("notes",), "plan (7B) | "),
    (("notes", "-d", "2020-01-01"), "No notes for 2020-01-01."),
    (("remember", "--text", "The API uses OAuth2", "--title", "api-auth"), "Memory stored: "),
    (("remember", "-t", "It expires", "--title", "api-auth"), "  Title: api-auth"),
    (("remember", "--tex", "- abbreviated", "--tit", "a dash"), "  Title: a_dash"),
    (("remember", "--list", "--text", "stored all the same", "--title", "both"), "Memory stored: "),
    (("remember", "--list"), "  api-auth: The API uses OAuth2"),
    (("recall",), "api-auth: The API uses OAuth2"),
    (("recall", "oauth"), "=== Recall (ada@localhost): 'oauth' (1 found) ==="),
    (("recall", "nowhere"), "No memories matching 'nowhere'."),
    (("recall", "--agent", "ada", "oauth"), "The API uses OAuth2"),
    (("search", "nowhere"), "No results for 'nowhere'."),
    (("skill", "lint", "--code", "print('lint')", "--description", "lints", "--version", "2.1"), "skills/lint.py"),
    (("skill",), "lint v2.1 by ada@localhost - lints"),
    (("skill", "lint", "--read"), "print('lint')"),
    (("skill", "lint", "--promote"), "shared/skills/lint.py"),
    (("skill", "--shared"), "lint"),
    (("tool", "count", "--code", "import sys; print(sys.argv[1:])"), "tools/count.py"),
    (("tool", "count", "--run", "--run-args", "a", "b"), "['a', 'b']"),
    (("tool", "gone", "--code", "print(1)"), "tools/gone.py"),
    (("tool", "gone", "--delete"), "deleted"),
    (("dates",), "inbox:0 sent:0 pending:0 notes:3"),
    (("tree",), "what_am_i_doing/"),
    (("tree", "-d", "2020-01-01"), "No directory for 2020-01-01."),
    (("index",), "REMEMBER (3):"),
    (("index", "--rebuild"), "Rebuilt "),
    (("directory",), "    Identity: I am Ada."),
    (("startup",), "CURRENT: tests.\nNEXT: more."),
    (("prompt",), "startup"),
    (("export", "-o", "backup.zip"), "backup.zip"),
    (("export", "--output", "backup.zip"), "backup.zip"),
)

# Command lines that both refuse with code 2.
REFUSED: Sequence[Sequence[str]] = (
    ("nonsense",),
    ("note",),
    ("search",),
    ("setup",),
    ("setup", "--agent", "ada", "--transport", "pigeon"),
    ("whoami", "--set"),
    ("recall", "a", "b"),
    ("address", "--loud"),
)


def test_the_same_command_lines_do_the_same(local: Cast) -> None:
    """Every command that the reference has and that both understand alike."""
    reference, azall = local.reference("ada"), local.azall("ada")
    for words, answer in SAME:
        for agent in (reference, azall):
            ran = agent.run(*words).ok()
            assert answer in ran.stdout, f"{answer!r} is missing\n{ran}"
    ours, theirs = snapshot(azall.mailbox), snapshot(reference.mailbox)
    assert_same(theirs, ours, ignore=OWN_FILES)
    for script in ("skills/lint.meta.json", "tools/count.meta.json"):
        left, right = json.loads(theirs[script]), json.loads(ours[script])
        assert left | {"created": ""} == right | {"created": ""}
    assert (azall.mailboxes.parent / "shared" / "skills" / "lint.py").read_text() == "print('lint')"


def test_the_directory_has_the_same_machine_form(local: Cast) -> None:
    """An array of address, identity and task, the mailboxes of this machine by address."""
    rita, anna = local.neighbours()
    rita.run("whoami", "--set", "I am Rita.").ok()
    anna.run("doing", "--set", "one\ntwo").ok()
    left, right = (json.loads(agent.run("directory", "--json").ok().stdout) for agent in (rita, anna))
    assert left == right
    assert [entry["address"] for entry in right] == ["anna@localhost", "rita@localhost"]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_the_same_command_lines_are_refused(local: Cast, words: Sequence[str]) -> None:
    """Usage errors have code 2 in both, and leave standard output alone."""
    for agent in (local.reference("ada"), local.azall("ada")):
        ran = agent.run(*words)
        assert (ran.code, ran.stdout) == (2, ""), str(ran)


def test_an_archive_replaces_an_archive_and_nothing_else(local: Cast) -> None:
    """A nightly backup under one name works as with the reference; another file is never lost to a slip."""
    azall = local.azall("ada")
    azall.run("export", "-o", "backup.zip").ok()
    azall.run("export", "-o", "backup.zip").ok()
    ran = azall.run("export", "-o", "config.json", "--json")
    assert (ran.code, json.loads(ran.stdout)["exit_code"]) == (1, 1)
    assert azall.config["agent_name"] == "ada@localhost"
    assert azall.run("export", "-o", "missing/backup.zip").code == 1
    assert not (azall.home / "missing").exists()


def test_links_lead_nowhere(local: Cast, tmp_path: Path) -> None:
    """A link in the mailbox, out of it or in a circle, is shown, and not followed by what walks through the mailbox."""
    azall = local.azall("ada")
    azall.run("note", "plan", "--set", "one").ok()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    day = next(azall.mailbox.glob("20*"))
    (day / "notes" / "out").symlink_to(outside)
    (day / "notes" / "circle").symlink_to(day)
    (day / "notes" / "link.txt").symlink_to(outside / "secret.txt")
    tree = azall.run("tree").ok().stdout
    assert "out/" in tree
    assert "secret.txt" not in tree
    exported = azall.run("export", "-o", "all.zip").ok()
    assert exported.stderr.count("left out: ") == 3, str(exported)
    assert azall.run("note", "link").code == 1
    assert "link.txt: it is no regular file" in azall.run("notes").ok().stdout


def test_a_tool_cannot_outlive_its_run_or_flood_the_mailbox(local: Cast) -> None:
    """Output is bounded, what it started ends with it, and its exit code is told."""
    azall = local.azall("ada")
    azall.run("tool", "flood", "--code", "print('x' * (3 << 20))").ok()
    ran = azall.run("tool", "flood", "--run", "--json").ok()
    told = json.loads(ran.stdout)["run"]
    assert told["truncated"]
    assert len(told["stdout"]) <= 1 << 20
    code = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print(sys.argv[1:]); sys.exit(7)"
    azall.run("tool", "parent", "--code", code).ok()
    ran = azall.run("tool", "parent", "--run", "--run-args", "--flag", "- two words", "-3", "$HOME")
    assert (ran.code, ran.stdout) == (7, "['--flag', '- two words', '-3', '$HOME']\n"), str(ran)
    assert ran.seconds < 30
