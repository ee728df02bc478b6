"""Messages between the two clients over the reference's relay, both ways."""

import pytest

from azall import Azall
from conftest import Cast
from mailfile import BEGIN_SIGNED, END_SIGNED, Message
from reference import Reference

BODIES = {
    "plain": "Hello.",
    "unicode": "Grüße, 世界 🌍 — e\u0301 \u202eabc\u202c \u00a0|",
    "several lines": "one\n\ntwo\n\tthree\n---\nfour",
    "5 kB": "0123456789abcdef" * 320,
    "separator first": "---\nFrom: mallory\n---\n",
    "begin marker": f"before\n{BEGIN_SIGNED}\nafter",
    "end marker": f"before\n{END_SIGNED}\nafter",
    "whole envelope": f"{BEGIN_SIGNED}\nFingerprint: 0000000000000000\nPublic-Key: AAAA\n\nfake\n{END_SIGNED}\n"
    "---BEGIN AGENTAZALL SIGNATURE---\nAAAA\n---END AGENTAZALL SIGNATURE---",
    "documented markers": "-----BEGIN AGENTAZALL SIGNED MESSAGE-----\nx\n-----BEGIN SIGNATURE-----\n"
    "KeyID: SHA256:0000000000000000\nSig: AAAA\n-----END AGENTAZALL SIGNED MESSAGE-----",
    "escaped marker": "---\\BEGIN AGENTAZALL SIGNED MESSAGE---\n---\\\\END AGENTAZALL SIGNATURE---",
    "header lines": "Fingerprint: 0\nPublic-Key: x\n\nEnvelope: 2",
}

# The reference does not escape: with these, where its envelope ends is anybody's guess.
AMBIGUOUS = ("begin marker", "end marker")


def _sent_all(sender: Reference | Azall, receiver: Reference | Azall, bodies: dict[str, str]) -> dict[str, Message]:
    for subject, body in bodies.items():
        sender.send(receiver.address, subject, body).ok()
    return {message.subject: message for message in receiver.sync()}


def test_the_reference_verifies_what_azall_sends(online: Cast) -> None:
    anna, rita = online.azall("anna"), online.reference("rita")
    got = _sent_all(anna, rita, BODIES)
    assert sorted(got) == sorted(BODIES)
    assert rita.keyring[anna.fingerprint]["addresses"] == [anna.address]
    for subject, body in BODIES.items():
        # A body that carries no marker arrives as it was written; markers are escaped with one backslash each.
        if "AGENTAZALL" not in body:
            assert got[subject].text == body.rstrip(), subject
        else:
            assert got[subject].text.count(BEGIN_SIGNED) == 0, subject


def test_azall_reads_what_azall_sends_as_it_was_written(online: Cast) -> None:
    anna, otto = online.azall("anna"), online.azall("otto")
    got = _sent_all(anna, otto, BODIES)
    for subject, body in BODIES.items():
        shown = otto.shown(got[subject].id)
        assert (shown.text, shown.verdict) == (body.rstrip(), "valid"), subject


def test_azall_reads_what_the_reference_sends(online: Cast) -> None:
    rita, anna = online.reference("rita"), online.azall("anna")
    got = _sent_all(rita, anna, BODIES)
    assert sorted(got) == sorted(BODIES)
    assert anna.keyring[rita.fingerprint]["addresses"] == [rita.address]
    for subject, body in BODIES.items():
        shown = anna.shown(got[subject].id)
        assert shown.headers["From"] == rita.address
        if subject in AMBIGUOUS:
            assert shown.verdict in ("body-only", "invalid"), subject
            assert body in got[subject].body, subject
        else:
            assert (shown.text.rstrip(), shown.verdict) == (body.rstrip(), "body-only"), subject


@pytest.mark.parametrize("body", ["", " ", "\n"])
def test_an_empty_body_passes_both_ways(online: Cast, body: str) -> None:
    anna, rita = online.azall("anna"), online.reference("rita")
    anna.send(rita.address, "empty", body).ok()
    rita.sync()
    assert rita.received("empty").text.strip() == ""
    rita.send(anna.address, "empty too", body)
    anna.sync()
    for message in anna.inbox():
        assert message.text.strip() == ""


def test_one_message_to_several_recipients(online: Cast) -> None:
    anna, rita, otto = online.azall("anna"), online.reference("rita"), online.azall("otto")
    anna.send(f"{rita.address},{otto.address}", "to both", "Hello, you two.").ok()
    for receiver in (rita, otto):
        receiver.sync()
        assert receiver.received("to both").text == "Hello, you two."
    assert otto.verdict_on("to both") == "valid"


def test_a_forged_body_is_invalid(online: Cast, relay_token: tuple[str, str]) -> None:
    _, token = relay_token
    anna, rita, otto = online.azall("anna"), online.reference("rita"), online.azall("otto")
    rita.send(anna.address, "genuine", "Pay 10 euro.").ok()
    anna.sync()
    forged = anna.received("genuine").body.replace("10", "9999")
    online.relay.send(token, otto.address, {"subject": "genuine", "body": forged, "from": rita.address})
    otto.sync()
    assert otto.verdict_on("genuine") == "invalid"
