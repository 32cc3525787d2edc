# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the picture of a pool: a bar, a letter an owner, and a legend."""

import os
import sys

MIB = 1 << 20
WIDTH = 64
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COLOURS = (44, 42, 45, 46, 43, 41)  # backgrounds, as a terminal knows them


def _colour():
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _paint(cells):
    if not _colour():
        return "".join(cells)
    return "".join(c if c == "." else
                   f"\033[30;{COLOURS[LETTERS.index(c) % len(COLOURS)]}m{c}\033[0m" for c in cells)


def draw(parent, pool, owners):
    """`pool` as in the property Pools of org.mdevd1.Parent; `owners`: (offset, size, label) by
    offset in the BAR."""
    name, bar, _, _, _, start, size, used, free, hole = pool
    cells = ["."] * WIDTH
    legend = []
    for letter, (offset, length, label) in zip(LETTERS, owners):
        first = (offset - start) * WIDTH // size
        last = max(first + 1, (offset - start + length) * WIDTH // size)
        cells[first:last] = letter * (last - first)
        legend.append(f"    {letter}  [{offset:#010x}, {offset + length:#010x})  "
                      f"{length / MIB:6g} MiB  {label}")
    return "\n".join([
        f"  {parent} BAR {bar} pool {name}: {size // MIB} MiB, used {used // MIB}, "
        f"free {free // MIB} (largest piece {hole // MIB})",
        f"  |{_paint(cells)}|", *legend])
