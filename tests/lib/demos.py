# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the demo as a test: it must pass as it is, and must fail when it is done wrong."""

import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 600  # seconds; a generous one, since a demo that hangs is what it is for

# Name, arguments, what its output must say if it is to fail; None: it must pass.
WRONG = (("bare-create", "No such file or directory"), ("shared-extent", "Device or resource busy"))


class Demo:
    def __init__(self, series, sabotage=None, sentence=None):
        self.series = series
        self.sabotage = sabotage
        self.sentence = sentence
        self.name = f"demo/{series}" + (f"/{sabotage}" if sabotage else "")
        # one kernel, once, in every run; VM cases cover the same ground on all kernels
        self.long = bool(sabotage) or series != "6.12"

    def run(self):
        """Returns (passed, seconds, output, why)."""
        argv = [sys.executable, os.path.join(HERE, "demo.py"), "--kernel", self.series]
        if self.sabotage:
            argv += ["--sabotage", self.sabotage]
        begin = time.monotonic()
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, errors="replace",
                              start_new_session=True) as process:
            try:
                output, _ = process.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                return False, LIMIT, output, f"did not end within {LIMIT} s"
        return *self._judge(process.returncode, output, time.monotonic() - begin),

    def _judge(self, status, output, seconds):
        if self.sabotage is None:
            return status == 0, seconds, output, "" if status == 0 else f"exit status {status}"
        if status == 0:
            return False, seconds, output, "it passed although it was done wrong"
        if self.sentence not in output:
            return False, seconds, output, f"it failed, but not with '{self.sentence}'"
        return True, seconds, output, ""


def demos(series_list):
    found = []
    for series in series_list:
        found.append(Demo(series))
        if series == "6.12":
            found += [Demo(series, sabotage, sentence) for sabotage, sentence in WRONG]
    return found
