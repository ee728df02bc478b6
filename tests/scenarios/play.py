"""Plays a scenario on a host, and reduces what happened to what must be the same on every host."""

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from hosts import Host, Ran
from scenario import MESSAGE_ID, Step

# What differs from run to run: times, and random ids, keys and signatures. Nothing else is masked.
MASKS = (
    (re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"), b"<time>"),
    (re.compile(rb"\d{4}-\d\d-\d\d"), b"<day>"),
    (re.compile(rb"\b\d\d:\d\d(:\d\d)?\b"), b"<time>"),
    (re.compile(rb"\b1[78]\d{8}(\d{3})?\b"), b"<unix time>"),
    (re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}"), b"<base64>"),
    (re.compile(rb"[0-9a-f]{32,}"), b"<hex>"),
    (re.compile(rb"\b[0-9a-f]{16}\b"), b"<fingerprint>"),
    (re.compile(rb"\b[0-9a-f]{12}\b"), b"<id>"),
    (re.compile(rb"\bagent-[0-9a-f]{8}\b"), b"<agent>"),
    # The size of an archive: times are compressed in it, some of them better than others.
    (re.compile(rb"\bBytes:  \d+"), b"Bytes:  <size>"),
)


def mask(text: bytes, root: Path) -> bytes:
    """What a text says, without what differs from run to run."""
    for name in sorted({str(root), str(root.resolve())}, key=len, reverse=True):
        text = text.replace(name.encode(), b"")
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    return _sorted_rows(text)


def _sorted_rows(text: bytes) -> bytes:
    """Rows in the order of their random ids are in no order once these are masked."""
    lines: list[bytes] = []
    rows: list[bytes] = []
    for line in text.split(b"\n"):
        if b"<id>" in line:
            rows.append(line)
            continue
        lines += [*sorted(rows), line]
        rows = []
    return b"\n".join(lines + sorted(rows))


@dataclass(frozen=True)
class Played:
    """What a scenario did: each command's exit code, output and notices, and the files at the end."""

    commands: list[tuple[str, int, str, str]]
    files: list[tuple[str, str]]


def check(step: Step, ran: Ran) -> None:
    """What the scenario itself says of a command."""
    shown = f"`azall {' '.join(step.words)}` gave {ran.code}\n{ran.stdout!r}\n{ran.stderr!r}"
    assert ran.code == step.code, f"expected exit code {step.code}: {shown}"
    both = (ran.stdout + ran.stderr).decode("utf-8", "replace")
    for text in step.contains:
        assert text in both, f"expected {text!r}: {shown}"
    for text in step.lacks:
        assert text not in both, f"did not expect {text!r}: {shown}"
    strange = [c for c in both if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert "--raw" in step.words or not strange, f"control characters {strange!r}: {shown}"


def _in_order(path: Path) -> bytes:
    """A file's content; a keyring's, which is in the order of random fingerprints, in that of what its entries say."""
    content = path.read_bytes()
    if path.name != ".keyring.json":
        return content
    entries = json.loads(content).values()
    return "\n".join(sorted((json.dumps(entry) for entry in entries), key=lambda it: mask(it.encode(), path))).encode()


def tree(root: Path) -> list[tuple[str, str]]:
    """Every file below a folder with its content, masked."""
    files = []
    for path in root.rglob("*"):
        name = mask(str(path.relative_to(root)).encode(), root).decode()
        if path.is_file():
            content = mask(_in_order(path), root).decode("utf-8", "backslashreplace")
            files.append((name, content))
        else:
            files.append((name + "/", ""))
    return sorted(files)


def play(steps: list[Step], host: Host, root: Path) -> Played:
    """Plays a scenario in an empty folder."""
    commands = []
    ids: list[str] = []
    for step in steps:
        if not step.is_command:
            step.prepare(root)
            continue
        (root / step.folder).mkdir(exist_ok=True)
        words = [re.sub(r"\{(\d+)\}", lambda match: ids[int(match[1]) - 1], word) for word in step.words]
        stdin = "".join(line + "\n" for line in step.stdin).encode("utf-8", "surrogateescape")
        ran = host.run(words, root, step.folder, stdin, step.env)
        check(step, ran)
        for found in MESSAGE_ID.findall(ran.stdout.decode("utf-8", "replace")):
            if found not in ids:
                ids.append(found)
        masked = [mask(text, root).decode("utf-8", "backslashreplace") for text in (ran.stdout, ran.stderr)]
        commands.append((" ".join(step.words), ran.code, masked[0], masked[1]))
    return Played(commands, tree(root))
