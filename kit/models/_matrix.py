"""A numeric matrix for estimators that know neither missing values nor categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from kit.types import Array, Floats, Floats32, Ints
