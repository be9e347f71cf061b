"""What the terminal shows: words of the data as they are, and every number whole."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from kit import report, terminal
from kit.api import Result
from kit.cli import main
from kit.commands import _ledger


def test_words_in_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    segment = {"column": "text", "level": "[red]", "n": 3, "rest": 1.0, "z": 0.1, "stands_out": False}
    segment |= {name: 1.0 for name in ("bias", "loss", "bias_se", "loss_se")}
    found = {"result": "a:b", "metric": "rmse", "score": 1.0, "n": 3, "weighted": False, "loss": 1.0, "note": ""}
    found |= {"worst": [{"id": "[/INST]", "fold": 0, "loss": 2.0}], "segments": [segment]}
    _ledger.errors({**found, "loss_is": "squared error"})
    shown = capsys.readouterr().out
    assert "[/INST]" in shown and "[red]" in shown
    assert "[low, high]" in CliRunner().invoke(main, ["show", "augment", "jitter"]).output.replace("\n", " ")


def test_of_many_classes_the_likeliest_and_the_true_one_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    proba = {f"pred_c{i:02d}": 0.001 * i for i in range(60)}
    found = {"result": "a:b", "metric": "logloss", "score": 1.0, "n": 3, "weighted": False, "loss": 1.0, "note": ""}
    found |= {"worst": [{"id": 7, "fold": 0, "y": "c03", **proba, "loss": 2.0}], "segments": [], "loss_is": "loss"}
    _ledger.errors(found)
    head, line = (shown.split() for shown in capsys.readouterr().out.splitlines()[-2:])
    assert head == ["id", "fold", "y", "likeliest", "its", "p", "p", "of", "y", "loss"]
    assert line == ["7", "0", "c03", "c59", "0.059", "0.003", "2"]


def test_a_run_without_a_submission_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """A time limit under which no model was whole was called a recipe without test rows."""
    counts = {"run": 5, "reused": 3, "failed": 38}
    for truncated, why in ((True, "no model was complete in time"), (False, "the recipe has no test rows")):
        report.result(Result("r", None, {}, {}, counts, truncated, 40.0, ("lgbm",)), ".")
        *_, stages, last = capsys.readouterr().out.splitlines()
        assert why in last and stages.endswith("38 left out" if truncated else "38 failed")


def test_a_table_of_many_columns_cuts_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"metric_{i}" for i in range(20)]
    table = terminal.columns("", *names, right=names)
    table.add_row("lgbm", *(f"{i}.123456" for i in range(20)))
    terminal.lay(table)
    head, line = (shown.split() for shown in capsys.readouterr().out.splitlines())
    assert head == names and line == ["lgbm", *(f"{i}.123456" for i in range(20))]


def test_a_wide_table_is_told_by_runs_of_columns(capsys: pytest.CaptureFixture[str]) -> None:
    about = {name: "" for name in ("recipe", "task", "rows", "folds", "fits", "submission")} | {"cost": {"text": ""}}
    lines = [{"name": f"x{i}", "kind": "numeric", "form": "", "levels": 0, "role": "feature"} for i in range(120)]
    lines = [{**line, "missing": 0.01 * (i == 7)} for i, line in enumerate(lines)]
    lines[50]["kind"] = "date"
    for shown, rows in ((lines, 3), (lines[:60], 60)):
        report.check({**about, "columns": shown, "findings": []})
        table = capsys.readouterr().out.splitlines()[8:-1]
        assert len(table) == rows
    report.check({**about, "columns": lines, "findings": []})
    words = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "x0 .. x49 (50 columns) numeric 0 .. 1.0% feature" in words
