"""The drive loop on an event loop: turns and scripts run on its threads, requests on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ._core import Flag, Op
from ._drive import GIVEN_UP, Loop, OnEvent, Step
from ._effects import Answer, Effect, answer_of
from ._host import Host

AsyncSend = Callable[[Effect], Awaitable[dict[str, object]]]
"""What answers `Http` on an event loop."""


class AsyncRun(Loop):
    """An operation as a task. Cancelling the task that waits for it asks the operation to stop, and waits until it has."""

    def __init__(
        self,
        op: Op,
        host: Host,
        send: AsyncSend,
        on_event: OnEvent = lambda _: None,
        stopping: Flag | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(op, host, lambda event: loop.call_soon_threadsafe(on_event, event), stopping)
        self._send = send
        self._bell = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ended: list[tuple[int, Answer]] = []

    def cancel(self) -> None:
        """Asks the operation to stop."""
        self._stopping.set()
        self._bell.set()

    async def to_end(self) -> Step:
        """Drives the operation and gives its last step."""
        task = asyncio.ensure_future(self._drive())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.cancel()
            await asyncio.wait([task])
            # What it gave, or failed with, nobody waits for any more.
            if not task.cancelled():
                task.exception()
            raise

    async def _drive(self) -> Step:
        ended: list[tuple[int, Answer]] = []
        try:
            while True:
                for number, effect in await asyncio.to_thread(self._turn, ended):
                    self._tasks[number] = asyncio.ensure_future(self._do(number, effect))
                if self.done is not None:
                    return self.done
                for number in self._tasks.keys() - self._awaited.keys():
                    self._tasks[number].cancel()
                ended = await self._wait()
        finally:
            for task in self._tasks.values():
                task.cancel()

    async def _do(self, number: int, effect: Effect) -> None:
        answer = GIVEN_UP
        try:
            answer = await self._answer(effect)
        finally:
            del self._tasks[number]
            self._ended.append((number, answer))
            self._bell.set()

    async def _answer(self, effect: Effect) -> Answer:
        if effect["kind"] != "Http":
            return await asyncio.to_thread(self._host.answer, effect)
        try:
            return {"Ok": await self._send(effect)}
        except Exception as error:
            return answer_of(error)

    async def _wait(self) -> list[tuple[int, Answer]]:
        """Waits for answers, the deadline or the wish to stop."""
        with suppress(asyncio.TimeoutError, TimeoutError):
            await asyncio.wait_for(self._bell.wait(), self._seconds())
        self._bell.clear()
        ended, self._ended = self._ended, []
        return ended
