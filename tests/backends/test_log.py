"""What the package logs is silent until a program turns it on, and costs nobody the import of `logging`."""

from __future__ import annotations

FIT = """
    import sys
    import numpy as np
    import cnn
    net = cnn.models.tutorial(seed=0)
    net.predict(np.zeros((2, 28, 28), np.uint8))
    assert "logging" not in sys.modules
    {turn_on}
    images, labels = np.zeros((20, 28, 28)), np.arange(20) % 10
    callbacks = [cnn.Checkpoint("net.run")]
    net.fit(images, labels, epochs=2, callbacks=callbacks, progress=False)
    net.save("net.safetensors")
    from cnn.backends.log import LOGGER
    LOGGER.warning("a warning")
"""


TURN_ON = "import logging; logging.basicConfig(level='INFO', stream=sys.stdout, format='%(levelname)s %(name)s')"


def test_nothing_is_logged_by_default(python):
    both_streams = """
        import sys
        sys.stderr = sys.stdout
    """
    assert python(both_streams, FIT.format(turn_on="")) == ""


def test_a_program_turns_logging_on_with_one_line(python):
    fit, written = "INFO cnn.training", "INFO cnn.storage"
    out = python(FIT.format(turn_on=TURN_ON))
    assert out.splitlines() == [fit, fit, written, fit, written, fit, written, "WARNING cnn"]


def test_what_one_part_logs_can_be_turned_off(python):
    out = python(FIT.format(turn_on=f"{TURN_ON}; logging.getLogger('cnn.training').setLevel('ERROR')"))
    assert out.splitlines() == ["INFO cnn.storage"] * 3 + ["WARNING cnn"]
