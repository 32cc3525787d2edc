# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the demo: what `tests/demo` shows, in order. Everything that is shown is also checked; the
first thing that is not as it must be ends the demo with a sentence and a status of 1.

What decides is read outside of everything that is demonstrated: the file behind the PCI device's
BAR, on the host of the VM."""

import argparse
import contextlib
import json
import os
import shlex
import sys
import tempfile
import time

import build
import image
import kernels
import kmodbuild
from console import alarms, excerpt
from demomap import draw
from link import Gone, Overdue
from progress import START, Failure, say, step
from vm import Vm

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDEN = "6d646576-6400-4000-8000-00000000601d"
CONFIG = {
    "parents": [
        {"address": None, "pools": [{"name": "fb", "bar": 2, "cache": "wc"}],
         "types": ["fb-16M", "fb-8M", "fb-4M"]},
        {"address": None, "pools": [{"name": "fb", "bar": 2}], "types": ["fb-4M"]},
    ],
    "types": {
        f"fb-{size}M": {"label": f"{size} MiB of memory of its own",
                        "bars": [{"pool": "fb", "size": f"{size}M"}]} for size in (16, 8, 4)
    },
}
MIB = 1 << 20


class Tenant:
    def __init__(self, name, kind, pattern):
        self.name = name
        self.type = kind
        self.pattern = pattern
        self.uuid = None
        self.path = None
        self.extents = []
        self.counts = {}
        self.job = None

    @property
    def size(self):
        return sum(size for _, size in self.extents)


class Demo:
    def __init__(self, vm, sabotage):
        self.vm = vm
        self.sabotage = sabotage
        self.parent = vm.addresses()["parent0"]
        self.other = vm.addresses()["parent1"]
        self.tenants = [Tenant("vm1", "fb-16M", 0x11A1C0FFEE11A1A1),
                        Tenant("vm2", "fb-8M", 0x22B2C0FFEE22B2B2)]

    # ---- talking to the VM ----

    def sh(self, command, show=True, check=True):
        """One command line in the VM, shown as a person would type it."""
        if show:
            print(f"  # {command}", flush=True)
        out = bytearray()
        result = self.vm.run(["sh", "-c", command], output=out.extend)
        text = out.decode(errors="replace").rstrip("\n")
        if show and text:
            print("\n".join(f"    {line}" for line in text.splitlines()), flush=True)
        if check and result.status != 0:
            raise Failure(f"'{command}' failed in the VM with status {result.status}: {text}\n"
                          + self.journal())
        return text

    def journal(self):
        return self.sh("journalctl -u mdevd -n 30 --no-pager -o cat", show=False, check=False)

    def call(self, method, signature, *args, show=True):
        words = ["busctl", "--json=short", "call", "org.mdevd1", "/org/mdevd1",
                 "org.mdevd1.Manager", method]
        words += [signature, *args] if signature else []
        text = self.sh(" ".join(shlex.quote(w) for w in words), show=show)
        return json.loads(text)["data"]

    def describe(self):
        return json.loads(self.call("Describe", "", show=False)[0])

    def properties(self, path, interface):
        text = self.sh(f"busctl --json=short call org.mdevd1 {path} "
                       f"org.freedesktop.DBus.Properties GetAll s org.mdevd1.{interface}",
                       show=False)
        return {k: v["data"] for k, v in json.loads(text)["data"][0].items()}

    # ---- looking from outside ----

    def memory(self, parent="parent0"):
        with open(self.vm.memory[parent][0], "rb") as f:
            return f.read()

    # ---- the acts ----

    def configure(self):
        CONFIG["parents"][0]["address"] = self.parent
        CONFIG["parents"][1]["address"] = self.other
        definition = {"mdev_type": "mdevd-fb-4M", "start": "auto", "attrs": []}
        self.sh(f"lspci -nn | grep -E '{self.parent[5:]}|{self.other[5:]}'")
        self.sh("mkdir -p /etc/mdevd /etc/mdevctl.d/" + self.parent, show=False)
        self.put("/etc/mdevd/mdevd.json", CONFIG)
        self.put(f"/etc/mdevctl.d/{self.parent}/{GOLDEN}", definition)
        self.sh("mdevd --check-config")
        self.sh(f"cat /etc/mdevctl.d/{self.parent}/{GOLDEN}")

    def put(self, path, data):
        text = json.dumps(data, indent=2)
        self.sh(f"cat >{path} <<'END'\n{text}\nEND", show=False)

    def start(self):
        self.sh("systemctl start mdevd")
        path = self.await_device(GOLDEN)
        self.sh(f"ls /sys/bus/mdev/devices/")
        state = self.properties(path, "Device")["State"]
        if state != "live":
            raise Failure(f"the defined device {GOLDEN} is {state}, not live")

    def await_device(self, uuid):
        """A definition is started right after READY=1, so its device comes within an event."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = self.sh(f"busctl --json=short call org.mdevd1 /org/mdevd1 org.mdevd1.Manager "
                           f"GetDevice ss {uuid} '' || busctl --json=short wait --timeout=5 "
                           f"org.mdevd1 /org/mdevd1 org.freedesktop.DBus.ObjectManager "
                           f"InterfacesAdded", show=False, check=False)
            if text.startswith("{") and '"type":"o"' in text:
                return json.loads(text.splitlines()[0])["data"][0]
        raise Failure(f"the device {uuid}, defined in /etc/mdevctl.d, did not come up\n"
                      + self.journal())

    def create(self):
        for tenant in self.tenants:
            if self.sabotage == "bare-create":
                self.bare_create(tenant)
                continue
            tenant.path, tenant.uuid = self.call("CreateDevice", "ssa{sv}", self.parent,
                                                 tenant.type, "1", "owner", "s", tenant.name)
            self.learn(tenant)
            if self.sabotage == "shared-extent":
                self.tenants[1].uuid = self.steal(tenant)

    def learn(self, tenant):
        properties = self.properties(tenant.path, "Device")
        tenant.extents = [(offset, size) for _, _, offset, size in properties["Extents"]]
        if properties["Owner"] != tenant.name:
            raise Failure(f"the device of {tenant.name} belongs to '{properties['Owner']}'")

    def bare_create(self, tenant):
        """What a host without mdevd would do."""
        tenant.uuid = f"00000000-0000-4000-8000-0000000000{tenant.name[-1] * 2}"
        self.sh(f"systemctl stop mdevd && printf %s {tenant.uuid} | tee /sys/class/mdev_bus/{self.parent}/"
                f"mdev_supported_types/mdevd-{tenant.type}/create")

    def steal(self, tenant):
        """Asks the module, past mdevd, for what already is another's."""
        uuid = "00000000-0000-4000-8000-00000000dead"
        offset, size = tenant.extents[0]
        self.sh(f"/usr/bin/python3 /mnt/src/tests/lib/take.py {self.parent} {tenant.type} {uuid} 2 "
                f"{offset:#x} {size:#x}")
        return uuid

    def map(self):
        for name in (self.parent, self.other):
            path, = self.call("GetParent", "s", name, show=False)
            for pool in self.properties(path, "Parent")["Pools"]:
                print(draw(name, pool, self.owners(name)), flush=True)

    def owners(self, parent):
        found = []
        for device in self.describe()["devices"]:
            if device["parent"] != parent:
                continue
            label = device["owner"] or f"defined in a file ({device['uuid'][:8]}…)"
            found += [(e["offset"], e["size"], label) for e in device["extents"]]
        return sorted(found)

    def guest(self, tenant, text):
        """One command for the program that runs inside the nested machine."""
        try:
            answer = self.sh(f"guest cmd {tenant.name} {text}", show=False)
        except Failure as e:
            about = self.sh(f"guest status {tenant.name}; guest log {tenant.name}; "
                            f"tail -n 4 /run/mdevd-guest/{tenant.name}/serial.log; dmesg | tail -20",
                            show=False, check=False)
            end = self.vm.link.results.get(tenant.job)
            how = f"status {end.status}, {end.left} processes left" if end else "it still runs"
            raise Failure(f"{e}\n--- {tenant.name} (its job: {how}), and the kernel's log ---\n"
                          f"{about}") from e
        print(f"  {tenant.name}: {text}  ->  {answer}", flush=True)
        return answer

    def boot_guests(self):
        for tenant in self.tenants:
            print(f"  # guest start {tenant.name} {tenant.uuid}", flush=True)
            print(f"    {self.boot_guest(tenant)}", flush=True)

    def boot_guest(self, tenant):
        """A job of its own, which lasts as long as the machine: what a job leaves is ended."""
        out = bytearray()
        # the pid's end is what tail waits for
        script = (f"guest start {tenant.name} {tenant.uuid} && "
                  f"exec tail --pid=$(guest pid {tenant.name}) -f /dev/null")
        job = self.vm.link.start(["sh", "-c", script], env=self.vm.environment, output=out.extend)
        self.vm.link.until(lambda: b"\n" in out or job in self.vm.link.results,
                           time.monotonic() + 120)
        line = out.decode(errors="replace").strip()
        if not line.startswith("ready"):
            raise Failure(f"the nested machine {tenant.name} does not boot: {line}\n"
                          + self.journal())
        tenant.job = job
        return line

    def write(self):
        if any(self.memory()):
            raise Failure("the physical BAR is not empty before the guests have written")
        for tenant in self.tenants:
            self.guest(tenant, f"fill {tenant.pattern:#x}")
        for tenant in self.tenants:
            self.guest(tenant, f"check {tenant.pattern:#x}")

    def verify(self):
        """Exactly the allocated bytes changed, each with its own guest's pattern."""
        memory = self.memory()
        expected = bytearray(len(memory))
        for tenant in self.tenants:
            word = tenant.pattern.to_bytes(8, "little")
            for offset, size in tenant.extents:
                expected[offset:offset + size] = word * (size // 8)
        if memory != bytes(expected):
            first = next(i for i in range(0, len(memory), 8)
                         if memory[i:i + 8] != expected[i:i + 8])
            raise Failure(f"the physical BAR differs from what was allotted, first at {first:#x}: "
                          f"{memory[first:first + 8].hex()} instead of "
                          f"{expected[first:first + 8].hex()}")
        if any(self.memory("parent1")):
            raise Failure("the other device's memory has changed")
        for tenant in self.tenants:
            for offset, size in tenant.extents:
                print(f"  [{offset:#010x}, {offset + size:#010x})  {size // MIB:3} MiB  "
                      f"only {tenant.name}'s pattern", flush=True)
        rest = len(memory) - sum(t.size for t in self.tenants)
        print(f"  everything else        {rest // MIB:3} MiB  untouched", flush=True)

    def count(self):
        for tenant in self.tenants:
            p = self.properties(tenant.path, "Device")
            tenant.counts = {k: p[k] for k in ("Faults", "HugeFaults", "Insertions")}
            pages = tenant.size // 4096
            print(f"  {tenant.name}: {p['Faults']} faults ({p['HugeFaults']} answered with a 2 MiB "
                  f"entry) for {pages} pages; {p['MappedBytes'] // MIB} MiB mapped", flush=True)
            if not 0 < p["Faults"] <= pages:
                raise Failure(f"{tenant.name} took {p['Faults']} faults for {pages} pages")

    def restart(self):
        for tenant in self.tenants:
            self.guest(tenant, "hammer start")
        self.sh("systemctl restart mdevd")
        for tenant in self.tenants:
            extents = tenant.extents
            tenant.path, = self.call("GetDevice", "ss", tenant.uuid, "", show=False)
            self.learn(tenant)
            if tenant.extents != extents:
                raise Failure(f"after its restart mdevd has forgotten where {tenant.name} lives")
        for tenant in self.tenants:
            self.guest(tenant, "hammer stop")
        print("  both devices are known again, from the kernel; their guests, writing and reading "
              "back all the while, saw no error", flush=True)

    def remove(self):
        for tenant in self.tenants:
            self.sh(f"guest quit {tenant.name}")
            self.vm.link.wait(tenant.job, time.monotonic() + 60)
        for tenant in self.tenants:
            self.sh(f"busctl call org.mdevd1 {tenant.path} org.mdevd1.Device Stop")
        self.await_clean()
        if any(self.memory()):
            raise Failure("the extents are not zero after the devices were removed")
        print("  all 64 MiB of the physical BAR read back as zeros", flush=True)

    def await_clean(self):
        """Extents are free when they are clean: the kernel says so in the pool's usage."""
        deadline = time.monotonic() + 60
        mine = {t.uuid for t in self.tenants}
        while time.monotonic() < deadline:
            left = [d["uuid"] for d in self.describe()["devices"] if d["uuid"] in mine]
            if not left:
                return
            self.sh("busctl --json=short wait --timeout=5 org.mdevd1 /org/mdevd1 "
                    "org.freedesktop.DBus.ObjectManager InterfacesRemoved", show=False, check=False)
        raise Failure(f"these devices are still there: {left}")


ACTS = (
    ("two PCI devices, a configuration, and one device defined by a file", Demo.configure),
    ("starting mdevd: the defined device is there at once", Demo.start),
    ("one D-Bus call for each virtual machine", Demo.create),
    ("who owns what", Demo.map),
    ("two nested virtual machines boot, each with its own device", Demo.boot_guests),
    ("each writes its own pattern over all of its BAR", Demo.write),
    ("the file behind the physical BAR, read on the host", Demo.verify),
    ("what it took", Demo.count),
    ("restarting mdevd under the running machines", Demo.restart),
    ("the machines are shut down, their devices removed", Demo.remove),
    ("who owns what now", Demo.map),
)


def summary(demo, series):
    one, two = demo.tenants
    faults = ", ".join(f"{t.name} {t.counts['Faults']}" for t in demo.tenants)
    return f"""
Summary (kernel {series}, {time.monotonic() - START:.0f} s)
  One PCI device with {64} MiB of memory and no SR-IOV was shared by two virtual machines.
  {one.name} got {one.size // MIB} MiB and {two.name} {two.size // MIB} MiB, decided before they booted. Each wrote over everything it
  could reach; on the physical device exactly those {(one.size + two.size) // MIB} MiB changed, and nothing of the other's.
  The memory was mapped at first touch: {faults} page faults in all, then full hardware speed.
  mdevd was restarted under the running machines; they did not notice.
  After their removal all their data was gone from the device.
"""


def parse(argv):
    p = argparse.ArgumentParser(
        prog="tests/demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Watch mdevd divide a PCI device between two virtual machines. Builds all of "
                    "it, boots a throw-away Debian VM (software emulation: no hardware and no "
                    "/dev/kvm is needed), and checks everything it shows.",
        epilog="example:\n  tests/demo --kernel 6.1     the same on Debian 12's own kernel")
    p.add_argument("--kernel", choices=["6.1", "6.12"], default="6.12",
                   help="the kernel of the VM (6.12)")
    p.add_argument("--keep", metavar="DIR", help="leave the VM's console log there")
    p.add_argument("--sabotage", choices=["bare-create", "shared-extent"],
                   help="do it wrong, to see that the demo notices: write the UUIDs to sysfs "
                        "without mdevd, or give vm2 the extent of vm1")
    return p.parse_args(argv)


def play(vm, args):
    demo = Demo(vm, args.sabotage)
    for number, (title, act) in enumerate(ACTS, 1):
        print(flush=True)
        say(f"{number}. {title}")
        act(demo)
    vm.mark("end of the demo")
    if alarms(vm.console.text()):
        raise Failure("the kernel complained:\n" + excerpt(vm.console.text()))
    print(summary(demo, args.kernel), flush=True)


def make(what, function):
    with step(f"building {what}"):
        status, out = function()
    if status != 0:
        raise Failure(f"building {what} failed:\n{out}")


def main(argv):
    args = parse(argv)
    with tempfile.TemporaryDirectory(prefix="mdevd-demo-") as dest:
        return show(args, dest)


def show(args, dest):
    daemon = build.MesonBuild(TOP, "gcc", os.cpu_count())
    module = kmodbuild.ModuleBuild(TOP, kernels.find(args.kernel), os.cpu_count())
    with build.Lock(TOP):
        make("mdevd", daemon.build)
        make(f"mdevd.ko for kernel {args.kernel}", module.build)
        daemon.install(dest)
    with contextlib.ExitStack() as stack:
        vm = Vm(image.obtain(), args.kernel, {"src": TOP, "build": daemon.folder}, ("turns",),
                modules=module.modules(), dest=dest, keep=args.keep)
        with step(f"booting a throw-away Debian VM (kernel {args.kernel}, software emulation)"):
            stack.enter_context(vm)
        try:
            play(vm, args)
        except (Gone, Overdue) as e:
            raise Failure("the VM ended, or a command in it did not; the end of its console:\n"
                          + excerpt(vm.console.text())) from e
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(f"\ntests/demo: FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
