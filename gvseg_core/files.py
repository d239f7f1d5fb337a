"""Files that appear whole or not at all, and names from outside made fit to be shown.

Rules:
- A part lies beside its target, under a name nobody can guess, created exclusively and readable by its owner only; it
  is flushed to the disk and renamed at the end. So the rename is atomic, and a run that dies leaves the target alone.
- Nothing that exists is replaced unless `overwrite` says so, not even what appeared while the run was on.
- No symbolic link is followed to a target. Nothing that this run did not create is deleted or has its mode changed.
- A folder is replaced whole: what it held and the new one holds too is gone, the rest stays in `NAME.old` beside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import stat
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from gvseg_core.errors import OutputError

_CAUSES = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "larger than a file may be here",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk or network drive reports an error",
    errno.ESTALE: "the network drive lost the file",
    errno.ENOENT: "its folder is gone",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "a symbolic link stands in the way",
    errno.EMFILE: "too many open files; raise the limit with ulimit -n",
}
_PASSING = {errno.EIO, errno.ESTALE, errno.EAGAIN}  # worth another try on a network drive
_NAME_BYTES = 255  # the longest file name of all common file systems


def printable(text: object) -> str:
    """`text` as one line that is safe to show: control, bidirectional and broken characters stand as escapes.

    For file names, class names and messages of libraries, wherever people read them: terminal, log, CSV, picture.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


@contextlib.contextmanager
def writing(target: object) -> Iterator[None]:
    """Turn what the system says about a write into one line that names `target` and the cause.

    Raises:
        OutputError: for any `OSError`, except that a `BrokenPipeError` passes: its reader went away, which is no fault.
    """
    try:
        yield
    except (OutputError, BrokenPipeError):
        raise
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0) or printable(error.strerror or error)
        raise OutputError(f"cannot write {printable(target)}: {cause}") from error


def same_file(one: Path, other: Path) -> bool:
    """Whether both paths lead to one file: by spelling, symbolic or hard link, or a file system that ignores case."""
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them does not exist (yet): only the spelling can tell
        return os.path.realpath(one) == os.path.realpath(other)


def check_target(target: Path, overwrite: bool, *, folder: bool = False) -> None:
    """Refuse, before any work is done, a target that could not be written at the end; touches nothing.

    The folder it goes into may be missing: it is made, one level of it, when the work begins.

    Args:
        target: the file to be written, or, with `folder`, the folder of files.
        overwrite: whether an existing one may be replaced.

    Raises:
        OutputError: it exists, is of another kind or a symbolic link, or its folder is missing or not writable.
    """
    if not folder and _is_null(target):
        return
    name = printable(target)
    with writing(target):
        status = _status(target)
    if status is None:
        pass
    elif stat.S_ISLNK(status.st_mode):
        raise OutputError(f"{name} is a symbolic link; give the path it leads to")
    elif folder and not stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{name} is a file; a folder of that name is wanted")
    elif not folder and stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{name} is a folder; a file of that name is wanted")
    elif not folder and not stat.S_ISREG(status.st_mode):
        raise OutputError(f"{name} is a device or pipe, not a file; to write to a pipe, use -o -")
    elif not overwrite and not (folder and _is_empty(target)):
        raise OutputError(f"{name} exists already; -y to overwrite, -n to skip")
    if len(os.fsencode(target.name)) > _NAME_BYTES:
        raise OutputError(f"cannot write {name}: {_CAUSES[errno.ENAMETOOLONG]}")
    home = target.parent if target.parent.exists() else target.parent.parent
    if not home.is_dir():
        raise OutputError(f"cannot write {name}: there is no folder {printable(home)}")
    if not os.access(home, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {name}: no permission to write in {printable(home)}")


def set_aside(target: Path) -> Path:
    """Give a file or folder the name NAME.old, or the first such name that is free; returns it.

    Raises:
        OutputError: the system refuses.
    """
    old = _free_name(target)
    with writing(target):
        os.rename(target, old)
    return old


class _Part(ABC):
    """What files and folders in the making share: `commit` or `abort`, once; as a context, whichever fits the end."""

    is_folder = False

    def __init__(self, target: Path, overwrite: bool) -> None:
        check_target(target, overwrite, folder=self.is_folder)
        self.target = target
        self.overwrite = overwrite
        self._is_null = not self.is_folder and _is_null(target)
        self._is_open = True
        self.path = target if self._is_null else _part_name(target)
        if not self._is_null:
            with writing(target):
                self._made_parent = _make_parent(target)
                self._mode = self._create()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def commit(self) -> None:
        """Let it appear under its name, whole and on the disk.

        Raises:
            OutputError: something stands there that must not be replaced, or the system refuses; the part is removed.
        """
        if not self._is_open or self._is_null:
            return
        try:
            with writing(self.target):
                self._sync()
                os.chmod(self.path, self._mode)
                _patiently(self._place)
                _sync_folder(self.target.parent)
        except BaseException:
            self.abort()
            raise
        self._is_open = False

    def abort(self) -> None:
        """Remove the part, and the folder that was made for it if nothing else came to lie there; then a no-op."""
        if not self._is_open or self._is_null:
            return
        self._is_open = False
        self._remove()
        if self._made_parent:
            with contextlib.suppress(OSError):  # another output of this run lies there
                os.rmdir(self.target.parent)

    @abstractmethod
    def _create(self) -> int:
        """Make the part, closed to others; returns the mode that the umask grants the finished one."""

    @abstractmethod
    def _sync(self) -> None:
        """Put its content on the disk."""

    @abstractmethod
    def _place(self) -> None:
        """Rename it to its target."""

    @abstractmethod
    def _remove(self) -> None:
        """Delete it, if it is there."""


class PartFile(_Part):
    """A file in the making: write to `path`, then `commit` or `abort`.

    The null device is its own part and its own target.

    Raises:
        OutputError: as `check_target`, or the part cannot be created.
    """

    def _create(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        os.close(os.open(self.path, flags, 0o666))
        return _hide(self.path, 0o600)

    def _sync(self) -> None:
        _sync_file(self.path)

    def _place(self) -> None:
        if self.overwrite:
            check_target(self.target, True)
            os.replace(self.path, self.target)
            return
        try:
            os.link(self.path, self.target, follow_symlinks=False)
            os.unlink(self.path)
        except FileExistsError:
            raise OutputError(f"{printable(self.target)} appeared during the run and is left as it is") from None
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}:
                raise
            self._place_without_links()

    def _place_without_links(self) -> None:
        """File systems without hard links (FAT, some network drives): hold the name with an empty file of our own."""
        try:
            os.close(os.open(self.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise OutputError(f"{printable(self.target)} appeared during the run and is left as it is") from None
        os.replace(self.path, self.target)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class PartFolder(_Part):
    """A folder in the making: write files into `path`, then `commit` or `abort`.

    An empty folder counts as absent. With `overwrite`, an existing folder makes way whole, so that no frame of an older
    run is taken for one of this run; what it held and the new folder does not have stays, in `NAME.old` beside it.

    Raises:
        OutputError: as `check_target`, or the part cannot be created.
    """

    is_folder = True

    def _create(self) -> int:
        os.mkdir(self.path)
        return _hide(self.path, 0o700)

    def _sync(self) -> None:
        if _sync_file_system(self.path):
            return
        for folder, _, names in os.walk(self.path):
            for name in names:
                _sync_file(Path(folder, name))
            _sync_folder(Path(folder))

    def _place(self) -> None:
        check_target(self.target, self.overwrite, folder=True)
        if not self.target.exists() or _is_empty(self.target):
            os.rename(self.path, self.target)
            return
        old = _free_name(self.target)
        os.rename(self.target, old)
        try:
            os.rename(self.path, self.target)
        except OSError:
            os.rename(old, self.target)
            raise
        _drop_replaced(old, self.target)

    def _remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _is_null(target: Path) -> bool:
    return str(target) == os.devnull


def _is_empty(folder: Path) -> bool:
    with writing(folder), os.scandir(folder) as entries:
        return next(entries, None) is None


def _status(target: Path) -> os.stat_result | None:
    try:
        return target.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise


def _part_name(target: Path) -> Path:
    """A name beside the target that is not taken and no longer than a name may be."""
    end = f".{secrets.token_hex(4)}.gvseg-part"
    stem = target.name
    while len(os.fsencode(f".{stem}{end}")) > _NAME_BYTES:
        stem = stem[:-1]
    return target.with_name(f".{stem}{end}")


def _free_name(target: Path) -> Path:
    """NAME.old, NAME.old-2, …: the first that is not there."""
    count = 1
    while True:
        end = ".old" if count == 1 else f".old-{count}"
        stem = target.name
        while len(os.fsencode(stem + end)) > _NAME_BYTES:
            stem = stem[:-1]
        old = target.with_name(stem + end)
        if not os.path.lexists(old):
            return old
        count += 1


def _hide(path: Path, mode: int) -> int:
    """Close a part to others while it is written; returns the mode that the umask grants, for the finished one."""
    granted = stat.S_IMODE(path.stat().st_mode)
    os.chmod(path, mode)
    return granted


def _make_parent(target: Path) -> bool:
    try:
        os.mkdir(target.parent)
    except FileExistsError:
        return False
    return True


def _drop_replaced(old: Path, new: Path) -> None:
    """Delete from `old` each file that `new` has as well, then the folders that are left empty."""
    for folder, _, names in os.walk(old, topdown=False):
        there = new / Path(folder).relative_to(old)
        for name in names:
            if (there / name).is_file():
                with contextlib.suppress(OSError):
                    os.unlink(Path(folder, name))
        with contextlib.suppress(OSError):  # still holds something
            os.rmdir(folder)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(folder: Path) -> bool:
    """Put all that a file system holds on its disk at once, where the system can (Linux: `syncfs`).

    A hundred thousand masks one by one would take minutes.
    """
    if sys.platform != "linux":
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) == 0:
            return True
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk, where the system can (POSIX; not on every network drive)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _patiently(place: Callable[[], None], tries: int = 3) -> None:
    """Call `place` again after a fault that may pass."""
    for attempt in range(tries):
        try:
            place()
            return
        except OSError as error:
            if error.errno not in _PASSING or attempt == tries - 1:
                raise
            time.sleep(0.2 * (attempt + 1))
