"""Text that spells numbers, dates and amounts: what is read, what is left alone, and what is said of it."""

from __future__ import annotations

import datetime
import re

import numpy as np
import polars as pl
import pytest

from kit import amounts, dates, dateshapes, forms, infer
from kit.errors import DataError
from kit.infer import Roles


@pytest.mark.parametrize(
    ("texts", "unit", "values"),
    [
        (["$1,234.50", "$7", "-$3"], "$", [1234.5, 7, -3]),
        (["12 %", "3.5%", "0"], "%", [12, 3.5, 0]),
        (["₹ 1,200", "₹1,23,456"], "₹", [1200, 123456]),
        (["Rs. 1,200", "Rs 12"], "RS", [1200, 12]),
        (["5 USD", "1,000.5 usd"], "USD", [5, 1000.5]),
        (["1.234,50", "2,5", "100"], "", [1234.5, 2.5, 100]),
        (["\u22125 €", "3,5 €"], "€", [-5, 3.5]),
        (["(1,300.5)", "2,000"], "", [-1300.5, 2000]),
        (["1 234", "23", "56\u00a0123\u00a0456,5"], "", [1234, 23, 56123456.5]),
        (["12'345.50", "3"], "", [12345.5, 3]),
        (["1,234", "56"], "", [1234, 56]),
        ([f"{i},{i % 7}5" for i in range(30)], "", [i + (i % 7) / 10 + 0.05 for i in range(30)]),
    ],
)
def test_amounts_are_numbers(texts, unit, values):
    levels = pl.Series(texts)
    found = amounts.find(levels)
    assert found is not None and found.unit == unit
    np.testing.assert_allclose(amounts.read(levels, found).to_numpy(), values, rtol=1e-15)


@pytest.mark.parametrize(
    "texts",
    [
        ["$5", "€5"],
        ["12%", "5"],
        ["110 001", "110 023"],
        ["007", "1,234"],
        ["1,5", "1,3"],
        ["$"],
        ["555-1234", "555-1235"],
        ["12 kg", "13 kg"],
        ["1,23,4"],
        ["$5", "free"],
    ],
)
def test_what_is_no_amount_is_left_alone(texts):
    assert amounts.find(pl.Series(texts)) is None


def test_a_doubtful_comma_is_told():
    found = infer.build(pl.DataFrame({"pay": ["1,234", "56"] * 20}), None)
    (note,) = found.notes
    assert found.x["pay"][:2].tolist() == [1234, 56]
    assert "a comma before three digits" in note.what and note.next == "if that is wrong: kinds: {pay: category}"


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["2021-01-05", "2021-12-31"], ["2021-01-05", "2021-12-31"]),
        (["13/1/2021", "2/1/2021"], ["2021-01-13", "2021-01-02"]),
        (["1/13/2021", "2/1/2021"], ["2021-01-13", "2021-02-01"]),
        (["1/1/2021", "1/2/2021", "1/3/2021"], ["2021-01-01", "2021-02-01", "2021-03-01"]),
        (["5.1.2021", "05.12.21"], ["2021-01-05", "2021-12-05"]),
        (["Jan 5, 2021", "February 12th, 2021"], ["2021-01-05", "2021-02-12"]),
        (["5 Jan 2021", "05-Feb-69"], ["2021-01-05", "1969-02-05"]),
        (["2021/1/5", "2021/12/31"], ["2021-01-05", "2021-12-31"]),
        (["12-31-2020", "01-02-2021"], ["2020-12-31", "2021-01-02"]),
        (["2021-03-04", "13/03/2021", "1/4/2021"], ["2021-03-04", "2021-03-13", "2021-04-01"]),
        (["2021-03-04 00:00", "5.3.2021", "Mar 6, 2021"], ["2021-03-04", "2021-03-05", "2021-03-06"]),
        (["2020-W53", "2021-W05", "2021-W05-3", "2021W057"], ["2020-12-28", "2021-02-01", "2021-02-03", "2021-02-07"]),
    ],
)
def test_dates_in_common_forms(texts, wanted):
    levels = pl.Series(texts)
    found = dates.find(levels)
    assert found is not None and not found.doubt
    days = [(datetime.date.fromisoformat(d) - datetime.date(1970, 1, 1)).days for d in wanted]
    assert dates.read(levels, found).to_list() == days


def test_no_date_fits_two_shapes():
    """Of a column that is written in several ways each value is read in one way only."""
    texts = [
        "2021-03-04",
        "2021/3/4",
        "2021.3.4",
        "4/3/21",
        "4-3-2021",
        "4.3.21",
        "4 Mar 2021",
        "Mar 4, 2021",
        "2021-W09",
    ]
    assert len(texts) == len(dateshapes.SHAPES)
    for text in texts:
        assert sum(bool(re.match(pattern, text)) for pattern in dateshapes.SHAPES.values()) == 1


def test_dates_in_several_ways_are_told_and_new_rows_are_read_like_them():
    iso, ours = [f"2021-03-{day:02d}" for day in range(1, 16)], ["01/04/2021", "13/04/2021"]
    found = infer.build(pl.DataFrame({"d": iso + ours}), None)
    assert found.x["d"][-2:].tolist() == [18718, 18730]
    (note,) = found.notes
    assert note.what == "written in several ways: y-m-d, a/b/y"
    again, lost = forms.read(pl.Series(["02/04/2021", "2021-04-02"]), found.forms["d"])
    assert (again.to_list(), lost) == ([18719, 18719], 0)
    assert forms.read(pl.Series(["04/13/2021"]), found.forms["d"])[1] == 1, "the day stands first here"
    said = infer.build(pl.DataFrame({"d": [*iso, "01/04/2021", "soon"]}), None, Roles(kinds={"d": "date dmy"}))
    assert said.x["d"][-2] == 18718 and "'soon'" in said.notes[0].what


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["01/04/2021"], "nothing tells day from month in some"),
        (["13/04/2021", "04/13/2021"], "the day stands first in some, second in others"),
    ],
)
def test_dates_in_several_ways_that_cannot_be_read_are_told(more, why):
    iso = [f"2021-03-{day:02d}" for day in range(1, 16)]
    found = infer.build(pl.DataFrame({"d": iso + more}), None)
    assert found.header["d"].kind != "date"
    (note,) = found.notes
    assert note.what == f"dates read as text, for {why}: y-m-d, a/b/y" and "{d: date dmy}" in note.next


def test_times_of_day_and_offsets_count():
    levels = pl.Series(["1/2/1970 12:00 AM", "1/2/1970 6:00 pm", "1/13/1970 18:00", "1/2/1970 01:00:00 +02:00"])
    found = dates.find(levels)
    assert found is not None and found.order == "mdy"
    np.testing.assert_allclose(dates.read(levels, found).to_numpy(), [1, 1.75, 12.75, 1 - 1 / 24], atol=1e-12)


@pytest.mark.parametrize(
    "texts",
    [
        ["31/12/2020", "12/31/2020"],
        ["30/02/2021"],
        ["2021-13-05"],
        ["2021-01-05 25:00"],
        ["1.2.3"],
        ["soon"],
        ["2021-W53"],
        ["2021-03-04", "03/04/2021"],
        ["2021-03-04", "31/03/2021", "03-31-2021"],
        ["2021-03-04", "5.3.2021", "soon"],
    ],
)
def test_what_is_no_date_is_left_alone(texts):
    assert dates.find(pl.Series(texts)) is None


def test_the_order_of_day_and_month_is_decided_over_train_and_test_or_said_to_be_open():
    train = pl.DataFrame({"d": ["1/2/2021", "3/4/2021"] * 3})
    alone = infer.build(train, None)
    assert "cannot be told apart" in alone.notes[0].what and alone.x["d"][0] == 18629
    assert infer.build(train, pl.DataFrame({"d": ["25/4/2021"]})).x["d"][0] == 18659
    said = infer.build(train, None, Roles(kinds={"d": "date dmy"}))
    assert said.x["d"][0] == 18659 and not said.notes


@pytest.mark.parametrize(
    ("values", "what", "first"),
    [
        ([1609459200, 1609459300], "seconds since 1970", 18628),
        ([1609459200000, None], "milliseconds since 1970", 18628),
        ([20210105, 20211231], "yyyymmdd", 18632),
        ([202101, 202012], "yyyymm", 18628),
        ([1999, 2000], "years", 10592),
    ],
)
def test_numbers_are_dates_only_where_a_person_says_so(values, what, first):
    frame = pl.DataFrame({"t": values})
    assert infer.build(frame, None).header["t"].kind == "numeric"
    said = infer.build(frame, None, Roles(kinds={"t": "date"}))
    assert said.header["t"].kind == "date" and said.x["t"][0] == first and what in said.notes[0].what


# -- kinds


def test_a_kind_that_is_said_holds():
    frame = pl.DataFrame(
        {"n": [1, 2, 3], "w": ["4", "?", "$5"], "c": ["u", "v", "u"], "f": [1.0, 2.5, None], "b": [True, False, None]}
    )
    kinds = {"n": "category", "w": "numeric", "c": "text", "f": "category", "b": "numeric"}
    built = infer.build(frame, None, Roles(kinds=kinds))
    assert {k: c.kind for k, c in built.header.items()} == kinds
    assert built.header["n"].levels == ("1", "2", "3")
    assert built.header["f"].levels == ("1", "2.5")
    assert np.array_equal(built.x["w"], [4, np.nan, 5], equal_nan=True)
    assert np.array_equal(built.x["b"], [1, 0, np.nan], equal_nan=True)
    assert [(note.column, note.what) for note in built.notes] == [
        ("w", "1 values are no numeric and read as missing: '?'")
    ]


@pytest.mark.parametrize(("kind", "values"), [("numeric", ["a", "b"]), ("date", ["a", "b"]), ("date", [True, False])])
def test_a_kind_that_fits_no_value_is_refused(kind, values):
    with pytest.raises(DataError, match="can"):
        infer.build(pl.DataFrame({"c": values}), None, Roles(kinds={"c": kind}))


def test_keys_are_told_from_amounts_and_prose():
    n = 60
    frame = pl.DataFrame(
        {
            "number": range(100, 100 + n),
            "gap": [i * 7 for i in range(n)],
            "hash": [f"{i * 7919:08x}" for i in range(n)],
            "twice": [f"a{i // 2}" for i in range(n)],
            "word": ["".join(chr(97 + (i * k) % 26) for k in (1, 3, 5)) + "x" * (i // 26) for i in range(n)],
        }
    )
    built = infer.build(frame, None)
    kinds = {k: c.kind for k, c in built.header.items()}
    assert kinds == {"number": "key", "gap": "numeric", "hash": "key", "twice": "category", "word": "text"}
    assert infer.build(frame, None, Roles(named=["number"])).header["number"].kind == "numeric"
    assert infer.build(frame, None, Roles(kinds={"number": "numeric"})).header["number"].kind == "numeric"


def test_an_index_saved_with_each_file_is_a_key():
    """Its numbers begin anew in test, so that they are not all different; a ranking that does so is none."""
    train = pl.DataFrame({"Unnamed: 0": range(60), "rank": [*range(1, 60), 0]})
    test = pl.DataFrame({"Unnamed: 0": range(9), "rank": range(9)})
    kinds = {name: column.kind for name, column in infer.build(train, test).header.items()}
    assert kinds == {"Unnamed: 0": "key", "rank": "numeric"}
    assert infer.build(train, test, Roles(named=["Unnamed: 0"])).header["Unnamed: 0"].kind == "numeric"
    fractions = infer.build(pl.DataFrame({"x": np.arange(60) + 0.5}), pl.DataFrame({"x": [0.5]}))
    assert fractions.header["x"].kind == "numeric"


# -- more values of the same form


@pytest.mark.parametrize(
    ("known", "more", "wanted", "lost"),
    [
        (["$1,000", "$5"], ["$2", "x", None], [2, None, None], 1),
        (["1", "2"], [3.5, None, 4], [3.5, None, 4], 0),
        (["25/12/2020"], ["1/2/2021", "nothing"], [18659, None], 1),
        (["12/25/2020", "1/2/2020"], ["13/1/2021"], [None], 1),
        (["2020-01-01"], [5, 6], [None, None], 2),
        (["TRUE", "false"], ["True", "1"], [True, None], 1),
        (["TRUE", "false"], [1, 0, None], [True, False, None], 0),
        (["TRUE", "false"], ["1.0", "2"], [True, None], 1),
        ([0, 1], ["TRUE", "False", None], [1, 0, None], 0),
        (["1.234,5", "17.000,1"], ["2.500"], [2500], 0),
        (["1.234,5", "17.000,1"], ["2.500", "1.5", "3,25", "x"], [2500, 1.5, 3.25, None], 1),
        (["1.234,5", "17.000,1"], [2.5], [2.5], 0),
        ([0, 1], [True, None], [1, None], 0),
        ([1, 2], ["12", "n"], [12, None], 1),
        ([1, 2], [[1.0], [2.0]], [None, None], 2),
        (["9:05", "11:38:36"], ["0:10", "25:10", "2:30 pm", None], [600, None, None, None], 2),
        (["9:05", "11:38:36"], ["1:00 am"], [None], 1),
        (["9:05", "11:38:36"], [905, 930], [None, None], 2),
        ([1, 2], ["9:05"], [None], 1),
    ],
)
def test_values_are_read_under_a_known_form(known, more, wanted, lost):
    form = forms.interpret(pl.Series(known)).form
    values, missed = forms.read(pl.Series(more), form)
    assert values.to_list() == wanted and missed == lost


def test_text_is_text_whatever_comes():
    coded, lost = forms.read(pl.Series([1, 2]), forms.Form("text"))
    assert coded.levels.to_list() == ["1", "2"] and lost == 0


# -- numbers that are none


def test_infinite_values_are_missing_and_counted():
    built = infer.build(pl.DataFrame({"a": [1.0, float("inf"), float("-inf"), None]}), None)
    assert np.array_equal(built.x["a"], [1, np.nan, np.nan, np.nan], equal_nan=True)
    assert built.notes[0].what == "2 infinite values are read as missing"


def test_zeros_and_ones_beside_true_and_false_are_one_switch():
    built = infer.build(pl.DataFrame({"s": [0, 1, 1]}), pl.DataFrame({"s": [True, False]}))
    assert built.header["s"].levels == ("false", "true") and built.x["s"].tolist() == [0, 1, 1, 1, 0]
    assert "read as one" in built.notes[0].what
    mixed = infer.build(pl.DataFrame({"s": [0, 2]}), pl.DataFrame({"s": [True, False]}))
    assert mixed.header["s"].levels == ("0", "2", "false", "true")


# -- times of day


@pytest.mark.parametrize(
    ("texts", "style", "seconds"),
    [
        (["11:38:36", "9:05", "00:00:00.25"], "h:mm", [41916, 32700, 0.25]),
        (["12:00 AM", "2:30pm", "11:59:59 P.M."], "h:mm am/pm", [0, 52200, 86399]),
    ],
)
def test_times_of_day_are_seconds_and_are_never_keys(texts, style, seconds):
    built = infer.build(pl.DataFrame({"t": texts * 20}), None)
    assert built.header["t"].kind == "numeric" and built.forms["t"] == forms.Form("numbers", style)
    assert built.x["t"][: len(texts)].tolist() == seconds
    assert [(n.what, n.next) for n in built.notes] == [
        ("times of day, as seconds", "if that is wrong: kinds: {t: category}")
    ]
    clock = [f"{i // 3600}:{i // 60 % 60:02}:{i % 60:02}" for i in range(5000, 5100)]
    assert infer.build(pl.DataFrame({"t": clock}), None).header["t"].kind == "numeric"


@pytest.mark.parametrize(
    "texts", [["9:05", "25:10"], ["9:05", "2:30 pm"], ["13:05 pm"], ["9:5"], ["9:60"], ["1:02:03:04"], ["9:05", "-"]]
)
def test_what_is_no_time_of_day_is_left_alone(texts):
    assert forms.interpret(pl.Series(texts)).form == forms.Form("text")


def test_times_in_train_and_test_are_one_form_and_what_is_none_is_missing_where_they_are_said_to_be_numbers():
    times = [f"{h}:{m:02}" for h in range(24) for m in range(10)] * 2
    train, test = pl.DataFrame({"t": times}), pl.DataFrame({"t": ["noon", "0:30", None]})
    text = infer.build(train, test)
    assert text.header["t"].kind == "text"
    assert text.notes[0].what == "times of day but for 'noon'" and "kinds: {t: numeric}" in text.notes[0].next
    said = infer.build(train, test, Roles(kinds={"t": "numeric"}))
    assert np.array_equal(said.x["t"][-4:], [83340, np.nan, 1800, np.nan], equal_nan=True)
    clocks = pl.DataFrame({"t": [datetime.time(0, 30)]})
    assert infer.build(train, clocks).x["t"][-1] == 1800


# -- decimal commas


def _town(**more):
    return pl.DataFrame({"lon": [f"-121,{i}5" for i in range(100, 130)], **more})


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,0", "2,5", "3,0"], [1, 2.5, 3]),
        (["1", "2", "2,5"], [1, 2, 2.5]),
        (["1,250", "2,125", "0,5"], [1.25, 2.125, 0.5]),
        (["1,250", "2,125", "1,125"], [1.25, 2.125, 1.125]),
    ],
)
def test_few_numbers_have_decimal_commas_where_other_columns_have(texts, values):
    built = infer.build(_town(x=texts * 10), None)
    assert built.header["x"].kind == "numeric" and built.x["x"][:3].tolist() == values
    again, lost = forms.read(pl.Series(texts[:1]), built.forms["x"])
    assert again.to_list() == values[:1] and lost == 0
    alone = infer.build(pl.DataFrame({"x": texts * 10}), None)
    assert alone.forms["x"] != built.forms["x"] or "0,5" in texts


def test_commas_in_lists_and_codes_are_no_decimal_signs():
    words = {
        "list": ["1", "1,3", "2,3"] * 10,
        "three": ["1,2", "1,2,3", "2,3"] * 10,
        "code": ["1,1", "1,10", "1,2"] * 10,
    }
    built = infer.build(_town(**words), None)
    assert {name: c.kind for name, c in built.header.items() if name != "lon"} == dict.fromkeys(words, "category")
    points = _town(x=["1,0", "2,5", "3,0"] * 10, size=[0.5, 1.25, 3.0] * 10)
    assert infer.build(points, None).header["x"].kind == "category"
    grouped = _town(**{"^x$": [None] * 30}, x=["1,0", "2,5", "3,0"] * 10, people=[1.234, 12.5, 3.0] * 10)
    assert infer.build(grouped, None).header["x"].kind == "numeric"


@pytest.mark.parametrize(
    ("values", "style"),
    [
        ([1_600_000_000, 1_600_086_400], "seconds since 1970"),
        ([1_600_000_000_000, 1_600_086_400_000], "milliseconds since 1970"),
        ([20200913, 20200914], "yyyymmdd"),
        ([1999, 2001], "years"),
    ],
)
def test_numbers_that_were_dates_are_dates_in_new_rows(values, style):
    """Numbers, and strings that are some, mean what they meant in training; a word among them is lost and counted."""
    days, what = dates.epoch(pl.Series(values))
    assert what == style
    form = forms.Form("dates", style)
    read, lost = forms.read(pl.Series(values), form)
    assert (read.to_list(), lost) == (days.to_list(), 0)
    read, lost = forms.read(pl.Series([str(values[0]), "never"]), form)
    assert (read.to_list(), lost) == ([days[0], None], 1)


@pytest.mark.parametrize("odd", ["", " a", "z", None])
def test_a_long_column_of_few_levels_is_coded_like_any_other(odd):
    texts = ["b", "a", None, "c"] * 5000
    texts[6] = odd  # the sample does not hold it
    coded = forms.code(pl.Series("x", texts))
    levels = sorted({t.strip() for t in texts if t and t.strip()})
    assert coded.levels.to_list() == levels
    assert coded.codes.tolist() == [levels.index(t.strip()) if t and t.strip() else -1 for t in texts]


@pytest.mark.parametrize(
    ("train", "test", "days"),
    [
        (["13.01.1970", "2.1.1970"], ["1970-02-01"], [12, 1, 31]),
        (["1970-02-01", None], ["1/13/1970", "2/1/1970"], [31, None, 12, 31]),
        (["13/1/1970"], ["1-2-1970"], [12, 31]),  # the other file tells which number is the day
        (["2-1-1970"], ["13.1.1970"], [1, 12]),
    ],
)
def test_dates_that_each_file_writes_in_its_own_way(train, test, days) -> None:
    found = infer.build(pl.DataFrame({"d": train}), pl.DataFrame({"d": test}), Roles())
    assert found.header["d"].kind == "date"
    assert np.array_equal(np.asarray(found.x["d"], np.float64), np.array(days, np.float64), equal_nan=True)
    (note,) = found.notes
    assert "each file is read as it is written" in note.what
    again, lost = forms.read(pl.Series(test), found.forms["d"])
    assert not lost and again.to_list() == days[len(train) :]


def test_dates_in_one_file_and_other_things_in_the_other_are_no_dates() -> None:
    both_orders = ["1/13/1970"], ["13/1/1970"]
    for train, test in ((["13.01.1970"] * 3, ["soon"]), (["x", "y"], ["1970-02-01"]), both_orders):
        assert infer.build(pl.DataFrame({"d": train}), pl.DataFrame({"d": test}), Roles()).header["d"].kind != "date"


@pytest.mark.parametrize(
    "months", [["2021-01", "2020-12"], ["2021/1", "2020/12"], ["Jan-21", "Dec-20"], ["Jan 2021", "dec 2020"]]
)
def test_months_are_dates_only_where_a_person_says_so(months):
    frame = pl.DataFrame({"m": months})
    assert infer.build(frame, None).header["m"].kind != "date"
    said = infer.build(frame, None, Roles(kinds={"m": "date"}))
    assert said.x["m"].tolist() == [18628, 18597]
    assert forms.read(pl.Series([months[1], "soon"]), said.forms["m"])[0].to_list() == [18597, None]


def test_numbers_that_would_be_the_first_days_of_1970_are_no_dates():
    with pytest.raises(DataError, match="these numbers are no dates"):
        infer.build(pl.DataFrame({"t": [18628, 18629]}), None, Roles(kinds={"t": "date"}))
