"""The few modules that a net needs beside PyTorch's own."""

from __future__ import annotations

from torch import Tensor, nn


class Rescaling(nn.Module):
    """x * scale + offset."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset

    def extra_repr(self) -> str:
        return f"{self.scale}, {self.offset}"


class FlattenChannelsLast(nn.Module):
    """Each map (c, h, w) as one row, ordered h, w, c."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class LayerNormOfChannels(nn.LayerNorm):
    """The channels of every pixel of maps (n, c, h, w) normalised, where LayerNorm would take whole maps."""

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


class Residual(nn.Module):
    """branch(x) + shortcut(x); an empty shortcut gives x itself."""

    def __init__(self, branch: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x) + self.shortcut(x)
        return y
