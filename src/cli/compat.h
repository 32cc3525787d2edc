/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compat.h: the commands of mdevctl 1.4.0 and of lsmdev. Exit status 0, 1 (it failed, with one
 * "Error:" line) or 2 (the command line is wrong), as theirs.
 */
#pragma once

#include <stdbool.h>

/* Is the program called "mdevctl" or "lsmdev", in whatever folder? */
bool compat_is_called(int argc, char *argv[]);
/* As which it was called says which it is; what is neither is mdevctl. Returns the exit status. */
int compat_main(int argc, char *argv[]);
int compat_mdevctl(int argc, char *argv[]);
int compat_lsmdev(int argc, char *argv[]);
