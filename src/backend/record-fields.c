/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record-fields.c: the strings and numbers of a record, by two tables: a new one is a row. Names
 * are checked, for a worker writes to files that they name.
 */
#include "backend/record-internal.h"
#include "backend/record.h"
#include "names.h"
#include "sysfs/sysfs.h"
#include "util/parse.h"

#define TYPE_ID_MAX 255 /* what a file name has, and a definition may name */
#define CLIENT_MAX 255

/* What a file name or a label may be, whoever wrote the record. */
static bool is_component(const char *s) {
        size_t n = strlen(s);

        return n > 0 && n <= TYPE_ID_MAX && !strchr(s, '/') && !streq(s, ".") && !streq(s, "..");
}

static bool is_client(const char *s) {
        return strlen(s) <= CLIENT_MAX;
}

typedef struct StringField StringField;

struct StringField {
        const char *key;
        size_t offset;
        bool (*valid)(const char *s);
        unsigned kinds; /* bit mask of the RecordKinds that need it */
};

#define FOR(kind) (1U << (kind))
#define FOR_ALL (FOR(_RECORD_KIND_MAX) - 1) /* of RECORD_PROFILE there is no file */
/* A definition's parent need not be there. */
#define FOR_SYSFS                                                                                  \
        (FOR(RECORD_CREATE) | FOR(RECORD_STOP) | FOR(RECORD_CONFIGURE) | FOR(RECORD_EVICT) |       \
         FOR(RECORD_SUSPEND) | FOR(RECORD_MOVE) | FOR(RECORD_DEFRAGMENT) | FOR(RECORD_LOOK))
#define FOR_TYPED (FOR(RECORD_CREATE) | FOR(RECORD_DEFINE) | FOR(RECORD_MODIFY))

static const StringField string_fields[] = {
        { "parent", offsetof(Record, parent), name_is_valid_parent, FOR_ALL },
        { "path", offsetof(Record, parent_path), sysfs_path_is_valid, FOR_SYSFS },
        { "function", offsetof(Record, function), sysfs_path_is_valid, 0 },
        { "type", offsetof(Record, type), is_component, FOR_TYPED },
        { "name", offsetof(Record, type_name), name_is_valid_id, 0 },
        { "owner", offsetof(Record, owner), name_is_valid_owner, 0 },
        { "client", offsetof(Record, client), is_client, 0 },
        { "opener_name", offsetof(Record, opener_name), is_client, 0 },
        { "profile", offsetof(Record, profile), name_is_valid_id, 0 },
};

static char **string_at(const Record *r, const StringField *f) {
        return (char **) ((char *) r + f->offset);
}

static int strings_from_json(Record *r, json_object *o) {
        for (size_t i = 0; i < ARRAY_SIZE(string_fields); i++) {
                const StringField *f = &string_fields[i];
                const char *s;

                if (!json_object_object_get_ex(o, f->key, NULL)) {
                        if (f->kinds & FOR(r->kind))
                                return -EBADMSG;
                        continue;
                }
                if (json_get_string(o, f->key, &s) < 0 || !f->valid(s))
                        return -EBADMSG;
                *string_at(r, f) = strdup(s);
                if (!*string_at(r, f))
                        return -ENOMEM;
        }
        return 0;
}

typedef struct NumberField NumberField;

/* What most records have not; then it is 0, or false. */
struct NumberField {
        const char *key;
        uint64_t max;
        uint64_t (*get)(const Record *r);
        void (*set)(Record *r, uint64_t value);
};

#define NUMBER_FIELD(member)                                                                       \
        static uint64_t get_##member(const Record *r) {                                            \
                return (uint64_t) r->member;                                                       \
        }                                                                                          \
        static void set_##member(Record *r, uint64_t value) {                                      \
                r->member = (typeof(r->member)) value;                                             \
        }
#define NUMBER(member, max) { #member, (max), get_##member, set_##member }

NUMBER_FIELD(id)
NUMBER_FIELD(define)
NUMBER_FIELD(autostart)
NUMBER_FIELD(reserve)
NUMBER_FIELD(live)
NUMBER_FIELD(relabel)
NUMBER_FIELD(insist)
NUMBER_FIELD(force)
NUMBER_FIELD(caller)
NUMBER_FIELD(opened)
NUMBER_FIELD(opener)
NUMBER_FIELD(hold_ms)
NUMBER_FIELD(pause_ms)
NUMBER_FIELD(release)
NUMBER_FIELD(mend)
NUMBER_FIELD(lease)
NUMBER_FIELD(linger_sec)

static const NumberField number_fields[] = {
        NUMBER(define, 1),         NUMBER(autostart, 1),       NUMBER(reserve, 1),
        NUMBER(live, 1),           NUMBER(relabel, 1),         NUMBER(insist, 1),
        NUMBER(force, 1),          NUMBER(id, INT64_MAX),
        NUMBER(caller, INT32_MAX), NUMBER(opened, INT32_MAX),  NUMBER(opener, INT32_MAX),
        NUMBER(hold_ms, INT32_MAX), NUMBER(pause_ms, INT32_MAX), NUMBER(release, 1),
        NUMBER(mend, 1),           NUMBER(lease, _LEASE_KIND_MAX - 1),
        NUMBER(linger_sec, LEASE_LINGER_SEC_MAX),
};

static int numbers_from_json(Record *r, json_object *o) {
        for (size_t i = 0; i < ARRAY_SIZE(number_fields); i++) {
                const NumberField *f = &number_fields[i];
                uint64_t n;

                if (!json_object_object_get_ex(o, f->key, NULL))
                        continue;
                if (json_get_u64(o, f->key, f->max, &n) < 0)
                        return -EBADMSG;
                f->set(r, n);
        }
        return 0;
}

/* What a function bears has no name of its own: its type tells whether it is still that. */
static bool lacks_type(const Record *r) {
        return r->kind == RECORD_STOP && r->function && !r->type;
}

int record_fields_from_json(Record *r, json_object *o) {
        int k = strings_from_json(r, o);

        if (k >= 0 && lacks_type(r))
                return -EBADMSG;
        return k < 0 ? k : numbers_from_json(r, o);
}

bool record_fields_from_plain(Record *r, JsonPlain *p) {
        for (size_t i = 0; i < ARRAY_SIZE(string_fields); i++) {
                const StringField *f = &string_fields[i];
                char s[JSON_PLAIN_STRING_MAX];

                if (!json_plain_has(p, f->key)) {
                        if (f->kinds & FOR(r->kind))
                                return false;
                        continue;
                }
                if (!json_plain_string(p, f->key, s) || !f->valid(s))
                        return false;
                *string_at(r, f) = strdup(s);
                if (!*string_at(r, f))
                        return false;
        }
        for (size_t i = 0; i < ARRAY_SIZE(number_fields); i++) {
                const NumberField *f = &number_fields[i];
                uint64_t n;

                if (!json_plain_has(p, f->key))
                        continue;
                if (!json_plain_u64(p, f->key, f->max, &n))
                        return false;
                f->set(r, n);
        }
        return !lacks_type(r);
}

void record_fields_to_text(const Record *r, JsonText *t) {
        for (size_t i = 0; i < ARRAY_SIZE(string_fields); i++)
                json_text_string(t, string_fields[i].key, *string_at(r, &string_fields[i]));
        for (size_t i = 0; i < ARRAY_SIZE(number_fields); i++)
                if (number_fields[i].get(r) > 0)
                        json_text_u64(t, number_fields[i].key, number_fields[i].get(r));
}
