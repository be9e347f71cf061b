"""submissions/ledger.csv: what was submitted and how it scored, one line per event, lines only ever added."""

from __future__ import annotations

import csv
import datetime
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from kit.errors import DataError
from kit.paths import whole

FORMAT = 1
"""Format number of a line. 0 is a table made by hand: number, board, score and no format."""

NAME = "ledger.csv"
BOARDS = ("public", "private")

LARGEST = 1e100
"""Scores beyond it are slips of a finger."""


@dataclass(frozen=True)
class Line:
    """One event: `submitted` (a file was written) or `score` (a leaderboard answered). Empty means not known."""

    number: int
    event: str
    board: str = ""
    score: str = ""
    file: str = ""
    recipe: str = ""
    source: str = ""
    metric: str = ""
    cv: str = ""
    nested: str = ""
    sha256: str = ""
    note: str = ""
    at: str = ""


COLUMNS = ("format", *(f.name for f in fields(Line)))


def read(folder: Path) -> list[Line]:
    """Return the events in the order in which they were written; none where there is no ledger.

    Raises:
        DataError: a line is not readable, or a newer kit wrote it.
    """
    path = folder / NAME
    if not path.is_file():
        return []
    reader = csv.DictReader(io.StringIO(_content(path)))
    return [_line(row, f"{path}:{reader.line_num}") for row in reader]


def append(folder: Path, *lines: Line) -> None:
    """Add events, all or none. The caller holds the lock under which submissions are written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / NAME).resolve()  # of a link it is the file it leads to that is written anew
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    kept = _content(path) if path.is_file() else ""
    if kept.partition("\n")[0].split(",") != list(COLUMNS):
        kept = _text([COLUMNS, *(_cells(each) for each in read(folder))])
    with whole(path) as temp, temp.open("wb") as file:
        file.write((kept + _text([_cells(replace(line, at=line.at or now)) for line in lines])).encode())
        file.flush()
        os.fsync(file.fileno())


def _content(path: Path) -> str:
    """Return the text of the ledger without what a kill left half written.

    Raises:
        DataError: it is no UTF-8, as where a spreadsheet saved it.
    """
    try:
        return _whole(path.read_text("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        raise DataError(
            "the ledger is not UTF-8", place=str(path), got=error.reason, next="save it as UTF-8"
        ) from error


def scores(lines: Sequence[Line]) -> dict[int, dict[str, float]]:
    """Return the scores by submission number and board; a later one corrects an earlier."""
    found: dict[int, dict[str, float]] = {}
    for line in lines:
        if line.event == "score":
            found.setdefault(line.number, {})[line.board] = float(line.score)
    return found


def digits(lines: Sequence[Line], number: int, board: str) -> int:
    """Return the digits after the point with which a score was told: how finely the leaderboard rounds."""
    told = [line.score for line in lines if (line.number, line.event, line.board) == (number, "score", board)]
    return len(told[-1].partition(".")[2]) if told and "e" not in told[-1].lower() else 6


def _line(row: Mapping[str, str | None], place: str) -> Line:
    given = {k: (v or "").strip() for k, v in row.items() if k}
    version = given.get("format") or "0"
    if not version.isdecimal() or int(version) > FORMAT:
        rule, allowed = "a newer kit wrote this line of the ledger", f"up to {FORMAT}"
        raise DataError(rule, place=place, got=f"format {version}", allowed=allowed, next="update kit")
    if version == "0":
        given = {"event": "score", "board": "public", **{k: v for k, v in given.items() if v}}
    known = {f.name for f in fields(Line)} - {"number"}
    made = Line(_number(given.get("number", ""), place), **{k: v for k, v in given.items() if k in known})
    if made.event == "score" and not (made.board in BOARDS and is_score(made.score)):
        got, allowed = f"board {made.board!r}, score {made.score!r}", f"{' or '.join(BOARDS)}, and a number"
        raise DataError("a line of the ledger is no score", place=place, got=got, allowed=allowed, next="mend the line")
    for name in ("cv", "nested"):
        if getattr(made, name) and not _is_number(getattr(made, name)):
            rule, got = "a line of the ledger holds words for a number", f"{name} {getattr(made, name)}"
            raise DataError(rule, place=place, got=got, allowed="a number, or nothing", next="mend the line")
    return made


def _number(text: str, place: str) -> int:
    if not text.isdecimal():
        raise DataError("a line of the ledger names no submission", place=place, got=text, allowed="a number as 0007")
    return int(text)


def is_score(text: str) -> bool:
    """Return whether a text is a number as leaderboards show them, whose square is one too.

    >>> is_score("0.8123"), is_score("-1e-3"), is_score("1_000"), is_score("nan"), is_score("1e308")
    (True, True, False, False, False)
    """
    return (
        bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.ASCII | re.I)) and abs(float(text)) < LARGEST
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(text: str, path: Path) -> str:
    """Return the text with its last line ended, or taken away where it was cut short: it lacks columns, or is amid one.

    A note may hold commas, line breaks and quotation marks: one that is still open would take in what comes behind it.

    Raises:
        DataError: what is open has whole lines behind it, so nothing was cut short: a person has left a mark open.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    starts, is_open = _records(lines)
    if not is_open and (not text or text.endswith("\n")):
        return text
    width, last = len(next(csv.reader(lines))), lines[starts[-1] :]
    if is_open and any(len(next(csv.reader([line]))) >= width for line in last[1:]):
        rule, advice = "a quotation mark of the ledger is never closed", "mend the line"
        raise DataError(rule, place=f"{path}:{starts[-1] + 1}", got=last[0].strip(), next=advice)
    if not is_open and len(next(csv.reader(last))) >= width:
        return f"{text}\n"
    return "".join(lines[: starts[-1]])


def _records(lines: Sequence[str]) -> tuple[list[int], bool]:
    """Return at which line each record begins, and whether the last one ends within quotation marks."""
    starts, reader = [0], csv.reader(lines, strict=True)
    try:
        for _ in reader:
            starts.append(reader.line_num)
    except csv.Error as error:
        return starts, "unexpected end of data" in str(error)
    return starts[:-1] or [0], False


def _cells(line: Line) -> list[object]:
    return [FORMAT, *(getattr(line, name) for name in COLUMNS[1:])]


def _text(rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
