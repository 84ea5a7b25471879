"""One step of an optimiser in NumPy, by PyTorch's rules; what `cnn.training.optimizers` describes."""

from __future__ import annotations

import numpy as np

from ..program import Rule


def update(
    parameters: np.ndarray,
    gradients: np.ndarray,
    first: np.ndarray | None,
    second: np.ndarray | None,
    rule: Rule,
    scalars: np.ndarray,
) -> None:
    """Change `parameters`, the velocities or first moments `first` and the second moments in place."""
    rate, unbias, shrink = scalars
    g = gradients + rule.weight_decay * parameters
    if first is None:
        parameters -= rate * g
    elif second is None:
        first[...] = rule.momentum * first + g
        parameters -= rate * (g + rule.momentum * first if rule.nesterov else first)
    else:
        first[...] = rule.momentum * first + (1 - rule.momentum) * g
        second[...] = rule.beta2 * second + (1 - rule.beta2) * g * g
        parameters *= shrink
        parameters -= rate * first / (np.sqrt(second) * unbias + rule.epsilon)
