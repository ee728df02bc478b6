"""Answers each message in its own task, with a limit on how long that may take: `python async_watch.py COUNT`."""

import asyncio
import sys

from azall import Summary, aio


async def answer(mailbox: aio.Mailbox, summary: Summary) -> None:
    """Answers one message."""
    message = await mailbox.read(summary)
    await mailbox.reply(message, f"I have read {len(message.text)} characters.")


async def main(count: int) -> None:
    """Answers so many messages."""
    async with await aio.Mailbox.open() as mailbox, mailbox.watch(unread=True) as watch:
        tasks = []
        async for summary in watch:
            tasks.append(asyncio.create_task(asyncio.wait_for(answer(mailbox, summary), 30)))
            if len(tasks) == count:
                break
        await asyncio.gather(*tasks)
        print(f"{count} answered")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
