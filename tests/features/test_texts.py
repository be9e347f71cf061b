"""tf-idf against scikit-learn, statistics of texts against plain Python."""

from __future__ import annotations

import string
import unicodedata

import numpy as np
import pytest
from helpers import columns_of, learn, made, rows_of
from pydantic import ValidationError
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from kit.errors import DataError
from kit.features import parts, text_stats, tfidf
from kit.types import Column, Rows

TEXTS = [
    "The cat sat on the mat",
    "the dog sat on the log; THE LOG!",
    "A cat and a dog",
    "logs and mats and cats",
    "nothing here",
    "the cat sat on the mat again, and again",
]


def test_terms_equal_those_of_scikit_learn() -> None:
    rows = rows_of(text=[*TEXTS, None, TEXTS[0]])
    found = made(tfidf, rows, columns=["text"], size=None, min_df=1, max_features=2000)
    model = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    slow = model.fit_transform(sorted(TEXTS)).toarray()
    assert list(found) == [f"tfidf(text)[{term}]" for term in model.get_feature_names_out()]
    x = np.column_stack(list(found.values()))
    np.testing.assert_allclose(x[:6], slow[[sorted(TEXTS).index(t) for t in TEXTS]], rtol=1e-5)
    assert np.isnan(x[6]).all()
    np.testing.assert_array_equal(x[7], x[0])


@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
def test_components_equal_those_of_scikit_learn(analyzer: str) -> None:
    rows = rows_of(text=TEXTS)
    found = learn(tfidf, rows, columns=["text"], analyzer=analyzer, ngrams=[1, 1], size=3, min_df=1)(rows)
    model = TfidfVectorizer(
        analyzer=analyzer, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b" if analyzer == "word" else None
    )
    slow = TruncatedSVD(3, random_state=0).fit_transform(model.fit_transform(TEXTS))
    assert found.names == tuple(f"tfidf(text)[{j}]" for j in range(3))
    np.testing.assert_allclose(np.abs(found.x), np.abs(slow), rtol=1e-3, atol=1e-4)


def test_there_are_never_more_components_than_asked_for() -> None:
    """Where there were fewer texts than components all the terms became columns: of a few long texts 50,000."""
    learnt = learn(tfidf, rows_of(text=TEXTS), columns=["text"], size=8, min_df=1)
    weighted = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b").fit_transform(TEXTS)
    assert weighted.shape == (6, 36)
    x = learnt(rows_of(text=TEXTS)).x
    assert x.shape == (6, 6)  # as many as there are texts: nothing is lost of what they have in common
    np.testing.assert_allclose(x @ x.T, (weighted @ weighted.T).toarray(), atol=1e-5)


def test_a_new_text_is_read_with_what_was_learnt() -> None:
    learnt = learn(tfidf, rows_of(text=TEXTS), columns=["text"], size=2, min_df=1)
    levels = (*sorted(TEXTS), "zzz qqq", "cat")
    new = Rows(np.arange(2), {"text": np.array([6, 7], np.int32)}, {"text": Column("text", levels)})
    x = learnt(new).x
    np.testing.assert_array_equal(x[0], 0)
    assert np.abs(x[1]).max() > 0.1


def test_pieces_of_texts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(text=TEXTS)
    learnt = learn(tfidf, rows, columns=["text"], size=2, min_df=1)
    whole = learnt(rows).x
    monkeypatch.setattr(tfidf, "CHUNK", 2)
    np.testing.assert_allclose(learnt(rows).x, whole, rtol=1e-6)


def test_texts_without_a_common_term_say_so() -> None:
    with pytest.raises(DataError, match=r"no term(.|\n)*4 distinct texts, min_df: 3(.|\n)*lower min_df"):
        learn(tfidf, rows_of(text=["a", "b", "c", "d"]), columns=["text"])
    with pytest.raises(ValidationError, match="max_features must be at most 2000"):
        tfidf.Params(size=None)
    with pytest.raises(ValidationError, match="least, greatest"):
        tfidf.Params(ngrams=(3, 2))


def slow_stats(text: str) -> dict[str, float]:
    words = text.split()
    letters = [c for c in text if c.isalpha()]
    share = lambda part, whole: part / whole if whole else 0.0  # noqa: E731
    return {
        "chars": len(text),
        "words": len(words),
        "mean_word": share(sum(len(w) for w in words), len(words)),
        "lines": text.count("\n") + 1,
        "unique": share(len({w.lower() for w in words}), len(words)),
        "digits": share(sum(unicodedata.category(c) == "Nd" for c in text), len(text)),
        "upper": share(sum(c.isupper() for c in letters), len(letters)),
        "punctuation": share(sum(unicodedata.category(c).startswith("P") for c in text), len(text)),
        "spaces": share(sum(c in string.whitespace for c in text), len(text)),
    }


def test_statistics_equal_plain_python() -> None:
    texts = ["Hello, World!", "", "A b a B\nc 42", "ÄÖ ü — 3.5%", "no", "!!", "one\n\ntwo THREE three", "привет Мир"]
    rows = rows_of(text=[*texts, None])
    kinds = list(slow_stats(""))
    found = made(text_stats, rows, columns=["text"], kinds=kinds)
    for kind in kinds:
        np.testing.assert_allclose(
            found[f"{kind}(text)"], [*(slow_stats(t)[kind] for t in texts), np.nan], rtol=1e-6, err_msg=kind
        )


def test_sentences_end_with_a_sign() -> None:
    rows = rows_of(text=["One. Two! Three?", "3.5 is no end", "Wait... what?!"])
    np.testing.assert_array_equal(
        columns_of(learn(text_stats, rows, columns=["text"], kinds=["sentences"])(rows))["sentences(text)"], [3, 0, 2]
    )


def test_a_column_without_terms_is_zero_where_that_is_wanted() -> None:
    rows = rows_of(text=["a", "b", "c", "d"])
    found = learn(tfidf, rows, columns=["text"], no_terms="zero")(rows)
    np.testing.assert_array_equal(found.x, np.zeros((4, 1)))
    assert tfidf.once(tfidf.Params()) and not tfidf.once(tfidf.Params(scope="fold"))
    assert not tfidf.once(tfidf.Params(size=None, max_features=9))


def test_codes_written_alike_give_their_parts() -> None:
    cabins = [f"{'ABF'[i % 3]}/{i * 7}/{'PS'[i % 2]}" for i in range(120)]
    rows = rows_of(text=[*cabins, "Room 7", None, "B/1234/S"])
    found = made(parts, rows, columns=["text"])
    nan = np.nan
    np.testing.assert_array_equal(found["part1(text)"], [*(i % 3 for i in range(120)), nan, nan, 1])
    np.testing.assert_array_equal(found["part2(text)"], [*(i * 7 for i in range(120)), nan, nan, 1234])
    np.testing.assert_array_equal(found["part3(text)"], [*(i % 2 for i in range(120)), nan, nan, 1])
    block = learn(parts, rows, columns=["text"])(rows_of(text=["F/8/S", "G/9/P"]))
    assert block.categories == {"part1(text)": 3, "part3(text)": 2}
    np.testing.assert_array_equal(block.x, [[2, 8, 1], [nan, 9, 0]])
    # Letters that are always the same are no part; those that hardly two share are names.
    tails = rows_of(text=[f"N{100 + i}{'ABC'[i % 3]}" for i in range(120)])
    assert list(made(parts, tails, columns=["text"])) == ["part2(text)", "part3(text)"]


@pytest.mark.parametrize(
    "texts",
    [
        [f"a/{i}" for i in range(99)],
        [f"some {i}" for i in range(120)],
        [str(i).zfill(4) for i in range(120)],
        [f"{'a' * (i % 5)}{'-' * (i % 7)}{i}" for i in range(120)],
        [f"{string.ascii_letters[i // 10]}{string.ascii_letters[i % 10]}_x" for i in range(120)],
    ],
    ids=["few", "words", "one run", "not alike", "names"],
)
def test_parts_are_not_made_of(texts: list[str]) -> None:
    assert made(parts, rows_of(text=texts), columns=["text"]) == {}


def test_parts_of_few_levels_or_of_fewer_alike_are_made_where_asked_for() -> None:
    grades = rows_of(c=["A1", "A2", "B1", "B2", "odd"])
    assert list(made(parts, grades, columns=["c"], least=2)) == ["part1(c)", "part2(c)"]
    assert made(parts, grades, columns=["c"], least=2, alike=0.9) == {}
