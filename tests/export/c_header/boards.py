"""Headers on emulated boards: cross-compiled, run in QEMU, the logits read back bit for bit."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .compilers import needs

HERE = Path(__file__).parent.parent / "board"

PROGRAM = """#include <stdint.h>
#include <string.h>
#include "{header}"
#include "images.inc"
void write_text(const char *text);

static void write_bits(float value)
{{
    static const char digits[] = "0123456789abcdef";
    char text[] = "........ ";
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++) {{
        text[i] = digits[bits >> (28 - 4 * i) & 15];
    }}
    write_text(text);
}}

int main(void)
{{
    static float image[{stem}_INPUT], logits[{stem}_OUTPUT];
    for (int n = 0; n < IMAGES; n++) {{
        for (int i = 0; i < {stem}_INPUT; i++) {{
            image[i] = images[n][i];
        }}
        write_bits((float){stem}_predict(image, logits));
        for (int i = 0; i < {stem}_OUTPUT; i++) {{
            write_bits(logits[i]);
        }}
        write_text("\\n");
    }}
    return 0;
}}
"""


class Board(NamedTuple):
    """A machine that QEMU knows, and how its processor is compiled for."""

    machine: str
    options: tuple[str, ...]


M3 = Board("lm3s6965evb", ("-mcpu=cortex-m3",))
M4 = Board("mps2-an386", ("-mcpu=cortex-m4",))
# GNU's C and hardware floats: here the compiler may fuse products and sums.
M4_WITH_FLOATS = Board("mps2-an386", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-std=gnu99"))


def predictions(header: Path, stem: str, images: np.ndarray, board: Board) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, outputs) and classes (n,) of uint8 images by a header on a board."""
    needs("arm-none-eabi-gcc")
    needs("qemu-system-arm")
    folder = header.parent
    rows = ",\n".join("{" + ",".join(map(str, each.ravel().tolist())) + "}" for each in images)
    declared = (
        f"#define IMAGES {len(images)}\nstatic const uint8_t images[IMAGES][{images[0].size}] = {{\n{rows}\n}};\n"
    )
    (folder / "images.inc").write_text(declared)
    program, elf = folder / "on_board.c", folder / "on_board.elf"
    program.write_text(PROGRAM.format(header=header.name, stem=stem))
    command = [
        "arm-none-eabi-gcc", "-std=c99", *board.options, "-mthumb", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{folder}",
        "-nostartfiles", "--specs=nosys.specs", "-T", str(HERE / "memory.ld"), str(HERE / "startup.c"), str(program),
        "-o", str(elf), "-lm",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]
    emulator = [
        "qemu-system-arm", "-M", board.machine, "-display", "none", "-serial", "none", "-monitor", "none",
        "-chardev", "stdio,id=out", "-semihosting-config", "enable=on,target=native,chardev=out", "-kernel", str(elf),
    ]  # fmt: skip
    run = subprocess.run(emulator, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert run.returncode == 0, run.stdout[-500:] + run.stderr[-500:]
    lines = [line.split() for line in run.stdout.splitlines()]
    numbers = np.array([[int(word, 16) for word in line] for line in lines], np.uint32).view(np.float32)
    return numbers[:, 1:], numbers[:, 0].astype(np.int64)
