# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns building the kernel module for each kernel with all warnings, and checkpatch.

Each kernel has a copy of kmod/ in the cache, so that two kernels do not fight over one set of
object files and the tree stays clean.
"""

import filecmp
import glob
import os
import re
import shutil
import tarfile

from build import build_base, call
from progress import Failure, cache_dir, run, step

COMPLAINT = re.compile(r"\b(warning|error)\b", re.IGNORECASE)
SOURCES = (".c", ".h", ".S")
CHECKPATCH_FILES = ("scripts/checkpatch.pl", "scripts/spelling.txt",
                    "scripts/const_structs.checkpatch")
# LINUX_VERSION_CODE: an out-of-tree module for two kernels needs it, in its compat header.
CHECKPATCH_IGNORE = "LINUX_VERSION_CODE,FILE_PATH_CHANGES,CONST_STRUCT"


def _is_source(name):
    return name.endswith(SOURCES) or name in ("Makefile", "Kbuild", "dkms.conf")


def _sync(source, target):
    """Make the sources below target equal those below source, touching only what differs."""
    wanted = set()
    for folder, _, names in os.walk(source):
        for name in filter(_is_source, names):
            if name.endswith(".mod.c"):
                continue
            path = os.path.relpath(os.path.join(folder, name), source)
            wanted.add(path)
            to = os.path.join(target, path)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            if not os.path.exists(to) or not filecmp.cmp(os.path.join(folder, name), to, False):
                shutil.copy(os.path.join(folder, name), to)
    for folder, _, names in os.walk(target):
        for name in filter(_is_source, names):
            path = os.path.relpath(os.path.join(folder, name), target)
            if path not in wanted and not name.endswith(".mod.c"):
                os.unlink(os.path.join(target, path))


class ModuleBuild:
    def __init__(self, top, kernel, jobs):
        self.source = os.path.join(top, "kmod")
        self.kernel = kernel
        self.jobs = jobs
        self.folder = os.path.join(build_base(top), f"kmod-{kernel.release}")

    def build(self):
        """W=1, sparse on every file, and nothing may be complained about."""
        _sync(self.source, self.folder)
        status, out = call(["make", "-C", self.folder, f"-j{self.jobs}",
                            f"KDIR={self.kernel.headers}", "W=1", "C=2", "CHECK=sparse",
                            "KCFLAGS=-Werror"])
        complaints = [line for line in out.splitlines() if COMPLAINT.search(line)]
        if status == 0 and complaints:
            status, out = 1, "\n".join(complaints)
        if status == 0 and not self.modules():
            status, out = 1, out + "\nno module came out of it"
        return status, out

    def modules(self):
        return sorted(glob.glob(os.path.join(self.folder, "**/*.ko"), recursive=True))


def _checkpatch_folder():
    """checkpatch.pl comes with the kernel's source package only; keep just that script of it."""
    package = "linux-source-6.12"
    version = run(["dpkg-query", "-W", "-f", "${Version}", package])
    folder = os.path.join(cache_dir(), f"checkpatch-{version}")
    if os.path.isdir(folder):
        return folder
    work = f"{folder}.{os.getpid()}"
    os.makedirs(work)
    with step("taking checkpatch.pl out of the kernel's source (first time only)"):
        missing = set(CHECKPATCH_FILES)
        with tarfile.open(f"/usr/src/{package}.tar.xz") as tar:
            for member in tar:
                path = member.name.split("/", 1)[-1]
                if path in missing:
                    missing.remove(path)
                    with open(os.path.join(work, os.path.basename(path)), "wb") as f:
                        shutil.copyfileobj(tar.extractfile(member), f)
                if not missing:
                    break
        if missing:
            raise Failure(f"/usr/src/{package}.tar.xz has no {' '.join(missing)}")
    try:
        os.rename(work, folder)
    except OSError:
        shutil.rmtree(work)  # another run was faster
    return folder


def checkpatch(top):
    files = sorted(glob.glob(os.path.join(top, "kmod/**/*.[ch]"), recursive=True))
    files = [f for f in files if not f.endswith(".mod.c")]
    if not files:
        return 1, "there is no source in kmod/"
    return call(["perl", os.path.join(_checkpatch_folder(), "checkpatch.pl"), "--strict",
                 "--no-tree", "--terse",
                 "--no-summary", "--show-types", "--ignore", CHECKPATCH_IGNORE, "-f", *files])
