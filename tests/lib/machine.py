# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns what the test VM's machine looks like: the devices every boot has, and the ones a test
case asks for by name (`# machine: NAME…`)."""

MEMORY_MIB = 2560

# The parents: name, size of BAR 2 in MiB. The name is QEMU's device id and what `host` knows.
PARENTS = (("parent0", 64), ("parent1", 16))

COMMAND_LINE = ("console=ttyS0", "panic=-1", "oops=panic", "panic_on_warn=1",
                "kfence.sample_interval=100", "apparmor=1", "security=apparmor",
                "mitigations=off", "random.trust_cpu=on", "net.ifnames=0", "nowatchdog",
                "maxcpus=1",  # the initrd brings up the other
                "systemd.show_status=no", "systemd.default_timeout_start_sec=180",
                "systemd.log_target=journal")

# Each that is no `shape` is only one device more, which no case is to mind that did not ask for it:
# cases of the same shape share a machine that has the devices of all.
# Each may add QEMU arguments ({folder} is the VM's), words of the kernel command line, and a file
# that is seen as memory. A device with the feature's name as its id is $MDEVD_NAME in the VM.
FEATURES = {
    "turns": {
        "shape": True,
        "help": "both CPUs take turns on one thread of QEMU (see README.md, nested machines)",
        "qemu": (),
        "cmdline": (),
    },
    "iommu": {
        "shape": True,
        "help": "an Intel IOMMU with interrupt remapping",
        "qemu": ("-device", "intel-iommu,intremap=on"),
        "cmdline": ("intel_iommu=on", "no_timer_check"),
    },
    "noremap": {
        "shape": True,
        "help": "an Intel IOMMU without interrupt remapping",
        "qemu": ("-device", "intel-iommu,intremap=off"),
        "cmdline": ("intel_iommu=on", "no_timer_check"),
    },
    "edu": {
        "help": "QEMU's edu device (registers, a DMA engine, one MSI), behind a root port",
        "qemu": ("-device", "pcie-root-port,id=rp-edu,chassis=10,slot=10",
                 "-device", "edu,id=edu,bus=rp-edu,dma_mask=0xffffffffffffffff"),
        "cmdline": (),
    },
    "card": {
        "help": "a card of two functions: an ivshmem-plain (16 MiB), and an edu that reaches it",
        "qemu": ("-object", "memory-backend-file,id=mem-card,share=on,mem-path={folder}/card,"
                            "size=16M",
                 "-device", "pcie-root-port,id=rp-card,chassis=13,slot=13",
                 "-device", "ivshmem-plain,id=card,memdev=mem-card,bus=rp-card,addr=0.0,"
                            "multifunction=on",
                 "-device", "edu,id=card-engine,bus=rp-card,addr=0.1,"
                            "dma_mask=0xffffffffffffffff"),
        "cmdline": (),
        "memory": ("card", 16),
    },
    "doorbell": {
        "help": "an ivshmem-doorbell (16 MiB, 4 MSI-X vectors; `host ring VECTOR` raises one)",
        "qemu": ("-chardev", "socket,id=doorbell,path={folder}/doorbell.sock",
                 "-device", "pcie-root-port,id=rp-doorbell,chassis=11,slot=11",
                 "-device", "ivshmem-doorbell,id=doorbell,bus=rp-doorbell,vectors=4,"
                            "chardev=doorbell"),
        "cmdline": (),
        "memory": ("doorbell", 16),
    },
    "big": {
        "help": "a third ivshmem-plain, with 256 MiB",
        "qemu": ("-object", "memory-backend-ram,id=mem-big,share=on,size=256M",
                 "-device", "pcie-root-port,id=rp-big,chassis=12,slot=12",
                 "-device", "ivshmem-plain,id=big,memdev=mem-big,bus=rp-big"),
        "cmdline": (),
    },
    "huge": {
        "help": "a third ivshmem-plain, with 1 GiB",
        "qemu": ("-object", "memory-backend-ram,id=mem-huge,share=on,size=1G",
                 "-device", "pcie-root-port,id=rp-huge,chassis=13,slot=13",
                 "-device", "ivshmem-plain,id=huge,memdev=mem-huge,bus=rp-huge"),
        "cmdline": (),
    },
    "nothp": {
        "shape": True,
        "help": "transparent huge pages off",
        "qemu": (),
        "cmdline": ("transparent_hugepage=never",),
    },
}


def shape(features):
    """What makes it another machine, rather than one with more devices."""
    return tuple(f for f in features if FEATURES[f].get("shape"))


def memories(features):
    """Names and sizes in MiB of all that has a file on this side."""
    return [*PARENTS, *(FEATURES[f]["memory"] for f in features if "memory" in FEATURES[f])]


def command_line(features):
    words = list(COMMAND_LINE)
    for name in features:
        words += FEATURES[name]["cmdline"]
    return " ".join(words)


def parent_arguments(memory):
    """Each parent behind a root port of its own, so that it can be unplugged."""
    argv = []
    for number, (name, _) in enumerate(PARENTS):
        path, size = memory[name]
        argv += ["-object", f"memory-backend-file,id=mem-{name},share=on,mem-path={path},"
                            f"size={size}",
                 "-device", f"pcie-root-port,id=rp{number},chassis={number + 1},"
                            f"slot={number + 1}",
                 "-device", f"ivshmem-plain,id={name},memdev=mem-{name},bus=rp{number}"]
    return argv


def arguments(image, series, folder, payload, memory, shares, features):
    """The whole command line of QEMU."""
    threads = "single" if "turns" in features else "multi"
    argv = ["qemu-system-x86_64", "-name", f"mdevd-test-{series}", "-no-user-config", "-nodefaults",
            "-display", "none", "-no-reboot", "-machine", "q35",
            "-accel", f"tcg,thread={threads},tb-size=512", "-cpu", "max,svm=on,npt=on",
            "-smp", "2", "-m", f"{MEMORY_MIB + image.more_mib}M",
            "-kernel", image.vmlinuz(series), "-initrd", image.initrd(series),
            "-append", " ".join((command_line(features), *image.cmdline)),
            "-chardev", f"file,id=console,path={folder}/console.log", "-serial", "chardev:console",
            "-qmp", f"unix:{folder}/qmp.sock,server=on,wait=off"]
    # an IOMMU must be there before the devices that it serves
    for name in features:
        argv += [word.format(folder=folder) for word in FEATURES[name]["qemu"]]
    argv += ["-drive", f"if=none,id=root,format=raw,readonly=on,cache=unsafe,file={image.root}",
             "-device", "virtio-blk-pci,drive=root",
             "-drive", f"if=none,id=payload,format=raw,readonly=on,cache=unsafe,file={payload}",
             "-device", "virtio-blk-pci,drive=payload",
             "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=ctl,path={folder}/ctl.sock,server=on,wait=off",
             "-device", "virtserialport,chardev=ctl,name=mdevd.ctl"]
    for tag, path in shares.items():
        argv += ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,readonly=on,"
                            f"multidevs=remap"]
    return argv + parent_arguments(memory)
