"""Batches side by side, and linear layers in eight bits: exact sums, bounded rounding, the same bits everywhere."""

from __future__ import annotations

import copy
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import textmodel
import torch
from pydantic import ValidationError
from torch import nn

from kit.errors import RecipeError
from kit.features import _beside, _encoder, _int8, embed
from kit.features._beside import beside
from kit.features._encoder import Encoder, Reading
from kit.features._int8 import Int8Linear, in_eight_bits, product

DTYPES = ("float32", "bfloat16", "int8")
TEXTS = [f"{a} {b} " * n for a in ("red", "old", "x y") for b in ("sea", "hat z") for n in (1, 2, 3, 5, 9)]


def encoded(texts: list[str], dtype: str = "int8") -> np.ndarray:
    return Encoder(textmodel.folder(), "cpu", Reading(None, None, "raise", None, dtype)).encode(texts)  # type: ignore[arg-type]


@pytest.fixture(params=["as it is", "in float32"])
def way(request, monkeypatch):
    """Both ways to take a product: the processor's own if it has one, and the one for all others."""
    if request.param == "in float32":
        monkeypatch.setattr(_int8, "_fast", lambda: False)


# -- side by side


@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_hang_neither_on_the_cores_nor_on_company(monkeypatch, dtype):
    monkeypatch.setattr(_encoder, "budget", lambda *_: 32)
    made = {}
    for count in (1, 2, 5):
        monkeypatch.setattr(_beside, "cores", lambda count=count: count)
        made[count] = encoded(TEXTS, dtype)
    assert made[1].tobytes() == made[2].tobytes() == made[5].tobytes()
    for i in (0, 4, 13, 29):
        assert encoded([TEXTS[i]], dtype)[0].tobytes() == made[1][i].tobytes()


def test_jobs_are_done_at_once_each_by_one_core(monkeypatch):
    monkeypatch.setattr(_beside, "cores", lambda: 2)
    before, alive = torch.get_num_threads(), threading.active_count()
    both, seen = threading.Barrier(2), []

    def work(job: int) -> None:
        both.wait(30)
        seen.append((job, torch.get_num_threads()))

    beside(work, range(4), "cpu")
    assert sorted(seen) == [(job, 1) for job in range(4)]
    beside(lambda job: seen.append((job, torch.get_num_threads())), [4], "cpu")
    assert seen[-1] == (4, 2), "one job alone has all cores"
    assert (torch.get_num_threads(), threading.active_count()) == (before, alive)


def test_a_gpu_has_one_stream(monkeypatch):
    monkeypatch.setattr(_beside, "cores", lambda: 4)
    seen = []
    beside(lambda job: seen.append((job, threading.current_thread())), range(9), "cuda")
    assert seen == [(job, threading.main_thread()) for job in range(9)]
    beside(print, [], "cpu")


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, KeyboardInterrupt])
def test_what_a_job_raises_comes_out_and_ends_the_rest(monkeypatch, error):
    monkeypatch.setattr(_beside, "cores", lambda: 2)
    before, alive, seen = torch.get_num_threads(), threading.active_count(), []
    failed = threading.Event()

    def work(job: int) -> None:
        seen.append(job)
        if job == 0:
            failed.set()
            raise error("full")
        failed.wait(30)
        time.sleep(0.001)  # the other thread gets to note its error

    with pytest.raises(error, match="full"):
        beside(work, range(10_000), "cpu")
    assert len(seen) < 10_000
    assert (torch.get_num_threads(), threading.active_count()) == (before, alive)
    beside(seen.append, [-1, -2], "cpu")
    assert {-1, -2} <= set(seen), "the next call is not held up"


def test_a_batch_has_more_of_the_windows_a_long_text_has_many_of(monkeypatch):
    encoder = Encoder(textmodel.folder(), "cpu", Reading(None, None, "raise", None, "float32"))
    seen = []
    monkeypatch.setattr(
        Encoder, "_forward", lambda _, w, length: seen.append((length, len(w))) or np.zeros((len(w), 12))
    )
    encoder.encode(["red sea " * 30, "old hat"])
    assert set(seen) == {(24, 1024 // 24), (8, 256 // 8)}


# -- eight bits


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 12, 5), (40, 384, 24), (2, 2500, 3)])
def test_products_are_exact_sums(way, shape):
    n, k, m = shape
    rng = np.random.default_rng(0)
    a, b = rng.integers(-127, 128, (n, k)), rng.integers(-127, 128, (k, m))
    for left, right in ((a, b), (np.full_like(a, 127), np.full_like(b, -127)), (np.full_like(a, 127), b)):
        taken = torch.from_numpy(left).to(torch.int8), torch.from_numpy(right).to(torch.int8)
        made = product(*taken, torch.full((n, m), torch.nan))
        np.testing.assert_array_equal(made.numpy(), (left @ right).astype(np.float32))


def test_a_processor_whose_products_saturate_is_found_out(monkeypatch):
    def saturating(a, b):
        return (a.int() @ b.int()).clamp(-(2**15), 2**15 - 1)

    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch, "_int_mm", saturating)
    assert not _int8._fast.__wrapped__()
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: a.int() @ b.int())
    assert _int8._fast.__wrapped__()
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False, raising=False)
    assert not _int8._fast.__wrapped__()


@pytest.mark.parametrize("bias", [True, False])
def test_the_error_of_a_layer_is_within_half_a_step(way, bias):
    torch.manual_seed(0)
    layer, x = nn.Linear(30, 7, bias=bias), torch.randn(4, 5, 30) * torch.logspace(-20, 20, 5)[:, None]
    w = layer.weight.detach().double()
    step_w, step_x = (t.abs().amax(-1, keepdim=True).double() / 127 for t in (w, x))
    sizes = x.double().abs().sum(-1, keepdim=True), w.abs().sum(-1)
    bound = (sizes[0] * step_w[:, 0] + step_x * sizes[1]) / 2 + 30 * step_x * step_w[:, 0] / 4
    exact = nn.functional.linear(x.double(), w, layer.bias.detach().double() if bias else None)
    with torch.inference_mode():
        made = Int8Linear(layer)(x)
    assert (made.shape, made.dtype) == ((4, 5, 7), torch.float32)
    assert ((made - exact).abs() <= bound * (1 + 1e-4) + 1e-6).all()
    assert ((made - exact).abs() > 0).any()


def test_rows_do_not_know_each_other(way):
    torch.manual_seed(0)
    layer, x = Int8Linear(nn.Linear(16, 4)), torch.randn(6, 16)
    x[1], x[2, 3], x[3, 5], x[4] = 0, torch.nan, torch.inf, 1e-42
    with torch.inference_mode():
        made = layer(x)
        alone = torch.cat([layer(row[None]) for row in x])
    torch.testing.assert_close(made, alone, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(made[1], layer.bias) and torch.equal(made[4], layer.bias)
    assert made[2].isnan().all() and not made[3].isfinite().any()
    assert made[[0, 5]].isfinite().all()


def test_the_model_itself_stays_and_what_is_no_plain_linear_layer_is_shared():
    class Other(nn.Linear):
        pass

    model = nn.Sequential(nn.Embedding(5, 8), nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)), Other(8, 2))
    made, count = in_eight_bits(model)
    assert count == 1 and type(model[1][0]) is nn.Linear and isinstance(made[1][0], Int8Linear)
    assert made[0].weight is model[0].weight and type(made[2]) is Other and made[2].weight is model[2].weight
    before = encoded(TEXTS, "float32")
    encoded(TEXTS)
    assert encoded(TEXTS, "float32").tobytes() == before.tobytes()


def test_vectors_in_eight_bits_point_where_those_in_float32_do(monkeypatch):
    exact, made = encoded(TEXTS, "float32"), encoded(TEXTS)
    assert made.tobytes() != exact.tobytes()
    monkeypatch.setattr(_int8, "_fast", lambda: False)
    assert encoded(TEXTS).tobytes() == made.tobytes(), "on any processor"
    bert = copy.deepcopy(_encoder._load(str(textmodel.folder()), "cpu")[0].model)
    tokens = torch.arange(60).reshape(3, 20)
    with torch.inference_mode():
        for layer in (layer for layer in bert.modules() if type(layer) is nn.Linear):
            layer.weight *= 20  # fresh weights are so small that linear layers hardly matter
        both = [model(tokens).last_hidden_state for model in (bert, in_eight_bits(bert)[0])]
    cosine = nn.functional.cosine_similarity(*(x.flatten(1) for x in both))
    assert 0.99 < cosine.min() < 0.99999


def test_what_cannot_be_in_eight_bits_is_refused(monkeypatch):
    with pytest.raises(ValidationError, match="'float32', 'bfloat16' or 'int8'"):
        embed.Params.model_validate({"text": "t", "model": "m", "dtype": "int4"})
    with pytest.raises(RecipeError, match="int8 is for the CPU") as caught:
        Encoder(Path("m"), "cuda", Reading(None, None, "raise", None, "int8"))
    assert "dtype: bfloat16" in str(caught.value)
    monkeypatch.setattr(_encoder, "_load", lambda *_: [nn.Embedding(3, 2)])
    with pytest.raises(RecipeError, match="no linear layers") as caught:
        _encoder._lean_layers.__wrapped__("m", "int8")
    assert "dtype: float32" in str(caught.value)
