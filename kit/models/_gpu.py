"""Which device each library can really use where a run offers a GPU: they are built with or without support for it."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np

from kit.contracts import Run


def lightgbm(run: Run) -> str:
    """Return what this build of LightGBM calls the device: cuda, gpu (OpenCL) or, where it has neither, cpu."""
    return "cpu" if run.device == "cpu" else _lightgbm_gpu()


@cache
def _lightgbm_gpu() -> str:
    """Return the first kind of GPU on which LightGBM trains here, else cpu."""
    import lightgbm as lgb

    x, y = np.arange(64, dtype=np.float32).reshape(32, 2), np.arange(32) % 2
    for name in ("cuda", "gpu"):
        config = {"device_type": name, "verbosity": -1, "min_data_in_bin": 1, "min_data_in_leaf": 1}
        try:
            lgb.train(config, lgb.Dataset(x, y, params=config), 1)
        except lgb.basic.LightGBMError:
            continue
        return name
    return "cpu"


def catboost(run: Run) -> Literal["CPU", "GPU"]:
    """Return CatBoost's task type: GPU where it counts one."""
    if run.device == "cpu":
        return "CPU"
    from catboost.utils import get_gpu_device_count

    return "GPU" if get_gpu_device_count() else "CPU"


def torch(run: Run) -> Literal["cpu", "cuda"]:
    """Return the device torch can use."""
    if run.device == "cpu":
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def xgboost(booster: Any) -> str:
    """Return the device a trained booster was moved to: XGBoost goes to the CPU by itself where it finds no GPU."""
    import json

    return str(json.loads(booster.save_config())["learner"]["generic_param"]["device"])
