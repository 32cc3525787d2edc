# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns doing several long jobs at once: so many lanes, each takes the next job that nobody has
taken. An emulated VM of two CPUs wants two, its QEMU's own threads more: where they are short, nested
machines now and then hang in their BIOS (one in fourteen starts, on two CPUs with two VMs)."""

import os
import threading

from progress import Failure, say

GIB = 1 << 30
LANE_MEMORY = 5 * GIB  # one VM, its nested guests and QEMU's translated code
LANE_CPUS = 4
LANES_MAX = 2  # more, and the cases' time limits would be about the machine, not about mdevd


def fitting():
    """How many VMs this machine can run side by side."""
    with open("/proc/meminfo", encoding="ascii") as f:
        fields = dict(line.split(":", 1) for line in f)
    memory = int(fields["MemAvailable"].split()[0]) << 10
    return max(1, min(LANES_MAX, (os.cpu_count() or 1) // LANE_CPUS, memory // LANE_MEMORY))


class Ended(Exception):
    """The run is being ended, and nothing new begins."""


class Lanes:
    """`jobs` are (name, function) in the order in which they are begun; `broken(name, error)` is
    told of a job that ended with a Failure, and the others go on. Any other exception ends the
    run: no further job begins, and `run` raises it when the lanes have ended."""

    def __init__(self, count, jobs, broken):
        self.count = count
        self.jobs = list(jobs)
        self.broken = broken
        self.lock = threading.Lock()  # of jobs and error
        self.error = None

    def _take(self):
        with self.lock:
            return self.jobs.pop(0) if self.jobs and not self.error else None

    def _lane(self):
        while (job := self._take()) is not None:
            name, function = job
            try:
                function()
            except Failure as e:
                self.broken(name, e)
            except BaseException as e:  # pylint: disable=broad-exception-caught
                with self.lock:
                    self.error = self.error or e
                return

    def run(self, interrupt=lambda: None):
        """`interrupt()` is called when the caller is being ended; it must make the jobs that run
        end soon."""
        if self.count == 1:
            self._lane()
        else:
            threads = [threading.Thread(target=self._lane, name=f"lane {n}")
                       for n in range(1, self.count + 1)]
            try:
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            except BaseException as e:
                with self.lock:
                    self.error = self.error or e
                say("ending what runs")
                interrupt()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
        if self.error:
            raise self.error
