/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jsonfile.h: the file of --jsonfile: a definition in mdevctl's format, from a pipe as well. */
#pragma once

#include "model/definition.h"

/*
 * Fills type, autostart and attributes of @d. EXIT_SUCCESS, or EXIT_FAILED after it was said why.
 * Then @d is of no use.
 */
int jsonfile_read(const char *path, Definition *d);
/* Whether it can be opened: EXIT_SUCCESS, or EXIT_FAILED after it was said why. */
int jsonfile_check(const char *path);
