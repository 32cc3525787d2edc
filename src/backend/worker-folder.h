/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-folder.h: the files of the folder of records, for worker.c alone. */
#pragma once

#include "backend/record.h"

/* Below the root. */
int folder_path_of(const Record *record, char **ret);
int folder_open(int dir_fd, const char *path, int mode);
int folder_read(int fd, Record **ret);
int folder_write(int fd, const char *text);
/* A locked, complete, named record; the only descriptor of its description is returned. */
int folder_make(int root_fd, const char *path, const Record *record);
/* The record of an earlier worker, locked anew, with what has become of it since. */
int folder_take(int root_fd, const char *path, const Record *record);
