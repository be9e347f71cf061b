"""A toy competition in a temporary folder, carried out in this process or by the real command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import kit.api
import kit.running
from kit.cli import main
from kit.workers import Slot, Workers, _work

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
seed: 7
features:
  base: [numeric, category]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 5}, stop: fixed}
  b: {use: lightgbm, features: base, params: {n_estimators: 8}, stop: fixed}
blend:
  mix: {use: mean, from: [a, b]}
  final: {use: clip, from: mix, low: -3, high: 3}
submit: {from: final}
"""
"""14 stages: table, rows, folds, 2 x (3 fits, oof), 2 blends, submit."""


class _Here:
    """Stands for a worker process: carries a task out at once, in this process."""

    def schedule(self, work: Any, args: Any) -> Future[None]:
        future: Future[None] = Future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            error.traceback = traceback.format_exc()
            future.set_exception(error)
        return future


class InlineWorkers(Workers):
    """Workers without processes: the engine is the real one, the seconds a process takes to start are saved."""

    def __init__(self, jobs: int, root: Path, threads: int = 1) -> None:
        self._root, self._threads = str(root), 1
        self.slots = [Slot(_Here()) for _ in range(jobs)]

    def __exit__(self, *_: object) -> None:
        assert callable(_work)


@dataclass(frozen=True)
class Done:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert len(self.out.splitlines()) == 1, self.out + self.err
        value: dict[str, Any] = json.loads(self.out)
        return value

    @property
    def stages(self) -> dict[str, int]:
        counts: dict[str, int] = self.json["stages"]
        return counts

    @property
    def submitted(self) -> bytes:
        return Path(self.json["submission"]).read_bytes()


class Toy:
    """The folder of a competition. Commands go to `root`, the recipe is `r.yaml` unless another is written."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "out"

    def write(self, text: str = RECIPE, name: str = "r.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def edit(self, *changes: tuple[str, str], name: str = "r.yaml", text: str = RECIPE) -> Path:
        for old, new in changes:
            assert old in text, f"{old!r} is not in the recipe"
            text = text.replace(old, new)
        return self.write(text, name)

    def kit(self, *args: str, root: Path | None = None) -> Done:
        """Carry out a command in this process."""
        where = [] if "--root" in args or "--help" in args else ["--root", str(root or self.root)]
        found = CliRunner().invoke(main, [*args, *where])
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return Done(found.exit_code, found.stdout, found.stderr)

    def run(self, *options: str, recipe: str = "r.yaml", root: Path | None = None, ends: int = 0) -> Done:
        """Carry out `kit run --json` in this process; it must end with the exit code `ends`."""
        done = self.kit("run", str(self.folder / recipe), "--json", *options, root=root)
        assert done.code == ends, done.out + done.err
        return done

    def ran(self, *options: str, recipe: str = "r.yaml") -> list[str]:
        """Return the names of the stages `kit run` carries out next, and carry them out."""
        todo = [s["name"] for s in self.plan(*options, recipe=recipe) if s["state"] == "run"]
        made = {"table", "rows", "folds"}
        done = self.run(*options, recipe=recipe)
        assert done.stages["run"] - len(set(todo) - made) in range(4)
        assert done.stages["failed"] == 0
        return todo

    def plan(self, *options: str, recipe: str = "r.yaml") -> list[dict[str, str]]:
        done = self.kit("plan", str(self.folder / recipe), "--json", *options)
        assert done.code == 0, done.err
        stages: list[dict[str, str]] = done.json["stages"]
        return stages

    def spawn(self, *options: str, recipe: str = "r.yaml", code: str = "") -> subprocess.Popen[str]:
        """Start the real command in a process group of its own. `code`: what carries it out in its place."""
        command = [
            sys.executable,
            *(("-c", code) if code else ("-m", "kit")),
            "run",
            str(self.folder / recipe),
            "--root",
            str(self.root),
            *options,
        ]
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True
        )

    def reuse(self, objects: Path) -> None:
        """Let the results of another competition's run lie in the store."""
        shutil.copytree(objects, self.root / ".kit" / "objects")

    def objects(self) -> dict[str, Path]:
        """Return the stored objects by key."""
        return {p.name: p for p in (self.root / ".kit" / "objects").glob("??/*")}

    def card(self, name: str, recipe: str = "r") -> dict[str, Any]:
        card: dict[str, Any] = json.loads((self.root / "oof" / recipe / name / "card.json").read_text("utf-8"))
        return card

    def oof(self, name: str, file: str = "oof", recipe: str = "r") -> pl.DataFrame:
        return pl.read_parquet(self.root / "oof" / recipe / name / f"{file}.parquet")


def finish(process: subprocess.Popen[str], timeout: float = 240) -> Done:
    """Wait for a command; kill its group where it takes too long."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return Done(process.returncode, out, err)


def numbers(seed: int, n: int) -> dict[str, Any]:
    """Return columns id, x1, x2, x3, c and y of n rows; y hangs on x1, x2 and c."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).round(3)
    c = rng.integers(0, 3, n)
    y = (x[:, 0] + 0.5 * x[:, 1] ** 2 + 0.3 * c + rng.normal(size=n) * 0.1).round(4)
    return {"x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2], "c": np.array(["red", "green", "blue"])[c], "y": y}


def begin(folder: Path) -> Toy:
    """Return a competition of 120 training and 40 test rows with the recipe RECIPE."""
    made = Toy(folder)
    train, test = pl.DataFrame(numbers(1, 120)), pl.DataFrame(numbers(2, 40)).drop("y")
    train.insert_column(0, pl.Series("id", range(1000, 1120))).write_csv(folder / "train.csv")
    test.insert_column(0, pl.Series("id", range(5000, 5040))).write_csv(folder / "test.csv")
    made.write()
    return made


@contextmanager
def inline() -> Iterator[None]:
    """Carry out what runs inside in this process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kit.running, "Workers", InlineWorkers)
        patched.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


def results(toy: Toy, *options: str) -> Path:
    """Return the folder of the results that a run stores: tests that begin with the same fits copy it (`Toy.reuse`)."""
    with inline():
        toy.run(*options)
    return toy.root / ".kit" / "objects"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The competition of `begin`, carried out in this process."""
    monkeypatch.setattr(kit.running, "Workers", InlineWorkers)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return begin(tmp_path)


@pytest.fixture
def wait_for() -> Any:
    return finish
