#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which libraries mdevctl and the workers load: a start of them is to cost little, and libsystemd brings
five others along. mdevdctl, called mdevctl, is the same. `libraries.py MDEVCTL MDEVDCTL WORKER`: TAP."""

import os
import re
import subprocess
import sys
import tempfile

HEAVY = {"libsystemd.so.0", "libudev.so.1"}
FEW = {"libc.so.6", "libjson-c.so.5"}


def needed(program):
    text = subprocess.run(["readelf", "-d", program], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", text))


def own(program):
    """Without what a sanitizer or a coverage build brings along."""
    return {name for name in needed(program)
            if not re.match(r"lib(asan|ubsan|clang_rt|gcc_s|m)\b", name)}


def called(program, name):
    """What it says of itself when called so."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        os.symlink(os.path.abspath(program), path)
        return subprocess.run([path, "--help"], check=False, capture_output=True, text=True).stdout


def main():
    mine, large, worker = own(sys.argv[1]), needed(sys.argv[2]), own(sys.argv[3])
    print("1..5")
    print(f"{'ok' if mine <= FEW else 'not ok'} 1 - mdevctl needs {sorted(mine)}")
    print(f"{'ok' if large & HEAVY else 'not ok'} 2 - and mdevdctl, in which the same look sees them, "
          f"{sorted(large & HEAVY)}")
    bad = 0
    for number, name in enumerate(("mdevctl", "lsmdev"), 3):
        texts = [called(program, name) for program in sys.argv[1:3]]
        same = texts[0] and texts[0] == texts[1] and texts[0] != called(sys.argv[2], "mdevdctl")
        print(f"{'ok' if same else 'not ok'} {number} - mdevdctl called {name} is it")
        bad += not same
    print(f"{'ok' if worker <= FEW else 'not ok'} 5 - mdevd-worker needs {sorted(worker)}")
    return 0 if mine <= FEW and worker <= FEW and large & HEAVY and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
