# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns /dev/mdevd for cases in Python, inside the test VM: the structs of
kmod/include/uapi/mdevd.h that the cases need, and making a device as mdevd would."""

import ctypes
import fcntl
import os
import select
import struct
import time
import uuid

POOL = struct.Struct("=32s4BIQQ")
TYPE_BAR = struct.Struct("=QII")
TYPE = struct.Struct("=32s64sIIHHHHII")
EXTENT = struct.Struct("=QQBB6x")
CONFIGURE = struct.Struct("=II32sIIIIQQ32s")
NAMED = struct.Struct("=II32s")
RESERVE = struct.Struct("=II32s32s64s16sIIQ")
QUERY = struct.Struct("=IIQQQ")
RECORD = struct.Struct("=II")
DEVICE = struct.Struct("=16s32s64sIIQQQQQQ")
EVENT = struct.Struct("=II32s16si16sI")

HOLD = struct.Struct("=II16sII")
RESUME = struct.Struct("=II16s")
MOVE = struct.Struct("=II16sIIQIIQ")

RECORD_DEVICE = 4
EVENT_PARENT_GONE = 2
EVENT_GONE = 6
EVENT_CLOSED = 8
EVENT_CLEAN = 9
EVENT_PARENT_CLOSING = 10
EVENT_RESUMED = 12
EVENT_REVOKED = 15
NOBODY = "00000000-0000-0000-0000-000000000000"
STATE_LIVE, STATE_SCRUBBING, STATE_REVOKED, STATE_SUSPENDED = 1, 2, 4, 5
MOVABLE = 1
MOVE_BACK, MOVE_RELEASE = 1, 2
BAR_64BIT, BAR_PREFETCH = 1, 2
MIB = 1 << 20


def _ioctl(nr, size, read=False):
    return (3 if read else 1) << 30 | size << 16 | ord("m") << 8 | nr


def _write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def bind(parent):
    """Give a PCI function to the module."""
    _write(f"/sys/bus/pci/devices/{parent}/driver_override", "mdevd")
    _write("/sys/bus/pci/drivers_probe", parent)


def pool(name, bar, offset, length, cache=0):
    return POOL.pack(name.encode(), bar, 0, cache, 0, 0, offset, length)


def device_type(name, length, eager=False, flags=0, bar=0, vectors=0):
    """One 64-bit prefetchable BAR."""
    bars = [TYPE_BAR.pack(0, 0, 0)] * 6
    bars[bar] = TYPE_BAR.pack(length, BAR_64BIT | BAR_PREFETCH, 0)
    return TYPE.pack(name.encode(), name.encode(), int(eager), vectors, 0, 0, 0, 0, 0,
                     flags) + b"".join(bars)


class Device:
    """What the module says about one."""

    def __init__(self, data):
        (raw, kind, owner, self.state, self.opened, self.faults, self.huge, self.insertions,
         self.eager, self.mapped, self.pages) = DEVICE.unpack(data[:DEVICE.size])
        self.uuid = str(uuid.UUID(bytes=raw))
        self.type = kind.rstrip(b"\0").decode()
        self.owner = owner.rstrip(b"\0").decode()


class Control:
    def __init__(self):
        self.fd = os.open("/dev/mdevd", os.O_RDWR | os.O_CLOEXEC)
        self.events = b""  # read, and not looked at yet

    def _call(self, nr, data, read=False):
        buf = bytearray(data)
        fcntl.ioctl(self.fd, _ioctl(nr, len(buf), read), buf)
        return bytes(buf)

    def configure(self, parent, pools, types, vendor=""):
        # buffers stay alive until the call has returned
        pools_buf = ctypes.create_string_buffer(b"".join(pools), sum(map(len, pools)))
        types_buf = ctypes.create_string_buffer(b"".join(types), sum(map(len, types)))
        self._call(0xd1, CONFIGURE.pack(CONFIGURE.size, 0, parent.encode(), len(pools), POOL.size,
                                        len(types), len(types[0]), ctypes.addressof(pools_buf),
                                        ctypes.addressof(types_buf), vendor.encode()))

    def unconfigure(self, parent):
        self._call(0xd2, NAMED.pack(NAMED.size, 0, parent.encode()))

    def reserve(self, parent, kind, ident, extents, owner="", guest_bar=0):
        """`extents`: (bar, offset, length) each, all behind one BAR of the device."""
        packed = b"".join(EXTENT.pack(offset, length, bar, guest_bar)
                          for bar, offset, length in extents)
        buf = ctypes.create_string_buffer(packed, len(packed))
        self._call(0xd3, RESERVE.pack(RESERVE.size, 0, parent.encode(), kind.encode(),
                                      owner.encode(), uuid.UUID(ident).bytes, len(extents),
                                      EXTENT.size, ctypes.addressof(buf)))

    def create(self, parent, kind, ident, extents, owner="", guest_bar=0):
        """Returns when its extents are clean: the next CLEAN event follows its first close."""
        self.reserve(parent, kind, ident, extents, owner, guest_bar)
        _write(f"/sys/class/mdev_bus/{parent}/mdev_supported_types/mdevd-{kind}/create", ident)
        self.await_event(EVENT_CLEAN, ident)

    def devices(self):
        """By UUID, in one snapshot."""
        length = struct.unpack_from("=Q", self._call(
            0xd5, QUERY.pack(QUERY.size, 0, 0, 0, 0), True), 24)[0]
        buf = ctypes.create_string_buffer(max(length, 1))
        length = struct.unpack_from("=Q", self._call(
            0xd5, QUERY.pack(QUERY.size, 0, 0, ctypes.addressof(buf), length), True), 24)[0]
        found, at = {}, 0
        while at < length:
            size, kind = RECORD.unpack_from(buf.raw, at)
            if kind == RECORD_DEVICE:
                device = Device(buf.raw[at + RECORD.size:at + size])
                found[device.uuid] = device
            at += size
        return found

    def suspend(self, ident, limit_ms):
        self._call(0xd6, HOLD.pack(HOLD.size, 0, uuid.UUID(ident).bytes, limit_ms, 0))

    def resume(self, ident):
        self._call(0xd7, RESUME.pack(RESUME.size, 0, uuid.UUID(ident).bytes))

    def move(self, ident, bar, offset, flags=0, chunks=0):
        """The device's first extent; returns (longest wait for a chunk in us, bytes there now)."""
        answer = MOVE.unpack(self._call(0xdb, MOVE.pack(
            MOVE.size, flags, uuid.UUID(ident).bytes, 0, bar, offset, chunks, 0, 0), True))
        return answer[7], answer[8]

    def close(self):
        os.close(self.fd)

    def await_event(self, wanted, ident=NOBODY, limit=60):
        """Events come to this descriptor from when it was opened on. Returns the pid in it."""
        deadline = time.monotonic() + limit
        while True:
            while self.events:
                size, kind, _, raw, pid, *_ = EVENT.unpack_from(self.events)
                self.events = self.events[size:]
                if kind == wanted and str(uuid.UUID(bytes=raw)) == ident:
                    return pid
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                break
            self.events = os.read(self.fd, 65536)
        raise TimeoutError(f"no event {wanted} for {ident} within {limit} s")


def remove(ident):
    _write(f"/sys/bus/mdev/devices/{ident}/remove", "1")
