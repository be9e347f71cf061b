"""The files of models: native formats, JSON, arrays; no pickle anywhere, nothing of the place they were written at."""

from __future__ import annotations

import io
import pickletools
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit import registry
from kit.contracts import Run
from kit.types import Block, Design, Task

VALUE = Task("regression")
MULTI = Task("multiclass", "softmax", ("a", "b", "c"))
CASES: list[tuple[str, dict[str, Any], Task]] = [
    *((name, {"n_estimators": 4}, task) for name in ("lightgbm", "xgboost", "catboost") for task in (VALUE, MULTI)),
    *(("hetero_mlp", {"epochs": 2, "width": 8, "members": 2}, task) for task in (VALUE, MULTI)),
    *(
        ("sklearn", {"estimator": estimator}, VALUE)
        for estimator in (
            *("Ridge", "ExtraTreesRegressor", "HistGradientBoostingRegressor", "GaussianProcessRegressor", "SVR"),
            *("KNeighborsRegressor", "MLPRegressor", "GradientBoostingRegressor"),
        )
    ),
    *(("sklearn", {"estimator": e}, MULTI) for e in ("LogisticRegression", "LinearSVC", "RandomForestClassifier")),
]


def design(n: int = 90) -> Design:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    x[:, 2] = rng.integers(0, 12, n)
    return Design(
        (Block(("a", "b", "k"), x, {"k": 12}),), np.digitize(x[:, 0], [-0.5, 0.5]) * 1.0, np.ones(n), np.ones(n)
    )


def save(name: str, params: dict[str, Any], task: Task, folder: Path) -> Any:
    module, run = registry.load("models", name), Run(np.random.default_rng(3))
    made = module.Params(**params)
    fitted = module.fit(made, task, module.prepare(made, task, design(), None, run), run)
    folder.mkdir(parents=True)
    fitted.save(folder)
    return fitted


def contents(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file and, where it is an archive, all files in it."""
    yield name, data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for inner in archive.namelist():
                yield from contents(f"{name}/{inner}", archive.read(inner))


def is_pickle(data: bytes) -> bool:
    """Return whether bytes are a pickle: opcodes from the first byte to a STOP, or an array of pickled objects."""
    if data.startswith(b"\x93NUMPY"):
        return b"'|O'" in data[:256]
    try:
        return [op.name for op, _, _ in pickletools.genops(data)][-1:] == ["STOP"]
    except Exception:
        return False


@pytest.mark.parametrize(("name", "params", "task"), CASES, ids=lambda v: str(v)[:40])
def test_files_hold_no_pickle_and_no_path_and_can_be_moved(
    name: str, params: dict[str, Any], task: Task, tmp_path: Path
) -> None:
    fitted = save(name, params, task, tmp_path / "written here")
    files = [p for p in (tmp_path / "written here").rglob("*") if p.is_file()]
    assert files
    for file in files:
        for inner, data in contents(file.name, file.read_bytes()):
            assert not is_pickle(data), f"{inner} is a pickle"
            assert b"written here" not in data and str(Path.home()).encode() not in data, f"{inner} holds a path"
    shutil.move(tmp_path / "written here", tmp_path / "elsewhere")
    loaded = registry.load("models", name).load(tmp_path / "elsewhere")
    expected, got = fitted.predict(design()), loaded.predict(design())
    assert got.mean.tobytes() == expected.mean.tobytes()
    assert (got.std is None) == (expected.std is None)


@pytest.mark.parametrize(("name", "params", "task"), CASES, ids=lambda v: str(v)[:40])
def test_the_same_model_is_the_same_bytes(name: str, params: dict[str, Any], task: Task, tmp_path: Path) -> None:
    if params.get("estimator") == "KNeighborsRegressor":
        params = {**params, "params": {"algorithm": "brute"}}  # the tree's arrays have gaps that nobody fills
    for folder in ("first", "second"):
        save(name, params, task, tmp_path / folder)
    names = sorted(p.name for p in (tmp_path / "first").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "second").iterdir())
    for each in names:
        assert (tmp_path / "first" / each).read_bytes() == (tmp_path / "second" / each).read_bytes(), each


def test_a_pickle_would_be_found() -> None:
    import pickle

    assert is_pickle(pickle.dumps({"a": np.arange(3)}))
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert is_pickle(buffer.getvalue())
