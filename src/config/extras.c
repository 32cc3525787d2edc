/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extras.c owns the format of the extras, which is ours alone: unknown keys are a newer mdevd's. */
#include "config/extras.h"

#include <inttypes.h>

#include "config/file.h"
#include "names.h"
#include "util/json.h"
#include "util/parse.h"

typedef struct ExtrasSink ExtrasSink;

struct ExtrasSink {
        JsonSink sink;
        const char *path;
        char *why;
};

static void extras_values_done(ExtrasValues *v) {
        free(v->owner);
        *v = (ExtrasValues) {};
}

void extras_done(Extras *e) {
        extras_values_done(&e->now);
        extras_values_done(&e->before);
        free(e->until);
        *e = (Extras) {};
}

char *extras_digest(const char *text, size_t size, char buf[static EXTRAS_DIGEST_MAX]) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++)
                h = (h ^ (unsigned char) text[i]) * UINT64_C(0x100000001b3);
        (void) snprintf(buf, EXTRAS_DIGEST_MAX, "%016" PRIx64, h);
        return buf;
}

const ExtrasValues *extras_in_force(const Extras *e, const char *digest) {
        return e->until && streq(e->until, digest) ? &e->before : &e->now;
}

int extras_values_of(const Definition *d, ExtrasValues *ret) {
        *ret = (ExtrasValues) {
                .owner = d->owner[0] ? strdup(d->owner) : NULL,
                .reserve_set = d->reserve != d->autostart,
                .reserve = d->reserve,
        };
        return d->owner[0] && !ret->owner ? -ENOMEM : 0;
}

bool extras_values_are_default(const ExtrasValues *v) {
        return !(v->owner && v->owner[0]) && !v->reserve_set;
}

int extras_apply(const ExtrasValues *v, Definition *d) {
        char *owner;

        owner = strdup(v->owner ?: "");
        if (!owner)
                return -ENOMEM;
        free(d->owner);
        d->owner = owner;
        d->reserve = v->reserve_set ? v->reserve : d->autostart;
        return 0;
}

char *extras_path(const char *parent, const Uuid *uuid) {
        char *path;

        if (asprintf(&path, MDEVD_PATH_EXTRAS "/%s/%s.json", parent, UUID_STR(uuid)) < 0)
                return NULL;
        return path;
}

/* Or one device could have two files. */
int definition_uuid(const char *name, Uuid *ret) {
        int r;

        r = uuid_parse(name, ret);
        return r < 0 || !streq(UUID_STR(ret), name) ? -EINVAL : 0;
}

int extras_uuid(const char *name, Uuid *ret) {
        char stem[UUID_STRING_MAX];

        if (strlen(name) != sizeof(stem) - 1 + strlen(".json") ||
            !streq(name + sizeof(stem) - 1, ".json"))
                return -EINVAL;
        memcpy(stem, name, sizeof(stem) - 1);
        stem[sizeof(stem) - 1] = '\0';
        return definition_uuid(stem, ret);
}

static int extras_refuse(JsonSink *sink, unsigned line, unsigned column, bool warning,
                         const char *text) {
        ExtrasSink *s = container_of(sink, ExtrasSink, sink);

        if (warning || s->why)
                return 0;
        if (asprintf(&s->why, "/%s:%u:%u: %s", s->path, line, column, text) < 0) {
                s->why = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int decode_reserve(JsonSink *sink, const JsonNode *node, const JsonField *field,
                          void *value) {
        ExtrasValues *v = container_of(value, ExtrasValues, reserve);

        v->reserve_set = true;
        return json_decode_bool(sink, node, field, value);
}

static bool digest_is_valid(const char *s) {
        return strlen(s) == EXTRAS_DIGEST_MAX - 1 && strspn(s, "0123456789abcdef") == strlen(s);
}

#define EXTRAS_OWNER                                                                               \
        .is_valid = name_is_valid_owner,                                                           \
        .expect = "an owner in quotes, at most 63 bytes of plain text"

static const JsonField until_fields[] = {
        { "definition", JSON_FIELD(Extras, until, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = digest_is_valid, .expect = "16 hexadecimal digits" },
        { "owner", JSON_FIELD(Extras, before.owner, json_decode_string), EXTRAS_OWNER },
        { "reserve", JSON_FIELD(Extras, before.reserve, decode_reserve) },
        {},
};

static int decode_until(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        return json_decode_fields(sink, node, until_fields, field->expect,
                                  container_of(value, Extras, until));
}

static const JsonField extras_fields[] = {
        { "owner", JSON_FIELD(Extras, now.owner, json_decode_string), EXTRAS_OWNER },
        { "reserve", JSON_FIELD(Extras, now.reserve, decode_reserve) },
        { "until", JSON_FIELD(Extras, until, decode_until), .expect = "an object in { }" },
        {},
};

int extras_parse(const char *path, const char *text, size_t size, Extras *ret, char **ret_why) {
        ExtrasSink s = { .sink.report = extras_refuse, .path = path };
        _cleanup_(json_freep) JsonDoc *doc = NULL;
        _cleanup_(extras_done) Extras e = {};
        JsonError error;
        int r;

        r = json_parse(&doc, text, size, false, &error);
        if (r > 0)
                r = extras_refuse(&s.sink, error.line, error.column, false, error.text) ?: JSON_BAD;
        else if (r == 0)
                r = json_decode_fields(&s.sink, &doc->nodes[0], extras_fields, "an object in { }",
                                       &e);
        if (r != 0) {
                if (r > 0)
                        *ret_why = TAKE_PTR(s.why);
                free(s.why);
                return r;
        }

        *ret = TAKE_GENERIC(e, (Extras) {});
        return 0;
}

int extras_read(int root_fd, const char *path, Extras *ret, char **ret_why) {
        _cleanup_(freep) char *text = NULL, *why = NULL;
        size_t size = 0;
        int r;

        r = file_read(root_fd, path, &text, &size, &why);
        if (r == 0)
                return extras_parse(path, text, size, ret, ret_why);
        if (r < 0)
                return r;

        if (asprintf(ret_why, "/%s: %s", path, why) >= 0)
                return 1;
        *ret_why = NULL;
        return -ENOMEM;
}

static void write_values(FILE *f, const ExtrasValues *v, const char *indent,
                         const char *separator) {
        if (v->owner && v->owner[0]) {
                (void) fprintf(f, "%s\n%s\"owner\": ", separator, indent);
                json_write_string(f, v->owner);
                separator = ",";
        }
        if (v->reserve_set)
                (void) fprintf(f, "%s\n%s\"reserve\": %s", separator, indent,
                               v->reserve ? "true" : "false");
}

int extras_format(const Extras *e, char **ret) {
        _cleanup_(freep) char *text = NULL;
        bool failed;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        (void) fputc('{', f);
        write_values(f, &e->now, "  ", "");
        if (e->until) {
                (void) fprintf(f, "%s\n  \"until\": {\n    \"definition\": \"%s\"",
                               extras_values_are_default(&e->now) ? "" : ",", e->until);
                write_values(f, &e->before, "    ", ",");
                (void) fputs("\n  }", f);
        }
        (void) fputs("\n}\n", f);

        failed = ferror(f);
        if (fclose(f) != 0 || failed)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
