# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns `tests/run`: which tests there are, which are asked for, and running them in order."""

import argparse
import fnmatch
import os
import shutil
import signal
import sys
import tempfile
import threading

import build
import cases
import debian13
import debugkernel
import demos
import image
import kernels
import kmodbuild
import lanes
import selftest
import vendors
import vmcases
from progress import Failure, cache_dir, say, step
from report import Report
from vm import Vm

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASES = os.path.join(TOP, "tests", "vm", "cases")
NICE_BESIDE = 5  # of host tests beside a VM, whose cases have limits that are about mdevd


def parse(argv):
    p = argparse.ArgumentParser(
        prog="tests/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run mdevd's tests: builds, host tests, the module's checks, and the cases in "
                    "a test VM for each kernel. One line a test; the last line is "
                    "`N passed, N failed`, and the exit status says the same.",
        epilog="""names:
  harness/...            do the tests notice what they must notice?
  build/gcc ...          the build in two variants: gcc, sanitize (clang with ASan and UBSan)
  host/gcc/unit/...      host tests of that variant
  kmod/6.12/build ...    the module, W=1 and sparse, for each kernel; kmod/checkpatch
  kmod/6.12/vendors      modules that stand in for vendors' drivers: mtty, tests/vm/modules
  vm/6.12/boot ...       cases in the VM (tests/vm/cases), for each kernel
  demo/6.12 ...          tests/demo passes, and fails when it is done wrong (--long)

examples:
  tests/run                                    everything but the long cases
  tests/run --filter vm/ --kernel 6.12         the VM's cases on one kernel
  tests/run --filter 'host/gcc/*'              a glob must match the whole name
  tests/run --filter first-fault --verbose     show its output as it comes
  tests/run --filter first-fault --keep        if it fails: a root shell in the VM as it is then
  tests/run --shell                            build, boot, root shell with mdevd installed""")
    p.add_argument("--list", action="store_true", help="print the tests' names and do nothing else")
    p.add_argument("--filter", action="append", default=[], metavar="WORD",
                   help="only tests with this in their name, or matching this glob (repeatable)")
    p.add_argument("--kernel", default="all",
                   choices=[*kernels.SERIES, "all", debian13.NAME, debugkernel.NAME],
                   help="kernel of the VM and the module (all: the distribution's; debian13: 6.12, "
                        "and Debian 13 in the VM, for the cases that ask for it, as --long does, "
                        "too; debug: one with KASAN, lockdep and kmemleak, which takes 20 minutes "
                        "to build once)")
    p.add_argument("--long", action="store_true", help="also the cases marked long")
    p.add_argument("--shell", action="store_true",
                   help="a root shell in the test VM, with mdevd and its module installed")
    p.add_argument("--keep", action="store_true",
                   help="open a shell in the VM after a failed case, before it is cleaned up")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                   help="at most so many compilers or host tests at once (number of CPUs)")
    p.add_argument("--vms", type=int, metavar="N",
                   help="exactly so many VMs at once (else what memory and CPUs allow, at most "
                        f"{lanes.LANES_MAX}, or twice as many of those whose CPUs take turns); "
                        "figures want 1, as --shell and --keep have it")
    p.add_argument("--verbose", action="store_true", help="show the output of every test")
    args = p.parse_args(argv)
    if args.jobs < 1:
        p.error(f"--jobs {args.jobs}: at least 1")
    if args.vms is not None and args.vms < 1:
        p.error(f"--vms {args.vms}: at least 1")
    if args.keep or args.verbose:
        args.vms = 1  # one screen
    return args


class Suite:
    def __init__(self, args):
        self.args = args
        if args.long:
            os.environ["MDEVD_TEST_LONG"] = "1"  # host tests have longer forms, too
        self.report = Report(verbose=args.verbose)
        self.series = list(kernels.SERIES) if args.kernel == "all" else [args.kernel]
        if args.kernel == "all" and args.long:
            self.series.append(debian13.NAME)
        # for which the module is built
        self.built = list(dict.fromkeys(map(debian13.series_of, self.series)))
        self.kernels = {k.series: k for k in kernels.find_all()}
        if debugkernel.NAME in self.series:
            self.kernels[debugkernel.NAME] = debugkernel.obtain(args.jobs, build=not args.list)
        self.meson = {v: build.MesonBuild(TOP, v, args.jobs) for v in build.VARIANTS}
        self.module = {s: kmodbuild.ModuleBuild(TOP, self.kernels[s], args.jobs)
                       for s in self.built}
        self.vendors = {s: vendors.VendorModules(TOP, self.kernels[s], debugkernel.BASE
                                                 if s == debugkernel.NAME else s, args.jobs)
                        for s in self.built}
        self.cases = cases.discover(CASES)
        self.work = tempfile.mkdtemp(prefix="mdevd-run-")
        self.images = {}  # by series
        self.image_lock = threading.Lock()
        self.dest = None
        self.ending = False
        self.vms = []  # all that were made, in the order of their making

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def wanted(self, name, case=None):
        if case is not None and case.long and not self.args.long:
            return False
        if not self.args.filter:
            return True
        return any(fnmatch.fnmatch(name, f) if set(f) & set("*?[") else f in name
                   for f in self.args.filter)

    # -- what there is

    def host_names(self, variant):
        """None: the build files are broken, so nobody knows."""
        tests = self.meson[variant].tests()
        return None if tests is None else [f"host/{variant}/{t}" for t in tests]

    def may_want_host(self):
        """Could a filter mean a host test, whatever their names are?"""
        others = ("vm/", "kmod/", "harness/", "demo/")
        return not self.args.filter or any(not f.startswith(others) for f in self.args.filter)

    def groups(self):
        return vmcases.groups(self.cases, self.series, self.wanted)

    def demos(self):
        stock = [s for s in self.series if s in kernels.SERIES]
        return [d for d in demos.demos(stock) if self.wanted(d.name, d)]

    def names(self):
        names = list(selftest.names(self.args.long))
        for variant in self.meson:
            names += [f"build/{variant}", *(self.host_names(variant) or [])]
        names += [f"kmod/{s}/build" for s in self.built]
        names += [f"kmod/{s}/vendors" for s in self.built] + ["kmod/checkpatch"]
        names = [n for n in names if self.wanted(n)]
        names += [g.name(c) for g in self.groups() for c in g.cases]
        return names + [d.name for d in self.demos()]

    # -- doing it

    def check(self, name, function, needed=False):
        """A check that is a test of its own; one that others need is reported when it fails."""
        status, out, seconds = build.timed(function)
        if self.wanted(name) or (needed and status != 0):
            self.report.add(name, status == 0, seconds, out if status else "",
                            "" if status == 0 else f"status {status}")
        return status == 0

    def wanted_host(self, variant):
        """The tests that are asked for; None: nobody knows, and some may be."""
        names = self.host_names(variant)
        if names is None:
            return None if self.may_want_host() else []
        return [n for n in names if self.wanted(n)]

    def build_host(self, variant, needed):
        """Once a run."""
        if self.meson[variant].tried:
            return
        names = self.wanted_host(variant)
        if needed or names is None or names or self.wanted(f"build/{variant}"):
            say(f"building with {variant}")
            self.check(f"build/{variant}", self.meson[variant].build, needed or names != [])

    def run_host(self, variant):
        self.build_host(variant, needed=False)
        names = self.wanted_host(variant)
        if not names:
            return
        prefix = f"host/{variant}/"
        if not self.meson[variant].ready:
            for name in names:
                self.report.add(name, False, 0.0, "", "not run: its build failed")
            return
        say(f"running {len(names)} host tests of {variant}")
        for name, *rest in self.meson[variant].run_tests([n.removeprefix(prefix) for n in names]):
            self.report.add(prefix + name, *rest)

    def run_modules(self, needed):
        for series in self.built:
            name = f"kmod/{series}/build"
            if series in needed or self.wanted(name):
                say(f"building the module for kernel {series}")
                self.check(name, self.module[series].build, series in needed)
            name = f"kmod/{series}/vendors"
            if series in needed or self.wanted(name):
                self.check(name, self.vendors[series].build, series in needed)
        if self.wanted("kmod/checkpatch"):
            self.check("kmod/checkpatch", lambda: kmodbuild.checkpatch(TOP))

    def install(self):
        """What the VM gets; nothing, when the build failed, rather than something old."""
        if self.meson["gcc"].ready:
            self.dest = os.path.join(self.work, "dest")
            self.meson["gcc"].install(self.dest)

    def obtain_image(self, series):
        if series == debian13.NAME:
            return debian13.obtain()
        stock = image.obtain()
        if series == debugkernel.NAME:
            return debugkernel.DebugImage(stock, self.kernels[series])
        return stock

    def image(self, series):
        with self.image_lock:
            if series not in self.images:
                self.images[series] = self.obtain_image(series)
            return self.images[series]

    def has_image(self, group):
        """Obtained before VMs run: to make one takes minutes. Without it only its cases fail."""
        try:
            self.image(group.series)
            return True
        except Failure as e:
            for case in group.cases:
                self.report.add(group.name(case), False, 0.0, str(e), "its image cannot be made")
            return False

    def vm(self, group):
        if self.ending:
            raise lanes.Ended()
        name = "-".join((group.series, *group.features))
        built = debian13.series_of(group.series)
        vm = Vm(self.image(group.series), group.series,
                  {"src": TOP, "build": self.meson["gcc"].folder}, group.features,
                  self.module[built].modules() + self.vendors[built].modules(), self.dest,
                  keep=os.path.join(cache_dir(), "logs", name))
        self.vms.append(vm)
        return vm

    def end_vms(self):
        self.ending = True
        for vm in self.vms:
            vm.kill()

    def shell_after(self, vm, name):
        say(f"{name} has failed; this is the VM as it is now. `exit` goes on with the run.")
        vm.shell()

    def run(self):
        groups = self.groups()
        with build.Lock(TOP):
            self.build_host("gcc", needed=bool(groups))
            self.run_modules({debian13.series_of(g.series) for g in groups})
            if groups:
                self.install()
        selftest.run(self)
        jobs = self.vm_jobs(groups)
        beside = threading.Thread(target=self.run_beside, args=(bool(jobs),), daemon=True)
        beside.start()
        if jobs:
            self.run_lanes(self.vm_jobs([g for g in groups if self.has_image(g)]))
        beside.join()

    @staticmethod
    def prefer_vms():
        """meson gives each test a session of its own, and where the kernel groups processes by
        session, nice says nothing across them; this does. Without the right to, it is as it is."""
        try:
            with open("/proc/self/autogroup", "w", encoding="ascii") as f:
                f.write("-10")
        except OSError:
            pass

    def run_beside(self, beside):
        """What no VM needs, with what the CPUs have left when there is one."""
        if beside:
            self.prefer_vms()
        try:
            with build.Lock(TOP):
                for variant in self.meson:
                    self.meson[variant].nice = NICE_BESIDE if beside else 0
                    self.run_host(variant)
        except Exception as e:  # pylint: disable=broad-exception-caught
            self.report.add("harness/run", False, 0.0, f"{type(e).__name__}: {e}",
                            "the host tests could not go on")

    def vm_jobs(self, groups):
        """Everything with a VM of its own: those that two at a time have room first, while the host
        tests use what they leave; of the others the longest."""
        live = None
        if self.args.verbose:
            live = lambda data: (sys.stdout.buffer.write(data), sys.stdout.buffer.flush())

        def job(group):
            return lambda: vmcases.run_group(group, self.vm, TOP, self.report, live,
                                             self.shell_after if self.args.keep else None)

        def show(demo):
            say(f"{demo.name} (limit {demos.LIMIT} s)")
            self.report.add(demo.name, *demo.run())

        jobs = [(f"vm/{g.series}", g.width(), job(g))
                for g in sorted(groups, key=lambda g: (g.width(), -g.limit()))]
        jobs += [(name, lanes.WIDE, function) for name, function in selftest.jobs(self)]
        return jobs + [(d.name, lanes.WIDE, lambda d=d: show(d)) for d in self.demos()]

    def run_lanes(self, jobs):
        """As many at once as asked for."""
        lanes.Lanes(self.args.vms or lanes.fitting(), jobs, lambda name, error: self.report.add(
            name, False, 0.0, str(error), "it could not go on"),
                    paired=self.args.vms is None and lanes.pairing()).run(self.end_vms)

    def shell(self):
        group = vmcases.Group("6.12" if self.args.kernel == "all" else self.args.kernel, (), [])
        built = debian13.series_of(group.series)
        with build.Lock(TOP):
            for what, function in (("mdevd", self.meson["gcc"].build),
                                   ("the module", self.module[built].build),
                                   ("stand-ins for vendors' modules", self.vendors[built].build)):
                with step(f"building {what}"):
                    status, out = function()
                if status != 0:
                    say(f"building {what} failed; going on without it:\n{out}")
            self.install()
        vm = self.vm(group)
        with step(f"booting the VM with {group.title()}"):
            vm.__enter__()
        try:
            say("a root shell in the VM; the tree is /mnt/src; leave it with `exit`")
            return vm.shell()
        finally:
            vm.stop()


def main(argv):
    args = parse(argv)
    # so that VMs and folders are cleared away
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    suite = Suite(args)
    try:
        if args.list:
            with build.Lock(TOP):
                print("\n".join(suite.names()))
            return 0
        if args.shell:
            return suite.shell()
        try:
            suite.run()
        except Failure as e:
            suite.report.add("harness/run", False, 0.0, str(e), "the run could not go on")
        except KeyboardInterrupt:
            suite.report.add("harness/run", False, 0.0, "", "interrupted")
        if not suite.report.passed and not suite.report.failed:
            say("no test has such a name; --list shows them all")
        return suite.report.finish()
    finally:
        suite.close()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(f"tests/run: {failure}", file=sys.stderr)
        sys.exit(125)
