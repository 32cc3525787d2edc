#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare dbus/*.xml with what the daemon shows of itself.

    introspection.py DBUS_FOLDER LIVE_XML...

Each interface of ours must be the same in both: methods, arguments with their names, properties,
signals, annotations. Then every element is changed, dropped and doubled in turn, to show that the
comparison would have seen it.
"""
import copy
import glob
import os
import sys
import xml.etree.ElementTree as ET

PREFIX = "org.mdevd1."
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def shape(element):
    """An element without order among members; the order of arguments counts."""
    annotations = {a.get("name"): a.get("value") for a in element.findall("annotation")}
    if element.tag == "property" and annotations.get(EMITS) == "true":
        del annotations[EMITS]  # the default
    return (element.tag, tuple(sorted((k, v) for k, v in element.attrib.items())),
            tuple(sorted(annotations.items())),
            tuple(shape(a) for a in element.findall("arg")),
            tuple(sorted(shape(c) for c in element if c.tag not in ("arg", "annotation"))))


def interfaces(files):
    found = {}
    for name in files:
        for i in ET.parse(name).getroot().iter("interface"):
            if i.get("name").startswith(PREFIX):
                found.setdefault(i.get("name"), []).append(i)
    return found


def differences(documented, live):
    for name in sorted(set(documented) | set(live)):
        a, b = documented.get(name, []), live.get(name, [])
        if len(a) != 1:
            yield f"{name}: documented {len(a)} times"
        if not b:
            yield f"{name}: the daemon has no such interface"
        for one in a:
            for other in b:
                yield from compare(name, one, other)


def compare(name, one, other):
    left, right = ({shape(m) for m in i} for i in (one, other))
    for m in sorted(left - right):
        yield f"{name}: documented, but not in the daemon: {m}"
    for m in sorted(right - left):
        yield f"{name}: in the daemon, but not documented: {m}"
    if len(one) != len(other):
        yield f"{name}: {len(one)} members documented, {len(other)} in the daemon"


def mutations(tree):
    """Every way to change one thing of an interface, as changed copies."""
    for path in [()] + [p for p in paths(tree)]:
        for change in (drop, double, rename):
            clone = copy.deepcopy(tree)
            if change(clone, path):
                yield clone, f"{change.__name__} {path}"


def paths(element, prefix=()):
    for i, child in enumerate(element):
        yield prefix + (i,)
        yield from paths(child, prefix + (i,))


def at(element, path):
    for i in path:
        element = element[i]
    return element


def drop(tree, path):
    if not path:
        return False
    parent = at(tree, path[:-1])
    parent.remove(parent[path[-1]])
    return True


def double(tree, path):
    # a doubled annotation says the same
    if not path or at(tree, path).tag == "annotation":
        return False
    at(tree, path[:-1]).append(copy.deepcopy(at(tree, path)))
    return True


def rename(tree, path):
    if not path:
        return False
    element = at(tree, path)
    for key in element.attrib:
        element.set(key, element.get(key) + "x")
    return True


def main():
    documented = interfaces(glob.glob(os.path.join(sys.argv[1], "*.xml")))
    live = interfaces(sys.argv[2:])
    wrong = list(differences(documented, live))
    for line in wrong:
        print(line)

    unseen = tried = 0
    for side in (documented, live):
        for name, (tree, *_) in side.items():
            for changed, what in mutations(tree):
                tried += 1
                one, other = (changed, live[name][0]) if side is documented else \
                    (documented[name][0], changed)
                if not list(compare(name, one, other)):
                    print(f"{name}: {what} went unseen")
                    unseen += 1
    print(f"{len(documented)} interfaces, {tried} changes tried")
    return 1 if wrong or unseen or len(documented) < 4 or tried < 100 else 0


sys.exit(main())
