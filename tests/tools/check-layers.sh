#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Greps the #include lines of src/ against the arrows of ARCHITECTURE.md and says which point where
# they must not. `check-layers.sh SRC` checks a tree; `--self-test` proves that it can fail.
set -euo pipefail

# What each layer may include: itself and all that its arrows reach. "main" is every file of src/
# itself but names.h, which may include nothing of ours.
declare -A may=(
    [names.h]=""
    [util]="util"
    [model]="model util"
    [policy]="policy model util"
    [config]="config model util"
    [offline]="offline policy config sysfs model util"
    [sysfs]="sysfs model util"
    [callout]="callout model util"
    [backend]="backend callout sysfs model util"
    [core]="core policy config backend callout sysfs model util"
    [bus]="bus core policy config backend callout sysfs model util"
    [cli]="cli offline config callout sysfs model util"
    [main]="bus core offline policy config backend callout sysfs model util"
)

# Libraries that only some layers may know.
declare -A only=(
    ["systemd/sd-bus.h"]="bus cli main"
    ["systemd/sd-event.h"]="backend core bus cli main"
    ["libudev.h"]="backend"
    ["json-c/"]="util backend"
    ["mdevd.h"]="backend core"
)

has() {
    [[ " $1 " == *" $2 "* ]]
}

# One sentence for each wrong include. No process is started for a line: there are hundreds.
check() {
    local src=$1 wrong=0 seen=0 file layer line number text included key
    local pattern='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]+)[>"]'
    while IFS=: read -r file number text; do
        file=${file#"$src"/}
        seen=$((seen + 1))
        case $file in
        names.h) layer=names.h ;;
        */*) layer=${file%%/*} ;;
        *) layer=main ;;
        esac
        if [[ ! $text =~ $pattern ]]; then
            echo "$file:$number: expected an include that names its file"
            wrong=$((wrong + 1))
            continue
        fi
        included=${BASH_REMATCH[1]}
        if [[ ! -v may[$layer] ]]; then
            echo "$file:$number: expected a layer of ARCHITECTURE.md, found \"$layer\""
            wrong=$((wrong + 1))
            continue
        fi
        if [[ $included == *..* || $included == /* ]]; then
            echo "$file:$number: expected a path from src/, found \"$included\""
            wrong=$((wrong + 1))
            continue
        fi

        line=${included%%/*}
        if [[ -v may[$line] && $line != names.h ]] || [[ $text == *\"* && $included == */* ]]; then
            if ! has "${may[$layer]}" "$line"; then
                echo "$file:$number: $layer must not include \"$included\""
                wrong=$((wrong + 1))
            fi
        elif [[ $included == names.h ]]; then
            if [[ $layer == names.h ]]; then
                echo "$file:$number: names.h must not include itself"
                wrong=$((wrong + 1))
            fi
        elif [[ $text == *\"* ]]; then
            echo "$file:$number: expected \"layer/noun.h\" or \"names.h\", found \"$included\""
            wrong=$((wrong + 1))
        fi

        for key in "${!only[@]}"; do
            if [[ $included == "$key"* ]] && ! has "${only[$key]}" "$layer"; then
                echo "$file:$number: $layer must not include <$included>"
                wrong=$((wrong + 1))
            fi
        done
    done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.[ch]' "$src")

    if [[ $seen -eq 0 ]]; then
        echo "$src: expected C files, found none"
        return 1
    fi
    [[ $wrong -eq 0 ]]
}

# Each line: a file, an include that must be refused there.
bad_includes() {
    cat <<'BAD'
util/a.c #include "model/parent.h"
util/a.c #include <model/parent.h>
util/a.c   #  include   "core/manager.h"
model/a.h #include "config/config.h"
policy/a.c #include "config/config.h"
offline/a.c #include "core/manager.h"
core/a.c #include "offline/offline.h"
policy/a.c #include "backend/worker.h"
config/a.c #include "policy/policy.h"
config/a.c #include "sysfs/sysfs.h"
sysfs/a.c #include "backend/kmod.h"
callout/a.c #include "config/store.h"
callout/a.c #include "backend/worker.h"
backend/a.c #include "core/operation.h"
backend/a.c #include "config/config.h"
core/a.c #include "bus/bus.h"
bus/a.c #include "cli/verb.h"
cli/a.c #include "core/manager.h"
cli/a.c #include "backend/worker.h"
main.c #include "cli/verb.h"
names.h #include "util/macro.h"
names.h #include "names.h"
model/a.c #include "../core/manager.h"
model/a.c #include "parent.h"
novel/a.c #include "util/macro.h"
model/a.c #include "novel/a.h"
core/a.c #include <systemd/sd-bus.h>
model/a.c #include <systemd/sd-event.h>
core/a.c #include <libudev.h>
config/a.c #include <json-c/json.h>
config/a.c #include <json-c/json_object.h>
policy/a.c #include <mdevd.h>
util/a.c #include HEADER
BAD
}

# A tree of one file with one bad line fails, whichever it is; with good ones it passes.
self_test() {
    local tree n=0 file include
    tree=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$tree'" EXIT

    try() {
        rm -rf "${tree:?}/src"
        mkdir -p "$tree/src/$(dirname "$1")"
        printf '#include <stdio.h>\n%s\n' "$2" >"$tree/src/$1"
        check "$tree/src" >"$tree/out"
    }

    while read -r file include; do
        n=$((n + 1))
        if try "$file" "$include"; then
            echo "not ok $n - $file: $include was not refused"
            return 1
        fi
        if ! grep -q "^$file:2:" "$tree/out"; then
            echo "not ok $n - $file and its line are not named:"
            sed 's/^/# /' "$tree/out"
            return 1
        fi
        echo "ok $n - refused in $file: $include"
    done < <(bad_includes)

    n=$((n + 1))
    if ! try main.c '#include "bus/bus.h"' || ! try cli/a.c '#include "sysfs/sysfs.h"' ||
        ! try bus/a.c '#include "names.h"' || ! try bus/a.c '#include <stdio.h>'; then
        echo "not ok $n - a good include was refused:"
        sed 's/^/# /' "$tree/out"
        return 1
    fi
    echo "ok $n - good includes pass"

    n=$((n + 1))
    mkdir "$tree/empty"
    if check "$tree/empty" >/dev/null; then
        echo "not ok $n - an empty tree passed"
        return 1
    fi
    echo "ok $n - an empty tree is no success"
    echo "1..$n"
}

case ${1-} in
--self-test) self_test ;;
*) check "${1:?"usage: check-layers.sh --self-test | SRC"}" ;;
esac
