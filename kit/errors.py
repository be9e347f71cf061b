"""Errors of kit: each names the place, the rule, what was got, what is allowed and the next step."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

MAX_VALUE_CHARS = 120
MAX_PROBLEMS = 10


@dataclass(frozen=True)
class Problem:
    """One broken rule. Every field is plain text; empty fields are not printed."""

    rule: str
    place: str = ""
    got: str = ""
    allowed: str = ""
    next: str = ""
    excerpt: str = ""

    def render(self) -> str:
        """Return at most 8 lines of text for a terminal."""
        head = f"{self.place}: {self.rule}" if self.place else self.rule
        lines = [head, *(f"    {line}" for line in self.excerpt.splitlines()[:3])]
        for label, value in (("got", self.got), ("allowed", self.allowed), ("next", self.next)):
            if value:
                lines.append(f"  {label + ':':<9}{shorten(value, 3 * MAX_VALUE_CHARS)}")
        return "\n".join(lines[:8])

    def renamed(self, names: Mapping[str, str]) -> Problem:
        """Return the problem with other words in its fields for the ones it has."""
        fields = vars(self)
        for old, new in names.items():
            fields = {name: text.replace(old, new) for name, text in fields.items()}
        return Problem(**fields)

    def as_dict(self) -> dict[str, str]:
        """Return the five public fields, as `--json` prints them."""
        return {
            "place": self.place,
            "rule": self.rule,
            "got": self.got,
            "allowed": self.allowed,
            "next": self.next,
        }


class KitError(Exception):
    """An error the user can mend. Holds one or several problems; `str()` renders them.

    >>> print(KitError("folds must be at least 2", place="r.yaml:4", got="1"))
    r.yaml:4: folds must be at least 2
      got:     1
    """

    def __init__(self, rule: str, *, place: str = "", got: object = "", allowed: object = "", next: str = "") -> None:
        problem = Problem(rule, place, shorten(str(got)), _listed(allowed), next)
        self.problems: tuple[Problem, ...] = (problem,)
        super().__init__(rule)

    @classmethod
    def many(cls, problems: Sequence[Problem]) -> Self:
        """Return one error that carries all `problems` (at least one)."""
        error = cls(problems[0].rule)
        error.problems = tuple(problems)
        return error

    def __str__(self) -> str:
        shown = [p.render() for p in self.problems[:MAX_PROBLEMS]]
        hidden = len(self.problems) - len(shown)
        return "\n".join(shown + ([f"... and {hidden} more"] if hidden else []))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problems)


class RecipeError(KitError):
    """The recipe breaks a rule."""


class DataError(KitError):
    """The data breaks a rule."""


class FitError(KitError):
    """A stage could not be carried out."""


@contextmanager
def writing(place: str) -> Iterator[None]:
    """Turn what the disk refuses inside into an error a person can mend.

    Raises:
        FitError: a file could not be written.
    """
    try:
        yield
    except OSError as error:
        rule, advice = "a result could not be written", "free disk space or check permissions, then run again"
        raise FitError(rule, place=place, got=error.strerror or str(error), next=advice) from error


def few(names: Sequence[str], most: int = 6) -> str:
    """Return the names in a line, of very many the first.

    >>> few(["a", "b", "c"], 2), few(["a", "b"])
    ('a, b and 1 more', 'a, b')
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def refusal(error: Exception) -> int:
    """Return the number of the error by which a disk takes nothing more, 0 for any other error."""
    cause = error.__cause__ if isinstance(error, KitError) else error
    full = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
    return cause.errno if isinstance(cause, OSError) and cause.errno in full else 0


def refused_path(error: OSError) -> KitError | None:
    """Return the error of a path that the system refuses as such: too long, without permission, not of this kind."""
    kinds = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
    if error.errno not in kinds or error.filename is None:
        return None
    place, advice = shorten(str(error.filename)), "check the path and its permissions"
    return DataError("the system refuses this path", place=place, got=error.strerror, next=advice)


def _rebuild(cls: type[KitError], problems: Sequence[Problem]) -> KitError:
    return cls.many(problems)


def shorten(text: str, limit: int = MAX_VALUE_CHARS) -> str:
    """Return `text`, its middle cut out where it is longer than `limit` characters.

    >>> shorten("abcdefghij", 7)
    'abc...j'
    """
    if len(text) <= limit:
        return text
    head = (limit - 3 + 2) // 2
    tail = limit - 3 - head
    return f"{text[:head]}...{text[len(text) - tail :] if tail else ''}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the closest of `known`, or "" where none is close.

    >>> nearest("lightgmb", ["lightgbm", "xgboost"])
    "did you mean 'lightgbm'?"
    """
    close = difflib.get_close_matches(word, [str(k) for k in known], n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def _listed(allowed: object) -> str:
    if isinstance(allowed, str):
        return allowed
    if isinstance(allowed, Iterable):
        names = [str(a) for a in allowed]
        more = f", ... ({len(names)} in all)" if len(names) > 12 else ""
        return ", ".join(names[:12]) + more
    return str(allowed)
