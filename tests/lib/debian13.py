# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns the test VM with Debian 13, which has other versions of what mdevd is used with: libvirt
11.3, QEMU 10, and mdevctl 1.4.0. To a case it is one more kernel, by the name `debian13`.

Its root file system is made from the archives that have Debian 12, too. The kernel is the 6.12 of
the other VM, for which this machine has headers: Debian 13's own is of the same series. What is
built here runs there, since nothing that it links to has another name.
"""

import image
import kernels

NAME = "debian13"
SUITE = "trixie"
BASE = "6.12"  # whose kernel it has


def series_of(series):
    """By which name its kernel and its modules are known."""
    return BASE if series == NAME else series


def kernel():
    base = kernels.find(BASE)
    return kernels.Kernel(NAME, base.release, base.version)


def obtain():
    made = image.obtain([kernel()], SUITE)
    made.kver = BASE
    return made
