/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * extras.h: /etc/mdevd/definitions/<parent>/<uuid>.json, what mdevctl's format has no word for.
 * Definition and extras are two files, and a change of both must be whole: so the new extras, which
 * are on disk first, say which definition they replace and what holds as long as that is there.
 * Private to config/.
 */
#pragma once

#include <stdbool.h>

#include "model/definition.h"
#include "util/macro.h"

#define EXTRAS_DIGEST_MAX 17

typedef struct Extras Extras;
typedef struct ExtrasValues ExtrasValues;

/* Unset is not the same as the default of the moment: that follows the definition's start. */
struct ExtrasValues {
        char *owner; /* NULL: nobody */
        bool reserve_set;
        bool reserve;
};

struct Extras {
        ExtrasValues now;
        char *until; /* digest of the definition as long as which @before holds; NULL: none */
        ExtrasValues before;
};

void extras_done(Extras *e);

/* FNV-1a of a definition's text, 16 hex digits. It tells two texts of one hand apart, no more. */
char *extras_digest(const char *text, size_t size, char buf[static EXTRAS_DIGEST_MAX]);

/* What holds beside the definition with @digest; borrowed. */
const ExtrasValues *extras_in_force(const Extras *e, const char *digest);
int extras_values_of(const Definition *d, ExtrasValues *ret);
bool extras_values_are_default(const ExtrasValues *v);
/* Into @d, which has been read already. */
int extras_apply(const ExtrasValues *v, Definition *d);

/* "etc/mdevd/definitions/<parent>/<uuid>.json", or NULL: out of memory. */
char *extras_path(const char *parent, const Uuid *uuid);
/* The UUID that "<uuid>.json", or a definition's name, stands for; only one spelling is right. */
int extras_uuid(const char *name, Uuid *ret);
int definition_uuid(const char *name, Uuid *ret);
/* 0; 1: it is not right, *@ret_why has the place and what was expected; -ENOMEM. */
int extras_parse(const char *path, const char *text, size_t size, Extras *ret, char **ret_why);
/* As file_read() and extras_parse(). */
int extras_read(int root_fd, const char *path, Extras *ret, char **ret_why);
int extras_format(const Extras *e, char **ret);
