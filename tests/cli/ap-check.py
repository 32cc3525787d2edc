#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""s390-tools' ap-check, unmodified, as the callout script of a matrix parent on a tree of files: it
locks by its parent's pid and looks for conflicts in all definitions, also with two operations at once.
`ap-check.py PROGRAM DAEMON PRELOAD SOURCE AP-CHECK`: TAP, as root, in a mount namespace of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import compat
import private

ROUNDS = 10
TYPE = "vfio_ap-passthrough"
results = []


def uuid(n):
    return f"c3ee7d8a-4a40-4b11-9b0f-{n:012x}"


def check(what, ok, *got):
    results.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(results)} - {what}")
    if not ok:
        print("".join(f"# {g}\n" for g in got), end="")


def make_tree(root, program):
    compat.PARENTS = {"matrix": "devices/pci0000:00"}  # which the fake kernel knows
    compat.TYPES = {TYPE: {"available_instances": "65536\n", "device_api": "vfio-ap\n"}}
    compat.ACTIVE, compat.DEFINITIONS, compat.MORE = (), {}, {}
    compat.make_state(root, True)
    compat.link(root, "sys/devices/vfio_ap/matrix", "sys/devices/pci0000:00/matrix")
    for mask in ("apmask", "aqmask"):
        compat.write(root, f"sys/bus/ap/{mask}", f"0x{0:064x}\n")
    os.makedirs(os.path.join(root, "run/lock"))
    script = os.path.join(root, "usr/lib/mdevctl/scripts.d/callouts/ap-check")
    shutil.copy(program, script)
    os.chmod(script, 0o755)


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def lay_over(root):
    """It knows no other root than /; /etc is written to nowhere."""
    work = os.path.join(root, "overlay")
    os.mkdir(work)
    mount("-t", "tmpfs", "tmpfs", work)
    for folder in ("upper", "work"):
        os.mkdir(os.path.join(work, folder))
    mount("-t", "overlay", "overlay", "-o",
          f"lowerdir=/etc,upperdir={work}/upper,workdir={work}/work", "/etc")
    os.makedirs("/etc/mdevctl.d", exist_ok=True)
    for folder in ("etc/mdevctl.d", "run/lock", "sys"):
        mount("--bind", os.path.join(root, folder), f"/{folder}")


class Mdevctl:
    def __init__(self, program, env):
        self.names = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.names.name, "mdevctl")
        os.symlink(os.path.abspath(program), self.path)
        self.env = env

    def begin(self, *words, text=""):
        child = subprocess.Popen([self.path, *words], env=self.env, text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        child.stdin.write(text)
        child.stdin.close()
        return child

    def define(self, n, adapter, domain):
        return self.begin("define", "-p", "matrix", "-u", uuid(n), "--jsonfile", "/dev/stdin",
                          text=json.dumps({"mdev_type": TYPE, "start": "auto", "attrs": [
                              {"assign_adapter": str(adapter)}, {"assign_domain": str(domain)}]}))


def end(*children):
    """[(status, what it said)]"""
    said = [child.stdout.read() for child in children]
    return [(child.wait(private.LIMIT), text) for child, text in zip(children, said)]


def run(m):
    unlocked = lambda: not os.listdir("/run/lock")
    check("a definition", end(m.define(1, 5, 0xab)) == [(0, "")] and unlocked())
    (status, text), = end(m.define(2, 5, 0xab))
    check("the same queue is refused", status == 1 and
          f"APQN 5.171 is defined for autostart by {uuid(1)}" in text and unlocked(), text)
    for i in range(ROUNDS):
        found = end(m.define(0x10 + 2 * i, 10 + i, 1), m.define(0x11 + 2 * i, 30 + i, 1))
        check(f"two at once, {i}", found == [(0, "")] * 2 and unlocked(), *found)
    for i in range(ROUNDS):
        found = end(m.define(0x40 + 2 * i, 60 + i, 1), m.define(0x41 + 2 * i, 60 + i, 1))
        check(f"two at once of one queue: one is refused, {i}",
              sorted(status for status, _ in found) == [0, 1] and
              "is defined for autostart by" in found[0][1] + found[1][1] and unlocked(), *found)
    end(m.begin("define", "-p", "matrix", "-t", TYPE, "-u", uuid(3)))
    found = end(m.begin("start", "-u", uuid(3)), m.begin("modify", "-u", uuid(1), "--manual"),
                m.begin("undefine", "-u", uuid(0x10)))
    check("a start, a change and an undefine at once",
          found == [(0, "")] * 3 and unlocked(), *found)
    check("a stop", end(m.begin("stop", "-u", uuid(3))) == [(0, "")] and unlocked())


def main():
    program, daemon, preload, source, ap_check = sys.argv[1:]
    if os.environ.get("AP_CHECK_NAMESPACE") != "1":
        os.environ["AP_CHECK_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-B", *sys.argv])
    with tempfile.TemporaryDirectory() as root:
        make_tree(root, ap_check)
        lay_over(root)
        mdevd = private.Daemon(daemon, preload, root, source)
        run(Mdevctl(program, {**os.environ, "MDEVCTL_ENV_ROOT": root, **mdevd.env}))
        mdevd.close()
        for folder in ("sys", "run/lock", "etc/mdevctl.d", "etc"):
            subprocess.run(["umount", f"/{folder}"], check=True)
        subprocess.run(["umount", os.path.join(root, "overlay")], check=True)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
