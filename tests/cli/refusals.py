#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What mdevctl's users are told when it goes wrong on the way: nobody there, no right, a reader that
has gone, a slip of the finger. `refusals.py PROGRAM DAEMON PRELOAD SOURCE`: TAP, as root."""

import os
import subprocess
import sys
import tempfile

import compat
import private

NOBODY = 65534
U = compat.U
START = ["start", "-p", "0000:00:03.0", "-t", "b-1"]
ENABLE = "systemctl enable --now mdevd"
cases = []


def case(function):
    cases.append(function)
    return function


class Place:
    """A tree, and mdevctl for it."""

    def __init__(self, root, names, daemon_args):
        self.root, self.names, self.daemon_args = root, names, daemon_args
        self.env = {"MDEVCTL_ENV_ROOT": root, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={root}/bus"}

    def daemon(self):
        return private.Daemon(self.daemon_args[0], self.daemon_args[1], self.root,
                              self.daemon_args[2])

    def mdevctl(self, *words, env=None, **more):
        done = subprocess.run([os.path.join(self.names, "mdevctl"), *words],
                              stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, check=False, timeout=60,
                              env={**os.environ, **self.env, **(env or {})}, **more)
        return done.returncode, done.stderr.decode()


def want(found, status, *parts, lines=None):
    assert found[0] == status, f"status {found[0]}: {found[1]}"
    for part in parts:
        assert part in found[1], f"no {part!r} in: {found[1]}"
    if lines is not None:
        assert found[1].count("\n") == lines, f"{lines} lines expected: {found[1]}"


@case
def without_a_bus(p):
    want(p.mdevctl(*START), 1, "Error: mdevd cannot be reached", "dbus.socket", lines=1)


@case
def a_bus_without_the_daemon(p):
    bus = private.Bus(p.root, p.daemon_args[2])
    for words in (START, ["stop", "-u", U + "2"], ["undefine", "-u", U + "4"],
                  ["define", "-p", "mtty", "-t", "b-1"], ["modify", "-u", U + "6", "--auto"]):
        want(p.mdevctl(*words), 1, "Error: mdevd is not running", ENABLE, lines=1)
    # what is read needs neither
    for words in (["list"], ["list", "-d", "--dumpjson"], ["types"]):
        want(p.mdevctl(*words), 0)
    bus.close()


@case
def a_daemon_that_goes_away(p):
    """It is stopped while it has the call, and then killed."""
    os.mkfifo(os.path.join(p.root, "fake/gate-create-0000:00:03.0"))
    daemon = p.daemon()
    client = subprocess.Popen([os.path.join(p.names, "mdevctl"), *START], stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, env={**os.environ, **p.env})
    # opens when the worker is at the gate
    with open(os.path.join(p.root, "fake/gate-create-0000:00:03.0"), "w", encoding="utf-8"):
        daemon.process.kill()
        daemon.process.wait()
        _, stderr = client.communicate(timeout=60)
    want((client.returncode, stderr.decode()), 1, "mdevd went away", "mdevctl list", lines=1)
    daemon.clear_up()


@case
def another_root_than_the_daemons(p):
    env = {name: value for name, value in os.environ.items() if name != "DBUS_SYSTEM_BUS_ADDRESS"}
    done = subprocess.run([os.path.join(p.names, "mdevctl"), *START], env={
        **env, "MDEVCTL_ENV_ROOT": p.root}, stderr=subprocess.PIPE, check=False, timeout=60)
    want((done.returncode, done.stderr.decode()), 1, f"MDEVCTL_ENV_ROOT is {p.root}",
         "DBUS_SYSTEM_BUS_ADDRESS", lines=1)


@case
def without_the_right(p):
    daemon = p.daemon()
    for action, words in (("create", START), ("create", ["define", "-p", "mtty", "-t", "b-1"]),
                          ("manage", ["stop", "-u", U + "2"]),
                          ("manage", ["undefine", "-u", U + "4", "-p", "mtty"]),
                          ("manage", ["modify", "-u", U + "6", "--auto"])):
        want(p.mdevctl(*words, user=NOBODY), 1, f"Error: org.mdevd1.{action}", "root", lines=1)
    want(p.mdevctl("list", user=NOBODY), 0, lines=0)
    daemon.close()


@case
def a_device_that_is_in_the_way(p):
    daemon = p.daemon()
    p.mdevctl(*START, "-u", U + "9")
    with open(os.path.join(p.root, "fake/errno-remove-0000:00:03.0"), "w", encoding="utf-8") as f:
        f.write("16")
    want(p.mdevctl("stop", "-u", U + "9"), 1, f"Error: Error removing device {U}9", "Caused by:",
         "in use")
    daemon.close()


@case
def start_parent_mdevs(p):
    want(p.mdevctl("start-parent-mdevs", "0000:00:09.0"), 1, "1 devices of 0000:00:09.0",
         ENABLE, lines=1)
    want(p.mdevctl("start-parent-mdevs", "0000:00:05.0"), 0, lines=0)  # all up
    compat.link(p.root, "etc/systemd/system/dbus-org.mdevd1.service",
                "usr/lib/systemd/system/mdevd.service")
    want(p.mdevctl("start-parent-mdevs", "0000:00:09.0"), 0, lines=0)


@case
def many_attributes(p):
    daemon = p.daemon()
    for n, status in ((256, 0), (257, 1)):
        attributes = ",".join(f'{{"assign_adapter":"{i}"}}' for i in range(n))
        compat.write(p.root, "matrix.json",
                     f'{{"mdev_type":"vfio_ap-passthrough","start":"auto","attrs":[{attributes}]}}')
        file = os.path.join(p.root, "matrix.json")
        want(p.mdevctl("define", "-p", f"m{n}", "--jsonfile", file, "-u", U + "9"), status,
             *(["More than 256 attributes"] if status else []))
        text = p.mdevctl("list", "-d", "-p", f"m{n}")
        want(text, 0, lines=0)
    assert os.path.exists(os.path.join(p.root, f"etc/mdevctl.d/m256/{U}9"))
    assert not os.path.exists(os.path.join(p.root, f"etc/mdevctl.d/m257/{U}9"))
    daemon.close()


@case
def slips(p):
    daemon = p.daemon()
    want(p.mdevctl("strat"), 2, "did you mean 'start'?")
    want(p.mdevctl("define", "--paren", "x"), 2, "did you mean '--parent'?")
    want(p.mdevctl("start", "-p", "0000:00:3.0", "-t", "b-1"), 1,
         "Error: Unable to find parent device '0000:00:3.0'", "Did you mean '0000:00:03.0'?")
    want(p.mdevctl("start", "-p", "0000:00:03.0", "-t", "b-11"), 1,
         "Error: Parent 0000:00:03.0 does not support mdev type b-11", "Did you mean 'b-1'?")
    want(p.mdevctl("start", "-p", "0000:00:03.0", "-t", "elephant"), 1,
         "mdevctl types --parent=0000:00:03.0")
    daemon.close()


@case
def what_is_no_text(p):
    """sd-bus does not send it; attributes are text, too."""
    daemon = p.daemon()
    what = "Error: That parent, type or attribute is not text in UTF-8; use a plain name.\n"
    for words in ((*START[:3], "-t", b"\xff"), ("start", "-p", b"\xff", "-t", "b-1"),
                  ("define", "-p", "0000:00:03.0", "-t", b"b\xff"),
                  ("define", "-p", b"\xff", "-t", "b-1")):
        want(p.mdevctl(*words), 1, what, lines=1)
    daemon.close()


@case
def a_reader_that_has_gone(p):
    for words in (["list"], ["types"], ["--help"], ["list", "-dp", "mtty", "--dumpjson"]):
        r, w = os.pipe()
        os.close(r)
        want(p.mdevctl(*words, stdout=w), 0, lines=0)
        os.close(w)


@case
def completion_of_hostile_words(p):
    """Names that a shell would run or take apart are offered, quoted, and not run."""
    mark = os.path.join(p.root, "ran")
    words = [f"$(touch {mark})", f"`touch {mark}`", "a b;c", "0000:00:05.0", "zebra"]
    script = """source "$1"; shift
        names=("$@")
        _mdevctl_names() { printf '%s\\n' "${names[@]}"; }
        complete_at() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _mdevctl; }
        complete_at mdevctl start -p ''; printf '%s\\n' "${COMPREPLY[@]}"; echo --
        complete_at mdevctl start --parent = 00; printf '%s\\n' "${COMPREPLY[@]}"; echo --
        complete_at mdevctl types --pa; printf '%s\\n' "${COMPREPLY[@]}"; echo --
        complete_at mdevctl unde; printf '%s\\n' "${COMPREPLY[@]}"; echo --"""
    done = subprocess.run(
        ["bash", "-c", script, "bash", os.path.join(p.daemon_args[2], "src/cli/completion.bash"),
         *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60,
        env={**os.environ, **p.env, "PATH": f"{p.names}:{os.environ['PATH']}"})
    everything, colon, option, verb = done.stdout.decode().split("--\n", 3)
    assert not os.path.exists(mark), f"a name was run: {everything}"
    back = subprocess.run(["bash", "-c", f"printf '%s\\n' {' '.join(everything.splitlines())}"],
                          stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    assert back == words, f"{words} came back as {back}"
    assert colon == "0000:00:05.0\n", colon
    assert option == "--parent\n", option
    assert verb == "undefine\n--\n", verb


@case
def a_full_disk(p):
    daemon = p.daemon()
    with open("/dev/full", "w", encoding="utf-8") as full:
        want(p.mdevctl("list", stdout=full), 1, "cannot write to stdout", lines=1)
        want(p.mdevctl(*START, stdout=full), 1, "cannot write to stdout", lines=1)
    daemon.close()


def main():
    program, *daemon_args = sys.argv[1:]
    failed = 0
    print(f"1..{len(cases)}")
    for number, function in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as names, tempfile.TemporaryDirectory() as root:
            os.chmod(root, 0o755)
            os.chmod(names, 0o755)
            # not a link: others may not pass the folder that the build is in
            target = os.path.join(names, "mdevctl")
            with open(program, "rb") as f, open(target, "wb") as g:
                g.write(f.read())
            os.chmod(target, 0o755)
            compat.make_state(root, True)
            try:
                function(Place(root, names, daemon_args))
                good, why = True, ""
            except (AssertionError, RuntimeError, subprocess.TimeoutExpired) as e:
                good, why = False, str(e)
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {function.__name__}")
            print("".join(f"# {row}\n" for row in why.split("\n") if row), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
