#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which libraries mdevctl loads: a start of it is to cost little, and libsystemd brings five others along.
`libraries.py MDEVCTL MDEVDCTL`: TAP."""

import re
import subprocess
import sys

HEAVY = {"libsystemd.so.0", "libudev.so.1"}
FEW = {"libc.so.6", "libjson-c.so.5"}


def needed(program):
    text = subprocess.run(["readelf", "-d", program], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", text))


def main():
    small, large = needed(sys.argv[1]), needed(sys.argv[2])
    # what a sanitizer or a coverage build brings along is not ours
    mine = {name for name in small if not re.match(r"lib(asan|ubsan|clang_rt|gcc_s|m)\b", name)}
    print("1..2")
    print(f"{'ok' if mine <= FEW else 'not ok'} 1 - mdevctl needs {sorted(mine)}")
    print(f"{'ok' if large & HEAVY else 'not ok'} 2 - and mdevdctl, in which the same look sees them, "
          f"{sorted(large & HEAVY)}")
    return 0 if mine <= FEW and large & HEAVY else 1


if __name__ == "__main__":
    sys.exit(main())
