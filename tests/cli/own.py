#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mdevdctl's own verbs, by the real daemon over a machine made of files (model.py).

    own.py TABLE PROGRAM DAEMON PRELOAD SOURCE
            run TABLE, and then the examples that stand in the help of every verb: TAP
    own.py --record TABLE PROGRAM DAEMON PRELOAD SOURCE
            write what they print into TABLE, to be read before it is committed

A part of the table ("@ name") has a machine and a daemon of its own; "@ name down" has none. A
block is "$ line" for a shell, what it printed (stderr as well), "= status". What differs from run to run
(times, bus names, temporary names) is a "~"."""

import json
import os
import re
import subprocess
import sys
import tempfile

import compat
import model
import private

U = model.U
MASKS = (
    (r'("(?:started|ended|time)_usec":\s*)\d+', r"\1~"), (r'("client":\s*)":[\d.]+"', r'\1"~"'),
    (r"\b\d+ m?s\b", "~ s"), (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "~"),
    (r"(?m)^\d\d:\d\d:\d\d ", "~ "), (r"((?:Started|Ended)Usec )\d{9,}", r"\1~"),
    (r"(Client ):[\d.]+", r"\1~"), (r"mdevdctl-edit\.\w+", "mdevdctl-edit.~"),
)


class Machine:
    """A model's tree, the daemon if it is wanted, and a shell that finds mdevdctl."""

    def __init__(self, program, daemon, preload, source, running=True):
        self.folder = tempfile.TemporaryDirectory()
        self.root = os.path.join(self.folder.name, "root")
        self.bin = os.path.join(self.folder.name, "bin")
        self.work = os.path.join(self.folder.name, "work")
        for folder in (self.root, self.bin, self.work):
            os.mkdir(folder)
        os.symlink(os.path.abspath(program), os.path.join(self.bin, "mdevdctl"))
        self.script("journalctl", 'echo "journalctl $*"')
        model.make(self.root)
        self.env = {name: value for name, value in os.environ.items()
                    if name not in ("COLUMNS", "PAGER", "NO_COLOR", "EDITOR", "VISUAL")
                    and not name.startswith(("MDEVDCTL_", "LC_", "SUDO_"))}
        self.env |= {"PATH": f"{self.bin}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "U": U,
                     "TZ": "UTC", "ROOT": self.root, "MDEVCTL_ENV_ROOT": self.root,
                     "TERM": "xterm-256color", "TMPDIR": self.work,
                     "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.root}/bus"}
        self.daemon = private.Daemon(daemon, preload, self.root, source) if running else None
        if running:
            self.fill()

    def script(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def state(self):
        return json.loads(self.run("mdevdctl status --json")[0])["state"]

    def wait_for(self, condition):
        """Looks again with each signal of the daemon's."""
        with subprocess.Popen(["mdevdctl", "monitor"], env=self.env, stdout=subprocess.PIPE) as m:
            m.stdout.readline()  # it listens
            while not condition(self.state()):
                m.stdout.readline()
            m.kill()

    def fill(self):
        self.wait_for(lambda s: sum(p["state"] == "registered" for p in s["parents"]) == 3)
        for words in (f"fb-8M -p 0000:41:00.0 -u {U}1 -o gold-1",
                      f"fb-16M -p 0000:41:00.0 -u {U}2 -o vm2", f"nvidia-22 -u {U}3 -o vm3",
                      f"fb-16M -p 0000:42:00.0 -u {U}4 -o gold-7",
                      f"fb-16M -p 0000:42:00.0 -u {U}5"):
            text, status = self.run(f"mdevdctl create {words}")
            assert status == 0, text

    def run(self, line, **more):
        done = subprocess.run(line, shell=True, executable="/bin/bash", env=self.env, check=False,
                              cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, **more)
        return done.stdout.decode(), done.returncode

    def mask(self, text):
        for place, sign in ((self.work, "WORK"), (self.root, "")):
            text = text.replace(place, sign)
        for pattern, by in MASKS:
            text = re.sub(pattern, by, text)
        return text

    def close(self):
        if self.daemon:
            self.daemon.close()
        self.folder.cleanup()


def run_block(machine, line):
    text, status = machine.run(line)
    mark = "" if text.endswith("\n") or not text else "%\n"  # no newline at the end
    return f"{machine.mask(text)}{mark}= {status}\n"


def too_wide(line, text):
    """Of a block with COLUMNS: rows that are wider, but for one word that cannot be broken."""
    wanted = re.match(r"COLUMNS=(\d+)", line)
    return [row for row in text.split("\n")
            if wanted and len(row) > max(int(wanted[1]), 20) and " " in row.strip()]


def parts_of(table, args):
    for name, blocks in compat.read_table(table):
        machine = Machine(*args, running=not name.endswith(" down"))
        yield name, blocks, machine
        machine.close()


def record(table, args):
    with open(table, encoding="utf-8") as f:
        text = "".join(row for row in f if row.startswith("#"))
    for name, blocks, machine in parts_of(table, args):
        text += f"\n@ {name}\n"
        for block in blocks:
            text += f"\n$ {block.line}\n{run_block(machine, block.line)}"
    with open(table, "w", encoding="utf-8") as f:
        f.write(text)


def examples_of(machine):
    """Lines of the help, in the order in which it lists the verbs."""
    text, _ = machine.run("mdevdctl --help")
    verbs = re.findall(r"(?m)^  ([a-z]+) ", text.split("Commands:")[1].split("Options:")[0])
    for verb in verbs[:-1]:  # the last one is "help"
        text, _ = machine.run(f"mdevdctl {verb} --help")
        _, _, examples = text.partition("\nExample:\n")
        lines = [row.strip() for row in examples.split("\n") if row.strip()]
        yield verb, lines


def shown_in(readme):
    """[(command line, what README says that it prints)]"""
    with open(readme, encoding="utf-8") as f:
        blocks = re.findall(r"(?m)^```\n\$ (mdevdctl.*)\n((?:.*\n)*?)```$", f.read())
    assert blocks, f"{readme} shows nothing of mdevdctl"
    return blocks


def run_example(machine, line):
    if " monitor" in line:  # it has no end of its own
        with subprocess.Popen(line.replace(" --no-legend", "").split(), env=machine.env,
                              stdout=subprocess.PIPE) as m:
            good = m.stdout.readline().startswith(b"Listening")
            m.kill()
        return good, "it does not listen"
    text, status = machine.run(f"EDITOR=true {line}")
    return status == 0, text


def check(number, good, name, why):
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    if not good:
        print("".join(f"# {row}\n" for row in why.split("\n")), end="")
    return not good


def compare(table, args):
    failed = number = 0
    for name, blocks, machine in parts_of(table, args):
        for block in blocks:
            number += 1
            found = run_block(machine, block.line)
            expected = block.expected
            wide = too_wide(block.line, found)
            failed += check(number, found == expected and not wide, f"{name}: {block.line}",
                            f"expected:\n{expected}found:\n{found}too wide: {wide}")
    machine = Machine(*args)
    for line, expected in shown_in(os.path.join(args[-1], "README.md")):
        number += 1
        found, _ = machine.run(line)
        failed += check(number, found == expected, f"README.md: {line}",
                        f"expected:\n{expected}found:\n{found}")
    os.unlink(os.path.join(machine.root, f"etc/mdevctl.d/0000:42:00.0/{U}e"))  # the invalid one
    for verb, lines in examples_of(machine):
        number += 1
        failed += check(number, len(lines) > 0, f"help of {verb} has an example", "it has none")
        for line in lines:
            number += 1
            good, why = run_example(machine, line)
            failed += check(number, good, f"example: {line}", why)
    machine.close()
    print(f"1..{number}")
    return 1 if failed else 0


def main():
    if sys.argv[1] == "--record":
        return record(sys.argv[2], sys.argv[3:])
    return compare(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
