/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-definition.c: the definition that an operation writes, from its record. */
#include "backend/record.h"

int record_to_definition(const Record *r, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int k;

        k = definition_new(&d, r->parent, &r->uuid);
        if (k < 0)
                return k;
        d->type = strdup(r->type);
        free(d->owner);
        d->owner = strdup(r->owner ?: "");
        if (!d->type || !d->owner)
                return -ENOMEM;
        d->autostart = r->autostart;
        d->reserve = r->reserve;
        for (size_t i = 0; i < r->n_attributes; i++) {
                k = definition_add_attribute(d, r->attributes[i].name, r->attributes[i].value);
                if (k < 0)
                        return k;
        }
        *ret = TAKE_PTR(d);
        return 0;
}
