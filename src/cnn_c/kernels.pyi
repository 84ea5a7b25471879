# The functions of every kernels_{level}_float{32,64} module. Arrays are C-contiguous and of the module's dtype;
# a geometry is a tuple from cnn.geometry. What is called dx, dw, y ... in last place before it is written to.
import numpy as np

lanes: int
openmp: int

def conv2d_forward(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, geometry: tuple[int, ...], threads: int
) -> None: ...
def conv2d_input_gradient(
    dy: np.ndarray, w: np.ndarray, dx: np.ndarray, geometry: tuple[int, ...], threads: int
) -> None: ...
def conv2d_weight_gradient(
    dy: np.ndarray, x: np.ndarray, dw: np.ndarray, db: np.ndarray | None, geometry: tuple[int, ...], threads: int
) -> None: ...
def conv2d_descend(
    dy: np.ndarray, x: np.ndarray, w: np.ndarray, geometry: tuple[int, ...], learning_rate: float, threads: int
) -> None: ...
def maxpool2d_forward(
    x: np.ndarray, y: np.ndarray, switches: np.ndarray | None, geometry: tuple[int, ...], threads: int
) -> None: ...
def maxpool2d_backward(
    dy: np.ndarray, switches: np.ndarray, dx: np.ndarray, geometry: tuple[int, ...], threads: int
) -> None: ...
def maxpool2d_backward_ties(
    dy: np.ndarray, x: np.ndarray, y: np.ndarray | None, dx: np.ndarray, geometry: tuple[int, ...], threads: int
) -> None: ...
def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, threads: int) -> None: ...
def dense_input_gradient(dy: np.ndarray, w: np.ndarray, dx: np.ndarray, threads: int) -> None: ...
def dense_weight_gradient(
    dy: np.ndarray, x: np.ndarray, dw: np.ndarray, db: np.ndarray | None, threads: int
) -> None: ...
def relu_forward(x: np.ndarray, y: np.ndarray, threads: int) -> None: ...
def relu_backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray, threads: int) -> None: ...
def sgd(
    parameters: np.ndarray,
    gradients: np.ndarray,
    velocities: np.ndarray | None,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    threads: int,
) -> None: ...
def softmax(logits: np.ndarray, probabilities: np.ndarray) -> None: ...
def softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, dlogits: np.ndarray
) -> float: ...
def softmax_layer_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray, p: np.ndarray, threads: int) -> None: ...
def softmax_layer_backprop(
    dp: np.ndarray,
    p: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    dx: np.ndarray,
    learning_rate: float,
    threads: int,
) -> None: ...
def fused_multiply_adds(rounds: int) -> int: ...
