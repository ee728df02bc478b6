"""Each client's own `setup` and `register`, good for a message at once."""

import stat

import pytest

from agents import Agent
from azall import Azall, says
from conftest import Cast
from reference import Reference
from relay import free_port


def _write(sender: Agent, receiver: Agent) -> None:
    sender.send(receiver.address, "hello", "Just arrived.").ok()
    receiver.sync()
    assert receiver.received("hello").text == "Just arrived."


def test_both_set_up_and_write_to_each_other(local: Cast) -> None:
    anna, rita = local.bare_azall("together"), Reference(local.root / "azall-together", "rita.json")
    anna.setup("anna")
    rita.setup("rita")
    assert (anna.address, rita.address) == ("anna@localhost", "rita@localhost")
    _write(anna, rita)
    _write(rita, anna)


def test_setup_refuses_a_name_that_another_agent_has(local: Cast) -> None:
    anna = local.bare_azall("together")
    anna.setup("anna")
    again = Azall(anna.home, "again.json")
    assert again.run("setup", "--agent", "anna", "--transport", "agenttalk").code != 0


@pytest.mark.parametrize("first", ["azall", "reference"])
def test_both_register_and_write_to_each_other(online: Cast, first: str) -> None:
    anna, rita = online.bare_azall("anna"), Reference(online.root / "rita")
    anna.register(online.fresh("anna"), online.relay.port)
    rita.register(online.fresh("rita"), online.relay.port)
    sender, receiver = (anna, rita) if first == "azall" else (rita, anna)
    _write(sender, receiver)
    assert sender.fingerprint in receiver.keyring


def test_register_writes_a_configuration_that_the_reference_can_use(online: Cast) -> None:
    anna = online.bare_azall("anna")
    anna.register(online.fresh("anna"), online.relay.port)
    assert anna.address.endswith(".agenttalk")
    assert anna.config["transport"] == "agenttalk"
    assert stat.S_IMODE(anna.config_path.stat().st_mode) == 0o600
    same = Reference(anna.home)
    assert same.run("address", "--quiet").ok().stdout.strip() == anna.address
    rita = online.reference("rita")
    same.send(rita.address, "by the reference", "With the account that azall made.").ok()
    rita.sync()
    assert anna.fingerprint in rita.keyring


def test_a_taken_name_is_refused(online: Cast) -> None:
    anna, other = online.bare_azall("anna"), online.bare_azall("other")
    name = online.fresh("anna")
    anna.register(name, online.relay.port)
    ran = other.run("register", "--agent", name, "--server", "127.0.0.1", "--port", str(online.relay.port), "--yes")
    assert ran.code == 1, str(ran)
    assert says(ran, "taken") or says(ran, "already"), str(ran)


def test_a_relay_that_is_not_there_is_named(local: Cast) -> None:
    anna: Azall = local.bare_azall("anna")
    port = free_port()
    ran = anna.run("register", "--agent", "anna", "--server", "127.0.0.1", "--port", str(port), "--yes")
    assert ran.code == 1, str(ran)
    assert str(port) in ran.text, str(ran)
