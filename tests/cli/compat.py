#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what mdevdctl, called as mdevctl, prints and returns with what mdevctl 1.4.0 did.

    compat.py PROGRAM              run mdevctl.table against PROGRAM: TAP
    compat.py --record ROOT        run it against the original, which lies with the libraries it
                                   needs below ROOT (a Debian 13 tree), in a chroot; print the table

Everything happens below a folder that is made for it; none of these commands changes it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "mdevctl.table")
U = "c3ee7d8a-4a40-4b11-9b0f-00000000000"

PARENTS = {"0000:00:05.0": "devices/pci0000:00", "0000:00:03.0": "devices/pci0000:00",
           "mtty": "devices/virtual/mtty"}
TYPES = {
    "b-1": {"available_instances": "4\n", "device_api": "vfio-pci\n", "name": "Name b-1\n",
            "description": "line 1\nline 2\n"},
    "a-2": {"available_instances": "0\n", "device_api": "vfio-ccw\n"},
}
ACTIVE = (("0000:00:05.0", "b-1", U + "2"), ("0000:00:05.0", "b-1", U + "1"), ("mtty", "a-2", U + "3"))
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


def make_state(root):
    for folder in ("sys/class/mdev_bus", "sys/bus/mdev/devices", "etc/mdevctl.d/scripts.d/callouts",
                   "etc/mdevctl.d/scripts.d/notifiers", "usr/lib/mdevctl/scripts.d/callouts",
                   "usr/lib/mdevctl/scripts.d/notifiers"):
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
    for path, text in DEFINITIONS.items():
        write(root, f"etc/mdevctl.d/{path}", text)


def read_table():
    """[(command line, expected)]; a block is "$ line", what it printed, "= status"."""
    blocks, line, text = [], None, ""
    with open(TABLE, encoding="utf-8") as f:
        for row in f:
            if line is None:
                if row.startswith("$ "):
                    line, text = row[2:].rstrip("\n"), ""
                continue
            text += row
            if re.fullmatch(r"= \d+.*\n", row):
                blocks.append((line, text))
                line = None
    return blocks


def run(argv, line, root, env):
    name, *words = shlex.split(line.replace("$U", U))
    done = subprocess.run([*argv(name), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, cwd=root, check=False, timeout=60,
                          env={**os.environ, **env})
    text = done.stdout.decode()
    mark = "" if text.endswith("\n") or not text else "%\n"  # no newline at the end
    errors = [row for row in done.stderr.decode().split("\n") if row.startswith("Error:")]
    return f"{text}{mark}= {done.returncode}{' ' + errors[0] if errors else ''}\n"


def record(tree):
    with tempfile.TemporaryDirectory() as root:
        make_state(root)
        shutil.copytree(os.path.join(tree, "usr"), os.path.join(root, "usr"), symlinks=True,
                        dirs_exist_ok=True)
        for name in ("lib", "lib64"):
            os.symlink(f"usr/{name}", os.path.join(root, name))
        for line, _ in read_table():
            text = run(lambda name: ["chroot", root, f"/usr/bin/{name}"], line, root, {})
            print(f"$ {line}\n{text}")
    return 0


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--record":
        return record(sys.argv[2])
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2

    blocks, failed = read_table(), 0
    print(f"1..{len(blocks)}")
    with tempfile.TemporaryDirectory() as names, tempfile.TemporaryDirectory() as root:
        for name in ("mdevctl", "lsmdev"):
            os.symlink(os.path.abspath(sys.argv[1]), os.path.join(names, name))
        make_state(root)
        for i, (line, expected) in enumerate(blocks, 1):
            text = run(lambda name: [os.path.join(names, name)], line, root,
                       {"MDEVCTL_ENV_ROOT": root})
            good = text == expected
            failed += not good
            print(f"{'ok' if good else 'not ok'} {i} - {line}")
            if not good:
                for title, what in (("expected", expected), ("found", text)):
                    print("".join(f"# {title}: {row}\n" for row in what.split("\n")), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
