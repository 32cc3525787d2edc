/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compat.h: the commands of mdevctl 1.4.0 and of lsmdev. Exit status 0, 1 (it failed, with one
 * "Error:" line) or 2 (the command line is wrong), as theirs.
 */
#pragma once

int compat_mdevctl(int argc, char *argv[]);
int compat_lsmdev(int argc, char *argv[]);
