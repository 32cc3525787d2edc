#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether every line of C ends at column 100, as the style says; a tab goes on to the next eighth.

    columns.py SOURCE         src, tests and kmod of it; TAP
    columns.py --self-test    trees with lines as long as that, and longer"""

import os
import sys
import tempfile

COLUMNS = 100
FOLDERS = ("src", "tests", "kmod")


def c_files(source):
    """Paths below the source; what kbuild leaves in kmod/ is nobody's style."""
    for top in FOLDERS:
        for folder, _, names in sorted(os.walk(os.path.join(source, top))):
            for name in sorted(names):
                if name.endswith((".c", ".h")) and not name.endswith(".mod.c"):
                    yield os.path.relpath(os.path.join(folder, name), source)


def width(line):
    return len(line.rstrip("\n").expandtabs(8))


def long_lines(source, path):
    """A sentence for each."""
    with open(os.path.join(source, path), encoding="utf-8", newline="\n") as f:
        return [f"{path}:{number}: {width(line)} columns" for number, line in enumerate(f, 1)
                if width(line) > COLUMNS]


def check(source):
    """[(folder, number of files, sentences)]"""
    files = list(c_files(source))
    return [(top, len(own), [said for path in own for said in long_lines(source, path)])
            for top in FOLDERS for own in [[p for p in files if p.startswith(top + os.sep)]]]


def tell(tests):
    """TAP of (what, sentences that say what is wrong)."""
    for number, (what, wrong) in enumerate(tests, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {what}")
        for said in wrong:
            print("#", said)
    print(f"1..{len(tests)}")
    return 1 if any(wrong for _, wrong in tests) else 0


def run(source):
    return tell([(f"{n} files of {top} end at column {COLUMNS}",
                  wrong if n else [f"{top}: expected C files, found none"])
                 for top, n, wrong in check(source)])


# ---- the self-test ----

# What, a file, its text, and what must be said of it.
CASES = (
    ("100 columns pass", "src/a.c", "x" * 100 + "\n", []),
    ("101 do not", "src/a/b.h", "\n" + "x" * 101 + "\n", ["src/a/b.h:2: 101 columns"]),
    ("a last line without its end", "tests/a.c", "x" * 101, ["tests/a.c:1: 101 columns"]),
    ("blanks at the end", "tests/a.c", "x" * 99 + "  \n", ["tests/a.c:1: 101 columns"]),
    ("a tab is eight", "kmod/a.c", "\t" + "x" * 93 + "\n", ["kmod/a.c:1: 101 columns"]),
    ("a tab is less after text", "kmod/a.c", "xx\t" + "x" * 92 + "\n", []),
    ("characters, not bytes", "src/a.c", "é" * 100 + "\n", []),
    ("each line", "src/a.c", ("x" * 102 + "\n") * 2,
     ["src/a.c:1: 102 columns", "src/a.c:2: 102 columns"]),
    ("what kbuild makes", "kmod/a.mod.c", "x" * 101 + "\n", []),
    ("what is no C", "src/a.py", "x" * 101 + "\n", []),
)


def try_one(path, text):
    with tempfile.TemporaryDirectory() as source:
        os.makedirs(os.path.dirname(os.path.join(source, path)))
        with open(os.path.join(source, path), "w", encoding="utf-8") as f:
            f.write(text)
        return [said for _, _, wrong in check(source) for said in wrong]


def counts_of_nothing():
    with tempfile.TemporaryDirectory() as source:
        return [n for _, n, _ in check(source)]


def self_test():
    tests = []
    for what, path, text, expected in CASES:
        found = try_one(path, text)
        tests.append((what, [] if found == expected else
                      [f"expected {expected}, found {found}"]))
    tests.append(("no file is seen where there is none",
                  [] if counts_of_nothing() == [0] * len(FOLDERS) else ["some were"]))
    return tell(tests)


sys.exit(self_test() if sys.argv[1] == "--self-test" else run(sys.argv[1]))
