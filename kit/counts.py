"""What the rows of a result count and which belong together, as folds.parquet of its folder tells."""

from __future__ import annotations

import numpy as np

from kit import archive
from kit.archive import Kept
from kit.types import Array, Floats, Ints


def rows(kept: Kept) -> tuple[Floats, Ints | None]:
    """Return the scoring weights v (n,) and the groups (n,): ones and None where it does not tell.

    Raises:
        DataError: the file is damaged, or of other rows.
    """
    found = _told(kept)
    v = found["v"].astype(np.float64) if "v" in found else np.ones(len(kept.ids))
    return v, found["group"].astype(np.int64) if "group" in found else None


def plain(kept: Kept, v: Floats) -> Floats | None:
    """Return what rows count by the data's own weights, `v` (n,) being their scoring weights; None = all alike, as far
    as is known: a folder of before layout 3 does not tell it under a declared distribution.
    """
    return v if "evaluate" not in kept.card else _told(kept).get("w")


def _told(kept: Kept) -> dict[str, Array]:
    """Return the columns v, w and group that there are, each (n,), in the order of the result's rows."""
    n, path = len(kept.ids), kept.folder / "folds.parquet"
    frame = archive.parquet(path).head(n) if path.is_file() else None
    names = [] if frame is None else [name for name in ("v", "w", "group") if name in frame.columns]
    if frame is None or not names:
        return {}
    at = archive.places(kept.ids, frame.to_series(0), path)
    return {name: frame[name].to_numpy()[at] for name in names}
