"""What an interrupted study keeps from `kit gc`, and that a page without room costs nothing but itself."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_tune import RECIPE, error, trials, tune, tuned  # noqa: F401 - a fixture

import kit.tuning
from kit import stages
from kit import tuned as tuned_file
from kit._tune import page, supervising
from kit._tune.supervising import Watched
from kit._tune.watching import Stop
from kit.errors import FitError
from kit.tunable import Entry


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


class Killed(BaseException):
    """Stands for SIGKILL: what a command does as it ends is not done."""


def test_gc_keeps_what_a_killed_study_goes_on_with(tuned, monkeypatch):  # noqa: F811
    """What is kept was written down as the command ended: the best trial and the one in work were lost by a kill."""
    tuned.write(RECIPE + "tune: {pruner: none}\n")
    with monkeypatch.context() as patched:
        run, made = stages.run, []

        def killed(stage: Any, *args: Any, **more: Any) -> None:
            run(stage, *args, **more)
            made.append(stage.key)
            if len(made) == 4:
                raise Killed

        patched.setattr(stages, "run", killed)
        patched.setattr(supervising, "_end", lambda *_: None)
        with pytest.raises(Killed):
            tune(tuned, "--model", "a", "--trials", "3")
    before = set(tuned.objects())
    assert tuned.kit("gc").code == 0
    assert before == set(tuned.objects()) and set(made) <= before


def test_what_went_wrong_is_told_though_the_storage_is_away(tuned, monkeypatch):  # noqa: F811
    """What a command does as it ends raises as well then, and that stood there in place of the first."""
    looks = iter([[]])

    def fails(*_: Any) -> Any:
        raise FitError("every trial fails")

    monkeypatch.setattr(supervising, "_check", fails)
    monkeypatch.setattr(supervising.Watchman, "look", lambda *_: next(looks))
    assert "every trial fails" in error(tuned, "--model", "a", "--trials", "1")


def test_commands_of_other_roots_keep_each_others_params(toy, monkeypatch):
    """Both write the file beside the recipe, and each held a lock of its own store only."""
    entry = Entry(use="lightgbm", params={"leaves": 7}, metric="rmse", score=1.0, study="r/a", trials=1, folds="0")
    path, read, seen = tuned_file.path_of(toy.folder, "r"), tuned_file.read, []

    def slow(at: Path) -> Any:
        found = read(at)
        if not seen:
            seen.append(threading.Thread(target=tuned_file.write, args=(path, "b", entry)))
            seen[0].start()
            seen[0].join(0.2)
        return found

    monkeypatch.setattr(tuned_file, "read", slow)
    tuned_file.write(path, "a", entry)
    seen[0].join()
    assert set(read(path)[1]) == {"a", "b"}
    assert {p.name for p in toy.folder.iterdir() if "tuned" in p.name or p.name.endswith(".lock")} == {path.name}


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
