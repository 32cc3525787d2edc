# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owns what a test case of the VM is: an executable in tests/vm/cases whose first comment lines
say what it needs."""

import os
import re

import debian13
import debugkernel
import kernels
import machine
from progress import Failure

FIELD = re.compile(r"^# (timeout|long|kernel|machine): *(.*)$")
DEFAULT_LIMIT = 120


class Case:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).rsplit(".", 1)[0]
        self.label = re.sub(r"^\d+-", "", self.name)  # the number is for the order only
        self.limit = DEFAULT_LIMIT
        self.long = False
        self.kernels = list(kernels.SERIES)
        self.features = ()
        self.summary = ""
        with open(path, encoding="utf-8") as f:
            self._read(f.read(8192).splitlines()[1:])

    def _read(self, lines):
        for line in lines:
            if not line.startswith("#"):
                break
            field = FIELD.match(line)
            if field:
                self._field(*field.groups())
            elif not self.summary and "SPDX" not in line and line.strip("# "):
                self.summary = line.strip("# ")

    def _field(self, key, value):
        where = f"{self.path}: `# {key}: {value}`"
        if key == "timeout":
            if not value.isdigit():
                raise Failure(f"{where} is not a number of seconds")
            self.limit = int(value)
        elif key == "long":
            if value not in ("yes", "no"):
                raise Failure(f"{where} is neither yes nor no")
            self.long = value == "yes"
        elif key == "kernel":
            self.kernels = self._words(where, value, (*kernels.SERIES, debian13.NAME,
                                                      debugkernel.NAME))
        elif key == "machine":
            self.features = tuple(sorted(self._words(where, value, machine.FEATURES)))

    def runs_on(self, series):
        """The debug kernel runs its own cases and those of the kernel that it is made from."""
        return series in self.kernels or (series == debugkernel.NAME and
                                          debugkernel.BASE in self.kernels)

    @staticmethod
    def _words(where, value, known):
        words = value.split()
        for word in words:
            if word not in known:
                raise Failure(f"{where}: '{word}' is unknown; known: {' '.join(known)}")
        return words


def discover(folder):
    """All cases of a folder, in the order of their names."""
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or name.startswith(".") or name.endswith("~"):
            continue
        if not os.access(path, os.X_OK):
            raise Failure(f"{path} is not executable, so it would never be run as a case; "
                          f"chmod +x it, or move what is no case elsewhere.")
        found.append(Case(path))
    labels = [c.label for c in found]
    for label in labels:
        if labels.count(label) > 1:
            raise Failure(f"{folder} has two cases called '{label}'; rename one.")
    return found
