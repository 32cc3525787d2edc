#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds the nested guest: build.sh OUT. Freestanding 32-bit code needs no 32-bit libraries.

set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cc=${CC:-gcc}
flags=(-m32 -std=gnu17 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -ffreestanding -nostdlib
       -fno-pic -fno-pie -static -fno-stack-protector -fno-asynchronous-unwind-tables
       -mgeneral-regs-only -fcf-protection=none -Wl,--build-id=none -Wl,-z,noexecstack)
exec "$cc" "${flags[@]}" -T "$here/guest.ld" -o "$1" "$here"/start.S "$here"/*.c
