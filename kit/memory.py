"""What a worker keeps between fits, so that fits of one design make its matrices and the library's data once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kit.design import Designs
from kit.types import Design


class Memory:
    """The designs a worker has met last, by key. Nothing of one design is ever handed to a fit of another.

    `room`: bytes that further designs may fill, for work that comes back to them (tuning goes over the folds again and
    again). 0: the last design only, and of the library's data only what was made last.
    """

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self._kept: dict[str, Kept] = {}

    def of(self, key: str) -> Kept:
        """Return what is kept of a design. Where there is no room for one more, the one that came last makes place."""
        if key not in self._kept:
            while self._kept and (self.room == 0 or self._bytes() > self.room):
                self._kept.popitem()
            self._kept[key] = Kept(roomy=self.room > 0)
        return self._kept[key]

    def _bytes(self) -> int:
        """Return an estimate of what is kept, with as much again for a design to come."""
        sizes = [kept.n_bytes() for kept in self._kept.values()]
        return sum(sizes) + max(sizes, default=0)


class Kept:
    """What is kept of one design. A name `data <what>: <of which>` makes an older one of the same `what` go.

    `roomy`: otherwise it makes any older data go, for they may be as large as the matrices.
    """

    def __init__(self, *, roomy: bool) -> None:
        self._roomy = roomy
        self._values: dict[str, Any] = {}

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the value of that name, made where it is not there."""
        if name not in self._values:
            what = name.partition(":")[0] if self._roomy else "data "
            if name.startswith("data "):
                self._values = {k: v for k, v in self._values.items() if not k.startswith(what)}
            self._values[name] = make()
        return self._values[name]

    def n_bytes(self) -> int:
        """Return the bytes of the matrices; a library's data, which cannot be asked, count like the largest of them."""
        sizes = [_matrices(value) for value in self._values.values()]
        others = sum(size == 0 for size in sizes)
        return sum(sizes) + others * max(sizes, default=0)


def _matrices(value: Any) -> int:
    if isinstance(value, Designs):
        return _matrices(value.train) + _matrices(value.stop)
    return sum(block.x.nbytes for block in value.blocks) if isinstance(value, Design) else 0
