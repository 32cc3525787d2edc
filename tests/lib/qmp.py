# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns talking to a QEMU's monitor: one command, one answer; events are kept for who waits."""

import json
import socket
import time


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path, timeout=300):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buffer = b""
        self.events = []
        self.command("qmp_capabilities")

    def close(self):
        self.sock.close()

    def _line(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(1 << 16)
            if not data:
                raise QmpError("QEMU has closed its monitor")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def execute(self, message):
        """Send one message as it is; return QEMU's answer as it is."""
        self.sock.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = self._line()
            if "event" in answer:
                self.events.append(answer)
            elif "return" in answer or "error" in answer:
                return answer

    def command(self, name, **arguments):
        answer = self.execute({"execute": name, "arguments": arguments})
        if "error" in answer:
            raise QmpError(f"{name}: {answer['error'].get('desc')}")
        return answer["return"]

    def wait_event(self, wanted, timeout=60):
        """The first event for which wanted(event) is true; earlier ones are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self.events:
                event = self.events.pop(0)
                if wanted(event):
                    return event
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpError("the event did not come in time")
            self.sock.settimeout(left)
            try:
                message = self._line()
            except socket.timeout:
                continue
            finally:
                self.sock.settimeout(60)
            if "event" in message:
                self.events.append(message)
