/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * function.h: a virtual function of a parent whose driver makes no mdevs but lends each function
 * one type: NVIDIA's vGPU on kernels without its mdev part. What such a function bears is a
 * device of the parent, of a type "nvidia-<number>", as the same driver's mdev types are called.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/types.h"
#include "util/list.h"
#include "util/uuid.h"

#define FUNCTION_TYPE_MAX 24 /* bytes of such a type's id, with the end */

struct Function {
        List node;  /* in parent->functions, in the order of their numbers */
        char *name; /* PCI address */
        char *path; /* in sysfs, as a parent's */
        unsigned type;       /* what it bears; 0: nothing */
        unsigned *creatable; /* what it could bear, as last read: less the more its siblings do */
        size_t n_creatable;
        Uuid uuid; /* of the device that it is, where type is not 0 */
};

/* Copies both strings. */
int function_new(Function **ret, const char *name, const char *path);
/* Unlinks. */
Function *function_free(Function *f);
DEFINE_CLEANUP(Function *, function_free)
int function_add_creatable(Function *f, unsigned type);
bool function_offers(const Function *f, unsigned type);

/* Returns @buf. */
char *function_type_id(unsigned type, char buf[static FUNCTION_TYPE_MAX]);
/* -EINVAL: it is none; 0 is none either. */
int function_type_parse(const char *id, unsigned *ret);
