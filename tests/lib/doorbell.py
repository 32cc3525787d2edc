# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the other side of an `ivshmem-doorbell` device: QEMU asks a server for the shared memory
and for one eventfd for each interrupt vector; whoever writes to that raises the MSI-X vector in the
VM. Here the server's only client is the VM, and `host ring VECTOR` does the writing.

The protocol is in QEMU's documentation, "ivshmem-spec", part "Client-Server protocol".
"""

import array
import os
import socket
import struct
import threading

VECTORS = 4
VERSION, PEER = 0, 0


class Doorbell:
    def __init__(self, path, memory):
        self.eventfds = [os.eventfd(0, os.EFD_CLOEXEC) for _ in range(VECTORS)]
        self.memory = os.open(memory, os.O_RDWR | os.O_CLOEXEC)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.bind(path)
        self.listening.listen(1)
        self.client = None
        # QEMU connects and reads while it starts, when nobody here could answer otherwise
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        try:
            self.client = self.listening.accept()[0]
            self._send(VERSION)
            self._send(PEER)
            self._send(-1, self.memory)
            for fd in self.eventfds:
                self._send(PEER, fd)
        except OSError:
            pass  # closed before QEMU came, or QEMU has gone: it says why in its log

    def _send(self, number, fd=None):
        extra = []
        if fd is not None:
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.client.sendmsg([struct.pack("<q", number)], extra)

    def ring(self, vector):
        os.eventfd_write(self.eventfds[vector], 1)

    def close(self):
        # wakes the thread, if QEMU never connected
        try:
            self.listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join()
        self.listening.close()
        if self.client:
            self.client.close()
        for fd in (*self.eventfds, self.memory):
            os.close(fd)
