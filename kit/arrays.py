"""Arrays that people saved: .npy files, read without pickle."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from kit.errors import DataError
from kit.paths import require_file
from kit.types import Array


def read(path: Path, *, mapped: bool = False) -> Array:
    """Return the array of a .npy file; `mapped`: read-only, and left on the disk until it is looked at.

    Raises:
        DataError: it is no file, or it is damaged, or holds Python objects or several arrays.
    """
    require_file(path)
    try:
        found = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        got = str(error).partition("\n")[0]
        wrong = "pickle" in got or "Python objects" in got
        raise _unread(path, "no numbers: it is damaged, or holds Python objects" if wrong else got) from error
    if not isinstance(found, np.ndarray):
        found.close()
        raise _unread(path, "an archive of arrays")
    return found


def _unread(path: Path, got: str) -> DataError:
    advice = "np.save(path, np.asarray(values)) writes numbers so that they can be read"
    return DataError("the array cannot be read", place=str(path), got=got, next=advice)
