# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cases in Python that have a machine and a daemon each. Most of their time they wait, by the design
of what they look at, so several run side by side."""

import multiprocessing
import os
import signal
import subprocess
import sys
import traceback

import model
import own

AT_ONCE = 8
CREATE = f"mdevdctl create fb-4M -p 0000:41:00.0 -u {model.U}6"
_cases = []


def case(function):
    _cases.append(function)
    return function


def want(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in:\n{text}"


def want_not(text, *parts):
    for part in parts:
        assert part not in text, f"{part!r} in:\n{text}"


def signal_daemon(m, number):
    m.daemon.process.send_signal(number)
    if number == signal.SIGSTOP:
        os.waitid(os.P_PID, m.daemon.process.pid, os.WSTOPPED | os.WNOWAIT)


def _run(job):
    """Why a case failed, or nothing."""
    number, args, source = job
    machine = own.Machine(*args, source)
    machine.source = source
    why = ""
    try:
        _cases[number](machine)
    except (AssertionError, subprocess.TimeoutExpired):
        why = traceback.format_exc()
        if machine.daemon:
            signal_daemon(machine, signal.SIGCONT)  # it may be stopped still
    machine.close()
    return why


def main():
    """TAP; CASE=NAME runs one."""
    *args, source = sys.argv[1:]
    wanted = [n for n, c in enumerate(_cases) if os.environ.get("CASE") in (None, c.__name__)]
    jobs = [(n, args, source) for n in wanted]
    failed = 0
    print(f"1..{len(jobs)}")
    with multiprocessing.get_context("fork").Pool(min(AT_ONCE, len(jobs)) or 1) as pool:
        for number, why in enumerate(pool.imap(_run, jobs), 1):
            failed += own.check(number, not why, _cases[wanted[number - 1]].__name__, why)
    return 1 if failed else 0
