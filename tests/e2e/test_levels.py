"""Levels of stacking, refits on all rows, seeds averaged in a space, and code of the user's own."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import kit.api
from kit.errors import RecipeError

LEVELS = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
seed: 7
models:
  a: {use: lightgbm, features: [numeric, category], params: {n_estimators: 5}, stop: fixed}
  b: {use: sklearn, params: {estimator: Ridge}, features: [numeric]}
  top: {use: sklearn, params: {estimator: Ridge}, from: [a, mix]}
  rest: {use: lightgbm, features: [numeric], params: {n_estimators: 5}, stop: fixed, target_transform: residual(b)}
  spread: {use: lightgbm, features: [numeric], params: {n_estimators: 5}, stop: fixed, target_transform: log_residual(top)}
blend:
  mix: {use: mean, from: [a, b]}
  final: {use: mean, from: [top, rest]}
submit: {from: final}
"""


def frame(toy, name: str, file: str = "oof") -> pl.DataFrame:
    return pl.read_parquet(toy.root / "oof" / "r" / name / f"{file}.parquet")


def test_models_over_models_and_blends(toy):
    """`top` reads a and mix: its prediction of fold k comes from a ridge on the other folds' OOF rows, y included."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    toy.write(LEVELS)
    toy.run()
    a, mix, top = frame(toy, "a"), frame(toy, "mix"), frame(toy, "top")
    x, y, fold = np.column_stack([a["pred"], mix["pred"]]), a["y"].to_numpy(), a["fold"].to_numpy()
    expected = np.empty(len(y))
    for k in range(3):
        scaler = StandardScaler().fit(x[fold != k])
        model = Ridge().fit(scaler.transform(x[fold != k]), y[fold != k])
        expected[fold == k] = model.predict(scaler.transform(x[fold == k]))
    np.testing.assert_allclose(top["pred"].to_numpy(), expected, rtol=1e-3, atol=1e-3)


def test_under_a_split_by_time_only_rows_that_were_held_teach_a_model_over_models(toy):
    """The rows of the warm-up have no OOF; in fold 0, where there are no others, a model says what its sources say."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(day=pl.Series(range(120))).write_csv(toy.folder / "train.csv")
    toy.write(LEVELS.replace("{use: kfold, folds: 3}", "{use: time, folds: 3, time: day}"))
    toy.run()
    a, mix, top = frame(toy, "a"), frame(toy, "mix"), frame(toy, "top")
    x, y, fold = np.column_stack([a["pred"], mix["pred"]]), a["y"].to_numpy(), a["fold"].to_numpy()
    assert fold.tolist() == [-1] * 30 + [0] * 30 + [1] * 30 + [2] * 30

    def ridge(learns, asked):
        scaler = StandardScaler().fit(x[learns])
        return Ridge().fit(scaler.transform(x[learns]), y[learns]).predict(scaler.transform(asked))

    expected = np.concatenate(
        [x[fold == 0].mean(axis=1), ridge(fold == 0, x[60:90]), ridge(np.isin(fold, (0, 1)), x[90:])]
    )
    np.testing.assert_allclose(top["pred"].to_numpy()[30:], expected, rtol=1e-3, atol=1e-3)
    tests = np.column_stack([frame(toy, name, "test")["pred"] for name in ("a", "mix")])
    np.testing.assert_allclose(frame(toy, "top", "test")["pred"], ridge(fold >= 0, tests), rtol=1e-3, atol=1e-3)
    assert frame(toy, "rest")["pred"][30:60].equals(frame(toy, "b")["pred"][30:60])
    assert frame(toy, "spread")["pred"][30:].equals(top["pred"][30:]) and frame(toy, "spread")["std"][30:].min() > 0
    assert toy.card("rest")["notes"] == [
        "no learning row has predictions of its sources: it says their mean (1 of 3 fits)"
    ]


def test_the_test_rows_go_by_the_folds_that_learnt_something_of_the_sources(toy):
    """Without a refit the model of fold 0, to which its sources were always right, was one of three in the average."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(day=pl.Series(range(120))).write_csv(toy.folder / "train.csv")
    text = LEVELS.replace("{use: kfold, folds: 3}", "{use: time, folds: 3, time: day}") + "refit: false\n"
    toy.write(text)
    toy.run("--keep-models")
    a, mix = frame(toy, "a"), frame(toy, "mix")
    x, y, fold = np.column_stack([a["pred"], mix["pred"]]), a["y"].to_numpy(), a["fold"].to_numpy()
    tests = np.column_stack([frame(toy, name, "test")["pred"] for name in ("a", "mix")])
    said = []
    for learns in (fold == 0, np.isin(fold, (0, 1))):
        scaler = StandardScaler().fit(x[learns])
        said.append(Ridge().fit(scaler.transform(x[learns]), y[learns]).predict(scaler.transform(tests)))
    np.testing.assert_allclose(frame(toy, "top", "test")["pred"], np.mean(said, axis=0), rtol=1e-3, atol=1e-3)
    assert "test goes by 2 of 3 folds: the rest learnt nothing" in toy.card("top")["notes"]
    assert not any("test goes by" in note for note in toy.card("b")["notes"])
    for name in ("top", "rest", "spread", "final"):
        made = kit.predict("r", toy.folder / "test.csv", model=name, root=toy.root)
        np.testing.assert_allclose(made["pred"], frame(toy, name, "test")["pred"], rtol=1e-5, atol=1e-6)


def test_only_fits_what_the_named_model_reads(toy):
    toy.write(LEVELS)
    assert set(toy.run("--only", "top").json["models"]) == {"a", "b", "top"}


def test_an_edit_redoes_what_stands_above(toy):
    toy.write(LEVELS)
    assert toy.run().stages["run"] == 3 + 5 * 4 + 2 + 1
    toy.edit(
        (
            "{use: sklearn, params: {estimator: Ridge}, features",
            "{use: sklearn, params: {estimator: Ridge, params: {alpha: 3.0}}, features",
        ),
        text=LEVELS,
    )
    # b, and above it mix, top (its fits too), rest, spread, final and the submission; not a.
    assert toy.run().stages == {"run": 4 * 4 + 2 + 1, "reused": 3 + 4, "failed": 0}
    toy.edit(
        ("  a: ", "  z: "), ("[a, mix]", "[z, mix]"), ("[a, b]", "[z, b]"), text=(toy.folder / "r.yaml").read_text()
    )
    assert toy.run().stages["run"] == 0


def test_a_spread_for_a_model_without_one(toy):
    """log_residual keeps the source's prediction and gives it a std; the std is that of the errors, roughly."""
    toy.write(LEVELS)
    toy.run()
    top, spread = frame(toy, "top"), frame(toy, "spread")
    np.testing.assert_allclose(spread["pred"], top["pred"], rtol=1e-6)
    error = (top["y"] - top["pred"]).to_numpy()
    ratio = np.sqrt(np.mean((error / spread["std"].to_numpy()) ** 2))
    assert 0.4 < ratio < 2.5


def test_a_circle_is_refused(toy):
    toy.edit(("from: [a, mix]", "from: [a, final]"), text=LEVELS)
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "in a circle" in done.err and "top -> final -> top" in done.err
    toy.edit(("from: [a, mix]", "from: [a, mxi]"), text=LEVELS)
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "unknown source" in done.err and "mix" in done.err


def test_no_synthetic_rows_over_oofs(toy):
    text = LEVELS.replace("from: [a, mix]", "from: [a, mix], augment: noise").replace(
        "models:", "augment: {noise: {use: jitter, columns: [x1], std: 0.5}}\nmodels:"
    )
    toy.write(text)
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "takes no synthetic rows" in done.err


def test_refit_predicts_test_with_one_model_of_all_rows(toy):
    toy.run()
    before, before_test = frame(toy, "a"), frame(toy, "a", "test")
    toy.edit(("params: {n_estimators: 5}, stop: fixed", "params: {n_estimators: 5}, stop: fixed, refit: true"))
    done = toy.run()
    assert done.stages == {"run": 1 + 1 + 2 + 1, "reused": 3 + 3 + 4, "failed": 0}  # refit, oof a, blends, submission
    assert frame(toy, "a").equals(before)
    assert not frame(toy, "a", "test").equals(before_test)
    assert toy.card("a")["refit"] is True and toy.card("b")["refit"] is False


def test_the_steps_of_a_refit_grow_with_the_rows(toy):
    """Fixed at 6 rounds on two thirds of the rows: 9 on all of them."""
    toy.edit(("{n_estimators: 5}, stop: fixed", "{n_estimators: 6}, stop: fixed, refit: true"))
    toy.run()
    steps = [
        json.loads(path.read_text())["meta"]["best_step"]
        for path in (toy.root / ".kit" / "objects").glob("*/*/manifest.json")
        if json.loads(path.read_text())["ingredients"].get("verb") == "refit"
    ]
    assert steps == [9]


def test_seeds_are_averaged_in_the_space_asked_for(toy):
    def preds(space: str) -> np.ndarray:
        changes = (
            "{n_estimators: 5}, stop: fixed",
            f"{{n_estimators: 5, subsample: 0.5}}, stop: fixed, seeds: 3, average: {space}",
        )
        toy.edit(changes)
        toy.run()
        return frame(toy, "a")["pred"].to_numpy()

    mean, median = preds("mean"), preds("median")
    assert not np.array_equal(mean, median) and np.abs(mean - median).max() < 1
    toy.edit(("stop: fixed}\n  b", "stop: fixed, average: middle}\n  b"))
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "unknown space" in done.err
    for space in ("logit", "geometric"):  # y has values below 0
        toy.edit(("stop: fixed}\n  b", f"stop: fixed, average: {space}}}\n  b"))
        done = toy.kit("run", str(toy.folder / "r.yaml"))
        assert done.code == 2 and f"average: {space} is for" in done.err


OWN_FEATURE = '''
from __future__ import annotations
from dataclasses import dataclass
import numpy as np
from kit import params as base
from kit.types import Block

LIBS = ()
SCOPE = "row"
KINDS = ("numeric",)
ACCEPTS = ("numeric",)

class Params(base.Params):
    """Squares."""
    columns: tuple[base.ColumnName, ...] = ()
    """Columns."""

@dataclass(frozen=True)
class Square:
    columns: tuple[str, ...]
    own: None = None
    def __call__(self, rows):
        return Block(self.columns, np.column_stack([rows.x[c] ** 2 for c in self.columns]).astype(np.float32))

def learn(params, task, rows, rng):
    return Square(tuple(params.columns))
'''

OWN_METRIC = """
import numpy as np
BETTER, TASKS, WANTS, OBJECTIVE, CODEC = "lower", ("regression",), "value", {"regression": "squared"}, "identity"

def score(task, y, pred, v):
    return float(np.average(np.abs(y - pred.mean[:, 0]) ** 3, weights=v))
"""


def test_code_of_ones_own_needs_trust_and_is_keyed_by_content(toy):
    (toy.folder / "square.py").write_text(OWN_FEATURE)
    (toy.folder / "cubed.py").write_text(OWN_METRIC)
    toy.edit(
        ("base: [numeric, category]", "base: [numeric, {use: ./square.py}]"), ("metric: rmse", "metric: ./cubed.py")
    )
    own = str(toy.folder / "square.py")
    with pytest.raises(RecipeError, match="is to run it"):
        kit.api.show("features", own)
    assert [page.summary for page in kit.api.show("features", own, trust=True)] == [""]
    refused = toy.kit("run", str(toy.folder / "r.yaml"))
    assert refused.code == 2 and "must be trusted" in refused.err and "--trust" in refused.err
    assert refused.err.count("must be trusted") == 1 and "got:     ./square.py, ./cubed.py" in refused.err
    assert not (toy.root / "oof").exists()
    assert toy.run("--trust").stages["run"] == 14
    assert toy.card("a")["metric"] == "cubed.py"
    assert {f["use"] for f in toy.card("a")["features"]} == {"numeric", "square.py"}
    moved = toy.folder / "deeper"
    moved.mkdir()
    (toy.folder / "square.py").rename(moved / "sq.py")
    text = (toy.folder / "r.yaml").read_text().replace("./square.py", "deeper/sq.py")
    toy.write(text)
    assert toy.run("--trust").stages["run"] == 0
    (moved / "sq.py").write_text(OWN_FEATURE.replace("** 2", "** 3"))
    assert toy.run("--trust").stages["run"] == 2 * 4 + 2 + 1


def test_a_file_that_is_no_plug_in_is_told(toy):
    (toy.folder / "broken.py").write_text("1 / 0\n")
    toy.edit(("base: [numeric, category]", "base: [numeric, {use: ./broken.py}]"))
    done = toy.kit("run", str(toy.folder / "r.yaml"), "--trust")
    assert done.code == 2 and "fails on import" in done.err and "ZeroDivisionError" in done.err


OWN_STACKER = """
from dataclasses import dataclass
from kit import params as base
from kit.types import Pred

LIBS, TASKS, LINEAR, PER_FOLD, SOURCES, RETURNS = (), ("regression",), False, True, (1, 9), None

class Params(base.Params):
    pass

@dataclass(frozen=True)
class Nothing:
    weights: None = None
    def __call__(self, z, ctx):
        return Pred(z[0] * float("nan"))

def fit(params, ctx, z, y, v):
    return Nothing()
"""


def test_what_files_of_ones_own_do_amiss_is_told_and_the_rest_goes_on(toy):
    """A stacker that raised ended the command with a traceback; one that returned NaN had them submitted."""
    (toy.folder / "square.py").write_text(
        OWN_FEATURE.replace("    return Square(", "    {}['gone']\n    return Square(")
    )
    (toy.folder / "stack.py").write_text(OWN_STACKER)
    toy.edit(
        ("base: [numeric, category]", "base: [numeric, category]\n  own: [{use: ./square.py}]"),
        ("a: {use: lightgbm, features: base", "a: {use: lightgbm, features: [base, own]"),
        ("{use: mean, from: [a, b]}", "{use: ./stack.py, from: [b]}"),
    )
    done = toy.kit("run", str(toy.folder / "r.yaml"), "--trust")
    assert done.code == 3 and "Traceback" not in done.err
    line = next(i for i, text in enumerate((toy.folder / "square.py").read_text().splitlines(), 1) if "gone" in text)
    assert f"square.py:{line}: learn fails" in done.err and "KeyError: 'gone'" in done.err
    assert "stack.py: the stacker's predictions are not finite" in done.err
    assert toy.card("b")["score"] > 0 and not (toy.root / "submissions").exists()
    (toy.folder / "stack.py").write_text(OWN_STACKER.replace("return Nothing()", "return y / 'x'"))
    done = toy.kit("run", str(toy.folder / "r.yaml"), "--trust", "--only", "b")
    assert "stack.py:18: fit fails" in done.err and "Traceback" not in done.err
