"""OpenCV, an optional package, for the modules that look at pixels; none of them is imported before it is used."""

import importlib
from typing import Any

try:
    cv2: Any = importlib.import_module("cv2")  # whose type hints are not those of what it takes
except ImportError:
    raise ImportError("reading photographs needs OpenCV: pip install 'cnn-c[images]'") from None
