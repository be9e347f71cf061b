"""Parameters of hetero_mlp: the net, its training, what it is trained on."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

import kit.params
from kit.params import Tune
from kit.types import Task

RegressionLoss = Literal["mse", "nll", "beta_nll", "crps", "nll_mae", "faithful", "balanced", "bmc"]
Schedule = Literal["coslog4", "cosine", "one_cycle", "constant"]


class Density(BaseModel):
    """The distribution of y to be predicted for, as shares of bins; in units of y as the learner sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    edges: tuple[float, ...] = Field(min_length=2)
    """Edges of the bins, rising; y outside belongs to the bin next to it."""
    shares: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)
    """How much of y lies in each bin; only their ratios count."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if len(self.edges) != len(self.shares) + 1:
            raise ValueError(f"edges must be one more than shares: {len(self.edges)} and {len(self.shares)}")
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)) or not sum(self.shares) > 0:
            raise ValueError("edges must rise and shares must not all be 0")
        return self


class NetParams(kit.params.Params):
    """A multilayer perceptron for tables; the defaults suit 500 to 100 000 rows."""

    members: Annotated[int, Field(ge=1, le=64)] = 4
    """Nets with their own start and row order, trained at once and averaged. The cost grows in proportion."""

    epochs: Annotated[int, Field(ge=1, le=4096)] = 64
    """Length of the schedule: learning rate and dropout end at 0 there."""

    batch: Annotated[int, Field(ge=0, le=65536)] = 0
    """Rows per step; 0 = by the number of learning rows: 64 up to 1024 rows, 128 to 8192, 256 to 30k, 512, 1024."""

    width: Annotated[int, Field(ge=1, le=4096), Tune(64, 384, log=True)] = 128
    """Neurons of a hidden layer."""

    layers: Annotated[int, Field(ge=1, le=16), Tune(1, 4)] = 3
    """Hidden layers."""

    hidden: tuple[Annotated[int, Field(ge=1, le=16384)], ...] = ()
    """Neurons of each hidden layer, where they differ: [1536, 768, 256]. () = `layers` times `width`."""

    activation: Annotated[
        Literal["silu", "mish", "selu", "gelu", "relu", "tanh"], Tune(choices=("silu", "selu", "gelu"))
    ] = "silu"
    """Activation."""

    parametric: bool = True
    """Blend the activation with the identity by a learnt share per neuron."""

    norm: Literal["none", "layer"] = "none"
    """LayerNorm before each activation."""

    parametrization: Literal["ntk", "standard"] = "ntk"
    """ntk: weights divided by the root of the inputs and fitted to the data at the start, so that one lr suits every
    width; biases learn a tenth as fast and do not decay. standard: as torch.nn.Linear, one lr and decay for all."""

    front: bool = True
    """A learnt factor per input before the first layer."""

    embed_max: Annotated[int, Field(ge=0, le=100_000)] = 128
    """Numeric columns get periodic embeddings if this many or fewer qualify; wider blocks never do. 0 = none."""

    sigma: Annotated[float, Field(gt=0, le=100), Tune(0.02, 2.0, log=True)] = 0.3
    """Spread of the starting frequencies of the periodic embeddings: more = wigglier."""

    scale: Literal["asinh", "robust", "standard", "none"] = "asinh"
    """Numeric columns less their median over their quartile range, far values z as 3 asinh(z / 3), like a logarithm, or
    (robust) drawn in below 3; less their mean over their sd; or as they are."""

    scale_y: bool = True
    """Learn y less its mean over its sd."""

    lr: Annotated[float | None, Field(gt=0, le=10), Tune(0.01, 0.3, log=True)] = None
    """Highest learning rate; null = 0.05 for a regression, 0.02 for classes. The ntk parametrization wants far more
    than the usual 1e-3."""

    schedule: Schedule = "coslog4"
    """Course of the learning rate: four cycles, each twice as long; half a cosine after a short rise; a rise over 30 %
    and a fall; no change."""

    weight_decay: Annotated[float | None, Field(ge=0, le=1), Tune(1e-3, 0.5, log=True)] = None
    """Decoupled decay of the weights per unit of lr; null = 0.02 for a regression, 0.1 for classes, which overfit
    sooner."""

    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Memory of Adam's second moment."""

    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """Longest gradient of a member; 0 = no limit."""

    dropout: Annotated[float, Field(ge=0, le=0.9), Tune(0.0, 0.5)] = 0.15
    """Share of hidden values zeroed in training."""

    anneal: bool = True
    """Take dropout and decay down to 0 in the second half of the epochs."""

    loss: Annotated[RegressionLoss, Tune(choices=("crps", "beta_nll", "nll_mae"))] = "crps"
    """What a regression is trained on. mse and faithful: the mean by squared error; bmc and balanced: as if y were
    spread as `density` says, with one sd for all or one per row; the others mean and variance jointly. crps had the
    best RMSE and CRPS of these on 5 real sets. The absolute objective trains the mean by absolute error instead."""

    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    """beta_nll only: 0 = nll, 1 = the mean learns as with mse."""

    mae_share: Annotated[float, Field(ge=0, le=1)] = 0.55
    """nll_mae only: share of the absolute error, the rest is nll."""

    density: Density | None = None
    """balanced and bmc only: the distribution of y to predict for; null = every value of y as often as any other."""

    variance_lr: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Learning-rate factor of the variance output."""

    variance_start: Annotated[float, Field(ge=-20, le=20)] = 0.0
    """Log variance (of y as scaled) at the start."""

    variance_bounds: tuple[float, float] = (-9.2, 4.6)
    """Bounds of the log variance: the sd of scaled y from 0.01 to 10."""

    variance_soft: bool = True
    """Bend the log variance at its bounds, which keeps a gradient there; false = cut it off."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.1)] = 0.0
    """Share of a class label spread over all classes. Helps accuracy at times, hurts logloss."""

    clamp: bool = True
    """Keep regression predictions within the learning rows' target range."""

    patience: Annotated[int | None, Field(ge=1)] = None
    """Epochs without a better stop score before the fit ends; null = the whole schedule."""

    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads of torch on a CPU. More pay for nets wider than 500 where cores are idle; the last digits differ."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of matrix products. bfloat16 pays for wide nets on a GPU or a CPU that has it (AVX512_BF16, AMX)."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.variance_bounds[0] >= self.variance_bounds[1]:
            raise ValueError("variance_bounds must rise")
        return self

    def idle(self, task: Task) -> frozenset[str]:
        """Return what is for another kind of target, for periodic embeddings where there are none, for widths given."""
        labels = task.kind != "regression"
        unused = {
            "loss": labels or task.objective == "absolute",
            "label_smoothing": not labels,
            "sigma": not self.embed_max,
            "width": bool(self.hidden),
            "layers": bool(self.hidden),
        }
        return frozenset(name for name, holds in unused.items() if holds)
