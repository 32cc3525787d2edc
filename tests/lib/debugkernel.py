# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the debug kernel of `tests/run --kernel debug`: made from the distribution's source package
and tests/vm/debug-kernel.config, kept in the cache, and booted in place of a distribution's kernel.

It has what finds a mistake that a stock kernel survives: KASAN, lockdep, checks for sleeping in
atomic context, for the memory manager and for object lifetimes, kmemleak, and failing allocations
on request. It is no part of a plain run: it takes a quarter of an hour to build and its VM is some
times slower.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile

import kernels
from progress import Failure, cache_dir, run, step

HERE = os.path.dirname(os.path.abspath(__file__))
VM = os.path.join(os.path.dirname(HERE), "vm")
CONFIG = os.path.join(VM, "debug-kernel.config")
PARTS = os.path.join(VM, "image")

NAME = "debug"
BASE = "6.12"  # whose cases it runs
PACKAGE = f"linux-source-{BASE}"
SLOWER = 8  # limits are that much longer
MORE_MIB = 1536  # KASAN's shadow and quarantine, kmemleak's notes
BUILD_PACKAGES = ("flex", "bison", "libelf-dev", "bc")

# A module needs headers and scripts of the tree, not what the build left behind.
LEFT_BEHIND = (".o", ".a", ".cmd", ".ko", ".mod", ".order")


def _version():
    return run(["dpkg-query", "-W", "-f", "${Version}", PACKAGE])


def _hash(text, *paths):
    h = hashlib.sha256(text.encode())
    for path in paths:
        with open(path, "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]


def _folder():
    return os.path.join(cache_dir(), f"debug-kernel-{_hash(_version(), CONFIG)}")


def _tree(folder):
    return os.path.join(folder, "tree")


def _release(folder):
    with open(os.path.join(_tree(folder), "include/config/kernel.release")) as f:
        return f.read().strip()


def _call(argv, log, **kwargs):
    if subprocess.run(argv, stdout=log, stderr=log, check=False, **kwargs).returncode != 0:
        raise Failure(f"{' '.join(argv)} failed; see {log.name}")


def _unpack(folder):
    """Into folder/tree, without the archive's own top folder."""
    with tarfile.open(f"/usr/src/{PACKAGE}.tar.xz") as tar:
        tar.extractall(folder)
    os.rename(os.path.join(folder, PACKAGE), _tree(folder))


def _wants(path):
    """The lines of a fragment that say something."""
    with open(path) as f:
        return [line.strip() for line in f
                if line.startswith("CONFIG_") or line.strip().endswith("is not set")]


def _configure(tree, log):
    _call(["make", "tinyconfig"], log, cwd=tree)
    config = os.path.join(tree, ".config")
    with open(CONFIG) as fragment, open(config, "a") as f:
        f.write(fragment.read())
    _call(["make", "olddefconfig"], log, cwd=tree)
    with open(config) as f:
        got = set(f.read().splitlines())
    lost = [line for line in _wants(CONFIG) if line not in got]
    if lost:
        raise Failure(f"the kernel's configuration has no room for: {', '.join(lost)} (from "
                      f"{CONFIG}): something that these depend on is missing")


def _compile(tree, jobs, log):
    missing = [p for p in BUILD_PACKAGES if subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", p], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, check=False).stdout != "installed"]
    if missing:
        _call(["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing], log)
    _configure(tree, log)
    _call(["nice", "-n", "19", "make", f"-j{jobs}", "bzImage", "modules"], log, cwd=tree)


def _strip(tree):
    """Objects are two thirds of the size; objtool and the scripts stay, modules are built by them."""
    keep = tuple(os.path.join(tree, d) for d in ("scripts", "tools"))
    for folder, _, names in os.walk(tree):
        if folder.startswith(keep):
            continue
        for name in names:
            if name.endswith(LEFT_BEHIND) or name == "vmlinux":
                os.unlink(os.path.join(folder, name))


def _assemble(folder, log):
    tree, release = _tree(folder), _release(folder)
    stage = os.path.join(folder, "stage")
    _call(["make", "modules_install", f"INSTALL_MOD_PATH={stage}"], log, cwd=tree)
    for link in ("build", "source"):
        path = os.path.join(stage, "lib/modules", release, link)
        if os.path.islink(path):
            os.unlink(path)
    shutil.copy(os.path.join(tree, "arch/x86/boot/bzImage"), os.path.join(folder, "vmlinuz"))
    os.rename(stage, os.path.join(folder, "modules"))
    _strip(tree)


def _build(folder, jobs):
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return  # somebody else was faster
        work = folder + ".work"
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        with open(folder + ".log", "w") as log:
            with step("unpacking the kernel's source (first time only)"):
                _unpack(work)
            with step(f"building the debug kernel (first time only, some 20 minutes; "
                      f"log in {log.name})"):
                _compile(_tree(work), jobs, log)
                _assemble(work, log)
        os.rename(work, folder)


def obtain(jobs, build=True):
    """The debug kernel as a kernels.Kernel whose headers are its own tree, built now if need be."""
    folder = _folder()
    if not os.path.isdir(folder):
        if not build:
            return kernels.Kernel(NAME, "not-built", _version())
        _build(folder, jobs)
    kernel = kernels.Kernel(NAME, _release(folder), _version())
    kernel.headers = _tree(folder)
    kernel.initrd = _initrd(folder, kernel)
    return kernel


def _initrd(folder, kernel):
    """What it is made of changes more often than the kernel, and it takes a second."""
    parts = sorted(os.path.join(PARTS, name) for name in os.listdir(PARTS))
    out = os.path.join(folder, f"initrd-{_hash('', os.path.join(HERE, 'kernels.py'), *parts)}")
    if not os.path.exists(out):
        work = f"{out}.{os.getpid()}"
        kernels.initrd(kernel, os.path.join(folder, "modules"), PARTS, work)
        os.rename(work, out)
    return out


class DebugImage:
    """The test VM's image with the debug kernel in place of the distribution's."""

    brings_modules = True  # they are not in the root file system
    more_mib = MORE_MIB
    slower = SLOWER
    kver = BASE  # the cases are told the series that they know
    # Only the agent, udev and what cases start: a whole host takes a quarter of an hour to come up
    # there, and compiling the profiles of AppArmor another. With five levels of page tables KASAN now
    # and then complains of nothing and ends the boot: an interrupt while identify_cpu() has the
    # CPU's features at zero finds pgtable_l5_enabled() false, and every address wild.
    cmdline = ("no5lvl", "apparmor=0", "systemd.unit=test-agent.service",
               "systemd.wants=systemd-udevd.service")

    def __init__(self, base, kernel):
        self.root = base.root
        self.base = base
        self.folder = os.path.dirname(kernel.headers)
        self.kernels = {**base.kernels, NAME: kernel}

    def vmlinuz(self, series):
        return os.path.join(self.folder, "vmlinuz")

    def initrd(self, series):
        return self.kernels[series].initrd

    def modules(self, series):
        return os.path.join(self.folder, "modules")

    def apparmor_cache(self, series):
        return None
