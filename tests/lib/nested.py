# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns a nested guest as seen from outside of the test VM: its QEMU runs in the VM, with KVM, and
its serial line comes here. What the guest understands is in tests/guest/."""

import time

from progress import Failure

GUEST = "/mnt/build/tests/guest/guest.elf"
LIMIT = 90


class NestedGuest:
    def __init__(self, vm, name, uuid):
        self.vm = vm
        self.name = name
        self.lines = []
        self.partial = b""
        self.ident = vm.link.start(
            ["qemu-system-x86_64", "-name", name, "-nodefaults", "-no-user-config",
             "-display", "none", "-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "64",
             "-serial", "stdio", "-no-reboot",
             "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
             "-kernel", GUEST,
             "-device", f"vfio-pci,sysfsdev=/sys/bus/mdev/devices/{uuid}"],
            env=vm.environment, output=self._take)

    def _take(self, data):
        *whole, self.partial = (self.partial + data).split(b"\n")
        self.lines += [line.decode(errors="replace").rstrip("\r") for line in whole]

    def _next(self, prefixes):
        """The next line with one of the prefixes; what comes before it is talk."""
        def found():
            while self.lines and not self.lines[0].startswith(prefixes):
                self.talk.append(self.lines.pop(0))
            return self.lines or self.ident in self.vm.link.results

        self.talk = []
        self.vm.link.until(found, time.monotonic() + LIMIT)
        if not self.lines:
            raise Failure(f"the nested guest {self.name} has ended: {' / '.join(self.talk)}")
        return self.lines.pop(0)

    def until_ready(self):
        return self._next(("ready",))

    def command(self, text):
        self.vm.link.input(self.ident, text.encode() + b"\n")
        answer = self._next(("ok", "err"))
        if answer.startswith("err"):
            raise Failure(f"{self.name} answers to '{text}': {answer}")
        return answer

    def quit(self):
        self.vm.link.input(self.ident, b"quit\n")
        return self.vm.link.wait(self.ident, time.monotonic() + LIMIT)
