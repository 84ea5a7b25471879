"""What makes it doubtful that a net has read a picture right, in words for `cnn predict`.

The limits were measured on MNIST's test images and on made photographs: `python benchmarks/doubts.py`.
"""

from __future__ import annotations

import numpy as np

FAINTEST = 25  # greys between which a picture shows no ink
# The net of two convolutions: of what it reads with a probability from 85 to 90 % it is right in 84 %, from 90 to 95 %
# in 92 %. Of what is below, which is 2 % of all, it is right in 71 %. The fast recipe's net learns smoothed labels: of
# the 8 % below it is right in 89 %.
UNSURE = 0.9
# Of the ink on a page, and of its digits. Of photographs of digits 1 % have less than half of the ink in digits, or the
# net is unsure of more than half of the digits; of textures 97 %.
MOST = 0.5


def doubts(image: np.ndarray, probability: float) -> list[str]:
    """Why a prediction may be wrong.

    Parameters
    ----------
    image : uint8 (height, width) or (height, width, 3)
        The picture as the net reads it.
    probability : float
        Of the class that is predicted.

    Returns
    -------
    list of str
        Empty for a prediction that is as good as they come.
    """
    if np.ptp(image) < FAINTEST:
        return ["it shows no ink"]
    return [] if probability >= UNSURE else ["the net is unsure"]  # NaN is no better


def doubts_of_page(share: float, probabilities: np.ndarray) -> list[str]:
    """Why all digits of a page may be none.

    Parameters
    ----------
    share : float
        Which part of the page's ink is in its digits.
    probabilities : (digits,)
        Of the classes that are predicted.
    """
    if share >= MOST and np.mean(probabilities >= UNSURE) >= MOST:
        return []
    return ["most of what the picture shows is no digit"]
