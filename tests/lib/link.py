# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the host's end of the control channel; the other end is tests/vm/agent/agent.c."""

import os
import select
import socket
import struct
import time

RUN, INPUT, SIZE, KILL, ANSWER = 1, 2, 3, 4, 5
HELLO, OUTPUT, EXIT, ASK = 16, 17, 18, 19
HEADER = struct.Struct("<III")


class Gone(Exception):
    """The VM has ended, or closed the channel."""


class Overdue(Exception):
    """The time limit was hit; the job still runs."""


class Result:
    def __init__(self, status, left):
        self.left = left  # processes that outlived the job's first one, and were ended
        self.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.status = 128 + self.signal if self.signal else os.WEXITSTATUS(status)


def strings(values):
    return b"".join(str(v).encode() + b"\0" for v in values)


class Link:
    """`answer(argv) -> (status, bytes)` serves what the VM asks of the host."""

    def __init__(self, path, answer):
        self.answer = answer
        self.buffer = b""
        self.next_id = 1
        self.hello = False
        self.results = {}
        self.output = {}
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)

    def close(self):
        self.sock.close()

    def send(self, kind, ident, payload=b""):
        try:
            self.sock.sendall(HEADER.pack(len(payload), ident, kind) + payload)
        except OSError as e:
            raise Gone() from e

    def start(self, argv, env=None, folder="/", mode="", output=None):
        """`mode`: "tty" gives the job a terminal, "pipe" a standard input; both take input()."""
        ident = self.next_id
        self.next_id += 1
        env = env or {}
        self.output[ident] = output
        self.send(RUN, ident, strings([mode, folder, len(env)] +
                                      [f"{k}={v}" for k, v in env.items()] + list(argv)))
        return ident

    def kill(self, ident):
        self.send(KILL, ident)

    def input(self, ident, data):
        """Nothing (b"") closes a pipe."""
        self.send(INPUT, ident, data)

    def size(self, ident, rows, columns):
        self.send(SIZE, ident, struct.pack("<II", rows, columns))

    def fileno(self):
        return self.sock.fileno()

    def pump(self):
        """Take in what has arrived, and act on it."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionError as e:
            raise Gone() from e
        if not data:
            raise Gone()
        self.buffer += data
        while len(self.buffer) >= HEADER.size:
            size, ident, kind = HEADER.unpack_from(self.buffer)
            if len(self.buffer) < HEADER.size + size:
                break
            payload = self.buffer[HEADER.size:HEADER.size + size]
            self.buffer = self.buffer[HEADER.size + size:]
            self._take(kind, ident, payload)

    def _take(self, kind, ident, payload):
        if kind == HELLO:
            self.hello = True
        elif kind == OUTPUT:
            sink = self.output.get(ident)
            if sink:
                sink(payload)
        elif kind == EXIT:
            self.results[ident] = Result(*struct.unpack("<II", payload))
            self.output.pop(ident, None)
        elif kind == ASK:
            argv = [s.decode(errors="replace") for s in payload.split(b"\0")[:-1]]
            status, text = self.answer(argv)
            self.send(ANSWER, ident, bytes([status]) + text)

    def until(self, done, deadline):
        """Pump until done() is true."""
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Overdue()
            if select.select([self.sock], [], [], left)[0]:
                self.pump()

    def wait(self, ident, deadline):
        self.until(lambda: ident in self.results, deadline)
        return self.results.pop(ident)
