"""One program, several agents: `python several_mailboxes.py CONFIG...` syncs them side by side and counts what is unread."""

import asyncio
import sys

from azall import aio


async def count(config: str) -> tuple[str, int]:
    """An agent's address, and how many messages it has not read."""
    async with await aio.Mailbox.open(config) as mailbox:
        return mailbox.address, len(await mailbox.inbox(all=True, unread=True))


async def main(configs: list[str]) -> None:
    """Counts in all of them at once."""
    for address, unread in await asyncio.gather(*map(count, configs)):
        print(f"{address}: {unread} unread")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
