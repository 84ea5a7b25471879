"""What an import of the package imports, and what only a use of it."""

from __future__ import annotations

import sys

import pytest

import cnn
import cnn.models


def test_importing_the_package_imports_nothing_but_numpy_and_the_standard_library(python):
    program = """
        import sys
        import numpy
        before = set(sys.modules)
        import cnn
        net = cnn.models.two_conv(seed=0)
        net.predict(numpy.zeros((2, 28, 28), numpy.uint8))
        for name in sorted({name.split(".")[0] for name in set(sys.modules) - before}):
            print(name)
    """
    new = set(python(program).split()) - set(sys.stdlib_module_names)
    # Cython's modules share their types through one of a name like this.
    assert {name for name in new if not name.startswith(("_cython", "cython_runtime"))} <= {"cnn", "cnn_c", "numpy"}


def test_what_is_imported_late_is_an_attribute_from_the_start(python):
    program = """
        import sys
        import cnn
        late = {"cnn.datasets", "cnn.reference"}
        assert not late & set(sys.modules), sys.modules.keys()
        assert {"datasets", "reference", "__version__"} <= set(dir(cnn))
        assert cnn.datasets.mnist.train_images and cnn.reference.Conv2D and cnn.__version__
        assert late <= set(sys.modules)
    """
    python(program)


def test_importing_the_package_imports_nothing_that_only_type_checkers_need(python):
    program = """
        import sys
        import cnn
        assert not {"numpy.typing", "cnn.backends.annotations", "cnn.training.hooks"} & set(sys.modules)
    """
    python(program)


def test_every_public_name_is_there():
    for name in cnn.__all__:
        assert getattr(cnn, name) is not None
    with pytest.raises(AttributeError, match="'cnn' has no attribute 'Conv4D'"):
        _ = cnn.Conv4D
