# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns an interactive session: this terminal on one side, a pseudo terminal in the VM on the
other."""

import os
import select
import shutil
import signal
import termios
import tty


def interact(link, argv, env, stdin, stdout):
    out = stdout.fileno()
    ident = link.start(argv, env=env, folder="/root", mode="tty",
                       output=lambda data: os.write(out, data))
    terminal = stdin.isatty()
    saved = termios.tcgetattr(stdin) if terminal else None

    def resize(*_):
        columns, rows = shutil.get_terminal_size()
        link.size(ident, rows, columns)

    resize()
    sources = [link.sock, stdin]
    try:
        if terminal:
            tty.setraw(stdin)
            signal.signal(signal.SIGWINCH, resize)
        while ident not in link.results:
            ready = select.select(sources, [], [])[0]
            if link.sock in ready:
                link.pump()
            if stdin in ready:
                data = os.read(stdin.fileno(), 4096)
                if not data:
                    sources.remove(stdin)
                    data = b"\x04"  # end of input, as a terminal says it
                link.input(ident, data)
    finally:
        if terminal:
            termios.tcsetattr(stdin, termios.TCSADRAIN, saved)
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
    return link.results.pop(ident).status
