/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.h: the definition store, /etc/mdevctl.d/<parent>/<uuid> below a root, in mdevctl's format.
 * A file that cannot be used becomes a Definition whose `invalid` says why with line and column;
 * names that are no UUID are passed over with a problem.
 */
#pragma once

#include "config/config.h"
#include "model/definition.h"

/* Links every definition into @model (which must hold none) and appends what was passed over to @problems. */
int store_load(Model *model, int root_fd, List *problems);
/* One file's text to a definition; sets ->invalid rather than failing. Extras are not read. */
int store_parse(Definition *d, const char *file, const char *text, size_t size);
/* The text mdevctl 1.4.0 would write: pretty, two blanks, no newline at the end. */
int store_format(const Definition *d, char **ret);
