"""A study whose worker processes are killed at any moment: nothing is lost, nothing is trained twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Toy, finish

from kit._tune.storages import Place, connect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker processes are found by /proc")

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
seed: 7
models:
  a: {use: lightgbm, params: {n_estimators: 400, patience: 400}}
"""


QUICK = RECIPE.replace("lightgbm, params: {n_estimators: 400, patience: 400}", "./paced.py, params: {seconds: 0.05}")
"""Workers load no library, the fits take as long as those of lightgbm."""


def spawn(toy: Toy, trials: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kit.cli", "tune", str(toy.folder / "r.yaml"), "--root", str(toy.root)]
    command += ["--trials", str(trials), "--jobs", "2", "--json", "--trust"]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True
    )


def workers(parent: int) -> list[int]:
    """Return the worker processes of a command."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, ppid = (path / "stat").read_text("utf-8").rpartition(")")[2].split()[:2]
            line = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if int(ppid) == parent and state != "Z" and b"spawn_main" in line:
            found.append(int(path.name))
    return sorted(found)


def study(toy: Toy) -> Any:
    import optuna

    journal = toy.root / "oof" / "r" / "_tuning" / "a.journal"
    return optuna.load_study(study_name="r/a", storage=connect(Place("", str(journal), "")))


def finished_folds(toy: Toy) -> int:
    try:
        return sum(len(t.intermediate_values) for t in study(toy).get_trials(deepcopy=False))
    except (KeyError, FileNotFoundError):
        return 0


def stored(toy: Toy) -> int:
    """Return how many results lie in the store: quick to tell, however long the journal has become."""
    return sum(1 for _ in (toy.root / ".kit" / "objects").glob("??/*/manifest.json"))


def check(toy: Toy, found: dict[str, Any], trials: int) -> None:
    """Every trial ended and is accounted for, the best is the journal's, no fold was trained twice, none is repeated."""
    ended = study(toy).get_trials()
    states = [t.state.name for t in ended]
    assert len(ended) == trials
    assert set(states) <= {"COMPLETE", "PRUNED"}
    assert found["trials"] == {"complete": states.count("COMPLETE"), "pruned": states.count("PRUNED"), "failed": 0}
    assert found["best_score"] == min(t.value for t in ended if t.state.name == "COMPLETE")
    scores = sum(len(t.user_attrs["fold_scores"]) for t in ended)
    assert found["folds_trained"] <= scores
    fits = [
        p
        for p in toy.objects().values()
        if json.loads((p / "manifest.json").read_text())["ingredients"]["verb"] == "fit"
    ]
    assert len(fits) == scores
    again = finish(spawn(toy, trials))
    assert again.code == 0
    timeless = {"seconds": 0, "models": []}
    assert {**again.json, **timeless} == {**found, **timeless}


@pytest.mark.slow
def test_a_killed_worker_loses_its_fit_in_flight_only(toy: Toy) -> None:
    toy.write(RECIPE)
    process = spawn(toy, 4)
    until = time.monotonic() + 120
    while finished_folds(toy) < 1 and time.monotonic() < until:
        time.sleep(0.1)
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    done = finish(process)
    assert done.code == 0, done.err
    check(toy, done.json, 4)


@pytest.mark.slow
@pytest.mark.kills
def test_twenty_kills_of_workers_and_of_the_command_itself(toy: Toy) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 8))
    train = pl.DataFrame({f"x{j}": x[:, j] for j in range(8)}).with_columns(id=pl.int_range(6000), y=pl.col("x1"))
    train.with_columns(y=pl.col("y") + pl.Series(rng.normal(size=6000))).write_csv(toy.folder / "train.csv")
    train.drop("y").head(10).write_csv(toy.folder / "test.csv")
    toy.write(RECIPE)  # on so many rows a fit takes a second or so, and the study lasts as long as the kills
    trials = 60
    process, kills = spawn(toy, trials), 0
    while kills < 20 and process.poll() is None:
        before, until = stored(toy), time.monotonic() + 60
        while not workers(process.pid) or (kills % 3 == 0 and stored(toy) <= before):
            time.sleep(0.1)
            if time.monotonic() > until or process.poll() is not None:
                break
        time.sleep(float(rng.uniform(0, 1)))
        alive = workers(process.pid)
        if kills % 6 == 5:
            process.kill()
            process.communicate()
            process, kills = spawn(toy, trials), kills + 1
        elif alive:
            os.kill(int(rng.choice(alive)), signal.SIGKILL)
            kills += 1
    done = finish(process, 900)
    assert kills == 20, f"the study ended before it was killed often enough: {done}"
    assert done.code == 0, done.err
    check(toy, done.json, trials)


@pytest.mark.slow
def test_ctrl_c_ends_with_the_best_so_far(toy: Toy) -> None:
    shutil.copy(Path(__file__).with_name("paced.py"), toy.folder)
    toy.write(QUICK + "tune: {models: {a: {ranges: {l2: {low: 0.001, high: 9, log: true}}}}}\n")
    process = spawn(toy, 500)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        time.sleep(0.2)
        if finished_folds(toy) >= 3 and any(t.state.name == "COMPLETE" for t in study(toy).get_trials(deepcopy=False)):
            break
    below = workers(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert done.json["best_score"] is not None
    assert (toy.folder / "r.tuned.yaml").is_file()
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    assert {t.state.name for t in study(toy).get_trials(deepcopy=False)} <= {"COMPLETE", "PRUNED", "WAITING"}
