"""Who takes part. Nothing is imported here but by the process that runs it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from .case import Case, Implementation

BOTH = ("training", "inference")

# Frameworks allocate the results of every layer anew. glibc would return large ones to the system after each step, and
# the page faults of getting them back take up to two thirds of a step of 1024 images. This keeps them.
KEEP_MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=8589934592"}


class Entry(NamedTuple):
    """A line of the tables.

    Attributes
    ----------
    title : str
    module : str
        In this folder.
    ways : tuple of str
        Classes of it that do the same; the one that turns out fastest in a case is timed.
    ways_of_training : tuple of str
        More of them, which differ in training alone.
    packages : tuple of str
        What has to be installed.
    modes : tuple of str
    """

    title: str
    module: str
    ways: tuple[str, ...]
    ways_of_training: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    modes: tuple[str, ...] = BOTH

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [package for package in self.packages if find_spec(package) is None]

    @property
    def is_peer(self) -> bool:
        return bool(self.packages)

    @property
    def environment(self) -> dict[str, str]:
        """Of the process, before anything is imported."""
        return KEEP_MEMORY if self.is_peer else {}

    def build(self, case: Case) -> dict[str, Implementation]:
        """The candidates, by name."""
        module = import_module(f".{self.module}", __package__)
        ways = self.ways + self.ways_of_training * (case.mode == "training")
        return {name: getattr(module, name)(case) for name in ways}


ENTRIES = {
    "pure": Entry("pure NumPy", "tutorial", ("pure",)),
    "layers": Entry("our layers, one by one", "package", ("Layers",)),
    "ours": Entry("cnn-c", "package", ("Fused",)),
    "torch": Entry("PyTorch eager", "pytorch", ("Eager",), packages=("torch",)),
    "torch-cl": Entry("PyTorch channels last", "pytorch", ("EagerChannelsLast",), packages=("torch",)),
    "compile": Entry("torch.compile", "pytorch", ("Compiled", "CompiledChannelsLast"), packages=("torch",)),
    "jax": Entry("JAX", "xla", ("Jax", "JaxByColumns"), ("Scan", "ScanByColumns"), ("jax",)),
    "tensorflow": Entry("TensorFlow", "tensorflow", ("Graph", "Xla"), ("Loop",), ("tensorflow",)),
    "tinygrad": Entry("tinygrad", "tinygrad", ("Tinygrad",), packages=("tinygrad",)),
    "onnx": Entry(
        "ONNX Runtime", "onnx_runtime", ("OnnxRuntime",), packages=("onnx", "onnxruntime"), modes=("inference",)
    ),
}
