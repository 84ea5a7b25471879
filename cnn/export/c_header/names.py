"""Names and comments of C: from file names, names of layers and of classes, which may hold anything."""

from __future__ import annotations

import re
from pathlib import PurePath


def stem(path: str) -> str:
    """The C identifier that a file's name without its suffix makes: "my-net 2.h" is `my_net_2`.

    What no identifier holds becomes an underscore, and several of them one: C++ reserves the others. One that would
    begin with a digit gets "net_" in front.
    """
    name = identifier(PurePath(path).stem)
    return f"net_{name}" if name[:1].isdigit() else name or "net"


def identifier(name: str) -> str:
    """The letters and digits of ASCII in a name, with an underscore in place of whatever lies between them."""
    return re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")


def in_comment(text: str) -> str:
    """A text that can stand in a comment: no character in it ends one, or a line."""
    return re.sub(r"[^\w \-.,:;()+&'=|\[\]]", "_", text, flags=re.ASCII)
