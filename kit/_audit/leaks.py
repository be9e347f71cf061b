"""Sources that know of the target what no honest model of the pool could."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit._audit.common import Finding, Table, centred
from kit.types import Floats

BOUND = 3.0
"""A leak: what the OOF must make test vary by passes what it does by BOUND / sqrt(test rows) and more. Of 2,280 honest
sources, pairs of checkpoints and strong ones among weak ones included, none passed 0.9 of what it does."""

LEAK, APART, KNOWN, SURE = 3.25, 0.05, 0.03, 6.0
"""A leak too: what the OOF knows is LEAK times what test varies by, for a source that is APART of its variance its own,
knows KNOWN of what the pool misses, and that by SURE standard errors. Honest sources of that kind reached 2.9;
checkpoints of one model, which are less apart, reach 10."""

STRONG = 0.5
"""Part of the next best source's squared error below which a source without test predictions is looked at."""

MUCH, MANY_OTHERS = 0.1, 5
"""What a source knows of all that so many others miss from which it is told, whatever its test predictions are."""

RIDGE = 1e-3
"""Share of its variance added to each source, so that near copies do not blow up."""


@dataclass(frozen=True)
class Known:
    """What each source knows beyond the others (S,).

    `bound`: the least variance that test must show for what the OOF knows, over what it shows. `ratio`: the covariance
    of the OOF with what the others miss, over the same. `share`: of what the others miss. `apart`: share of its own
    variance that the others do not have.
    """

    bound: Floats
    ratio: Floats
    share: Floats
    apart: Floats


def look(table: Table, inside: Sequence[int]) -> list[Finding]:
    """Return sources whose OOF knows of y what their test predictions show no trace of, the worst first.

    Let u be what is left of a source after regression on the others, and r what the others leave of y. The part s of
    u that fold models share, and averaging leaves on test, is what an honest source knows: var(s) >= cov(s, r)^2 /
    var(r), and cov(s, r) = cov(u, r), for the rest of u is noise of the fold models. A source that saw y of held rows
    has a large cov(u, r), and on test, where there is no y to be seen, a small u. The one found is taken out and the
    others are looked at again.
    """
    found = []
    left = [i for i in inside if table.has_test[i]]
    n, t = table.z.shape[1], table.test.shape[1]
    while len(left) > 1 and len(left) * 5 < min(n, t):
        known = measure(table, left)
        sure = known.share * n / (1 + known.share) > SURE**2
        clear = known.bound > 1 + BOUND / np.sqrt(t / table.m)
        strange = (known.ratio > LEAK) & (known.apart > APART) & (known.share > KNOWN)
        caught = np.flatnonzero(sure & (clear | strange))
        if not len(caught):
            notes = [_much(table, left, s, known) for s in np.flatnonzero(sure & (known.share > MUCH)).tolist()]
            break
        worst = int(caught[np.argmax(known.share[caught])])
        reason = (
            f"its OOF explains {known.share[worst]:.0%} of what the pool misses, its test predictions vary by "
            f"{1 / known.ratio[worst]:.0%} of what that takes: it has seen the target of held rows"
        )
        advice = "look for target means outside the folds, rows in learning and held parts, a held fold that was learnt"
        found.append(Finding(table.names[left[worst]], "leak", "warning", reason, advice))
        left.pop(worst)
    return [*found, *_strong(table, inside), *(notes if len(left) > MANY_OTHERS else [])]


def _much(table: Table, left: Sequence[int], s: int, known: Known) -> Finding:
    reason = (
        f"its OOF explains {known.share[s]:.0%} of what the {len(left) - 1} others together miss; whether it knows "
        "more or has seen the target its test predictions do not tell"
    )
    advice = "has it data or features that the others lack? if not, look for a target that was seen before trusting it"
    return Finding(table.names[left[s]], "too_good", "note", reason, advice)


def measure(table: Table, left: Sequence[int]) -> Known:
    """Return what each of the sources `left` knows beyond the others of them, all from one Gram matrix.

    The inverse of a Gram matrix holds every regression of one row on the others: -Q_ij / Q_ii are its weights, and the
    inverse of a 2 x 2 block of it is the covariance of those two, given all others. Source: Lauritzen 1996, sec. 5.1.
    """
    rows = list(left)
    centre = _in_folds(table, np.concatenate([table.z[rows], table.y[None]]))
    z, y = centre[:-1], centre[-1]
    test = centred(table.test[rows], table.m)
    k, n = len(rows), len(y)
    both = np.empty((k + 1, k + 1))
    both[:k, :k] = z @ z.T / n
    both[:k, k] = both[k, :k] = z @ y / n
    both[k, k] = y @ y / n
    both[np.arange(k), np.arange(k)] *= 1 + RIDGE
    own = np.diag(both)[:k]
    alone, full = np.linalg.inv(both[:k, :k]), np.linalg.inv(both)
    p, q, r = np.diag(full)[:k], full[k, k], full[:k, k]
    det = p * q - r**2
    of_u, of_r, c = q / det, p / det, np.maximum(-r / det, 0)
    weights = alone / np.diag(alone)[:, None]
    seen = np.maximum(np.einsum("ij,jk,ik->i", weights, test @ test.T / test.shape[1], weights), 1e-300)
    # Where all sources vary less on test than on OOF, so does what one knows.
    wider = min(1.0, float(test.mean(axis=0).var() / max(z.mean(axis=0).var(), 1e-300)))
    share = np.where(of_u > 2 * RIDGE * own, c**2 / (of_u * of_r), 0.0)
    return Known(share * of_u * wider / seen, c * wider / seen, share, of_u / own)


def _in_folds(table: Table, z: Floats) -> Floats:
    """Return (S, N) with the mean of each output in each fold taken off, the folds being those of most sources.

    The level of a fold's model knows y of the held fold: it is the mean of the other rows, high where the held mean is
    low. Honest sources share that, and it is no leak; beside the little that a short training learns it is large.
    """
    folds = [s.fold[table.rows].tobytes() for s in table.suspects if s.fold is not None]
    if not folds:
        return centred(z, table.m)
    fold = np.frombuffer(max(folds, key=folds.count), np.int16)
    parts = z.reshape(len(z), -1, table.m)
    out = np.empty_like(parts)
    for k in np.unique(fold):
        here = fold == k
        out[:, here] = parts[:, here] - parts[:, here].mean(axis=1, keepdims=True)
    return np.asarray(out.reshape(len(z), -1))


def _strong(table: Table, inside: Sequence[int]) -> list[Finding]:
    """Return sources without test predictions that are far better than all others: leak or strength."""
    loss = {i: float(((table.z[i] - table.y) ** 2).mean()) for i in inside}
    found = []
    for i in (i for i in inside if not table.has_test[i]):
        others = [loss[j] for j in inside if j != i]
        if others and loss[i] < STRONG * min(others):
            reason = f"its squared error is {loss[i] / min(others):.0%} of the next best source's"
            advice = "give it test predictions: they tell a leak from strength"
            found.append(Finding(table.names[i], "too_good", "warning", reason, advice))
    return found
