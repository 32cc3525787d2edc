#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mdevdctl in a real terminal (tmux), in a real bash and zsh, and while something takes long.

    terminal.py PROGRAM DAEMON PRELOAD SOURCE    TAP"""

import json
import os
import shutil
import signal
import subprocess
import sys

import model
import own

U = model.U
cases = []


def case(function):
    cases.append(function)
    return function


class Terminal:
    """A screen of tmux; what runs in it says that it is done by tmux' own signal."""

    def __init__(self, machine, columns, rows=50):
        self.machine = machine
        self.socket = os.path.join(machine.work, f"tmux{columns}")
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
        while text not in self.screen():
            pass

    def close(self):
        self.tmux("kill-server")


def want(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in:\n{text}"


def want_not(text, *parts):
    for part in parts:
        assert part not in text, f"{part!r} in:\n{text}"


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
    t.type("MDEVDCTL_PAGER='pgr -x' mdevdctl status")
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


# ---- what takes long ----

def start_blocked(m, line, **more):
    """A create that waits in the kernel until the gate is opened."""
    gate = os.path.join(m.root, f"sys/{model.DEVPATH}/0000:41:00.0/fake/create-block")
    os.makedirs(os.path.dirname(gate), exist_ok=True)
    os.mkfifo(gate)
    process = subprocess.Popen(line.split(), env=m.env, cwd=m.work, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **more)
    return process, gate


def open_gate(gate):
    with open(gate, "w", encoding="utf-8"):
        os.unlink(gate)


CREATE = f"mdevdctl create fb-4M -p 0000:41:00.0 -u {U}6"


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
    process, gate = start_blocked(m, "true")
    process.communicate()
    m.script("slow", f"{CREATE}; mdevdctl owner {U}6")
    t.tmux("send-keys", "-l", f"clear; slow; tmux -S {t.socket} wait-for -S done")
    t.tmux("send-keys", "Enter")
    with subprocess.Popen(["mdevdctl", "monitor"], env=m.env, stdout=subprocess.PIPE) as monitor:
        monitor.stdout.readline()
        while not any(op["state"] == "running" for op in m.state()["operations"]):
            monitor.stdout.readline()
        monitor.kill()
    while "…" not in t.screen():
        pass  # the terminal itself is what is awaited
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
    m.daemon.bus.close()
    m.daemon.log.close()
    m.daemon = None


# ---- a daemon that hangs ----

def signal_daemon(m, number):
    m.daemon.process.send_signal(number)
    if number == signal.SIGSTOP:
        os.waitid(os.P_PID, m.daemon.process.pid, os.WSTOPPED | os.WNOWAIT)


def begin(m, line, **more):
    return subprocess.Popen(line.split(), env=m.env, cwd=m.work, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **more)


@case
def what_asks_says_that_it_waits(m):
    signal_daemon(m, signal.SIGSTOP)
    asked = [begin(m, line) for line in ("mdevdctl status", "mdevdctl list", f"mdevdctl stop {U}5")]
    for process in asked:
        want(process.stderr.readline(), "mdevd has not answered yet", "systemctl status mdevd")
    asked[1].send_signal(signal.SIGINT)
    assert asked[1].wait() == -signal.SIGINT
    done = begin(m, "mdevdctl complete UUID")  # a shell waits for it: it gives up
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
    process, gate = start_blocked(m, "true")
    process.communicate()
    m.script("slow", f"{CREATE} --owner=vm1 && mdevdctl owner {U}6")
    t.tmux("send-keys", "-l", f"clear; slow; tmux -S {t.socket} wait-for -S done")
    t.tmux("send-keys", "Enter")
    while "operation 8: create, at step" not in t.screen():
        pass  # the terminal itself is what is awaited
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


# ---- completion ----

BASH = r"""
source /usr/share/bash-completion/bash_completion 2>/dev/null
source "$1"
shift
COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
# as readline splits it: names fall apart at colons, options at "="
mapfile -t COMP_WORDS < <(python3 - "$COMP_LINE" <<'PY'
import re, sys
line = sys.argv[1]
words = [w for w in re.findall(r"[^\s:=]+|[:=]", line)]
if line.endswith(" "):
    words.append("")
print("\n".join(words))
PY
)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMPREPLY=()
_mdevdctl
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete_bash(m, line):
    done = subprocess.run(["bash", "-c", BASH, "bash",
                           os.path.join(m.source, "src/cli/own/completion.bash"), line], env=m.env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=60)
    return done.stdout.decode().split()


@case
def bash_completes(m):
    for line, words in (
            ("mdevdctl st", {"status", "start", "stop"}),
            ("mdevdctl stop ", {f"{U}{n}" for n in "12345de"}),
            (f"mdevdctl stop {U}e", {f"{U}e"}),
            ("mdevdctl map 0000:41:00.0 ", {"fb", "doorbells"}),
            ("mdevdctl create fb-", {"fb-16M", "fb-8M", "fb-4M"}),
            ("mdevdctl create --owner=g", {"gold-1", "gold-7"}),
            ("mdevdctl create fb-4M -o vm", {"vm2", "vm3"}),
            ("mdevdctl create fb-4M --json=", {"short", "pretty", "off"}),
            (f"mdevdctl owner {U}2 gold-7", {"gold-7"}),
            ("mdevdctl policy ", {"check", "explain"}),
            ("mdevdctl undefine --f", {"--force"}),
            ("mdevdctl operations 7", {"7"})):
        found = set(complete_bash(m, line))
        assert found == words, f"{line!r}: {found}, expected {words}"
    # a parent's name is what is left of it behind the colon
    found = complete_bash(m, "mdevdctl list 0000:4")
    assert {w.rsplit("4", 1)[-1] for w in found} == {"1:00.0", "2:00.0", "3:00.0"}, found
    # a name is never run: its owner is a program's text, which would make a file of that name
    m.run(f"mdevdctl owner {U}2 '$(touch${{IFS}}$TMPDIR/trap)'")
    found = complete_bash(m, "mdevdctl create fb-4M -o ")
    assert any("touch" in w for w in found), found
    assert not os.path.exists(os.path.join(m.work, "trap")), "an owner's name was run"
    m.run(f"mdevdctl owner {U}2 vm2")


@case
def bash_in_a_terminal(m):
    t = Terminal(m, 120)
    t.tmux("send-keys", "-l", "exec bash --norc --noprofile -i")
    t.tmux("send-keys", "Enter")
    t.tmux("send-keys", "-l", "source /usr/share/bash-completion/bash_completion; source "
           f"{m.source}/src/cli/own/completion.bash; PS1='READY> '; clear")
    t.tmux("send-keys", "Enter")
    while t.screen() != "READY>":
        pass
    t.tmux("send-keys", "-l", "mdevdctl list 0000:41")
    t.tmux("send-keys", "Tab")
    t.await_text("list 0000:41:00.0")
    t.close()


ZSH = r"""
zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
zpty -w z "PS1='' fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d $1/dump; print RE''ADY"
while zpty -r z line; do [[ $line == READY* ]] && break; done
for words in 'map 0000:41:00.0 do' 'status 0000:00' 'undef' 'plan fb-4M --json=pr'; do
        zpty -n -w z "mdevdctl $words"$'\t'$'; print E""ND\n'
        while zpty -r z line; do
                print -r -- "$line"
                [[ $line == END* ]] && break
        done
done
zpty -d z
"""


@case
def zsh_completes(m):
    """In a pseudo terminal of zsh's own; what was completed is run."""
    os.symlink(os.path.join(m.source, "src/cli/own/completion.zsh"),
               os.path.join(m.work, "_mdevdctl"))
    done = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", m.work], env=m.env, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    want(done.stdout.decode(), "BAR 0 pool doorbells", "driver nvidia", "missing: <UUID>",
         '{"possible":true')


def main():
    *args, source = sys.argv[1:]
    only = os.environ.get("CASE")
    failed = 0
    wanted = [c for c in cases if not only or c.__name__ == only]
    print(f"1..{len(wanted)}")
    for number, function in enumerate(wanted, 1):
        machine = own.Machine(*args, source)
        machine.source = source
        try:
            function(machine)
            good, why = True, ""
        except (AssertionError, subprocess.TimeoutExpired) as e:
            good, why = False, str(e)
        failed += own.check(number, good, function.__name__, why)
        machine.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
