"""Arrays that people saved: .npy files, read without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kit.errors import DataError
from kit.paths import require_file
from kit.types import Array


def read(path: Path) -> Array:
    """Return the array of a .npy file.

    Raises:
        DataError: it is no file, or it is damaged, or holds Python objects.
    """
    require_file(path)
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        advice = "np.save(path, np.asarray(values)) writes numbers so that they can be read"
        got = str(error).partition("\n")[0]
        got = "no numbers: it is damaged, or holds Python objects" if "pickle" in got else got
        raise DataError("the array cannot be read", place=str(path), got=got, next=advice) from error
