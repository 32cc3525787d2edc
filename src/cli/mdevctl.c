/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mdevctl.c: which program it was called as: "mdevctl" or "lsmdev", with their commands and nothing
 * of ours; libvirt and people's scripts cannot tell. It is a program of its own because it is
 * started so often, and so must not load libsystemd: a test looks that it does not.
 */
#include <signal.h>

#include "cli/compat.h"
#include "util/macro.h"

int main(int argc, char *argv[]) {
        const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
        const char *name = argc > 0 ? slash ? slash + 1 : argv[0] : "mdevctl";

        /* `mdevctl list | head -1` ends without a word; the write says EPIPE */
        (void) signal(SIGPIPE, SIG_IGN);
        /* a thousand devices are a few writes, and a sentence is one */
        (void) setvbuf(stdout, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, 1 << 16);
        (void) setvbuf(stderr, NULL, _IOLBF, 0);
        return streq(name, "lsmdev") ? compat_lsmdev(argc, argv) : compat_mdevctl(argc, argv);
}
