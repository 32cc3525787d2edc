#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Has every method been called with success, and every error been returned?

    coverage.py DBUS_FOLDER DAEMON RECORD...

The XML says what there is: the methods of our interfaces, and the errors in the text of the Manager
(lines "org.mdevd1.Error.NAME: meaning"). A record is what one of the bus tests called and was
answered, "INTERFACE.MEMBER ok" or "INTERFACE.MEMBER ERROR" a line; it must be of this build. Who runs
this alone has to run the others first. At the end each thing is left out of the records in turn, to
show that its absence would be noticed.
"""
import glob
import os
import re
import sys
import xml.etree.ElementTree as ET

PREFIX = "org.mdevd1."

# What no call returns: it is only the ErrorName of an operation that nobody calls for.
ONLY_OPERATIONS = {
    "org.mdevd1.Error.NotSupported",  # a module that cannot do what the configuration wants
    "org.mdevd1.Error.NotReady",  # a parent that its driver does not take
}


def wanted(folder):
    methods, errors = set(), set()
    for name in sorted(glob.glob(os.path.join(folder, "*.xml"))):
        for i in ET.parse(name).getroot().iter("interface"):
            methods |= {f"{i.get('name')}.{m.get('name')}" for m in i.iter("method")}
        with open(name, encoding="utf-8") as f:
            errors |= set(re.findall(r"^\s*(org\.mdevd1\.Error\.\w+):", f.read(), re.M))
    return {m for m in methods if m.startswith(PREFIX)}, errors - ONLY_OPERATIONS


def seen(records, daemon):
    answers = set()
    for name in records:
        if not os.path.exists(name) or os.path.getmtime(name) < os.path.getmtime(daemon):
            sys.exit(f"not ok - {name} is missing or older than the daemon: run the whole suite bus")
        with open(name, encoding="utf-8") as f:
            answers |= {tuple(line.split()) for line in f}
    return answers


def gaps(methods, errors, answers):
    called = {call for call, answer in answers if answer == "ok"}
    returned = {answer for _, answer in answers}
    return sorted(f"{m} was never called with success" for m in methods - called) + \
        sorted(f"{e} was never returned" for e in errors - returned)


def main(folder, daemon, *records):
    methods, errors = wanted(folder)
    answers = seen(records, daemon)
    missing = gaps(methods, errors, answers)
    print(f"# {len(methods)} methods, {len(errors)} errors; {len(answers)} kinds of answers")
    for gap in missing:
        print(f"# {gap}")
    print(f"{'not ' if missing else ''}ok 1 - every method and every error is in a test")
    blind = [m for m in methods if not gaps(methods, errors, {a for a in answers if a[0] != m})]
    blind += [e for e in errors if not gaps(methods, errors, {a for a in answers if a[1] != e})]
    print(f"{'not ' if blind or not methods or not errors else ''}ok 2 - a gap would be seen")
    print("1..2")
    return 1 if missing or blind else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
