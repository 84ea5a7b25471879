# The functions of every kernels_{level}_float{32,64} module. Arrays are C-contiguous and of the module's dtype;
# a geometry is a tuple from cnn.backends.geometry. What is called dx, dw, y ... in last place before it is written to.
# Weights of dense layers, and gradients for them, are (units, inputs) here.
import numpy as np

from cnn.backends.calls import Batches, Elementwise, Learned, Rule, Update, Warp
from cnn.backends.program import Operation, Plan

lanes: int
openmp: int

def openmp_limit() -> int: ...
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
def avgpool2d_forward(x: np.ndarray, y: np.ndarray, geometry: tuple[int, ...], threads: int) -> None: ...
def avgpool2d_backward(dy: np.ndarray, dx: np.ndarray, geometry: tuple[int, ...], threads: int) -> None: ...
def augment(x: np.ndarray, y: np.ndarray, warp: Warp, seed: int, threads: int) -> None: ...
def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, threads: int) -> None: ...
def dense_input_gradient(dy: np.ndarray, w: np.ndarray, dx: np.ndarray, threads: int) -> None: ...
def dense_weight_gradient(
    dy: np.ndarray, x: np.ndarray, dw: np.ndarray, db: np.ndarray | None, threads: int
) -> None: ...
def elementwise_forward(x: np.ndarray, y: np.ndarray, function: Elementwise, threads: int) -> None: ...
def elementwise_backward(
    dy: np.ndarray, kept: np.ndarray, dx: np.ndarray, function: Elementwise, threads: int
) -> None: ...
def chunks_of(batch_size: int) -> int: ...
def operation_sizes(operation: Operation, training: bool) -> tuple[int, ...]: ...
def update(
    parameters: np.ndarray,
    gradients: np.ndarray,
    first: np.ndarray | None,
    second: np.ndarray | None,
    rule: Rule,
    factors: np.ndarray,
    threads: int,
) -> None: ...
def softmax(logits: np.ndarray, probabilities: np.ndarray) -> None: ...
def softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, dlogits: np.ndarray
) -> float: ...
def value_range(images: np.ndarray) -> tuple[float, float]: ...
def softmax_layer_forward(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, kept: np.ndarray, p: np.ndarray, threads: int
) -> None: ...
def softmax_layer_backprop(
    dp: np.ndarray,
    kept: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    dx: np.ndarray,
    learning_rate: float,
    threads: int,
) -> None: ...

class Runner:
    """A plan and the memory that it needs. One thread of Python at a time may use it."""

    memory: dict[str, list[np.ndarray]]  # the arrays of each kind of memory, for tests
    threads: int  # that it has memory for
    bytes: int  # that it holds

    measured: tuple[dict[int, float], int]  # nanoseconds an image by numbers of threads, and the number that works
    meetings: tuple[int, int]  # so far: of all threads, and of a group of threads that share an image
    nanoseconds: np.ndarray  # (operations, 3) that forward, backward and update took, if asked to profile

    def __init__(self, plan: Plan, threads: int, training: bool, profile: bool = False) -> None: ...
    def train(self, learned: Learned, update: Update, batches: Batches, threads: int, fixed: bool) -> int:
        """Steps on the images that `batches` names, as many as there are rows of step scalars.

        By at most so many threads, as many of them as pay; if `fixed`, by just so many.

        Fills the loss of every image and whether it was classified correctly. Returns how many steps were done: fewer
        where a loss was not finite, and the parameters are then as before that step.
        """

    def predict(
        self, learned: Learned, x: np.ndarray, out: np.ndarray, probabilities: bool, threads: int, fixed: bool
    ) -> None:
        """Probabilities, or logits, of images x into out (n, classes); threads as for `train`."""

def fused_multiply_adds(rounds: int) -> int: ...
