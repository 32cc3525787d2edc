# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the results: one line a test as each ends, the output of those that failed, the sum.
Several threads may add."""

import sys
import threading

LINES_SHOWN = 200


class Report:
    def __init__(self, stream=sys.stdout, verbose=False):
        self.stream = stream
        self.verbose = verbose
        self.passed = []
        self.failed = []
        self.ended = False
        self.lock = threading.Lock()  # of all these, and of the lines of one test

    def add(self, name, passed, seconds, output="", why=""):
        """`why` is one line; `output` is what the test printed."""
        with self.lock:
            if self.ended:
                return  # by a thread of a run that was ended
            self._add(name, passed, seconds, output, why)

    def _add(self, name, passed, seconds, output, why):
        number = len(self.passed) + len(self.failed) + 1
        (self.passed if passed else self.failed).append(name)
        head = "ok" if passed else "not ok"
        tail = f": {why}" if why else ""
        self._line(f"{head} {number} - {name} ({seconds:.1f} s){tail}")
        if output and (self.verbose or not passed):
            lines = output.rstrip("\n").splitlines()
            if len(lines) > LINES_SHOWN and not self.verbose:
                self._line(f"    ({len(lines) - LINES_SHOWN} lines before these left out)")
                lines = lines[-LINES_SHOWN:]
            for line in lines:
                self._line(f"    {line}")

    def _line(self, text):
        self.stream.write(text + "\n")
        self.stream.flush()

    def finish(self):
        """The last line; nothing may come after it."""
        with self.lock:
            self.ended = True
            if self.failed:
                self._line("failed: " + " ".join(self.failed))
            self._line(f"{len(self.passed)} passed, {len(self.failed)} failed")
        return 1 if self.failed or not self.passed else 0
