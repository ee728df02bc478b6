"""Attachments between the two clients: over the relay and through a shared folder of mailboxes."""

import hashlib
import random
from pathlib import Path

import pytest

from agents import Agent
from conftest import Cast

MEBIBYTE = 1 << 20


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """A file of 1 MiB that holds every byte value."""
    path = tmp_path / "data set (1).bin"
    path.write_bytes(bytes(range(256)) + random.Random(1).randbytes(MEBIBYTE - 256))
    return path


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _send_and_compare(sender: Agent, receiver: Agent, binary: Path) -> None:
    small = binary.with_name("ümlaut.txt")
    small.write_text("small")
    sender.send(receiver.address, "files", "See attached.", binary, small).ok()
    receiver.sync()
    got = receiver.received("files").attachments
    assert {name: _digest(data) for name, data in got.items()} == {
        path.name: _digest(path.read_bytes()) for path in (binary, small)
    }


def test_from_azall_over_the_relay(online: Cast, binary: Path) -> None:
    _send_and_compare(online.azall("anna"), online.reference("rita"), binary)


def test_from_the_reference_over_the_relay(online: Cast, binary: Path) -> None:
    _send_and_compare(online.reference("rita"), online.azall("anna"), binary)


def test_between_two_azall_the_signature_covers_them(online: Cast, binary: Path) -> None:
    anna, otto = online.azall("anna"), online.azall("otto")
    _send_and_compare(anna, otto, binary)
    assert otto.verdict_on("files") == "valid"
    attached = otto.received("files").path.with_suffix("") / binary.name
    attached.write_bytes(attached.read_bytes()[:-1] + b"!")
    assert otto.shown(otto.received("files").id).verdict == "invalid"


def test_through_a_shared_folder(local: Cast, binary: Path) -> None:
    rita, anna = local.neighbours()
    _send_and_compare(anna, rita, binary)
    _send_and_compare(rita, anna, binary)


def test_a_missing_file_stops_the_sending(local: Cast) -> None:
    rita, anna = local.neighbours()
    ran = anna.send(rita.address, "files", "See attached.", anna.home / "nothing.bin")
    assert ran.code != 0
    assert "nothing.bin" in ran.text
    assert rita.inbox() == []
    assert anna.folder("sent") == []
