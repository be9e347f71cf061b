"""A study: found or begun, tied to what it was made on, with its first trials queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kit._tune.storages import Place, connect
from kit.canon import key_of
from kit.errors import RecipeError
from kit.search import Dimension

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

TIE, BESIDE, SETTINGS, START = "tie", "beside", "settings", "start"
"""User attributes: what a study may not mix; found params of the models beside its own; what a trial was in fact
trained with; which of the first trials it is."""

SIGNIFICANT = 6
"""Digits of a searched number, so that the tuned file can be read, and its values are the very ones that were tried."""


@dataclass(frozen=True)
class Start:
    """A trial to begin with: `settings` are its parameters, beside those the recipe gives."""

    label: str
    settings: Mapping[str, Any]


def place_of(folder: Path, recipe: str, stem: str, url: str | None, *, new: bool) -> Place:
    """Return where the newest study of that stem lies, or, `new`, where the next one goes.

    Studies are counted: lgbm, lgbm.2, lgbm.3. A point is in no model's name.
    """
    base = Place(url or "", "", f"{recipe}/{stem}")
    names = _known(base) if url else {p.name.removesuffix(".journal") for p in folder.glob("*.journal")}
    first = base.name if url else stem
    number = 1
    while (first if number == 1 else f"{first}.{number}") in names:
        number += 1
    number = number if new or number == 1 else number - 1
    numbered = stem if number == 1 else f"{stem}.{number}"
    journal = "" if url else str(folder / f"{numbered}.journal")
    return replace(base, journal=journal, name=f"{recipe}/{numbered}")


def _known(place: Place) -> set[str]:
    import optuna

    return set(optuna.get_all_study_names(connect(place)))


def attrs(place: Place) -> dict[str, Any] | None:
    """Return the user attributes of the study of a place, None where there is none."""
    import optuna

    if not place.url and not Path(place.journal).is_file():
        return None
    try:
        return optuna.load_study(study_name=place.name, storage=connect(place)).user_attrs
    except KeyError:
        return None


def parts(tie: Mapping[str, Any]) -> dict[str, str]:
    """Return a short key of each part of what a study is tied to."""
    return {name: key_of({"part": part})[:16] for name, part in tie.items()}


def open_study(
    place: Place,
    better: Literal["lower", "higher"],
    tie: Mapping[str, Any],
    beside: Mapping[str, Mapping[str, Any]] | None = None,
) -> Study:
    """Return the study of a place, begun where there is none. `beside`: what was found for other models before.

    Raises:
        RecipeError: it was made on something else.
    """
    import optuna

    direction: Literal["minimize", "maximize"] = "minimize" if better == "lower" else "maximize"
    study = optuna.create_study(storage=connect(place), study_name=place.name, direction=direction, load_if_exists=True)
    now, known = parts(tie), study.user_attrs.get(TIE)
    if known is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(BESIDE, dict(beside or {}))
        study.set_user_attr(TIE, now)
    elif known != now:
        before = known if isinstance(known, Mapping) else {}
        changed = [name for name in now if before.get(name) != now[name]] or ["what it was made by"]
        raise RecipeError(
            "this study was made on something else, and one study cannot hold both",
            place=f"{place.shown} ({place.name})",
            got=f"changed since: {', '.join(changed)}",
            next="--new begins another study and leaves this one; or undo the change",
        )
    return study


def distributions(dimensions: Sequence[Dimension]) -> dict[str, BaseDistribution]:
    """Return the ranges as Optuna wants them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for each in dimensions:
        if each.choices:
            found[each.name] = CategoricalDistribution(each.choices)
        elif each.integer:
            found[each.name] = IntDistribution(int(each.low), int(each.high), log=each.log)
        else:
            found[each.name] = FloatDistribution(each.low, each.high, log=each.log)
    return found


def check_ranges(study: Study, place: Place, dimensions: Sequence[Dimension]) -> None:
    """Raise RecipeError where a study cannot hold trials of these ranges beside the ones it has.

    Ends may move and parameters come and go; a scale, a kind of number and a set of choices stay.
    """
    from optuna.distributions import check_distribution_compatibility

    wanted = distributions(dimensions)
    for trial in study.get_trials(deepcopy=False):
        for name in trial.distributions.keys() & wanted.keys():
            try:
                check_distribution_compatibility(trial.distributions[name], wanted[name])
            except ValueError as error:
                raise RecipeError(
                    "this study searched another kind of range, and one study cannot hold both",
                    place=f"{place.shown} ({place.name})",
                    got=f"{name}: {trial.distributions[name]}, now {wanted[name]}",
                    next="--new begins another study and leaves this one; or undo the change",
                ) from error


def enqueue(
    study: Study, starts: Sequence[Start], dimensions: Sequence[Dimension], defaults: Mapping[str, Any]
) -> None:
    """Queue those of the first trials that the study does not have. Two equal ones are one.

    A sampler is told the nearest values in its ranges: an automatic default or a penalty of 0 on a logarithmic scale
    has no place in them.
    """
    there = {t.user_attrs.get(START) for t in study.get_trials(deepcopy=False)}
    met: list[Mapping[str, Any]] = []
    for start in starts:
        if start.settings in met:
            continue
        met.append(start.settings)
        if start.label not in there:
            told = {d.name: d.nearest(start.settings.get(d.name, defaults.get(d.name))) for d in dimensions}
            study.enqueue_trial(told, user_attrs={SETTINGS: dict(start.settings), START: start.label})


def best_of(trials: list[FrozenTrial], better: str) -> FrozenTrial | None:
    """Return the complete trial with the best value, the first of equal ones; None where none is complete."""
    complete = [t for t in trials if t.state.name == "COMPLETE" and t.value is not None]
    sign = 1.0 if better == "lower" else -1.0
    return min(complete, key=lambda t: (sign * float(t.value or 0.0), t.number), default=None)


def settings_of(params: Mapping[str, Any], attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trial is trained with: the settings it came with, or the proposed params, rounded."""
    if SETTINGS in attrs:
        return dict(attrs[SETTINGS])
    return {name: _plain(value) for name, value in sorted(params.items())}


def _plain(value: Any) -> Any:
    return float(f"{value:.{SIGNIFICANT}g}") if isinstance(value, float) else value
