/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * folder.h: the definitions of one parent, for a listing: the folder is read through once, and what
 * it does not have costs no call. A thousand files are read with three calls each.
 */
#pragma once

#include "model/definition.h"

typedef struct Folder Folder;
typedef struct FolderEntry FolderEntry;

struct FolderEntry {
        Uuid uuid;
        bool plain; /* the folder itself says that it is a plain file */
};

struct Folder {
        int fd;               /* -EBADF: there is none */
        char *parent;         /* name */
        FolderEntry *entries; /* by UUID */
        size_t n;
};

#define FOLDER_NULL { .fd = -EBADF }

/*
 * @only (may be NULL): the folder is not read through, and has this one at most. What cannot be
 * read is said on stderr, and is as if it were not there: only -ENOMEM is an error.
 */
int folder_open(Folder *ret, int root_fd, const char *parent, const Uuid *only);
void folder_done(Folder *f);
const FolderEntry *folder_find(const Folder *f, const Uuid *uuid);
/* 0: *@ret, with ->invalid where the file is of no use. -ENOENT: it is not there (any more). */
int folder_read(const Folder *f, const FolderEntry *e, Definition **ret);
