"""The effects on files: durable, atomic, never outside their root, never through a symbolic link in the place of a file.

Paths are bytes here: UTF-8 below a root, whatever the locale is.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from ._effects import Answer, Effect, EffectError, of_system

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)

MANY = 8
"""From this many files on, several threads make them durable: the disk does several at once."""

_RENAME_NOREPLACE = 1


@dataclass
class Roots:
    """The folder of each root, and what is known of the names below them."""

    config: bytes
    mailboxes: bytes
    shared: bytes
    # Folders and files whose names this process has seen on the disk for sure.
    durable: set[bytes] = field(default_factory=set[bytes])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, config: str, mailboxes: str) -> Roots:
        """The roots of a config's folder and a mailboxes folder, both absolute."""
        above = os.path.dirname(mailboxes)
        return cls(os.fsencode(config), os.fsencode(mailboxes), os.fsencode(os.path.join(above, "shared")))

    def resolve(self, place: Effect) -> bytes:
        """The path of a place; refused unless it is made of plain names below one of the roots."""
        root = {"config": self.config, "mailboxes": self.mailboxes, "shared": self.shared}.get(place["root"])
        path: str = place["path"]
        if root is None or "\0" in path or any(part in ("", ".", "..") for part in path.split("/") if path):
            raise EffectError("permission_denied", "not a path below its root")
        return root + b"/" + path.encode() if path else root

    def split(self, place: Effect) -> tuple[bytes, bytes]:
        """The folder and name of a place that is to be written, renamed or removed; never a root itself."""
        folder, name = os.path.split(self.resolve(place))
        if not place["path"]:
            raise EffectError("permission_denied", "the root folder itself cannot be changed")
        return folder, name

    def doubtful(self, folder: bytes) -> list[bytes]:
        """The folder and those above it, up to the config's, whose names may not be durable: another process may have made them
        and died before it synced them.
        """
        data = os.path.dirname(self.mailboxes)
        found: list[bytes] = []
        while _is_below(folder, data) or (_is_below(folder, self.config) and folder != self.config):
            if folder not in self.durable:
                found.append(folder)
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
        return found

    def note_durable(self, paths: Iterable[bytes]) -> None:
        """These names are durable now."""
        with self.lock:
            self.durable.update(paths)

    def forget_durable(self, gone: bytes) -> None:
        """What was at this path is there no more: what comes there anew is not durable for having been so before."""
        with self.lock:
            self.durable = {path for path in self.durable if not _is_below(path, gone)}


def _is_below(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


class _Folders:
    """Folders opened, made and synced on behalf of writes: each opened once, and synced once at the end."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._opened: dict[bytes, int] = {}
        self.changed: set[bytes] = set()
        self._doubtful: set[bytes] = set()

    def __enter__(self) -> _Folders:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._opened.values():
            os.close(fd)

    def ensure(self, path: bytes) -> int:
        """A folder, made with all its missing parents."""
        if path not in self._opened:
            try:
                fd = os.open(path, _OPEN_FOLDER)
            except FileNotFoundError:
                fd = self._make(path)
            self._opened[path] = fd
        return self._opened[path]

    def _make(self, path: bytes) -> int:
        parent = os.path.dirname(path)
        if parent == path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.ensure(parent)
        # Somebody else may have made it in between.
        with suppress(FileExistsError):
            os.mkdir(path, 0o777)
        self.changed.add(parent)
        return os.open(path, _OPEN_FOLDER)

    def doubt(self, folder: bytes, file: bytes | None = None) -> None:
        """Notes that this folder, one above it, or this file may be there without a durable name."""
        self._doubtful.update(self._roots.doubtful(folder))
        if file is not None and file not in self._roots.durable:
            self._doubtful.add(file)

    def sync(self) -> dict[bytes, OSError]:
        """Makes the entries of the changed folders durable; tells which could not be."""
        doubtful, self._doubtful = self._doubtful, set()
        for parent in {os.path.dirname(path) for path in doubtful} - self.changed:
            # A folder above the mailboxes may be closed to us; what is in it is then not ours to make durable.
            with suppress(OSError):
                self.ensure(parent)
                self.changed.add(parent)
        changed, self.changed = self.changed, set()
        failed: dict[bytes, OSError] = {}
        for path in sorted(changed):
            try:
                os.fsync(self.ensure(path))
            except OSError as error:
                # Some network and user-space file systems have nothing to sync in a folder and say so in this way.
                if error.errno != errno.EINVAL:
                    failed[path] = error
        if not failed:
            self._roots.note_durable(doubtful)
        return failed

    def sync_or_raise(self) -> None:
        """Syncs on behalf of one effect."""
        for error in self.sync().values():
            raise error


def _read_up_to(fd: int, most: int) -> bytes:
    """Reads until the end, but not more than this."""
    first = os.read(fd, min(most, 1 << 16))
    if len(first) < min(most, 1 << 16):
        return first
    parts = [first]
    left = most - len(first)
    while left > 0 and (part := os.read(fd, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def read_file(roots: Roots, effect: Effect) -> bytes:
    """Answers `ReadFile`: refuses anything but a regular file."""
    limit: int = effect["limit"]
    fd = os.open(roots.resolve(effect["place"]), _OPEN)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise EffectError("permission_denied", "not a regular file")
        # A file that grows meanwhile is read on, but not beyond the limit.
        content = b"" if found.st_size > limit else _read_up_to(fd, limit + 1)
    finally:
        os.close(fd)
    if found.st_size > limit or len(content) > limit:
        raise EffectError("too_large", f"larger than {limit} bytes")
    return content


def read_many(roots: Roots, effect: Effect) -> list[Answer]:
    """Answers `ReadMany`. What befalls a single file is that file's answer alone.

    On one thread: measured over 10,000 files in the system's cache, two threads took a tenth longer, for each call hands the
    interpreter's lock over.
    """
    limit: int = effect["limit"]
    folder = os.open(roots.resolve(effect["folder"]), _OPEN_FOLDER)
    try:
        return [_read_head(folder, name, limit) for name in effect["names"]]
    finally:
        os.close(folder)


def _read_head(folder: int, name: str, limit: int) -> Answer:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        return EffectError("permission_denied", "not a name in its folder").answer
    try:
        fd = os.open(name.encode(), _OPEN, dir_fd=folder)
        try:
            content = _read_up_to(fd, limit + 1)
        finally:
            os.close(fd)
    except OSError as error:
        return of_system(error).answer
    return {"Ok": {"bytes": content[:limit], "truncated": len(content) > limit}}


def list_folder(roots: Roots, effect: Effect) -> list[dict[str, object]]:
    """Answers `List`."""
    entries: list[dict[str, object]] = []
    with os.scandir(roots.resolve(effect["folder"])) as found:
        for entry in found:
            size = modified = 0
            if effect["with_meta"]:
                try:
                    meta = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    # Removed since it was listed.
                    continue
                size, modified = meta.st_size, meta.st_mtime_ns // 1_000_000
            name = entry.name.decode("utf-8", "replace")
            kind = _kind(entry) if name.encode() == entry.name else "other"
            entries.append({"name": name, "kind": kind, "size": size, "modified_ms": modified})
    return entries


def _kind(entry: os.DirEntry[bytes]) -> str:
    with suppress(OSError):
        if entry.is_file(follow_symlinks=False):
            return "file"
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        if entry.is_symlink() and entry.is_dir():
            return "linkedfolder"
    return "other"


@dataclass
class _Pending:
    """One file on its way."""

    effect: Effect
    folder: bytes
    name: bytes
    temporary: bytes


def commit(roots: Roots, writes: list[Effect]) -> list[Answer]:
    """Answers any number of `WriteAtomic`, which share the syncs of their folders: all temporary files are written and made
    durable, then given their names, then the folders are made durable. One that fails does not touch the others.
    """
    batch = os.urandom(8).hex()
    with _Folders(roots) as folders:
        staged = [_answered(_stage, roots, folders, write, f".tmp-{batch}-{i}") for i, write in enumerate(writes)]
        written = _each(staged, lambda file: _write_temporary(folders, file))
        published = [_answered(_publish, folders, file) if isinstance(file, _Pending) else file for file in written]
        unsynced = folders.sync()
        return [_settle(unsynced, file) if isinstance(file, _Pending) else file.answer for file in published]


def _answered(work: Callable[..., _Pending], *arguments: object) -> _Pending | EffectError:
    try:
        return work(*arguments)
    except EffectError as error:
        return error
    except OSError as error:
        return of_system(error)


def _each(files: list[_Pending | EffectError], work: Callable[[_Pending], _Pending]) -> list[_Pending | EffectError]:
    def one(file: _Pending | EffectError) -> _Pending | EffectError:
        return _answered(work, file) if isinstance(file, _Pending) else file

    if len(files) < MANY:
        return [one(file) for file in files]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, files))


def _stage(roots: Roots, folders: _Folders, write: Effect, temporary: str) -> _Pending:
    folder, name = roots.split(write["place"])
    fd = folders.ensure(folder)
    # The rename decides; this only spares the work and the syncs when the answer is known already.
    if write["exclusive"] and _exists(fd, name):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    folders.doubt(folder)
    return _Pending(write, folder, name, temporary.encode())


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _write_temporary(folders: _Folders, file: _Pending) -> _Pending:
    folder = folders.ensure(file.folder)
    mode = 0o600 if file.effect["private"] else 0o644
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(file.temporary, flags, mode, dir_fd=folder)
    try:
        try:
            _write_all(fd, file.effect["bytes"])
            _sync_data(fd)
        finally:
            os.close(fd)
    except OSError:
        _discard(folder, file.temporary)
        raise
    return file


def _write_all(fd: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]


def _publish(folders: _Folders, file: _Pending) -> _Pending:
    folder = folders.ensure(file.folder)
    try:
        if file.effect["exclusive"]:
            _name_exclusively(folder, file.temporary, file.name)
        else:
            os.rename(file.temporary, file.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        _discard(folder, file.temporary)
        raise
    folders.changed.add(file.folder)
    return file


def _name_exclusively(folder: int, temporary: bytes, name: bytes) -> None:
    """A second link is as exclusive as a rename that replaces nothing, and needs no foreign call."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except (PermissionError, NotImplementedError):
        # The file system has no links.
        rename_exclusive(folder, temporary, folder, name)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EMLINK):
            raise
        rename_exclusive(folder, temporary, folder, name)
    else:
        os.unlink(temporary, dir_fd=folder)


def _settle(unsynced: dict[bytes, OSError], file: _Pending) -> Answer:
    """An entry counts only when its folder, and every folder made above it, is durable."""
    for folder, error in unsynced.items():
        if _is_below(file.folder, folder):
            return of_system(error).answer
    return {"Ok": None}


def _discard(folder: int, temporary: bytes) -> None:
    """Removes a temporary file after a failure; there is nothing more to do if that fails as well."""
    with suppress(OSError):
        os.unlink(temporary, dir_fd=folder)


def rename_exclusive(from_folder: int, name: bytes, to_folder: int, new: bytes) -> None:
    """Renames unless the target is there, in one step where the system has that, else by a second link."""
    if (number := _rename_no_replace(from_folder, name, to_folder, new)) == 0:
        return
    if number not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        raise OSError(number, os.strerror(number))
    os.link(name, new, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    os.unlink(name, dir_fd=from_folder)


def _rename_no_replace(from_folder: int, name: bytes, to_folder: int, new: bytes) -> int:
    import ctypes

    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return errno.ENOSYS
    done: int = renameat2(from_folder, name, to_folder, new, ctypes.c_uint(_RENAME_NOREPLACE))
    return 0 if done == 0 else ctypes.get_errno()


def append(roots: Roots, effect: Effect) -> None:
    """Answers `Append`: either all of the bytes are added, durably, or the file is as it was."""
    folder, name = roots.split(effect["place"])
    mode = 0o600 if effect["private"] else 0o644
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with _Folders(roots) as folders:
        fd = folders.ensure(folder)
        try:
            file = os.open(name, flags, dir_fd=fd)
        except FileNotFoundError:
            file = os.open(name, flags | os.O_CREAT, mode, dir_fd=fd)
            folders.changed.add(folder)
        try:
            _add(file, effect["bytes"])
        finally:
            os.close(file)
        folders.doubt(folder, os.path.join(folder, name))
        folders.sync_or_raise()


def _add(fd: int, content: bytes) -> None:
    before = os.fstat(fd).st_size
    try:
        _write_all(fd, content)
        _sync_data(fd)
    except OSError:
        # Only what this call has added may be cut off, never what another process has added after it.
        if before <= os.fstat(fd).st_size <= before + len(content):
            os.ftruncate(fd, before)
        raise


def rename(roots: Roots, effect: Effect) -> None:
    """Answers `Rename`."""
    from_folder, name = roots.split(effect["from"])
    to_folder, new = roots.split(effect["to"])
    with _Folders(roots) as folders:
        source = os.open(from_folder, _OPEN_FOLDER)
        try:
            os.stat(name, dir_fd=source, follow_symlinks=False)
            target = folders.ensure(to_folder)
            # The new folder first: what is moved into a folder that a loss of power takes away is gone from the old one as well.
            folders.doubt(to_folder)
            folders.sync_or_raise()
            if effect["exclusive"]:
                rename_exclusive(source, name, target, new)
            else:
                os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
        finally:
            os.close(source)
        roots.forget_durable(os.path.join(from_folder, name))
        folders.changed |= {from_folder, to_folder}
        folders.sync_or_raise()


def remove(roots: Roots, effect: Effect) -> None:
    """Answers `Remove`. A symbolic link is removed itself; what it points to is not touched."""
    folder, name = roots.split(effect["place"])
    path = os.path.join(folder, name)
    with _Folders(roots) as folders:
        try:
            fd = os.open(folder, _OPEN_FOLDER)
        except FileNotFoundError:
            return
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            # A folder: Linux says the first, POSIX and macOS the second.
            if not os.path.isdir(path):
                raise
            _remove_folder(path)
        finally:
            os.close(fd)
        roots.forget_durable(path)
        folders.changed.add(folder)
        folders.sync_or_raise()


def _remove_folder(path: bytes) -> None:
    import shutil

    with suppress(FileNotFoundError):
        shutil.rmtree(path)
