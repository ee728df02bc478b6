"""Times azall beside the reference in one run and prints a table of medians and ratios.

Run by `cargo xtask bench`, which builds what it needs and names it in the environment: AZALL_BIN (the binary),
AZALL_RATES (a program that prints verification rates as JSON), AZALL_BENCH_QUICK (set for a small run).
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any
from urllib.request import Request, urlopen

import make_mailbox

QUICK = bool(os.environ.get("AZALL_BENCH_QUICK"))
MESSAGES = 1000 if QUICK else 10_000
WAITING = 200 if QUICK else 2000
AGENT = "worker@localhost"
AZALL = [os.environ["AZALL_BIN"]]
REFERENCE = [str(Path(sys.executable).with_name("agentazall"))]


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to end, and its largest memory in MB."""

    seconds: float
    megabytes: float


def run(program: Sequence[str], arguments: Sequence[str], folder: Path) -> Run:
    """Runs a program in a folder with its output thrown away; anything but exit code 0 ends the comparison."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTAZALL")}
    argv = [*program, *arguments]
    with Path(os.devnull).open("w") as nowhere:
        quiet = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1), (os.POSIX_SPAWN_DUP2, nowhere.fileno(), 2)]
        before = Path.cwd()
        os.chdir(folder)
        try:
            start = time.perf_counter()
            process = os.posix_spawn(argv[0], argv, environment, file_actions=quiet)
            _, status, usage = os.wait4(process, 0)
            seconds = time.perf_counter() - start
        finally:
            os.chdir(before)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(argv)} failed")
    return Run(seconds, usage.ru_maxrss / 1024)


def median(runs: Sequence[Run]) -> Run:
    """The medians of both figures."""
    return Run(statistics.median(r.seconds for r in runs), max(r.megabytes for r in runs))


def alternate(arguments: Sequence[str], folder: Path, times: tuple[int, int]) -> tuple[Run, Run]:
    """Both clients in turn, after one run each that does not count."""
    azall: list[Run] = []
    reference: list[Run] = []
    for round_number in range(max(times) + 1):
        if round_number <= times[0]:
            azall.append(run(AZALL, arguments, folder))
        if round_number <= times[1]:
            reference.append(run(REFERENCE, arguments, folder))
    return median(azall[1:]), median(reference[1:])


def show(what: str, azall: Run, reference: Run, target: float) -> bool:
    """Prints a row; tells whether the target was reached."""
    ratio = reference.seconds / azall.seconds
    reached = ratio >= target
    print(
        f"{what:<44} {azall.seconds * 1000:>9.1f} ms {azall.megabytes:>6.0f} MB {reference.seconds * 1000:>9.1f} ms"
        f" {ratio:>7.1f}x   (at least {target:g}x: {'yes' if reached else 'NO'})"
    )
    return reached


def configure(folder: Path, agent: str = AGENT, **settings: object) -> None:
    """Writes a config that both clients read."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"agent_name": agent, "agent_key": "0123456789abcdef" * 2, "mailbox_dir": "./data/mailboxes", **settings}
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def compare_recall(root: Path) -> bool:
    """The whole process, in a mailbox with one memory."""
    folder = root / "recall"
    configure(folder)
    run(AZALL, ["remember", "--text", "The API uses OAuth2.", "--title", "api"], folder)
    azall, reference = alternate(["recall"], folder, (41, 11))
    return show("recall, one memory", azall, reference, 25)


def compare_bulk(root: Path) -> bool:
    """Many signed messages of 1 KB in 30 days."""
    folder = root / "bulk"
    configure(folder, transport="agenttalk")
    mailbox = folder / "data" / "mailboxes" / AGENT
    arguments = [sys.executable, make_mailbox.__file__, str(mailbox), AGENT, str(MESSAGES), "30"]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["sync"], check=True)
    reached = True
    for command, target in (
        (["inbox", "--offline", "--all"], 20),
        (["search", make_mailbox.RARE_WORD], 12),
        (["index", "--rebuild"], 12),
    ):
        azall, reference = alternate(command, folder, (9, 5))
        reached &= show(f"{' '.join(command)}, {MESSAGES} messages", azall, reference, target)
        reached &= azall.megabytes < 150
    return reached


@contextmanager
def relay(root: Path) -> Iterator[str]:
    """The reference's own relay server, on a free port of this machine."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-m", "agentazall.agenttalk_server", "--port", str(port), "--data-dir", str(root)]
    server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                call(f"http://127.0.0.1:{port}/health")
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def call(url: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
    """One JSON call of the relay."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    with urlopen(Request(url, data, headers), timeout=30) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def fill(url: str, sender_token: str, recipient: str) -> None:
    """Puts signed messages into an inbox of the relay."""
    # One account, one key: a second key under one address would rightly be held back.
    for letter in make_mailbox.letters(WAITING, make_mailbox.senders(1)):
        payload = {"subject": letter.subject, "body": letter.body, "attachments": []}
        call(f"{url}/send", {"to": recipient, "payload": json.dumps(payload)}, sender_token)


def compare_sync(root: Path) -> bool:
    """`inbox` with many messages waiting at the relay, keyring updated, everything durable."""
    # The relay deletes thousands of files while it is asked: on the measured disk both clients would pay for that.
    memory = Path("/dev/shm")
    kept = tempfile.TemporaryDirectory(prefix="azall-relay-", dir=memory if memory.is_dir() else root)
    with kept as data, relay(Path(data)) as url:
        sender = call(f"{url}/register", {"agent_name": "sender"})["api_token"]

        def fetch(program: Sequence[str], name: str) -> Run:
            account = call(f"{url}/register", {"agent_name": name})
            folder = root / name
            settings = {"server": url, "token": account["api_token"]}
            configure(folder, account["agent_address"], transport="agenttalk", agenttalk=settings)
            run(program, ["inbox"], folder)
            fill(url, sender, name)
            fetched = run(program, ["inbox"], folder)
            stored = len(list(folder.glob("data/mailboxes/*/*/inbox/*.txt")))
            if stored != WAITING:
                sys.exit(f"{name} stored {stored} of {WAITING} messages")
            return fetched

        rounds = [(fetch(AZALL, f"azall{n}"), fetch(REFERENCE, f"reference{n}")) for n in range(3)]
        azall, reference = [one for one, _ in rounds], [other for _, other in rounds]
    return show(f"inbox, {WAITING} messages waiting at a relay", median(azall), median(reference), 5)


def compare_verification() -> bool:
    """Signature checks inside the process."""
    printed = subprocess.run([os.environ["AZALL_RATES"]], check=True, capture_output=True, text=True).stdout
    rates = {name: float(time) for name, time in map(str.split, printed.splitlines())}
    bare, whole, batch, one_sender = (rates[name] for name in ("bare", "message", "batch", "one_sender"))
    print(f"{'bare verify_strict of 1 KB':<44} {bare:>9.1f} us")
    print(f"{'envelope 2 of 1 KB, text to verdict':<44} {whole:>9.1f} us   {whole / bare:.2f} of it (at most 1.10)")
    for senders, time_each in (("64 senders", batch), ("one sender", one_sender)):
        what = f"the same in batches of 64, {senders}"
        print(f"{what:<44} {time_each:>9.1f} us   {whole / time_each:.2f}x the rate (at least 1.5x)")
    return bool(whole / bare <= 1.10 and whole / batch >= 1.5)


def main() -> None:
    """Prints the table."""
    root = Path(tempfile.mkdtemp(prefix="azall-bench-"))
    print(f"{'':<44} {'azall':>12} {'memory':>9} {'reference':>12} {'ratio':>8}")
    comparisons: list[Callable[[], bool]] = [
        lambda: compare_recall(root),
        lambda: compare_bulk(root),
        lambda: compare_sync(root),
        compare_verification,
    ]
    try:
        reached = [comparison() for comparison in comparisons]
    finally:
        shutil.rmtree(root)
    print("every target reached" if all(reached) else "a target was missed")


if __name__ == "__main__":
    main()
