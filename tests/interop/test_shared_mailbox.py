"""One mailbox, one configuration, used alternately by both clients; every kind of file."""

from agents import Agent
from conftest import Cast
from make_mailbox import fill
from trees import assert_same, snapshot

# Made anew in every mailbox: random keys, and times of making.
PERSONAL = (".agent_key", ".identity_key")


def _first_half(agent: Agent) -> None:
    agent.run("whoami", "--set", "I am one of two.").ok()
    agent.run("doing", "--set", "first task").ok()
    agent.run("note", "shopping list/2026", "--set", "milk").ok()
    agent.run("remember", "--title", "api auth", "--text", "The API uses OAuth 2.").ok()
    agent.run("filter", "--block", "*@spam.example").ok()


def _second_half(agent: Agent) -> None:
    agent.run("doing", "--append", "second task").ok()
    agent.run("note", "shopping list/2026", "--append", "bread").ok()
    agent.run("remember", "--title", "api auth", "--text", "Tokens live an hour.").ok()
    agent.run("remember", "--title", "Grüße", "--text", "two\nlines").ok()
    agent.run("filter", "--allow", "friend@example.org").ok()
    agent.run("index", "--rebuild").ok()


def test_every_file_is_the_same_whoever_writes_it(local: Cast) -> None:
    alone, other = local.reference("worker"), local.azall("worker")
    _first_half(alone)
    _second_half(alone)
    expected = snapshot(alone.mailbox)

    _first_half(other)
    _second_half(other)
    assert_same(expected, snapshot(other.mailbox), ignore=PERSONAL)
    assert other.config["address_filter"] == alone.config["address_filter"]


def test_each_goes_on_where_the_other_left(local: Cast) -> None:
    alone = local.reference("worker")
    _first_half(alone)
    _second_half(alone)
    expected = snapshot(alone.mailbox)

    local.root /= "alternating"
    reference, azall = local.sharing("worker")
    _first_half(reference)
    _second_half(azall)
    assert_same(expected, snapshot(reference.mailbox), ignore=PERSONAL)

    local.root /= "the other way"
    reference, azall = local.sharing("worker")
    _first_half(azall)
    _second_half(reference)
    assert_same(expected, snapshot(reference.mailbox), ignore=PERSONAL)
    assert reference.config["address_filter"] == alone.config["address_filter"]


def test_each_shows_what_the_other_stored(local: Cast) -> None:
    reference, azall = local.sharing("worker")
    for writer, reader in ((reference, azall), (azall, reference)):
        name = type(writer).__name__
        writer.run("whoami", "--set", f"I am run by {name}.").ok()
        writer.run("remember", "--title", name, "--text", f"stored by {name}").ok()
        writer.run("note", name, "--set", f"noted by {name}").ok()
        assert f"I am run by {name}." in reader.run("whoami").ok().stdout
        assert f"stored by {name}" in reader.run("recall", name).ok().stdout
        assert f"noted by {name}" in reader.run("note", name).ok().stdout
        assert name in reader.run("notes").ok().stdout


def test_indexes_of_a_full_mailbox_are_byte_equal(local: Cast) -> None:
    reference, azall = local.sharing("worker")
    fill(reference.mailbox, "worker@localhost", messages=60, days=3)
    days = sorted(path.name for path in reference.mailbox.glob("????-??-??"))
    rebuilt = []
    for client in (reference, azall):
        for day in days:
            client.run("index", "--rebuild", "--date", day).ok()
        files = snapshot(reference.mailbox)
        rebuilt.append({path: data for path, data in files.items() if path.endswith("/index.txt")})
    assert rebuilt[0] == rebuilt[1]
    assert len(rebuilt[0]) == len(days)


def test_keyring_and_seen_ids_are_kept_by_both(online: Cast) -> None:
    reference, azall = online.sharing("worker")
    senders = [online.reference("rita"), online.reference("rolf"), online.azall("anna"), online.azall("arno")]
    for client, sender in zip((reference, azall, reference, azall), senders, strict=True):
        sender.send(reference.address, sender.address, "Hello.").ok()
        client.sync()
    assert sorted(reference.keyring) == sorted(sender.fingerprint for sender in senders)
    # azall keeps lines of its own beside the relay's ids, such as `sig:<fingerprint>:<id>`.
    lines = (reference.mailbox / ".seen_ids").read_text().splitlines()
    seen = [line for line in lines if ":" not in line]
    assert len(seen) == len(set(seen)) == len(senders)
    assert len(reference.inbox()) == len(senders)


def test_a_message_read_by_one_is_read_for_the_other(local: Cast) -> None:
    rita, anna = local.neighbours()
    for client, subject in ((Cast.as_azall(rita), "first"), (rita, "second")):
        anna.send(rita.address, subject, "Read me.").ok()
        client.run("read", rita.received(subject).id).ok()
        assert rita.received(subject).headers["Status"] == "read"


def test_neither_writes_with_the_key_of_another_agent(local: Cast) -> None:
    reference, azall = local.sharing("worker")
    # The first command that writes leaves the key beside the mailbox.
    azall.run("remember", "--title", "own", "--text", "Mine.").ok()
    reference.configure(agent_key="0" * 32)
    before = snapshot(reference.mailbox)
    assert azall.run("remember", "--title", "x", "--text", "y").code != 0
    assert azall.run("whoami", "--set", "I am somebody else.").code != 0
    assert_same(before, snapshot(reference.mailbox))
