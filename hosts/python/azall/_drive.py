"""The drive loop: polls an operation, has done what it asks, and resumes it with the answers as they come.

Effects on files are done on the thread that drives. Requests and scripts, which may take long, go on beside it: here each on a
thread of its own, in `azall._aio_drive` as tasks of an event loop.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from ._core import Flag, Op
from ._effects import Answer, Effect, EffectError
from ._host import FILES, SLOW, Host

MOST_AT_ONCE = 16
"""The most requests and scripts at once; more wait their turn."""

GRACE = 8.0
"""How long requests and scripts may still take once the operation is to stop, in seconds. What a relay is handing out it may have
deleted, so they are not cut off at once; a service manager kills after ten seconds."""

LONGEST_WAIT = 30.0
"""How long to wait for a deadline, at most, in seconds: the clock may be set, or the machine sleep, meanwhile."""

Step = dict[str, Any]
OnEvent = Callable[[Step], object]

GIVEN_UP: Answer = EffectError("timed_out", "told to stop before an answer came").answer
OVERDUE: Answer = EffectError("timed_out", "no answer within the time limit").answer


def now() -> tuple[int, int]:
    """Unix milliseconds, and the seconds that local time is ahead of UTC."""
    moment = time.time()
    return int(moment * 1000), time.localtime(moment).tm_gmtoff


class Loop:
    """One operation on its way, but for how slow effects are done and waited for: each kind of run has its own way."""

    def __init__(self, op: Op, host: Host, on_event: OnEvent = lambda _: None, stopping: Flag | None = None) -> None:
        """`stopping` is raised when the operation is to stop, for whoever else wants to know."""
        self.done: Step | None = None
        """The last step, once there is one."""
        self._op = op
        self._host = host
        self._on_event = on_event
        self._stopping = stopping or Flag()
        self._give_up: float | None = None
        self._until: int | None = None
        self._queued: deque[tuple[int, Effect]] = deque()
        # What was started and is waited for, with the moment from which it is no more.
        self._awaited: dict[int, float] = {}
        self._places = MOST_AT_ONCE

    def _turn(self, ended: list[tuple[int, Answer]]) -> list[tuple[int, Effect]]:
        """Resumes the operation with what has ended, goes on until it waits or is done, and gives what is to be started."""
        if self._give_up is None and self._stopping.is_set():
            self._give_up = time.monotonic() + GRACE
            self._op.cancel()
        self._places += len(ended)
        for number, answer in ended:
            # Of what was given up the operation knows no more.
            if self._awaited.pop(number, None) is not None:
                self._op.resume(number, answer)
        self._resume_overdue(time.monotonic())
        self._go_on()
        due = [self._queued.popleft() for _ in range(min(len(self._queued), self._places))]
        self._places -= len(due)
        for number, effect in due:
            # Whatever its handler does: a peer may send a byte now and then.
            self._awaited[number] = time.monotonic() + effect["timeout_ms"] / 1000 + 1
        return due

    def _resume_overdue(self, moment: float) -> None:
        if self._give_up is not None and self._give_up <= moment:
            for number in [*self._awaited, *(number for number, _ in self._queued)]:
                self._op.resume(number, GIVEN_UP)
            self._awaited.clear()
            self._queued.clear()
        for number in [number for number, limit in self._awaited.items() if limit <= moment]:
            del self._awaited[number]
            self._op.resume(number, OVERDUE)

    def _go_on(self) -> None:
        """Polls, and has effects on files done, until the operation waits for something slow or is done."""
        while True:
            on_files: list[int] = []
            while (step := self._op.poll(*now()))["step"] in ("effect", "event"):
                if step["step"] == "event":
                    self._on_event(step)
                elif step["kind"] in FILES:
                    on_files.append(step["id"])
                elif step["kind"] in SLOW:
                    self._queued.append((step["id"], self._op.effect(step["id"])))
                else:
                    self._op.resume(step["id"], self._host.answer(self._op.effect(step["id"])))
            if step["step"] != "wait":
                self.done = step
                return
            self._until = step["until"]
            if not self._op.fulfil(self._host.files, on_files):
                return

    def _seconds(self) -> float:
        """How long to wait until the next turn, at most."""
        waits = [LONGEST_WAIT]
        if self._until is not None:
            waits.append((self._until - now()[0]) / 1000)
        limits = list(self._awaited.values())
        if self._give_up is not None and (self._awaited or self._queued):
            limits.append(self._give_up)
        if limits:
            waits.append(min(limits) - time.monotonic())
        return max(min(waits), 0)


class Run(Loop):
    """An operation on the thread that calls `to_end`; any thread may cancel it."""

    def __init__(self, op: Op, host: Host, on_event: OnEvent = lambda _: None, stopping: Flag | None = None) -> None:
        super().__init__(op, host, on_event, stopping)
        self._ended: SimpleQueue[tuple[int, Answer] | None] = SimpleQueue()

    def cancel(self) -> None:
        """Asks the operation to stop. Signal handlers may call it."""
        self._stopping.set()
        self._ended.put(None)

    def to_end(self) -> Step:
        """Drives the operation and gives its last step."""
        ended: list[tuple[int, Answer]] = []
        while True:
            for job in self._turn(ended):
                threading.Thread(target=self._do, args=job, name="azall-slow", daemon=True).start()
            if self.done is not None:
                return self.done
            ended = self._wait()

    def _do(self, number: int, effect: Effect) -> None:
        self._ended.put((number, self._host.answer(effect)))

    def _wait(self) -> list[tuple[int, Answer]]:
        """Waits for answers, the deadline or the wish to stop."""
        ended: list[tuple[int, Answer] | None] = []
        try:
            ended.append(self._ended.get(timeout=self._seconds()))
            while True:
                ended.append(self._ended.get_nowait())
        except Empty:
            return [answered for answered in ended if answered is not None]
