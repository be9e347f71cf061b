"""Samplers and pruners of Optuna by name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kit.canon import stream
from kit.errors import RecipeError
from kit.search import Dimension
from kit.tunable import PrunerName, SamplerName

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

STARTUP = 10
"""Trials drawn at random before a sampler learns from the study; those queued at the beginning count among them."""

GP_TRIALS = 250
"""From so many trials on `auto` prefers CMA-ES to a Gaussian process, whose time grows with the cube of them."""


def resolved(name: SamplerName, dimensions: Sequence[Dimension], pruner: PrunerName, trials: int) -> SamplerName:
    """Return the sampler that `auto` stands for.

    Categories are for TPE alone; so are pruned trials, which a Gaussian process and CMA-ES do not learn from.
    Source: the rule of OptunaHub's AutoSampler.
    """
    if name != "auto":
        return name
    if pruner != "none" or any(d.choices for d in dimensions):
        return "tpe"
    return "gp" if trials <= GP_TRIALS else "cmaes"


def sampler(name: SamplerName, seed: int, *draw: str | int) -> BaseSampler:
    """Return a sampler for one proposal. `draw` names its random stream, so that no two proposals share one.

    Raises:
        RecipeError: a package is missing.
    """
    import optuna

    number = int(stream(seed, "tune", *draw).integers(2**31 - 1))
    if name == "random":
        return optuna.samplers.RandomSampler(seed=number)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=number, n_startup_trials=STARTUP)
    made: dict[str, Any] = {"gp": optuna.samplers.GPSampler, "cmaes": optuna.samplers.CmaEsSampler}
    try:
        with _calm():
            found: BaseSampler = made[name](seed=number, n_startup_trials=STARTUP, warn_independent_sampling=False)
    except ImportError as error:
        advice = "pip install cmaes" if name == "cmaes" else "install it, or choose tpe"
        raise RecipeError(f"the sampler {name} needs a package", got=str(error).splitlines()[0], next=advice) from error
    return found


def pruner(name: PrunerName) -> BasePruner:
    """Return Optuna's pruner of that name; one that never prunes where kit decides itself."""
    import optuna

    if name == "wilcoxon":
        with _calm():
            return optuna.pruners.WilcoxonPruner(p_threshold=0.1)
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5)
    return optuna.pruners.NopPruner()


@contextmanager
def _calm() -> Iterator[None]:
    """Keep Optuna from telling the user that a part of it is young."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
