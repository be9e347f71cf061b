"""run: a recipe of one target, or each target of several in turn, submitted together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit import combined, running, siblings
from kit.engine import Failure, Observer
from kit.given import Given, Source, hand_over, several
from kit.opening import Opened, Sets, each, family, open_recipe, refuse_namesake
from kit.presence import at_work
from kit.running import Ran, Result, Wish
from kit.targets import Part
from kit.workers import Crew


@at_work("run")
def run(  # noqa: PLR0913 - one keyword per option of `kit run`
    path: Source,
    *,
    set: Sets = (),
    only: str | Sequence[str] = (),
    jobs: int | None = None,
    time_limit: float | None = None,
    root: str | Path = ".",
    keep_models: bool = False,
    trust: bool = False,
    no_tuned: bool = False,
    observer: Observer | None = None,
    train: Any = None,
    test: Any = None,
    sample: Any = None,
) -> Result:
    """Carry out a recipe and return its scores and where its submission lies.

    `path`: a recipe's file, or its content as a mapping. `train`, `test` and `sample`: data frames (pandas or polars)
    in place of the files it names. `time_limit` is in seconds from this call. `trust`: the recipe may run files of its
    own (`use: ./file.py`).

    Raises:
        KitError: the recipe or the data breaks a rule. Failed fits do not raise; they stand in `Result.failures`.
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    given = hand_over(path, train, test, sample)
    wish = Wish(set, tuple(several(only)), jobs, time_limit, deadline, root, keep_models, trust, no_tuned, observer)
    if parts := each(given, set):
        return _run_all(given, parts, wish)
    ran = running.carry_out(given, wish)
    siblings.forget(ran.scene.folder)
    return ran.result(ran.submit())


def _run_all(given: Given, parts: Sequence[Part], wish: Wish) -> Result:
    """Carry out one target after the other, each in its share of the time that is left, and submit them together."""
    began, name = time.monotonic(), family(given, wish.set)
    opened: dict[str, Opened] = {}
    for part in parts:  # what is wrong with the last is not to be told when the first is done
        found = open_recipe(given, part.sets, wish.root, wish.keep_models, wish.trust, wish.no_tuned)
        refuse_namesake(found)
        opened[part.target] = found
    done: dict[str, Ran] = {}
    with Crew() as crew:
        for i, part in enumerate(parts):
            share = None if wish.deadline is None else max(0.0, wish.deadline - time.monotonic()) / (len(parts) - i)
            until = None if share is None else time.monotonic() + share
            own = replace(wish, set=part.sets, time_limit=share, deadline=until, crew=crew)
            done[part.target] = running.carry_out(given, own, opened[part.target])
    scenes = [ran.scene for ran in done.values()]
    header = combined.header(scenes[0].recipe, [scene.facts for scene in scenes])
    siblings.write(scenes[0].root / "oof" / name, {part.target: part.recipe for part in parts}, header)
    ready = all(ran.submits for ran in done.values())
    path = combined.submit(name, {t: (ran.scene, ran.cards) for t, ran in done.items()}) if ready else None
    results = {target: ran.result(None) for target, ran in done.items()}
    return Result(
        name,
        None if path is None else str(path),
        {},
        {},
        {state: sum(r.stages[state] for r in results.values()) for state in ("run", "reused", "failed")},
        any(r.truncated for r in results.values()),
        round(time.monotonic() - began, 3),
        tuple(dict.fromkeys(name for r in results.values() for name in r.missing)),
        tuple(_of(target, failure) for target, r in results.items() for failure in r.failures),
        results,
    )


def _of(target: str, failure: Failure) -> Failure:
    """Return a failure that says which target it is of."""
    stage = replace(failure.stage, name=f"{target}: {failure.stage.name}")
    return replace(failure, stage=stage, problem=replace(failure.problem, place=f"{target}: {failure.problem.place}"))
