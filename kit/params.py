"""`Params`, what every plug-in declares: default, bound, documentation and search range at one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from kit.types import Task

Scalar = bool | int | float | str


class _Ref(str):
    """A string that refers to something outside the params; the plan puts its content into the key."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1))


class ColumnName(_Ref):
    """The name of a data column or of one declared under `columns:`. The plan checks it and keys a computed one.

    KINDS: the kinds of columns it may name; () = those the plug-in ACCEPTS.
    """

    __slots__ = ()
    KINDS: ClassVar[tuple[str, ...]] = ()


class KeyName(ColumnName):
    """A column that says which rows belong together. It may be that of the groups or the time: it is no feature."""

    __slots__ = ()
    KINDS: ClassVar[tuple[str, ...]] = ("numeric", "date", "category", "text", "key")


class MixedName(ColumnName):
    """A column of numbers that may be mixed, or get noise."""

    __slots__ = ()
    KINDS: ClassVar[tuple[str, ...]] = ("numeric", "vector")


class VectorName(ColumnName):
    """A column of vectors."""

    __slots__ = ()
    KINDS: ClassVar[tuple[str, ...]] = ("vector",)


class ValueName(ColumnName):
    """A column of which single values are asked."""

    __slots__ = ()
    KINDS: ClassVar[tuple[str, ...]] = ("numeric", "date", "category", "text", "key")


class TimeName(KeyName):
    """A column that says which row comes first."""

    __slots__ = ()
    KINDS: ClassVar[tuple[str, ...]] = ("numeric", "date")


class SourceName(_Ref):
    """The name of a model or blend whose OOF is read as a column. The plan keys it; a verb gets the column's name."""

    __slots__ = ()


class DataFile(_Ref):
    """A path to a file beside the recipe. The plan checks it and keys its bytes; a verb gets a readable path."""

    __slots__ = ()


class ModelRef(DataFile):
    """A text model: a bundled name, a folder beside the recipe, or a model of the hub. The plan keys its revision (the
    digest of its files, or name and commit) and fetches what is on no disk; a verb gets the path of its folder."""

    __slots__ = ()


def refs(value: Any, kind: type[_Ref]) -> list[str]:
    """Return every reference of a kind in params (or in a value of them), in order of their fields."""
    if isinstance(value, kind):
        return [str(value)]
    if isinstance(value, BaseModel):
        return [r for name in type(value).model_fields for r in refs(getattr(value, name), kind)]
    if isinstance(value, Mapping):
        return [r for part in value.values() for r in refs(part, kind)]
    return [r for part in value for r in refs(part, kind)] if isinstance(value, list | tuple) else []


@dataclass(frozen=True)
class Tune:
    """The search range of a parameter, written beside it: `Annotated[float, Tune(0.01, 0.3, log=True)]`.

    `categories`: it says how categories are treated, so there is nothing to search where the model reads none.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Scalar, ...] = ()
    categories: bool = False


class Params(BaseModel):
    """Base of every plug-in's parameters: frozen, unknown names refused, doc strings below the fields kept.

    A plug-in around a library lists the library's own parameter names in `NATIVE` (alias -> name, or name -> itself);
    those are taken too and gathered in `native` under the library's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())

    NATIVE: ClassVar[Mapping[str, str]] = {}

    PORTFOLIO: ClassVar[tuple[Mapping[str, Scalar], ...]] = ()
    """Known good params, best first; `kit tune` begins with them, after the defaults."""

    native: dict[str, Scalar | list[Scalar] | None] = {}
    """Parameters of the library under its own names. Written flat beside the others in a recipe."""

    @model_validator(mode="before")
    @classmethod
    def _gather_native(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not cls.NATIVE:
            return data
        own = {k: v for k, v in data.items() if k in cls.model_fields or k not in cls.NATIVE}
        native = dict(data.get("native") or {})
        for name, value in data.items():
            if name not in own:
                target = cls.NATIVE[name]
                if target in native:
                    raise ValueError(f"{target} is given twice, once as {name}")
                native[target] = value
        return {**own, **({"native": native} if native else {})}

    def idle(self, task: Task) -> frozenset[str]:
        """Return the parameters that change nothing beside the others as they are: there is nothing to search."""
        return frozenset()

    @classmethod
    def known_names(cls) -> list[str]:
        """Return every name a recipe may write, the library's own included."""
        return [name for name in cls.model_fields if name != "native" or cls.NATIVE] + sorted(cls.NATIVE)
