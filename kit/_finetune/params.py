"""Parameters of finetune: the head, its training, what it is trained on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

import kit.params
from kit.params import Tune


class TextNetParams(kit.params.Params):
    """A pretrained text model, trained further; the defaults suit some hundred to some ten thousand texts."""

    epochs: Annotated[int, Field(ge=1, le=256), Tune(2, 10)] = 3
    """Length of the schedule: the learning rate ends at 0 there. A few hundred rows want twice as many and more."""

    batch: Annotated[int, Field(ge=1, le=4096)] = 16
    """Rows per step."""

    lr: Annotated[float | None, Field(gt=0, le=1), Tune(1e-5, 4e-4, log=True)] = None
    """Highest learning rate of the topmost layer of the text model. null = by its width: 2e-4 at 384 (MiniLM), 5e-5 at
    768 (base), 3e-5 at 1024 (large)."""

    head_lr: Annotated[float, Field(gt=0, le=1), Tune(1e-4, 1e-2, log=True)] = 1e-3
    """Highest learning rate of what stands over the text model and is new."""

    layer_decay: Annotated[float, Field(gt=0, le=1), Tune(0.7, 1.0)] = 0.9
    """By what each layer learns more slowly than the one over it."""

    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Decoupled decay of the weights per unit of lr; biases and norms do not decay."""

    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the schedule over which the learning rate rises."""

    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Longest gradient; 0 = no limit."""

    freeze: Annotated[int, Field(ge=0, le=1000)] = 0
    """Lowest layers that stay as they are; the embeddings are the first. Saves memory and time."""

    pooling: Literal["mean", "first"] = "mean"
    """What stands for a text: the mean of what the model says of its tokens, or what it says of the first."""

    hidden: Annotated[int, Field(ge=0, le=16384)] = 0
    """Neurons between the text (and the columns beside it) and the output; 0 = none, which suits texts alone."""

    dropout: Annotated[float, Field(ge=0, le=0.9), Tune(0.0, 0.4)] = 0.1
    """Share of the head's inputs zeroed in training."""

    inner_dropout: bool | None = None
    """Whether the text model zeroes values inside it in training, as its own configuration says. null = for classes
    only: a regression needs them."""

    loss: Literal["mse", "nll", "beta_nll", "crps", "nll_mae", "faithful"] = "crps"
    """What a regression is trained on: mse the mean by squared error, faithful that and the variance beside it, the
    others both jointly."""

    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Of beta_nll: 0 = nll, 1 = the gradient of the mean as with mse."""

    mae_share: Annotated[float, Field(ge=0, le=1)] = 0.55
    """Of nll_mae: the share of the absolute error."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a class's label spread over all classes."""

    patience: Annotated[int, Field(ge=1)] | None = None
    """Epochs without a better stop score after which training ends; null = it goes on to the last."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 on a GPU that calculates in it, else float32."""

    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of a fit, whatever the run says: the last bits depend on them."""
