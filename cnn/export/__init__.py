"""Nets in other formats, for other programs: ONNX and PyTorch, both ways; C; a web page.

Each layer says in its own file how it is written in a format, by one method that the format's writer calls: `to_onnx`,
`to_torch`, `to_c`, `to_page`. A layer of somebody else's may have such methods, too.
"""

from .c_header.header import c as c
from .onnx_graph.writer import onnx as onnx
from .torch_module.writer import torch as torch
from .web_page.write import html as html
