#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Owns what the tests need from the distribution: the list of packages, and installing the
# missing ones. Everything else the tests need they build themselves, below the cache.
#
# Idempotent and quick when nothing is missing: no network, no apt.

set -euo pipefail

packages=(
        # the build
        meson ninja-build pkgconf gcc clang libc6-dev make
        libsystemd-dev libjson-c-dev
        # the module, for both kernels, and its checks
        linux-headers-amd64 linux-headers-6.12-amd64 kmod sparse
        linux-source-6.1 linux-source-6.12 xz-utils perl
        # the test VM
        mmdebstrap erofs-utils qemu-system-x86 busybox-static cpio debian-archive-keyring
        # what the host tests run
        python3 dbus polkitd valgrind
        # mdevdctl on a terminal, its pictures, its completion, the manual
        tmux zsh bash-completion libxml2-utils librsvg2-bin mandoc
)

start=$SECONDS
log=

say() {
        printf '[%4ds] %s\n' "$((SECONDS - start))" "$*" >&2
}

# Its output is long and of interest only when it fails.
apt_get() {
        DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@" \
                </dev/null >"$log" 2>&1 && return
        tail -n 40 "$log" >&2
        echo "setup: apt-get $1 failed; its last lines are above." >&2
        exit 1
}

missing() {
        local p status
        for p in "${packages[@]}"; do
                status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
                [[ $status == installed ]] || echo "$p"
        done
}

main() {
        local -a want=()

        [[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] || {
                echo "setup: this is not a Debian system on amd64; the tests need Debian 12" \
                     "(bookworm) on amd64." >&2
                exit 1
        }
        mapfile -t want < <(missing)
        (( ${#want[@]} )) || return 0
        (( EUID == 0 )) || {
                echo "setup: these packages are missing and only root can install them:" \
                     "${want[*]}. Run this as root, or install them first." >&2
                exit 1
        }

        log=$(mktemp)
        trap 'rm -f "$log"' EXIT
        say "updating the package lists"
        apt_get update
        say "installing ${#want[@]} packages: ${want[*]}"
        apt_get install -y --no-install-recommends "${want[@]}"
        say "packages are there"
}

main "$@"
