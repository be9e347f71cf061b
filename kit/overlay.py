"""Columns laid over others, each read only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kit.types import Array


class Overlay(Mapping[str, Array]):
    """The columns `names` of `above` laid over those of `below`; both are read only on access."""

    def __init__(self, below: Mapping[str, Array], above: Mapping[str, Array], names: tuple[str, ...]) -> None:
        self._below, self._above, self._names = below, above, names

    def __getitem__(self, name: str) -> Array:
        return self._above[name] if name in self._names else self._below[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._below)

    def __len__(self) -> int:
        return len(self._below)
