# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns running test cases in VMs: one boot for all cases that want the same machine, a clean slate
between them, a new boot after one that broke the VM."""

import os
import time

import lanes
import machine
from console import alarms, excerpt
from link import Gone, Overdue
from progress import Failure, say, step
from vm import Vm

RESET = "/usr/lib/mdevd-test/reset.sh"


class Outcome:
    """What came of one case. `why` is empty exactly if it passed."""

    def __init__(self):
        self.why = ""
        self.output = ""
        self.seconds = 0.0
        self.reboot = False  # nothing else can run in this VM

    def fail(self, why):
        self.why = self.why or why


def _in_vm(path, top):
    return os.path.join("/mnt/src", os.path.relpath(path, top))


def _run(vm, case, top, outcome, live):
    chunks = []

    def take(data):
        chunks.append(data)
        if live:
            live(data)

    try:
        result = vm.run([_in_vm(case.path, top)], limit=case.limit * vm.image.slower, output=take)
        if result.signal:
            outcome.fail(f"ended by signal {result.signal}")
        elif result.status != 0:
            outcome.fail(f"exit status {result.status}")
        if result.left:
            outcome.fail(f"left {result.left} processes running")
    finally:
        outcome.output = b"".join(chunks).decode(errors="replace")


def _reset(vm, outcome):
    """Bring the VM back to what it was; a case that makes this impossible has failed."""
    chunks = []
    result = vm.run([RESET], limit=60 * vm.image.slower, output=chunks.append)
    if result.status != 0:
        outcome.fail("the VM could not be cleaned up after it")
        outcome.output += b"".join(chunks).decode(errors="replace")
        outcome.reboot = True
    vm.clear_memory()


def _keep(vm):
    """What is installed, before the first case changes it: whichever that is."""
    if not vm.kept:
        vm.run([RESET, "init"], limit=60 * vm.image.slower)
        vm.kept = True


def run_case(vm, case, top, live=None):
    """Run one case in a booted VM."""
    outcome = Outcome()
    begin = time.monotonic()
    try:
        _keep(vm)
        begin = time.monotonic()
        vm.mark(f"case {case.name} begins")
        try:
            _run(vm, case, top, outcome, live)
        except Overdue:
            outcome.fail(f"did not end within {case.limit} s and was ended; where it hung is below")
        log = vm.mark(f"case {case.name} ends")
        outcome.seconds = time.monotonic() - begin
        _reset(vm, outcome)
        log += vm.mark(f"case {case.name} cleaned up")
    except Overdue:
        outcome.fail("the VM could not be cleaned up after it in time")
        outcome.reboot = True
        log = vm.console.new()
    except Gone:
        outcome.fail("the VM ended, or no longer answered")
        outcome.reboot = True
        log = vm.last_words()
    outcome.seconds = outcome.seconds or time.monotonic() - begin
    if alarms(log):
        outcome.fail(f"the kernel complained: {alarms(log)[0].strip()}")
        outcome.reboot = True
    if outcome.why:
        outcome.output += f"\n--- console ---\n{excerpt(log)}\n"
    return outcome


class Group:
    """Cases that share a kernel and a machine, and so a boot."""

    def __init__(self, series, features, case_list):
        self.series = series
        self.features = features
        self.cases = case_list

    def name(self, case):
        return f"vm/{self.series}/{case.label}"

    def limit(self):
        """Seconds that it may take: a measure of how long it will, and so of when to begin it."""
        return sum(case.limit for case in self.cases)

    def width(self):
        """Of its VM, as lanes count it."""
        return lanes.NARROW if "turns" in self.features else lanes.WIDE

    def title(self):
        extra = f" and {', '.join(self.features)}" if self.features else ""
        return f"kernel {self.series}{extra}"


def _sharing(features):
    """Cases with the same answer share a machine. One that asks for nothing gets nothing: it sees
    the host as most people have it."""
    return machine.shape(features) if features else None


def groups(case_list, series_list, wanted):
    """`wanted(name, case)` says which cases of which kernel run."""
    found = []
    for series in series_list:
        mine = {}
        for case in case_list:
            if case.runs_on(series) and wanted(f"vm/{series}/{case.label}", case):
                mine.setdefault(_sharing(case.features), []).append(case)
        for together in mine.values():
            features = sorted({f for case in together for f in case.features})
            found.append(Group(series, tuple(features), together))
    return found


def _boot(group, make_vm):
    with step(f"booting the VM with {group.title()}"):
        return make_vm(group).__enter__()


def run_group(group, make_vm, top, report, live=None, on_failure=None):
    """`make_vm(group)` returns a Vm that is not started yet."""
    vm = None
    try:
        for case in group.cases:
            name = group.name(case)
            if vm is None:
                begin = time.monotonic()
                try:
                    vm = _boot(group, make_vm)
                except Failure as e:
                    report.add(name, False, time.monotonic() - begin, str(e),
                               "the VM did not boot")
                    continue
                log = vm.console.new()
                if alarms(log):
                    report.add(name, False, time.monotonic() - begin, excerpt(log),
                               "the kernel complained during boot")
                    vm.stop()
                    vm = None
                    continue
            say(f"{name} (limit {case.limit} s)")
            outcome = run_case(vm, case, top, live)
            report.add(name, not outcome.why, outcome.seconds, outcome.output, outcome.why)
            if outcome.why and on_failure and not outcome.reboot:
                on_failure(vm, name)
            if outcome.reboot:
                vm.stop()
                vm = None
    finally:
        if vm is not None:
            vm.stop()
