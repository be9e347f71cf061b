"""audit: what is wrong, or cannot be told, about OOFs that are to be used together."""

from __future__ import annotations

from collections.abc import Sequence

from kit._audit import alone, pairs, scored
from kit._audit.common import Finding, Severity, Suspect, share, tabulate
from kit.paired import Truth

__all__ = ["ORDER", "Finding", "Suspect", "findings"]

ORDER: tuple[Severity, ...] = ("error", "warning", "note", "unknown")
"""The worst first."""


def findings(truth: Truth, sources: Sequence[Suspect]) -> tuple[Finding, ...]:
    """Return what is to be said about each source, worst first. Rows stand in the order of `truth` in all of them.

    Sources with an error are left out of the comparison of the others. At most 20,000 rows are compared.
    """
    found = [f for s in sources for f in alone.look(truth, s)]
    broken = {f.source for f in found if f.severity == "error"}
    # What kit made goes first: of two that are too much alike the later one is named.
    sound = sorted((s for s in sources if s.name not in broken), key=lambda s: not s.made_here)
    table = tabulate(truth, sound)
    if table is not None:
        copies, single = pairs.look(table)
        found += copies
        found += scored.look(truth, table, single)
    found += share(sources)
    return tuple(sorted(found, key=lambda f: ORDER.index(f.severity)))
