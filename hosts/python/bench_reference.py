"""Times what the reference client does, in its own process, by its own functions. Run by `bench.py`.

python bench_reference.py verify FILE      reading and verifying a message file, in microseconds
python bench_reference.py COMMAND ...      a command of its command line, in milliseconds
"""

import contextlib
import io
import statistics
import sys
import time

from agentazall import cli, messages  # type: ignore[import-not-found, import-untyped, unused-ignore]


def once(path: str) -> None:
    """Reads and verifies."""
    headers, body = messages.parse_message(path)
    if messages.verify_message(headers, body) is not True:
        sys.exit("the reference does not verify the message")


def verifying(path: str) -> float:
    """The median of rounds, each the mean of so many calls."""
    times = []
    for _ in range(15):
        start = time.perf_counter()
        for _ in range(200):
            once(path)
        times.append((time.perf_counter() - start) / 200 * 1e6)
    return statistics.median(times)


def running() -> float:
    """The median time of the command that this process was given, its output kept in memory."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            cli.main()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


print(verifying(sys.argv[2]) if sys.argv[1] == "verify" else running())
