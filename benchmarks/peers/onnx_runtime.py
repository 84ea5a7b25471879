"""ONNX Runtime: predictions of a model in the formats that every release reads, opset 17 and IR version 8."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

from .case import Case, Conv, Implementation, to_channels_first


def model(case: Case) -> bytes:
    """The net as an ONNX file, from images (batch, 1, 28, 28) to probabilities (batch, 10)."""
    weights = to_channels_first(case.blocks, case.parameters)
    nodes, x = [], "images"

    def add(operation: str, *parameters: str, **attributes) -> None:
        nonlocal x
        name = f"{operation.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(operation, [x, *parameters], [name], **attributes))
        x = name

    for block in case.blocks:
        names = [f"{block.name}.weights"] + [f"{block.name}.bias"] * block.bias
        if isinstance(block, Conv):
            add("Conv", *names, kernel_shape=[block.size] * 2, pads=[block.padding] * 4)
        else:
            if block.name == "dense_1":
                add("Flatten")
            add("Gemm", *names, transB=1)
        if block.relu:
            add("Relu")
        if isinstance(block, Conv):
            add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    add("Softmax", axis=1)
    graph = helper.make_graph(
        nodes,
        f"net {case.net}",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [case.batch, 1, 28, 28])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [case.batch, 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(result)
    return result.SerializeToString()


class OnnxRuntime(Implementation):
    """One session; `run` from a NumPy array to a NumPy array."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self.session = onnxruntime.InferenceSession(model(case), options, providers=["CPUExecutionProvider"])
        images = case.scaled[:, np.newaxis]
        self.inputs = [{"images": images[batch]} for batch in case.slices()]

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            (probabilities,) = self.session.run(None, self.inputs[self.next()])
        return probabilities
