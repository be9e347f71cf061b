"""Seeded damage: to recipes as text and as values, to data files as bytes and as tables."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

SIGNS = [*":{}[],#&*!|>%@`'\"\t-?~\\ \n", "\u00e9", "\U0001f600", "\x00", "\ufeff", ": ", "- ", "<<", "---\n"]
VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 7.5, 1e-9, 1e308, 10**30, float("inf"), "", " ", "x", "id", "y", "x1", "a", "m"),
    *(
        "no such thing",
        "../../x",
        "./mine.py",
        "\u00fcml\u00e4ut",
        "x" * 2000,
        [],
        {},
        [[]],
        [None],
        {"use": None},
        {"": 1},
    ),
    *(
        {"use": "lightgbm"},
        {"use": "mean", "from": []},
        ["a", "a"],
        {"a": {"b": {"c": 1}}},
        [1, "a"],
        "2020-01-01",
        "1e3",
    ),
]
KEYS = [
    *(
        "name",
        "data",
        "metric",
        "also",
        "task",
        "positive",
        "split",
        "seed",
        "stop",
        "columns",
        "augment",
        "features",
        "models",
    ),
    *(
        "blend",
        "submit",
        "evaluate",
        "missing",
        "weights",
        "use",
        "from",
        "params",
        "folds",
        "groups",
        "time",
        "repeats",
        "kinds",
    ),
    *(
        "extra",
        "path",
        "as",
        "weight",
        "id",
        "target",
        "train",
        "test",
        "sample",
        "drop",
        "nulls",
        "holdout",
        "encoding",
        "refit",
    ),
    *("join", "on", "take", "before", "prefix"),
    *("target_transform", "average", "seeds", "text", "key", "pairs", "swap", "score", "low", "high", "tune"),
]
WORDS = [
    *(
        "rmse",
        "auc",
        "logloss",
        "accuracy",
        "mae",
        "kfold",
        "stratified",
        "group",
        "time",
        "column",
        "numeric",
        "category",
    ),
    *(
        "target_mean",
        "vector",
        "similarity",
        "lookup",
        "count",
        "expr",
        "dates",
        "tfidf",
        "lightgbm",
        "xgboost",
        "catboost",
    ),
    *(
        "sklearn",
        "hetero_mlp",
        "mean",
        "hill_climb",
        "nnls",
        "ridge",
        "clip",
        "round",
        "log1p",
        "identity",
        "residual(a)",
    ),
    *(
        "jitter",
        "mismatch",
        "label_frequency",
        "refit",
        "cut",
        "held",
        "pooled",
        "fixed",
        "train.csv",
        "test.csv",
        "c",
        "t",
    ),
]

COLUMNS = ["id", "x1", "x2", "c", "t", "day", "y", "row", "nowhere"]


class Dice:
    """Draws from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def of(self, things: list[Any]) -> Any:
        return things[int(self.rng.integers(len(things)))]

    def below(self, n: int) -> int:
        return int(self.rng.integers(max(n, 1)))


# -- recipes


def recipe(text: str, seed: int) -> str:
    """Return the recipe with one mutation, or two or three: most of them leave it YAML that says something else."""
    dice = Dice(seed)
    for _ in range(dice.of([1, 1, 1, 2, 3])):
        text = _in_values(text, dice) if dice.below(4) else _in_text(text, dice)
    return text


def _in_text(text: str, dice: Dice) -> str:
    lines, at = text.split("\n"), dice.below(len(text))
    i = dice.below(len(lines))
    words = text.split(" ")
    j = dice.below(len(words))
    edits: list[Callable[[], str]] = [
        lambda: text[:at] + dice.of(SIGNS) + text[at:],
        lambda: text[:at] + text[at + 1 + dice.below(5) :],
        lambda: text[:at],
        lambda: "\n".join([*lines[:i], *lines[i + 1 :]]),
        lambda: "\n".join([*lines[:i], lines[i], *lines[i:]]),
        lambda: "\n".join([*lines[:i], " " * dice.below(5) + lines[i].lstrip(), *lines[i + 1 :]]),
        lambda: " ".join([*words[:j], dice.of(WORDS), *words[j + 1 :]]),
        lambda: " ".join([*words[:j], dice.of(KEYS) + ":", *words[j:]]),
        lambda: text[:at] + text[at : at + 1].swapcase() + text[at + 1 :],
        lambda: text + text[at:],
    ]
    return str(dice.of(edits)())


def _in_values(text: str, dice: Dice) -> str:
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return _in_text(text, dice)
    if not isinstance(value, dict) or not value:
        return _in_text(text, dice)
    value = copy.deepcopy(value)
    places = list(_places(value, ()))
    holder, key = dice.of(places)
    old = holder[key]
    kind = dice.below(9)
    if kind >= 6:
        holder[key] = _tweaked(old, dice)
    elif kind == 0:
        holder[key] = dice.of(VALUES)
    elif kind == 1:
        holder[key] = dice.of(WORDS)
    elif kind == 2:
        del holder[key]
    elif isinstance(holder, dict) and kind == 3:
        holder[dice.of(KEYS)] = holder.pop(key)
    elif isinstance(holder, dict) and kind == 4:
        holder[dice.of(KEYS)] = copy.deepcopy(dice.of(VALUES))
    else:
        other, name = dice.of(places)
        holder[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else old)
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _tweaked(old: Any, dice: Dice) -> Any:
    """Return another value of the same type: what a person might have meant."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, int | float):
        return dice.of([-old, 0, old + 1, old * 1000, old / 3, float(old), 10**12, -1])
    if isinstance(old, str):
        return dice.of([*COLUMNS, old.upper(), old + "s", old[1:], dice.of(WORDS)])
    if isinstance(old, list):
        return dice.of([old + old, old[:-1], old[::-1], [*old, dice.of(WORDS)], old[:1] and old[0]])
    if isinstance(old, dict) and old:
        return dice.of([dict(list(old.items())[:-1]), {k: dice.of(COLUMNS) for k in old}, [old], list(old)])
    return dice.of(VALUES)


def _places(value: Any, at: tuple[Any, ...]) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in list(items):
        yield value, key
        yield from _places(below, (*at, key))


# -- data


CELLS = [
    *(
        "",
        " ",
        "NA",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-0",
        "007",
        "1,234",
        "$5",
        "12%",
        "01/02/2020",
        "2020-13-01",
        "TRUE",
    ),
    *(
        '"',
        '""',
        "a\nb",
        "a,b",
        ";",
        "\t",
        "\u00e9",
        "\U0001f600",
        "x" * 5000,
        "None",
        "?",
        "99999999999999999999999",
        "[1, 2]",
    ),
    *("{}", "0x10", "1_000", "+5", ".", "-", "\u2212" + "5", "1e5", "null"),
]


def data(folder: Path, seed: int) -> str:
    """Damage one or two of the csv files of a folder; return what was done."""
    dice = Dice(seed)
    done = []
    for _ in range(1 + dice.below(2)):
        name = dice.of(["train.csv", "train.csv", "test.csv", "sample.csv"])
        edit = dice.of([_bytes, _cells, _cells, _columns, _columns, _rows, _lines])
        path = folder / name
        done.append(f"{name}: {edit.__name__} {edit(path, dice)}")
    return "; ".join(done)


def _bytes(path: Path, dice: Dice) -> str:
    raw = path.read_bytes()
    at, size = dice.below(len(raw)), 1 + dice.below(30)
    edits: dict[str, Callable[[], bytes]] = {
        "cut": lambda: raw[:at],
        "gap": lambda: raw[:at] + raw[at + size :],
        "noise": lambda: raw[:at] + dice.rng.bytes(size) + raw[at:],
        "quote": lambda: raw[:at] + b'"' + raw[at:],
        "nul": lambda: raw[:at] + b"\x00" + raw[at:],
        "bom": lambda: b"\xef\xbb\xbf" + raw,
        "crlf": lambda: raw.replace(b"\n", b"\r\n"),
        "cr": lambda: raw.replace(b"\n", b"\r"),
        "utf16": lambda: raw.decode("utf-8", "replace").encode("utf-16"),
        "latin": lambda: raw[:at] + b"\xe9" + raw[at:],
        "empty": lambda: b"",
        "blank": lambda: b"\n\n\n",
        "header only": lambda: raw.partition(b"\n")[0] + b"\n",
        "no header": lambda: raw.partition(b"\n")[2],
        "semicolons": lambda: raw.replace(b",", b";"),
        "gz inside": lambda: gzip.compress(raw, mtime=0),
        "twice": lambda: raw + raw,
        "blank lines": lambda: raw.replace(b"\n", b"\n\n", 1 + dice.below(3)),
    }
    how = dice.of(sorted(edits))
    path.write_bytes(edits[how]())
    return str(how)


def _read(path: Path) -> list[list[str]]:
    text = path.read_bytes().decode("utf-8", "replace")
    return [line.split(",") for line in text.split("\n") if line] or [["y"], ["1"]]


def _write(path: Path, rows: list[list[str]]) -> None:
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", "utf-8", errors="replace")


def _cells(path: Path, dice: Dice) -> str:
    rows = _read(path)
    column = dice.below(len(rows[0]))
    value = dice.of(CELLS)
    quoted = '"' + value.replace('"', '""') + '"' if any(s in value for s in ',\n"') and dice.below(2) else value
    many = dice.below(3)
    for row in (
        rows[1:]
        if many == 2
        else [rows[1 + dice.below(len(rows) - 1)] for _ in range(1 + 9 * many)]
        if len(rows) > 1
        else []
    ):
        if column < len(row):
            row[column] = quoted
    _write(path, rows)
    return f"column {column} {value[:20]!r} {('once', 'often', 'all')[many]}"


NAMES = ["", "id ", "Y", "\u00e9", "a b", '"q"', "x" * 300, "^a$", "*"]


def _columns(path: Path, dice: Dice) -> str:
    rows = _read(path)
    i, j = dice.below(len(rows[0])), dice.below(len(rows[0]))
    name, noise = dice.of(NAMES), [str(dice.of(CELLS[:16])) for _ in rows]
    edits: dict[str, Callable[[int, list[str]], list[str]]] = {
        "drop": lambda k, row: row[:i] + row[i + 1 :],
        "rename": lambda k, row: _put(row, i, row[i] if k else name),
        "double": lambda k, row: [*row, row[i]],
        "swap": lambda k, row: _put(_put(row, i, row[j]), j, row[i]),
        "spaces": lambda k, row: _put(row, i, f"  {row[i]} "),
        "target": lambda k, row: [*row[:-1], row[i]] if k else row,
        "noise": lambda k, row: _put(row, i, noise[k]) if k else row,
        "distinct": lambda k, row: _put(row, i, f"k{k:05d}") if k else row,
    }
    how = dice.of(sorted(edits))
    wide = max(i, j)
    _write(path, [edits[how](k, row) if wide < len(row) else row for k, row in enumerate(rows)])
    return f"{how} {i} {j}"


def _put(row: list[str], at: int, value: str) -> list[str]:
    return [*row[:at], value, *row[at + 1 :]]


def _rows(path: Path, dice: Dice) -> str:
    rows = _read(path)
    how = dice.of(["one", "two", "double", "shuffle", "short", "long", "constant", "reverse"])
    head, body = rows[0], rows[1:]
    if how in ("one", "two"):
        body = body[: ("one", "two").index(how) + 1]
    elif how == "double":
        body = body + body[: 1 + dice.below(len(body))]
    elif how == "shuffle":
        body = [body[k] for k in dice.rng.permutation(len(body))]
    elif how in ("short", "long") and body:
        k = dice.below(len(body))
        body[k] = body[k][:-1] if how == "short" else [*body[k], "9"]
    elif how == "constant" and body:
        body = [[*body[0][:1], *body[0][1:]] if dice.below(2) else body[0] for _ in body]
    elif how == "reverse":
        body = body[::-1]
    _write(path, [head, *body])
    return str(how)


def _lines(path: Path, dice: Dice) -> str:
    """Write the same table as another kind of file in its place: the name stays, so the content does not fit it."""
    rows = _read(path)
    how = dice.of(["json", "jsonl", "parquet"])
    records = [dict(zip(rows[0], row, strict=False)) for row in rows[1:]]
    if how == "json":
        path.write_text(json.dumps(records))
    elif how == "jsonl":
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        pl.DataFrame(
            {f"c{i}": [r[i] if i < len(r) else None for r in rows[1:]] for i in range(len(rows[0]))}
        ).write_parquet(path)
    return str(how)
