/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * listing.h: the mdevs and mdev types of this host, read from sysfs and the definition store and
 * never asked of the daemon: a listing works while it is down, and libvirt depends on that. The
 * texts are those of mdevctl 1.4.0, byte for byte.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "model/definition.h"

typedef struct Listed Listed;
typedef struct Listing Listing;
typedef struct ListingFilter ListingFilter;

struct Listed {
        Definition *definition; /* of an active device: what is known of it */
        bool active;
        bool defined;
};

struct Listing {
        Listed *rows; /* by parent, then UUID */
        size_t n;
};

struct ListingFilter {
        const Uuid *uuid;   /* NULL: all */
        const char *parent; /* NULL: all */
        bool attributes;    /* of active devices, those that callout scripts tell */
        bool invalid;       /* definitions that cannot be used as well, in silence */
};

void listing_done(Listing *l);
/* A definition that cannot be used is left out, and said on stderr. */
int listing_read_active(int root_fd, const ListingFilter *filter, Listing *ret);
int listing_read_defined(int root_fd, const ListingFilter *filter, Listing *ret);
/* @defined: these are definitions, and it is said which of them are active; else the other way. */
void listing_print_text(FILE *f, const Listing *l, bool defined, bool verbose);
/* As "list --verbose" shows them; nothing if there are none. */
void listing_print_attributes(FILE *f, const Definition *d);
/* @bare: one device at most, and only what its definition's file would be. */
void listing_print_json(FILE *f, const Listing *l, bool bare);

/* @parent: NULL for all. */
int types_print_text(FILE *f, int root_fd, const char *parent);
int types_print_json(FILE *f, int root_fd, const char *parent);
