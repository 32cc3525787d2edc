# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the command `tests/vm/sh`: boot a VM, run one command in it (or a shell), show what it
prints."""

import argparse
import os
import signal
import sys

import debian13
import debugkernel
import image
import machine
from console import alarms, excerpt
from link import Gone, Overdue
from progress import Failure, say, step
from vm import Vm

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def parse(argv):
    features = "\n".join(f"  {k:10} {v['help']}" for k, v in machine.FEATURES.items())
    p = argparse.ArgumentParser(
        prog="tests/vm/sh", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Boot the test VM, run a command in it as root, print what it prints, exit "
                    "with its status. Without a command: a root shell. The source tree is "
                    "/mnt/src in the VM, read-only; `host help` in the VM says how to look at the "
                    "memory behind the parents.",
        epilog=f"features:\n{features}\n\nexample:\n"
               "  tests/vm/sh --kernel 6.1 --module kmod/mdevd.ko 'modprobe mdevd && dmesg | tail'")
    p.add_argument("--kernel", default="6.12",
                   choices=["6.1", "6.12", debian13.NAME, debugkernel.NAME])
    p.add_argument("--module", action="append", default=[], metavar="KO",
                   help="a module for modprobe to find (repeatable)")
    p.add_argument("--dest", metavar="DIR",
                   help="a tree laid over the VM's /, as DESTDIR= makes it")
    p.add_argument("--build", metavar="DIR", help="a folder to be seen as /mnt/build")
    p.add_argument("--with", dest="features", action="append", default=[], metavar="FEATURE",
                   choices=list(machine.FEATURES), help="add a feature of the machine (repeatable)")
    p.add_argument("--limit", type=float, default=600, metavar="SECONDS",
                   help="end the command after this time (600)")
    p.add_argument("--keep", metavar="DIR", help="leave console.log and qemu.log there")
    p.add_argument("command", nargs="*", help="one argument: a shell's command line; several: argv")
    return p.parse_args(argv)


def session(vm, args):
    if not args.command:
        say("a root shell in the VM; leave it with `exit`")
        return vm.shell()
    argv = ["bash", "-c", args.command[0]] if len(args.command) == 1 else args.command
    result = vm.run(argv, limit=args.limit,
                    output=lambda b: (sys.stdout.buffer.write(b), sys.stdout.buffer.flush()))
    vm.mark("end")
    return result.status


def main(argv):
    args = parse(argv)
    # so that the VM's folder is cleared away
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shares = {"src": TOP}
    if args.build:
        shares["build"] = os.path.abspath(args.build)
    made = debian13.obtain() if args.kernel == debian13.NAME else image.obtain()
    if args.kernel == debugkernel.NAME:
        made = debugkernel.DebugImage(made, debugkernel.obtain(os.cpu_count()))
    vm = Vm(made, args.kernel, shares, args.features, args.module, args.dest, args.keep)
    with step(f"booting the VM with kernel {args.kernel}"):
        vm.__enter__()
    try:
        status = session(vm, args)
    except Overdue:
        say(f"the command did not end within {args.limit:g} s and was ended")
        status = 124
    except Gone:
        say("the VM has ended")
        status = 125
    finally:
        text = vm.console.text()
        vm.stop()
    if alarms(text):
        say("the kernel complained:")
        print(excerpt(text), file=sys.stderr)
        status = status or 1
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(f"tests/vm/sh: {failure}", file=sys.stderr)
        sys.exit(125)
