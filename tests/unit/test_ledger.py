"""The ledger: lines are only ever added, older tables are read, a cut line is not taken for a whole one."""

from __future__ import annotations

import pytest

from kit import ledger
from kit.errors import DataError
from kit.ledger import Line


def test_what_is_written_is_read_in_order(tmp_path):
    lines = [
        Line(1, "submitted", file="0001-a, b.csv", recipe="a", source="final", metric="rmse", cv="0.5", at="t1"),
        Line(1, "score", "public", "0.510", at="t2"),
        Line(1, "score", "public", "0.52", note='a "typo"', at="t3"),
        Line(1, "score", "private", "0.49", at="t4"),
    ]
    for line in lines:
        before = (tmp_path / ledger.NAME).read_bytes() if (tmp_path / ledger.NAME).exists() else b""
        ledger.append(tmp_path, line)
        assert (tmp_path / ledger.NAME).read_bytes().startswith(before)
    assert ledger.read(tmp_path) == lines
    assert ledger.scores(lines) == {1: {"public": 0.52, "private": 0.49}}
    assert ledger.digits(lines[:2], 1, "public") == 3
    assert ledger.digits(lines, 1, "public") == 2
    assert ledger.digits(lines, 2, "public") == 6


def test_no_ledger_is_an_empty_one(tmp_path):
    assert ledger.read(tmp_path) == []


def test_a_table_made_by_hand_is_read_and_becomes_a_ledger(tmp_path):
    """Format 0: number, board and score, in any order, without a format."""
    path = tmp_path / ledger.NAME
    path.write_text("score,number,board\n2.055,0007,public\n2.1,8,\n", "utf-8")
    assert ledger.scores(ledger.read(tmp_path)) == {7: {"public": 2.055}, 8: {"public": 2.1}}
    ledger.append(tmp_path, Line(9, "submitted", file="0009-a.csv", at="t"))
    assert path.read_text("utf-8").splitlines()[0] == ",".join(ledger.COLUMNS)
    assert [(n.number, n.event, n.score) for n in ledger.read(tmp_path)] == [
        (7, "score", "2.055"),
        (8, "score", "2.1"),
        (9, "submitted", ""),
    ]


def test_columns_of_a_later_hand_are_passed_over(tmp_path):
    header = ",".join([*ledger.COLUMNS, "team"])
    (tmp_path / ledger.NAME).write_text(f"{header}\n1,3,score,public,0.7,,,,,,,,,t,us\n", "utf-8")
    assert ledger.scores(ledger.read(tmp_path)) == {3: {"public": 0.7}}


def test_a_newer_format_is_refused_by_its_line(tmp_path):
    ledger.append(tmp_path, Line(1, "score", "public", "1", at="t"))
    with (tmp_path / ledger.NAME).open("a") as file:
        file.write("2,1,score,public,1,,,,,,,,,t\n")
    with pytest.raises(DataError) as error:
        ledger.read(tmp_path)
    assert error.value.problems[0].place.endswith("ledger.csv:3")
    assert "newer" in error.value.problems[0].rule


@pytest.mark.parametrize("cut", ["1,2,sco", "1,2,score,public,0.", "1"])
def test_a_line_that_a_kill_cut_short_is_no_line(tmp_path, cut):
    ledger.append(tmp_path, Line(1, "score", "public", "1", at="t"))
    path = tmp_path / ledger.NAME
    whole = path.read_text()
    path.write_text(whole + cut)
    assert len(ledger.read(tmp_path)) == 1
    ledger.append(tmp_path, Line(2, "score", "public", "2", at="t"))
    assert path.read_text().startswith(whole)
    assert [line.number for line in ledger.read(tmp_path)] == [1, 2]


def test_a_cut_in_a_note_takes_in_no_later_line(tmp_path):
    """Commas, line breaks and quotation marks in a note: wherever the file ends, the lines before and behind stay."""
    first = Line(1, "score", "public", "1", at="t")
    ledger.append(tmp_path, first)
    path = tmp_path / ledger.NAME
    begun = len(path.read_bytes())
    note = 'one, two, three, four, five, six, "seven"\nand, eight, nine, ten, eleven, twelve, thirteen, fourteen'
    ledger.append(tmp_path, Line(1, "score", "private", "2", note=note, at="t"))
    whole = path.read_bytes()
    for cut in range(begun, len(whole)):
        path.write_bytes(whole[:cut])
        before = ledger.read(tmp_path)
        ledger.append(tmp_path, Line(2, "score", "public", "3", at="t"))
        after = ledger.read(tmp_path)
        assert after[:-1] == before and after[0] == first, cut
        assert (after[-1].number, after[-1].score) == (2, "3"), cut
        assert len(after) == 2 or after[1].note == note, cut


def test_lines_are_written_all_or_none(tmp_path, monkeypatch):
    ledger.append(tmp_path, Line(1, "score", "public", "1", at="t"))
    whole = (tmp_path / ledger.NAME).read_bytes()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        ledger.append(tmp_path, Line(2, "submitted"), Line(2, "score", "public", "1"))
    assert [p.name for p in tmp_path.iterdir()] == [ledger.NAME]
    assert (tmp_path / ledger.NAME).read_bytes() == whole


def test_a_last_line_without_its_end_counts(tmp_path):
    """An editor may leave the newline out."""
    (tmp_path / ledger.NAME).write_text("number,score\n1,0.5\n2,0.6", "utf-8")
    assert ledger.scores(ledger.read(tmp_path)) == {1: {"public": 0.5}, 2: {"public": 0.6}}
    ledger.append(tmp_path, Line(3, "score", "private", "0.7"))
    assert sorted(ledger.scores(ledger.read(tmp_path))) == [1, 2, 3]


@pytest.mark.parametrize(
    "line",
    [
        "x,0.5,public",
        "\u00b2,0.5,public",
        "1,abc,public",
        "1,nan,public",
        "1,1e308,public",
        "1,1_0,public",
        "1,0.5,secret",
    ],
)
def test_a_line_that_says_nothing_is_refused(tmp_path, line):
    (tmp_path / ledger.NAME).write_text(f"number,score,board\n{line}\n", "utf-8")
    with pytest.raises(DataError) as error:
        ledger.read(tmp_path)
    assert error.value.problems[0].place.endswith("ledger.csv:2")


def test_what_a_spreadsheet_saves_is_read_or_refused_in_words(tmp_path):
    """With a mark in front of the first column, or in the letters of a country."""
    path, text = tmp_path / ledger.NAME, "number,score,note\n1,0.5,d\u00e9j\u00e0 vu\n"
    path.write_text(text, "utf-8-sig")
    assert ledger.scores(ledger.read(tmp_path)) == {1: {"public": 0.5}}
    path.write_text(text, "latin-1")
    with pytest.raises(DataError, match="the ledger is not UTF-8"):
        ledger.read(tmp_path)
    with pytest.raises(DataError, match="the ledger is not UTF-8"):
        ledger.append(tmp_path, Line(2, "score", "public", "0.7"))


def test_a_mark_that_a_person_left_open_loses_no_line(tmp_path):
    """All behind it counted as one line that was cut short: it was left out, and the next score wrote over it."""
    ledger.append(tmp_path, *(Line(n, "score", "public", f"0.{n}", note="n", at="t") for n in range(1, 6)))
    path = tmp_path / ledger.NAME
    path.write_text(path.read_text("utf-8").replace("0.2", '"0.2'), "utf-8")
    before = path.read_bytes()
    for work in (lambda: ledger.read(tmp_path), lambda: ledger.append(tmp_path, Line(6, "score", "public", "1"))):
        with pytest.raises(DataError, match="a quotation mark of the ledger is never closed") as error:
            work()
        assert error.value.problems[0].place.endswith("ledger.csv:3")
    assert path.read_bytes() == before


def test_a_long_ledger_with_a_cut_note_is_read_at_once(tmp_path, monkeypatch):
    """To look from each line on whether the rest is whole took hours of 5,000 lines with breaks in their notes."""
    ledger.append(tmp_path, *(Line(n, "score", "public", "1", note='a "b"\nc, d', at="t") for n in range(5000)))
    path = tmp_path / ledger.NAME
    path.write_text(path.read_text("utf-8") + '1,7,score,public,2,,,,,,,,"cut\n' + "short\n" * 2000, "utf-8")
    made, reader = [], ledger.csv.reader
    monkeypatch.setattr(ledger.csv, "reader", lambda *a, **k: made.append(1) or reader(*a, **k))
    assert len(ledger.read(tmp_path)) == 5000
    assert len(made) < 2100


@pytest.mark.parametrize("name", ["cv", "nested"])
def test_words_for_a_number_are_named(tmp_path, name):
    ledger.append(tmp_path, Line(1, "submitted", file="0001-a.csv", at="t", **{name: "good"}))
    with pytest.raises(DataError, match="holds words for a number") as error:
        ledger.read(tmp_path)
    assert (error.value.problems[0].place[-5:], error.value.problems[0].got) == ("csv:2", f"{name} good")
