# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real daemon over a tree of files, on a bus of its own."""

import ctypes
import os
import select
import signal
import socket
import subprocess

# As Debian's system bus, with the project's own policy on top.
BUS = """<busconfig><type>system</type><listen>unix:path={root}/bus</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><deny own="*"/><deny send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/>
</policy>
<include>{source}/dbus/org.mdevd1.conf</include></busconfig>
"""
LIMIT = 60  # seconds; ends a hang


def _dies_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Bus:
    """A system bus, without anybody on it."""

    def __init__(self, root, source):
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={root}/bus"}
        config = os.path.join(root, "bus.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(BUS.format(root=root, source=source))
        self.process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile",
             "--print-address=1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            preexec_fn=_dies_with_us)
        if not self.process.stdout.readline():  # it prints its address when it listens
            raise RuntimeError("dbus-daemon ended")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Daemon:
    """mdevd, ready; its fake kernel is @preload."""

    def __init__(self, program, preload, root, source):
        self.root = root
        self.bus = Bus(root, source)
        self.env = self.bus.env
        self.log = open(os.path.join(root, "log"), "w+", encoding="utf-8")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(os.path.join(root, "notify"))
        env = {**os.environ, **self.env, "NOTIFY_SOCKET": os.path.join(root, "notify"),
               "MDEVD_FAKE_ROOT": root, "LD_PRELOAD": preload}
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + env.get("ASAN_OPTIONS", "")
        self.process = subprocess.Popen([program, f"--root={root}", "--log-level=debug"], env=env,
                                        stdout=self.log, stderr=self.log,
                                        preexec_fn=_dies_with_us)
        with notify:
            while True:
                ready, _, _ = select.select([notify], [], [], LIMIT)
                if not ready or self.process.poll() is not None:
                    raise RuntimeError(f"the daemon did not start:\n{self.read_log()}")
                if b"READY=1" in notify.recv(4096):
                    break

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def _end_workers(self):
        """They outlive the daemon, and go on in its folder."""
        mark = f"MDEVD_FAKE_ROOT={self.root}\0".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if mark not in f.read():
                        continue
                with open(os.pidfd_open(int(pid)), closefd=True) as worker:
                    signal.pidfd_send_signal(worker.fileno(), signal.SIGKILL)
                    select.select([worker], [], [], LIMIT)
            except OSError:
                pass  # it has ended

    def clear_up(self):
        """After a daemon that has ended."""
        self._end_workers()
        self.bus.close()
        self.log.close()

    def close(self):
        self.process.terminate()
        status = self.process.wait(LIMIT)
        log = self.read_log()
        self.clear_up()
        if status != 0:
            raise RuntimeError(f"the daemon ended with {status}:\n{log}")
