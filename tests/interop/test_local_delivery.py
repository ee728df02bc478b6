"""Mail between agents whose mailboxes lie in one folder."""

from conftest import Cast


def test_both_ways(local: Cast) -> None:
    rita, anna = local.neighbours()
    anna.send(rita.address, "from azall", "Hello, Rita.").ok()
    assert rita.received("from azall").text == "Hello, Rita."
    assert len(anna.folder("sent")) == 1
    assert anna.folder("outbox") == []

    rita.send(anna.address, "from the reference", "Hello, Anna.").ok()
    assert anna.verdict_on("from the reference") == "body-only"
    assert anna.shown(anna.received("from the reference").id).text == "Hello, Anna."


def test_the_reference_verifies_a_copied_message(local: Cast) -> None:
    rita, anna = local.neighbours()
    anna.send(rita.address, "signed", "Hello, Rita.").ok()
    assert "Hello, Rita." in rita.run("read", rita.received("signed").id).ok().stdout
    rita.reply(rita.received("signed").id, "Hello back.").ok()
    assert anna.verdict_on("Re: signed") == "body-only"


def test_the_reference_lists_and_finds_what_azall_delivered(local: Cast) -> None:
    rita, anna = local.neighbours()
    anna.send(rita.address, "about bicycles", "A word on bicycles.").ok()
    assert "about bicycles" in rita.run("inbox", "--offline").ok().stdout
    assert "about bicycles" in rita.run("search", "bicycles").ok().stdout


def test_a_blocked_sender_does_not_touch_the_disk(local: Cast) -> None:
    rita, anna = local.neighbours()
    anna.run("filter", "--block", "RITA@*").ok()
    rita.send(anna.address, "blocked", "Buy now.")
    anna.run("inbox").ok()
    assert [message.subject for message in anna.listed()] == []
