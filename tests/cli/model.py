# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine made of files for mdevdctl's tests: two cards that our module divides, one of another
driver, one that is away. tests/unit/fake-kernel.c makes the files behave."""

import json
import os

U = "c3ee7d8a-4a40-4b11-9b0f-00000000000"
MIB = 1 << 20
CARDS = {"0000:41:00.0": (64 << 10, 64 * MIB), "0000:42:00.0": (64 << 10, 32 * MIB)}
VENDOR = "0000:00:05.0"
DEVPATH = "devices/pci0000:00"
CONFIG = {
    "parents": [
        {"address": "0000:41:00.0",
         "pools": [{"name": "fb", "bar": 2, "cache": "wc"},
                   {"name": "doorbells", "bar": 0, "kind": "registers", "scrub": "none"}],
         "types": ["fb-16M", "fb-8M", "fb-4M"]},
        {"address": "0000:42:00.0", "pools": [{"name": "fb", "bar": 2, "cache": "wc"}],
         "types": ["fb-16M", "fb-8M"]},
        {"address": "0000:43:00.0", "pools": [{"name": "fb", "bar": 2}], "types": ["fb-16M"]},
    ],
    "types": {f"fb-{n}M": {"label": f"{n} MiB of frame buffer", "movable": True,
                           "bars": [{"pool": "fb", "size": f"{n}M"}]} for n in (16, 8, 4)},
    "policy": {"groups": [{"name": "gold", "owners": ["gold-*"], "limit": {"bytes": "36M"},
                           "guarantees": [{"type": "fb-8M", "devices": 1}]}]},
    "profiles": {"pair": {"devices": [{"type": "fb-4M", "owner": "gold-9"},
                                      {"type": "fb-4M", "owner": "vm9"}]}},
}


def write(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def link(root, target, path):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def make_card(root, name, bars, driver, node):
    where = f"sys/{DEVPATH}/{name}"
    rows = [f"0x{start:016x} 0x{start + size - 1:016x} 0x{flags:016x}\n" if size else
            f"0x{0:016x} 0x{0:016x} 0x{0:016x}\n"
            for start, size, flags in ((0xfe000000, bars[0], 0x40200), (0, 0, 0),
                                       (0x4000000000, bars[1], 0x14220c))]
    write(root, f"{where}/resource", "".join(rows))
    write(root, f"{where}/numa_node", f"{node}\n")
    write(root, f"{where}/driver_override", "(null)\n")
    write(root, f"sys/bus/pci/drivers/{driver}/unbind", "")
    link(root, f"../../../{DEVPATH}/{name}", f"sys/bus/pci/devices/{name}")
    link(root, f"../../../bus/pci/drivers/{driver}", f"{where}/driver")
    write(root, f"{where}/fake/home-driver", driver)


def make(root):
    for folder in ("fake", "sys/bus/mdev/devices", "sys/class/mdev_bus", "dev", "etc", "run"):
        os.makedirs(os.path.join(root, folder))
    write(root, "sys/bus/pci/drivers_probe", "")
    write(root, "sys/bus/pci/drivers/mdevd/unbind", "")
    os.mkfifo(os.path.join(root, "dev/mdevd"))
    for node, (name, bars) in enumerate(CARDS.items()):
        make_card(root, name, bars, "framebuffer", node)
    make_card(root, VENDOR, (0, 0), "nvidia", -1)
    kind = f"sys/{DEVPATH}/{VENDOR}/mdev_supported_types/nvidia-22"
    for name, text in (("create", ""), ("device_api", "vfio-pci\n"), ("name", "GRID M60-2Q\n"),
                       ("available_instances", "4\n")):
        write(root, f"{kind}/{name}", text)
    link(root, f"../../{DEVPATH}/{VENDOR}", f"sys/class/mdev_bus/{VENDOR}")
    write(root, "etc/mdevd/mdevd.json", json.dumps(CONFIG, indent=2))
    write(root, f"etc/mdevctl.d/0000:41:00.0/{U}d",
          '{"mdev_type": "mdevd-fb-4M", "start": "manual", "attrs": []}')
    write(root, f"etc/mdevctl.d/0000:42:00.0/{U}e", '{"mdev_type": "mdevd-fb-8M", "start": ')
