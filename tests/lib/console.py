# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns reading the VM's console log: what in it must fail a run, and which part belongs to
which test case."""

import re

ALARMS = re.compile(
    r"-+\[ cut here \]-+|\bWARNING: |\bBUG: |kernel BUG at|\bKASAN: |\bKFENCE: |\bKCSAN: "
    r"|\bUBSAN: |\bOops\b|\bRIP: |Call Trace:|Kernel panic|general protection fault"
    r"|unable to handle|possible (recursive|circular|irq lock) |inconsistent lock state"
    r"|suspicious RCU usage|bad unlock balance|held lock freed|possible deadlock"
    r"|rcu.*(stall|detected expedited)|blocked for more than \d+ seconds|soft lockup"
    r"|hard LOCKUP|refcount_t: |list_(add|del) corruption|scheduling while atomic"
    r"|sleeping function called|kmemleak: \d+ new|Bad page state|Bad rss-counter"
    r"|segfault at|traps: .*(trap|general protection)|Out of memory: Killed")

# What the harness itself asked the kernel to print (tests/vm/agent/where.sh).
DUMP_BEGIN = "mdevd-test: dump begins"
DUMP_END = "mdevd-test: dump ends"


def unasked(text):
    """The lines that the kernel printed of its own accord."""
    found, dump = [], False
    for line in text.splitlines():
        if DUMP_BEGIN in line:
            dump = True
        elif DUMP_END in line:
            dump = False
        elif not dump:
            found.append(line)
    return found


def alarms(text):
    """The lines that must not be there."""
    return [line for line in unasked(text) if ALARMS.search(line)]


def excerpt(text, before=3, lines=60):
    """The part of a log that a person needs to see: from the first alarm on, or its end."""
    all_lines = unasked(text)
    first = alarms(text)[:1]
    if first:
        at = max(0, all_lines.index(first[0]) - before)
        return "\n".join(all_lines[at:at + lines])
    return "\n".join(all_lines[-lines:])


class Console:
    def __init__(self, path):
        self.path = path
        self.position = 0

    def text(self, begin=0):
        try:
            with open(self.path, "rb") as f:
                f.seek(begin)
                return f.read().decode(errors="replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    def new(self):
        """What has been added since the last call, whole lines only."""
        try:
            with open(self.path, "rb") as f:
                f.seek(self.position)
                data = f.read()
        except FileNotFoundError:
            return ""
        data = data[:data.rfind(b"\n") + 1]
        self.position += len(data)
        return data.decode(errors="replace").replace("\r", "")
