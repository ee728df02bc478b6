"""Measures the Python package: verifying, listing an inbox of 10,000 messages, importing. Medians, printed as a table.

    python bench.py [PYTHON_WITH_THE_REFERENCE]

Beside azall stand PyNaCl's bare verification of the same bytes, if it is installed, and the reference client: its own reading and
verifying of the same message, and its inbox command over the same folder, within a process and as one, as the interpreter that is
named runs them.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import azall
from azall import protocol

MESSAGES = 10_000

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(azall.__file__).resolve().parents[1])}
"""For processes: they import the package that is measured here, wherever they run."""


def median_us(work: Callable[[], object], rounds: int = 15, times: int = 200) -> float:
    """The median of rounds, each the mean of so many calls, in microseconds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - start) / times * 1e6)
    return statistics.median(found)


def median_ms(command: list[str], environment: dict[str, str], cwd: str, rounds: int = 5) -> float:
    """The median time of a process, in milliseconds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, env=environment, cwd=cwd, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        found.append((time.perf_counter() - start) * 1e3)
    return statistics.median(found)


def by_reference(python: str, arguments: list[str], environment: dict[str, str], cwd: str) -> float:
    """What the reference's own functions take, as its own process measures it."""
    program = [python, str(Path(__file__).with_name("bench_reference.py").resolve()), *arguments]
    ran = subprocess.run(program, env=environment, cwd=cwd, check=True, capture_output=True, text=True)
    return float(ran.stdout)


def row(what: str, value: float, unit: str) -> None:
    """Prints a line of the table."""
    print(f"{what:<62} {value:>10.1f} {unit}", flush=True)


def verifying(reference: str | None) -> None:
    """A signed message of about a kilobyte."""
    identity = protocol.Identity.from_seed(bytes(range(32)))
    body = "The quick brown fox jumps over the lazy dog.\n" * 22
    sealed = protocol.sign_body(identity, body)
    file = f"From: a@x\nTo: b@x\nSubject: s\nDate: 2026-03-11 14:23:55\nMessage-ID: abc123\n\n---\n{sealed}".encode()
    row("verify a message file: azall, parsing included", median_us(lambda: protocol.verify(file)), "us")
    row("  parse it only: azall", median_us(lambda: protocol.parse(file)), "us")
    try:
        from nacl.signing import VerifyKey
    except ImportError:
        pass
    else:
        signed = body.rstrip().encode()
        key, signature = VerifyKey(identity.public_key), identity.sign(signed)
        row("  the bare signature: PyNaCl", median_us(lambda: key.verify(signed, signature)), "us")
        encoded = base64.b64encode(identity.public_key)
        row(
            "  the same, key and signature from their base64: PyNaCl",
            median_us(lambda: VerifyKey(base64.b64decode(encoded)).verify(signed, signature)),
            "us",
        )
    if reference is not None:
        with tempfile.NamedTemporaryFile(suffix=".txt") as kept:
            kept.write(file)
            kept.flush()
            its = by_reference(reference, ["verify", kept.name], dict(os.environ), "/")
            row("  parse and verify: the reference", its, "us")


def listing(reference: str | None) -> None:
    """The inbox of a day, of 10,000 messages that another client put there."""
    folder = tempfile.mkdtemp()
    try:
        identity = protocol.Identity.from_seed(bytes(range(32)))
        today = time.strftime("%Y-%m-%d")
        with azall.Mailbox.open(folder, agent="ada@localhost") as mailbox:
            inbox = Path(folder) / "data/mailboxes/ada@localhost" / today / "inbox"
            inbox.mkdir(parents=True)
            for number in range(MESSAGES):
                name = f"{number:012x}"
                head = f"From: eve@localhost\nTo: ada@localhost\nSubject: number {number}\nDate: {today} 12:00:00\n"
                body = protocol.sign_body(identity, f"This is message {number}.")
                (inbox / f"{name}.txt").write_text(f"{head}Message-ID: {name}\nStatus: new\n\n---\n{body}")
            times = []
            for _ in range(15):
                start = time.perf_counter()
                assert len(mailbox.inbox(offline=True)) == MESSAGES
                times.append((time.perf_counter() - start) * 1e3)
        own = statistics.median(times)
        row(f"mailbox.inbox(offline=True), {MESSAGES} messages: azall", own, "ms")
        environment = {**ENVIRONMENT, "AGENTAZALL_CONFIG": f"{folder}/config.json"}
        if reference is not None:
            its = by_reference(reference, ["inbox", "--offline"], environment, folder)
            row("  the reference's own function for it, in its process", its, "ms")
        command = median_ms([sys.executable, "-m", "azall", "inbox", "--offline"], environment, folder)
        row("  the command `azall inbox --offline`, as a process", command, "ms")
        if reference is not None:
            program = str(Path(reference).parent / "agentazall")
            row(
                "  the command `agentazall inbox --offline`",
                median_ms([program, "inbox", "--offline"], environment, folder),
                "ms",
            )
    finally:
        shutil.rmtree(folder)


def importing(reference: str | None) -> None:
    """The time that an import adds to that of the interpreter, and the command's whole time."""
    empty = median_ms([sys.executable, "-c", ""], ENVIRONMENT, "/", 15)
    row("import azall", median_ms([sys.executable, "-c", "import azall"], ENVIRONMENT, "/", 15) - empty, "ms")
    code = "from azall import Mailbox"
    row("  from azall import Mailbox", median_ms([sys.executable, "-c", code], ENVIRONMENT, "/", 15) - empty, "ms")
    row(
        "`azall --version`, as a process",
        median_ms([sys.executable, "-m", "azall", "--version"], ENVIRONMENT, "/"),
        "ms",
    )
    if reference is not None:
        program = str(Path(reference).parent / "agentazall")
        row("`agentazall --version`", median_ms([program, "--version"], ENVIRONMENT, "/"), "ms")


def main() -> None:
    """Measures everything."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("reference", nargs="?", help="a Python that has the reference client")
    reference: str | None = arguments.parse_args().reference
    verifying(reference)
    listing(reference)
    importing(reference)


if __name__ == "__main__":
    main()
