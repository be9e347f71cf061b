"""Overlap of texts, prototypes of keys, nearest learning rows: slow references, and what must not be seen."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

import numpy as np
import pytest

from kit.errors import DataError, RecipeError
from kit.features import _near, _ngrams, neighbours, overlap, prototype, term_overlap
from kit.types import NO_PARENT, Column, Rows, Task

REGRESSION = Task("regression")
LEFT = ("The red car, 1,200 km", "a", "hat", "", "犬が好き", "x 3.5 y 7", "same text", "Äpfel und Birnen")
RIGHT = ("the RED cars: 1200 km!", "bcd", "hat", "hat", "猫が好き", "7 then 8", "same text", "und")


def text_rows(left: tuple[str, ...] = LEFT, right: tuple[str, ...] = RIGHT) -> Rows:
    columns, header = {}, {}
    for name, texts in (("l", left), ("r", right)):
        levels = tuple(sorted(set(texts)))
        columns[name] = np.array([levels.index(text) for text in texts], np.int32)
        header[name] = Column("text", levels)
    return Rows(np.arange(len(left)), columns, header)


def overlaps(rows: Rows, **params: object) -> dict[str, np.ndarray]:
    made = overlap.learn(
        overlap.Params.model_validate({"pairs": [["l", "r"]], **params}), REGRESSION, rows, np.random.default_rng(0)
    )(rows)
    return {name.partition("(")[0]: made.x[:, j] for j, name in enumerate(made.names)}


def grams(text: str, n: int) -> set[str]:
    return {text[i : i + n] for i in range(max(1, len(text) - n + 1))} - {""}


def shares(a: set[str], b: set[str]) -> tuple[float, float, float]:
    if not a and not b:
        return 1.0, 1.0, 1.0
    both = len(a & b)
    return both / len(a | b), both / len(a) if a else 0.0, both / len(b) if b else 0.0


def term_overlaps(rows: Rows, learn: Rows | None = None, **params: object) -> np.ndarray:
    given = term_overlap.Params.model_validate({"pairs": [["l", "r"]], **params})
    made = term_overlap.learn(given, REGRESSION, rows if learn is None else learn, np.random.default_rng(0))
    return made(rows).x.astype(np.float64)


@pytest.mark.parametrize(
    ("terms", "runs"), [("words", (1, 1)), ("words", (1, 2)), ("chars", (2, 2)), ("chars", (1, 3))]
)
def test_terms_count_as_rare_as_they_are(terms: str, runs: tuple[int, int]) -> None:
    """Against sets of strings and dictionaries: cosine of idf, and shares of each side's idf."""

    def cut(text: str) -> set[str]:
        pieces = _ngrams.words(text.lower()) if terms == "words" else text.lower()
        sizes = range(runs[0], runs[1] + 1)
        return {
            "|".join(pieces[i : i + n])
            for n in sizes
            for i in range(max(1, len(pieces) - n + 1))
            if len(pieces[i : i + n])
        }

    texts = {text: cut(text) for text in {*LEFT, *RIGHT}}
    df = {term: sum(term in cut for cut in texts.values()) for cut in texts.values() for term in cut}
    idf = {term: np.log((1 + len(texts)) / (1 + n)) + 1 for term, n in df.items()}
    found = term_overlaps(text_rows(), terms=terms, runs=runs)
    for row, left, right in zip(found, LEFT, RIGHT, strict=True):
        a, b = texts[left], texts[right]
        weigh = [sum(idf[t] ** 2 for t in one) for one in (a, b, a & b)]
        plain = [sum(idf[t] for t in one) for one in (a, b, a & b)]
        cosine = weigh[2] / np.sqrt(weigh[0] * weigh[1]) if a and b else float(not a and not b)
        sides = [plain[2] / whole if whole else 0.0 for whole in plain[:2]]
        np.testing.assert_allclose(row, [cosine, *sides], rtol=1e-5, atol=1e-6)


def test_a_term_nobody_has_weighs_most() -> None:
    """Rows of new texts: what they share with each other weighs more than what all texts share."""
    learn = text_rows(("the car", "the dog", "the hat"), ("the sea", "the sun", "the sky"))
    new = text_rows(("the zebra", "the zebra"), ("the quagga", "a zebra"))
    found = term_overlaps(new, learn, sides=False)
    assert found.shape == (2, 1) and found[1, 0] > 1.5 * found[0, 0] > 0


def test_without_sides_one_column_is_left_of_each() -> None:
    whole, short = overlaps(text_rows()), overlaps(text_rows(), sides=False)
    assert list(short) == ["chars_shared", "words_shared", "numbers_shared", "length_ratio", "words_ratio", "edit"]
    for name, column in short.items():
        np.testing.assert_array_equal(column, whole[name])


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("n", [1, 3, 5])
def test_shared_characters_and_words(n: int, lower: bool) -> None:
    found = overlaps(text_rows(), char_run=n, lower=lower)
    for i, pair in enumerate(zip(LEFT, RIGHT, strict=True)):
        a, b = (text.lower() if lower else text for text in pair)
        made = [found[f"chars_{part}"][i] for part in ("shared", "of_first", "of_second")]
        np.testing.assert_allclose(made, shares(grams(a, n), grams(b, n)), rtol=1e-6)
        one, two = (
            set(re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\W\u3040-\u30ff\u4e00-\u9fff]+", t)) for t in (a, b)
        )
        made = [found[f"words_{part}"][i] for part in ("shared", "of_first", "of_second")]
        np.testing.assert_allclose(made, shares(one, two), rtol=1e-6)


def test_runs_of_words() -> None:
    rows = text_rows(("a b c d", "a"), ("b c d e", "a b"))
    assert overlaps(rows, kinds=["words"], word_run=2)["words_shared"].tolist() == [0.5, 0.0]


def test_shared_numbers_lengths_and_edits() -> None:
    found = overlaps(text_rows())
    assert found["numbers_shared"].tolist() == pytest.approx([1, 1, 1, 1, 1, 1 / 3, 1, 1])
    assert found["numbers_of_first"][5] == pytest.approx(0.5)
    np.testing.assert_allclose(
        found["length_ratio"],
        [np.log((len(a) + 1) / (len(b) + 1)) for a, b in zip(LEFT, RIGHT, strict=True)],
        rtol=1e-6,
    )
    assert found["words_ratio"][1] == 0 and found["words_ratio"][7] == pytest.approx(np.log(4 / 2))
    assert found["edit"][[2, 3, 6]].tolist() == [1, 0, 1]


def slow_common(a: str, b: str) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        last = row[:]
        for j, y in enumerate(b):
            row[j + 1] = last[j] + 1 if x == y else max(last[j + 1], row[j])
    return row[-1]


def test_edit_is_the_longest_common_subsequence() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        a, b = ("".join(rng.choice(list("abcd é"), rng.integers(0, 90))) for _ in range(2))
        assert _ngrams.common_length(a, b) == slow_common(a, b)
        assert 2 * slow_common(a, b) >= difflib.SequenceMatcher(None, a, b).ratio() * (len(a) + len(b)) - 1e-9
    rows = text_rows(("abcdef",), ("abXXXX",))
    assert overlaps(rows, edit_chars=2)["edit"].tolist() == [1.0]


def test_missing_texts_and_unknown_columns() -> None:
    rows = text_rows()
    rows = replace(rows, x={"l": np.where(np.arange(8) == 1, -1, rows.x["l"]), "r": rows.x["r"]})
    missing = np.isnan(np.column_stack(list(overlaps(rows).values())))
    assert missing[1].all() and not np.delete(missing, 1, axis=0).any()
    with pytest.raises(RecipeError, match="unknown column"):
        overlaps(rows, pairs=[["l", "right"]])


def test_pairs_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    left, right = (tuple(str(w) for w in rng.choice([*LEFT, *RIGHT], 60)) for _ in range(2))
    whole = overlaps(text_rows(left, right))
    monkeypatch.setattr(overlap, "CHUNK", 40)
    for name, column in overlaps(text_rows(left, right)).items():
        np.testing.assert_array_equal(column, whole[name])


# -- prototypes

KEYS = 5


def vector_rows(n: int = 60, seed: int = 0, groups: bool = False) -> Rows:
    rng = np.random.default_rng(seed)
    key = rng.integers(-1, KEYS - 1, n).astype(np.int32)  # the last key has no row
    vec = (rng.normal(size=(KEYS, 6))[key] + rng.normal(size=(n, 6))).astype(np.float32)
    vec[3], vec[4] = np.nan, 0
    vec[8] = vec[7]
    key[8] = key[7] = 1
    header = {"v": Column("vector", width=6), "key": Column("category", tuple("abcde"))}
    group = rng.integers(0, 12, n) if groups else None
    y = rng.normal(size=n) + key
    return Rows(np.arange(n), {"v": vec, "key": key}, header, y=y, w=rng.uniform(0.5, 2, n), group=group)


def prototypes(rows: Rows) -> prototype.Prototype:
    params = prototype.Params.model_validate({"vector": "v", "key": "key"})
    return prototype.learn(params, REGRESSION, rows, np.random.default_rng(0))


def slow_prototype(rows: Rows, vec: np.ndarray, key: int, known: bool) -> list[float]:
    def one(v: np.ndarray) -> np.ndarray:
        return v / np.linalg.norm(v)

    def others(k: int) -> list[np.ndarray]:
        mine = [one(v) for v, c in zip(rows.x["v"], rows.x["key"], strict=True) if c == k and np.linalg.norm(v) > 0]
        distinct = [v for i, v in enumerate(mine) if not any((v == u).all() for u in mine[:i])]
        return [v for v in distinct if not (k == key and known and np.allclose(v, one(vec), atol=1e-7))]

    means = {k: np.mean(others(k), axis=0) for k in range(KEYS) if others(k)}
    cosine = {k: float(one(vec) @ one(m)) for k, m in means.items()}
    rest = [c for k, c in cosine.items() if k != key]
    own = cosine.get(key, np.nan)
    return [own, max(rest), own - max(rest), sum(c > own for c in rest) / len(rest) if key in cosine else np.nan]


def test_prototypes_leave_the_own_vector_out() -> None:
    rows = vector_rows()
    made = prototypes(rows)(rows)
    for i in range(len(rows)):
        if i in (3, 4):
            assert np.isnan(made.x[i]).all()
        else:
            expected = slow_prototype(rows, rows.x["v"][i], int(rows.x["key"][i]), True)
            np.testing.assert_allclose(made.x[i], expected, atol=2e-6)
    new = vector_rows(seed=5)
    for i in (0, 10, 20):
        expected = slow_prototype(rows, new.x["v"][i], int(new.x["key"][i]), False)
        np.testing.assert_allclose(prototypes(rows)(new).x[i], expected, atol=2e-6)


def test_prototypes_of_keys_alone_or_unheard_of() -> None:
    rows = vector_rows()
    key = rows.x["key"].copy()
    key[10] = KEYS - 1  # its only row
    learnt = prototypes(replace(rows, x={**rows.x, "key": key}))
    header = {**rows.header, "key": Column("category", tuple("abcdefg"))}
    key[11] = 6
    made = learnt(replace(rows, x={**rows.x, "key": key}, header=header)).x
    assert np.isnan(made[[10, 11]][:, [0, 2, 3]]).all() and np.isfinite(made[[10, 11], 1]).all()


def test_prototypes_need_vectors_and_keys() -> None:
    rows = vector_rows()
    for wrong in ({"vector": "key", "key": "key"}, {"vector": "v", "key": "v"}):
        with pytest.raises(RecipeError, match="prototype takes"):
            prototype.learn(prototype.Params.model_validate(wrong), REGRESSION, rows, np.random.default_rng(0))


# -- neighbours


def ask(rows: Rows, task: Task = REGRESSION, **params: object) -> neighbours.Neighbours:
    given = neighbours.Params.model_validate({"columns": ["v"], "k": 4, **params})
    return neighbours.learn(given, task, rows, np.random.default_rng(0))


def slow_neighbours(known: Rows, allowed: list[int], vec: np.ndarray, params: neighbours.Params) -> list[float]:
    def cosine(j: int) -> float:
        v = known.x["v"][j].astype(np.float64)
        return float(v @ vec / np.linalg.norm(v) / np.linalg.norm(vec)) if np.linalg.norm(v) > 0 else np.nan

    near = sorted(((cosine(j), -j) for j in allowed if cosine(j) == cosine(j)), reverse=True)[: params.k]
    weight = np.array(
        [known.w[-j] * (np.exp(c / params.temperature) if params.kernel == "softmax" else 1) for c, j in near]
    )
    y = np.array([known.y[-j] for _, j in near])
    mean = (weight * y).sum() / weight.sum()
    spread = np.sqrt((weight * (y - mean) ** 2).sum() / weight.sum())
    return [mean, spread, (weight * [c for c, _ in near]).sum() / weight.sum()]


@pytest.mark.parametrize("kernel", ["uniform", "softmax"])
def test_new_rows_ask_the_nearest_learning_rows(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, new = vector_rows(groups=True), vector_rows(seed=5)
    learnt = ask(rows, kernel=kernel)
    made = learnt(new.blind())
    assert made.names == ("near_mean(v)", "near_spread(v)", "nearness(v)")
    for i in range(len(new)):
        if i in (3, 4):
            assert np.isnan(made.x[i]).all()
            continue
        expected = slow_neighbours(rows, list(range(60)), new.x["v"][i].astype(float), learnt.params)
        np.testing.assert_allclose(made.x[i], expected, rtol=2e-5, atol=2e-6)
    monkeypatch.setattr(_near, "BLOCK", 200)
    assert learnt(new).x.tobytes() == made.x.tobytes(), "small blocks"


def test_rows_of_a_group_do_not_ask_each_other() -> None:
    rows = vector_rows(groups=True)
    learnt = ask(rows)
    asked = learnt(rows)
    for i in (0, 9, 33):
        allowed = [j for j in range(60) if rows.group[j] != rows.group[i]]
        expected = slow_neighbours(rows, allowed, rows.x["v"][i].astype(float), learnt.params)
        np.testing.assert_allclose(asked.x[i], expected, rtol=2e-5, atol=2e-6)
    assert learnt.own is not None
    for i in (0, 9, 33):
        mates = rows.group == rows.group[i]
        again = ask(replace(rows, y=np.where(mates, 1e6, rows.y))).own
        assert again is not None and again.x[i].tobytes() == learnt.own.x[i].tobytes()


def test_synthetic_rows_do_not_ask_their_parents() -> None:
    for groups in (False, True):
        rows = vector_rows(groups=groups)
        learnt = ask(rows, k=6)
        base = rows.take(np.array([12, 20]))
        parents = np.array([[12, 30], [20, NO_PARENT]])
        child = replace(base, row=np.array([-1, -2]), parents=parents).blind()
        made = learnt(child).x
        for i, mine in enumerate(([12, 30], [20])):
            out = [j for j in range(60) if j in mine or (groups and rows.group[j] in rows.group[mine])]
            allowed = [j for j in range(60) if j not in out]
            vec = rows.x["v"][mine[0]].astype(float)
            np.testing.assert_allclose(
                made[i], slow_neighbours(rows, allowed, vec, learnt.params), rtol=2e-5, atol=2e-6
            )


def test_classes_give_shares_and_rows_without_weight_have_no_say() -> None:
    rows = vector_rows()
    task = Task("multiclass", "softmax", ("x", "y", "z"))
    y = np.arange(60) % 3
    block = ask(replace(rows, y=y.astype(float)), task)(vector_rows(seed=5))
    assert block.names[:3] == ("near_mean(v|x)", "near_mean(v|y)", "near_mean(v|z)") and block.x.shape[1] == 7
    np.testing.assert_allclose(np.delete(block.x, [3, 4], axis=0)[:, :3].sum(axis=1), 1, rtol=1e-6)
    w = np.where(np.arange(60) % 2 == 0, 0.0, rows.w)
    one, two = (ask(replace(rows, w=w, y=np.where(w == 0, bad, rows.y))) for bad in (1e9, 0.0))
    assert one(vector_rows(seed=5)).x.tobytes() == two(vector_rows(seed=5)).x.tobytes()


def test_several_columns_count_the_same() -> None:
    rows = vector_rows()
    scaled = replace(rows, x={**rows.x, "u": rows.x["v"] * 100}, header={**rows.header, "u": rows.header["v"]})
    one, two = ask(rows)(rows), ask(scaled, columns=["v", "u"])(scaled)
    np.testing.assert_allclose(one.x, two.x, rtol=1e-4, atol=1e-5)


def test_equal_vectors_are_told_apart_by_their_order() -> None:
    vectors = np.ones((50, 3), np.float32) / np.float32(np.sqrt(3))
    for n in (1, 7, 50):
        found, cosine = _near.nearest(vectors[:n], vectors, 3, lambda q: np.zeros((len(q), 50), np.bool_))
        assert (found == [0, 1, 2]).all()
        np.testing.assert_allclose(cosine, 1, rtol=1e-6)


def test_one_group_alone_cannot_be_asked() -> None:
    with pytest.raises(DataError, match="neighbours needs at least 2 groups"):
        ask(replace(vector_rows(), group=np.zeros(60, np.int64)))
