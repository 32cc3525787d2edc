/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process.h: programs started as a fresh one expects it: no signal is blocked or ignored, the
 * process group is its own, for ^C is not for it, and it has no descriptors of ours but those it is
 * given.
 */
#pragma once

#include <sys/types.h>

#include "util/macro.h"

/*
 * @fds, which stay ours, become its descriptors @first, @first + 1 and so on; what it gets nothing
 * for of 0 to 2 it shares with us. The environment is ours. *@ret is the caller's to wait for.
 * Negative errno: it could not be executed.
 */
int spawn_program(const char *path, char *const argv[], int first, const int *fds, size_t n_fds,
                  pid_t *ret);

/*
 * As fork(), but the new process is no child of this one: it has the same parent, whose it is to
 * wait for. The C library is not told, so this is for programs without threads. *@ret: its pid; 0
 * in it.
 */
int fork_beside(pid_t *ret);

/* The path of this program, also when its file was replaced meanwhile; cut where it is longer. */
int own_program_path(char *buf, size_t size);
