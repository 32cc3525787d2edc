# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns talking to the installed mdevd.service for cases in Python, inside the test VM: calls by
busctl, looking at the model, and waiting for something to be so."""

import json
import os
import select
import subprocess
import time

BUS = ("org.mdevd1", "/org/mdevd1", "org.mdevd1.Manager")
DEVICE = "org.mdevd1.Device"
MDEVS = "/sys/bus/mdev/devices"
OPERATIONS = "/run/mdevd/ops"
LIMIT = 90


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)


def journal(lines=60):
    return run("journalctl", "-u", "mdevd*", "-o", "cat", "-n", str(lines), "--no-pager").stdout


def fail(text):
    print(journal())
    raise SystemExit(f"not ok: {text}")


def check(condition, text):
    if not condition:
        fail(text)


def must(*argv):
    done = run(*argv)
    check(done.returncode == 0, f"{' '.join(argv)}: {done.stdout}")
    return done.stdout.strip()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def names_in(folder):
    return set(os.listdir(folder)) if os.path.isdir(folder) else set()


def call(*words):
    """A method of the manager; answers its reply's values."""
    return json.loads(must("busctl", "--json=short", "call", *BUS, *words))["data"]


def describe():
    return json.loads(call("Describe")[0])


def path_of(uuid, parent=""):
    return call("GetDevice", "ss", uuid, parent)[0]


def stop(uuid):
    must("busctl", "call", BUS[0], path_of(uuid), DEVICE, "Stop")


def device(state, uuid):
    return next((d for d in state["devices"] if d["uuid"] == uuid), None)


def parent_state(state, name):
    return next((p["state"] for p in state["parents"] if p["name"] == name), "unknown")


def registered(state, *names):
    return all(parent_state(state, name) == "registered" for name in names)


def settled(state, *parents):
    """The parents are there, nothing is under way, and every device is at work."""
    return (registered(state, *parents)
            and not any(o["state"] == "running" for o in state["operations"])
            and all(d["state"] == "live" for d in state["devices"]))


def check_agreement(state, owners, origins=None):
    """The model, the kernel and the files say the same, and nobody's device was forgotten; answers
    the devices. They were made for @owners, all by request but for those of @origins (by UUID)."""
    known = {d["uuid"]: d for d in state["devices"]}
    kernel, files = names_in(MDEVS), names_in("/run/mdevd/devices")
    check(set(known) == kernel, f"model {set(known)}, kernel {kernel}")
    check(files == kernel, f"files {files}, kernel {kernel}")
    check(not names_in(OPERATIONS), f"records are left: {names_in(OPERATIONS)}")
    for uuid, d in known.items():
        check(d["owner"] == owners[uuid], f"{uuid} is {d['owner']}'s, not {owners[uuid]}'s")
        origin = (origins or {}).get(uuid, "request")
        check(d["origin"] == origin, f"{uuid} has origin {d['origin']}, not {origin}")
    return known


def await_true(condition, what, limit=LIMIT):
    """Looks, then looks again at each signal of the daemon: at signals only, or each look would be
    the cause of the next. Answers the state that was looked for."""
    argv = ["busctl", "--json=short", "monitor", "--match", f"type='signal',sender='{BUS[0]}'"]
    end = time.monotonic() + limit
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as watch:
        try:
            os.read(watch.stdout.fileno(), 65536)  # says that it listens
            while not condition(state := describe()):
                left = end - time.monotonic()
                ready = left > 0 and select.select([watch.stdout], [], [], left)[0]
                if not ready or not os.read(watch.stdout.fileno(), 65536):
                    fail(f"{what}: not within {limit} s; the last look: {json.dumps(state)}")
            return state
        finally:
            watch.kill()
