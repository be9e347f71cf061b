"""What an interrupted study keeps from `kit gc`, and that a page without room costs nothing but itself."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import Any

import pytest
from test_tune import RECIPE, trials, tune, tuned  # noqa: F401 - a fixture

import kit.tuning
from kit import stages
from kit._tune import page
from kit._tune.supervising import Watched
from kit._tune.watching import Stop


def stop_after(monkeypatch: pytest.MonkeyPatch, fits: int) -> list[str]:
    """Let Ctrl-C come when so many fits are made; return the keys of the fits that are made."""
    watched, made, run = Watched(), [], stages.run

    def counted(stage: Any, *args: Any, **more: Any) -> None:
        run(stage, *args, **more)
        if stage.verb == "fit":
            made.append(stage.key)
            watched.stopped = len(made) >= fits

    @contextmanager
    def interruptible() -> Any:
        yield watched

    monkeypatch.setattr(stages, "run", counted)
    monkeypatch.setattr(kit.tuning, "interruptible", interruptible)
    monkeypatch.setattr(Stop, "__call__", lambda self: watched.stopped)
    return made


@pytest.mark.parametrize("fits", [2, 5])
def test_gc_keeps_the_finished_folds_of_a_trial_that_waits(tuned, monkeypatch, fits):  # noqa: F811
    """Before the first trial ended nothing was kept, not even the table; later the folds of the trial at work went."""
    tuned.write(RECIPE + "tune: {pruner: none}\n")
    with monkeypatch.context() as patched:
        made = stop_after(patched, fits)
        tune(tuned, "--model", "a", "--trials", "6", ends=130)
    assert len(made) == fits
    assert [t.state.name for t in trials(tuned)].count("WAITING") >= 1
    before = set(tuned.objects())
    assert tuned.kit("gc").code == 0
    assert set(made) <= set(tuned.objects())
    assert before == set(tuned.objects())
    with monkeypatch.context() as patched:
        more = stop_after(patched, 10**6)
        tune(tuned, "--model", "a", "--trials", "6")
    assert not set(made) & set(more)
    assert not list((tuned.root / ".kit" / "runs").glob("_study.*"))


def test_a_page_that_has_no_room_is_a_warning(tuned, monkeypatch, caplog):  # noqa: F811
    """The tuned file stood there by then, and the command ended as if nothing did."""
    monkeypatch.setattr(page, "whole", full)
    found = tune(tuned, "--model", "a", "--trials", "2")
    assert (tuned.folder / "r.tuned.yaml").is_file()
    assert found["best_score"] is not None
    assert f"the page of r/a cannot be written: {os.strerror(errno.ENOSPC)}" in caplog.text


@contextmanager
def full(path: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    yield path
