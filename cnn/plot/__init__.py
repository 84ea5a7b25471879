"""Pictures of a net: how it learned, what it holds, what it makes of an image, and what it gets wrong.

Drawn with matplotlib, without pyplot: a function gives a figure, which a notebook shows by itself, and writes it to
`path`, as PNG or SVG, if there is one.
"""

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError("pictures are drawn with matplotlib: pip install 'cnn-c[plot]'") from error

from .curves import training_curves
from .layers import feature_maps, filters
from .mistakes import confusion_matrix, worst_mistakes
from .rates import learning_rates

__all__ = ["confusion_matrix", "feature_maps", "filters", "learning_rates", "training_curves", "worst_mistakes"]
