"""Folders compared byte for byte."""

from collections.abc import Iterable
from pathlib import Path

# A line of an index that tells when it was written: the one thing that may differ.
VOLATILE = b"# Updated"


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path, without the lines that tell when they were written."""
    return {
        str(path.relative_to(root)): _stable(path.read_bytes()) for path in sorted(root.rglob("*")) if path.is_file()
    }


def assert_same(expected: dict[str, bytes], actual: dict[str, bytes], *, ignore: Iterable[str] = ()) -> None:
    """Fails unless both hold the same files with the same bytes; `ignore` names files that may differ or be missing."""
    ignored = set(ignore)
    left = {path: data for path, data in expected.items() if Path(path).name not in ignored}
    right = {path: data for path, data in actual.items() if Path(path).name not in ignored}
    assert sorted(left) == sorted(right)
    for path, data in left.items():
        assert data == right[path], f"{path} differs"


def _stable(data: bytes) -> bytes:
    return b"".join(line for line in data.splitlines(keepends=True) if not line.startswith(VOLATILE))
