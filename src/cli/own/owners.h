/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owners.h: how many devices of a parent there are, and for whom. */
#pragma once

#include "cli/own/index.h"

typedef struct Owners Owners;
typedef struct OwnerCount OwnerCount;

struct OwnerCount {
        const char *owner; /* borrowed from the state; "": nobody was named */
        size_t n;          /* devices, those that are only defined among them */
};

struct Owners {
        OwnerCount *counts; /* who has most comes first */
        size_t n;
        size_t n_devices, n_open; /* that are there */
        size_t n_defined;         /* and are not there */
};

/* Of one parent. @devices: all of @s by "uuid" and "parent". -ENOMEM. */
int owners_read(const State *s, const Index *devices, const char *parent, Owners *ret);
void owners_done(Owners *o);
/* "gold-1 40, vm2 22 and 10 more", in @columns if one fits; "" of none. To be freed. -ENOMEM. */
int owners_text(const Owners *o, size_t columns, char **ret);
