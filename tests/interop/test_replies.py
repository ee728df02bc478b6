"""Chains of replies in which the two clients take turns."""

from agents import Agent
from conftest import Cast


def _chain(first: Agent, second: Agent) -> None:
    """`first` writes; then three replies by turns."""
    first.send(second.address, "chain", "level 0").ok()
    writer, reader = second, first
    subject = "chain"
    for level in range(1, 4):
        writer.sync()
        writer.reply(writer.received(subject).id, f"level {level}").ok()
        reader.sync()
        subject = "Re: chain"
        replies = [message for message in reader.inbox() if f"level {level}" in message.body]
        assert len(replies) == 1, f"level {level}"
        assert replies[0].subject == subject
        assert replies[0].sender == writer.address
        for path in list(writer.mailbox.glob("????-??-??/inbox/*.txt")):
            # Out of the way, so that the next reply is the one with this subject.
            path.rename(path.with_suffix(".answered"))
        writer, reader = reader, writer


def test_azall_begins(online: Cast) -> None:
    _chain(online.azall("anna"), online.reference("rita"))


def test_the_reference_begins(online: Cast) -> None:
    _chain(online.reference("rita"), online.azall("anna"))


def test_azall_verifies_a_reply_by_the_reference_that_quotes_an_envelope(online: Cast) -> None:
    anna, rita = online.azall("anna"), online.reference("rita")
    anna.send(rita.address, "question", "What is the time?").ok()
    rita.sync()
    rita.reply(rita.received("question").id, "Noon.").ok()
    anna.sync()
    shown = anna.shown(anna.received("Re: question").id)
    assert shown.verdict == "body-only"
    assert shown.text.startswith("Noon.")


def test_the_reference_verifies_a_reply_by_azall(online: Cast) -> None:
    rita, anna = online.reference("rita"), online.azall("anna")
    rita.send(anna.address, "question", "What is the time?").ok()
    anna.sync()
    anna.reply(anna.received("question").id, "Noon.").ok()
    rita.sync()
    reply = rita.received("Re: question")
    assert reply.headers.get("In-Reply-To", "") in ("", anna.received("question").id)
    assert "What is the time?" in reply.text
    assert "Public-Key" not in reply.text, "the quoted text carries its envelope"
    assert anna.fingerprint in rita.keyring
