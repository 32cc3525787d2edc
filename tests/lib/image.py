# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the test VM's image as a thing in the cache; rootfs.py makes one.

An image is a folder named by the hash of everything that made it, holding `root.erofs` and for
each kernel `vmlinuz`, `initrd` and `modules` (the same modules as in the image, for a depmod that
includes ours). It is made under a temporary name and renamed when complete, so an interrupted run
leaves nothing half done behind.
"""

import fcntl
import glob
import hashlib
import os
import shutil

import kernels
import rootfs
from progress import Failure, cache_dir

KEPT = 2  # images besides the one in use


class Image:
    brings_modules = False  # its kernels' modules are in its root file system
    cmdline = ()  # further words of the kernel's command line
    more_mib = 0
    slower = 1

    def __init__(self, folder, kernel_list):
        self.folder = folder
        self.root = os.path.join(folder, "root.erofs")
        self.kernels = {k.series: k for k in kernel_list}

    def vmlinuz(self, series):
        return os.path.join(self.folder, series, "vmlinuz")

    def initrd(self, series):
        return os.path.join(self.folder, series, "initrd")

    def modules(self, series):
        """A tree with lib/modules/RELEASE below it."""
        return os.path.join(self.folder, series, "modules")

    def apparmor_cache(self, series):
        """Compiled AppArmor profiles, kept by the first boot; compiling them takes 15 s there."""
        return os.path.join(self.folder, series, "apparmor.tar")


def _recipe(kernel_list, suite):
    """The hash of all that decides what an image contains."""
    h = hashlib.sha256()
    for name in ("rootfs.py", "kernels.py"):
        with open(os.path.join(rootfs.HERE, name), "rb") as f:
            h.update(f.read())
    for path in sorted(glob.glob(os.path.join(rootfs.PARTS, "*"))):
        with open(path, "rb") as f:
            h.update(path.rsplit("/", 1)[1].encode() + b"\0" + f.read())
    h.update("\n".join([suite, *map(str, kernel_list)]).encode())
    return h.hexdigest()[:16]


def _used(path):
    """When it was last used."""
    try:
        return os.stat(path.removesuffix(".work") + ".lock").st_mtime
    except FileNotFoundError:
        return 0


def _unused(base, keep):
    """Clear away what older recipes made and nobody uses, except the last few (two checkouts may
    take turns); each takes half a gigabyte."""
    images = [p for p in glob.glob(os.path.join(base, "image-*"))
              if p != keep and not p.endswith(".lock")]
    images.sort(key=_used, reverse=True)
    for path in images[KEPT:]:
        with open(path.removesuffix(".work") + ".lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)


def _build(base, folder, kernel_list, suite):
    if os.geteuid() != 0:
        raise Failure("the VM's image is not built yet, and only root can build it "
                      "(mmdebstrap in root mode); run this once as root.")
    with open(os.path.join(base, "build.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return  # somebody else was faster
        work = folder + ".work"
        if os.path.isdir(work):
            shutil.rmtree(work)
        os.makedirs(work)
        rootfs.make(work, kernel_list, suite)
        os.rename(work, folder)
        _unused(base, folder)


def obtain(kernel_list=None, suite=rootfs.HOST_SUITE):
    """The image of this tree, made now if it is not in the cache. Held (against being cleared
    away) as long as this process lives."""
    kernel_list = kernel_list or kernels.find_all()
    base = cache_dir()
    folder = os.path.join(base, f"image-{_recipe(kernel_list, suite)}")
    held = os.open(folder + ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    fcntl.flock(held, fcntl.LOCK_SH)
    os.utime(folder + ".lock")
    if not os.path.isdir(folder):
        _build(base, folder, kernel_list, suite)
    return Image(folder, kernel_list)
