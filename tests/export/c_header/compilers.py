"""Headers compiled by the system's compilers, and called from Python."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
C99 = ["-std=c99", *STRICT]
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-static-libasan", "-static-libubsan"]

# STEM is that of the header.
LIBRARY = """#include "{header}"
void run(int n, const float *images, float *logits, int *classes);
void run(int n, const float *images, float *logits, int *classes)
{{
    for (int i = 0; i < n; i++) {{
        classes[i] = {stem}_predict(images + i * {stem}_INPUT, logits + i * {stem}_OUTPUT);
    }}
}}
"""

PROGRAM = """#include <stdio.h>
#include "{header}"
int main(void)
{{
    static float image[{stem}_INPUT], logits[{stem}_OUTPUT];
    while (fread(image, sizeof(float), {stem}_INPUT, stdin) == {stem}_INPUT) {{
        (void){stem}_predict(image, logits);
        fwrite(logits, sizeof(float), {stem}_OUTPUT, stdout);
    }}
    return 0;
}}
"""


def needs(compiler: str) -> None:
    """Skip the test where a program is not installed."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")


def build(source: str, target: Path, compiler: str = "gcc", options: list[str] = C99, last: tuple[str, ...] = ("-lm",)):
    """Compile a text in the folder of the target, where the headers are; a compiler that complains fails the test."""
    needs(compiler)
    suffix = ".cpp" if compiler.endswith("++") else ".c"
    file = target.with_suffix(suffix)
    file.write_text(source)
    command = [compiler, *options, f"-I{target.parent}", str(file), "-o", str(target), *last]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]


def predictions(header: Path, stem: str, images: np.ndarray, outputs: int, compiler: str = "gcc"):
    """Logits (n, outputs) and classes (n,) by a header, compiled as a library."""
    library = header.with_name(f"{stem}_{compiler}.so")
    text = LIBRARY.format(header=header.name, stem=stem)
    build(text, library, compiler, [*C99, "-shared", "-fPIC"])
    run = ctypes.CDLL(str(library)).run
    x = np.ascontiguousarray(images, np.float32)
    logits, classes = np.empty((len(x), outputs), np.float32), np.empty(len(x), np.int32)
    run(len(x), *(each.ctypes.data_as(ctypes.c_void_p) for each in (x, logits, classes)))
    return logits, classes
