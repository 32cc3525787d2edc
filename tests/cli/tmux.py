# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real terminal for a machine's programs."""

import os
import select
import subprocess

LIMIT = 60  # seconds; ends a hang


class Terminal:
    """A screen of tmux; what runs in it says that it is done by tmux' own signal."""

    def __init__(self, machine, columns, rows=50):
        self.machine = machine
        self.socket = os.path.join(machine.work, f"tmux{columns}")
        self.output = None  # what it prints, once it is waited for
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "/bin/sh")

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-f", "/dev/null", "-u", "-S", self.socket, *words],
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=self.machine.env, cwd=self.machine.work, timeout=60)
        assert done.returncode == 0, done.stdout.decode()
        return done.stdout.decode()

    def type(self, line):
        """Types a line and waits until it has ended."""
        self.tmux("send-keys", "-l", f"clear; {line}; tmux -S {self.socket} wait-for -S done")
        self.tmux("send-keys", "Enter")
        self.tmux("wait-for", "done")

    def screen(self, colours=False):
        text = self.tmux("capture-pane", "-p", *(["-e"] if colours else []))
        return text.rstrip("\n")

    def await_text(self, text):
        """Looks again whenever something is printed."""
        if self.output is None:
            path = f"{self.socket}.out"
            os.mkfifo(path)
            self.output = os.open(path, os.O_RDWR)  # there is no end of it
            self.tmux("pipe-pane", f"exec cat >{path}")
        while text not in self.screen():
            ready, _, _ = select.select([self.output], [], [], LIMIT)
            assert ready, f"no {text!r} within {LIMIT} s in:\n{self.screen()}"
            os.read(self.output, 65536)

    def close(self):
        self.tmux("kill-server")
        if self.output is not None:
            os.close(self.output)
