"""The stages of a reference recipe and what their keys are made of. A change here makes every user's cache stale.

`KIT_GOLDEN=write pytest tests/golden` writes the file anew; read the difference before you keep it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kit import registry
from kit.api import open_recipe

GOLDEN = Path(__file__).parent / "plan.json"

RECIPE = """\
data: {train: train.csv, test: test.csv, sample: sample.csv, id: id, target: y, groups: g, drop: [x9]}
metric: mae
also: [rmse]
split: {use: group, folds: 2}
seed: 7
stop: {use: cut, folds: 4}
columns:
  shade: {use: lookup, key: c, names: names.json, vectors: vectors.npy}
augment:
  noise: {use: jitter, columns: [x1], std: 0.5}
features:
  base: [numeric, category]
  more: [{use: target_mean, columns: [c]}, {use: vector, columns: [shade]}]
models:
  lgbm: {use: lightgbm, features: base, params: {n_estimators: 50, path_smooth: 2}, stop: refit}
  xgb:  {use: xgboost, features: [base, more], augment: noise, seeds: 2, target_transform: log1p}
  cat:  {use: catboost, features: base, stop: {use: pooled}, weights: label_frequency}
  net:  {use: hetero_mlp, features: more}
blend:
  stack: {use: hill_climb, from: [lgbm, xgb, cat, net]}
  final: {use: round, from: stack, step: 0.5}
submit: {from: final}
"""


def masked(value: Any, names: dict[str, str]) -> Any:
    """Return the value with keys of stages by name, other digests as <sha256> and versions as <version>."""
    if isinstance(value, dict):
        return {masked(k, names): masked(v, names) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(v, names) for v in value]
    if not isinstance(value, str):
        return value
    if value in names:
        return f"<{names[value]}>"
    if value.startswith("@"):
        return next((f"@<{name}>" for key, name in names.items() if key.startswith(value[1:])), value)
    if re.fullmatch(r"[0-9a-f]{16,64}", value):
        return "<digest>"
    return value


KINDS = {
    **{"model": "models", "features": "features", "feature": "features", "augment": "augment", "weights": "weights"},
    **{"codec": "codecs", "split": "splits", "stacker": "stackers"},
}
"""Ingredient -> the folder its plug-in is in."""


def without_defaults(value: Any, kind: str = "") -> Any:
    """Return the value with parameters that have their default as <default>: those may be tuned without a word here."""
    if isinstance(value, list):
        return [without_defaults(v, kind) for v in value]
    if not isinstance(value, dict):
        return value
    if kind and "params" in value:
        fields = registry.load(kind, value["use"]).Params.model_fields
        default = {
            name: json.loads(json.dumps(f.get_default(call_default_factory=True), default=str))
            for name, f in fields.items()
        }
        params = {k: "<default>" if v == default[k] else v for k, v in value["params"].items()}
        return {**value, "params": params}
    return {k: without_defaults(v, KINDS.get(k, "")) for k, v in value.items()}


def write(folder: Path) -> None:
    n = np.arange(24)
    frame = pl.DataFrame(
        {
            "id": n,
            "x1": n / 10,
            "x2": (n * 7 % 24) / 4,
            "x9": n / 3,
            "c": np.array(["r", "g", "b"])[n % 3],
            "g": n // 4,
            "y": n / 8,
        }
    )
    frame.write_csv(folder / "train.csv")
    frame.drop("y").with_columns(id=pl.col("id") + 100).write_csv(folder / "test.csv")
    frame.select(pl.col("id") + 100, pl.lit(0.0).alias("y")).write_csv(folder / "sample.csv")
    (folder / "names.json").write_text(json.dumps(["r", "g", "b"]))
    np.save(folder / "vectors.npy", np.arange(6.0).reshape(3, 2))
    (folder / "r.yaml").write_text(RECIPE)


def test_the_stages_of_the_reference_recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    write(tmp_path)
    opened = open_recipe(tmp_path / "r.yaml", (), tmp_path / "out")
    names = {s.key: s.name for s in opened.plan.stages}
    found = []
    for stage in opened.plan.stages:
        made = json.loads(json.dumps(stage.ingredients))
        if "libs" in made:
            made["libs"] = dict.fromkeys(sorted(made["libs"]), "<version>")
        line = {"name": stage.name, "verb": stage.verb, "inputs": [names.get(i, i) for i in stage.inputs]}
        # Folds and seeds of a model differ in these two numbers alone; the first tells the rest.
        shown = stage.verb not in ("fit", "curve") or (made["fold"], made["seed_index"]) == (0, 0)
        found.append({**line, "ingredients": masked(without_defaults(made), names) if shown else "as fold 0"})
    if os.environ.get("KIT_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    assert found == json.loads(GOLDEN.read_text("utf-8"))
