"""How much faster `embed` is than encoding one text at a time: short, duplicated and long texts, MiniLM, one run.

python benchmarks/embed.py [--texts 600] [--repeats 3] [--only long] [--dtype float32 bfloat16 int8] [--out FILE.csv]

One at a time is `model.encode(text)`, and for a text longer than the model reads, its windows one after another: bare
passes through the model, without what `model.encode` does around each, which would flatter `embed`. One at a time is
float32 whatever the dtype, through the model's own layers, and has every core for each text, as torch does by itself.
Both sides work in the same process, turn by turn; a ratio is the median over the turns, of wall and of processor time
(torch's threads spin while they wait, which counts). The least cosine between the vectors of both sides tells what a
dtype costs. The last line of a dtype encodes through the store, twice.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from kit import hub
from kit.devices import cores
from kit.features import _beside, _encoder, embed
from kit.features._encoder import Encoder, Reading
from kit.types import Column, Rows, Task

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "judge_sts" / "train.csv.gz"
SENTENCES, OPENING = 40, 30
"""Sentences of a long text, and how many of them several texts have in common at their start, as prompts do."""


def corpora(count: int) -> dict[str, list[str]]:
    """Return short texts, as many with each text four times, and fewer long ones: distinct, and with one opening."""
    rng = np.random.default_rng(0)
    if DATA.exists():
        pool = pl.read_csv(DATA)["response"].unique(maintain_order=True).to_list()
    else:
        words = [f"word{i}" for i in range(2000)]
        pool = [" ".join(rng.choice(words, rng.integers(5, 25))) for _ in range(3000)]
    short = [str(t) for t in rng.choice(pool, count, replace=False)]
    duplicated = [short[i] for i in rng.permutation(np.tile(np.arange(count // 4), 4))]
    many = max(4, count // 50)
    long = [" ".join(rng.choice(pool, SENTENCES)) for _ in range(many)]
    opening = " ".join(rng.choice(pool, OPENING))
    prompts = [f"{opening} {' '.join(rng.choice(pool, SENTENCES - OPENING))}" for _ in range(many)]
    return {"short": short, "duplicated": duplicated, "long": long, "long prompts": prompts}


def one_at_a_time(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors, each text (or window of a long one) alone in its batch and not filled up."""
    found = []
    for text in texts:
        windows, _, fresh = encoder._windows([text])
        if len(windows) == 1:
            found.append(np.asarray(encoder.model.encode(text, show_progress_bar=False)))
            continue
        made = np.concatenate([encoder._forward([tokens], len(tokens)) for tokens in windows])
        found.append((made * fresh[:, None]).sum(axis=0) / fresh.sum())
    return np.stack(found)


def together(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors as `embed` makes them: equal texts once, batches of one length."""
    distinct = list(dict.fromkeys(texts))
    place = {text: i for i, text in enumerate(distinct)}
    return encoder.encode(distinct)[[place[text] for text in texts]]


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def through_the_store(model: Path, texts: list[str], dtype: str) -> tuple[int, int]:
    """Return how many texts the first and the second run encode."""
    counts: list[int] = []
    inner = Encoder.encode

    def encode(self: Encoder, some: Sequence[str]) -> np.ndarray:
        counts[-1] += len(some)
        return inner(self, some)

    levels = tuple(sorted(set(texts)))
    codes = np.array([levels.index(t) for t in texts], np.int32)
    rows = Rows(np.arange(len(texts)), {"t": codes}, {"t": Column("text", levels)})
    with tempfile.TemporaryDirectory() as folder:
        _encoder.Encoder.encode = encode  # type: ignore[method-assign]
        for _ in range(2):
            counts.append(0)
            params = embed.Params.model_validate({"text": "t", "model": str(model), "dtype": dtype})
            learnt = embed.learn(params, Task("regression"), rows, np.random.default_rng(0))
            learnt.placed(Path(folder), "cpu")(rows)
        _encoder.Encoder.encode = inner  # type: ignore[method-assign]
    return counts[0], counts[1]


def measured(plain: Encoder, encoder: Encoder, texts: list[str], repeats: int) -> list[str]:
    """Return texts/s one at a time and together, the ratios of wall and processor time, the gap and the cosine."""
    one_at_a_time(plain, texts[:2])
    together(encoder, texts[:2])
    turns = []
    for _ in range(repeats):
        with _beside.threads(cores()):
            began, busy = time.perf_counter(), time.process_time()
            slow = one_at_a_time(plain, texts)
            seconds = [time.perf_counter() - began, time.process_time() - busy]
        began, busy = time.perf_counter(), time.process_time()
        made = together(encoder, texts)
        turns.append([*seconds, time.perf_counter() - began, time.process_time() - busy])
    worst = float(np.abs(unit(made) - unit(slow)).max())
    cosine = float((unit(made) * unit(slow)).sum(axis=1).min())
    wall, cpu = (statistics.median(t[i] / t[i + 2] for t in turns) for i in (0, 1))
    rate = [len(texts) / statistics.median(t[i] for t in turns) for i in (0, 2)]
    return [*(f"{r:.1f}" for r in rate), f"{wall:.2f}", f"{cpu:.2f}", f"{worst:.1e}", f"{cosine:.6f}"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--texts", type=int, default=600)
    arguments.add_argument("--repeats", type=int, default=3)
    dtypes = ("float32", "bfloat16", "int8")
    arguments.add_argument("--dtype", nargs="+", choices=dtypes, default=["float32"])
    arguments.add_argument("--only", nargs="*", default=[], help="kinds of texts; all if none is named")
    arguments.add_argument("--out", default="")
    given = arguments.parse_args()
    model = hub.find("minilm", []).folder
    sides = {d: Encoder(model, "cpu", Reading(None, None, "raise", None, d)) for d in dtypes}
    plain = Encoder(model, "cpu", Reading(None, None, "raise", None, "float32"))
    plain.layers = _encoder._layers(plain.model)
    lines: list[list[object]] = []
    shown = "{:8} {:12} {:5} texts  one at a time {:>6}/s  embed {:>6}/s  {:>5} x  (cpu {} x)  gap {}  cosine {}"
    for dtype in given.dtype:
        for name, texts in corpora(given.texts).items():
            if given.only and name not in given.only:
                continue
            lines.append([dtype, name, len(texts), *measured(plain, sides[dtype], texts, given.repeats)])
            print(shown.format(*lines[-1]), flush=True)
        if not given.only:
            first, second = through_the_store(model, corpora(given.texts)["duplicated"], dtype)
            print(f"{dtype} through the store: {first} texts encoded, then {second}")
            lines.append([dtype, "store", "", first, second, "", "", "", ""])
    if given.out:
        with Path(given.out).open("w", newline="") as stream:
            head = ["dtype", "texts", "count", "one_per_s", "embed_per_s", "ratio", "cpu_ratio", "largest_gap"]
            csv.writer(stream, lineterminator="\n").writerows([[*head, "least_cosine"], *lines])


if __name__ == "__main__":
    main()
