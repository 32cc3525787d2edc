/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.h: the definition store, /etc/mdevctl.d/<parent>/<uuid> below a root, in mdevctl's format.
 * A file that cannot be used becomes a Definition whose `invalid` says why with line and column;
 * names that are no UUID are passed over with a problem.
 */
#pragma once

#include "config/config.h"
#include "model/definition.h"

/* Links every definition into @model (which must hold none); @problems has what was passed over. */
int store_load(Model *model, int root_fd, List *problems);
/* One file's text to a definition; sets ->invalid rather than failing. Extras are not read. */
int store_parse(Definition *d, const char *file, const char *text, size_t size);
/* One definition with its extras; *@ret NULL: there is none. Not linked. */
int store_read(int root_fd, const char *parent, const Uuid *uuid, Definition **ret);
/* The text mdevctl 1.4.0 would write: pretty, two blanks, no newline at the end. */
int store_format(const Definition *d, char **ret);
/* The same with those keys of @old, a text to be replaced, that are other tools'. NULL: none is. */
int store_format_over(const Definition *d, const char *old, size_t size, char **ret);

/* ---- changes ---- */

/*
 * Define or modify, in the order of the calls. A worker: extras and a temporary file are on disk.
 * Nothing has changed for those who read. One change of one definition at a time.
 */
int store_prepare(int root_fd, const Definition *d);
/* The commit, one rename, fit for the event loop. */
int store_commit(int root_fd, const char *parent, const Uuid *uuid);
/* Undefine: the commit, one unlink. -ENOENT: there is none. */
int store_remove(int root_fd, const char *parent, const Uuid *uuid);
/*
 * A worker, after store_commit(), after store_remove() and after any of these that failed: the
 * definition that is there, or its absence, is on disk, and the extras are made to agree. When it
 * returns 0 the change may be told. It can be called at any time, as often as one likes.
 */
int store_settle(int root_fd, const char *parent, const Uuid *uuid);
/*
 * Settles all that a crash left and no record in /run/mdevd/ops speaks for. At start, before
 * store_load() and before the first operation.
 */
int store_sweep(int root_fd);
