/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* request.c: life of a request. It owns its strings; what it asks for need not exist. */
#include "model/request.h"

int request_new(Request **ret, const char *type) {
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->origin = ORIGIN_REQUEST;
        q->numa_node = -1;
        q->extent = -1;
        q->linger_sec = LEASE_LINGER_SEC;
        q->offset = q->max_bytes = UINT64_MAX;
        q->autostart = q->reserve = q->live = q->config = CHOICE_OPEN;

        q->type = strdup(type);
        q->owner = strdup("");
        if (!q->type || !q->owner)
                return -ENOMEM;
        r = uuid_random(&q->uuid);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(q);
        return 0;
}

Request *request_free(Request *r) {
        if (!r)
                return NULL;

        attributes_free(r->attributes, r->n_attributes);
        free(r->parent);
        free(r->type);
        free(r->owner);
        free(r->profile);
        free(r->pool);
        free(r);
        return NULL;
}

int request_add_attribute(Request *r, const char *name, const char *value) {
        return attributes_add(&r->attributes, &r->n_attributes, name, value);
}
