# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns a storm inside the test VM: the configuration, the program tests/storm that does as it likes
to the installed mdevd.service, and the comparison of model, kernel and files afterwards."""

import errno
import json
import os
import re
import subprocess
import time

from guest import Guest
from service import (MDEVS, OPERATIONS, await_true, check, describe, device, fail, journal, must,
                     names_in, registered, stop, write)

PARENTS = (os.environ["MDEVD_PARENT0"], os.environ["MDEVD_PARENT1"])
MTTY = "mtty"
PROGRAM = os.environ["MDEVD_BUILD"] + "/tests/storm/storm"
RESIDENTS = [f"dddddddd-2222-4333-8444-5555555555{n:02x}" for n in range(2)]
TENANTS = [f"eeeeeeee-2222-4333-8444-5555555555{n:02x}" for n in range(2)]
STORE = "/etc/mdevctl.d"
LIMIT = 600  # seconds, for all that was asked for to come to an end on a busy machine


def configure():
    types = {f"fb-{n}M": {"movable": True, "bars": [{"pool": "fb", "size": f"{n}M"}]}
             for n in (1, 4, 8)}
    write("/etc/mdevd/mdevd.json", json.dumps({
        "parents": [{"address": PARENTS[0], "pools": [{"name": "fb", "bar": 2}],
                     "types": ["fb-1M", "fb-4M", "fb-8M"]},
                    {"address": PARENTS[1], "pools": [{"name": "fb", "bar": 2}],
                     "types": ["fb-1M", "fb-4M"]}],
        "types": types,
        "policy": {"groups": [{"name": "gold", "owners": ["gold-*"], "limit": {"devices": 2},
                               "guarantees": [{"type": "fb-4M", "devices": 1}]}],
                   "placement": [{"moves": "auto", "pause_max": 0}]},
        "profiles": {"storm": {"devices": [{"type": "fb-1M", "owner": "profile", "count": 2}]}}}))


def begin():
    """The service, and a device for each resident."""
    must("modprobe", "mtty")
    configure()
    must("systemctl", "start", "mdevd")
    await_true(lambda s: registered(s, *PARENTS, MTTY), "the parents")
    for name in RESIDENTS:
        must("mdevdctl", "create", "fb-4M", "--parent", PARENTS[0], "--uuid", name,
             "--owner=resident")


def restarts():
    return int(must("systemctl", "show", "--property=NRestarts", "--value", "mdevd"))


def own_ends(since):
    """Of a daemon that nobody killed, as far as the journal goes back: less than a long storm."""
    must("journalctl", "--sync")
    lines = must("journalctl", "-u", "mdevd", "-o", "cat", f"--since=@{since}").splitlines()
    return [line for line in lines if "Main process exited" in line and "status=9/KILL" not in line]


def blow(operations, kills, tenants=()):
    """Lets it loose, over devices of @tenants as well; what it says of itself is shown."""
    seed = os.environ.get("MDEVD_TEST_SEED") or str(int.from_bytes(os.urandom(6), "little"))
    print(f"MDEVD_TEST_SEED={seed}", flush=True)
    since, earlier = int(time.time()), restarts()
    done = subprocess.run([PROGRAM, str(operations), str(kills), seed, *tenants], check=False)
    # a daemon that ends by itself is started again, and would not be noticed else
    check(restarts() - earlier == kills and not own_ends(since),
          f"{restarts() - earlier} restarts after {kills} kills; other ends: {own_ends(since)}")
    check(done.returncode == 0, f"the storm ended with {done.returncode}")


# ---- nested guests

def create_at(uuid, offset, owner):
    must("mdevdctl", "create", "fb-8M", "--parent", PARENTS[0], "--uuid", uuid, f"--owner={owner}")
    extents = device(describe(), uuid)["extents"]
    check([e["offset"] for e in extents] == [offset], f"{uuid} is at {extents}, not at {offset:#x}")


def start_guests(n):
    """Each has a device of its own, which it writes and checks all the time, behind a hole."""
    guests, at, holes = {}, 8 << 20, []
    for i, uuid in enumerate(TENANTS[:n]):
        holes.append(f"ffffffff-2222-4333-8444-5555555555{i:02x}")
        create_at(holes[-1], at, "nobody")
        create_at(uuid, at + (8 << 20), f"tenant{i}")
        at += 16 << 20
        guests[uuid] = Guest(f"tenant{i}")
        # in what time the storm leaves
        guests[uuid].start(uuid, prefix=("nice", "-n", "19"))
        guests[uuid].cmd("hammer start")
    for uuid in holes:
        stop(uuid)
    return guests


def chunks(guest):
    return int(guest.cmd("hammer status").split("chunks=")[1].split()[0])


def blow_over(n, operations, kills):
    """The same over @n guests: none finds a word that it did not write, and each device stays whose
    it is."""
    guests = start_guests(n)
    before = {uuid: (chunks(guest), place(uuid)) for uuid, guest in guests.items()}
    blow(operations, kills, tuple(guests))
    for uuid, guest in guests.items():
        answer, d = guest.cmd("hammer stop"), device(describe(), uuid)
        print(f"{guest.name}: {answer}; at first {before[uuid][0]} chunks, and it was at "
              f"{before[uuid][1]:#x}, now at {place(uuid):#x}", flush=True)
        check(d["owner"] == guest.name and d["opened"] == 1,
              f"{uuid} is no more {guest.name}'s: {d}")
        check(int(answer.split("chunks=")[1].split()[0]) > before[uuid][0],
              f"{guest.name} did nothing meanwhile")
        guest.quit()


def place(uuid):
    return device(describe(), uuid)["extents"][0]["offset"]


# ---- afterwards

def kernel_extents(name):
    """As the module has them, of one of its devices: BARs of the two, offset and length each."""
    with open(f"{MDEVS}/{name}/mdevd/extents", encoding="ascii") as f:
        return sorted(tuple(int(word, 0) for word in re.findall(r"0x[0-9a-f]+|\d+", line))
                      for line in f)


def overlap(state):
    spans = sorted((d["parent"], e["bar"], e["offset"], e["size"])
                   for d in state["devices"] for e in d["extents"])
    for a, b in zip(spans, spans[1:]):
        if a[:2] == b[:2] and a[2] + a[3] > b[2]:
            return f"{a} and {b} overlap"
    return ""


def used(state):
    """The pools count what devices have, and what definitions keep."""
    kept = {d["parent"]: 0 for d in state["definitions"]}
    there = {d["uuid"] for d in state["devices"]}
    for d in state["definitions"]:
        if d["reserve"] and d["uuid"] not in there and d["parent"] in PARENTS:
            kept[d["parent"]] += int(re.search(r"(\d+)M$", d["type"]).group(1)) << 20
    for p in state["parents"]:
        have = sum(e["size"] for d in state["devices"] if d["parent"] == p["name"]
                   for e in d["extents"])
        for pool in p["pools"]:
            if pool["used"] not in (have, have + kept.get(p["name"], 0)):
                return f"{pool['used']} of {p['name']} are used, {have} by devices"
    return ""


def definitions(state):
    model = {(d["parent"], d["uuid"]) for d in state["definitions"]}
    files = {(p, n) for p in names_in(STORE) - {"scripts.d"} if os.path.isdir(f"{STORE}/{p}")
             for n in names_in(f"{STORE}/{p}")}
    if model != files:
        return f"definitions {model}, their files {files}"
    left = [n for n in names_in(STORE) if n.startswith(".")]
    return f"temporary files are left: {left}" if left else ""


def difference(state):
    """What is not the same in the model, the kernel and the files; "" if all is."""
    if not registered(state, *PARENTS, MTTY):
        return "a parent is not registered"
    going = [o for o in state["operations"] if o["state"] == "running"]
    if going:
        return f"operations are under way: {going}"
    if [d for d in state["devices"]
            if d["state"] != "live" or d["opened"] or
            (d["lease"] == "client" and not beyond_removal(d["uuid"]))]:
        return "a device is not live, or open, or leased to a client that has gone"
    known, kernel = {d["uuid"]: d for d in state["devices"]}, names_in(MDEVS)
    if set(known) != kernel:
        return f"model {set(known) - kernel} more, kernel {kernel - set(known)} more"
    # what others have made on a vendor's parent is theirs, and has a file only if it has an owner
    mine = {n for n in kernel if known[n]["origin"] != "foreign"}
    files = names_in("/run/mdevd/devices")
    if not mine <= files <= kernel:
        return f"files lack {mine - files}, and {files - kernel} have no device"
    if names_in(OPERATIONS):
        return f"records are left: {names_in(OPERATIONS)}"
    for name, d in known.items():
        mine = sorted((e["guest_bar"], e["bar"], e["offset"], e["size"]) for e in d["extents"])
        if d["parent"] in PARENTS and kernel_extents(name) != mine:
            return f"{name}: the module says {kernel_extents(name)}, the model {mine}"
    return overlap(state) or used(state) or definitions(state)


def compare(what):
    """Until they agree; leases of a second may still be about to end."""
    last = [""]

    def agrees(state):
        last[0] = difference(state)
        return not last[0]
    try:
        return await_true(agrees, what, LIMIT)
    except SystemExit:
        fail(f"{what}: {last[0]}")


def autostarted(state):
    return {d["uuid"] for d in state["definitions"] if d["autostart"]}


def facts(state, places):
    """What must be the same for the next daemon, with @places where in the parent each device is.
    One whose definition starts it is not counted: the next daemon does that."""
    return {d["uuid"]: (d["parent"], d["type"], d["owner"], d["origin"], d["lease"], d["linger"],
                        [tuple(e[key] for key in sorted(e) if places or key != "offset")
                         for e in d["extents"]])
            for d in state["devices"] if d["uuid"] not in autostarted(state)}


def check_afterwards():
    """The same for the daemon that has been through it, and for the next one."""
    state = compare("after the storm")
    must("systemctl", "restart", "mdevd")
    must("mdevd", f"--wait-devices={LIMIT}")
    now = compare("after a restart")
    # for what the next daemon starts itself it may move others
    new = {d["uuid"] for d in now["devices"] if not device(state, d["uuid"])}
    places = not new & autostarted(now)
    before, after = facts(state, places), facts(now, places)
    leased = {d["uuid"] for d in state["devices"] if d["lease"] in ("vm", "client")}
    for name in before.keys() | after.keys():
        if name in leased and name not in after:
            continue  # its time was over meanwhile
        check(before.get(name) == after.get(name),
              f"{name} was {before.get(name)}, and is {after.get(name)} for the next daemon")
    print(f"ok {len(state['devices'])} devices and {len(state['definitions'])} definitions are the "
          "same in the model, the kernel and the files" +
          ("" if places else ", some in other places"), flush=True)


def beyond_removal(name):
    """Whether it is a device of mtty's without "remove": mdev core shows it before the driver's
    probe, and who writes there before the device is active takes the file away and removes nothing.
    It goes with its module. One of ours gets the file again."""
    return not os.path.exists(f"{MDEVS}/{name}/remove") and \
        os.path.realpath(f"{MDEVS}/{name}").split("/")[-2] == MTTY


def remove_all():
    for name in names_in(MDEVS):
        if beyond_removal(name):
            continue
        try:
            write(f"{MDEVS}/{name}/remove", "1")
        except OSError as e:  # the end of its lease may be faster
            check(e.errno in (errno.ENOENT, errno.ENODEV), f"{name} cannot be removed: {e}")
    # a device whose lease ends just now looks the same, and goes
    await_true(lambda s: not [o for o in s["operations"] if o["state"] == "running"],
               "no operation", LIMIT)
    left = [name for name in names_in(MDEVS) if beyond_removal(name)]
    if left:
        print(f"cannot be removed by anybody: {left}", flush=True)
        must("modprobe", "-r", "mtty")


def check_cleared():
    """Nothing of what anybody wrote is left in the parents' memory when the last device is gone."""
    # or what is defined to be there comes again, when that has gone which kept it from it
    for parent in names_in(STORE) - {"scripts.d"}:
        for name in names_in(f"{STORE}/{parent}"):
            os.unlink(f"{STORE}/{parent}/{name}")
    await_true(lambda s: not s["definitions"], "no definitions", LIMIT)
    remove_all()
    print(f"in the kernel: {names_in(MDEVS)}", flush=True)
    await_true(lambda s: not s["devices"], "all devices gone, and clean", LIMIT)
    for n in range(len(PARENTS)):
        left = must("host", "diff", f"parent{n}", "0")
        check(not left, f"memory of parent{n} is not zero: {left}")
    print("ok all memory is zero")
