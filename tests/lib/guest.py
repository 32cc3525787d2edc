#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns driving nested guests, inside the test VM: a QEMU with KVM for each, running the program of
tests/guest, which takes one command a line and answers with one line, `ok …` or `err …`.

For cases in Python: class Guest. For cases in shell the command `guest`, see HELP.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

from qmp import Qmp, QmpError

PROGRAM = "/usr/lib/mdevd-test/guest.elf"
STATE = "/run/mdevd-guest"
LIMIT = 100

HELP = """guest: nested guests with a mediated device
  guest start NAME UUID [QEMU-ARGUMENT…]   boot one; UUID - means without a device
  guest adopt NAME PID COMMAND…            talk to one that somebody else has started and paused:
                                           COMMAND lets it run; prints its line `ready …`
  guest cmd NAME COMMAND…                  a command for its program; fails when it says err
  guest qmp NAME JSON                      a QMP command for its QEMU; prints the answer
  guest status NAME                        running, gone, or what its QEMU says
  guest log NAME                           what its QEMU has printed
  guest quit NAME                          ask it to end, and wait
  guest kill NAME                          end its QEMU with SIGKILL, and wait
  guest pid NAME                           the process id of its QEMU
The program's commands are in tests/guest/README.md; `guest cmd NAME help` lists them.
"""


class GuestError(Exception):
    """The guest answered err, has ended, or does not answer."""


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Guest:
    """One nested guest. Its state is in files, so that several processes can talk to it."""

    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(STATE, name)
        self.serial = None
        self.monitor = None
        self.buffer = b""
        self.process = None

    def _path(self, name):
        return os.path.join(self.folder, name)

    # -- start and end

    def start(self, uuid=None, *extra, memory=64, append="", limit=LIMIT, prefix=()):
        """Boot it; returns the line `ready …`, which says the device and its BARs. `prefix` is a
        command that ends by becoming QEMU, as `systemd-run --scope …` does."""
        if self.pid() and _alive(self.pid()):
            raise GuestError(f"there is a guest {self.name} already")
        os.makedirs(self.folder, exist_ok=True)
        for name in ("serial", "qmp"):
            if os.path.lexists(self._path(name)):
                os.unlink(self._path(name))
        argv = ["qemu-system-x86_64", "-name", self.name, "-nodefaults", "-no-user-config",
                # no ticks: see tests/vm/README.md, nested machines
                "-display", "none", "-machine", "q35,pit=off", "-accel", "kvm", "-cpu", "host",
                "-m", str(memory), "-no-reboot", "-kernel", PROGRAM, "-append", append,
                # it waits for us, so that the first line is not lost
                "-chardev", f"socket,id=serial,path={self._path('serial')},server=on,wait=on",
                "-serial", "chardev:serial",
                "-qmp", f"unix:{self._path('qmp')},server=on,wait=off",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        if uuid:
            argv += ["-device", f"vfio-pci,id=mdev,sysfsdev=/sys/bus/mdev/devices/{uuid}"]
        with open(self._path("log"), "wb") as log:
            self.process = subprocess.Popen([*prefix, *argv, *extra], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        with open(self._path("pid"), "w", encoding="ascii") as f:
            f.write(str(self.process.pid))
        self._connect(limit)
        return self._line(("ready ",), limit)

    def adopt(self, pid, command, limit=LIMIT):
        """One that is paused and has its serial line at our place: `command` lets it run."""
        with open(self._path("pid"), "w", encoding="ascii") as f:
            f.write(str(pid))
        self._connect(limit)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return self._line(("ready ",), limit)

    def _connect(self, limit=LIMIT):
        """QEMU makes the socket at its start; until then there is nothing to wait on but it."""
        deadline = time.monotonic() + limit
        while True:
            self.serial = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.serial.connect(self._path("serial"))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                self.serial.close()
            if not self.running() or time.monotonic() > deadline:
                raise GuestError(f"the QEMU of guest {self.name} did not start, or has ended: "
                                 f"{self.log()}")
            if self.process:
                try:
                    self.process.wait(timeout=0.05)
                except subprocess.TimeoutExpired:
                    pass

    def quit(self, limit=LIMIT):
        """Ask it to end; returns QEMU's exit status, if this process started it."""
        try:
            self.cmd("quit", limit)
        except GuestError:
            if self.running():
                raise
        return self.wait(limit)

    def kill(self, limit=LIMIT):
        if self.running():
            os.kill(self.pid(), signal.SIGKILL)
        return self.wait(limit)

    def wait(self, limit=LIMIT):
        """Until its QEMU has ended."""
        pid = self.pid()
        if not pid:
            raise GuestError(f"there is no guest {self.name}")
        if self.process:
            try:
                return self.process.wait(timeout=limit)
            except subprocess.TimeoutExpired as e:
                raise GuestError(f"the QEMU of guest {self.name} does not end") from e
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        try:
            if _alive(pid) and not select.select([fd], [], [], limit)[0]:
                raise GuestError(f"the QEMU of guest {self.name} does not end")
        finally:
            os.close(fd)
        return None

    # -- while it runs

    def pid(self):
        try:
            with open(self._path("pid"), encoding="ascii") as f:
                return int(f.read())
        except FileNotFoundError:
            return 0

    def running(self):
        if self.process:
            return self.process.poll() is None
        return bool(self.pid()) and _alive(self.pid())

    def log(self):
        try:
            with open(self._path("log"), encoding="utf-8", errors="replace") as f:
                return f.read().strip()
        except FileNotFoundError:
            return ""

    def _line(self, prefixes, limit):
        """The next line that begins so; SeaBIOS and others may have said something before."""
        deadline = time.monotonic() + limit
        while True:
            while b"\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\n", 1)
                text = line.decode(errors="replace").strip("\r")
                if text.startswith(prefixes):
                    return text
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.serial], [], [], left)[0]:
                raise GuestError(f"guest {self.name} did not answer within {limit} s "
                                 f"(its QEMU: {self.status()}) {self.log()}\n{self.where()}")
            data = self.serial.recv(65536)
            if not data:
                raise GuestError(f"the QEMU of guest {self.name} has ended: {self.log()}")
            self.buffer += data

    def ask(self, text, limit=LIMIT):
        """Send a command, return its answer, be it ok or err."""
        if not self.serial:
            self._connect()
        try:
            self.serial.sendall(text.encode() + b"\n")
        except OSError as e:
            raise GuestError(f"the QEMU of guest {self.name} has ended: {self.log()}") from e
        return self._line(("ok", "err"), limit)

    def cmd(self, text, limit=LIMIT):
        """Send a command, return what comes after ok."""
        answer = self.ask(text, limit)
        if not answer.startswith("ok"):
            raise GuestError(f"guest {self.name} answers to '{text}': {answer}")
        return answer[2:].strip()

    def qmp(self):
        if not self.monitor:
            self.monitor = Qmp(self._path("qmp"))
        return self.monitor

    def status(self):
        if not self.running():
            return "gone"
        try:
            return self.qmp().command("query-status")["status"]
        except (OSError, QmpError) as e:
            return f"its monitor does not answer ({e})"

    def where(self):
        """What it had said by then, and what its CPU is at, for who must find out why it hangs."""
        text = [f"said: {self.buffer[-2000:]!r}"]
        try:
            for command in ("info registers", "info pic", "x/8i $eip", "info registers"):
                text += [f"-- {command}", self.qmp().command("human-monitor-command",
                                                             **{"command-line": command})]
        except (OSError, QmpError, TypeError) as e:
            text.append(f"its monitor does not answer ({e})")
        return "\n".join(text)

    def close(self):
        """Let go of it without ending it; another process may talk to it then."""
        for end in (self.serial, self.monitor):
            if end:
                end.close()
        self.serial = self.monitor = None
        self.buffer = b""


def _run(verb, name, rest):
    guest = Guest(name)
    if verb == "start" and rest:
        print(guest.start(None if rest[0] == "-" else rest[0], *rest[1:]))
    elif verb == "adopt" and len(rest) > 1:
        print(guest.adopt(int(rest[0]), rest[1:]))
    elif verb == "cmd" and rest:
        answer = guest.ask(" ".join(rest))
        print(answer)
        return 0 if answer.startswith("ok") else 1
    elif verb == "qmp" and len(rest) == 1:
        answer = guest.qmp().execute(json.loads(rest[0]))
        print(json.dumps(answer))
        return 1 if "error" in answer else 0
    elif verb in ("status", "log", "pid") and not rest:
        print(getattr(guest, verb)())
    elif verb in ("quit", "kill") and not rest:
        getattr(guest, verb)()
    else:
        sys.stderr.write(HELP)
        return 2
    return 0


def main(argv):
    if len(argv) < 2:
        sys.stderr.write(HELP)
        return 2
    try:
        return _run(argv[0], argv[1], argv[2:])
    except (GuestError, QmpError, OSError, ValueError, subprocess.SubprocessError) as e:
        print(f"guest: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    # the QEMU that `start` made must outlive us, without our terminal or pipes
    sys.exit(main(sys.argv[1:]))
