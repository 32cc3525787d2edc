/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.c: owns the text of an operation's record. Reading is strict: a record names sysfs files
 * that a worker will write to, so every name is checked although only root can put a file there.
 */
#include "backend/record.h"

#include "backend/record-internal.h"
#include "util/join.h"
#include "util/json.h"
#include "util/parse.h"

#define RECORD_DEPTH_MAX 8
#define LINE_SIZE_MAX (RECORD_SIZE_MAX / 2) /* leaves room for the changes */

static const char *const record_kind_table[_RECORD_KIND_MAX] = {
        [RECORD_CREATE] = "create",
        [RECORD_STOP] = "stop",
        [RECORD_CONFIGURE] = "configure",
        [RECORD_DEFINE] = "define",
        [RECORD_MODIFY] = "modify",
        [RECORD_UNDEFINE] = "undefine",
        [RECORD_EVICT] = "evict",
        [RECORD_SUSPEND] = "suspend",
        [RECORD_MOVE] = "move",
        [RECORD_DEFRAGMENT] = "defragment",
        [RECORD_PROFILE] = "profile",
        [RECORD_LOOK] = "look",
};
DEFINE_STRING_TABLE(record_kind, RecordKind, _RECORD_KIND_MAX)

static const char *const record_step_table[_RECORD_STEP_MAX] = {
        [STEP_WRITTEN] = "written",
        [STEP_PREPARED] = "prepared",
        [STEP_BOUND] = "bound",
        [STEP_HOLDING] = "holding",
        [STEP_MOVING] = "moving",
        [STEP_RESERVED] = "reserved",
        [STEP_CREATED] = "created",
        [STEP_SETTLING] = "settling",
        [STEP_DONE] = "done",
};
DEFINE_STRING_TABLE(record_step, RecordStep, _RECORD_STEP_MAX)

int record_new(Record **ret, RecordKind kind) {
        Record *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->kind = kind;
        *ret = r;
        return 0;
}

Record *record_free(Record *r) {
        if (!r)
                return NULL;
        attributes_free(r->attributes, r->n_attributes);
        free(r->moves);
        free(r->holders);
        free(r->parent);
        free(r->parent_path);
        free(r->function);
        free(r->type);
        free(r->type_name);
        free(r->owner);
        free(r->client);
        free(r->opener_name);
        free(r->profile);
        free(r->text);
        free(r->who);
        parent_free(r->config);
        free(r);
        return NULL;
}

int record_name(const Record *r, char **ret) {
        if (r->kind == RECORD_LOOK)
                return -EINVAL;
        *ret = r->kind == RECORD_CONFIGURE
                       ? strdup(r->parent)
                       : JOIN(r->parent, ":", UUID_STR(&r->uuid),
                              r->kind == RECORD_EVICT ? ":evict" : "");
        return *ret ? 0 : -ENOMEM;
}

int record_add_attribute(Record *r, const char *name, const char *value) {
        _cleanup_(freep) char *n = strdup(name), *v = strdup(value);
        Attribute *a;

        if (r->n_attributes >= RECORD_ATTRIBUTES_MAX)
                return -E2BIG;
        a = reallocarray(r->attributes, r->n_attributes + 1, sizeof(*a));
        if (a)
                r->attributes = a;
        if (!a || !n || !v)
                return -ENOMEM;
        a[r->n_attributes++] = (Attribute){ .name = TAKE_PTR(n), .value = TAKE_PTR(v) };
        return 0;
}

void record_set_result(Record *r, Outcome outcome, int error, char *text) {
        r->step = STEP_DONE;
        r->outcome = outcome;
        r->error = error;
        free(r->text);
        r->text = text;
}

static int extents_from_json(Record *r, json_object *o) {
        json_object *array;
        size_t n;

        if (!json_object_object_get_ex(o, "extents", NULL))
                return 0;
        if (json_get_array(o, "extents", EXTENTS_MAX, &array, &n) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                json_object *e = json_object_array_get_idx(array, i);
                uint64_t bar, guest_bar;

                if (json_get_u64(e, "bar", BARS_MAX - 1, &bar) < 0 ||
                    json_get_u64(e, "guest", BARS_MAX - 1, &guest_bar) < 0 ||
                    json_get_u64(e, "offset", UINT64_MAX, &r->extents[i].offset) < 0 ||
                    json_get_u64(e, "size", UINT64_MAX, &r->extents[i].size) < 0)
                        return -EBADMSG;
                r->extents[i].bar = bar;
                r->extents[i].guest_bar = guest_bar;
        }
        r->n_extents = n;
        return 0;
}

static int attributes_from_json(Record *r, json_object *o) {
        json_object *array;
        size_t n;

        if (!json_object_object_get_ex(o, "attributes", NULL))
                return 0;
        if (json_get_array(o, "attributes", RECORD_ATTRIBUTES_MAX, &array, &n) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                json_object *e = json_object_array_get_idx(array, i);
                const char *name, *value;
                int k;

                if (json_get_string(e, "name", &name) < 0 ||
                    json_get_string(e, "value", &value) < 0)
                        return -EBADMSG;
                k = record_add_attribute(r, name, value);
                if (k < 0)
                        return k;
        }
        return 0;
}

static int change_from_json(Record *r, json_object *o) {
        const char *step, *outcome, *text, *who;
        uint64_t n;
        int k;

        if (json_get_string(o, "step", &step) < 0 || record_step_from_string(step) < 0 ||
            json_get_u64(o, "pid", INT32_MAX, &n) < 0)
                return -EBADMSG;
        r->step = record_step_from_string(step);
        r->pid = n;
        k = record_progress_from_json(r, o);
        if (k < 0)
                return k;
        if (r->step != STEP_DONE && r->step != STEP_SETTLING)
                return 0;

        if (json_get_string(o, "outcome", &outcome) < 0 ||
            json_get_u64(o, "errno", 4095, &n) < 0 ||
            (json_object_object_get_ex(o, "took_us", NULL) &&
             json_get_u64(o, "took_us", INT64_MAX, &r->took_us) < 0))
                return -EBADMSG;
        k = outcome_from_string(outcome);
        if (k < 0)
                return -EBADMSG;
        r->outcome = k;
        k = record_holders_from_json(r, o);
        if (k < 0)
                return k;
        r->error = -(int) n;
        if (json_get_string(o, "text", &text) >= 0) {
                free(r->text);
                r->text = strdup(text);
                if (!r->text)
                        return -ENOMEM;
        }
        if (json_get_string(o, "who", &who) >= 0) {
                free(r->who);
                r->who = strdup(who);
                if (!r->who)
                        return -ENOMEM;
        }
        return 0;
}

static int first_from_json(Record *r, json_object *o) {
        const char *kind, *uuid, *origin;
        json_object *config;
        uint64_t ours;
        int k;

        if (json_get_string(o, "kind", &kind) < 0 || record_kind_from_string(kind) < 0 ||
            json_get_string(o, "uuid", &uuid) < 0 || uuid_parse(uuid, &r->uuid) < 0 ||
            json_get_string(o, "origin", &origin) < 0 || origin_from_string(origin) < 0 ||
            json_get_u64(o, "ours", 1, &ours) < 0)
                return -EBADMSG;
        r->kind = record_kind_from_string(kind);
        r->origin = origin_from_string(origin);
        r->ours = ours;

        k = record_fields_from_json(r, o);
        if (k >= 0)
                k = extents_from_json(r, o);
        if (k >= 0)
                k = attributes_from_json(r, o);
        if (k >= 0)
                k = record_moves_from_json(r, o);
        if (k >= 0)
                k = change_from_json(r, o);
        if (k < 0 || r->kind != RECORD_CONFIGURE)
                return k;
        if (!json_object_object_get_ex(o, "config", &config))
                return -EBADMSG;
        return record_config_from_json(config, r->parent, &r->config);
}

int record_parse_object(const char *text, size_t size, json_object **ret) {
        json_tokener *tok = json_tokener_new_ex(RECORD_DEPTH_MAX);
        json_object *o;

        if (!tok)
                return -ENOMEM;
        json_tokener_set_flags(tok, json_flags());
        o = json_tokener_parse_ex(tok, text, (int) size);
        if (!o || json_tokener_get_error(tok) != json_tokener_success ||
            json_tokener_get_parse_end(tok) != size || !json_object_is_type(o, json_type_object)) {
                json_object_put(o);
                o = NULL;
        }
        json_tokener_free(tok);
        *ret = o;
        return o ? 0 : -EBADMSG;
}

static int read_by_json(Record *r, const char *line, size_t size,
                        int (*take)(Record *r, json_object *o)) {
        json_object *o;
        int k;

        k = record_parse_object(line, size, &o);
        if (k < 0)
                return k;
        k = take(r, o);
        json_object_put(o);
        return k;
}

int record_first_by_json(Record *r, const char *line, size_t size) {
        return read_by_json(r, line, size, first_from_json);
}

int record_change_by_json(Record *r, const char *line, size_t size) {
        return read_by_json(r, line, size, change_from_json);
}

static int read_first(const char *line, size_t size, Record **ret) {
        _cleanup_(record_freep) Record *r = NULL;
        int k;

        k = record_new(&r, RECORD_CREATE);
        if (k >= 0 && !record_first_from_plain(r, line, size)) {
                r = record_free(r);
                k = record_new(&r, RECORD_CREATE);
                if (k >= 0)
                        k = record_first_by_json(r, line, size);
        }
        if (k >= 0)
                *ret = TAKE_PTR(r);
        return k;
}

static int read_change(Record *r, const char *line, size_t size) {
        return record_change_from_plain(r, line, size) ? 0 : record_change_by_json(r, line, size);
}

int record_parse_change(Record *r, const char *line) {
        const char *end = strchr(line, '\n');

        return end && !end[1] ? read_change(r, line, end - line) : -EBADMSG;
}

int record_parse(Record **ret, const char *text, size_t size) {
        _cleanup_(record_freep) Record *r = NULL;
        const char *end;
        int k;

        if (size > RECORD_SIZE_MAX)
                return -EBADMSG;
        /* What stands behind the last newline was being written when its writer was killed. */
        for (; (end = memchr(text, '\n', size)); text = end + 1) {
                k = r ? read_change(r, text, end - text) : read_first(text, end - text, &r);
                if (k < 0)
                        return k;
                size -= end + 1 - text;
        }
        if (!r)
                return -EBADMSG;

        *ret = TAKE_PTR(r);
        return 0;
}

static void put_change(const Record *r, JsonText *t) {
        json_text_string(t, "step", record_step_to_string(r->step));
        json_text_u64(t, "pid", r->pid);
        record_progress_to_text(r, t);
        if (r->step != STEP_DONE && r->step != STEP_SETTLING)
                return;
        json_text_string(t, "outcome", outcome_to_string(r->outcome));
        json_text_u64(t, "errno", -r->error);
        if (r->took_us > 0)
                json_text_u64(t, "took_us", r->took_us);
        json_text_string(t, "text", r->text);
        json_text_string(t, "who", r->who);
        record_holders_to_text(r, t);
}

static void put_extents(const Record *r, JsonText *t) {
        json_text_begin(t, "extents", '[');
        for (size_t i = 0; i < r->n_extents; i++) {
                const Extent *e = &r->extents[i];

                json_text_begin(t, NULL, '{');
                json_text_u64(t, "bar", e->bar);
                json_text_u64(t, "guest", e->guest_bar);
                json_text_u64(t, "offset", e->offset);
                json_text_u64(t, "size", e->size);
                json_text_end(t, '}');
        }
        json_text_end(t, ']');
}

static void put_attributes(const Record *r, JsonText *t) {
        json_text_begin(t, "attributes", '[');
        for (size_t i = 0; i < r->n_attributes; i++) {
                json_text_begin(t, NULL, '{');
                json_text_string(t, "name", r->attributes[i].name);
                json_text_string(t, "value", r->attributes[i].value);
                json_text_end(t, '}');
        }
        json_text_end(t, ']');
}

static void put_first(const Record *r, JsonText *t) {
        json_text_string(t, "kind", record_kind_to_string(r->kind));
        json_text_string(t, "uuid", UUID_STR(&r->uuid));
        json_text_string(t, "origin", origin_to_string(r->origin));
        json_text_u64(t, "ours", r->ours);
        record_fields_to_text(r, t);
        if (r->n_extents > 0)
                put_extents(r, t);
        if (r->n_attributes > 0)
                put_attributes(r, t);
        record_moves_to_text(r, t);
        if (r->config)
                record_config_to_text(r->config, "config", t);
}

static int format_line(const Record *r, bool first, char **ret) {
        _cleanup_(freep) char *line = NULL;
        JsonText t = {};
        int k;

        json_text_begin(&t, NULL, '{');
        if (first)
                put_first(r, &t);
        put_change(r, &t);
        json_text_end(&t, '}');
        k = json_text_take(&t, "\n", &line);
        if (k < 0)
                return k;
        if (strlen(line) > LINE_SIZE_MAX)
                return -E2BIG;
        *ret = TAKE_PTR(line);
        return 0;
}

int record_format(const Record *r, char **ret) {
        return format_line(r, true, ret);
}

int record_format_change(const Record *r, char **ret) {
        return format_line(r, false, ret);
}
