"""How a sample submission writes labels: the classes in its spelling, and words of it that are no class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kit.types import Task

_SWITCH, _BITS = {"true", "false"}, {"1.0", "0.0"}


def spelling(task: Task, examples: Sequence[str]) -> tuple[str, ...]:
    """Return how each class is written: as the examples write it where they do, whatever the case or number format.

    The other classes are written in the style of the examples: 0 and 1, 0.0 and 1.0, TRUE and FALSE. Ratings of a
    regression are whole numbers: how 0 is written says whether with a decimal point.
    """
    pointed = bool(examples) and all("." in text for text in examples)
    if task.kind == "regression":
        return ("0.0",) if pointed else ("0",)
    own, seen = [str(c) for c in task.classes], {folded(text): text for text in examples}
    times = Counter(map(folded, own))
    if seen and len(own) == 2 and set(times) in (_SWITCH, _BITS) and (set(seen) <= _SWITCH or set(seen) <= _BITS):
        return tuple(_switched(folded(word), examples[0], pointed) for word in own)
    if seen and all(type(c) in (int, float) and c == int(c) for c in task.classes) and _are_numbers(examples):
        own = [f"{float(word):.{1 if pointed else 0}f}" for word in own]
    return tuple(word if times[folded(word)] > 1 else seen.get(folded(word), word) for word in own)


def strangers(task: Task, examples: Sequence[str]) -> list[str]:
    """Return the words of the examples that are written for no class."""
    if task.kind == "regression":
        return []
    known = {folded(word) for word in spelling(task, examples)}
    return [text for text in examples if folded(text) not in known]


def named(name: str, task: Task) -> list[int]:
    """Return the class that a column names: its own spelling, else the only one in another (2 for 2.0), or none."""
    exact = [i for i, c in enumerate(task.classes) if str(c) == name]
    alike = [i for i, c in enumerate(task.classes) if folded(str(c)) == folded(name)]
    return exact or (alike if len(alike) == 1 else [])


def folded(text: str) -> str:
    """Return a word in one spelling: 1 and 1.0, No and no are the same.

    >>> folded("1"), folded(" NO")
    ('1.0', 'no')
    """
    try:
        return repr(float(text))
    except ValueError:
        return text.strip().lower()


def _are_numbers(texts: Sequence[str]) -> bool:
    return all(folded(text)[-1:].isdigit() and folded(text)[:1] in "-0123456789" for text in texts)


def _switched(bit: str, example: str, pointed: bool) -> str:
    """Return true or 1 (else: false or 0) in the style of an example of either kind."""
    on = bit in ("true", "1.0")
    if folded(example) in _BITS:
        return f"{float(on):.{1 if pointed else 0}f}"
    style = str.upper if example.isupper() else str.title if example.istitle() else str.lower
    return style(str(on))
