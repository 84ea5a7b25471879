"""The logger `cnn`, of which the package's others are children: silent until a program turns logging on.

Modules that everybody imports must not import this one: `logging` takes a fortieth of the time of `import cnn`.
"""

from __future__ import annotations

import logging

LOGGER = logging.getLogger("cnn")
LOGGER.addHandler(logging.NullHandler())  # without any handler, Python prints warnings to the standard error
