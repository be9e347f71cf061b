"""Between which bounds a value of a schema must lie, in words: all of them, where an error names the one it broke."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

_WORDS = {int: "a whole number", float: "a number"}


def of(cls: type[Any], path: Sequence[str | int]) -> str:
    """Return what may stand at a path of a schema, "" where nothing there has bounds.

    >>> from pydantic import Field, create_model
    >>> part = Annotated[float, Field(gt=0, lt=1)]
    >>> some = create_model("Some", depth=(Annotated[int, Field(ge=1, le=16)], 6), parts=(tuple[part, ...], ()))
    >>> of(some, ["depth"]), of(some, ["parts", 0])
    ('a whole number from 1 to 16', 'a number above 0 and below 1')
    """
    found = [(cls, ())]
    for part in path:
        found = [inner for kind, _ in found for inner in _inside(kind, part)]
    told = [
        (f"{_WORDS[kind]} {bounds}" if (bounds := _bounds(marks)) else "") for kind, marks in found if kind in _WORDS
    ]
    return " or ".join(dict.fromkeys(text for text in told if text))


def written(value: Any) -> str:
    """Return a value as a recipe would have it: 1 for 1.0."""
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def _inside(kind: Any, part: str | int) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield the plain types that may stand at a key or position of a value of a type, with their marks."""
    args = get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if part in kind.model_fields:
            field = kind.model_fields[str(part)]
            yield from _plain(field.annotation, tuple(field.metadata))
    elif isinstance(part, str):
        yield from _plain(args[1]) if len(args) == 2 else ()
    elif args:
        one_for_all = len(args) == 1 or args[-1] is Ellipsis
        yield from _plain(args[0]) if one_for_all else _plain(args[part]) if part < len(args) else ()


def _plain(kind: Any, marks: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield what a type is made of: the members of a union, without the marks that annotate them."""
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        yield from _plain(inner, (*marks, *(mark for each in more for mark in getattr(each, "metadata", [each]))))
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _plain(member, marks)
    else:
        yield kind, marks


def _bounds(marks: Sequence[Any]) -> str:
    """Return bounds in words, "" where there are none."""
    low, above, high, below = (
        next((getattr(mark, name) for mark in marks if getattr(mark, name, None) is not None), None)
        for name in ("ge", "gt", "le", "lt")
    )
    if low is not None and high is not None:
        return f"from {written(low)} to {written(high)}"
    words = (("at least", low), ("above", above), ("at most", high), ("below", below))
    told = " and ".join(f"{word} {written(bound)}" for word, bound in words if bound is not None)
    return f"of {told}" if told.startswith("at ") else told
