# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the kernels of the test VM: which ones, their packages, the subset of their modules that
goes into the image, and the small initrd that mounts it.

The versions are those of the installed header packages, because a module built against these
headers must load. The packages are only unpacked, never installed: no boot loader, no initramfs
of the distribution, nothing changes on this machine.
"""

import glob
import lzma
import os
import shutil
import subprocess

from progress import Failure, run

SERIES = {"6.1": "linux-headers-amd64", "6.12": "linux-headers-6.12-amd64"}

# What the VM needs; a module elsewhere comes along when one of these depends on it. Leaving out
# display, sound, network and USB drivers is what keeps udev's coldplug short under emulation.
MODULE_FOLDERS = (
    "arch/x86", "block", "crypto", "lib", "virt", "security", "mm",
    "drivers/acpi", "drivers/block", "drivers/char", "drivers/dma", "drivers/firmware",
    "drivers/iommu", "drivers/misc", "drivers/pci", "drivers/uio", "drivers/vfio", "drivers/vhost",
    "drivers/virt", "drivers/virtio", "drivers/virtio_pci",
    "fs/9p", "fs/autofs", "fs/configfs", "fs/erofs", "fs/ext4", "fs/fuse", "fs/netfs",
    "fs/overlayfs", "net/9p",
)
NOT_MODULES = ("drivers/block/drbd", "drivers/block/aoe", "drivers/block/rnbd",
               "drivers/crypto", "net/9p/9pnet_rdma", "net/9p/9pnet_xen")

# In this order, each after what it depends on; crc32c is asked for by name, not by symbol.
INITRD_MODULES = ("crc32c_generic", "virtio_pci", "virtio_blk", "erofs", "overlay",
                  "9pnet_virtio", "9p", "kvm_amd")


class Kernel:
    def __init__(self, series, release, version):
        self.series = series
        self.release = release
        self.version = version
        self.headers = f"/usr/src/linux-headers-{release}"
        self.package = f"linux-image-{release}"

    def __str__(self):
        return f"{self.package}={self.version}"


def find(series):
    meta = SERIES[series]
    depends = run(["dpkg-query", "-W", "-f", "${Depends}", meta])
    for word in depends.replace(",", " ").split():
        if word.startswith("linux-headers-"):
            release = word.removeprefix("linux-headers-")
            version = run(["dpkg-query", "-W", "-f", "${Version}", word])
            return Kernel(series, release, version)
    raise Failure(f"{meta} depends on no linux-headers package, so the release of kernel {series} "
                  f"is not known; reinstall {meta}.")


def find_all():
    return [find(series) for series in SERIES]


def unpack(kernel, folder):
    """Fetch the image package by apt (which checks its signature) and unpack it."""
    os.makedirs(folder)
    owned = dict(cwd=folder)
    try:
        run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", str(kernel)], **owned)
    except Failure as e:
        raise Failure(f"{kernel} cannot be downloaded. When the archive has a newer kernel than "
                      f"the headers here, upgrade the headers: apt-get update && apt-get install "
                      f"{SERIES[kernel.series]}. ({e})") from e
    (deb,) = glob.glob(os.path.join(folder, "*.deb"))
    run(["dpkg-deb", "-x", deb, os.path.join(folder, "tree")])
    os.unlink(deb)
    return os.path.join(folder, "tree")


def _decompress(path):
    if path.endswith(".xz"):
        with lzma.open(path) as packed, open(path[:-3], "wb") as plain:
            shutil.copyfileobj(packed, plain)
        os.unlink(path)


def _wanted(deps, chosen):
    """The chosen modules and all that they depend on."""
    todo, done = list(chosen), set()
    while todo:
        module = todo.pop()
        if module not in done:
            done.add(module)
            todo += deps.get(module, [])
    return done


def read_deps(folder):
    deps = {}
    with open(os.path.join(folder, "modules.dep")) as f:
        for line in f:
            module, _, rest = line.partition(":")
            deps[module] = rest.split()
    return deps


def prune(kernel, tree):
    """Keep the modules the VM needs, uncompressed, with an index that lists just them."""
    top = os.path.join(tree, "lib/modules", kernel.release)
    for path in glob.glob(os.path.join(top, "kernel/**/*.ko.xz"), recursive=True):
        _decompress(path)
    run(["depmod", "-b", tree, kernel.release])
    deps = read_deps(top)
    chosen = [m for m in deps
              if m.startswith(tuple(f"kernel/{f}" for f in MODULE_FOLDERS))
              and not m.startswith(tuple(f"kernel/{f}" for f in NOT_MODULES))]
    keep = _wanted(deps, chosen)
    for module in deps:
        if module not in keep:
            os.unlink(os.path.join(top, module))
    for link in ("build", "source"):
        if os.path.islink(os.path.join(top, link)):
            os.unlink(os.path.join(top, link))
    run(["depmod", "-b", tree, kernel.release])


def initrd(kernel, tree, parts, out):
    """A busybox, our init, and the few modules it takes to see the disk and the shared folders."""
    work = out + ".work"
    top = os.path.join(tree, "lib/modules", kernel.release)
    deps = read_deps(top)
    names = {os.path.basename(m)[:-3].replace("-", "_"): m for m in deps}
    for folder in ("bin", "modules", "proc", "sys", "dev", "ro", "rw", "root"):
        os.makedirs(os.path.join(work, folder))
    shutil.copy2("/bin/busybox", os.path.join(work, "bin/busybox"))
    shutil.copy2(os.path.join(parts, "init"), os.path.join(work, "init"))
    os.chmod(os.path.join(work, "init"), 0o755)
    run(["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
         "-o", os.path.join(work, "bin/kvm-anchor"), os.path.join(parts, "kvm-anchor.c")])
    order = []
    for name in INITRD_MODULES:
        if name not in names:
            continue  # built into this kernel
        for module in reversed([names[name]] + deps[names[name]]):
            if module not in order:
                order.append(module)
    for number, module in enumerate(order):
        shutil.copy(os.path.join(top, module),
                    os.path.join(work, f"modules/{number:02}-{os.path.basename(module)}"))
    with open(out, "wb") as f:
        find_out = subprocess.run(["find", ".", "-print0"], cwd=work, check=True,
                                  stdout=subprocess.PIPE).stdout
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"], cwd=work,
                       input=find_out, stdout=f, check=True)
    shutil.rmtree(work)
