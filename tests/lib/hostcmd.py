# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns what the VM may ask of the host by its command `host`: looking at the files behind the
parents' BARs, which is the proof of which physical bytes changed, and QEMU's monitor."""

import hashlib
import json

import machine
from doorbell import VECTORS
from qmp import QmpError

HELP = """host: what the machine around this VM can be asked
  host list                      names and sizes of the memory behind the parents
  host fill NAME OFF LEN BYTE    set the bytes [OFF, OFF+LEN) to BYTE
  host sum NAME OFF LEN          sha256 of the range, in hex
  host check NAME OFF LEN PATTERN
                                 is all of the range the 8-byte little-endian PATTERN, repeated?
                                 prints the first difference and fails when it is not
  host read NAME OFF LEN         the bytes, in hex (at most 4096)
  host diff NAME BYTE            the ranges of the file that are not BYTE, one `OFF LEN` a line
  host qmp JSON                  one QMP command to the VM's own QEMU, its answer as JSON
  host event NAME [SECONDS]      wait for a QMP event of that name (60 s), prints it as JSON
  host unplug NAME               ask the VM to let go of that parent, wait until it has
  host plug NAME                 put it in again, with its memory as it is
  host ring VECTOR               raise that MSI-X vector of the doorbell device
Numbers may be decimal or 0x…, with a suffix K or M. A PATTERN is a number.
"""

CHUNK = 1 << 20


class Refused(Exception):
    pass


def number(text):
    scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    try:
        return int(text[:-1] if scale > 1 else text, 0) * scale
    except ValueError as e:
        raise Refused(f"'{text}' is not a number") from e


class HostCommands:
    """`memory` maps a name to (path, size)."""

    def __init__(self, memory, qmp, doorbell=None):
        self.memory = memory
        self.doorbell = doorbell
        self.plugged = 0
        self.qmp = qmp  # () -> Qmp

    def __call__(self, argv):
        table = {"list": self._list, "fill": self._fill, "sum": self._sum, "check": self._check,
                 "read": self._read, "diff": self._diff, "qmp": self._qmp, "event": self._event,
                 "ring": self._ring, "unplug": self._unplug, "plug": self._plug}
        verb = argv[0] if argv else "help"
        if verb == "help":
            return 0, HELP.encode()
        if verb not in table:
            return 2, f"host: no verb '{verb}'; try: host help\n".encode()
        try:
            status, text = table[verb](*argv[1:])
            return status, text.encode()
        except TypeError:
            return 2, f"host: wrong number of arguments for '{verb}'; try: host help\n".encode()
        except (Refused, QmpError, OSError) as e:
            return 2, f"host: {e}\n".encode()

    def _range(self, name, off, length):
        if name not in self.memory:
            raise Refused(f"there is no memory '{name}'; there is: {' '.join(self.memory)}")
        path, size = self.memory[name]
        off, length = number(off), number(length)
        if off < 0 or length <= 0 or off + length > size:
            raise Refused(f"[{off:#x}, {off + length:#x}) is not inside {name}, "
                          f"which has {size:#x} bytes")
        return path, off, length

    def _list(self):
        return 0, "".join(f"{name} {size}\n" for name, (_, size) in self.memory.items())

    def _fill(self, name, off, length, byte):
        path, off, length = self._range(name, off, length)
        value = number(byte)
        if not 0 <= value <= 255:
            raise Refused(f"'{byte}' is not a byte")
        with open(path, "r+b") as f:
            f.seek(off)
            for done in range(0, length, CHUNK):
                f.write(bytes([value]) * min(CHUNK, length - done))
        return 0, ""

    def _chunks(self, path, off, length):
        with open(path, "rb") as f:
            f.seek(off)
            for done in range(0, length, CHUNK):
                data = f.read(min(CHUNK, length - done))
                yield off + done, data

    def _sum(self, name, off, length):
        h = hashlib.sha256()
        for _, data in self._chunks(*self._range(name, off, length)):
            h.update(data)
        return 0, h.hexdigest() + "\n"

    def _check(self, name, off, length, pattern):
        path, off, length = self._range(name, off, length)
        if off % 8 or length % 8:
            raise Refused("offset and length of a check must be multiples of 8")
        word = (number(pattern) & (1 << 64) - 1).to_bytes(8, "little")
        for at, data in self._chunks(path, off, length):
            if data == word * (len(data) // 8):
                continue
            for i in range(0, len(data), 8):
                if data[i:i + 8] != word:
                    got = int.from_bytes(data[i:i + 8], "little")
                    return 1, (f"{name} at {at + i:#x}: {got:#018x} instead of "
                               f"{int.from_bytes(word, 'little'):#018x}\n")
        return 0, "ok\n"

    def _read(self, name, off, length):
        path, off, length = self._range(name, off, length)
        if length > 4096:
            raise Refused("at most 4096 bytes can be read at once")
        return 0, b"".join(d for _, d in self._chunks(path, off, length)).hex() + "\n"

    def _diff(self, name, byte):
        path, off, length = self._range(name, "0", str(self.memory.get(name, (0, 1))[1]))
        value = number(byte)
        ranges = []
        for at, data in self._chunks(path, off, length):
            if data.count(value) == len(data):
                continue
            for i in range(0, len(data), 4096):
                page = data[i:i + 4096]
                if page.count(value) != len(page):
                    _note(ranges, at + i, page, value)
        return 0, "".join(f"{a:#x} {b - a:#x}\n" for a, b in ranges)

    def _qmp(self, text):
        try:
            message = json.loads(text)
        except ValueError as e:
            raise Refused(f"this is not JSON: {e}") from e
        answer = self.qmp().execute(message)
        return (1 if "error" in answer else 0), json.dumps(answer) + "\n"

    def _parent(self, name):
        names = [name for name, _ in machine.PARENTS]
        if name not in names:
            raise Refused(f"there is no parent '{name}'; there is: {' '.join(names)}")
        return names.index(name)

    def _unplug(self, name):
        if name != "card" or name not in self.memory:
            self._parent(name)
        self.qmp().command("device_del", id=name)
        self.qmp().wait_event(lambda e: e["event"] == "DEVICE_DELETED" and
                              e["data"].get("device") == name)
        return 0, ""

    def _plug(self, name):
        slot = self._parent(name)
        path, size = self.memory[name]
        self.plugged += 1
        # a backend of its own each time: QEMU 7.2 aborts when ivshmem is given one again
        backend = f"mem-{name}-{self.plugged}"
        self.qmp().command("object-add", **{"qom-type": "memory-backend-file", "id": backend,
                                            "share": True, "mem-path": path, "size": size})
        self.qmp().command("device_add", driver="ivshmem-plain", id=name, memdev=backend,
                           bus=f"rp{slot}")
        return 0, ""

    def _ring(self, vector):
        if not self.doorbell:
            raise Refused("this VM has no doorbell device; the case must say `# machine: doorbell`")
        vector = number(vector)
        if not 0 <= vector < VECTORS:
            raise Refused(f"{vector} is not a vector; there are {VECTORS}, from 0 on")
        self.doorbell.ring(vector)
        return 0, ""

    def _event(self, name, seconds="60"):
        event = self.qmp().wait_event(lambda e: e["event"] == name, number(seconds))
        return 0, json.dumps(event) + "\n"


def _note(ranges, at, page, value):
    """Add the parts of a page that are not the value, joining what touches."""
    i = 0
    while i < len(page):
        if page[i] == value:
            i += 1
            continue
        end = i
        while end < len(page) and page[end] != value:
            end += 1
        if ranges and ranges[-1][1] == at + i:
            ranges[-1] = (ranges[-1][0], at + end)
        else:
            ranges.append((at + i, at + end))
        i = end
