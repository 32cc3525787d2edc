#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pictures of `mdevdctl map --svg`: each is parsed and drawn, its texts lie within it and in no
other's way, and in black and white neighbours differ. `svg.py PROGRAM DAEMON PRELOAD SOURCE`: TAP."""

import os
import re
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree

import model
import own

U = model.U
NS = "{http://www.w3.org/2000/svg}"
LONG = "a-very-long-owner-name-of-a-machine-"
EXACT, NARROW = 0.61, 0.62  # of a font's size, a column: monospace; other letters, about


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Text:
    """A text and where it lies."""

    def __init__(self, node, size):
        self.words, self.y = node.text or "", float(node.get("y"))
        self.size = float(node.get("font-size") or size)
        mono = "monospace" in (node.get("font-family") or "")
        wide = 1.1 if node.get("font-weight") == "bold" and not mono else 1
        self.width = columns(self.words) * self.size * (EXACT if mono else NARROW * wide)
        x, anchor = float(node.get("x")), node.get("text-anchor")
        self.left = x - self.width * {"middle": 0.5, "end": 1}.get(anchor, 0)


def read(text):
    root = xml.etree.ElementTree.fromstring(text)
    assert root.tag == f"{NS}svg", root.tag
    size = root.get("font-size")
    return root, [Text(n, size) for n in root.iter(f"{NS}text")]


def check_texts(root, texts):
    width, height = (float(n) for n in root.get("viewBox").split()[2:])
    for t in texts:
        assert t.left >= 0 and t.left + t.width <= width, f"{t.words!r} leaves the picture"
        assert t.size <= t.y <= height, f"{t.words!r} is at {t.y} of {height}"
    lines = {}
    for t in texts:
        lines.setdefault(t.y, []).append(t)
    for line in lines.values():
        line.sort(key=lambda t: t.left)
        for one, other in zip(line, line[1:]):
            assert one.left + one.width <= other.left, f"{one.words!r} runs into {other.words!r}"


def check_boxes(root):
    """A label's white box is as wide as its words, and within its part of the bar."""
    nodes = list(root)
    labels = 0
    for box, node in zip(nodes, nodes[1:]):
        if box.get("rx") and node.tag == f"{NS}text":
            t = Text(node, root.get("font-size"))
            left, width = float(box.get("x")), float(box.get("width"))
            assert left <= t.left and t.left + t.width <= left + width, f"{t.words!r}: {width}"
            labels += 1
    assert labels, "no label in a bar"


def fill_of(root, node):
    """What it is drawn with: the words of its pattern, not the pattern's name."""
    name = re.fullmatch(r"url\(#(p\d+)\)", node.get("fill") or "")
    if not name:
        return None
    pattern = next(n for n in root.iter(f"{NS}pattern") if n.get("id") == name[1])
    return xml.etree.ElementTree.tostring(pattern[1])


def check_patterns(root):
    bars = {}
    for node in root.iter(f"{NS}rect"):
        if fill_of(root, node) and float(node.get("height")) > 40:
            bars.setdefault(node.get("y"), []).append(node)
    for bar in bars.values():
        bar.sort(key=lambda n: float(n.get("x")))
        for one, other in zip(bar, bar[1:]):
            assert fill_of(root, one) != fill_of(root, other), "neighbours have one pattern"
    patterns = [xml.etree.ElementTree.tostring(n[1]) for n in root.iter(f"{NS}pattern")]
    assert len(set(patterns)) == len(patterns) >= 8, "two patterns are the same"
    for node in root.iter():  # readable in black and white: there is nothing else
        for key in ("fill", "stroke"):
            value = node.get(key) or "none"
            grey = re.fullmatch(r"#(.)\1\1", value)
            assert grey or value == "none" or value.startswith("url("), f"{key} {value}"


def draw(machine, text):
    """As PNG: there is ink, and white."""
    done = subprocess.run(["rsvg-convert", "-f", "png"], input=text.encode(), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=machine.env)
    assert done.returncode == 0 and done.stdout[1:4] == b"PNG", done.stderr.decode()
    assert len(done.stdout) > 5000, f"a PNG of {len(done.stdout)} bytes is empty"


def check(machine, words, *rows):
    text, status = machine.run(f"mdevdctl map --svg=- {words}")
    assert status == 0, text
    root, texts = read(text)
    check_texts(root, texts)
    check_boxes(root)
    check_patterns(root)
    draw(machine, text)
    found = {t.words for t in texts}
    for row in rows:
        assert row in found, f"no {row!r} in {sorted(found)}"


def crowd(m):
    """Owners whose names are as long as may be, and differ at their ends; one of wide letters."""
    for n in range(9):
        owner = f"{LONG}{n:0{63 - len(LONG)}d}"
        text, status = m.run(f"mdevdctl create fb-4M -p 0000:41:00.0 -u {U[:-1]}a{n} -o {owner}")
        assert status == 0, text
    assert m.run(f"mdevdctl owner {U}2 'W<&>{'広' * 19}'")[1] == 0


def main():
    machine = own.Machine(*sys.argv[1:])
    failed = 0
    steps = (("the pictures of README's machine",
              lambda: check(machine, "", "A gold-1", "(nobody named)", f"{U}5")),
             ("long names, wide letters", lambda: (crowd(machine), check(
                 machine, "0000:41:00.0", "a-very-long-own…0000000008", f"{U[:-1]}a8"))))
    print(f"1..{len(steps)}")
    for number, (name, step) in enumerate(steps, 1):
        try:
            step()
            good, why = True, ""
        except AssertionError as e:
            good, why = False, str(e)
        failed += own.check(number, good, name, why)
    machine.close()
    return 1 if failed else 0


if __name__ == "__main__":
    os.umask(0o22)
    sys.exit(main())
