/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* function.c: life of a virtual function that bears a vGPU, and the names of their types. */
#include "model/function.h"

#include <limits.h>

#include "util/parse.h"

#define TYPE_PREFIX "nvidia-"

int function_new(Function **ret, const char *name, const char *path) {
        _cleanup_(function_freep) Function *f = NULL;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        list_init(&f->node);
        f->name = strdup(name);
        f->path = strdup(path);
        if (!f->name || !f->path)
                return -ENOMEM;

        *ret = TAKE_PTR(f);
        return 0;
}

Function *function_free(Function *f) {
        if (!f)
                return NULL;

        list_unlink(&f->node);
        free(f->creatable);
        free(f->name);
        free(f->path);
        free(f);
        return NULL;
}

int function_add_creatable(Function *f, unsigned type) {
        unsigned *more;

        more = reallocarray(f->creatable, f->n_creatable + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        f->creatable = more;
        f->creatable[f->n_creatable++] = type;
        return 0;
}

bool function_offers(const Function *f, unsigned type) {
        for (size_t i = 0; i < f->n_creatable; i++)
                if (f->creatable[i] == type)
                        return true;
        return false;
}

char *function_type_id(unsigned type, char buf[static FUNCTION_TYPE_MAX]) {
        (void) snprintf(buf, FUNCTION_TYPE_MAX, TYPE_PREFIX "%u", type);
        return buf;
}

int function_type_parse(const char *id, unsigned *ret) {
        char again[FUNCTION_TYPE_MAX];
        uint64_t v;

        if (strncmp(id, TYPE_PREFIX, strlen(TYPE_PREFIX)) != 0 ||
            parse_u64(id + strlen(TYPE_PREFIX), &v) < 0 || v == 0 || v > UINT_MAX)
                return -EINVAL;
        /* a type has one name: no zeros before it, no other base */
        if (!streq(function_type_id((unsigned) v, again), id))
                return -EINVAL;
        *ret = (unsigned) v;
        return 0;
}
