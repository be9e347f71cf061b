from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kit import csvbytes, csvfile, infer, table
from kit.errors import DataError
from kit.infer import Roles

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(params=[0, table._SMALL], ids=["long", "small"])
def read(request, tmp_path, monkeypatch):
    """Reads a file as a long one, of which polars opens the path, and as a small one, of which it gets the bytes."""
    monkeypatch.setattr(table, "_SMALL", request.param)

    def write_and_read(name: str, data: bytes | str, nulls: tuple[str, ...] = ()) -> pl.DataFrame:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return table.read(path, nulls)

    return write_and_read


def refusal(call) -> str:
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


# -- reading


def test_read_infers_types_over_the_whole_file(read):
    frame = read("a.csv", "late,word,int\n" + "1,2,3\n" * 5000 + "1.5,x,4\n")
    assert frame.dtypes == [pl.Float64, pl.String, pl.Int64]
    assert frame.row(-1) == (1.5, "x", 4)


def test_read_a_float_column_with_a_late_word_is_text(read):
    frame = read("a.csv", "a,b\n" + "1.5,0.5\n" * 5000 + "?,1e-4\n")
    assert frame.dtypes == [pl.String, pl.Float64]
    assert frame["b"][-1] == 1e-4


def test_read_keeps_names_that_look_like_numbers_as_text(read):
    frame = read("a.csv", "zip,long,signed,float\n01234,1,-3,00.5\n12345,99999999999999999999,+4,2\n")
    assert frame.dtypes == [pl.String, pl.String, pl.Int64, pl.Float64]
    assert frame["zip"].to_list() == ["01234", "12345"]
    assert frame["long"][1] == "99999999999999999999"


def test_read_floats_are_those_of_python(read):
    values = [repr(float(v)) for v in np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-250, 250)]
    frame = read("a.csv", "a,b\n" + "".join(f"{v},{v}\n" for v in values))
    assert frame["a"].to_list() == [float(v) for v in values]


def test_read_csv_understands_bom_crlf_quotes_and_newlines(read):
    frame = read("a.csv", b'\xef\xbb\xbf"a, b",c\r\n1,"x\r\ny, ""z"""\r\n2,\r\n')
    assert frame.columns == ["a, b", "c"]
    assert frame.rows() == [(1, 'x\r\ny, "z"'), (2, None)]


def test_read_finds_the_separator_that_is_there(read, tmp_path):
    for name, separator in (("a.csv", ";"), ("b.csv", "\t"), ("c.tsv", ","), ("d.csv", "|")):
        assert read(name, separator.join("abc") + "\n" + separator.join("123") + "\n").rows() == [(1, 2, 3)]
        assert "separated by" in table.remarks(tmp_path / name)[0]
    assert read("one.csv", "a;b\n1\n2\n").columns == ["a;b"]
    assert not table.remarks(tmp_path / "one.csv")


def test_read_takes_other_encodings_by_their_mark_or_name(tmp_path):
    text = "name,n\ncaf\u00e9,1\n"
    for name, data, encoding in (
        ("u16.csv", text.encode("utf-16"), None),
        ("be.csv", b"\xfe\xff" + text.encode("utf-16-be"), None),
        ("latin.csv", text.encode("latin-1"), "latin-1"),
        ("u8.csv", text.encode(), "utf-8"),
        ("u16.json", json.dumps([{"name": "caf\u00e9", "n": 1}], ensure_ascii=False).encode("utf-16"), None),
    ):
        (tmp_path / name).write_bytes(data)
        assert table.read(tmp_path / name, encoding=encoding).rows() == [("caf\u00e9", 1)]
    assert table.remarks(tmp_path / "u16.csv") == ["read as UTF-16, by the mark it begins with"]
    (tmp_path / "no.csv").write_bytes(b"a\n\x81\n")
    assert "no.csv:2" in refusal(lambda: table.read(tmp_path / "no.csv", encoding="cp1252"))


def test_read_lines_that_end_in_a_return_alone(read):
    assert read("mac.csv", b"a,b\r1,2\r3,4\r").rows() == [(1, 2), (3, 4)]


@pytest.mark.parametrize("quote", ["", '"'])
def test_read_finds_leading_zeros_wherever_they_are(read, monkeypatch, quote):
    """The bytes are looked at in pieces; a zero may stand at any place of them."""
    monkeypatch.setattr(csvbytes, "_CACHED", 16)
    rows = [f"{i},{i * 11},{quote}{'07' if i == 23 else i}{quote},{i}.05" for i in range(1, 40)]
    frame = read("a.csv", "a,b,c,d\n" + "\n".join(rows) + "\n")
    assert frame.dtypes == [pl.Int64, pl.Int64, pl.String, pl.Float64]
    assert frame["c"][22] == "07"


def test_a_small_file_is_read_at_once_and_a_long_one_by_its_path(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    assert table._text_of(path, None) == b"a\n1\n"
    monkeypatch.setattr(table, "_SMALL", 3)
    assert table._text_of(path, None) == path


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_leading_zeros_are_found_in_pieces_that_are_searched(monkeypatch, place):
    monkeypatch.setattr(csvbytes, "_SEARCHED", 32)  # characters and codes are cut in two
    rows = ["1,é漢字😀,0.5", "0,0,0"] * 100
    rows[place] = "1,0é,05"
    assert csvbytes.columns_with_zeros("\n".join(["a,b,c", *rows]).encode(), ",", 3) == {2}
    rows[place] = "1,0é,5"
    assert csvbytes.columns_with_zeros("\n".join(["a,b,c", *rows]).encode(), ",", 3) == set()


def test_read_types_hold_where_the_first_rows_mislead(read):
    rows = ["1,1,1,1,2020-01-01"] * 9000 + ["1.5,x,99999999999999999999,,0"]
    frame = read("a.csv", "a,b,c,d,e\n" + "\n".join(rows) + "\n")
    assert frame.dtypes == [pl.Float64, pl.String, pl.String, pl.Int64, pl.String]
    assert frame.row(-1) == (1.5, "x", "99999999999999999999", None, "0")


@pytest.mark.parametrize(("columns", "rows"), [(2, 20_000), (1500, 40)])
def test_types_are_found_in_few_lines_and_in_long_ones(columns, rows):
    names, line = [f"column{i}" for i in range(columns)], ",".join(["1", "0.25"] * (columns // 2))
    data = "\n".join([",".join(names), *[line] * rows, ""]).encode()
    assert len(data) > csvfile._GUESS_BYTES
    types, known = csvfile._guess(data, ",", ["NA"], columns)
    assert (types, known) == ([pl.Int64, pl.Float64] * (columns // 2), False)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "-2", "+3", "0"], pl.Int64),
        (["1", "9223372036854775807"], pl.Int64),
        (["1", "9223372036854775808"], pl.String),
        (["1", "07"], pl.String),
        (["1", "2.5", "-.5e3", "1.", "inf", "NaN"], pl.Float64),
        (["1", "2_5.0"], pl.String),
        (["1.5", " 2"], pl.String),
        (["1.5", "2\n"], pl.String),
        (["1", "2\n3"], pl.String),
        (["1.5", "\u0661"], pl.String),
        (["1.5", "x"], pl.String),
        ([], pl.String),
    ],
)
def test_the_type_of_words_is_what_polars_reads_them_as(values, dtype):
    assert csvfile._type(values) == dtype


def test_read_null_words_are_null_in_csv(read):
    words = ["", '""', "#N/A", "<NA>", "n/a", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"]
    frame = read("a.csv", "a,b\n" + "".join(f"{w},{w}\n" for w in words) + "None,1.5\n", ("?",))
    assert frame["a"].to_list() == [None] * 12 + ["None"]
    assert frame["b"].to_list() == [None] * 12 + [1.5]


def test_read_blank_lines_are_no_rows_but_empty_fields_are(read):
    assert read("a.csv", "a,b\n1,2\n\n,\n3,\n\n").rows() == [(1, 2), (None, None), (3, None)]
    quoted = read("b.csv", 'a,b\r\n"1",2\r\n\r\n3,"4\r\n\r\n"\r\n,\r\n\r\n')
    assert quoted.rows() == [(1, "2"), (3, "4\r\n\r\n"), (None, None)]


def test_read_names_unnamed_columns_and_drops_a_trailing_separator(read):
    frame = read("a.csv", ",a,\n0,1,\n1,2,\n")
    assert frame.columns == ["Unnamed: 0", "a"]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.csv", None), ("a.CSV.gz", gzip.compress), ("a.tsv", None), ("a.tsv.gz", gzip.compress)]
    + [(f"a.{kind}{gz}", gzip.compress if gz else None) for kind in ("json", "jsonl", "ndjson") for gz in ("", ".gz")],
)
def test_read_every_format_gives_the_same_rows(read, name, pack):
    rows = [{"i": 1, "f": 0.5, "s": "x, y"}, {"i": 2, "f": None, "s": "\u00e9"}]
    if "json" in name:
        lines = [json.dumps(r) for r in rows]
        text = f"[{','.join(lines)}]" if ".json" in name and "jsonl" not in name else "\n".join(lines)
    else:
        sep = "\t" if "tsv" in name else ","
        text = "\n".join(sep.join(r) for r in (["i", "f", "s"], ["1", "0.5", '"x, y"'], ["2", "", "\u00e9"]))
    frame = read(name, (pack or bytes)(text.encode()))
    assert frame.schema == {"i": pl.Int64, "f": pl.Float64, "s": pl.String}
    assert frame.rows(named=True) == rows


def test_read_parquet_gives_plain_dtypes(tmp_path):
    columns = {
        "c": pl.Series(["x", ""], dtype=pl.Categorical),
        "u": pl.Series([1, 2**64 - 1], dtype=pl.UInt64),
        "v": pl.Series([1, 2], dtype=pl.UInt64),
        "f": [float("nan"), -9.0],
        "d": pl.Series(["1.5", "2.5"]).str.to_decimal(scale=2),
    }
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    frame = table.read(tmp_path / "a.parquet", ["-9"])
    assert frame.dtypes == [pl.String, pl.String, pl.Int64, pl.Float64, pl.Float64]
    assert frame.rows() == [("x", "1", 1, None, 1.5), (None, str(2**64 - 1), 2, None, 2.5)]


def test_read_json_takes_late_keys_and_the_nan_that_python_writes(read):
    records = [{"a": 1}] * 300 + [{"a": 2.5, "b": "x"}]
    assert read("a.json", json.dumps(records)).row(-1) == (2.5, "x")
    assert read("b.json", json.dumps([{"a": 1.0}, {"a": float("nan")}])).rows() == [(1.0,), (None,)]
    assert read("c.jsonl", '{"a": NaN}\n\n{"a": 3}\n').rows() == [(None,), (3.0,)]


@pytest.mark.parametrize(
    ("name", "data", "parts"),
    [
        ("dup.csv", b"a,b,a\n1,2,3\n", ["dup.csv:1", "twice", "a"]),
        ("long.csv", b"a,b\n1,2\n1,2,3\n", ["long.csv:3", "3 fields, the header 2"]),
        ("short.csv", b'a,b\n1,"x\ny"\n1\n3,4\n', ["short.csv:4", "1 fields, the header 2"]),
        ("cut.csv", b"a,b\n1,2\n3", ["cut.csv:3", "cut short"]),
        ("inch.csv", b'a,b,c\n1,2,3\n1,5" pipe,2\n2,6" pipe,3\n', ["inch.csv:3", "a quote stands inside text"]),
        ("open.csv", b'a,b\n1,"x\n2,3\n', ["open.csv", "a quote is not closed"]),
        ("latin.csv", "a\nb\n\u00e9\n".encode("latin-1"), ["latin.csv:3", "UTF-8", "b'\\xe9'"]),
        ("empty.csv", b"", ["the file is empty"]),
        ("header.csv", b"a,b\n", ["no rows"]),
        ("cut.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 999, mtime=0)[:-9], ["gzip file is damaged"]),
        ("plain.csv.gz", b"a,b\n1,2\n", ["gzip file is damaged"]),
        ("bad.json", b'[{"a":1},\n{"a":2', ["bad.json:2", "not json"]),
        ("bad.jsonl", b'{"a":1}\n{"a":"x\n{"a":1}\n', ["bad.jsonl:2", "not json"]),
        ("dict.json", b'{"a":[1,2]}', ["a list of records"]),
        ("list.json", b"[1,2]", ["a list of records"]),
        ("none.json", b"[]", ["no rows"]),
        ("deep.jsonl", b'{"a":1}\n' + b"[" * 5000, ["deep.jsonl:2", "nested too deeply"]),
        ("bad.parquet", b"PAR1", ["cannot be read"]),
        ("a.xlsx", b"x", ["unknown file type", "csv, tsv"]),
        ("a.csv", b"PAR1...", ["a.csv", "is parquet", ".parquet"]),
        ("b.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), ["b.csv", "packed with gzip", ".gz"]),
        ("c.json", b"PK\x03\x04...", ["c.json", "zip archive"]),
        ("d.csv.zip", b"PK\x03\x04...", ["unknown file type", "unpack it first"]),
    ],
)
def test_read_refuses_a_damaged_file_and_says_where(read, name, data, parts):
    text = refusal(lambda: read(name, data))
    assert all(part in text for part in parts), text


@pytest.mark.parametrize("name", ["a[1].csv", "a[1].parquet", "*.csv"])
def test_read_a_file_whose_name_looks_like_a_pattern(tmp_path, name):
    for i, file in enumerate((name, name.replace("[1]", "1").replace("*", "b"))):
        frame = pl.DataFrame({"a": [i]})
        frame.write_csv(tmp_path / file) if file.endswith("csv") else frame.write_parquet(tmp_path / file)
    assert table.read(tmp_path / name)["a"].to_list() == [0]


def test_read_names_the_nearest_file(tmp_path):
    (tmp_path / "train.csv").write_text("a\n1\n")
    assert "did you mean 'train.csv'?" in refusal(lambda: table.read(tmp_path / "trian.csv"))
    assert "folder" in refusal(lambda: table.read(tmp_path))


def test_records_agree_with_a_slow_reader_across_chunks(monkeypatch):
    rng = np.random.default_rng(5)
    cells = ["", "1", "x,y", "a\nb", 'say ""hi""', "long" * 9]
    rows = [[cells[i] for i in rng.integers(len(cells), size=rng.integers(2, 6))] for _ in range(200)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    data = out.getvalue().encode()
    monkeypatch.setattr(csvbytes, "_CHUNK", 37)
    found = list(csvbytes.records(np.frombuffer(data, np.uint8), ","))
    assert [int(f) for _, fields, _ in found for f in fields] == [len(r) for r in rows]
    starts = [int(s) for start, _, _ in found for s in start]
    sizes = [int(s) for _, _, size in found for s in size]
    assert "\n".join(data[a : a + n].decode() for a, n in zip(starts, sizes, strict=True)) + "\n" == out.getvalue()


def test_read_text_keeps_the_spelling(tmp_path):
    (tmp_path / "s.csv").write_text("id,y\n007,TRUE\nNA,0.50\n8,\n")
    assert table.read_text(tmp_path / "s.csv").rows() == [("007", "TRUE"), ("NA", "0.50"), ("8", None)]


# -- bundled sets and holdout


@pytest.mark.parametrize(
    ("name", "shape", "target"),
    [
        ("diabetes", (442, 11), None),
        ("breast_cancer", (569, 31), ["benign", "malignant"]),
        ("wine", (178, 14), ["class_0", "class_1", "class_2"]),
        ("iris", (150, 5), ["setosa", "versicolor", "virginica"]),
        ("digits", (1797, 65), list(range(10))),
    ],
)
def test_source_gives_the_bundled_sets(name, shape, target):
    frame = table.source(f"sklearn:{name}")
    assert frame.shape == shape and frame.columns[-1] == "target"
    assert target is None or frame["target"].unique().sort().to_list() == target


def test_source_lists_what_there_is():
    text = refusal(lambda: table.source("sklearn:irsi"))
    assert "did you mean 'sklearn:iris'?" in text and "sklearn:wine" in text


def test_holdout_splits_the_rows_and_hides_the_target():
    frame = pl.DataFrame({"x": range(101), "y": range(101)})
    train, test = table.holdout(frame, 0.25, 7, "y")
    assert (train.shape, test.shape, test.columns) == ((76, 2), (25, 1), ["x"])
    assert train["x"].is_sorted() and test["x"].is_sorted()
    assert sorted([*train["x"], *test["x"]]) == list(range(101))
    assert test.equals(table.holdout(frame, 0.25, 7, "y")[1])
    assert not test.equals(table.holdout(frame, 0.25, 8, "y")[1])
    assert "target" in refusal(lambda: table.holdout(frame, 0.25, 7, "z"))
    assert "share" in refusal(lambda: table.holdout(frame, 1.0, 7, "y"))


# -- columns


def kinds(built: infer.Table) -> dict[str, str]:
    return {name: column.kind for name, column in built.header.items()}


def test_build_infers_every_kind():
    n = 120
    frame = pl.DataFrame(
        {
            "int": range(n),
            "float": [0.1 * i for i in range(n)],
            "blank": [" " if i % 7 == 0 else f" {i}.5" for i in range(n)],
            "bool": [i % 2 == 0 for i in range(n)],
            "word": [("TRUE", "False", None)[i % 3] for i in range(n)],
            "category": [f"c{i % 5}" for i in range(n)],
            "code": [f"C-{i}" for i in range(n)],
            "name": [f"C {chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(n)],
            "prose": [f"a long enough sentence number {i % 55}" for i in range(n)],
            "zip": [f"0{i % 9}" for i in range(n)],
            "date": [f"2024-02-{1 + i % 29:02d}" for i in range(n)],
            "vector": [[1.0 * i, 2.0, 3.0] for i in range(n)],
            "ragged": [[1.0] * (i % 3) for i in range(n)],
            "empty": [None] * n,
        }
    )
    built = infer.build(frame, None)
    assert kinds(built) == {
        "int": "key",
        "float": "numeric",
        "blank": "numeric",
        "bool": "category",
        "word": "category",
        "category": "category",
        "code": "key",
        "name": "text",
        "prose": "text",
        "zip": "category",
        "date": "date",
        "vector": "vector",
        "empty": "numeric",
    }
    assert [note.column for note in built.notes] == ["ragged", "empty"]
    assert (built.n_train, built.n_test) == (n, 0)
    assert all(len(x) == n for x in built.x.values())


def test_build_numbers_are_float32_only_where_that_is_exact():
    frame = pl.DataFrame(
        {"a": [1, 2**24, None], "b": [1, 2**24 + 1, None], "c": [0.5, 0.1, None], "d": [1e300, 1.0, 2.0]}
    )
    x = infer.build(frame, None).x
    assert {k: v.dtype.name for k, v in x.items()} == {"a": "float32", "b": "float64", "c": "float64", "d": "float64"}
    assert np.array_equal(x["a"], [1, 2**24, np.nan], equal_nan=True)
    assert np.array_equal(x["c"], [0.5, 0.1, np.nan], equal_nan=True)


def test_build_codes_point_into_sorted_levels():
    words = ["b", None, "\U0001f600", " a ", "\uffff", "b", "", "z", "\u00e9", "  "]
    built = infer.build(pl.DataFrame({"s": words}), pl.DataFrame({"s": ["a", "new"]}))
    levels, codes = built.header["s"].levels, built.x["s"]
    assert list(levels) == sorted({w.strip() for w in [*words, "a", "new"] if w and w.strip()})
    assert codes.dtype == np.int32
    wanted = [w.strip() or None if w else None for w in [*words, "a", "new"]]
    assert [levels[c] if c >= 0 else None for c in codes] == wanted


def test_build_booleans_have_both_levels():
    built = infer.build(pl.DataFrame({"b": [True, None]}), pl.DataFrame({"b": ["TRUE", "true"]}))
    assert built.header["b"].levels == ("false", "true")
    assert built.x["b"].tolist() == [1, -1, 1, 1]


def test_build_dates_are_days_since_1970():
    text = [
        "1970-01-02",
        "2024-02-29 12:00",
        "2024-02-29T12:00:00.5Z",
        "2024-02-29 12:00:00+02:30",
        "1969-12-31 18:00-0600",
    ]
    days = [1.0, 19782.5, 19782.5 + 0.5 / 86400, 19782 + 9.5 / 24, 0.0]
    stamps = pl.Series(text[:2]).str.to_datetime(strict=False)
    frame = pl.DataFrame(
        {"text": text, "stamp": [*stamps, None, None, None], "day": [*stamps.dt.date(), None, None, None]}
    )
    built = infer.build(frame, None)
    assert set(kinds(built).values()) == {"date"}
    assert np.allclose(built.x["text"], days, rtol=0, atol=1e-9)
    assert np.array_equal(built.x["stamp"][:2], [1.0, 19782.5]) and np.isnan(built.x["stamp"][2:]).all()
    assert np.array_equal(built.x["day"][:2], [1.0, 19782.0])


def test_build_words_that_only_look_like_dates_are_no_dates():
    built = infer.build(pl.DataFrame({"a": ["2024-02-30", "2024-02-01"], "b": ["2024-02-01", "soon"]}), None)
    assert kinds(built) == {"a": "category", "b": "category"}


def test_build_vectors_may_be_missing_and_of_mixed_numbers():
    built = infer.build(pl.DataFrame({"v": [[1, 2], None]}), pl.DataFrame({"v": [[0.5, None]]}))
    assert built.header["v"].width == 2 and built.x["v"].dtype == np.float32
    nan = np.nan
    assert np.array_equal(built.x["v"], [[1, 2], [nan, nan], [0.5, nan]], equal_nan=True)


def test_build_stacks_train_and_test():
    train = pl.DataFrame(
        {"id": ["a", "b"], "y": [1, 0], "n": [1, 2], "only": ["u", "v"], "mixed": [1, 2], "late": [None, None]}
    )
    test = pl.DataFrame({"id": ["c"], "n": [2.5], "mixed": ["x"], "late": [3], "extra": [0]})
    built = infer.build(train, test, Roles(["id", "y"]))
    assert set(built.x) == {"n", "only", "mixed", "late"}
    assert built.missing_in_test == {"only"} and built.only_in_test == {"extra"}
    assert built.x["n"].tolist() == [1, 2, 2.5]
    assert built.x["only"].tolist() == [0, 1, -1]
    assert built.header["mixed"].levels == ("1", "2", "x")
    assert np.array_equal(built.x["late"], [np.nan, np.nan, 3], equal_nan=True)
    assert [note[:2] for note in built.notes] == [("mixed", "numbers in train but text in test: read as text")]
    (train_id, test_id), (y, no_y) = built.kept["id"], built.kept["y"]
    assert (train_id.to_list(), test_id.to_list(), y.dtype, no_y) == (["a", "b"], ["c"], pl.Int64, None)
    assert train["id"].to_list() == ["a", "b"], "building leaves the frames as they were"


def test_build_leading_zeros_in_one_file_make_text_of_both():
    built = infer.build(pl.DataFrame({"zip": ["01", "12"]}), pl.DataFrame({"zip": [12]}))
    assert built.header["zip"].levels == ("01", "12") and built.x["zip"].tolist() == [0, 1, 1]


def test_build_numbers_among_words_are_the_same_words_in_the_other_file():
    """A file in which no word stands is read as numbers; whether 1.0 is 1 must not hang on the numbers beside it."""
    words = pl.DataFrame({"a": ["0.5", "1.0", "n.a."]})
    for numbers in ([1.0, 0.5], [1.0]):
        built = infer.build(words, pl.DataFrame({"a": numbers}))
        assert built.header["a"].levels == ("0.5", "1", "n.a.")
        assert built.x["a"].tolist() == [0, 1, 2, *([1, 0] if len(numbers) > 1 else [1])]
    wished = infer.build(pl.DataFrame({"a": [0.5, 1.0]}), pl.DataFrame({"a": [1]}), Roles(kinds={"a": "category"}))
    assert wished.header["a"].levels == ("0.5", "1") and wished.x["a"].tolist() == [0, 1, 1]


def test_as_texts_writes_whole_numbers_without_a_point():
    made = table.as_texts(pl.DataFrame({"a": [1.0, 2.5, 1e300, None], "b": [[1], None, [2, 3], []]}))
    assert made.to_dict(as_series=False) == {"a": ["1", "2.5", "1e+300", None], "b": ["[1]", None, "[2, 3]", "[]"]}


def test_build_lists_of_words_and_records_stack_as_they_are_spelled_alone():
    for values in ([["a"], ["b", "c"]], [{"k": 1}, {"k": 2}]):
        alone = infer.build(pl.DataFrame({"a": values}), None).header["a"].levels
        both = infer.build(pl.DataFrame({"a": values[:1]}), pl.DataFrame({"a": values[1:]}))
        assert both.header["a"].levels == alone and both.x["a"].tolist() == [0, 1]


def test_build_hints_at_a_null_word():
    built = infer.build(pl.DataFrame({"a": [*map(str, range(40)), "?"]}), None)
    (note,) = built.notes
    assert (note.column, note.what) == ("a", "numbers but for '?'")
    assert note.next == "name these in `nulls`, or say kinds: {a: numeric}"


def test_any_column_name_will_do(read):
    names = ["", "self", "^a$", "a", "*", "caf\u00e9"]
    frame = read("a.csv", ",".join(names[1:]) + "\n1,2,x,0.5,03\n4,5,y,1.5,04\n")
    assert frame.columns == names[1:] and frame.row(0) == (1, 2, "x", 0.5, "03")
    built = infer.build(pl.DataFrame({name: [f"{i}", " "] for i, name in enumerate(names)}), pl.DataFrame({"z": [1]}))
    assert list(built.x) == names


def test_column_values_names_the_nearest_column():
    frame = pl.DataFrame({"score": ["1", "x"]})
    assert infer.column_values(frame, "score").to_list() == ["1", "x"]
    assert "did you mean 'score'?" in refusal(lambda: infer.column_values(frame, "scor"))


def test_arrow_bytes_give_back_what_went_in():
    levels = ("", "a\nb", "\U0001f600", "z" * 50)
    assert table.levels_from_arrow(table.levels_to_arrow(levels)) == levels
    assert table.levels_from_arrow(table.levels_to_arrow(())) == ()
    assert table.levels_to_arrow(levels) == table.levels_to_arrow(list(levels))
    series = pl.Series("id", [1, None, 2**53 + 1])
    assert table.series_from_arrow(table.series_to_arrow(series)).equals(series, check_names=True, check_dtypes=True)


# -- real data: what a person says of the columns

DOUBTFUL = {
    "titanic": {"Name": "text", "Ticket": "text", "Cabin": "category", "Pclass": "numeric", "Age": "numeric"},
    "telco_churn": {"TotalCharges": "numeric", "Contract": "category", "SeniorCitizen": "numeric"},
    "spaceship_titanic": {"CryoSleep": "category", "Name": "text", "Age": "numeric", "HomePlanet": "category"},
    "ames_house_prices": {"MS SubClass": "category", "Alley": "category", "Lot Frontage": "numeric", "PID": "key"},
    "bike_sharing_hourly": {"dteday": "date", "temp": "numeric"},
    "book_price_text": {"Synopsis": "text", "Title": "text", "Genre": "category", "Author": "text"},
    "judge_sts": {"user_prompt": "text", "response": "text", "language": "category", "pair_id": "category"},
    "stsb_en": {"sentence1": "text", "sentence2": "text"},
    "adult_census": {"workclass": "category", "capital-gain": "numeric"},
}


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("folder", sorted(p.parent.name for p in DATA.glob("*/train.csv.gz")) or ["none"])
def test_build_kinds_of_real_data_look_right(folder):
    meta = json.loads((DATA / folder / "meta.json").read_text())
    train, test = (table.read(DATA / folder / f"{part}.csv.gz") for part in ("train", "test"))
    built = infer.build(train, test, Roles([meta["id_column"], meta["target"]]))
    found = kinds(built)
    assert {name: found[name] for name in DOUBTFUL.get(folder, {})} == DOUBTFUL.get(folder, {})
    assert set(found) == set(train.columns) - {meta["id_column"], meta["target"]}
    assert not built.missing_in_test and not built.only_in_test
    sample = table.read(DATA / folder / "sample_submission.csv")
    ids = built.kept[meta["id_column"]].test
    assert ids is not None and ids.to_list() == sample[meta["id_column"]].to_list()
