# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns one test VM: starting QEMU, waiting for its agent, running things in it, ending it."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
import payload
from console import DUMP_END, Console, excerpt
from doorbell import Doorbell
from hostcmd import HostCommands
from link import Gone, Link, Overdue
from progress import Failure, die_with_parent
from qmp import Qmp

BOOT_LIMIT = 600
MIB = 1 << 20


def _die_with_parent():
    """The thread that starts it lives as long as its VM."""
    die_with_parent(signal.SIGKILL)


class Vm:
    """Use as a context manager. `modules` and `dest` go into the VM as payload.py says; `shares`
    maps a tag (src, build) to a folder that the VM sees, read-only, as /mnt/TAG."""

    def __init__(self, image, series, shares, features=(), modules=(), dest=None, keep=None):
        self.image = image
        self.series = series
        self.features = tuple(features)
        self.keep = keep  # a folder for the console log, or None
        self.folder = tempfile.mkdtemp(prefix="mdevd-vm-")
        self.console = Console(os.path.join(self.folder, "console.log"))
        self.memory = {name: (os.path.join(self.folder, name), size * MIB)
                       for name, size in machine.memories(features)}
        self.doorbell = None
        self.shares = shares
        self.modules = modules
        self.dest = dest
        self.process = None
        self.link = None
        self.monitor = None
        self.environment = {}
        self.kept = False  # what is installed, to be put back after each case

    def __enter__(self):
        try:
            self._start()
            return self
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        for path, size in self.memory.values():
            with open(path, "wb") as f:
                f.truncate(size)
        if "doorbell" in self.memory:
            self.doorbell = Doorbell(os.path.join(self.folder, "doorbell.sock"),
                                     self.memory["doorbell"][0])
        tar = payload.make(self.folder, self.image, self.series, self.modules, self.dest)
        argv = machine.arguments(self.image, self.series, self.folder, tar, self.memory,
                                 self.shares, self.features)
        with open(os.path.join(self.folder, "qemu.log"), "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=_die_with_parent)
        deadline = time.monotonic() + BOOT_LIMIT * self.image.slower
        self.monitor = self._reach(lambda: Qmp(os.path.join(self.folder, "qmp.sock")))
        commands = HostCommands(self.memory, lambda: self.monitor, self.doorbell)
        self.link = self._reach(lambda: Link(os.path.join(self.folder, "ctl.sock"), commands))
        try:
            self.link.until(lambda: self.link.hello, deadline)
            ident = self.link.start(["sh", "-c", "systemctl is-system-running --wait; "
                                     "udevadm settle"])
            self.link.wait(ident, deadline)
        except (Gone, Overdue) as e:
            raise Failure(f"the VM with kernel {self.series} did not come up "
                          f"({'it ended' if isinstance(e, Gone) else f'in {BOOT_LIMIT} s'}); "
                          f"the end of its console:\n{excerpt(self.console.text())}\n"
                          f"{self.qemu_log()}") from e
        self.environment = self._environment()
        self._keep_apparmor_cache()

    def _keep_apparmor_cache(self):
        path = self.image.apparmor_cache(self.series)
        if path is None or os.path.exists(path):
            return
        work = f"{path}.{os.getpid()}"
        with open(work, "wb") as f:
            result = self.run(["tar", "-C", "/", "-cf", "-", "var/cache/apparmor"], output=f.write)
        if result.status == 0:
            os.rename(work, path)
        else:
            os.unlink(work)

    def _reach(self, connect):
        """QEMU makes its sockets, and listens a moment later, before it runs the guest."""
        while True:
            try:
                return connect()
            except (FileNotFoundError, ConnectionRefusedError):
                pass
            try:
                self.process.wait(timeout=0.05)
                raise Failure(f"QEMU did not start: {self.qemu_log()}")
            except subprocess.TimeoutExpired:
                pass

    def qemu_log(self):
        try:
            with open(os.path.join(self.folder, "qemu.log"), errors="replace") as f:
                return f.read().strip()
        except FileNotFoundError:
            return ""

    def _environment(self):
        env = {"PATH": "/usr/lib/mdevd-test:/usr/sbin:/usr/bin:/sbin:/bin",
               "HOME": "/root", "LANG": "C.UTF-8",
               "PYTHONPATH": "/mnt/src/tests/lib", "PYTHONDONTWRITEBYTECODE": "1",
               "MDEVD_KVER": getattr(self.image, "kver", self.series)}
        for tag in self.shares:
            env[f"MDEVD_{tag.upper()}"] = f"/mnt/{tag}"
        for ident, address in self.addresses().items():
            if ident in self.memory or ident in machine.FEATURES:
                env[f"MDEVD_{ident.upper()}"] = address
        return env

    def addresses(self):
        """PCI addresses by QEMU device id."""
        found = {}

        def walk(bus):
            for device in bus["devices"]:
                if device.get("qdev_id"):
                    found[device["qdev_id"]] = (f"0000:{device['bus']:02x}:{device['slot']:02x}."
                                                f"{device['function']}")
                child = device.get("pci_bridge")
                if child:
                    walk(child)

        for bus in self.monitor.command("query-pci"):
            walk(bus)
        return found

    def run(self, argv, limit=120, output=None, env=None):
        """Run a command as root; returns its Result. Raises Gone, or Overdue after having shown
        where it hangs and ended it."""
        ident = self.link.start(argv, env={**self.environment, **(env or {})}, output=output)
        try:
            return self.link.wait(ident, time.monotonic() + limit)
        except Overdue:
            self._where(ident, output)
            self.link.kill(ident)
            try:
                self.link.wait(ident, time.monotonic() + 20)
            except Overdue as e:
                raise Gone() from e  # it cannot be killed: this VM is of no use any more
            raise

    def _where(self, ident, output):
        dump = self.link.start(["/usr/lib/mdevd-test/where.sh", f"job-{ident}"],
                               env=self.environment, output=output)
        try:
            self.link.wait(dump, time.monotonic() + 30)
            self.await_console(DUMP_END)
        except Overdue:
            pass

    def await_console(self, text, seconds=20):
        """The console is a serial line: it lags behind the kernel's log."""
        deadline = time.monotonic() + seconds
        begin = self.console.position
        while text not in self.console.text(begin) and time.monotonic() < deadline:
            if self.process.poll() is not None:
                return
            select.select([], [], [], 0.02)

    def mark(self, text):
        """Put a line into the kernel's log and return the console's text up to it."""
        mark = f"mdevd-test: {text}"
        ident = self.link.start(["sh", "-c", f"echo '{mark}' >/dev/kmsg"])
        self.link.wait(ident, time.monotonic() + 30)
        self.await_console(mark)
        return self.console.new()

    def last_words(self):
        """The console's text since the last mark, when the VM is ending or has ended."""
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        return self.console.new()

    def clear_memory(self):
        """Zeros behind all parents, as at boot."""
        for path, size in self.memory.values():
            with open(path, "r+b") as f:
                for _ in range(0, size, MIB):
                    f.write(bytes(MIB))

    def kill(self):
        """From any thread: whoever waits for something in it learns that it has gone."""
        if self.process and self.process.poll() is None:
            self.process.kill()

    def stop(self):
        self.kill()
        if self.process:
            self.process.wait()
        for end in (self.link, self.monitor, self.doorbell):
            if end:
                end.close()
        if self.keep:
            os.makedirs(self.keep, exist_ok=True)
            for name in ("console.log", "qemu.log"):
                source = os.path.join(self.folder, name)
                if os.path.exists(source):
                    shutil.copy(source, self.keep)
        shutil.rmtree(self.folder, ignore_errors=True)

    def shell(self):
        """A root shell on this terminal; returns its exit status."""
        import shell  # the terminal's modes are nobody else's business
        return shell.interact(self.link, ["bash", "-l"],
                              {**self.environment, "TERM": os.environ.get("TERM", "dumb"),
                               "PS1": f"[mdevd {self.series}] \\w # "}, sys.stdin, sys.stdout)
