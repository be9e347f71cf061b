"""blend: makes one OOF and one submission of any OOFs, with what they are worth."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from kit import (
    audits,
    averaging,
    blendcard,
    counts,
    crossfit,
    difficulty,
    estimate,
    leeway,
    lineup,
    matching,
    members,
    nesting,
    paired,
    panel,
    registry,
    standings,
)
from kit.auditing import Finding
from kit.blendcard import RECIPE, Made
from kit.canon import code_file, key_of
from kit.crossfit import BlendSpec, blended
from kit.design import Use
from kit.engine import Observer
from kit.folding import dump
from kit.given import several
from kit.home import home_of, rows_of
from kit.lineup import Lineup
from kit.oofobject import save_oof
from kit.opening import Sets
from kit.paired import at
from kit.panel import Panel
from kit.presence import at_work
from kit.stackers import _even
from kit.stage import Stage
from kit.store import Store
from kit.types import Pred
from kit.wishing import How, Wish, check_name, wish


@dataclass(frozen=True)
class Blend:
    """What `blend` did. `card`: as in card.json; `ran`: whether it was made now or stood there."""

    name: str
    oof: str
    submission: str | None
    card: Mapping[str, Any]
    ran: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return what `kit blend --json` prints: the keys of `kit run`, and what the blend is worth."""
        shown = {name: self.card[name] for name in ("score", "fold_scores", "peeked", "plain", "nested", "weights")}
        return {
            "recipe": RECIPE,
            "submission": self.submission,
            "models": {},
            "blends": {self.name: {**shown, "oof": self.oof}},
            "stages": {"run": int(self.ran), "reused": int(not self.ran), "failed": 0},
            "truncated": False,
            "seconds": self.seconds,
            **{name: self.card[name] for name in ("use", "chosen", "table", "members", "audit", "notes")},
            **({"nested_full": self.card["nested_full"]} if "nested_full" in self.card else {}),
        }


@at_work("blend")
def blend(  # noqa: PLR0913 - one keyword per option of `kit blend`
    sources: str | Sequence[str],
    *,
    use: str | None = None,
    name: str = "blend",
    recipe: str | Path | None = None,
    metric: str | None = None,
    set: Sets = (),
    simple: bool = False,
    mixed_folds: bool = False,
    anyway: bool = False,
    nested: Literal["oofs", "full"] = "oofs",
    trust: bool = False,
    root: str | Path = ".",
    observer: Callable[[Sequence[Finding]], None] = lambda found: None,
    progress: Observer | None = None,
) -> Blend:
    """Blend OOFs into oof/blends/NAME and a submission; return scores, table, members and where they lie.

    `sources`: recipe:model, recipe:model@key, folders of OOFs, patterns. `set`: parameters of the stacker.
    `observer` is handed what the audit found before anything is blended; `anyway`: blend in spite of errors among that.
    `nested` "full" fits the sources anew without each fold, by their recipes, and tells what the blend scores then;
    `progress` is told of these fits. `trust`: recipes and the metric may run files of their own.

    Raises:
        KitError: a source is missing or damaged, sources do not go together, a name is wrong, the audit found an error.
    """
    began = time.monotonic()
    check_name(name)
    base = Path(root).resolve()
    store, target = Store(base), base / "oof" / RECIPE / name
    found = lineup.sources(several(sources), base, skip=target)
    home = home_of(recipe, [s.card for s in found], store, base, trust)
    asked = wish(found, home, How(use, set, simple, metric, mixed_folds, trust))
    ingredients = _ingredients(asked)
    sources_of = nesting.origins(found, base, recipe, trust) if nested == "full" else []
    ingredients |= {"nested": nesting.ingredients(sources_of)} if sources_of else {}
    key = key_of(ingredients)
    ran = not store.check(key)
    work = _work(asked, lineup.line_up(found, mixed=mixed_folds)) if ran else None
    audit = [Finding(**f) for f in store.open(key).meta["about"]["audit"]] if work is None else work.audit
    observer(audit)
    audits.refuse(audit, anyway, "leave it out, or blend it in spite of that with --anyway")
    if work is not None:
        _make(work, store, ingredients, (sources_of, progress or Observer()))
    made = Made(name, key, asked, store, base)
    card = blendcard.publish(made)
    submission = blendcard.submit(made, card)
    seconds = round(time.monotonic() - began, 3)
    return Blend(name, str(target / "oof.parquet"), str(submission) if submission else None, card, ran, seconds)


# -- making it


def _ingredients(asked: Wish) -> dict[str, Any]:
    """Return what shapes a blend."""
    module = registry.load("stackers", asked.stacker.use)
    code = (audits, counts, crossfit, panel, _even, paired, matching, averaging, difficulty, estimate)
    prints = [code_file(m) for m in (*code, members, standings)]
    uses = {use: registry.code_of("stackers", use) for use in asked.uses}
    doubt = (asked.sources[0].card.get("evaluate") or {}).get("covariance")
    return {
        **({} if doubt is None else {"leeway": [doubt, code_file(leeway)]}),
        "verb": "blend-oofs",
        "stacker": {
            "use": registry.keyed("stackers", asked.stacker.use),
            "params": dump(asked.stacker.params),
            "code": registry.code_of("stackers", asked.stacker.use),
        },
        "table": uses,
        "sources": [s.digest for s in asked.sources],
        "metric": registry.keyed("metrics", asked.metric),
        "metric_code": registry.code_of("metrics", asked.metric),
        "rows": asked.home.rows_digest if asked.home else None,
        "mixed": asked.mixed,
        "code": prints,
        "libs": registry.versions((*module.LIBS, "numpy", "scipy")),
    }


@dataclass(frozen=True)
class _Work:
    """What a blend is made of, its rows in memory, and what the audit found in it."""

    asked: Wish
    lined: Lineup
    side: Panel
    audit: Sequence[Finding]


def _work(asked: Wish, lined: Lineup) -> _Work:
    v, group = rows_of(asked.home, lined.rows.first)
    if (within := registry.metric(asked.metric).within) is not None:
        within.groups(v)  # an error where it is not known which rows belong together
    side = Panel(asked.task, lined.rows.oofs, v, group).weighed(counts.plain(lined.rows.first, v))
    return _Work(asked, lined, side, audits.of_panel(side, asked.metric, lined))


def _make(
    work: _Work, store: Store, ingredients: Mapping[str, Any], full: tuple[Sequence[nesting.Origin], Observer]
) -> None:
    """Commit a blend: its OOF, its weights, and what it and its sources are worth; `full`: how they are refitted."""
    began = time.perf_counter()
    asked, lined, side = work.asked, work.lined, work.side
    spec = BlendSpec(asked.stacker, asked.metric, asked.task, 0, asked.names)
    made = blended(spec, side)
    truth = standings.truth_of(side, asked.metric)
    own = standings.trial(spec, side, made)
    trials = [own, *(standings.trial(other, side) for other in _others(spec, asked.uses, side))]
    lines = standings.standings(trials, truth)
    known = difficulty.signs(side, made.full, own.plain.mean, made.oof.test, asked.metric)
    doubt = leeway.Leeway.told(asked.sources[0].card.get("evaluate"), truth.y)
    worth = estimate.estimate(truth, own.nested, own.plain, made.oof.test, known, int(side.fold.max()) + 1, doubt=doubt)
    told = estimate.unrealised(side, asked.names, made.full) or estimate.overfitting(own.use, lines, asked.metric)
    notes = [*lined.notes, *([told] if told else []), *(["sources of different folds"] if lined.rows.mixed else [])]
    about: dict[str, Any] = {
        "weights": None if made.full.weights is None else [float(w) for w in made.full.weights],
        "chosen": dict(getattr(made.full, "chosen", {})),
        "nested": replace(worth, overfitted=told).as_dict(),
        "table": [line.as_dict() for line in lines],
        "table_own": own.use,
        "members": [m.as_dict() for m in members.members(spec, side, truth, own)],
        "overfitted": bool(told),
        "mixed_folds": lined.rows.mixed,
        "audit": [asdict(f) for f in work.audit],
        "notes": notes,
        "seconds": time.perf_counter() - began,
    }
    if full[0]:
        about |= _refitted(spec, work, full, own.nested)
        about["notes"] += [told] if (told := about["nested_full"]["overfitted"]) else []
        about["seconds"] = time.perf_counter() - began
    stage = Stage("blend", "blend-oofs", key_of(ingredients), ingredients)
    save_oof(stage, store, made.oof, about)


def _refitted(
    spec: BlendSpec, work: _Work, full: tuple[Sequence[nesting.Origin], Observer], given: Pred
) -> dict[str, Any]:
    """Return the score of the blend with its sources refitted without the fold that is scored."""
    side, rows = work.side, work.side.rows(None)
    pred, n_fits = nesting.nested(full[0], spec, work.lined.ids, full[1])
    found = nesting.judged(standings.truth_of(side, spec.metric), at(pred, rows), given, n_fits)
    return {"nested_full": found.as_dict()}


def _others(spec: BlendSpec, uses: Sequence[str], side: Panel) -> list[BlendSpec]:
    """Return the blends it is compared with: the usual stackers as they are by default."""
    made = []
    for use in uses:
        params = standings.plain_params(use)
        if params is not None and params != spec.stacker.params and standings.fits(use, side):
            made.append(replace(spec, stacker=Use("stackers", use, params)))
    return made
