/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mdevctl.c: what mdevdctl does when it is called "mdevctl" or "lsmdev", as a program that is
 * called nothing else. It is started so often, by scripts and by libvirt, that it must not load
 * libsystemd: a test looks that it does not.
 */
#include "cli/compat.h"

int main(int argc, char *argv[]) {
        return compat_main(argc, argv);
}
