/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c of mdevdctl; mdevctl.c is that of mdevctl. */
#include <signal.h>

#include "cli/own/own.h"

int main(int argc, char *argv[]) {
        /* `mdevdctl list | head -1` ends without a word; the write says EPIPE */
        (void) signal(SIGPIPE, SIG_IGN);
        return own_main(argc, argv);
}
