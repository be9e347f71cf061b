"""Real processes: several at once, killed ones, dying workers, and a time limit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import kit.api

A, B = (
    "{use: lightgbm, features: base, params: {n_estimators: 5}",
    "{use: lightgbm, features: base, params: {n_estimators: 8}",
)
OWN = "{use: ./paced.py, features: base, params: {%s}"

ENDLESS = ("n_estimators: 8", "n_estimators: 900000")
"""A fit of minutes."""


def workers_of(pid: int) -> list[int]:
    """Return the worker processes below a process."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    below, todo = [], [pid]
    while todo:
        todo += (found := children.get(todo.pop(), []))
        below += found
    return [p for p in below if b"spawn_main" in _command(p)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def until(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the awaited did not happen"
        time.sleep(0.02)


def paced(toy, a: str, b: str) -> None:
    """Let the learner of both models be paced.py, with these params."""
    shutil.copy(Path(__file__).with_name("paced.py"), toy.folder)
    toy.edit((A, OWN % a), (B, OWN % b))


def todo_of(toy) -> set[str]:
    return {s["key"] for s in toy.plan("--trust") if s["state"] == "run"}


def kill(process) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def survive(toy, wait_for, moments: list[Callable], jobs: list[int]) -> None:
    """Kill the run again and again, each time when a moment, called with the process, returns; then let it end.

    The submission must be that of an uninterrupted run, and no fit that was finished may be repeated.
    """
    paced(toy, "l2: 1, seconds: 0.25", "l2: 2, seconds: 0.25")
    expected = toy.run("--trust", root=toy.folder / "unhurt").submitted
    finished: set[str] = set()
    for moment, n in zip(moments, jobs, strict=True):
        process = toy.spawn("--json", "--trust", "--jobs", str(n))
        moment(process)
        below = workers_of(process.pid)
        kill(process)
        until(lambda below=below: not any(map(is_alive, below)), 20)
        there = set(toy.objects()) - todo_of(toy)
        assert finished <= there
        finished = there
    todo = todo_of(toy)
    done = wait_for(toy.spawn("--json", "--trust", "--jobs", "2"))
    assert done.code == 0, done.err
    assert done.stages == {"run": len(todo), "reused": 14 - len(todo), "failed": 0}
    assert done.submitted == expected
    assert not finished & todo
    assert not list((toy.root / ".kit" / "tmp").glob("*/manifest.json"))
    assert toy.run("--trust").stages["run"] == 0


def after(seconds: float) -> Callable:
    """Return a moment: some seconds after the start."""

    def moment(process) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

    return moment


def amid_fit(toy, n: int) -> Callable:
    """Return a moment: in the middle of a fit, when `n` fits lie in the store."""

    def moment(process) -> None:
        fits = {s["key"] for s in toy.plan("--trust") if s["name"].startswith("fit")}
        until(lambda: len(fits.intersection(toy.objects())) >= n or process.poll() is not None)
        time.sleep(0.1)

    return moment


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(toy, wait_for):
    survive(toy, wait_for, [amid_fit(toy, 1), amid_fit(toy, 3)], [1, 2])


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_survives_many_kills(toy, wait_for, seed):
    rng = np.random.default_rng(seed)
    survive(toy, wait_for, [after(s) for s in rng.uniform(0.05, 5.0, 12)], rng.integers(1, 4, 12).tolist())


@pytest.mark.slow
def test_two_runs_at_once_in_one_folder(toy, wait_for):
    paced(toy, "l2: 1, seconds: 0.1", "l2: 2, seconds: 0.1")
    expected = toy.run("--trust", root=toy.folder / "alone").submitted
    both = [toy.spawn("--json", "--trust", "--jobs", "1"), toy.spawn("--json", "--trust", "--jobs", "2")]
    for done in [wait_for(p) for p in both]:
        assert done.code == 0, done.err
        assert done.submitted == expected
        assert done.json["submission"].endswith("0001-r.csv")
        assert sum(done.stages.values()) == 14
    assert sorted(p.name for p in (toy.root / "submissions").iterdir()) == ["0001-r.csv", "0001-r.json"]
    assert not (toy.root / "oof" / "r" / "_history").exists()
    assert toy.run("--trust").stages == {"run": 0, "reused": 14, "failed": 0}


def test_a_worker_that_is_killed_is_one_failure(toy, wait_for):
    """The worker dies in the middle of its fit: that fit fails and is named, all others are made."""
    awaited = toy.folder / "awaited"
    paced(toy, "l2: 1", f"l2: 2, awaits: {awaited}")
    key = {s["name"]: s["key"] for s in toy.plan("--trust")}
    process = toy.spawn("--json", "--trust", "--jobs", "1")
    until(lambda: awaited.with_name("awaited.begun").exists())
    assert key["fit a fold 0 seed 0"] in toy.objects()
    (worker,) = workers_of(process.pid)
    os.kill(worker, signal.SIGKILL)
    awaited.touch()
    done = wait_for(process)
    assert done.code == 3, done.err
    # Lacking are one fit, the OOF of b, both blends and the submission.
    assert done.stages == {"run": 6, "reused": 3, "failed": 5}
    assert list(done.json["models"]) == ["a"]
    assert done.json["blends"] == {}
    assert done.json["submission"] is None
    assert done.err.count("the worker process died") == 1
    for word in ("fit b fold 0", "killed", f"kit stage {key['fit b fold 0 seed 0'][:12]}"):
        assert word in done.err
    assert "Traceback" not in done.err
    alone = toy.kit("stage", key["fit b fold 0 seed 0"][:12])
    assert alone.code == 0
    assert "fit b fold 0" in alone.out
    ended = toy.run("--trust")
    assert ended.stages == {"run": 4, "reused": 10, "failed": 0}
    assert ended.submitted == toy.run("--trust", root=toy.folder / "clean").submitted


LATE = """
import sys, time
from types import SimpleNamespace
from kit import deadlines
from kit.cli import main
from kit.workers import Workers

begun, start = [], Workers.start

def watched(self, slot, stage):
    start(self, slot, stage)
    if stage.name.startswith("fit b"):
        begun.append(time.monotonic())

def monotonic():
    now = time.monotonic()
    return now + 600 if begun and now > begun[0] + 1 else now

Workers.start, deadlines.time = watched, SimpleNamespace(monotonic=monotonic)
main(sys.argv[1:])
"""
"""The command where the clock of the run jumps by 600 seconds once a fit of b has gone on for one."""


def test_a_time_limit_ends_with_the_submission_of_what_is_complete(toy, wait_for):
    """However long workers take to start: the time is over in the middle of the endless fit."""
    toy.edit(ENDLESS)
    done = wait_for(toy.spawn("--json", "--jobs", "1", "--time-limit", "600", code=LATE))
    assert done.code == 0, done.err
    assert done.json["truncated"] is True
    assert list(done.json["models"]) == ["a"]
    assert list(done.json["blends"]) == ["mix", "final"]
    # The fits of b and its OOF are lacking.
    assert done.stages == {"run": 10, "reused": 0, "failed": 4}
    assert toy.card("final")["truncated"] is True
    assert toy.card("final")["missing"] == ["b"]
    note = json.loads((toy.root / "submissions" / "0001-r.json").read_text())
    assert note["truncated"] is True
    assert note["missing"] == ["b"]
    toy.edit(("  b: {use: lightgbm, features: base, params: {n_estimators: 8}, stop: fixed}\n", ""), ("[a, b]", "[a]"))
    assert toy.run(root=toy.folder / "smaller").submitted == done.submitted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_finished_fits(toy, number, code):
    toy.edit(ENDLESS)
    key = {s["name"]: s["key"] for s in toy.plan()}
    process = toy.spawn("--json", "--jobs", "1")
    until(lambda: key["fit a fold 0 seed 0"] in toy.objects())
    below = workers_of(process.pid)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert "finished fits are kept" in err
    assert "Traceback" not in err and "leaked" not in err
    until(lambda: not any(map(is_alive, below)), 20)
    assert {s["name"]: s["state"] for s in toy.plan()}["fit a fold 0 seed 0"] == "reuse"


def test_nothing_is_removed_while_a_command_is_at_work(toy, wait_for):
    """The table of a first run is in no record of a run yet."""
    awaited = toy.folder / "awaited"
    paced(toy, "l2: 1", f"l2: 2, awaits: {awaited}")
    process = toy.spawn("--json", "--trust", "--jobs", "1")
    until(lambda: awaited.with_name("awaited.begun").exists())
    (toy.root / ".kit" / "runs" / "r.json").unlink()
    there = set(toy.objects())
    done = toy.kit("gc")
    assert done.code == 2
    assert f"kit run is at work (process {process.pid})" in done.err
    assert set(toy.objects()) >= there
    kill(process)
    until(lambda: toy.kit("gc", "--json").code == 0)
    assert not toy.objects()
    assert not list((toy.root / ".kit" / "working").iterdir())
    awaited.touch()
    assert toy.run("--trust").stages["failed"] == 0
    assert not list((toy.root / ".kit" / "working").iterdir())


@pytest.mark.parametrize("command", ["run", "tune", "blend"])
def test_commands_say_that_they_are_at_work(toy, command):
    from kit import presence

    work = {"run": kit.api.run, "tune": kit.api.tune, "blend": kit.api.blend}[command]
    assert work.__wrapped__.__name__ == command
    seen = []

    @presence.at_work(command)
    def watched(*, root: Path) -> None:
        seen.append(toy.kit("gc").err)
        seen.extend(p.name for p in (root / ".kit" / "working").iterdir())

    toy.run()
    (toy.root / ".kit" / "working" / "run.4194305.5e1f0bad").touch()  # of a command that was killed
    watched(root=toy.root)
    assert f"kit {command} is at work (process {os.getpid()})" in seen[0]
    assert [name.split(".")[:2] for name in seen[1:]] == [[command, str(os.getpid())]]
    assert toy.kit("gc").code == 0
