"""A module of PyTorch as layers: what its `forward` calls, one after the other, as torch.fx records it."""

from __future__ import annotations

from typing import Any

from torch import Tensor as TorchTensor
from torch import fx, nn

from ..chain import shapes
from ..chain.parsed import Parsed, parsed
from ..chain.tensor import Tensor
from .calls import FUNCTIONS, METHODS
from .kinds import KINDS, array


def read(module: Any, input_shape: tuple[int, ...]) -> Parsed:
    """The net that a module is, for images (h, w, c) or rows; see `cnn.from_torch` for what is raised."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {module!r}")
    if type(module) in KINDS:
        module = nn.Sequential(module)
    sizes = (input_shape[2], *input_shape[:2]) if len(input_shape) == 3 else input_shape
    return parsed(Walk(module, shapes.start(sizes, "the input")).output(), _dtype(module))


def _dtype(module: Any) -> str:
    kinds = {str(value.dtype).removeprefix("torch.") for value in module.parameters()}
    if kinds - {"float32"} and kinds != {"float64"}:
        raise ValueError(f"its parameters must be all of float32 or all of float64, got {', '.join(sorted(kinds))}")
    return kinds.pop() if kinds else "float32"


class Tracer(fx.Tracer):
    """Remembers which module it is in, for errors."""

    module: Any = None

    def call_module(self, m: Any, forward: Any, args: Any, kwargs: Any) -> Any:
        self.module = m
        return super().call_module(m, forward, args, kwargs)


class Walk:
    """The calls of a module, each with what it gives."""

    def __init__(self, module: Any, start: Tensor) -> None:
        self._module, self._start = module, start
        self._nodes = list(_traced(module).nodes)
        self._values: dict[Any, Any] = {}

    def output(self) -> Tensor:
        """What the module returns."""
        for i, node in enumerate(self._nodes):
            place = f"{node.name!r} ({_kind(self._module, node)}, {i + 1} of {len(self._nodes)})"
            try:
                self._values[node] = self._value(node, place)
            except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError) as error:
                raise ValueError(f"{place}: {error}") from error
        y = self._values[self._nodes[-1]]
        if not isinstance(y, Tensor):
            raise ValueError("it must return one tensor that is computed from the images")
        return y

    def _value(self, node: Any, place: str) -> Any:
        def value(given: Any) -> Any:
            found = self._values[given]
            return found._replace(place=place) if isinstance(found, Tensor) else found

        args, kwargs = fx.map_arg((node.args, node.kwargs), value)
        if node.op == "output":
            return args[0]
        if node.op == "placeholder":
            return self._input(node)
        if node.op == "get_attr":
            return _plain(_attribute(self._module, node.target))
        if node.op == "call_module":
            return self._called(self._module.get_submodule(node.target), args, kwargs)
        if not any(isinstance(each, Tensor) for each in [*args, *kwargs.values()]):
            return node.target(*args, **kwargs)  # sizes, for example
        known = METHODS if node.op == "call_method" else FUNCTIONS
        if node.target not in known:
            raise ValueError("no layer here computes that")
        return known[node.target](*args, **kwargs)

    def _input(self, node: Any) -> Any:
        if self._values:
            raise ValueError("forward must take one tensor, the images")
        return self._start

    def _called(self, module: Any, args: Any, kwargs: Any) -> Tensor:
        if type(module) not in KINDS:
            raise ValueError("no layer here computes that")
        if len(args) != 1 or kwargs or not isinstance(args[0], Tensor):
            raise ValueError("it must take one tensor that is computed from the images")
        return KINDS[type(module)](args[0], module)


def _traced(module: Any) -> Any:
    """The graph of its calls; ValueError that names the module whose `forward` cannot be recorded."""
    tracer = Tracer()
    try:
        return tracer.trace(module)
    except Exception as error:  # what a forward raises that is given no tensor
        inside = module if tracer.module is None else tracer.module
        names = [name for name, each in module.named_modules() if each is inside]
        where = f"{names[0]!r}, a {type(inside).__name__}" if names and names[0] else f"a {type(inside).__name__}"
        raise ValueError(f"the forward of {where}, is no fixed sequence of calls: {error}") from error


def _kind(module: Any, node: Any) -> str:
    """What a node calls."""
    if node.op == "call_module":
        return f"{type(module.get_submodule(node.target)).__name__} {node.target!r}"
    return str(getattr(node.target, "__name__", node.target))


def _attribute(module: Any, target: str) -> Any:
    *path, name = target.split(".")
    return getattr(module.get_submodule(".".join(path)), name)


def _plain(value: Any) -> Any:
    return array(value) if isinstance(value, TorchTensor) else value
