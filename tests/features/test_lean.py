"""Layers of a BERT that write into memory they keep: the bits of those they stand for, and only where they fit."""

from __future__ import annotations

import threading

import pytest
import textmodel
import torch
from torch import nn
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

from kit.features import _encoder
from kit.features._encoder import Encoder, Reading
from kit.features._int8 import in_eight_bits, twin
from kit.features._lean import Lean, lean
from kit.features._scratch import scratch

TEXTS = [f"{a} {b} " * n for a in ("red", "old") for b in ("sea", "x y") for n in (1, 2, 5, 9)]
SIZES = {"vocab_size": 30, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


def bert(**settings) -> BertModel:
    """Return a fresh model whose weights are large enough to matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BertModel(BertConfig(**{**SIZES, "initializer_range": 0.3, **settings})).eval()


def lean_ones(module: nn.Module) -> int:
    return sum(isinstance(part, Lean) for part in module.modules())


def read(model: nn.Module, tokens: int = 9, **more):
    ids = torch.arange(3 * tokens).reshape(3, tokens) % 30
    mask = (torch.arange(tokens) < torch.tensor([[tokens], [tokens - 2], [1]])).long()
    with torch.inference_mode():
        return model(ids, attention_mask=mask, **more)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_text_has_the_bits_that_the_plain_layers_give(dtype):
    encoder = Encoder(textmodel.folder(), "cpu", Reading(None, None, "raise", None, dtype))
    made = encoder.encode(TEXTS)
    plain = _encoder._layers(encoder.model)
    assert (lean_ones(encoder.layers[0]), lean_ones(plain[0])) == (2, 0)
    encoder.layers = [in_eight_bits(plain[0])[0] if dtype == "int8" else plain[0], *plain[1:]]
    assert made.tobytes() == encoder.encode(TEXTS).tobytes()


def test_bfloat16_keeps_the_plain_layers():
    encoder = Encoder(textmodel.folder(), "cpu", Reading(None, None, "raise", None, "bfloat16"))
    assert lean_ones(encoder.layers[0]) == 0


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("tokens", [1, 9, 30])
def test_any_activation_length_and_mask(act, low, tokens):
    plain = in_eight_bits(bert(hidden_act=act))[0] if low else bert(hidden_act=act)
    made = lean(twin(plain))
    assert (lean_ones(made), lean_ones(plain)) == (2, 0)
    assert torch.equal(read(made, tokens).last_hidden_state, read(plain, tokens).last_hidden_state)


def test_of_other_kinds_those_built_alike_are_lean_and_the_rest_stay():
    alike = RobertaModel(RobertaConfig(**SIZES)).eval()
    made = lean(twin(alike))
    assert lean_ones(made) == 2 and torch.equal(read(made).last_hidden_state, read(alike).last_hidden_state)
    other = DistilBertModel(DistilBertConfig(vocab_size=30, dim=12, n_heads=2, n_layers=1, hidden_dim=16)).eval()
    assert lean_ones(lean(other)) == 0


def test_what_was_left_in_memory_is_in_no_vector():
    made = lean(bert())
    before = read(made).last_hidden_state
    with torch.inference_mode():
        for name in ("query", "key", "value", "short", "long", "sums"):
            scratch(name, 40, 200).fill_(torch.nan)
    assert torch.equal(read(made).last_hidden_state, before)
    first = before.clone()
    read(made, 30)
    assert torch.equal(before, first), "nor is a vector written over"


def test_memory_is_kept_by_name_and_thread():
    one = scratch("a test", 4, 5)
    assert scratch("a test", 2, 5).data_ptr() == one.data_ptr() != scratch("another", 4, 5).data_ptr()
    assert scratch("a test", 9, 9).shape == (9, 9)
    places: list[int] = []
    thread = threading.Thread(target=lambda: places.append(scratch("a test", 4, 5).data_ptr()))
    thread.start()
    thread.join()
    assert places[0] != scratch("a test", 4, 5).data_ptr()


@pytest.mark.parametrize(
    "settings",
    [
        {"attn_implementation": "eager"},
        {"output_hidden_states": True},
        {"output_attentions": True},
        {"is_decoder": True},
    ],
)
def test_a_model_of_which_more_is_asked_stays_as_it_is(settings):
    assert lean_ones(lean(bert(**settings))) == 0
    assert lean_ones(lean(bert().train())) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_a_layer_that_only_looks_like_one_stays_as_it_is(fails):
    model = bert()
    inner = model.encoder.layer[1]

    def other(states, mask=None, *_, **__):
        if fails:
            raise TypeError("no mask is known")
        return type(inner).forward(inner, states, mask) * 2

    inner.forward = other
    made = lean(model)
    assert isinstance(made.encoder.layer[0], Lean) and made.encoder.layer[1] is inner


def test_the_plain_layer_answers_what_is_beyond_states_and_mask():
    made = lean(bert()).encoder.layer[0]
    seen = []
    made.plain.forward = lambda *given, **more: seen.append((given, more))
    states = torch.zeros(1, 2, 12)
    made(states, None, states, cache="x")
    assert seen == [((states, None, states), {"cache": "x"})]
