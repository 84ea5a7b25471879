"""ONNX Runtime: predictions of the file that `cnn.export.onnx` writes, in the formats that every release reads."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime

import cnn

from .case import Case, Implementation
from .package import sequential


class OnnxRuntime(Implementation):
    """One session for the case's batch; `run` from a NumPy array to a NumPy array."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case.threads
        options.inter_op_num_threads = 1
        options.add_free_dimension_override_by_name("n", case.batch)
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        with TemporaryDirectory() as folder:
            path = Path(folder, "net.onnx")
            cnn.export.onnx(sequential(case, rescaled=False), path, softmax=True)
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        images = np.ascontiguousarray(case.scaled.transpose(0, 3, 1, 2))
        self.inputs = [{"images": images[batch]} for batch in case.slices()]

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            (probabilities,) = self.session.run(None, self.inputs[self.next()])
        return probabilities
