/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* file.h: reading files that somebody else put there, without ever waiting or following. */
#pragma once

#include <stddef.h>

typedef struct FileNames FileNames;

/* Names of a folder in byte order. */
struct FileNames {
        char **names;
        size_t n;
};

/* A negative errno ends the walk. */
typedef int (*FileNameFn)(const char *name, void *userdata);

/* All names but "." and "..", in the folder's own order. */
int file_foreach(int dir_fd, const char *path, FileNameFn fn, void *userdata);

void file_names_done(FileNames *f);
/* The same, collected and sorted. */
int file_list(int dir_fd, const char *path, FileNames *ret);

/*
 * Reads @name, a plain file below @dir_fd of at most 1 MiB. 0: *@ret, terminated. -ENOENT: there is
 * none. 1: it cannot be used, *@ret_why is the sentence. Other negative errno: out of memory.
 */
int file_read(int dir_fd, const char *name, char **ret, size_t *ret_size, char **ret_why);
