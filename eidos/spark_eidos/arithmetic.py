"""The few functions every model needs, on numbers and on arrays alike."""

from __future__ import annotations

import math

import numpy as np

PROBIT = math.pi / 8.0
"""Logistic of a normal variable: mean over sqrt(1 + PROBIT * variance) (MacKay, "The Evidence Framework Applied to
Classification Networks", Neural Computation 4, 1992)."""
STEEPEST = 30.0

total = np.add.reduce
"""Sum along the first axis unless told otherwise. What the method `sum` calls, without its detour."""


def products(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each row times `weights`, summed; shape (rows,). Not by BLAS, whose rounding of one row hangs on how many there
    are: a candidate's number must not hang on how many others there are."""
    found: np.ndarray = np.einsum("ij,j->i", rows, weights)
    return found


def logit(p: float) -> float:
    """Log odds of `p`, 0 < p < 1."""
    return math.log(p / (1.0 - p))


def logistic(z: float) -> float:
    """The probability whose log odds are `z`."""
    return 1.0 / (1.0 + math.exp(-min(max(z, -STEEPEST), STEEPEST)))


def logistics(z: np.ndarray) -> np.ndarray:
    """`logistic` of every element; any shape. By the hyperbolic tangent, which never overflows."""
    chances: np.ndarray = 0.5 + 0.5 * np.tanh(0.5 * z)
    return chances


def logits(p: np.ndarray) -> np.ndarray:
    """`logit` of every element, each held in [0.001, 0.999] first; any shape."""
    held = np.minimum(np.maximum(p, 1e-3), 1.0 - 1e-3)
    odds: np.ndarray = np.log(held / (1.0 - held))
    return odds
