"""What the rows of a result count and which belong together, as folds.parquet of its folder tells."""

from __future__ import annotations

import numpy as np

from kit import archive
from kit.archive import Kept
from kit.rowgroups import PREFIX, attach
from kit.types import Array, Floats, Ints


def rows(kept: Kept) -> tuple[Floats, Ints | None]:
    """Return the scoring weights v (n,), with the groups of metrics, and the groups (n,): ones and None where it does
    not tell.

    Raises:
        DataError: the file is damaged, or of other rows.
    """
    found = _told(kept)
    v = found["v"].astype(np.float64) if "v" in found else np.ones(len(kept.ids))
    v = attach(v, {name.removeprefix(PREFIX): codes for name, codes in found.items() if name.startswith(PREFIX)})
    return v, found["group"].astype(np.int64) if "group" in found else None


def plain(kept: Kept, v: Floats) -> Floats | None:
    """Return what rows count by the data's own weights, `v` (n,) being their scoring weights; None = all alike, as far
    as is known: a folder of before layout 3 does not tell it under a declared distribution.
    """
    return v if "evaluate" not in kept.card else _told(kept).get("w")


def _told(kept: Kept) -> dict[str, Array]:
    """Return the columns v, w, group and metrics' groups, where there, each (n,), in the result's order."""
    n, path = len(kept.ids), kept.folder / "folds.parquet"
    frame = archive.parquet(path).head(n) if path.is_file() else None
    names = [] if frame is None else [n for n in frame.columns[1:] if n in ("v", "w", "group") or n.startswith(PREFIX)]
    if frame is None or not names:
        return {}
    at = archive.places(kept.ids, frame.to_series(0), path)
    return {name: frame[name].to_numpy()[at] for name in names}
