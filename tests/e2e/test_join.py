"""`data.join` from the first command to `kit predict`: keys, changed files, kept models, errors with their line."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest
from conftest import numbers

from kit import loading
from kit.canon import code_file
from kit.facts import gather
from kit.opening import open_recipe, read_recipe

JOINED = """\
data:
  train: train.csv
  test: test.csv
  id: id
  target: y
  join:
    - {path: colours.csv, on: c}
    - {path: warm.csv, on: {warm: kind}, prefix: w_}
    - {path: visits.csv, on: id, take: auto, prefix: all_}
    - {path: visits.csv, on: id, before: {day: date}, take: {seen: "count(*)", paid: "sum(amount)", "when": max(date), how: mode(how)}}
metric: rmse
split: {use: kfold, folds: 3}
features:
  base: [numeric, category, dates]
  few: [{use: numeric, columns: [x1, hue]}]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 5}, stop: fixed}
  b: {use: sklearn, features: few, params: {estimator: Ridge}}
blend: {mix: {use: mean, from: [a, b]}}
"""
PLAIN = JOINED[: JOINED.index("  join:")] + JOINED[JOINED.index("metric:") :].replace(", hue", "")


@pytest.fixture
def shop(toy):
    """The toy with a date per row, a table of colours, one of warm and cold, and visits of each id."""
    rng = np.random.default_rng(4)

    def days(n: int) -> list[str]:
        return [f"2021-{m:02d}-{d:02d}" for m, d in zip(rng.integers(1, 13, n), rng.integers(1, 29, n), strict=True)]

    for part in ("train", "test"):
        frame = pl.read_csv(toy.folder / f"{part}.csv")
        frame.with_columns(day=pl.Series(days(len(frame)))).write_csv(toy.folder / f"{part}.csv")
    (toy.folder / "colours.csv").write_text("c,warm,hue\nred,yes,0.5\ngreen,no,0.25\nblue,no,0.125\npink,yes,0\n")
    (toy.folder / "warm.csv").write_text("kind,degrees\nyes,20\nno,4\n")
    n = 900
    visits = {
        "id": rng.choice([*range(1000, 1110), *range(5000, 5035)], n),
        "date": days(n),
        "amount": rng.gamma(2, size=n).round(2),
        "how": rng.choice(["card", "cash", "note"], n),
    }
    pl.DataFrame(visits).write_csv(toy.folder / "visits.csv")
    toy.write(JOINED)
    return toy


def predicted(toy, name: str, data: str = "test.csv") -> pl.DataFrame:
    out = toy.folder / f"{name}.parquet"
    done = toy.kit("predict", "r", str(toy.folder / data), "-o", str(out), "--model", name)
    assert done.code == 0, done.err
    return pl.read_parquet(out)


def test_kept_models_join_by_themselves(shop, caplog):
    """Without the further tables, the training data and the cache; and rows alone, of new keys, in another order."""
    shop.run("--keep-models")
    kept = {name: shop.oof(name, "test") for name in ("a", "b", "mix")}
    for file in ("train.csv", "r.yaml", "colours.csv", "warm.csv", "visits.csv"):
        (shop.folder / file).unlink()
    shutil.rmtree(shop.root / ".kit")
    for name, test in kept.items():
        assert predicted(shop, name).equals(test), name
    joins = {name: sorted(f.name for f in (shop.root / "oof/r" / name).glob("models/joins/*")) for name in kept}
    assert joins == {"a": [f"{i}.arrow" for i in range(4)], "b": ["0.arrow"], "mix": []}, "only what a model reads"
    rows = pl.read_csv(shop.folder / "test.csv")
    rows[::-1].head(7).write_csv(shop.folder / "new.csv")
    assert predicted(shop, "a", "new.csv").equals(kept["a"][::-1].head(7))
    strange = rows.head(2).with_columns(c=pl.Series(["violet", "red"]), id=pl.Series([7, 8]), day=pl.lit("Easter"))
    strange.write_csv(shop.folder / "new.csv")
    assert predicted(shop, "a", "new.csv")["pred"].is_finite().all()
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "c: the table joined by it has nothing for 1 row" in told and "day: not to be read as dates" in told
    rows.drop("day").write_csv(shop.folder / "new.csv")
    done = shop.kit("predict", "r", str(shop.folder / "new.csv"), "-o", str(shop.folder / "o.csv"), "--model", "a")
    assert done.code == 2 and "a column that a table is joined by" in done.err and "day" in done.err


def test_only_what_depends_on_a_table_is_made_anew(shop):
    shop.run()
    assert shop.run().stages["run"] == 0
    text = (shop.folder / "visits.csv").read_text().splitlines()
    (shop.folder / "visits.csv").write_text("\n".join(text[:-200]) + "\n")
    ran = shop.ran()
    assert any(name.startswith("fit a ") for name in ran) and not any(name.startswith("fit b ") for name in ran)
    assert shop.run().stages["run"] == 0
    again = JOINED.replace("prefix: w_", "prefix: v_")
    assert "v_degrees" in open_recipe(shop.write(again), root=shop.root).facts.header


def test_a_recipe_without_joins_has_the_key_it_had(toy):
    made = loading.ingredients(read_recipe(toy.folder / "r.yaml"))
    assert made["code"] == [code_file(module) for module in loading.CODE] and "join" not in made["data"]
    assert "joins" not in open_recipe(toy.folder / "r.yaml", root=toy.root).facts.header


def test_a_table_that_is_written_meanwhile_is_not_kept(shop, monkeypatch):
    opened = read_recipe(shop.folder / "r.yaml")
    from kit import joining
    from kit.errors import DataError
    from kit.store import Store

    whole = joining.joined

    def meanwhile(*given):
        made = whole(*given)
        (shop.folder / "colours.csv").write_text("c,warm,hue\nred,yes,9\n")
        return made

    monkeypatch.setattr(joining, "joined", meanwhile)
    with pytest.raises(DataError, match="changed while it was read") as caught:
        gather(opened, Store(shop.root))
    assert "colours.csv" in str(caught.value)


def test_further_rows_are_joined_too(shop):
    rows = pl.DataFrame(numbers(9, 30)).with_columns(id=pl.Series(range(1000, 1030)), day=pl.lit("2021-12-31"))
    rows.write_csv(shop.folder / "more.csv")
    shop.write(JOINED.replace("  join:", "  extra: [{path: more.csv}]\n  join:"))
    opened = open_recipe(shop.folder / "r.yaml", root=shop.root)
    stored = opened.store.open(opened.facts.table_key)
    x = {name: stored.array(f"x/{name}") for name in ("hue", "all_count", "seen")}
    hue = {"red": 0.5, "green": 0.25, "blue": 0.125}
    assert x["hue"][160:].tolist() == [hue[c] for c in rows["c"]]
    assert np.array_equal(x["all_count"][160:], x["all_count"][:30]) and (x["seen"][160:] >= x["seen"][:30]).all()
    rows.drop("id").write_csv(shop.folder / "more.csv")
    opened = open_recipe(shop.folder / "r.yaml", root=shop.root)
    stored = opened.store.open(opened.facts.table_key)
    assert (
        np.isnan(stored.array("x/all_count")[160:]).all()
        and stored.array("x/hue")[160:].tolist() == x["hue"][160:].tolist()
    )
    assert "all_count" in stored.meta["extra"][0]["missing"]


def test_everything_looks_at_joined_columns(shop):
    shop.run()
    checked = shop.kit("check", str(shop.folder / "r.yaml"))
    assert checked.code == 0 and "w_degrees" in checked.out and "all_how_mode" in checked.out
    shifted = shop.kit("shift", str(shop.folder / "r.yaml"), "--json")
    assert shifted.code == 0, shifted.err
    assert shop.kit("errors", "r:a").code == 0
    out = shop.folder / "dir"
    done = shop.kit("export", str(shop.folder / "r.yaml"), "--model", "a", "--fold", "0", "-o", str(out))
    assert done.code == 0 and "all_amount_mean" in (out / "names.json").read_text()


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("on: c}", "on: cc}", 7, "did you mean 'c'?"),
        ("colours.csv, on", "colors.csv, on", 7, "the file does not exist"),
        ("prefix: w_", "prefx: w_", 8, "did you mean 'prefix'?"),
        ("prefix: w_", "before: 3", 8, "before"),
        ("take: auto", "take: automatic", 9, "auto, or a mapping"),
        ("on: id, take: auto", "on: id", 9, "take: auto"),
        ("sum(amount)", "sum(amounts)", 10, "did you mean 'amount'?"),
        ("{day: date}", "{day: dat}", 10, "did you mean 'date'?"),
        ("on: c}", "on: []}", 7, "a column, a list of columns"),
    ],
)
def test_errors_have_their_line(shop, old, new, line, told):
    assert old in JOINED
    shop.write(JOINED.replace(old, new))
    done = shop.kit("check", str(shop.folder / "r.yaml"))
    assert done.code == 2 and f"r.yaml:{line}: " in done.err and told in done.err, done.err
