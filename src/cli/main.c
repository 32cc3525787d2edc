/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c of mdevdctl: which program it was called as. As "mdevctl" or "lsmdev" it is these, with
 * their commands and nothing of ours; libvirt and people's scripts cannot tell.
 */
#include <signal.h>

#include "cli/compat.h"
#include "cli/own/own.h"
#include "util/macro.h"

int main(int argc, char *argv[]) {
        const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
        const char *name = argc > 0 ? slash ? slash + 1 : argv[0] : "mdevdctl";

        /* `mdevctl list | head -1` ends without a word; the write says EPIPE */
        (void) signal(SIGPIPE, SIG_IGN);
        if (streq(name, "lsmdev"))
                return compat_lsmdev(argc, argv);
        if (streq(name, "mdevctl"))
                return compat_mdevctl(argc, argv);
        return own_main(argc, argv);
}
