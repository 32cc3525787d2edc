#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mdevdctl in a real terminal (tmux): its screens, the pager, the editor; for whom it does what, and
what it tells while it goes on.

    terminal.py PROGRAM DAEMON PRELOAD SOURCE    TAP"""

import json
import os
import shutil
import signal
import subprocess
import sys

import cases
import model
from cases import CREATE, case, signal_daemon, want, want_not
from tmux import Terminal

U = model.U


# ---- a terminal ----

@case
def colours_and_letters_at_80_columns(m):
    t = Terminal(m, 80)
    t.type("mdevdctl --no-pager")
    plain, colours = t.screen(), t.screen(True)
    want(plain, "● mdevd", "|AAAAAAAA........BBBBBBBBBBBBBBBB", "WHAT IS WRONG", "A gold-1 8 MiB")
    assert max(len(row) for row in plain.split("\n")) <= 80, plain
    want(colours, "\x1b[30m\x1b[46mAAAAAAAA", "\x1b[30m\x1b[42mBBBBBBBBBBBBBBBB")
    t.type("NO_COLOR=1 mdevdctl --no-pager")
    want(t.screen(True), "AAAAAAAA........BBBB")
    want_not(t.screen(True), "\x1b[30m", "\x1b[32m", "\x1b[1m")
    t.type("TERM=dumb mdevdctl map")
    want_not(t.screen(True), "\x1b[30m")
    t.close()


@case
def a_screen_of_200_columns(m):
    t = Terminal(m, 200)
    t.type("mdevdctl map --no-pager")
    want(t.screen(), "|" + "A" * 16 + "." * 16 + "B" * 32 + "." * 64 + "|")
    t.type("mdevdctl list")
    want(t.screen(), "OPEN", "START", "16 MiB")
    t.close()


def rows_of(t):
    """Without the prompt; what has scrolled away is missing."""
    rows = t.screen().split("\n")
    return rows[:-1] if rows[-1] == "#" else rows


@case
def status_is_one_screen(m):
    """The prompt takes a line of it. What is left out is said, and how to see it."""
    full = m.run("COLUMNS=80 mdevdctl")[0].split("\n")[:-1]
    t = Terminal(m, 80, len(full) + 1)
    t.type("mdevdctl")
    assert rows_of(t) == full, t.screen()
    t.tmux("resize-window", "-y", str(len(full)))
    t.type("mdevdctl")
    want(rows_of(t)[0], "● mdevd")
    want(t.screen(), "2 devices (0 open), 1 only defined: (nobody named) 1, gold-1 1, vm2 1",
         "|AAAAAAAA", "`mdevdctl status --all` shows all")
    want_not(t.screen(), f"{U}1")
    t.type(f"LINES={len(full) + 1} mdevdctl | tail -1; mdevdctl status --all | head -1")
    want(t.screen(), f"{U}e", "● mdevd")  # a pipe has it all
    t.type("PAGER='wc -l' mdevdctl status --all; PAGER='wc -l' mdevdctl")
    assert str(len(full)) in t.screen().split("\n"), t.screen()  # one of them has a pager
    # without a daemon: 7 lines, and one for each device
    down = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent mdevdctl"
    t.type(f"LINES=13 {down}")
    want(t.screen(), f"{U}5  fb-16M on")
    want_not(t.screen(), "more")
    t.type(f"LINES=12 {down}")
    want(t.screen(), "and 2 more; see `mdevdctl status --all`", f"{U}1")
    t.type(f"LINES=12 PAGER=cat {down} --all")
    want(t.screen(), f"{U}5  fb-16M on")
    t.close()


@case
def status_of_a_thousand_devices_is_one_screen(m):
    for n in range(1000):
        with open(f"{m.root}/etc/mdevctl.d/0000:41:00.0/c3ee7d8a-4a40-4b11-9b1f-{n:012x}", "w",
                  encoding="ascii") as f:
            f.write('{"mdev_type": "mdevd-fb-4M", "start": "manual"}' if n > 3 else "{")
    m.wait_for(lambda s: len(s["definitions"]) == 1002)
    assert m.run("mdevdctl | grep -c 9b1f.*defined")[0] == "996\n"
    for columns, lines, parts in (
            (200, 36, ("WHAT IS WRONG", "✗ 3 more things are wrong.",
                       "2 devices (0 open), 1001 only defined: (nobody named) 1001", "|AAAAAAAA")),
            (80, 24, ("WHAT IS WRONG", "0000:41:00.0  registered        2     0     1001  fb 40 M")),
            (81, 11, ("✗ 6 things are wrong.", "0000:00:05.0  registered        1")),
            (82, 9, ("✗ 6 things are wrong.", "0000:41:00.0", "and 3 more parents"))):
        t = Terminal(m, columns, lines)
        t.type("mdevdctl")
        rows = rows_of(t)
        want(rows[0], "● mdevd 0.1 is running: 4 parents, 5 devices (0 open), 1002 definitions.")
        want(rows[-1], "`mdevdctl status --all` shows all")
        want(t.screen(), *parts)
        t.close()


@case
def json_on_a_terminal_is_pretty(m):
    t = Terminal(m, 80)
    t.type("mdevdctl parents -j --no-pager | cat; mdevdctl operations 3 -j --no-pager")
    want(t.screen(), '{\n  "id": 3,\n  "kind": "create"')
    want_not(t.screen(True), "\x1b[1m")
    t.close()


@case
def the_pager(m):
    """It gets the whole text and its options; stdout that is no terminal has none."""
    m.script("pgr", 'echo "pager $# $LESS"; head -3; exec cat >/dev/null')
    t = Terminal(m, 80)
    t.type("MDEVDCTL_PAGER='pgr -x' mdevdctl status --all")
    want(t.screen(), "pager 1 FRSXMK", "● mdevd", "WHAT IS WRONG")
    want_not(t.screen(), "0000:00:05.0")
    t.type("PAGER=pgr mdevdctl list")
    want(t.screen(), "pager 0")
    t.type("MDEVDCTL_PAGER= PAGER=pgr mdevdctl list")
    want_not(t.screen(), "pager")
    t.type("PAGER=pgr mdevdctl list 0000:99:00.0; PAGER=pgr mdevdctl types 0000:99:00.0")
    want(t.screen(), "There is no parent")
    want_not(t.screen(), "pager 0")
    t.type("PAGER=pgr mdevdctl list --no-pager")
    want_not(t.screen(), "pager")
    t.type(f"PAGER=pgr mdevdctl status {U}1")
    want_not(t.screen(), "pager")  # it is one screen
    t.type(f"LINES=12 PAGER=pgr mdevdctl status {U}1")
    want(t.screen(), "pager 0")
    t.type("PAGER=/nonexistent/pager mdevdctl list")
    want(t.screen(), f"{U}1")
    m.script("less", 'echo "secure $LESSSECURE"; exec cat')
    t.type("SUDO_UID=1000 PAGER=pgr mdevdctl list")
    want(t.screen(), "secure 1", f"{U}1")
    t.close()
    want_not(m.run("PAGER=pgr mdevdctl list")[0], "pager")


@case
def top_draws_over_itself(m):
    t = Terminal(m, 120)
    t.type("mdevdctl top -n 3 -d 0.1")
    assert t.screen().count("INS/S") == 1, t.screen()
    t.close()


# ---- the editor ----

def type_edit(t, editor, more="true"):
    t.tmux("send-keys", "-l", f"clear; EDITOR={editor} mdevdctl edit {U}d; echo left $?; {more}; "
           f"tmux -S {t.socket} wait-for -S done")
    t.tmux("send-keys", "Enter")


# The signal is held until it is asked for: none is lost.
INTERRUPTED_EDITOR = """import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("it edits", flush=True)
signal.sigwait([signal.SIGINT])
text = open(sys.argv[1]).read()
open(sys.argv[1], "w").write(text.replace("manual", "auto"))"""


@case
def ctrl_c_in_the_editor_is_the_editors(m):
    """It has a text to keep, so mdevdctl waits for what it makes of it."""
    m.script("ed1", f"exec python3 -c '{INTERRUPTED_EDITOR}' $1")
    t = Terminal(m, 100)
    type_edit(t, "ed1")
    t.await_text("it edits")
    t.tmux("send-keys", "C-c")
    t.tmux("wait-for", "done")
    want(t.screen(), "left 0")
    want(m.run(f"mdevdctl list 0000:41:00.0 | grep {U}d")[0], "auto")
    t.close()


@case
def ctrl_c_where_it_asks_loses_nothing(m):
    m.script("ed2", "sed -i s/.auto./auto/ $1; sed -i s/.manual./manual/ $1")
    t = Terminal(m, 200)
    type_edit(t, "ed2", "cat $TMPDIR/*.json")
    t.await_text("Edit it again? [Y/n]")
    t.tmux("send-keys", "C-c")
    t.await_text("What you wrote is kept in")
    t.tmux("wait-for", "done")
    want(t.screen(), "the definition is as it was", '"start": manual', "left 1")
    t.close()


@case
def ctrl_c_while_the_change_is_waited_for_keeps_the_text(m):
    m.script("ed3", f"sed -i s/manual/auto/ $1; kill -STOP {m.daemon.process.pid}")
    t = Terminal(m, 200)
    type_edit(t, "ed3", "cat $TMPDIR/*.json")
    t.await_text("mdevd has not answered yet")
    t.tmux("send-keys", "C-c")
    t.await_text("left 130")
    t.tmux("wait-for", "done")
    want(t.screen(), "shows whether it does what it was asked for", "What you wrote is kept in",
         '"start": "auto"')
    signal_daemon(m, signal.SIGCONT)
    t.close()


# ---- somebody without rights ----

@case
def reading_is_everybodys_and_changing_is_not(m):
    """On this bus there is no polkit: to whom it cannot be asked for, it is refused."""
    os.chmod(m.folder.name, 0o755)
    program = os.path.join(m.bin, "mdevdctl")  # may lie below somebody's home
    shutil.copy(os.path.realpath(program), f"{program}.copy")
    os.replace(f"{program}.copy", program)
    bus = {"env": {**m.env, "HOME": "/"}, "user": 65534, "group": 65534, "extra_groups": []}

    def run(line):
        done = subprocess.run(["/bin/bash", "-c", line], cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=60, **bus)
        return done.stdout, done.returncode

    for line in ("status", "list", "parents", "types", "map", "operations", f"status {U}1",
                 "top -n 1 -d 0.1", "plan fb-4M", "profile plan pair", f"owner {U}1",
                 "complete UUID", f"log {U}1"):
        text, status = run(f"mdevdctl {line}")
        assert status == 0, f"{line}: {status}: {text}"
    before = m.state()["devices"], m.state()["definitions"]
    for line in ("create fb-4M", "define fb-4M -p 0000:41:00.0", f"start {U}d", f"stop {U}1",
                 f"undefine {U}d", f"owner {U}1 vm9", f"move {U}1 --offset=48M", f"suspend {U}1",
                 f"resume {U}1", "defrag 0000:41:00.0", "profile apply pair", f"edit {U}d"):
        text, status = run(f"EDITOR=true mdevdctl {line}")
        assert status == 1 and text.count("\n") == 1, f"{line}: {status}: {text}"
        if " vm9" in line:  # who may name whom is the policy's affair
            want(text, 'Error: User 65534 may not name the owner "vm9"', "have the user added")
        else:
            want(text, "Error: org.mdevd1.", "was not granted", "call as root")
    assert (m.state()["devices"], m.state()["definitions"]) == before


# ---- live events ----

@case
def monitor_tells_what_happens(m):
    with subprocess.Popen(["mdevdctl", "monitor", "--json"], env=m.env,
                          stdout=subprocess.PIPE) as monitor, \
            subprocess.Popen(["mdevdctl", "monitor"], env=m.env, stdout=subprocess.PIPE) as text:
        text.stdout.readline()  # both listen then: the bus keeps an order
        m.wait_for(lambda s: True)
        assert m.run(CREATE)[1] == 0
        assert m.run(f"mdevdctl stop {U}6")[1] == 0
        events = []
        while not events or (events[-1]["event"], events[-1]["kind"]) != ("removed", "device"):
            events.append(json.loads(monitor.stdout.readline()))
        lines = ""
        while "removed device" not in lines:
            lines += text.stdout.readline().decode()
        monitor.kill()
        text.kill()
    name = f"0000:41:00.0/{U}6"
    added = [e for e in events if e["event"] == "added" and e["name"] == name]
    assert added and added[0]["properties"]["Type"] == "mdevd-fb-4M", events
    want(lines, f"added   device    {name}: ", "Kind create", "State live", f"removed device    {name}")


if __name__ == "__main__":
    sys.exit(cases.main())
