#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""take PARENT TYPE UUID BAR OFFSET SIZE: ask mdevd.ko, past mdevd, for a range of a parent's BAR and
make a device of it, as a rogue with root's rights would. Runs in the test VM."""

import fcntl
import struct
import sys
import uuid

# struct mdevd_extent and struct mdevd_reserve of kmod/include/uapi/mdevd.h
EXTENT = struct.Struct("=QQBB6x")
RESERVE = struct.Struct("=II32s32s64s16sIIQ")
MDEVD_RESERVE = 1 << 30 | RESERVE.size << 16 | ord("m") << 8 | 0xd3


def main(parent, kind, ident, bar, offset, size):
    import ctypes

    extent = ctypes.create_string_buffer(
        EXTENT.pack(int(offset, 0), int(size, 0), int(bar), 0), EXTENT.size)
    request = RESERVE.pack(RESERVE.size, 0, parent.encode(), kind.encode(), b"rogue",
                           uuid.UUID(ident).bytes, 1, EXTENT.size, ctypes.addressof(extent))
    with open("/dev/mdevd", "r+b", buffering=0) as control:
        fcntl.ioctl(control, MDEVD_RESERVE, request)
        with open(f"/sys/class/mdev_bus/{parent}/mdev_supported_types/mdevd-{kind}/create",
                  "w") as create:
            create.write(ident)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as e:
        sys.exit(f"take: {e.strerror} ({e.errno})")
