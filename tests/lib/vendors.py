# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the modules that stand in for vendors' drivers in the test VM: `mtty`, the kernel's own
sample, taken out of the distribution's source package, and those in tests/vm/modules. They are
built outside the tree against the headers of each kernel; nothing of them is installed here."""

import glob
import os
import shutil

from build import build_base, call
from progress import cache_dir, run, step

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.path.join(os.path.dirname(HERE), "vm", "modules")
MTTY = "samples/vfio-mdev/mtty.c"


def _mtty(source):
    """The sample as that kernel's source package has it, kept in the cache."""
    package = f"linux-source-{source}"
    version = run(["dpkg-query", "-W", "-f", "${Version}", package])
    path = os.path.join(cache_dir(), f"mtty-{version.replace('/', '_')}.c")
    if os.path.exists(path):
        return path
    work = f"{path}.{os.getpid()}"
    with step(f"taking {MTTY} out of {package} (first time only)"):
        # tar and xz as programs: four times as fast as Python's
        text = run(["tar", "--extract", "--to-stdout", "--occurrence=1", "--file",
                    f"/usr/src/{package}.tar.xz", f"linux-source-{source}/{MTTY}"])
        with open(work, "w", encoding="utf-8") as f:
            f.write(text)
    os.rename(work, path)
    return path


class VendorModules:
    """`source` is the series of the source package, `kernel` what they are built for."""

    def __init__(self, top, kernel, source, jobs):
        self.kernel = kernel
        self.source = source
        self.jobs = jobs
        self.folder = os.path.join(build_base(top), f"vendors-{kernel.release}")

    def build(self):
        os.makedirs(self.folder, exist_ok=True)
        sources = [_mtty(self.source), *sorted(glob.glob(os.path.join(OURS, "*.c")))]
        names = []
        for path in sources:
            name = "mtty" if path == sources[0] else os.path.basename(path).removesuffix(".c")
            names.append(name)
            shutil.copy(path, os.path.join(self.folder, f"{name}.c"))
        with open(os.path.join(self.folder, "Kbuild"), "w", encoding="ascii") as f:
            f.write("".join(f"obj-m += {name}.o\n" for name in names))
        return call(["make", "-s", "-C", self.kernel.headers, f"M={self.folder}",
                     f"-j{self.jobs}", "modules"])

    def modules(self):
        return sorted(glob.glob(os.path.join(self.folder, "*.ko")))
