"""The sections of a recipe that are plain values, as frozen types."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from kit.types import label_text
from kit.wishes import Wish

StopPolicy = Literal["cut", "refit", "fixed", "held", "pooled"]
STARRED: tuple[StopPolicy, ...] = ("held", "pooled")
"""Stop policies that look at held rows: their OOF is optimistic and is marked `peeked`."""


def _codec(name: str) -> str:
    """Return the name of a known encoding."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("the name of an encoding, as latin-1 or cp1252") from None


Encoding = Annotated[str, AfterValidator(_codec)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ExtraSection(_Section):
    """Further rows to learn from, such as the original data set behind a synthetic competition."""

    path: str
    """File with the target and some of the training columns, under the same names."""
    as_: Annotated[Literal["rows"], Field(alias="as")] = "rows"
    """rows: learnt from in every fold, never held, never stopped on, never in an OOF."""
    weight: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """How much one of its rows counts in learning beside a training row of weight 1."""


class JoinSection(_Section):
    """A further table, whose columns are added to the rows that share a key with it."""

    path: tuple[str, ...]
    """File of the table: csv, tsv, json, jsonl or parquet, plain or .gz; a list where its rows lie in several."""
    on: dict[str, str]
    """The key: a column that both have, a list of columns, or {column of the rows: column of the table}."""
    take: Literal["auto"] | dict[str, str] | None = None
    """What is taken where a key has several rows: {new column: SQL expression over aggregates}, or auto."""
    before: dict[str, str] | None = None
    """Column of dates or numbers (or {column of the rows: column of the table}): rows that are not earlier than the
    row itself are not taken."""
    delay: Annotated[float, Field(ge=0)] = 0.0
    """With before: rows of the table that are younger than this, in days or as numbers, are not taken either."""
    prefix: str = ""
    """What the names of the added columns begin with."""
    join: tuple[JoinSection, ...] = ()
    """Tables that are joined to the rows of this one first, in the same way."""

    @field_validator("path", mode="before")
    @classmethod
    def _files(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and not value:
            raise ValueError("a file, or a list of files")
        return [value] if isinstance(value, str) else value

    @field_validator("on", "before", mode="before")
    @classmethod
    def _pairs(cls, value: Any, info: ValidationInfo) -> Any:
        names = [value] if isinstance(value, str) else value
        pairs = {name: name for name in names if isinstance(name, str)} if isinstance(names, list | tuple) else names
        right = isinstance(pairs, Mapping) and all(isinstance(n, str) and n for pair in pairs.items() for n in pair)
        if value is None and info.field_name == "before":
            return None
        if not right or not pairs or (isinstance(names, list | tuple) and len(pairs) < len(names)):
            raise ValueError("a column, a list of columns, or a mapping {column of the rows: column of the table}")
        if info.field_name == "before" and len(pairs) > 1:
            raise ValueError("one column, or one pair {column of the rows: column of the table}")
        if info.field_name == "before" and info.data.get("take", "") is None:
            raise ValueError("before: goes with take, which says what is taken of the earlier rows")
        return pairs

    @field_validator("delay")
    @classmethod
    def _of_before(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("before", "") is None:
            raise ValueError("delay: goes with before, which names the dates it is counted from")
        return value

    @field_validator("take", mode="before")
    @classmethod
    def _expressions(cls, value: Any) -> Any:
        if value is None or value == "auto":
            return value
        texts = isinstance(value, Mapping) and all(isinstance(text, str) and text for text in value.values())
        if not texts or not value or not all(isinstance(name, str) and name for name in value):
            raise ValueError("auto, or a mapping {new column: expression}; one that holds a comma stands in quotes")
        return value


class DataSection(_Section):
    """Where the data lies and which columns have a role."""

    train: str | None = None
    """Training file: csv, tsv, json, jsonl or parquet, plain or .gz."""
    test: str | None = None
    """Test file, without the target."""
    sample: str | None = None
    """Sample submission: it decides the columns, order and spelling of a submission."""
    folder: str | None = None
    """Folder of the files. Those that are not named are the ones in it whose names begin with train, test and sample;
    relative paths of the recipe may start in it."""
    source: str | None = None
    """A data set bundled with a library instead of files: `sklearn:diabetes`."""
    holdout: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training rows cut off as test rows where there is no test file."""
    id: str | None = None
    """Column that names a row. None = row numbers, in a column `row`."""
    target: str = "target"
    """Column to predict."""
    targets: tuple[str, ...] = ()
    """Columns to predict, where a submission asks for several: each is carried out as a recipe of its own. `target`
    picks one of them."""
    unlabelled: Literal["refuse", "drop"] = "refuse"
    """What becomes of training rows without a target: an error, or they are left out."""
    groups: str | None = None
    """Column whose values belong together (split: group)."""
    weight: str | None = None
    """Column of row weights, for learning and scoring."""
    time: str | None = None
    """Column of times (split: time)."""
    nulls: tuple[str, ...] = ()
    """Words that mean missing, beside the usual ones."""
    drop: tuple[str, ...] = ()
    """Columns to leave out."""
    rename: Mapping[str, str] = {}
    """Column in the files -> its name in this recipe. A file that has a column of that name already keeps it."""
    kinds: Mapping[str, Wish] = {}
    """What a column is where that is inferred wrongly: numeric, category, text, date (date dmy, date mdy) or key."""
    extra: tuple[ExtraSection, ...] = ()
    """Files with further rows to learn from."""
    join: tuple[JoinSection, ...] = ()
    """Further tables, whose columns are added to the rows by a key, one after the other."""
    encoding: Encoding | None = None
    """How text files are written where that is not UTF-8, as `latin-1` or `cp1252`."""

    @property
    def together(self) -> tuple[str, ...]:
        """The target and its siblings, which are features of none of them."""
        return self.targets or (self.target,)

    @field_validator("targets")
    @classmethod
    def _several(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and len(set(value)) < max(2, len(value)):
            raise ValueError("two different columns or more; one is named by `target`")
        return value

    @field_validator("rename")
    @classmethod
    def _one_each(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if len(set(value.values())) < len(value):
            raise ValueError("a mapping to different names")
        return value


class StopSection(_Section):
    """When a learner stops."""

    use: StopPolicy = "refit"
    """cut, refit, fixed; held and pooled look at held rows and are starred. See docs/early-stopping.md."""
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """Stop rows are the last of this many folds of the learning rows (None = as many as the split has)."""


class Shares(_Section):
    """A target distribution given by hand."""

    edges: tuple[float, ...] = ()
    """Edges of the bins of a numeric target, ascending: one more than there are shares."""
    shares: tuple[Annotated[float, Field(ge=0)], ...] | dict[str, Annotated[float, Field(ge=0)]]
    """Share of the test rows in each bin; for classes a mapping of class to share."""

    @field_validator("shares", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {label_text(label): share for label, share in value.items()} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _fit(self) -> Self:
        values = list(self.shares.values()) if isinstance(self.shares, dict) else list(self.shares)
        if not values or not sum(values) > 0:
            raise ValueError("shares must hold positive numbers")
        if isinstance(self.shares, dict):
            if self.edges:
                raise ValueError("edges belong to a list of shares, classes to a mapping")
        elif len(self.edges) != len(values) + 1 or any(a >= b for a, b in pairwise(self.edges)):
            raise ValueError(f"{len(values)} shares need {len(values) + 1} ascending edges")
        return self


class Estimated(_Section):
    """A target distribution estimated from the unlabelled test rows."""

    estimate: str
    """Model or blend whose predictions for test are explained by the shares that are sought."""
    by: Literal["sigma", "counts", "both"] = "sigma"
    """sigma: by the model's own std or probabilities; counts: by what it predicts out of fold for rows of each bin;
    both: the mean of the two, each smoothed in two ways; fits are stopped by sigma alone."""
    was: Literal["rows", "uniform"] = "rows"
    """By sigma: the distribution the model predicts for, that of the training rows or every value (class) alike."""


class EvaluateSection(_Section):
    """The target distribution that scores, early stopping, stackers and thresholds are to hold for."""

    target: Literal["train", "uniform"] | Shares | Estimated = "train"
    """train: as the training rows are; uniform: every value (or class) alike; {edges, shares}; {estimate: model}."""
    bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Bins of equal width over the range of a numeric target, for uniform and estimate. Up to twice so many steps
    of a target (ratings, halves) are a bin each."""

    @property
    def model(self) -> str | None:
        """The model or blend whose predictions the distribution is estimated from."""
        return self.target.estimate if isinstance(self.target, Estimated) else None

    @property
    def by(self) -> str | None:
        """What an estimate goes by."""
        return self.target.by if isinstance(self.target, Estimated) else None

    def named(self) -> dict[str, Any]:
        """Return the section as an ingredient: without the name of the model, whose key stands beside it."""
        target = self.target if isinstance(self.target, str) else self.target.model_dump(mode="json")
        if isinstance(target, dict):
            target.pop("estimate", None)
        return {"target": target, "bins": self.bins}


class SubmitSection(_Section):
    """What goes into the submission."""

    from_: Annotated[str | None, Field(alias="from")] = None
    """Model or blend to submit. None = the last blend, or the only model."""
