"""The JSON beside a submission: read in one place, and refused in words where it is not what kit writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kit.errors import DataError
from kit.params import Scalar

Label = Scalar | None


class _Part(BaseModel):
    """A part of it, of which other fields may be there: kits of before and after this one wrote fewer and more."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class _Layout(_Part):
    header: list[str] = Field(min_length=1)
    id_at: int = Field(ge=0)
    shows: Literal["value", "label", "proba", "ranking"]
    outputs: list[int]
    spelling: list[str]
    top: int = 0
    ids: str = ""
    least: float | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.id_at >= len(self.header) or len(self.outputs) != len(self.header) - 1:
            raise ValueError("an id and an output for each other column of the header")
        return self


class _Task(_Part):
    kind: Literal["regression", "binary", "multiclass"]
    classes: list[Label]
    positive: Label


class _Board(_Part):
    scores: dict[str, float]
    oof_weights: dict[str, float]
    level: float
    stretch: float


class _Nested(_Part):
    score: float | None = None


class _About(_Part):
    sha256: str | None = None
    recipe: str | None = None
    source: str | None = Field(None, alias="from")
    metric: str | None = None
    score: float | None = None
    nested: float | _Nested | None = None
    weights: dict[str, float | None] | None = None
    models: dict[str, float | None] | None = None
    sources: dict[str, str | None] | None = None
    layout: _Layout | None = None
    task: _Task | None = None
    lb: _Board | None = None
    rows: str | None = None
    data: dict[str, Any] | None = None
    resolved: dict[str, Any] | None = None
    header: list[str] | None = None
    parts: dict[str, _About] | None = None
    home: Annotated[tuple[str, dict[str, Any]], Field(strict=False)] | None = None


def read(path: Path) -> dict[str, Any]:
    """Return what the JSON of a submission says.

    Raises:
        DataError: it cannot be read, or is not what kit writes.
    """
    advice = f"kit replay needs it; get it back, or move {path.name} away"
    try:
        about: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("the JSON of a submission cannot be read", place=str(path), next=advice) from error
    try:
        _About.model_validate(about)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"])) or "all of it"
        got = f"{at}: {first['msg']}"
        raise DataError("the JSON of a submission is damaged", place=str(path), got=got, next=advice) from error
    return about
