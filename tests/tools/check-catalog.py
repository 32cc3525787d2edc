#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare the MESSAGE_IDs of the daemon with the entries of its journal catalogue.

    check-catalog.py LOG_IDS_H CATALOG
    check-catalog.py --self-test
"""

import re
import sys

HEADER = "Subject: s\nDefined-By: mdevd\n\ntext\n"


def compare(ids_text, catalog_text):
    """What is wrong, one sentence each."""
    wrong = []
    names = re.findall(r'^#define LOG_ID_(\w+) "([^"]*)"$', ids_text, re.MULTILINE)
    ids = [i for _, i in names]
    wrong += [f"LOG_ID_{n}: {i} is no MESSAGE_ID (32 small hexadecimal digits)"
              for n, i in names if not re.fullmatch("[0-9a-f]{32}", i)]
    wrong += [f"LOG_ID_{n} has the id of another" for n, i in names if ids.count(i) > 1]
    entries = re.split(r"^-- ([0-9a-f]{32})$", catalog_text, flags=re.MULTILINE)[1:]
    entries = list(zip(entries[::2], entries[1::2]))
    known = [i for i, _ in entries]
    wrong += [f"LOG_ID_{n} ({i}) has no entry" for n, i in names if i not in known]
    wrong += [f"entry {i} is of no LOG_ID" for i in known if i not in ids]
    wrong += [f"entry {i} is there twice" for i in set(known) if known.count(i) > 1]
    wrong += [f"entry {i} wants Subject, Defined-By, an empty line, and a text" for i, text in entries
              if not re.match(r"\nSubject: .+\nDefined-By: mdevd\n\n\S", text)]
    return wrong if names else ["there is no LOG_ID"]


def self_test():
    a, b = "a" * 32, "b" * 32
    ids = f'#define LOG_ID_A "{a}"\n#define LOG_ID_B "{b}"\n'
    good = f"-- {a}\n{HEADER}\n-- {b}\n{HEADER}"
    bad = [(ids, f"-- {a}\n{HEADER}"), (ids, good + f"-- {'c' * 32}\n{HEADER}"),
           (ids, good + f"-- {a}\n{HEADER}"), (ids.replace(b, a), good), (ids.replace(b, "x"), good),
           (ids, good.replace("Subject: s\n", "", 1)), ("", "")]
    return not compare(ids, good) and all(compare(*case) for case in bad)


def main(argv):
    if argv == ["--self-test"]:
        return 0 if self_test() else "the self-test failed: it does not see what is wrong"
    texts = []
    for path in argv:
        with open(path, encoding="utf-8") as f:
            texts.append(f.read())
    return "\n".join(compare(*texts)) or 0


sys.exit(main(sys.argv[1:]))
