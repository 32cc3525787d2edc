# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the payload: the tar file that the initrd lays over the VM's root, with the agent, the
command `host`, and, when asked for, mdevd as installed and its module for that kernel."""

import atexit
import glob
import os
import shutil
import tarfile
import tempfile
import threading

from progress import Failure, run

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
AGENT = os.path.join(TOP, "tests/vm/agent")
PROG = os.path.join(TOP, "tests/vm/prog")
GUEST = os.path.join(TOP, "tests/guest")


def compile_programs(folder):
    """What runs in the VM and is made here: the agent, `host`, the nested guest, and the programs
    of test cases (tests/vm/prog/NAME.c or NAME/*.c). Statically linked: a start costs little."""
    flags = ["gcc", "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
             "-Wno-unused-parameter", "-D_GNU_SOURCE",
             "-static", "-pthread", "-I", os.path.join(TOP, "kmod/include/uapi"),
             "-I", os.path.join(TOP, "src")]
    run([*flags, "-U_GNU_SOURCE", "-o", os.path.join(folder, "agent"),
         *(os.path.join(AGENT, f"{name}.c") for name in ("agent", "jobs", "ask"))])
    run([*flags, "-U_GNU_SOURCE", "-o", os.path.join(folder, "host"),
         os.path.join(AGENT, "host.c")])
    for path in sorted(glob.glob(os.path.join(PROG, "*"))):
        sources = sorted(glob.glob(os.path.join(path, "*.c"))) if os.path.isdir(path) else [path]
        name = os.path.basename(path).removesuffix(".c")
        if sources and sources[0].endswith(".c"):
            run([*flags, "-o", os.path.join(folder, name), *sources])
    run([os.path.join(GUEST, "build.sh"), os.path.join(folder, "guest.elf")])


class _Programs:
    """Compiled once in a run, for all its VMs."""

    def __init__(self):
        self.lock = threading.Lock()
        self.folder = None

    def obtain(self):
        with self.lock:
            if self.folder is None:
                folder = tempfile.mkdtemp(prefix="mdevd-programs-")
                atexit.register(shutil.rmtree, folder, ignore_errors=True)
                os.chmod(folder, 0o755)  # as the folder in the VM will be: some run as others
                compile_programs(folder)
                self.folder = folder
            return self.folder


PROGRAMS = _Programs()


def _modules(image, series, modules, tree):
    """Modules of ours go beside the distribution's, in an index made by depmod on this side."""
    release = image.kernels[series].release
    stage = os.path.join(tree, "..", "modules-stage")
    shutil.copytree(image.modules(series), stage, symlinks=True)
    top = os.path.join(stage, "lib/modules", release)
    os.makedirs(os.path.join(top, "updates"), exist_ok=True)
    for module in modules:
        shutil.copy(module, os.path.join(top, "updates"))
    run(["depmod", "-b", stage, release])
    out = os.path.join(tree, "usr/lib/modules", release)
    os.makedirs(out)
    for name in os.listdir(top):
        if name == "updates" or name.startswith("modules.") or image.brings_modules:
            shutil.move(os.path.join(top, name), out)
    shutil.rmtree(stage)


def _no_start_limit(tree):
    """A case may restart a unit as often as it likes, however fast the machine is; the units stay as
    they are installed."""
    folder = os.path.join(tree, "etc/systemd/system.conf.d")
    os.makedirs(folder)
    with open(os.path.join(folder, "mdevd-test.conf"), "w", encoding="ascii") as f:
        f.write("[Manager]\nDefaultStartLimitIntervalSec=0\n")


def _plain(info):
    """Root owns everything, whoever built it."""
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def _copy_members(path, tar):
    """Times as they are: a compiled profile counts while it is newer than its source."""
    if path is not None and os.path.exists(path):
        with tarfile.open(path) as source:
            for info in source:
                tar.addfile(info, source.extractfile(info) if info.isfile() else None)


def make(work, image, series, modules=(), dest=None):
    """Returns the path of the tar file. `dest` is a tree made by meson install."""
    tree = os.path.join(work, "payload")
    lib = os.path.join(tree, "usr/lib/mdevd-test")
    units = os.path.join(tree, "etc/systemd/system")
    os.makedirs(os.path.join(units, "sysinit.target.wants"))
    shutil.copytree(PROGRAMS.obtain(), lib)
    for script in ("where.sh", "reset.sh"):
        shutil.copy2(os.path.join(AGENT, script), lib)
    shutil.copy(os.path.join(AGENT, "test-agent.service"), units)
    os.symlink("../test-agent.service",
               os.path.join(units, "sysinit.target.wants/test-agent.service"))
    _no_start_limit(tree)
    if modules or image.brings_modules:
        _modules(image, series, modules, tree)
    out = os.path.join(work, "payload.tar")
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        for source in (tree, dest):
            if not source:
                continue
            for name in sorted(os.listdir(source)):
                if name in ("bin", "lib", "lib64", "sbin"):
                    raise Failure(f"{source} has /{name}, which would take the place of a link "
                                  f"to /usr/{name}; install with --prefix=/usr.")
                tar.add(os.path.join(source, name), name, filter=_plain)
        _copy_members(image.apparmor_cache(series), tar)
    return out
