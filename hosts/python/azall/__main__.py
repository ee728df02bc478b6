"""The `azall` command: arguments and files in, text and an exit code out. What a command means is decided in the core; this only
fetches what it names, has it driven, and prints.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from dataclasses import dataclass
from types import FrameType
from typing import BinaryIO

from . import _core
from ._core import CommandLine, Config, Ending, Op
from ._drive import Run, Step
from ._session import Session, absolute, variable
from .errors import Error

_EXIT_INTERRUPTED = 130
"""The exit code of a process ended by SIGINT, as shells count."""


def _write(text: str, to_stderr: bool = False) -> OSError | None:
    """Prints; a reader that has gone away has nothing to complain about, nor has a stream that was closed from the start."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream is None:
        return None
    try:
        stream.buffer.write(text.encode())
        stream.buffer.flush()
    except BrokenPipeError:
        # What is left in the buffer must not fail again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except OSError as error:
        return error
    return None


def _words(error: OSError) -> str:
    """What the system says, without its number and without a path."""
    return os.strerror(error.errno) if error.errno is not None else str(error)


def _leave(ending: Ending) -> int:
    _write(ending.text, ending.to_stderr)
    return ending.code


class _LeaveError(Exception):
    """What is to be printed instead of going on."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclass
class _Manner:
    """How to print."""

    json: bool
    verbose: bool
    color: bool
    color_of_notices: bool

    @classmethod
    def of(cls, line: CommandLine) -> _Manner:
        colorful = not line.no_color and not os.environ.get("NO_COLOR")
        return cls(line.json, line.verbose, colorful and os.isatty(1), colorful and os.isatty(2))

    def failed(self, why: str) -> _LeaveError:
        """A failure of this host."""
        return _LeaveError(_core.host_ending(why, self.json, self.color_of_notices))

    def tell(self, event: Step) -> None:
        """Shows an event: notices on standard error, a part of the result on standard output."""
        colorful = self.color if event["level"] == "result" else self.color_of_notices
        if (line := _core.event_line(event, self.json, self.verbose, colorful)) is not None:
            _write(line[0], line[1])


class _Stop:
    """The wish to stop, as SIGTERM and SIGINT tell it. A SIGINT after that ends the process at once: every write is complete or not
    there, so nothing is lost.
    """

    def __init__(self) -> None:
        self._is_raised = False
        self._run: Run | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._is_raised:
            if number == signal.SIGINT:
                os._exit(_EXIT_INTERRUPTED)
            return
        self._is_raised = True
        if self._run is not None:
            self._run.cancel()

    def drive(self, run: Run) -> Step:
        """Drives a run, which the signals cancel."""
        self._run = run
        if self._is_raised:
            run.cancel()
        try:
            return run.to_end()
        finally:
            self._run = None


def _read_input(source: Step, manner: _Manner) -> tuple[str, bytes] | None:
    limit: int = source["limit"]
    name = source["path"] if source["from"] == "file" else "-"
    if source["from"] == "stdin-if-piped" and sys.stdin is not None and sys.stdin.isatty():
        return None
    try:
        if source["from"] == "file":
            with open(name, "rb") as file:
                content = _read_bounded(file, limit)
        else:
            content = b"" if sys.stdin is None else _read_bounded(sys.stdin.buffer, limit)
    except OSError as error:
        shown = "standard input" if name == "-" else name
        raise manner.failed(f"cannot read {shown}: {_words(error)}") from None
    return name, content


def _read_bounded(file: BinaryIO, limit: int) -> bytes:
    if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
        raise IsADirectoryError(21, "Is a directory")
    content = file.read(limit + 1)
    if len(content) > limit:
        error = OSError()
        error.args = (f"it has more than {limit} bytes",)
        raise error
    return content


def _run(line: CommandLine, manner: _Manner) -> int:
    """Reads what the command line names, runs the command, and prints what it gives."""
    located = line.config_path(variable("AGENTAZALL_CONFIG"), variable("AGENTAZALL_ROOT"))
    try:
        session = Session(absolute(located), None)
    except OSError as error:
        raise manner.failed(f"cannot use the config path {located}: {_words(error)}") from None
    stop = _Stop()
    inputs = [_read_input(source, manner) for source in line.sources()]
    config = _open(session, stop)
    op = line.start(inputs, config)
    if isinstance(op, Ending):
        raise _LeaveError(op)
    step = stop.drive(session.start(op, config, manner.tell))
    return _finish(op, step, manner)


def _open(session: Session, stop: _Stop) -> Config:
    op: Op = session.opening()
    stop.drive(Run(op, session.config_host()))
    return session.shown(op.take_config())


def _finish(op: Op, step: Step, manner: _Manner) -> int:
    """Writes what the outcome has for a file, prints the outcome, and gives the exit code."""
    if step["file"] is not None:
        _core.write_archive(step["file"]["path"], step["file"]["bytes"])
    ending = _core.ending(op, manner.json, manner.color)
    if (error := _write(ending.text)) is not None:
        _write(f"error: cannot print: {_words(error)}\n", to_stderr=True)
        return 1
    return ending.code


def run(arguments: list[str]) -> int:
    """Runs one command line, without the program's name, and gives its exit code."""
    line = CommandLine.parse(arguments)
    if isinstance(line, Ending):
        return _leave(line)
    manner = _Manner.of(line)
    try:
        return _run(line, manner)
    except _LeaveError as leaving:
        return _leave(leaving.ending)
    except Error as error:
        return _leave(_core.failure_ending(str(error), error.exit_code, manner.json, manner.color_of_notices))


def main() -> None:
    """The console command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
