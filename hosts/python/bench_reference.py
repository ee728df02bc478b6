"""Times the reference client's own reading and verifying of the message file that is named, in microseconds. Run by `bench.py`."""

import statistics
import sys
import time

from agentazall import messages  # type: ignore[import-not-found, import-untyped, unused-ignore]


def once(path: str) -> None:
    """Reads and verifies."""
    headers, body = messages.parse_message(path)
    if messages.verify_message(headers, body) is not True:
        sys.exit("the reference does not verify the message")


times = []
for _ in range(15):
    start = time.perf_counter()
    for _ in range(200):
        once(sys.argv[1])
    times.append((time.perf_counter() - start) / 200 * 1e6)
print(statistics.median(times))
