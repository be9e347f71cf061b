"""Times hetero_mlp's training against plain torch loops of the same nets: seconds per epoch and ratios, in one run.

DataLoader loop: one net after the other, a DataLoader of batches, AdamW as it comes. Index loop: the same, but batches
are picked from tensors and AdamW is fused. Both learn mean and log variance by the loss kit's side learns by.

    python benchmarks/mlp.py --out benchmarks/mlp.csv
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from kit.contracts import Run
from kit.models import hetero_mlp
from kit.types import Block, Design, Task

PUBLISHED = {
    "hidden": [1536, 768, 256],
    "activation": "gelu",
    "norm": "layer",
    "dropout": 0.13,
    "loss": "nll_mae",
    "lr": 2e-4,
    "weight_decay": 3e-6,
    "clip_norm": 1.2,
    "variance_start": -2.0,
    "variance_bounds": [-12.0, 8.0],
}
"""The heteroscedastic net of the judge competition's first solution, as params of hetero_mlp; see docs/learners.md."""

PLAIN = {
    "parametrization": "standard",
    "parametric": False,
    "front": False,
    "embed_max": 0,
    "scale": "standard",
    "schedule": "constant",
    "anneal": False,
    "beta2": 0.999,
    "variance_lr": 1.0,
    "variance_soft": False,
    "batch": 256,
}
"""What makes hetero_mlp an ordinary net of torch."""


@dataclass(frozen=True)
class Case:
    """A net and the rows it learns."""

    name: str
    rows: int
    inputs: int
    members: int
    params: dict[str, Any]


CASES = (
    Case("200-128-128-2", 10_000, 200, 5, {"hidden": [128, 128], "activation": "silu", "dropout": 0.0, "loss": "nll"}),
    Case("published 2312-1536-768-256-2", 2_560, 2312, 1, PUBLISHED),
)


def module(case: Case) -> nn.Module:
    """Return the same net as modules of torch."""
    layers: list[nn.Module] = []
    d = case.inputs
    for width in case.params["hidden"]:
        layers.append(nn.Linear(d, width))
        if case.params.get("norm") == "layer":
            layers.append(nn.LayerNorm(width))
        layers.append(nn.GELU() if case.params["activation"] == "gelu" else nn.SiLU())
        if case.params["dropout"]:
            layers.append(nn.Dropout(case.params["dropout"]))
        d = width
    return nn.Sequential(*layers, nn.Linear(d, 2))


def step(net: nn.Module, optimiser: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, case: Case) -> None:
    """Take one step."""
    out = net(x)
    error, log_var = y - out[:, 0], out[:, 1].clamp(-12, 8)
    loss = 0.5 * (log_var + error.square() * (-log_var).exp())
    if case.params["loss"] == "nll_mae":
        loss = 0.45 * loss + 0.55 * error.abs()
    optimiser.zero_grad()
    loss.mean().backward()
    if "clip_norm" in case.params:
        torch.nn.utils.clip_grad_norm_(net.parameters(), case.params["clip_norm"])
    optimiser.step()


def dataloader_loop(case: Case, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
    """Train the members one after the other with a DataLoader."""
    for _ in range(case.members):
        net = module(case)
        optimiser = torch.optim.AdamW(net.parameters(), lr=2e-4)
        for _ in range(epochs):
            for a, b in DataLoader(TensorDataset(x, y), batch_size=256, shuffle=True, drop_last=True):
                step(net, optimiser, a, b, case)


def index_loop(case: Case, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
    """Train the members one after the other with rows picked from tensors."""
    for _ in range(case.members):
        net = module(case)
        optimiser = torch.optim.AdamW(net.parameters(), lr=2e-4, fused=True)
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for at in range(0, len(x) - 255, 256):
                picked = order[at : at + 256]
                step(net, optimiser, x[picked], y[picked], case)


def kit_fit(case: Case, x: torch.Tensor, y: torch.Tensor, epochs: int, more: dict[str, Any]) -> None:
    """Train all members at once with hetero_mlp."""
    names = tuple(f"x{i}" for i in range(case.inputs))
    ones = np.ones(len(x))
    design = Design((Block(names, x.numpy()),), y.numpy().astype(np.float64), ones, ones)
    params = hetero_mlp.Params(**{**PLAIN, **case.params, "members": case.members, "epochs": epochs, **more})
    run, task = Run(np.random.default_rng(0)), Task("regression", "squared")
    data = hetero_mlp.prepare(params, task, design, None, run)
    began = time.perf_counter()
    hetero_mlp.fit(params, task, data, run)
    kit_fit.seconds = time.perf_counter() - began


def timed(make: Callable[[], None]) -> float:
    """Return seconds."""
    began = time.perf_counter()
    make()
    return time.perf_counter() - began


def compare(case: Case, threads: int, repeats: int, epochs: int) -> dict[str, Any]:
    """Return seconds per epoch of each way, medians of repeats taken in turn, and the ratios to kit's."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(case.rows, case.inputs)).astype(np.float32))
    y = torch.tanh(x[:, 0]) + 0.3 * torch.from_numpy(rng.normal(size=case.rows).astype(np.float32))
    torch.set_num_threads(threads)

    def ours(**more: Any) -> float:
        kit_fit(case, x, y, epochs, {"threads": threads, **more})
        return kit_fit.seconds

    ways: dict[str, Callable[[], float]] = {
        "dataloader": lambda: timed(lambda: dataloader_loop(case, x, y, epochs)),
        "index": lambda: timed(lambda: index_loop(case, x, y, epochs)),
        "kit": ours,
        "kit_bf16": lambda: ours(precision="bfloat16"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(way() / epochs)
    line: dict[str, Any] = {"net": case.name, "members": case.members, "threads": threads}
    line |= {name: round(statistics.median(found), 4) for name, found in seconds.items()}
    for other, mine in (("dataloader", "kit"), ("index", "kit"), ("dataloader", "kit_bf16")):
        ratios = [a / b for a, b in zip(seconds[other], seconds[mine], strict=True)]
        line[f"{other} / {mine}"] = round(statistics.median(ratios), 2)
    return line


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--nets", nargs="*", default=[case.name for case in CASES])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    lines = []
    for case in (case for case in CASES if case.name in args.nets):
        for threads in args.threads:
            lines.append(compare(case, threads, args.repeats, args.epochs))
            print(lines[-1], flush=True)
            if args.out:
                with args.out.open("w", newline="") as stream:
                    writer = csv.DictWriter(stream, lines[0].keys())
                    writer.writeheader()
                    writer.writerows(lines)


if __name__ == "__main__":
    main()
