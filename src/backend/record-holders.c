/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record-holders.c: who was found to have a device open, as the answer to a question in its record.
 */
#include "backend/record-internal.h"

static int put_text(char *to, size_t size, json_object *o, const char *key) {
        const char *s;

        if (json_get_string(o, key, &s) < 0 || strlen(s) >= size)
                return -EBADMSG;
        memcpy(to, s, strlen(s) + 1);
        return 0;
}

static int holder_from_json(Holder *h, json_object *o) {
        uint64_t pid, uses;

        if (json_get_u64(o, "pid", INT32_MAX, &pid) < 0 || json_get_u64(o, "uses", 1, &uses) < 0 ||
            put_text(h->command, sizeof(h->command), o, "command") < 0 ||
            put_text(h->machine, sizeof(h->machine), o, "machine") < 0 ||
            put_text(h->where, sizeof(h->where), o, "where") < 0)
                return -EBADMSG;
        h->pid = (pid_t) pid;
        h->uses = uses;
        return 0;
}

int record_holders_from_json(Record *r, json_object *o) {
        json_object *array;
        uint64_t total;
        size_t n;

        if (!json_object_object_get_ex(o, "holders", NULL))
                return 0;
        if (json_get_array(o, "holders", HOLDERS_MAX, &array, &n) < 0 ||
            json_get_u64(o, "n_holders", INT32_MAX, &total) < 0 || total < n)
                return -EBADMSG;
        if (!r->holders)
                r->holders = calloc(1, sizeof(*r->holders));
        if (!r->holders)
                return -ENOMEM;
        *r->holders = (Holders){ .n = total };
        for (size_t i = 0; i < n; i++)
                if (holder_from_json(&r->holders->holders[i],
                                     json_object_array_get_idx(array, i)) < 0)
                        return -EBADMSG;
        return 0;
}

static int holder_to_json(const Holder *h, json_object *array) {
        json_object *o = json_object_new_object();
        int r;

        r = json_append(array, o);
        if (r >= 0)
                r = json_put_u64(o, "pid", (uint64_t) h->pid);
        if (r >= 0)
                r = json_put_u64(o, "uses", h->uses);
        if (r >= 0)
                r = json_put_string(o, "command", h->command);
        if (r >= 0)
                r = json_put_string(o, "machine", h->machine);
        return r < 0 ? r : json_put_string(o, "where", h->where);
}

int record_holders_to_json(const Record *r, json_object *o) {
        json_object *array;
        int k;

        if (!r->holders)
                return 0;
        array = json_object_new_array();
        k = json_put(o, "holders", array);
        if (k >= 0)
                k = json_put_u64(o, "n_holders", r->holders->n);
        for (size_t i = 0; k >= 0 && i < MIN(r->holders->n, (size_t) HOLDERS_MAX); i++)
                k = holder_to_json(&r->holders->holders[i], array);
        return k;
}
