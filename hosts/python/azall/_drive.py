"""The drive loop: polls an operation, does what it asks, and resumes it with the answers as they come.

Effects on files are done on the thread that drives. Requests and scripts, which may take long, get a thread each.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from ._core import Op
from ._effects import Answer, Effect, EffectError
from ._host import SLOW, Host

MOST_THREADS = 16
"""The most requests and scripts at once; more wait their turn."""

GRACE = 8.0
"""How long requests and scripts may still take once the operation is to stop, in seconds. What a relay is handing out it may have
deleted, so they are not cut off at once; a service manager kills after ten seconds."""

LONGEST_WAIT = 30.0
"""How long to wait for a deadline, at most, in seconds: the clock may be set, or the machine sleep, meanwhile."""

Step = dict[str, Any]
OnEvent = Callable[[Step], None]

GIVEN_UP: Answer = EffectError("timed_out", "told to stop before an answer came").answer
OVERDUE: Answer = EffectError("timed_out", "no answer within the time limit").answer


def now() -> tuple[int, int]:
    """Unix milliseconds, and the seconds that local time is ahead of UTC."""
    moment = time.time()
    return int(moment * 1000), time.localtime(moment).tm_gmtoff


@dataclass
class Turn:
    """What an operation wants, once all that could be done at once is done."""

    slow: list[tuple[int, Effect]] = field(default_factory=list[tuple[int, Effect]])
    until: int | None = None
    done: Step | None = None

    def wait_seconds(self) -> float:
        """How long to wait for an answer."""
        if self.until is None:
            return LONGEST_WAIT
        return min(max(self.until - now()[0], 0) / 1000, LONGEST_WAIT)


def turn(op: Op, host: Host, answers: list[tuple[int, Answer]], on_event: OnEvent) -> Turn:
    """Resumes an operation and goes on, with every effect on files, until it waits for something slow or is done."""
    result = Turn()
    while True:
        for number, answer in answers:
            op.resume(number, answer)
        asked: list[tuple[int, Effect]] = []
        while (step := op.poll(*now()))["step"] not in ("wait", "done", "opened"):
            if step["step"] == "effect":
                asked.append((step["id"], step["effect"]))
            else:
                on_event(step)
        if step["step"] != "wait":
            result.done = step
            return result
        result.until = step["until"]
        result.slow += [(number, effect) for number, effect in asked if effect["kind"] in SLOW]
        answers = _do(host, [(number, effect) for number, effect in asked if effect["kind"] not in SLOW])
        if not answers:
            return result


def _do(host: Host, asked: list[tuple[int, Effect]]) -> list[tuple[int, Answer]]:
    """Does effects on files; writes that were asked for together share their syncs."""
    writes = [(number, effect) for number, effect in asked if effect["kind"] == "WriteAtomic"]
    answers = [(number, host.answer(effect)) for number, effect in asked if effect["kind"] != "WriteAtomic"]
    if writes:
        written = host.commit([effect for _, effect in writes])
        answers += [(number, answer) for (number, _), answer in zip(writes, written, strict=True)]
    return answers


def deadline_of(effect: Effect) -> float:
    """When an effect that may take long is overdue, whatever its handler does: a peer may send a byte now and then."""
    seconds: float = effect["timeout_ms"] / 1000
    return time.monotonic() + seconds + 1


class Flag:
    """A wish that somebody has raised. Unlike an event of `threading`, a signal handler may raise it at any point."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Raises it."""
        self._is_set = True

    def clear(self) -> None:
        """Takes it back."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it is raised."""
        return self._is_set


class Run:
    """One operation on its way, on the thread that calls `to_end`; any thread may cancel it."""

    def __init__(
        self,
        op: Op,
        host: Host,
        on_event: OnEvent = lambda _: None,
        cancelled: Flag | None = None,
    ) -> None:
        """`cancelled` is set when the run is to stop, for whoever else wants to know."""
        self._op = op
        self._host = host
        self._on_event = on_event
        self._answers: SimpleQueue[tuple[int, Answer] | None] = SimpleQueue()
        self._queued: deque[tuple[int, Effect]] = deque()
        # What somebody waits for, with the moment from which nobody does.
        self._awaited: dict[int, float] = {}
        self._cancelled = cancelled or Flag()
        self._threads = 0

    def cancel(self) -> None:
        """Asks the operation to stop. Signal handlers may call it."""
        self._cancelled.set()
        self._answers.put(None)

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancelled.is_set()

    def to_end(self) -> Step:
        """Drives the operation and gives its last step."""
        give_up: float | None = None
        answers: list[tuple[int, Answer]] = []
        while True:
            if give_up is None and self._cancelled.is_set():
                give_up = time.monotonic() + GRACE
                self._op.cancel()
            reached = turn(self._op, self._host, answers, self._on_event)
            if reached.done is not None:
                return reached.done
            self._queued.extend(reached.slow)
            self._start_queued()
            answers = self._wait(reached.wait_seconds(), give_up)

    def _start_queued(self) -> None:
        while self._queued and self._threads < MOST_THREADS:
            number, effect = self._queued.popleft()
            self._awaited[number] = deadline_of(effect)
            self._threads += 1
            threading.Thread(target=self._do_slow, args=(number, effect), name="azall-slow", daemon=True).start()

    def _do_slow(self, number: int, effect: Effect) -> None:
        try:
            answer = self._host.answer(effect)
        except Exception as error:  # a fault of the handler must not leave the operation waiting
            answer = EffectError("other", f"the handler failed: {type(error).__name__}").answer
        self._answers.put((number, answer))

    def _wait(self, seconds: float, give_up: float | None) -> list[tuple[int, Answer]]:
        """Waits for answers, the deadline or the wish to stop."""
        limits = list(self._awaited.values())
        if give_up is not None and self._awaited:
            limits.append(give_up)
        if limits:
            seconds = min(seconds, max(min(limits) - time.monotonic(), 0))
        answers: list[tuple[int, Answer]] = []
        try:
            arrived = self._answers.get(timeout=seconds)
            while True:
                if arrived is not None:
                    self._threads -= 1
                    # Of what was given up the operation knows no more.
                    if self._awaited.pop(arrived[0], None) is not None:
                        answers.append(arrived)
                arrived = self._answers.get_nowait()
        except Empty:
            pass
        return answers + self._overdue(give_up)

    def _overdue(self, give_up: float | None) -> list[tuple[int, Answer]]:
        moment = time.monotonic()
        if give_up is not None and give_up <= moment:
            numbers = [*self._awaited, *(number for number, _ in self._queued)]
            self._awaited.clear()
            self._queued.clear()
            return [(number, GIVEN_UP) for number in numbers]
        overdue = [number for number, limit in self._awaited.items() if limit <= moment]
        for number in overdue:
            del self._awaited[number]
        return [(number, OVERDUE) for number in overdue]
