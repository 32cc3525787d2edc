# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns doing several long jobs at once: each begins when the machine has room for it. A VM whose two
CPUs are two threads of QEMU is `WIDE`; one whose CPUs take turns on one thread is not, and two of
those have room where one wide one has."""

import os
import threading

from progress import Failure, say

GIB = 1 << 30
LANE_MEMORY = 5 * GIB  # one VM, its nested guests and QEMU's translated code
LANE_CPUS = 4
LANES_MAX = 2  # more, and the cases' time limits would be about the machine, not about mdevd
NARROW, WIDE = 1, 2  # what a job takes of the room of a lane, which is WIDE


def available():
    """Bytes of memory that nobody uses."""
    with open("/proc/meminfo", encoding="ascii") as f:
        fields = dict(line.split(":", 1) for line in f)
    return int(fields["MemAvailable"].split()[0]) << 10


def fitting():
    """How many wide VMs this machine can run side by side."""
    return max(1, min(LANES_MAX, (os.cpu_count() or 1) // LANE_CPUS, available() // LANE_MEMORY))


def pairing():
    """Can it run two narrow ones in the place of each?"""
    return (os.cpu_count() or 1) >= WIDE and available() >= fitting() * WIDE * LANE_MEMORY


class Ended(Exception):
    """The run is being ended, and nothing new begins."""


class Lanes:
    """`jobs` are (name, width, function) in the order in which they are begun, but for one that is
    too wide for what is free: it lets narrower ones pass. `broken(name, error)` is told of a job
    that ended with a Failure, and the others go on. Any other exception ends the run: no further
    job begins, and `run` raises it when those at work have ended. `paired` says whether two narrow
    jobs may share a lane."""

    def __init__(self, count, jobs, broken, paired=True):
        self.count = count * WIDE if paired else count  # of threads
        self.free = count * WIDE
        self.paired = paired
        self.jobs = list(jobs)
        self.broken = broken
        self.changed = threading.Condition()  # of free, jobs and error, which it guards
        self.error = None

    def _width(self, job):
        return job[1] if self.paired else WIDE

    def _take(self):
        """Waits for room; None: there is nothing left to begin."""
        with self.changed:
            while self.jobs and not self.error:
                job = next((j for j in self.jobs if self._width(j) <= self.free), None)
                if job:
                    self.jobs.remove(job)
                    self.free -= self._width(job)
                    return job
                self.changed.wait()
            return None

    def _give_back(self, job, error=None):
        with self.changed:
            self.free += self._width(job)
            self.error = self.error or error
            self.changed.notify_all()

    def _lane(self):
        while (job := self._take()) is not None:
            error = None
            try:
                job[2]()
            except Failure as e:
                self.broken(job[0], e)
            except BaseException as e:  # pylint: disable=broad-exception-caught
                error = e
            self._give_back(job, error)

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
                with self.changed:
                    self.error = self.error or e
                    self.changed.notify_all()
                say("ending what runs")
                interrupt()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
        if self.error:
            raise self.error
