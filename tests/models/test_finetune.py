"""finetune: what it learns of texts and of the numbers beside them, what stays as it was, and its faults in words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import textmodel

from kit._finetune import body, cost, rows, train
from kit.contracts import Run
from kit.errors import RecipeError
from kit.features import tokens
from kit.models import finetune
from kit.types import Block, Column, Design, Floats, Rows, Task, TaskKind

LEVELS = tuple(sorted(f"{a} {b}" for a in ("red", "green", "blue", "old", "new") for b in ("car", "dog", "hat", "sea")))
RED = np.array([text.startswith("red") for text in LEVELS])
SQUARED = Task("regression", "squared")
QUICK = {"batch": 25, "lr": 3e-3, "head_lr": 0.02, "epochs": 12}


@cache
def design(n: int = 200, seed: int = 0, **given: Any) -> Design:
    """Return rows whose y is 3 where the text begins with red, else 0, and some noise; a number beside the text."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(LEVELS), n).astype(np.int32)
    params = tokens.Params(text="t", model=str(textmodel.folder()), length=8)
    asked = Rows(np.arange(n), {"t": codes}, {"t": Column("text", LEVELS)})
    block = tokens.learn(params, SQUARED, asked, rng)(asked)
    number = Block(("a",), rng.normal(size=(n, 1)).astype(np.float32))
    y = 3.0 * RED[codes] + 0.1 * rng.normal(size=n)
    return Design((number, block), y, np.ones(n), np.ones(n))


def fitted(made: Design, task: Task = SQUARED, stop: Design | None = None, **given: Any) -> Any:
    params = finetune.Params(**{**QUICK, **given})
    run = Run(np.random.default_rng(3))
    return finetune.fit(params, task, finetune.prepare(params, task, made, stop, run), run)


def error(model: Any, made: Design) -> float:
    said = model.predict(replace(made, y=None))
    return float(np.sqrt(((said.mean[:, 0] - made.y) ** 2).mean()))


@pytest.mark.parametrize("given", [{}, {"loss": "mse"}, {"pooling": "first"}, {"inner_dropout": False}, {"hidden": 8}])
def test_it_learns_what_texts_say(given: dict[str, Any]) -> None:
    assert error(fitted(design(), **given), design(seed=1)) < 0.5 * float(np.std(design(seed=1).y))


def test_it_reads_the_numbers_beside_the_texts() -> None:
    def told(seed: int) -> Design:
        made = design(seed=seed)
        return replace(made, y=made.y + 2.0 * made.blocks[0].x[:, 0])

    model = fitted(told(0), epochs=30)
    without = replace(told(1), blocks=(Block(("a",), np.zeros((200, 1), np.float32)), told(1).blocks[1]))
    assert error(model, told(1)) < 0.6 * error(model, without)


def test_a_category_of_many_levels_is_read() -> None:
    made, rng = design(), np.random.default_rng(5)
    codes = rng.integers(0, 12, len(made)).astype(np.float32)
    told = replace(
        made,
        y=np.where(codes % 2 == 0, 3.0, 0.0),
        blocks=(Block(("c",), codes[:, None], {"c": 12}), made.blocks[1]),
    )
    assert error(fitted(told, epochs=40, hidden=16), told) < 0.75


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classes_get_probabilities(kind: TaskKind) -> None:
    names = {"binary": (0, 1), "multiclass": (0, 1, 2)}[kind]
    task = Task(kind, "logloss" if kind == "binary" else "softmax", names, 1 if kind == "binary" else None)
    made = design()
    y: Floats = (made.y > 1.5).astype(np.float64)
    said = fitted(replace(made, y=y), task).predict(replace(made, y=None)).mean
    likeliest = said[:, 0] > 0.5 if kind == "binary" else said.argmax(axis=1) == 1
    assert said.shape == (200, task.n_out) and (likeliest == (y == 1)).mean() > 0.95


def test_frozen_layers_stay_and_higher_ones_move_more() -> None:
    model = fitted(design(), freeze=2)
    start = body.pretrained(textmodel.folder(), model.shape).state_dict()
    below = [n for n in start if "embeddings" in n or "layer.0." in n]
    above = [n for n in start if "layer.1." in n and n.endswith("dense.weight")]
    assert below and all(np.array_equal(start[n].numpy(), model.weights[n]) for n in below)
    assert above and not any(np.array_equal(start[n].numpy(), model.weights[n]) for n in above)
    depth, top = body.depths(body.pretrained(textmodel.folder(), model.shape))
    assert top == 2 and {depth[n.removeprefix("body.")] for n in below} == {0, 1}


def test_the_best_epoch_on_stop_rows_is_kept() -> None:
    model = fitted(design(), stop=design(60, seed=2), epochs=6)
    assert len(model.curve) == 6 and model.best_step == int(np.argmin(model.curve)) + 1
    assert error(model, design(60, seed=2)) == pytest.approx(model.curve.min(), rel=1e-4)


def test_a_fit_leaves_the_librarys_chance_as_it_was_and_repeats() -> None:
    import torch

    before = torch.random.get_rng_state()
    first, second = fitted(design()), fitted(design())
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(np.array_equal(value, second.weights[name]) for name, value in first.weights.items())


def test_a_text_has_the_same_bits_beside_any_other() -> None:
    model, made = fitted(design()), design(seed=1)
    every = model.predict(replace(made, y=None))
    part = Design(tuple(replace(b, x=b.x[50:53]) for b in made.blocks), None, np.ones(3), np.ones(3))
    assert model.predict(part).mean.tobytes() == every.mean[50:53].tobytes()


def test_batches_are_of_like_length_and_hold_every_row_once() -> None:
    length = np.random.default_rng(0).integers(4, 100, 500)
    batches = list(rows.shuffled(length, 10, np.random.default_rng(1)))
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert np.mean([np.ptp(length[b]) for b in batches]) < 0.1 * np.ptp(length)


def test_the_rate_rises_and_falls_to_nothing() -> None:
    assert [train.rate(t, 0.0) for t in (0.0, 0.5, 1.0)] == [1.0, 0.5, 0.0]


def test_the_size_of_a_text_model_is_that_of_its_weights() -> None:
    size, model = cost.size_of(textmodel.folder()), fitted(design())
    assert (size.width, size.layers) == (textmodel.WIDTH, 2)
    assert str(textmodel.folder()) not in model.config, "a kept model tells where it was trained"
    assert size.words * size.width == model.weights["body.embeddings.word_embeddings.weight"].size
    minilm = cost.Size(384, 6, 30_522)
    assert minilm.inner == 10_616_832 and 100 < minilm.seconds(2000, 64, 3, "cpu") < 400


def test_two_text_models_and_none_are_refused(tmp_path: Path) -> None:
    made = design()
    with pytest.raises(RecipeError, match=r"got:\s+no tokens[\s\S]*add the feature tokens"):
        fitted(replace(made, blocks=made.blocks[:1]))
    other = replace(made.blocks[1], text_model=str(tmp_path))
    with pytest.raises(RecipeError, match=r"got:\s+2 text models"):
        fitted(replace(made, blocks=(*made.blocks, other)))


def test_weights_that_are_a_pickle_are_not_read(tmp_path: Path) -> None:
    folder = shutil.copytree(textmodel.folder(), tmp_path / "old")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    made = design()
    spoilt = replace(made, blocks=(made.blocks[0], replace(made.blocks[1], text_model=str(folder))))
    with pytest.raises(RecipeError, match=r"weights cannot be read[\s\S]*model\.safetensors"):
        fitted(spoilt)
