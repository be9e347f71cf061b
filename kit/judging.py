"""What a metric is: the contract of its module, and a metric as those see it who only use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from kit.grouped import Within, split
from kit.types import Floats, Floats32, Objective, Pred, PredKind, Task, TaskKind


@dataclass(frozen=True)
class Counts:
    """What a metric of labels is told of the decisions: sums of scoring weights, for one or many decisions at once.

    Shape: hit (..., C), rightly called class k; said (..., C), called k; true (C,), that are k. Binary: C = 2, the
    positive class last.
    """

    hit: Floats
    said: Floats
    true: Floats


@dataclass(frozen=True)
class Number:
    """What may stand behind the @ of a metric's name, as in `map@3`: its default, its bounds, whether it is whole."""

    default: float
    low: float
    high: float
    whole: bool = True

    def read(self, text: str) -> float:
        """Return the number that `text` says.

        Raises:
            ValueError: it is none, or out of bounds.
        """
        value = float(int(text)) if self.whole else float(text)
        if not self.low <= value <= self.high:
            raise ValueError(f"{text} is out of bounds")
        return value

    @property
    def allowed(self) -> str:
        """What may be written, in words."""
        return f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:g}"


@runtime_checkable
class MetricModule(Protocol):
    """A metric. BETTER: "lower" or "higher". WANTS: what `pred.mean` must hold. OBJECTIVE: what to train for.

    What wants labels also has `decide(task, mean) -> (n,)`, y as decided, and `tally(counts) -> (...,)`, its score from
    `Counts`, where that tells it. What takes a number behind its name has `AT: Number` and `score_at`, which is `score`
    with that number as a last argument. `THRESHOLDS`: the tasks in which labels cut at other places than the usual ones
    pay, as measured on holdouts. `ORDERED` is True where whole numbers are trained as a regression, `RANKING` where a
    submission lists the best classes. `RANGE`: the least and the greatest score there can be, None where there is no
    bound; a metric that says nothing of it may have any. `LEAST` is what smaller predictions are scored as, and so
    written as: others who score by it may take none below.

    Within groups (`spearman by era`) each group is scored in turn; a DataError, or NaN, leaves it out.
    `by_group(task, y, pred, groups) -> (G,)`, NaN where not defined, does it for all groups at once: its rows are those
    of `groups.order`. NEEDS_BY = True: it orders the rows of a query, and means nothing over all rows.
    SCALE_FREE = True: predictions shifted and stretched alike score the same, as scores of a ranking objective do.
    """

    BETTER: Literal["lower", "higher"]
    TASKS: tuple[TaskKind, ...]
    WANTS: PredKind
    OBJECTIVE: Mapping[str, Objective]
    CODEC: str

    def score(self, task: Task, y: Floats, pred: Pred, v: Floats) -> float:
        """Return the score of pred on rows with truth y (n,) and scoring weights v (n,)."""


@dataclass(frozen=True)
class Metric:
    """A metric by name, for those who only use it."""

    name: str
    better: Literal["lower", "higher"]
    wants: PredKind
    score: Callable[[Task, Floats, Pred, Floats], float]
    decide: Callable[[Task, Floats32], Floats] | None = None
    tally: Callable[[Counts], Floats] | None = None
    within: Within | None = None
    """Where it is a mean over groups: what tells the score of each."""

    @property
    def base(self) -> str:
        """The name without the groups."""
        return split(self.name)[0]

    @property
    def sign(self) -> float:
        """+1 where lower is better, else -1: `sign * score` is always to be minimised."""
        return 1.0 if self.better == "lower" else -1.0
