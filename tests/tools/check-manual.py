#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the manual pages say what there is, all of it and nothing else: verbs, options and exit
statuses of mdevdctl, options of mdevd, keys of mdevd.json, what is on the bus, names of errors,
variables of the environment.

    check-manual.py SOURCE MDEVD MDEVDCTL ORG.MDEVD1.5    TAP
    check-manual.py --self-test SOURCE MDEVD MDEVDCTL ORG.MDEVD1.5
            takes from the pages, in turn, a line of each kind and adds one: each must be noticed"""

import glob
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as tree

COMMON = "Takes the options of all verbs that print."
JSON = "Takes the options for JSON."


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout.decode()


def read(*paths):
    text = ""
    for path in paths:
        with open(path, encoding="utf-8") as f:
            text += f.read()
    return text


class Side:
    """Sets of words by kind, of the pages or of the code."""

    def __init__(self):
        self.kinds = {}

    def add(self, kind, words):
        self.kinds.setdefault(kind, set()).update(words)


# ---- the pages ----

def options_in(text):
    return [name for name in re.findall(r"(?m)^\.It Fl (?:\w , )?-([a-z][a-z-]*)", text)
            if name not in ("help", "version") or "check-config" in text]


def sections(text, macro):
    """{title: text}"""
    parts = re.split(rf"(?m)^\.{macro} (.*)\n", text)
    return dict(zip(parts[1::2], parts[2::2]))


def members_in(text):
    return {word for row in re.findall(r"\bVa ((?:\w+ ?,? ?)+)", text)
            for word in re.findall(r"\w+", row)}


def json_in(text):
    """{verb: the members that it prints}, and those of all objects."""
    parts = sections(text, "Ss")
    objects = {}
    for entry in re.split(r"(?m)^\.It Sy ", parts["Objects"])[1:]:
        name, _, rest = entry.partition("\n")
        objects[name] = rest
    verbs = {}
    for entry in re.split(r"(?m)^\.It Cm ", parts["Verbs"])[1:]:
        names, _, rest = entry.partition("\n")
        words = members_in(rest)
        if "Sy all of a device" in rest:
            rest += ".Sy device definition operation"
        for name, described in objects.items():
            if re.search(rf"\bSy [\w ,]*\b{name}\b", rest):
                words |= members_in(described)
        for verb in names.split(" , "):
            verbs[verb] = words
    return verbs, {word for described in objects.values() for word in members_in(described)}


def pages(texts):
    side = Side()
    top = sections(texts["mdevdctl.1"], "Sh")
    verbs = sections(top["VERBS"], "Ss")
    options = sections(top["OPTIONS"], "Ss")
    common, json = options["Options of all verbs that print"], options["Options for JSON"]
    side.add("verb", (title.split()[0] for title in verbs))
    for title, text in verbs.items():
        verb = title.split()[0]
        side.add("usage", [title])
        side.add(f"option of {verb}", options_in(text))
        if COMMON in text:
            side.add(f"option of {verb}", options_in(common))
        if COMMON in text or JSON in text:
            side.add(f"option of {verb}", options_in(json))
    side.add("exit status", re.findall(r"(?m)^\.It (\d+)$", top["EXIT STATUS"]))
    names = re.findall(r"(?m)^\.It Ev (.*)", top["ENVIRONMENT"])
    side.add("variable", (word for row in names for word in row.split(" , ")))
    side.add("JSON of verb", json_in(top["JSON"])[0])
    side.add("option of mdevd", options_in(texts["mdevd.8"]))
    for part in texts["mdevd.json.5"].split('.\\" table: ')[1:]:
        table = part.split("\n")[0]
        side.add("key", (f"{table}: {key}" for key in
                         re.findall(r"(?m)^\.It Cm (\S+)", part.split("\n.El")[0])))
    for title, text in sections(texts["org.mdevd1.5"], "Sh").items():
        for kind, macro in (("method", "Fn"), ("property", "Va")):
            side.add(kind, (f"{title.lower()}.{name}" for name in
                            re.findall(rf"(?m)^\.It {macro} (\w+)", text)))
    side.add("error", re.findall(r"(?m)^\.It Er (\S+)", texts["org.mdevd1.5"]))
    return side


# ---- the code ----

def code_of_mdevdctl(side, program):
    text = run(program, "--help")
    verbs = re.findall(r"(?m)^  ([a-z]+) ", text.split("Commands:")[1].split("Options:")[0])
    for verb in verbs:
        if verb == "help":
            continue
        text = run(program, verb, "--help")
        side.add("verb", [verb])
        usage = re.search(r"(?m)^Usage: mdevdctl (\S+) \[OPTIONS\](.*)$", text)
        side.add("usage", [usage[1] + usage[2]])
        options = re.findall(r"(?m)^  (?:-., |    )--([a-z-]+)", text)
        side.add(f"option of {verb}", (name for name in options if name != "help"))


def code_of_keys(side, source):
    for path in glob.glob(os.path.join(source, "src/config/*.c")):
        for table, text in re.findall(r"static const JsonField (\w+)\[\] = \{(.*?)\n\};",
                                      read(path), re.S):
            if path.endswith(("extras.c", "store.c")):
                continue  # files that mdevd and mdevctl write
            side.add("key", (f"{table}: {key}" for key in
                             re.findall(r'(?m)^        \{ "([^"]+)"', text)))


def code_of_bus(side, source):
    for path in glob.glob(os.path.join(source, "dbus/*.xml")):
        for interface in tree.parse(path).getroot().iter("interface"):
            for kind in ("method", "property"):
                side.add(kind, (f"{interface.get('name')}.{node.get('name')}".lower().replace(
                    node.get("name").lower(), node.get("name")) for node in interface.iter(kind)))
    text = read(*glob.glob(os.path.join(source, "src/bus/*.[ch]")))
    side.add("error", (f"org.mdevd1.Error.{name}" for name in
                       re.findall(r'MDEVD_ERROR_PREFIX "(\w+)"', text)))


def keys_of(value):
    if isinstance(value, dict):
        return set(value).union(*(keys_of(part) for part in value.values()))
    return set().union(*(keys_of(part) for part in value)) if isinstance(value, list) else set()


def json_printed(source):
    """{verb: [names of members, of each thing that it was seen to print]}, by the table of the tests."""
    table = read(os.path.join(source, "tests/cli/own.table"))
    found = {}
    for verb, text in re.findall(r"(?m)^\$ [^|]*?\bmdevdctl (\w+) .*(?:--json|-j\b).*\n((?:.*\n)*?)= \d+$",
                                 table):
        try:
            value = json.loads(re.sub(r":( ?)~", r":\g<1>0", text))
        except ValueError:
            continue  # a text, or what another program made of it
        if isinstance(value, (dict, list)):
            found.setdefault(verb, []).append(keys_of(value))
    return found


def json_differences(texts, source):
    """What is printed is documented for that verb; what is documented is printed, or is in the code that
    prints it."""
    said, objects = json_in(sections(texts["mdevdctl.1"], "Sh")["JSON"])
    printed = json_printed(source)
    assert len(printed) > 15, f"too little JSON in the table: {sorted(printed)}"
    rows = [f"member {word} of {verb} --json is not in the manual" for verb in sorted(printed)
            for word in sorted(set().union(*printed[verb]) - said.get(verb, set()))]
    there = set().union(*(keys for seen in printed.values() for keys in seen))
    own = read(*glob.glob(os.path.join(source, "src/cli/own/*.c")),
               os.path.join(source, "src/bus/describe.c"))
    there |= set(re.findall(r'"(\w+)\\?"', own))
    rows += [f"member {word} of JSON is in the manual and not in the code"
             for word in sorted(objects.union(*said.values()) - there)]
    return rows


def code(source, mdevd, mdevdctl):
    side = Side()
    code_of_mdevdctl(side, mdevdctl)
    options = re.findall(r"(?m)^  (?:-., |    )--([a-z-]+)|\[--([a-z-]+)\]", run(mdevd, "--help"))
    side.add("option of mdevd", (a or b for a, b in options))
    code_of_keys(side, source)
    code_of_bus(side, source)
    side.add("JSON of verb", (verb for verb in side.kinds["verb"]))
    own = read(*glob.glob(os.path.join(source, "src/cli/own/*.[ch]")))
    numbers = re.findall(r"EXIT_[A-Z_]+ = (\d+)", own +
                         read(os.path.join(source, "src/cli/answer.h")))
    side.add("exit status", ["0", *numbers])
    lists = " ".join(re.findall(r"names\[\] = \{([^}]*)\}", own))
    side.add("variable", re.findall(r'(?:getenv|environment)\("([A-Z_]+)"\)', own) +
             re.findall(r'"([A-Z_]+)"', lists) + ["DBUS_SYSTEM_BUS_ADDRESS"])
    return side


# ---- both ----

def differences(said, there):
    rows = []
    for kind in sorted(said.kinds.keys() | there.kinds.keys()):
        a, b = said.kinds.get(kind, set()), there.kinds.get(kind, set())
        rows += [f"{kind} {word} is not in the manual" for word in sorted(b - a)]
        rows += [f"{kind} {word} is in the manual and not in the code" for word in sorted(a - b)]
    return rows


def lint(paths):
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *paths], check=False,
                          stdout=subprocess.PIPE)
    return done.stdout.decode().split("\n")[:-1]


def main(args):
    source, mdevd, mdevdctl, bus = args
    paths = [os.path.join(source, "man", name) for name in
             ("mdevd.8", "mdevd.json.5", "mdevdctl.1")] + [bus]
    texts = {os.path.basename(path): read(path) for path in paths}
    there = code(source, mdevd, mdevdctl)
    rows = differences(pages(texts), there) + json_differences(texts, source)
    assert all(there.kinds.get(kind) for kind in ("verb", "key", "method", "error", "variable"))
    problems = lint(paths)
    for number, (name, found) in enumerate((("manual and code agree", rows),
                                            ("mandoc has no warning", problems)), 1):
        print(f"{'not ok' if found else 'ok'} {number} - {name}")
        print("".join(f"# {row}\n" for row in found), end="")
    print("1..2")
    return 1 if rows or problems else 0


MUTATIONS = (
    ("mdevdctl.1", ".Ss undefine <UUID>\n", ""), ("mdevdctl.1", ".Ss stop", ".Ss stopp"),
    ("mdevdctl.1", ".It Fl -insist\n", ""), ("mdevdctl.1", ".It 3\n", ""),
    ("mdevdctl.1", ".Va what , remedy , warning", ".Va what , warning"),
    ("mdevdctl.1", ".Va version", ".Va versions"), ("mdevdctl.1", ".It Cm top", ".It Cm tops"),
    ("mdevdctl.1", ".It Fl -svg", ".It Fl -svgz"), ("mdevdctl.1", ".It Ev NO_COLOR\n", ""),
    ("mdevd.8", ".It Fl -bus-introspect\n", ""), ("mdevd.json.5", ".It Cm pause_max\n", ""),
    ("mdevd.json.5", ".It Cm slot\n", ".It Cm slots\n"),
    ("org.mdevd1.5", ".It Fn Reload\n", ""), ("org.mdevd1.5", ".It Va Opened", ".It Va Open"),
    ("org.mdevd1.5", ".It Er org.mdevd1.Error.Busy\n", ""),
)


def self_test(args):
    source, mdevd, mdevdctl, bus = args
    there = code(source, mdevd, mdevdctl)
    failed = 0
    for number, (page, old, new) in enumerate(MUTATIONS, 1):
        texts = {name: read(os.path.join(source, "man", name)) for name in
                 ("mdevd.8", "mdevd.json.5", "mdevdctl.1")}
        texts["org.mdevd1.5"] = read(bus)
        good = old in texts[page]
        texts[page] = texts[page].replace(old, new)
        good = good and bool(differences(pages(texts), there) + json_differences(texts, source))
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {page}: {old.strip()} -> {new.strip()}")
    print(f"1..{len(MUTATIONS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(self_test(sys.argv[2:]) if sys.argv[1] == "--self-test" else main(sys.argv[1:]))
