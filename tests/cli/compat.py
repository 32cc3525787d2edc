#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what mdevctl, ours, prints and returns with what the original mdevctl 1.4.0 did.

    compat.py TABLE PROGRAM [DAEMON PRELOAD SOURCE]
            run TABLE against PROGRAM: TAP. With DAEMON (mdevd) each part of the table has one, on a
            bus of its own and with PRELOAD as its kernel
    compat.py --record TABLE ROOT [PRELOAD]
            run it against the original, which lies with the libraries it needs below ROOT (a Debian
            13 tree), with PRELOAD as its kernel; print the table
    compat.py --beside ORIGINAL TABLE PROGRAM [DAEMON PRELOAD SOURCE]
            run it against both, the original being one of this machine, each on a tree of its own:
            TAP. As a difference counts what the table does not give a reason for

Everything happens below a folder that is made for it, anew for each part ("@ name"). A block of a
table is "$ line", what it printed, "= status" with the first "Error:" line; where ours differs,
"! why" follows, with what it prints and "=! status". More than 10 such blocks are a failure. "~ name"
is in what 1.2.0 differs from 1.4.0 there, see OLDER."""

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import private

NAMES = ("mdevctl", "lsmdev")
U = "c3ee7d8a-4a40-4b11-9b0f-00000000000"
DIFFERENCES_MAX = 10
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 1 << 18

# What 1.2.0 of Debian 12 does in another way than 1.4.0, and so than ours.
OLDER = {
    "version": "it says its own version",
    "option": "it has no such option",
    "together": "it takes options together that 1.4.0 refuses",
    "panic": "it panics where 1.4.0 says what is wrong",
    "shown": "of an active device that is defined it shows the definition's type and attributes",
    "protocol": "it asks no script what it supports, and gives notifiers the configuration",
    "undefine": "an undefine that a script has refused ends with 0",
    "words": "its sentence has other words",
}

PARENTS = {"0000:00:05.0": "devices/pci0000:00", "0000:00:03.0": "devices/pci0000:00",
           "mtty": "devices/virtual/mtty"}
TYPES = {
    "b-1": {"available_instances": "4\n", "device_api": "vfio-pci\n", "name": "Name b-1\n",
            "description": "line 1\nline 2\n"},
    "a-2": {"available_instances": "0\n", "device_api": "vfio-ccw\n"},
}
ACTIVE = (("0000:00:05.0", "b-1", U + "2"), ("0000:00:05.0", "b-1", U + "1"),
          ("mtty", "a-2", U + "3"))
DEFINITIONS = {
    f"0000:00:05.0/{U}1": r'{"mdev_type":"b-1","start":"auto","attrs":'
                          r'[{"a":"1"},{"a":"x\"y\\ \u00e9\u0001/"},{"b/c":""}]}',
    f"0000:00:05.0/{U}4": '{"mdev_type":"a-2","start":"manual"}',
    f"0000:00:09.0/{U}5": '{"mdev_type":"z","start":"auto","attrs":[],"other":1}',
    f"mtty/{U}4": '{"mdev_type":"a-2","start":"weird","attrs":null}',
    f"mtty/{U}3": '{"mdev_type":"other","start":"auto"}',
    "mtty/README": "not a definition",
    "a-file": "not a folder",
}
# For the commands that change something.
MORE = {
    f"0000:00:03.0/{U}6": '{"mdev_type":"b-1","start":"manual","attrs":[{"vram":"7"}]}',
    f"0000:00:03.0/{U}7": '{"mdev_type":"b-1","start":"manual","attrs":[{"nope":"7"}]}',
    f"0000:00:03.0/{U}8": '{"mdev_type":"b-1"',
    f"0000:00:03.0/{U}a": '{"mdev_type":"c-3","start":"manual","attrs":[]}',
}


def write(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def link(root, path, to):
    """As sysfs does: relative."""
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(os.path.relpath(os.path.join(root, to), os.path.dirname(path)), path)


def make_state(root, changing):
    for folder in ("sys/class/mdev_bus", "sys/bus/mdev/devices", "etc/mdevctl.d/scripts.d/callouts",
                   "etc/mdevctl.d/scripts.d/notifiers", "usr/lib/mdevctl/scripts.d/callouts",
                   "usr/lib/mdevctl/scripts.d/notifiers", "run/mdevd", "fake"):
        os.makedirs(os.path.join(root, folder))
    for parent, folder in PARENTS.items():
        where = f"sys/{folder}/{parent}"
        for name, attributes in TYPES.items():
            for attribute, value in attributes.items():
                write(root, f"{where}/mdev_supported_types/{name}/{attribute}", value)
            write(root, f"{where}/mdev_supported_types/{name}/create", "")
            os.makedirs(os.path.join(root, where, "mdev_supported_types", name, "devices"))
        link(root, f"sys/class/mdev_bus/{parent}", where)
    for parent, kind, uuid in ACTIVE:
        where = f"sys/{PARENTS[parent]}/{parent}"
        write(root, f"{where}/{uuid}/remove", "")
        link(root, f"{where}/{uuid}/mdev_type", f"{where}/mdev_supported_types/{kind}")
        link(root, f"sys/bus/mdev/devices/{uuid}", f"{where}/{uuid}")
        if uuid != U + "3":  # which is found without
            link(root, f"{where}/mdev_supported_types/{kind}/devices/{uuid}", f"{where}/{uuid}")
    for path, text in (DEFINITIONS | (MORE if changing else {})).items():
        write(root, f"etc/mdevctl.d/{path}", text)


class Block:
    """A command line, what the original did, and what ours does where it differs (else None)."""

    def __init__(self, line):
        self.line, self.expected, self.why, self.ours = line, "", None, None
        self.older = None  # a key of OLDER

    def __str__(self):
        text = f"$ {self.line}\n{self.expected}"
        if self.older:
            text += f"~ {self.older}\n"
        return text if self.why is None else f"{text}! {self.why}\n{self.ours}"


def read_table(path):
    """[(name of the part, [Block])]"""
    parts, block, open_text = [], None, None
    with open(path, encoding="utf-8") as f:
        for row in f:
            if open_text == "ours":
                block.ours += row
                open_text = None if row.startswith("=! ") else "ours"
            elif open_text == "expected":
                block.expected += row
                open_text = None if re.fullmatch(r"= \d+.*\n", row) else "expected"
            elif row.startswith("@ "):
                parts.append((row[2:].strip(), []))
            elif row.startswith("$ "):
                block, open_text = Block(row[2:].rstrip("\n")), "expected"
                parts[-1][1].append(block)
            elif row.startswith("~ "):
                block.older = row[2:].strip()
            elif row.startswith("! "):
                block.why, block.ours, open_text = row[2:].strip(), "", "ours"
    return parts


def make_script(root, name, text):
    path = f"usr/lib/mdevctl/scripts.d/{name}"
    write(root, path, f"#!/bin/sh\n{text}\n")
    os.chmod(os.path.join(root, path), 0o755)


def run(argv, block, root, env, how=None):
    """A "<<< text" at the end of the line is its standard input; "script NAME" makes one of it. @how
    has more to say to subprocess.run() of what mdevctl is."""
    name, *words = shlex.split(block.line.replace("$U", U).replace("$ROOT", root))
    given = ""
    if "<<<" in words:
        given = words[words.index("<<<") + 1]
        words = words[:words.index("<<<")]
    if name == "script":
        make_script(root, words[0], given)
        return "= 0\n", b""
    done = subprocess.run([*argv(name), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          input=given.encode(), cwd=root, check=False, timeout=60,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **env},
                          **(how if how and name in NAMES else {}))
    text = done.stdout.decode().replace(root, "")
    if name == "mdevctl" and "--parent=random" not in words:  # a UUID that was made up
        text = re.sub(r"(?m)^(?!c3ee7d8a)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                      r"[0-9a-f]{12}$", "(a random UUID)", text)
    mark = "" if text.endswith("\n") or not text else "%\n"  # no newline at the end
    errors = [row for row in done.stderr.decode().replace(root, "").split("\n")
              if row.startswith("Error:")]
    return f"{text}{mark}= {done.returncode}{' ' + errors[0] if errors else ''}\n", done.stderr


def ours(text):
    """As what ours prints stands in a table."""
    return re.sub(r"(?m)^= (\d+.*\n)\Z", r"=! \1", text)


def record(table, tree, preload):
    """By its own loader, not in a chroot: the fake kernel looks at paths of this machine."""
    def argv(name):
        if name not in NAMES:
            return [name]
        return [os.path.join(tree, "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
                "--library-path", os.path.join(tree, "usr/lib/x86_64-linux-gnu"),
                *(["--preload", preload] if preload else []),
                "--argv0", name, os.path.join(tree, "usr/bin/mdevctl")]

    with open(table, encoding="utf-8") as f:
        head = [row for row in f if row.startswith("#")]
    print("".join(head), end="")
    for name, blocks in read_table(table):
        print(f"\n@ {name}\n")
        with tempfile.TemporaryDirectory() as root:
            make_state(root, bool(preload))
            for block in blocks:
                block.expected, _ = run(argv, block, root,
                                        {"MDEVCTL_ENV_ROOT": root, "MDEVD_FAKE_ROOT": root})
                if block.ours and block.expected == block.ours.replace("=!", "="):
                    block.why = block.ours = None
                print(block)
    return 0


class Ours:
    """mdevctl under its two names, on a tree; with a daemon where there is one."""

    def __init__(self, program, root, daemon_args):
        self.names = tempfile.TemporaryDirectory()
        for name in ("mdevctl", "lsmdev"):
            os.symlink(os.path.abspath(program), os.path.join(self.names.name, name))
        self.root = root
        self.daemon = private.Daemon(daemon_args[0], daemon_args[1], root, daemon_args[2]) \
            if daemon_args else None
        self.env = {"MDEVCTL_ENV_ROOT": root, **(self.daemon.env if self.daemon else {})}

    def run(self, block):
        return run(lambda n: [os.path.join(self.names.name, n) if n in NAMES
                              else n], block, self.root, self.env)

    def close(self):
        if self.daemon:
            self.daemon.close()
        self.names.cleanup()


def explain(**texts):
    for title, text in texts.items():
        print("".join(f"# {title}: {row}\n" for row in text.split("\n")), end="")


def compare(table, program, daemon_args):
    parts = read_table(table)
    blocks = [block for _, part in parts for block in part]
    failed = number = 0
    print(f"1..{len(blocks) + 1}")
    for name, part in parts:
        with tempfile.TemporaryDirectory() as root:
            make_state(root, bool(daemon_args))
            mine = Ours(program, root, daemon_args)
            for block in part:
                number += 1
                text, stderr = mine.run(block)
                expected = block.expected
                if block.why:
                    text, expected = ours(text), block.ours
                good = text == expected
                failed += not good
                print(f"{'ok' if good else 'not ok'} {number} - {name}: {block.line}")
                if not good:
                    explain(expected=expected, found=text, stderr=stderr.decode(errors="replace"))
            mine.close()
    differences = sum(block.why is not None for block in blocks)
    good = differences <= DIFFERENCES_MAX
    print(f"{'ok' if good else 'not ok'} {number + 1} - {differences} of {len(blocks)} differ from "
          f"mdevctl 1.4.0, each with its reason")
    return 1 if failed or not good else 0


def same_state(root, other):
    """Make the tree @root as the tree @other is."""
    for folder in ("etc", "sys"):
        shutil.rmtree(os.path.join(root, folder))
        shutil.copytree(os.path.join(other, folder), os.path.join(root, folder), symlinks=True)


def _check(failed):
    if failed:
        raise OSError(ctypes.get_errno(), "unshare() or mount()")


def lay_over(root, older):
    """In a child: 1.2.0 knows no other root than /, so that the tree is laid over it, and no scripts
    but in /etc."""
    scripts = "usr/lib/mdevctl/scripts.d"
    places = [("etc/mdevctl.d", "/etc/mdevctl.d"), (scripts, f"/{scripts}"), ("sys", "/sys")]
    if older:
        places.append((scripts, "/etc/mdevctl.d/scripts.d"))
    _check(LIBC.unshare(CLONE_NEWNS))
    _check(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    for path, place in places:
        _check(LIBC.mount(os.path.join(root, path).encode(), place.encode(), None, MS_BIND, None))


def in_place(root, preload, original, older):
    env = {"LD_PRELOAD": preload, "MDEVD_FAKE_ROOT": ""} if preload else {}
    return {"executable": original, "preexec_fn": lambda: lay_over(root, older)}, env


def bare(text):
    """stdout, status and sentence without what 1.2.0 is not judged by: it ends a list with one
    newline more; `%` marks that there is none."""
    return re.fullmatch(r"(?s)(.*?)\n*%?\n*= (\d+)( Error:.*)?\n", "\n" + text).groups()


def is_older(original):
    return " 1.2." in subprocess.run([original, "--version"], stdout=subprocess.PIPE, check=True,
                                     text=True).stdout


def beside(original, table, program, daemon_args):
    """Where 1.2.0 is said to differ from 1.4.0 it must; they then go on from one state."""
    parts, older = read_table(table), is_older(original)
    look = bare if older else str
    print(f"1..{sum(len(part) for _, part in parts) + 1}")
    number = failed = compared = 0
    for name, part in parts:
        with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as other:
            for folder in (root, other):
                make_state(folder, bool(daemon_args))
            mine = Ours(program, root, daemon_args)
            how, env = in_place(other, daemon_args[1] if daemon_args else "", original, older)
            for block in part:
                number += 1
                found, stderr = mine.run(block)
                theirs, _ = run(lambda name: [name], block, other, env, how)
                known = older and block.older and OLDER[block.older]
                why = block.why or known
                good = block.why or (look(found) != look(theirs)) == bool(known)
                failed += not good
                compared += not why
                print(f"{'ok' if good else 'not ok'} {number} - {name}: {block.line}"
                      f"{f' ({why})' if why else ''}", flush=True)
                if not good:
                    explain(original=theirs, found=found, stderr=stderr.decode(errors="replace"))
                if why or not good:
                    same_state(other, root)
            mine.close()
    print(f"{'ok' if not failed else 'not ok'} {number + 1} - {compared} compared and the same but "
          f"for {failed}, {number - compared} known to differ")
    return 1 if failed else 0


def main():
    arguments = sys.argv[1:]
    if arguments and arguments[0] == "--record" and len(arguments) in (3, 4):
        return record(arguments[1], arguments[2], arguments[3] if len(arguments) == 4 else None)
    if arguments and arguments[0] == "--beside" and len(arguments) in (4, 7):
        return beside(arguments[1], arguments[2], arguments[3], arguments[4:])
    if len(arguments) not in (2, 5):
        print(__doc__, file=sys.stderr)
        return 2
    return compare(arguments[0], arguments[1], arguments[2:])


if __name__ == "__main__":
    sys.exit(main())
