/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* types.c owns the "types" of a file: what the devices that are cut from a parent look like. */
#include "config/spec.h"

#include "names.h"
#include "util/parse.h"

typedef struct BarDraft BarDraft;

struct BarDraft {
        uint8_t index;
        TypeBar bar;
};

static void bar_draft_done(BarDraft *b) {
        free(b->bar.pool);
}

TypeSpec *type_spec_free(TypeSpec *t) {
        if (!t)
                return NULL;

        list_unlink(&t->node);
        type_free(t->type);
        free(t->name);
        free(t->file);
        free(t);
        return NULL;
}

static const JsonField bar_fields[] = {
        { "index", JSON_FIELD(BarDraft, index, json_decode_number), .max = BARS_MAX - 1,
          .expect = "the number of a BAR" },
        { "pool", JSON_FIELD(BarDraft, bar.pool, json_decode_string), .flags = JSON_REQUIRED,
          .is_valid = name_is_valid_id, .expect = "the name of a pool" },
        { "size", JSON_FIELD(BarDraft, bar.size, decode_pages), .flags = JSON_REQUIRED,
          .expect = "a size such as \"16M\"" },
        { "64bit", JSON_FIELD(BarDraft, bar.is_64bit, json_decode_bool) },
        { "prefetch", JSON_FIELD(BarDraft, bar.prefetch, json_decode_bool) },
        {},
};

/* A 64-bit BAR takes the number after its own too. */
static int bar_check(JsonSink *sink, const JsonNode *node, const BarDraft *b, const Type *type) {
        const JsonNode *size = json_find(node, "size");

        if (b->bar.is_64bit && b->index == BARS_MAX - 1)
                return json_problem(sink, node,
                                    "expected a 64-bit BAR at 0 to %u, since it takes two numbers, "
                                    "found it at %u", BARS_MAX - 2, b->index);
        if (!b->bar.is_64bit && b->bar.size > BAR_32BIT_MAX)
                return json_problem(sink, size ?: node,
                                    "expected at most %s without \"64bit\": true, found %s",
                                    SIZE_STR(BAR_32BIT_MAX), SIZE_STR(b->bar.size));

        for (unsigned i = 0; i < BARS_MAX; i++) {
                if (type->bars[i].size == 0)
                        continue;
                if (i == b->index || (type->bars[i].is_64bit && i + 1 == b->index) ||
                    (b->bar.is_64bit && b->index + 1U == i))
                        return json_problem(sink, node,
                                            "expected BARs that do not overlap, found %s %u beside "
                                            "%s %u",
                                            b->bar.is_64bit ? "64-bit" : "32-bit", b->index,
                                            type->bars[i].is_64bit ? "64-bit" : "32-bit", i);
        }
        return 0;
}

static int decode_bars(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        Type *type = container_of(value, Type, bars);
        int r, result = 0;

        if (node->kind != JSON_LIST || node->n_members == 0)
                return json_unexpected(sink, node, field->expect);

        json_foreach(i, node) {
                _cleanup_(bar_draft_done) BarDraft b = {};

                r = json_decode_fields(sink, i, bar_fields, "a BAR in { }", &b);
                if (r == 0)
                        r = bar_check(sink, i, &b, type);
                if (r < 0)
                        return r;
                result |= r;
                if (r == 0)
                        type->bars[b.index] = TAKE_GENERIC(b.bar, (TypeBar) {});
        }
        return result;
}

static const JsonField type_fields[] = {
        { "label", JSON_FIELD(Type, label, json_decode_string), .is_valid = name_is_valid_owner,
          .expect = "one line of at most 63 bytes" },
        { "bars", JSON_FIELD(Type, bars, decode_bars), .flags = JSON_REQUIRED,
          .expect = "a list of BARs" },
        { "parts", JSON_FIELD(Type, parts, decode_parts), .expect = "a list of parts" },
        { "map", JSON_FIELD(Type, map, json_decode_enum), .from_string = map_mode_from_string,
          .expect = "\"fault\" or \"eager\"" },
        { "movable", JSON_FIELD(Type, movable, json_decode_bool) },
        { "vectors", JSON_FIELD(Type, vectors, json_decode_number), .max = CONFIG_VECTORS_MAX,
          .expect = "a number of interrupt vectors" },
        { "vendor", JSON_FIELD(Type, vendor, json_decode_number), .max = 0xfffe,
          .expect = "a PCI id such as \"0x1af4\"" },
        { "device", JSON_FIELD(Type, device, json_decode_number),
          .expect = "a PCI id such as \"0x1110\"" },
        { "subvendor", JSON_FIELD(Type, subvendor, json_decode_number),
          .expect = "a PCI id such as \"0x1af4\"" },
        { "subdevice", JSON_FIELD(Type, subdevice, json_decode_number),
          .expect = "a PCI id such as \"0x1100\"" },
        { "class", JSON_FIELD(Type, class, json_decode_number), .max = 0xffffff,
          .expect = "a PCI class such as \"0x030000\"" },
        {},
};

/* MSI-X has its table in a BAR of its own. */
static bool type_has_free_bar(const Type *t) {
        for (unsigned i = 0; i < BARS_MAX; i++)
                if (t->bars[i].size == 0 && type_foreign_size(t, i) == 0 &&
                    !(i > 0 && t->bars[i - 1].size > 0 && t->bars[i - 1].is_64bit))
                        return true;
        return false;
}

static int type_check(JsonSink *sink, const JsonNode *node, const Type *t) {
        const JsonNode *vectors = json_find(node, "vectors");
        int r;

        r = parts_check(sink, node, t);
        if (r != 0)
                return r;
        if ((t->vendor == 0) != (t->device == 0))
                return json_problem(sink, node,
                                    "expected \"vendor\" and \"device\" together or neither of "
                                    "them (then the parent's are shown)");
        if (t->vectors > 0 && !type_has_free_bar(t))
                return json_problem(sink, vectors ?: node,
                                    "expected a free BAR for the table of the interrupt vectors, "
                                    "found all taken");
        return 0;
}

/* Takes the place of an earlier one. */
static void type_spec_link(Loader *l, TypeSpec *type) {
        list_foreach(other, &l->types, TypeSpec, node) {
                if (!streq(other->name, type->name))
                        continue;
                list_link_before(&other->node, &type->node);
                type_spec_free(other);
                return;
        }
        list_append(&l->types, &type->node);
}

static int decode_type(Loader *l, const JsonNode *node) {
        _cleanup_(type_spec_freep) TypeSpec *spec = NULL;
        _cleanup_(freep) char *id = NULL;
        int r;

        spec = calloc(1, sizeof(*spec));
        if (!spec)
                return -ENOMEM;
        list_init(&spec->node);
        spec->line = node->key_line;
        spec->column = node->key_column;
        spec->name = strdup(node->key);
        spec->file = strdup(l->file);
        if (!spec->name || !spec->file)
                return -ENOMEM;
        if (asprintf(&id, MDEVD_DRIVER "-%s", node->key) < 0) {
                id = NULL;
                return -ENOMEM;
        }
        r = type_new(&spec->type, id);
        if (r < 0)
                return r;
        spec->type->ours = true;

        if (node->duplicate)
                r = json_problem_key(&l->sink, node,
                                     "expected each type once, found \"%s\" more than once",
                                     node->key);
        else
                r = json_decode_fields(&l->sink, node, type_fields, "a type in { }", spec->type);
        if (r == 0)
                r = type_check(&l->sink, node, spec->type);
        if (r < 0)
                return r;
        if (r > 0) {
                spec->broken = true;
                spec->type = type_free(spec->type);
        }
        type_spec_link(l, TAKE_PTR(spec));
        return r;
}

int decode_types(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        Loader *l = container_of(sink, Loader, sink);
        int r, result = 0;

        if (node->kind != JSON_OBJECT)
                return json_unexpected(sink, node, field->expect);

        json_foreach(i, node) {
                if (!name_is_valid_id(i->key))
                        r = json_problem_key(sink, i,
                                             "expected a name of 1 to 31 of A-Z a-z 0-9 _ . + -, "
                                             "found one that is not");
                else
                        r = decode_type(l, i);
                if (r < 0)
                        return r;
                result |= r;
        }
        return result;
}
