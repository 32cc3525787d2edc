# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the proof that the harness notices what it must notice: tests named harness/…, some on
canned text, some on cases (tests/vm/selftest) that fail in a real VM in every way there is."""

import os
import threading
import time

import cases
import lanes
import vmcases
from console import alarms, excerpt
from hostcmd import HostCommands
from progress import Failure
from report import Report

HERE = os.path.dirname(os.path.abspath(__file__))
SELFTEST = os.path.join(os.path.dirname(HERE), "vm", "selftest")
CANNED = os.path.join(SELFTEST, "console")

# What each case in tests/vm/selftest must be reported as; None: it must pass.
EXPECTED = {
    "passes": None,
    "fails": "exit status 3",
    "hangs": "did not end within",
    "killed": "ended by signal 9",
    "leaves-a-process": "left 1 processes running",
    "still-healthy": None,
    "warns": "the kernel complained",
    "crashes": "the VM ended",
    "booted-anew": None,
}


def same(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: got {got!r}, expected {expected!r}")


def canned_console():
    """Every canned complaint is found, and nothing in the log of a good boot is."""
    with open(os.path.join(CANNED, "good.log"), encoding="utf-8") as f:
        same(alarms(f.read()), [], "alarms in a good log")
    with open(os.path.join(CANNED, "bad.log"), encoding="utf-8") as f:
        text = f.read()
    bad = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in bad:
        same(alarms(f"[    1.0] fine\n{line}\n[    1.1] fine\n"), [line], "alarms in a bad log")
    same(bad[0] in excerpt("fine\n" * 500 + bad[0] + "\n" + "fine\n" * 500), True, "excerpt")


def report_counts():
    """Counts, exit status and the last line agree; a run of no tests has not passed."""

    class Sink:
        text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    sink = Sink()
    report = Report(sink)
    same(report.finish(), 1, "status of no tests")
    report = Report(sink)
    report.add("a", True, 0)
    same(report.finish(), 0, "status of a pass")
    report = Report(sink)
    report.add("a", True, 0)
    report.add("b", False, 0, "output of b")
    same(report.finish(), 1, "status of a failure")
    same(sink.text.splitlines()[-1], "1 passed, 1 failed", "the last line")
    same("    output of b" in sink.text, True, "output of the failed test is shown")
    report.add("c", True, 0)
    same(sink.text.splitlines()[-1], "1 passed, 1 failed", "nothing comes after the last line")


def host_commands():
    """`host` finds a difference where there is one, and refuses nonsense."""
    import tempfile
    with tempfile.NamedTemporaryFile() as f:
        f.truncate(1 << 20)
        host = HostCommands({"m": (f.name, 1 << 20)}, None)

        def ask(*argv):
            status, text = host(list(argv))
            return status, text.decode().strip()

        same(ask("check", "m", "0", "1M", "0"), (0, "ok"), "zeros")
        same(ask("fill", "m", "4K", "16", "0xff"), (0, ""), "fill")
        same(ask("diff", "m", "0"), (0, "0x1000 0x10"), "diff")
        same(ask("check", "m", "4K", "16", "0xffffffffffffffff"), (0, "ok"), "pattern")
        same(ask("check", "m", "4K", "24", "0xffffffffffffffff")[0], 1, "one word too far")
        same(ask("check", "m", "0", "1M", "0"),
             (1, "m at 0x1000: 0xffffffffffffffff instead of 0x0000000000000000"), "first")
        same(ask("read", "m", "4094", "4"), (0, "0000ffff"), "read")
        for argv in (("fill", "m", "1M", "1", "0"), ("fill", "m", "0", "0", "0"),
                     ("fill", "m", "0", "8", "256"), ("sum", "n", "0", "8"), ("diff", "n", "0"),
                     ("check", "m", "1", "8", "0"), ("read", "m", "x", "8"), ("fly",), ("sum", "m")):
            same(ask(*argv)[0], 2, f"host {' '.join(argv)}")


def case_headers():
    """A case with a field that cannot be obeyed stops the run; it is not quietly run otherwise."""
    import tempfile
    for line, good in (("# timeout: 5", True), ("# timeout: soon", False),
                       ("# kernel: 6.12", True), ("# kernel: 2.6", False),
                       ("# kernel: 6.1 debian13", True),
                       ("# machine: iommu", True), ("# machine: toaster", False),
                       ("# long: maybe", False)):
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as f:
            f.write(f"#!/bin/sh\n# SPDX-License-Identifier: x\n#\n# Says what it does.\n{line}\n")
            f.flush()
            try:
                case = cases.Case(f.name)
                same((good, case.summary), (True, "Says what it does."), line)
            except Failure:
                same(good, False, line)


def lanes_end():
    """Every job is done once; a broken one is told of; an unexpected end stops what has not begun,
    makes the others end, and is not swallowed."""
    for count in (1, 2, 5):
        done, told = [], []

        def fail():
            raise Failure("no")

        jobs = [(str(n), 1 + n % 2, lambda n=n: done.append(n)) for n in range(20)]
        jobs.append(("bad", lanes.WIDE, fail))
        lanes.Lanes(count, jobs, lambda name, error: told.append(name)).run()
        same((sorted(done), told), (list(range(20)), ["bad"]), f"{count} lanes")

        def crash():
            raise ValueError("what")

        done.clear()
        try:
            lanes.Lanes(count, [("worse", lanes.WIDE, crash)] * count + jobs, None).run()
            raise AssertionError("a crash was swallowed")
        except ValueError:
            same(done, [], "jobs begun after a crash")
    lanes_pair()
    if os.cpu_count() > 1:
        same(lanes.fitting() <= os.cpu_count(), True, "lanes that fit")


def lanes_pair():
    """Two narrow jobs share a lane, a wide one has it for itself; unpaired, each has."""
    for paired, most in ((True, 2), (False, 1)):
        lock, at_work, seen = threading.Lock(), [], []
        met = threading.Barrier(most)

        def work(width):
            with lock:
                at_work.append(width)
                seen.append(sum(at_work))
            if width == lanes.NARROW:
                met.wait(60)  # ends only when as many as may are at work at once
            with lock:
                at_work.remove(width)

        jobs = [(str(n), width, lambda width=width: work(width))
                for n, width in enumerate((lanes.NARROW, lanes.WIDE, lanes.NARROW))]
        lanes.Lanes(1, jobs, None, paired).run()
        same((len(seen), max(seen) <= lanes.WIDE), (3, True), f"jobs at once, paired {paired}")


CANNED_TESTS = {
    "harness/lanes": lanes_end,
    "harness/console": canned_console,
    "harness/report": report_counts,
    "harness/host-commands": host_commands,
    "harness/case-headers": case_headers,
}


def live_name(label):
    return f"harness/vm/{label}"


def names(long):
    return [*CANNED_TESTS, *(live_name(c.label) for c in cases.discover(SELFTEST)
                             if long or not c.long)]


class Judge:
    """Takes the place of the report: turns what a case was reported as into whether that is
    right."""

    def __init__(self, report):
        self.report = report

    def add(self, name, passed, seconds, output="", why=""):
        case = name.rsplit("/", 1)[1]
        expected = EXPECTED[case]
        if expected is None:
            self.report.add(live_name(case), passed, seconds, output, why)
            return
        right = not passed and why.startswith(expected)
        if case == "hangs":
            right = right and "sleep" in output and "kernel stack of" in output
        if case == "fails":
            right = right and "the kernel says this" in output
        self.report.add(live_name(case), right, seconds, output,
                        "" if right else f"reported as '{why or 'passed'}', must be '{expected}…'")


def run(suite):
    for name, function in CANNED_TESTS.items():
        if suite.wanted(name):
            begin = time.monotonic()
            try:
                function()
                suite.report.add(name, True, time.monotonic() - begin)
            except (AssertionError, Failure, OSError) as e:
                suite.report.add(name, False, time.monotonic() - begin, str(e))


def jobs(suite):
    """Those that want a VM, as one job for a lane; its VM is one that the cases break."""
    known = cases.discover(SELFTEST)
    if {c.label for c in known} != set(EXPECTED):
        raise Failure("tests/vm/selftest and its table in tests/lib/selftest.py differ")
    live = [c for c in known if suite.wanted(live_name(c.label), c)]
    if not live:
        return []
    group = vmcases.Group(suite.built[-1], (), live)
    return [("harness/vm", lambda: vmcases.run_group(
        group, suite.vm, os.path.dirname(os.path.dirname(HERE)), Judge(suite.report)))]
