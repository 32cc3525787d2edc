#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the manual page org.mdevd1(5) of the documented interfaces in dbus/.

    org.mdevd1.py FILE...    the XML files; the page goes to stdout"""

import re
import sys
import xml.etree.ElementTree as tree

HEAD = r""".\" SPDX-License-Identifier: LGPL-2.1-or-later
.\" Made by man/org.mdevd1.py of dbus/*.xml: change those.
.Dd November 26, 2026
.Dt ORG.MDEVD1 5
.Os
.Sh NAME
.Nm org.mdevd1
.Nd the D-Bus interfaces of mdevd
.Sh DESCRIPTION
.Xr mdevd 8
is on the system bus as
.Nm .
Types of arguments are D-Bus signatures.
Without libraries:
.Bd -literal -offset indent
busctl call org.mdevd1 /org/mdevd1 org.mdevd1.Manager \e
    CreateDevice \(aqssa{sv}\(aq \(aq\(aq fb-16M 1 owner s vm1
.Ed
"""
TAIL = r""".Sh SEE ALSO
.Xr busctl 1 ,
.Xr mdevdctl 1 ,
.Xr mdevd.json 5 ,
.Xr mdevd 8
"""


def escape(text):
    text = text.replace("\\", "\\e")
    return "\\&" + text if text.startswith((".", "'")) else text


def paragraphs(text):
    """Of a comment: each as one line; each option, "name (type): …", is one."""
    parts = re.split(r"\n\s*\n|\n(?=\w+ \([\w(){}]+\)[,:])", text.strip())
    return [" ".join(part.split()) for part in parts if part.strip()]


def print_text(parts):
    for number, part in enumerate(parts):
        if number:
            print(".Pp")
        for sentence in re.split(r"(?<=[\w)]\.) (?=[A-Z])", part):
            print(escape(sentence))


def signature(node):
    words = [(a.get("direction", "in"), f"{a.get('type')} {a.get('name')}") for a in node.iter("arg")]
    given = ", ".join(word for way, word in words if way == "in")
    answer = ", ".join(word for way, word in words if way == "out")
    return f"({given})" + (f" -> ({answer})" if answer else "")


def print_error(part):
    name, _, rest = part.partition(": ")
    print(f".It Er {name}")
    print_text([rest])


def print_interface(text, errors):
    """The comment before it is about all of it; lists of errors are kept for their own section."""
    parts = paragraphs(text.partition("\n\n")[2])
    plain = []
    for part in parts:
        names = re.split(r" (?=org\.mdevd1\.Error\.\w+: )", part)
        if part.startswith("org.mdevd1.Error."):
            errors += names
        else:
            plain.append(part)
    print_text(plain)


def print_member(node, comment):
    lines = comment.split("\n\n", 1)
    args = re.findall(r"@(\w+): ((?:.|\n)*?)(?=\n\s*@|\Z)", lines[0])
    if node.tag == "method":
        print(f".It Fn {node.get('name')}\n.Li {escape(signature(node))}\n.Pp")
    else:
        print(f".It Va {node.get('name')} Li {node.get('type')}")
    if len(lines) > 1:
        print_text(paragraphs(lines[1]))
    if args:
        print(".Bl -tag -width Ds -compact")
        for name, text in args:
            print(f".It Ar {name}\n{escape(' '.join(text.split()))}")
        print(".El")


def print_file(path, errors):
    parser = tree.XMLParser(target=tree.TreeBuilder(insert_comments=True))
    comment, begun = "", None

    def walk(node):
        nonlocal comment, begun
        for child in node:
            if child.tag is tree.Comment:
                comment = re.sub(r"(?m)^ +", "", child.text).strip()
                continue
            if child.tag == "interface":
                print(f".Sh {child.get('name').upper()}")
                print_interface(comment, errors)
            if child.tag in ("method", "property"):
                if begun != child.tag:
                    if begun:
                        print(".El")
                    print(f".Ss {'Methods' if child.tag == 'method' else 'Properties'}")
                    print(".Bl -tag -width Ds")
                begun = child.tag
                print_member(child, comment)
            else:
                walk(child)

    walk(tree.parse(path, parser).getroot())
    if begun:
        print(".El")


def main():
    errors = []
    print(HEAD, end="")
    for path in sys.argv[1:]:
        print_file(path, errors)
    print(".Sh ERROR NAMES\n.Bl -tag -width Ds")
    for part in errors:
        print_error(part)
    print(f".El\n{TAIL}", end="")


if __name__ == "__main__":
    main()
