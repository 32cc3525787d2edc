/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c of mdevdctl, which is mdevctl when called so; what is installed under that name is
 * mdevctl.c, the same without the rest.
 */
#include <signal.h>

#include "cli/compat.h"
#include "cli/own/own.h"

int main(int argc, char *argv[]) {
        if (compat_is_called(argc, argv))
                return compat_main(argc, argv);

        /* `mdevdctl list | head -1` ends without a word; the write says EPIPE */
        (void) signal(SIGPIPE, SIG_IGN);
        return own_main(argc, argv);
}
