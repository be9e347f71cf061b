"""replay: a submission written again, byte for byte, from what is kept of it, or what is gone or changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import archive, combined, datafolder, facts, leaderboard, reader, sample, table
from kit.archive import positions
from kit.blendcard import RECIPE
from kit.errors import DataError, KitError, writing
from kit.folding import task_of
from kit.logbook import Entry, entries, entry
from kit.oofobject import load_oof
from kit.sampling import source_key
from kit.stages import decided
from kit.store import Store
from kit.strictyaml import Document
from kit.submission import put_back
from kit.types import Floats, Floats32, Ints

if TYPE_CHECKING:
    import polars as pl


@dataclass
class _Missing:
    """What is gone or changed, in words for people."""

    told: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if text not in self.told:
            self.told.append(text)


def replay(
    number: str | int, *, out: str | Path | None = None, trust: bool = False, root: str | Path = "."
) -> dict[str, Any]:
    """Rebuild a submission from the OOF folders (current or in history) or the store, and compare it byte for byte.

    A csv that is gone is put back. One that was altered is left alone; `out` says where to write what it was. `gone`
    names what is lacking or changed where it cannot be rebuilt. `trust`: the recipe may run files of its own.

    Raises:
        DataError: there is no such submission.
    """
    base = Path(root).resolve()
    known = entry(str(number), base)
    missing = _Missing()
    how, made = ("", None) if known.about.get("gone") else _rebuilt(known, base, trust, missing)
    if known.about.get("gone"):
        missing.add("its JSON is gone: the ledger keeps scores, not what it was made of")
    same = made is not None and hashlib.sha256(made).hexdigest() == known.about.get("sha256")
    if made is not None and not same:
        missing.add("what is kept gives other bytes than were submitted: an OOF, kit or a library has changed")
    state, written = "unknown", None
    if made is not None and same:
        state = _state(known)
        if state == "restored":
            written = put_back(Store(base), base, known.number, made)
        if out is not None:
            written = _write(Path(out), made)
    return {
        "number": f"{known.number:04d}",
        "rebuilt": same,
        "how": how,
        "file": state,
        "written": None if written is None else str(written),
        "gone": missing.told,
        "next": "" if same else _next(known),
    }


def _state(known: Entry) -> str:
    if known.path is None:
        return "restored"
    same = hashlib.sha256(known.path.read_bytes()).hexdigest() == known.about.get("sha256")
    return "same" if same else "altered"


def _write(path: Path, content: bytes) -> Path:
    with writing(str(path)):
        if path.exists() and path.read_bytes() != content:
            raise DataError("the file exists and is another", place=str(path), next="choose another --out")
        path.write_bytes(content)
    return path


def _next(known: Entry) -> str:
    recipe = known.about.get("recipe")
    if not recipe or "resolved" not in known.about:
        return ""
    if recipe == RECIPE:
        made = (known.about["resolved"].get("blend") or {}).get(known.about.get("from")) or {}
        named = " ".join(map(str, made.get("from") or ["its sources"]))
        return f"kit blend {named} --use {made.get('use')} makes it again where its sources are back"
    return f"its JSON holds the recipe under `resolved`: kit run makes {recipe} again from the same data"


def _rebuilt(known: Entry, root: Path, trust: bool, missing: _Missing) -> tuple[str, bytes | None]:
    """Return from what, and the bytes; None where something is lacking, which is told to `missing`."""
    about = known.about
    if "lb" in about:
        return "the submissions it blends", _of_leaderboard(known, root, missing)
    if "parts" in about:
        return _of_targets(known, root, trust, missing)
    if not about.get("layout") or not about.get("task"):
        missing.add("its JSON does not say how it was written: it was made elsewhere, or by an older kit")
        return "", None
    store = Store(root)
    found = _prediction(about, root, store, missing)
    if found is not None and "rows" not in about:
        # A blend beside no recipe: its ids are written as its test rows stand.
        written: pl.Series | None = found.ids
    else:
        written = _written(about, store, root, trust, missing)
    if found is None or written is None:
        return "", None
    order = _order(written, found.ids, about, missing)
    if order is None:
        return found.how, None
    task, layout = task_of({"objective": "squared", **about["task"]}), sample.from_meta(about["layout"])
    try:
        metric = str(about["metric"])
        # One that is a file of its own runs code; what wants values has no labels anyway.
        labels = None if metric.endswith(".py") and not trust else decided(metric, task, found.mean, found.y)
    except KitError as error:
        missing.add(f"the metric {about['metric']}: {error.problems[0].rule}")
        return found.how, None
    try:
        return found.how, sample.write(layout, task, order, written, found.mean, labels)
    except (IndexError, ValueError, TypeError):  # a person has written in it
        missing.add("its JSON tells a layout that does not fit what it shows")
        return found.how, None


# -- what it shows


@dataclass(frozen=True)
class _Shown:
    """What a submission shows: test predictions (t, m) and their ids, y (n,) of the OOF, and where it was found."""

    how: str
    mean: Floats32
    ids: pl.Series
    y: Floats


def _prediction(about: Mapping[str, Any], root: Path, store: Store, missing: _Missing) -> _Shown | None:
    """Return the predictions of the OOF folder with the key, or of the store."""
    key, name = str(source_key(about)), str(about.get("from"))
    folder = archive.index(root).get(key)
    if folder is not None:
        try:
            kept = archive.read(folder)
            if kept.test is not None and kept.test_ids is not None:
                return _Shown(str(folder.relative_to(root)), kept.test, kept.test_ids, kept.codes())
            missing.add(f"{name}: {folder.relative_to(root)} has no test.parquet")
        except DataError as error:
            problem = error.problems[0]
            missing.add(f"{name}: {problem.rule} ({Path(problem.place).name}) {problem.got}".strip())
    if store.has(key) and store.has(str(about.get("rows"))):
        ids = table.series_from_arrow(store.open(str(about["rows"])).blob("ids/test"))
        oof = load_oof(store.open(key))
        return _Shown(f"the store ({key[:12]})", oof.test_mean().mean, ids, oof.y)
    if folder is None:
        missing.add(f"{name}: its OOF {key[:8]} is neither under oof/, nor in its history, nor in .kit")
    for source, other in (about.get("sources") or {}).items():
        if source != name and str(other) not in archive.index(root) and not store.has(str(other)):
            missing.add(f"{source}: its OOF {str(other)[:8]} is gone too")
    return None


# -- how it is written


def _written(about: Mapping[str, Any], store: Store, root: Path, trust: bool, missing: _Missing) -> pl.Series | None:
    """Return the ids as the submission writes them, in its order: from the store, or from the data files again."""
    key = str(about.get("rows"))
    if not store.has(key):
        _look_again(about, root, store, trust, missing)
    if store.has(key):
        return table.series_from_arrow(store.open(key).blob("ids/submit"))
    twin = _twin(about, root)
    if twin is None:
        missing.add("the order of its ids: neither .kit, nor the data, nor a submission of the same rows tells it")
    return twin


def _home(name: str, root: Path) -> Path:
    """Return the folder that the paths of a recipe most likely start from: where a recipe of its name lies."""
    places = (Path.cwd(), Path.cwd() / "recipes", root, root / "recipes", root.parent)
    return next((p for p in places if (p / f"{name}.yaml").is_file()), Path.cwd())


def _look_again(about: Mapping[str, Any], root: Path, store: Store, trust: bool, missing: _Missing) -> None:
    """Read the data of the recipe again, where it is still as it was; say what has changed where it is not."""
    if "rows" not in about or "resolved" not in about:
        return
    name, document = about.get("home") or (str(about.get("recipe")), about["resolved"])
    try:
        recipe = datafolder.filled(reader.read(Document(document, name, {}, ()), _home(name, root), trust))
        found = facts.gather(recipe, store)
    except (KitError, OSError) as error:
        told = error.problems[0] if isinstance(error, KitError) else None
        missing.add(f"data: {told.rule} ({told.got})" if told else f"data: {error}")
        return
    if found.rows_key != about.get("rows"):
        before = dict(about.get("data") or {})
        read = store.open(found.table_key).ingredients["data"]
        now = {**read, "sample": store.open(found.rows_key).ingredients["sample"]}
        changed = [part for part, digest in before.items() if now.get(part) != digest]
        missing.add(f"data: {', '.join(changed) or 'how it is read'} changed since")


def _twin(about: Mapping[str, Any], root: Path) -> pl.Series | None:
    """Return the ids of a submission of the same rows and layout, of which the csv is still what it was."""
    wanted = about.get("submitted"), about.get("layout")
    for each in entries(root):
        told = [each.about, *(each.about.get("parts") or {}).values()]  # all targets of a submission have its rows
        same = any((part.get("submitted"), part.get("layout")) == wanted for part in told)
        if each.path is not None and same and _state(each) == "same":
            return table.read_text(each.path)[str(about["layout"]["header"][int(about["layout"]["id_at"])])]
    return None


def _order(written: pl.Series, ids: pl.Series, about: Mapping[str, Any], missing: _Missing) -> Ints | None:
    """Return (t,) the test row of each line."""
    order = positions(written, ids)
    if len(written) == len(ids) and (order < 0).any() and about["layout"]["header"][0] == "row":
        return np.arange(len(ids))
    if (order < 0).any() or len(written) != len(ids):
        missing.add(f"its test predictions are of other rows: {int((order < 0).sum())} ids are not among them")
        return None
    return order


def _of_targets(known: Entry, root: Path, trust: bool, missing: _Missing) -> tuple[str, bytes | None]:
    """Return from what, and the bytes, of a submission of several targets."""
    found = []
    for target, about in known.about["parts"].items():
        own = _Missing()
        found.append(_rebuilt(replace(known, about=about), root, trust, own))
        for text in own.told:
            missing.add(f"{target}: {text}")
    hows, parts = ", ".join(how for how, _ in found), [csv for _, csv in found if csv is not None]
    if len(parts) < len(found):
        return hows, None
    try:
        return hows, combined.beside(known.about["header"], parts)
    except DataError as error:  # a person has written in it
        missing.add(error.problems[0].rule)
        return hows, None


def _of_leaderboard(known: Entry, root: Path, missing: _Missing) -> bytes | None:
    about, lb = known.about, known.about["lb"]
    paths: dict[str, Path] = {}
    if any(set(part) != set(about["sources"]) for part in (about["weights"], lb["scores"], lb["oof_weights"])):
        missing.add("its JSON names other submissions in one place than in another")
        return None
    for name, digest in about["sources"].items():
        source = next((e for e in entries(root) if f"{e.number:04d}" == name), None)
        if source is None or source.path is None:
            missing.add(f"submission {name} is gone")
        elif hashlib.sha256(source.path.read_bytes()).hexdigest() != digest:
            missing.add(f"submission {name} was altered")
        else:
            paths[name] = source.path
    if missing.told:
        return None
    best = min(lb["scores"], key=lambda name: (lb["scores"][name], name))
    return leaderboard.again(about, table.read_text(paths[best]), paths)
