/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attributes.c owns what definitions and profiles have in common: names that become paths in sysfs,
 * written by root, and so must not lead anywhere else.
 */
#include "config/attributes.h"

#define NAME_BYTES_MAX 255

static bool is_control(char c) {
        return (unsigned char) c < 0x20 || c == 0x7f;
}

bool type_name_is_valid(const char *s) {
        size_t n = strlen(s);

        for (size_t i = 0; i < n; i++)
                if (is_control(s[i]) || s[i] == '/')
                        return false;
        return n > 0 && n <= NAME_BYTES_MAX && !streq(s, ".") && !streq(s, "..");
}

int attributes_decode(JsonSink *sink, const JsonNode *node, const char *expect,
                      Attribute **attributes, size_t *n_attributes) {
        int r;

        if (node->kind != JSON_LIST)
                return json_unexpected(sink, node, expect);

        json_foreach(i, node) {
                const JsonNode *a = i + 1;

                if (i->kind != JSON_OBJECT || i->n_members != 1)
                        return json_unexpected(sink, i, "an object of one attribute's name and "
                                                        "value");
                if (!attribute_name_is_valid(a->key))
                        return json_problem_key(sink, a,
                                                "expected an attribute's name, a path below the "
                                                "device without \"..\"");
                if (a->kind != JSON_STRING)
                        return json_unexpected(sink, a, "an attribute's value in quotes");
                r = attributes_add(attributes, n_attributes, a->key, a->text);
                if (r < 0)
                        return r;
        }
        return 0;
}
