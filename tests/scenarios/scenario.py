r"""Scenarios: command lines, what goes into them and what must come out, as text files in `cases/`.

A line tells by its first word what it is:

    # a comment
    $ WORDS          runs azall with these words (quoted as in a shell); `{1}` is the first message id printed
    bob$ WORDS       the same in the subfolder `bob`
    < TEXT           a line of the command's input
    = CODE           its exit code, if it is not 0
    ~ TEXT           its output or its notices contain this
    ! TEXT           neither contains this
    + PATH           writes a file; its lines follow as
    | TEXT           a line of it (an escape such as \x00 or \u00e9 is a byte or character)
    * PATH COUNT     writes a file of so many bytes
    - PATH           removes a file or folder
    env NAME=VALUE   for the commands after it
"""

import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

CASES = Path(__file__).with_name("cases")
MESSAGE_ID = re.compile(r"\b[0-9a-f]{12}\b")


@dataclass
class Step:
    """One command with what is expected of it, or one change of files before it."""

    words: list[str] = field(default_factory=list)
    folder: str = "."
    stdin: list[str] = field(default_factory=list)
    code: int = 0
    contains: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    write: str = ""
    content: list[str] = field(default_factory=list)
    size: int | None = None
    remove: str = ""
    env: dict[str, str] = field(default_factory=dict)

    @property
    def is_command(self) -> bool:
        """Whether this runs azall."""
        return not (self.write or self.remove)

    def prepare(self, root: Path) -> None:
        """Does what this does to files."""
        if self.remove:
            path = root / self.remove
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        else:
            path = root / self.write
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.size is None:
                path.write_bytes("".join(line + "\n" for line in self.content).encode("utf-8", "surrogateescape"))
            else:
                path.write_bytes(bytes(n * 7 % 251 for n in range(self.size)))


class ScenarioError(Exception):
    """A line of a scenario that means nothing."""


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1] is not None:
            byte = int(match[1], 16)
            return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
        return chr(int(match[2], 16))

    return re.sub(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})", character, text)


def parse(path: Path) -> list[Step]:
    """Reads a scenario."""
    steps: list[Step] = []
    env: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        kind, _, rest = line.partition(" ")
        match kind:
            case "" | "#":
                pass
            case "$":
                steps.append(Step(words=shlex.split(rest), env=dict(env)))
            case "<":
                steps[-1].stdin.append(_unescape(rest))
            case "=":
                steps[-1].code = int(rest)
            case "~":
                steps[-1].contains.append(rest)
            case "!":
                steps[-1].lacks.append(rest)
            case "+":
                steps.append(Step(write=rest))
            case "|":
                steps[-1].content.append(_unescape(rest))
            case "*":
                name, _, size = rest.partition(" ")
                steps.append(Step(write=name, size=int(size)))
            case "-":
                steps.append(Step(remove=rest))
            case "env":
                name, _, value = rest.partition("=")
                env[name] = value
            case folder if folder.endswith("$"):
                steps.append(Step(words=shlex.split(rest), folder=folder[:-1], env=dict(env)))
            case _:
                message = f"{path.name}:{number}: {line!r} is no line of a scenario"
                raise ScenarioError(message)
    return steps


def all_cases() -> list[Path]:
    """The scenarios, by name."""
    return sorted(CASES.glob("*.txt"))
