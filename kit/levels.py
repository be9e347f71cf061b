"""The order of models and blends: each comes after what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def in_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names, each after those it needs, else in the order given; names that are no keys do not count.

    Raises:
        ValueError: there is a circle (see `circle`).

    >>> in_order({"top": ["a", "b"], "a": [], "b": ["a"]})
    ['a', 'b', 'top']
    """
    if found := circle(needs):
        raise ValueError(" -> ".join(found))
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        for other in needs[name]:
            if other in needs and other not in order:
                visit(other)
        order[name] = None

    for name in needs:
        if name not in order:
            visit(name)
    return list(order)


def circle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of a circle, its first name repeated at the end, or an empty list where there is none.

    >>> circle({"a": ["b"], "b": ["a"]})
    ['a', 'b', 'a']
    """
    clear: set[str] = set()

    def walk(name: str, road: list[str]) -> list[str]:
        if name in road:
            return [*road[road.index(name) :], name]
        if name not in needs or name in clear:
            return []
        for other in needs[name]:
            if found := walk(other, [*road, name]):
                return found
        clear.add(name)
        return []

    return next((found for name in needs if (found := walk(name, []))), [])


def below(name: str, needs: Mapping[str, Sequence[str]]) -> set[str]:
    """Return a name with all it needs, directly or not.

    >>> sorted(below("b", {"a": [], "b": ["a"], "c": ["b"]}))
    ['a', 'b']
    """
    found = {name}
    for other in needs.get(name, ()):
        found |= below(other, needs)
    return found
