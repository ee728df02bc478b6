"""The drive loop on an event loop: what may block runs on its threads, requests run on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ._core import Op
from ._drive import GIVEN_UP, GRACE, MOST_THREADS, OVERDUE, Flag, OnEvent, Step, deadline_of, turn
from ._effects import Answer, Effect, EffectError
from ._host import Host

Send = Callable[[Effect], Awaitable[dict[str, object]]]


class AsyncRun:
    """One operation on its way. Cancelling the task that waits for it asks the operation to stop, and waits until it has."""

    def __init__(
        self,
        op: Op,
        host: Host,
        send: Send,
        on_event: OnEvent = lambda _: None,
        stopping: Flag | None = None,
    ) -> None:
        self._op = op
        self._host = host
        self._send = send
        self._on_event = on_event
        self._stopping = stopping or Flag()
        self._stop = asyncio.Event()
        self._limit = asyncio.Semaphore(MOST_THREADS)
        self._slow: dict[asyncio.Task[Answer], int] = {}

    def cancel(self) -> None:
        """Asks the operation to stop."""
        self._stopping.set()
        self._stop.set()

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
        give_up: float | None = None
        answers: list[tuple[int, Answer]] = []
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            while True:
                if give_up is None and self._stop.is_set():
                    give_up = time.monotonic() + GRACE
                    self._op.cancel()
                events: list[Step] = []
                try:
                    reached = await asyncio.to_thread(turn, self._op, self._host, answers, events.append)
                finally:
                    for event in events:
                        self._on_event(event)
                if reached.done is not None:
                    return reached.done
                for number, effect in reached.slow:
                    self._slow[asyncio.ensure_future(self._do(effect))] = number
                answers = await self._wait(reached.wait_seconds(), give_up, stopped)
        finally:
            stopped.cancel()
            for task in self._slow:
                task.cancel()

    async def _do(self, effect: Effect) -> Answer:
        async with self._limit:
            try:
                left = deadline_of(effect) - time.monotonic()
                return await asyncio.wait_for(self._answer(effect), left)
            except (asyncio.TimeoutError, TimeoutError):
                return OVERDUE

    async def _answer(self, effect: Effect) -> Answer:
        if effect["kind"] != "Http":
            return await asyncio.to_thread(self._host.answer, effect)
        try:
            return {"Ok": await self._send(effect)}
        except EffectError as error:
            return error.answer

    async def _wait(
        self, seconds: float, give_up: float | None, stopped: asyncio.Future[Any]
    ) -> list[tuple[int, Answer]]:
        """Waits for answers, the deadline or the wish to stop."""
        awaited: set[asyncio.Future[Any]] = set(self._slow)
        if give_up is None:
            awaited.add(stopped)
        elif self._slow:
            seconds = min(seconds, max(give_up - time.monotonic(), 0))
        if awaited:
            await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)
        answers = [(self._slow.pop(task), task.result()) for task in [task for task in self._slow if task.done()]]
        if give_up is not None and give_up <= time.monotonic():
            for task, number in self._slow.items():
                task.cancel()
                answers.append((number, GIVEN_UP))
            self._slow.clear()
        return answers
