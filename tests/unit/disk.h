/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.h: a disk that can fail. The linker sends every call that changes a file or folder through
 * disk.c (see meson.build), which counts them, fails or kills at the n-th, and keeps a journal in
 * memory that outlives the process: disk_lose_power() then takes back what no fsync() made last.
 *
 * The model: data of a file is lost unless fdatasync() followed the last write(); an entry of a
 * folder (a name that was made, renamed or removed) may be lost unless fsync() of the folder
 * followed. Folders are independent: each may lose what it has or keep it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum DiskFault {
        DISK_NONE,
        DISK_KILL,  /* SIGKILL in place of the n-th call */
        DISK_ERROR, /* the n-th call fails, with an errno */
        DISK_SKIP,  /* the n-th fsync() or fdatasync() does nothing */
} DiskFault;

/* @root is where all paths begin, @side a folder beside it, on the same file system, for copies. */
void disk_start(const char *root, const char *side);
/* From now on; counts from 1. Two faults can be set, of different kinds. */
void disk_fault(DiskFault fault, unsigned n, int error);
void disk_stop(void);

unsigned disk_calls(void); /* since disk_start() */
unsigned disk_syncs(void); /* of these fsync() and fdatasync() */
bool disk_faulted(DiskFault fault);

/* Folders that have entries to lose, at most 8: bits of disk_lose_power()'s mask. */
unsigned disk_folders(void);
/* Data that was not synced is lost, and of each folder in @mask the entries. */
void disk_lose_power(unsigned mask);
