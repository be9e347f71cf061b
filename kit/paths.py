"""Paths that people name: what keeps one from being read as a file, and a file that is written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kit.errors import DataError, nearest

TWICE = "kit reads a file more than once: write it to one first"


def require_file(path: Path) -> None:
    """Return nothing: the path is a file.

    Raises:
        DataError: it is a folder, a pipe or a device, leads nowhere, or may not be looked at.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _absent(path) from error
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or str(error)
        advice = "check the path and its permissions"
        raise DataError("the file cannot be read", place=str(path), got=got, next=advice) from error
    if stat.S_ISDIR(mode):
        raise DataError("the path is a folder, not a file", place=str(path), next="name a file in it")
    if not stat.S_ISREG(mode):
        raise DataError("the path is a pipe or a device, not a file", place=str(path), next=TWICE)


def require_utf8(*texts: str) -> None:
    """Return nothing: this Python can name files as these texts do.

    Raises:
        DataError: its locale is plain ASCII (LC_ALL=C and PYTHONUTF8=0), and the texts are not.
    """
    known = sys.getfilesystemencoding()
    wrong = [text for text in texts if not text.isascii()]
    if wrong and known.lower().replace("-", "") != "utf8":
        rule, advice = "this Python cannot name files beyond ASCII", "set PYTHONUTF8=1, or LC_ALL=C.UTF-8, then again"
        raise DataError(rule, place=ascii(wrong[0])[1:-1], got=f"file names are read as {known}", next=advice)


def among(name: str, bases: Sequence[Path]) -> Path:
    """Return the file of that name in the first folder that has it.

    Raises:
        DataError: none has it, or what it has is no file, or this Python cannot name it.
    """
    require_utf8(name)
    for base in bases:
        if os.path.isfile(base / name):
            return base / name
    for base in bases:
        try:
            os.lstat(base / name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError):
            pass  # a folder without permission, a name too long: what it is, is told
        _require_here(base / name)
    folders = [(base / name).parent for base in bases]
    advice = nearest(Path(name).name, [n for folder in folders for n in _listed(folder)])
    allowed = f"a path in {' or '.join(map(str, bases))}"
    advice = advice or "check the path; it starts at the recipe's folder"
    raise DataError("the file does not exist", got=name, allowed=allowed, next=advice)


def _require_here(path: Path) -> None:
    """As `require_file`, with the path as what was got, for the place is where it was named."""
    try:
        require_file(path)
    except DataError as error:
        told = error.problems[0]
        got = f"{path}, {told.got}" if told.got else path
        raise DataError(told.rule, got=got, next=told.next) from error


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder, none where it cannot be looked at."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def _absent(path: Path) -> DataError:
    if path.is_symlink():
        got, advice = os.readlink(path), "mend the link, or name the file itself"
        return DataError("the link leads to no file", place=str(path), got=got, next=advice)
    return DataError("the file does not exist", place=str(path), next=nearest(path.name, _listed(path.parent)))


def move(made: Path, target: Path) -> None:
    """Rename a file or folder to what is not there; one of another disk is copied beside it first, whole or not at all.

    The caller holds the lock under which the folder is written: what a killed copy left there is removed.
    """
    try:
        made.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = _near(target)
        try:
            shutil.copytree(made, near) if made.is_dir() else shutil.copyfile(made, near)
            near.rename(target)
        finally:
            _remove(near)


def discard(folder: Path, grave: Path) -> None:
    """Remove a folder at once, by renaming it; to beside it where `grave` is on another disk."""
    try:
        folder.rename(grave)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        grave = folder.rename(_near(folder))
    _remove(grave)


def _near(target: Path) -> Path:
    """Return a hidden name beside a path that no killed process has left."""
    for rest in target.parent.glob(".*.moved"):
        _remove(rest)
    return target.with_name(f".{uuid.uuid4().hex[:12]}.moved")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; what lies there in the end becomes the file, the one a link leads to. Else nothing does.

    Raises:
        DataError: the path is something else than a file.
    """
    target = path.resolve()
    if target.exists():
        require_file(target)
    temp = target.with_name(f".{uuid.uuid4().hex[:12]}.part")  # a name as long as may be has no room for more
    try:
        yield temp
        os.replace(temp, target)
    finally:
        temp.unlink(missing_ok=True)
