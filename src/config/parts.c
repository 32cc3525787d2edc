/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parts.c owns the "parts" of a type: pages of its BARs that are not simply mapped. Foreign ones
 * (shared, a vendor's) add to what the pool gives, and a BAR that has only these needs no other
 * word.
 */
#include "config/spec.h"

#include "util/parse.h"

/* Nobody has a reason to say that a part is none. */
static int part_kind_from_text(const char *s) {
        int kind = part_kind_from_string(s);

        return kind == PART_NONE ? -EINVAL : kind;
}

static const JsonField part_fields[] = {
        { "bar", JSON_FIELD(TypePart, bar, json_decode_number), .max = BARS_MAX - 1,
          .expect = "the number of a BAR" },
        { "kind", JSON_FIELD(TypePart, kind, json_decode_enum), .flags = JSON_REQUIRED,
          .from_string = part_kind_from_text,
          .expect = "\"trapped\", \"shared\" or \"vendor\"" },
        { "offset", JSON_FIELD(TypePart, offset, decode_offset) },
        { "size", JSON_FIELD(TypePart, size, decode_pages), .flags = JSON_REQUIRED,
          .expect = "a size such as \"4K\"" },
        { "parent_bar", JSON_FIELD(TypePart, parent_bar, json_decode_number), .max = BARS_MAX - 1,
          .expect = "the number of a BAR of the parent" },
        { "parent_offset", JSON_FIELD(TypePart, parent_offset, decode_offset) },
        {},
};

static int check_place(JsonSink *sink, const JsonNode *node, const TypePart *part) {
        const JsonNode *bar = json_find(node, "parent_bar");
        const JsonNode *odd = bar ?: json_find(node, "parent_offset");

        if (part->kind == PART_SHARED && !bar)
                return json_problem(sink, node,
                                    "expected the key \"parent_bar\" with the BAR of the parent "
                                    "that a shared part shows, found none");
        if (part->kind != PART_SHARED && odd)
                return json_problem_key(sink, odd,
                                        "expected \"%s\" of shared parts only, found it of one "
                                        "that is "
                                        "\"%s\"", odd->key, part_kind_to_string(part->kind));
        return 0;
}

int decode_parts(JsonSink *sink, const JsonNode *node, const JsonField *field, void *value) {
        Type *type = container_of(value, Type, parts);
        int r, result = 0;
        size_t n = 0;

        if (node->kind != JSON_LIST)
                return json_unexpected(sink, node, field->expect);
        if (node->n_members > PARTS_MAX)
                return json_problem(sink, node, "expected at most %u parts, found %u", PARTS_MAX,
                                    node->n_members);

        json_foreach(i, node) {
                TypePart part = {};

                r = json_decode_fields(sink, i, part_fields, "a part in { }", &part);
                if (r == 0)
                        r = check_place(sink, i, &part);
                if (r < 0)
                        return r;
                result |= r;
                type->parts[n++] = part;
        }
        return result;
}

static uint64_t bar_size(const Type *t, unsigned bar) {
        return t->bars[bar].size + type_foreign_size(t, bar);
}

/* The foreign part that begins (or ends) at @at. */
static const TypePart *find_foreign(const Type *t, unsigned bar, uint64_t at, bool end) {
        for (size_t i = 0; i < PARTS_MAX; i++) {
                const TypePart *p = &t->parts[i];

                if (p->bar == bar && part_is_foreign(p) &&
                    p->offset + (end ? p->size : 0) == at)
                        return p;
        }
        return NULL;
}

/* A device has one extent for each BAR, and that cannot be on both sides of something. */
static bool is_split(const Type *t, unsigned bar) {
        uint64_t start = 0, end = bar_size(t, bar);
        const TypePart *p;

        while ((p = find_foreign(t, bar, start, false)))
                start += p->size;
        while (end > start && (p = find_foreign(t, bar, end, true)))
                end -= p->size;
        return end - start != t->bars[bar].size;
}

static int check_bar(JsonSink *sink, const JsonNode *node, const Type *t, unsigned bar) {
        uint64_t size = bar_size(t, bar);

        if (size == 0)
                return json_problem(sink, node,
                                    "expected a part of a BAR that the type has, found BAR %u, "
                                    "which it has not", bar);
        if (t->bars[bar].size == 0 && bar > 0 && t->bars[bar - 1].is_64bit)
                return json_problem(sink, node,
                                    "expected BARs that do not overlap, found a part in BAR %u "
                                    "beside 64-bit %u", bar, bar - 1);
        if (!t->bars[bar].is_64bit && size > BAR_32BIT_MAX)
                return json_problem(sink, node,
                                    "expected at most %s in a BAR without \"64bit\": true, found "
                                    "%s with its parts", SIZE_STR(BAR_32BIT_MAX), SIZE_STR(size));
        return 0;
}

static int check_part(JsonSink *sink, const JsonNode *node, const Type *t, size_t index) {
        const TypePart *part = &t->parts[index];
        uint64_t size = bar_size(t, part->bar);
        int r;

        r = check_bar(sink, node, t, part->bar);
        if (r != 0)
                return r;
        if (part->offset > size || part->size > size - part->offset)
                return json_problem(sink, node,
                                    "expected a part within its BAR, which has %s with its parts, "
                                    "found one that ends at %s", SIZE_STR(size),
                                    SIZE_STR(part->offset + part->size));
        for (size_t i = 0; i < index; i++) {
                const TypePart *other = &t->parts[i];

                if (other->bar == part->bar && other->offset < part->offset + part->size &&
                    part->offset < other->offset + other->size)
                        return json_problem(sink, node,
                                            "expected parts that do not overlap, found two that "
                                            "share BAR %u from %s on", part->bar,
                                            SIZE_STR(MAX(other->offset, part->offset)));
        }
        return 0;
}

int parts_check(JsonSink *sink, const JsonNode *node, const Type *t) {
        const JsonNode *parts = json_find(node, "parts");
        size_t n = 0;
        int r;

        if (!parts)
                return 0;
        json_foreach(i, parts) {
                r = check_part(sink, i, t, n++);
                if (r != 0)
                        return r;
        }
        for (unsigned bar = 0; bar < BARS_MAX; bar++)
                if (is_split(t, bar))
                        return json_problem(sink, parts,
                                            "expected shared and vendor parts at the beginning or "
                                            "the end of BAR %u, found one in the midst of what its "
                                            "pool gives", bar);
        return 0;
}
