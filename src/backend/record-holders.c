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

static void holder_to_text(const Holder *h, JsonText *t) {
        json_text_begin(t, NULL, '{');
        json_text_u64(t, "pid", (uint64_t) h->pid);
        json_text_u64(t, "uses", h->uses);
        json_text_string(t, "command", h->command);
        json_text_string(t, "machine", h->machine);
        json_text_string(t, "where", h->where);
        json_text_end(t, '}');
}

void record_holders_to_text(const Record *r, JsonText *t) {
        if (!r->holders)
                return;
        json_text_begin(t, "holders", '[');
        for (size_t i = 0; i < MIN(r->holders->n, (size_t) HOLDERS_MAX); i++)
                holder_to_text(&r->holders->holders[i], t);
        json_text_end(t, ']');
        json_text_u64(t, "n_holders", r->holders->n);
}
