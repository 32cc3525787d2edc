#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mdevdctl while something takes long: an operation, a daemon that hangs, goes away or is left.

    waiting.py PROGRAM DAEMON PRELOAD SOURCE    TAP"""

import os
import signal
import subprocess
import sys

import cases
import model
from cases import CREATE, case, signal_daemon, want, want_not
from tmux import Terminal

U = model.U


# ---- what takes long ----

def start_blocked(m, line, **more):
    """A create that waits in the kernel until the gate is opened."""
    gate = os.path.join(m.root, f"sys/{model.DEVPATH}/0000:41:00.0/fake/create-block")
    os.makedirs(os.path.dirname(gate), exist_ok=True)
    os.mkfifo(gate)
    process = subprocess.Popen(line.split(), env=m.env, cwd=m.work, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **more)
    return process, gate


def type_blocked(m, terminal, line):
    """The same, typed on a terminal; "done" is signalled to who waits for it there."""
    process, gate = start_blocked(m, "true")
    process.communicate()
    m.script("slow", line)
    terminal.tmux("send-keys", "-l", f"clear; slow; tmux -S {terminal.socket} wait-for -S done")
    terminal.tmux("send-keys", "Enter")
    return gate


def open_gate(gate):
    with open(gate, "w", encoding="utf-8"):
        os.unlink(gate)


def hold(m):
    """A process of the machine's has the vendor's device open."""
    device = os.path.join(m.root, f"sys/{model.DEVPATH}/{model.VENDOR}/{U}3")
    os.symlink("../../../../kernel/iommu_groups/7", f"{device}/iommu_group")
    model.write(m.root, "sys/class/vfio/7/dev", "1:7\n")  # of /dev/full
    model.write(m.root, "proc/41/comm", "qemu-system-x86\n")
    model.write(m.root, "proc/41/stat", "41 (qemu) S 1 1\n")
    model.link(m.root, "/dev/full", "proc/41/fd/9")


@case
def progress_after_two_seconds_and_the_end(m):
    process, gate = start_blocked(m, CREATE)
    line = process.stderr.readline().decode()  # comes while it waits
    want(line, "operation 8: create, at step", "Ctrl-C leaves it running")
    open_gate(gate)
    out, err = process.communicate(timeout=60)
    assert (out.decode(), err, process.returncode) == (f"{U}6\n", b"", 0), (out, err)


@case
def ctrl_c_leaves_it_running(m):
    process, gate = start_blocked(m, CREATE)
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, f"{process.returncode}: {err.decode()}"
    want(err.decode(), "Operation 8 goes on; `mdevdctl operations 8`")
    want(m.run("mdevdctl operations 8")[0], "running")
    want(m.run("mdevdctl status")[0], "1 operation under way")
    open_gate(gate)
    m.wait_for(lambda s: any(d["uuid"] == f"{U}6" and d["state"] == "live" for d in s["devices"]))
    want(m.run("mdevdctl operations 8")[0], "done")


@case
def progress_on_a_terminal_is_erased(m):
    t = Terminal(m, 50)  # too narrow for the line: it is cut, for what has wrapped is not erased
    gate = type_blocked(m, t, f"{CREATE}; mdevdctl owner {U}6")
    t.await_text("…")
    want(t.screen(), "operation 8: create, at step")
    open_gate(gate)
    t.tmux("wait-for", "done")
    want(t.screen(), f"{U}6", "fb-4M on 0000:41:00.0. For QEMU: -device vfio-pci")
    want_not(t.screen(), "Ctrl-C", "operation 8", "…")
    t.close()


@case
def the_daemon_dies_while_it_is_waited_for(m):
    process, gate = start_blocked(m, CREATE)
    process.stderr.readline()
    m.daemon.process.kill()
    m.daemon.process.wait()
    line = process.stderr.readline().decode()
    want(line, "mdevd went away; operation 8 goes on without it")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    want(err.decode(), "Operation 8 goes on")
    assert process.returncode == 130, process.returncode
    open_gate(gate)
    m.daemon.clear_up()
    m.daemon = None


@case
def ctrl_c_at_each_call_tells_what_is_so(m):
    """Of a change that is refused at its end, since a process has the device open, and of one that
    is done."""
    hold(m)
    stop, create = f"mdevdctl stop {U}3", f"{CREATE} --json"
    died = -signal.SIGINT
    for line, at, status, said, not_said in (
            (stop, "Describe", died, "", "Error"),
            (stop, "StopWithOptionsAsync", 130, "mdevd has not answered; `mdevdctl operations` shows",
             "goes on"),
            (stop, "State", 130, "goes on; `mdevdctl operations", "ended"),
            (stop, "Error", 130, "has ended; `mdevdctl operations", "Error"),
            (stop, "ErrorName", 1, "is open in 1 process", "(pid 41)"),
            (stop, "RemoveMatch", 1, "is open in 1 process", "(pid 41)"),  # nothing more is asked
            (stop, "GetHolders", died, "is open in 1 process", "(pid 41)"),
            (stop, "never", 1, "(pid 41)", "`mdevdctl holders"),
            (create, "Kind", 130, "has ended; `mdevdctl operations", "goes on")):
        env = {**m.env, "LD_PRELOAD": os.environ["MDEVDCTL_INTERRUPT"],
               "ASAN_OPTIONS": f"verify_asan_link_order=0:{os.environ.get('ASAN_OPTIONS', '')}",
               "INTERRUPT_AT": at, "INTERRUPT_DAEMON": str(m.daemon.process.pid)}
        done = subprocess.run(line.split(), env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        signal_daemon(m, signal.SIGCONT)
        assert done.returncode == status, f"{at}: {done.returncode}: {done.stderr}"
        assert not done.stdout, done.stdout
        want(f"{at}: {done.stderr}", said)
        want_not(done.stderr, not_said, "cannot be asked", "without a reason", "broke")


# ---- a daemon that hangs ----

def begin(m, line, **more):
    return subprocess.Popen(line.split(), env=m.env, cwd=m.work, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **more)


@case
def what_asks_says_that_it_waits(m):
    signal_daemon(m, signal.SIGSTOP)
    asked = [begin(m, line) for line in ("mdevdctl status", "mdevdctl list", f"mdevdctl stop {U}5")]
    done = begin(m, "mdevdctl complete UUID")  # a shell waits for it: it gives up
    for process in asked:
        want(process.stderr.readline(), "mdevd has not answered yet", "systemctl status mdevd")
    asked[1].send_signal(signal.SIGINT)
    assert asked[1].wait() == -signal.SIGINT
    out, err = done.communicate(timeout=60)
    assert (done.returncode, out) == (1, ""), out
    want(err, "mdevd is there, and has not answered within 2 s", "systemctl restart mdevd")
    signal_daemon(m, signal.SIGCONT)
    for process, part in (asked[0], "● mdevd"), (asked[2], ""):
        out, err = process.communicate(timeout=60)
        want(out, part)
        assert (process.returncode, err) == (0, ""), err
    want(m.run(f"mdevdctl status {U}5")[0], "There is no device")


@case
def a_change_that_is_not_answered_can_be_left(m):
    signal_daemon(m, signal.SIGSTOP)
    process = begin(m, CREATE)
    want(process.stderr.readline(), "mdevd has not answered yet")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    want(err, "`mdevdctl operations` shows whether it does what it was asked for")
    assert process.returncode == 130, process.returncode
    signal_daemon(m, signal.SIGCONT)
    assert m.run("mdevdctl list")[1] == 0


@case
def an_operation_is_waited_for_though_the_daemon_hangs(m):
    """For longer than sd-bus waits by itself, which is 25 s, it would have to be; twice is enough."""
    process, gate = start_blocked(m, CREATE)
    want(process.stderr.readline().decode(), "operation 8: create")
    signal_daemon(m, signal.SIGSTOP)
    open_gate(gate)
    m.daemon.process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=60)
    assert (out.decode(), process.returncode) == (f"{U}6\n", 0), out
    gate = start_blocked(m, "true")[1]
    process = begin(m, f"mdevdctl create fb-4M -p 0000:41:00.0 -u {U}7")
    want(process.stderr.readline(), "operation 9: create")
    signal_daemon(m, signal.SIGSTOP)
    other = begin(m, "mdevdctl resume x")
    want(other.stderr.readline(), "mdevd has not answered yet")  # 2 s are over
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    want(err, "Operation 9 goes on; `mdevdctl operations 9`")
    assert process.returncode == 130, process.returncode
    signal_daemon(m, signal.SIGCONT)
    other.communicate(timeout=60)
    open_gate(gate)


@case
def progress_tells_of_a_daemon_that_hangs(m):
    t = Terminal(m, 100)
    gate = type_blocked(m, t, f"{CREATE} --owner=vm1 && mdevdctl owner {U}6")
    t.await_text("operation 8: create, at step")
    signal_daemon(m, signal.SIGSTOP)
    t.await_text("mdevd does not answer; operation 8 is waited for")
    want_not(t.screen(), "at step")
    signal_daemon(m, signal.SIGCONT)
    t.await_text("operation 8: create, at step")
    open_gate(gate)
    t.tmux("wait-for", "done")
    want(t.screen(), f"{U}6", "\nvm1")
    want_not(t.screen(), "operation 8", "does not answer")
    t.close()


if __name__ == "__main__":
    sys.exit(cases.main())
