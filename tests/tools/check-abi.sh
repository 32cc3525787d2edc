#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check-abi.sh KMOD: every attribute and parameter in its source has a page in KMOD/ABI, and every struct
# of its headers is documented member by member.

set -euo pipefail
kmod=$1
status=0

complain() {
        echo "check-abi: $*"
        status=1
}

names=$(sed -nE 's/^static DEVICE_ATTR[A-Z_]*\((\w+)\);/mdevd\/\1/p
                 s/^module_param(_cb|_named)?\((\w+),.*/parameters\/\2/p' "$kmod"/*.c "$kmod"/vendor/*.c)
[[ $names ]] || complain "no attribute was found in $kmod: is it the module's folder?"
for name in $names; do
        grep -qE "^What:.*/$name\$" "$kmod"/ABI/* || complain "no page in $kmod/ABI for $name"
done

awk '
        /^\/\*\*/ { doc = ""; in_doc = 1 }
        in_doc { doc = doc $0 "\n" }
        /\*\// { in_doc = 0 }
        /^struct [a-z_]+ \{/ {
                name = $2
                if (index(doc, "struct " name " - ") == 0)
                        print FILENAME ": struct " name " has no kernel-doc"
                else {
                        in_struct = 1
                        members = ""
                }
                next
        }
        in_struct && /^\}/ { in_struct = 0; doc = "" }
        in_struct && /^\t[^\t].*;/ {
                line = $0
                sub(/\/\*.*/, "", line)
                if (line ~ /\(\*[a-z_]+\)/) {
                        match(line, /\(\*[a-z_]+\)/)
                        member = substr(line, RSTART + 2, RLENGTH - 3)
                } else {
                        sub(/(\[[^]]*\])+;.*/, ";", line)
                        sub(/;.*/, "", line)
                        n = split(line, words, /[ \t*]+/)
                        member = words[n]
                }
                if (member !~ /^[a-z_0-9]+$/ || member == "__reserved")
                        next
                if (index(doc, "@" member ":") == 0)
                        print FILENAME ": @" member " of struct " name " is not documented"
        }
' "$kmod"/*.h "$kmod"/vendor/*.h "$kmod"/include/uapi/*.h >"${TMPDIR:-/tmp}/check-abi.$$" || status=1
if [[ -s ${TMPDIR:-/tmp}/check-abi.$$ ]]; then
        cat "${TMPDIR:-/tmp}/check-abi.$$"
        status=1
fi
rm -f "${TMPDIR:-/tmp}/check-abi.$$"
exit $status
