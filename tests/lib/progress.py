# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns what a person sees while something takes long, lines with the elapsed time, and starting
programs that are part of it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)  # loaded before there are threads: the child of a fork must not
START = time.monotonic()


class Failure(Exception):
    """Something the person at the keyboard has to read: one sentence, no traceback."""


def say(text):
    print(f"[{time.monotonic() - START:6.1f}s] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text):
    say(f"{text}…")
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    if took >= 5:
        say(f"{text}: done in {took:.0f} s")


def die_with_parent(number=signal.SIGTERM):
    """In a child before it becomes another program: it ends with the thread that started it."""
    LIBC.prctl(PR_SET_PDEATHSIG, number)


def run(argv, **kwargs):
    """Run a command of the set-up; its output is shown only when it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors="replace",
                          check=False, **kwargs)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-8000:])
        raise Failure(f"{' '.join(map(str, argv[:3]))} … failed with status {done.returncode}; "
                      f"its last output is above.")
    return done.stdout


def cache_dir():
    """Where everything that can be made again is kept; outside the tree."""
    base = os.environ.get("MDEVD_CACHE")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(home, "mdevd")
    os.makedirs(base, exist_ok=True)
    return base
