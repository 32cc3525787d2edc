/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * index.c owns the order of the members of objects: that of strcmp(), with "" for what is missing.
 */
#include "cli/own/index.h"

static const char *value_of(const JsonNode *n, const char *key) {
        return key ? node_text(n, key) ?: "" : "";
}

static int compare_nodes(const void *a, const void *b, void *keys) {
        const JsonNode *x = *(const JsonNode *const *) a, *y = *(const JsonNode *const *) b;
        const char *const *key = keys;
        int r = 0;

        for (size_t i = 0; i < 2 && r == 0; i++)
                r = strcmp(value_of(x, key[i]), value_of(y, key[i]));
        return r != 0 ? r : x < y ? -1 : x > y;
}

int index_new(const JsonNode *list, const char *key, const char *second_key, Index *ret) {
        Index x = {
                .nodes = calloc(list->n_members + 1, sizeof(*x.nodes)),
                .keys = { key, second_key },
        };

        if (!x.nodes)
                return -ENOMEM;
        json_foreach(i, list)
                x.nodes[x.n++] = i;
        qsort_r(x.nodes, x.n, sizeof(*x.nodes), compare_nodes, x.keys);
        *ret = x;
        return 0;
}

void index_done(Index *x) {
        free(x->nodes);
        *x = (Index) {};
}

/* How many are before what is looked for; @behind: and how many are that. */
static size_t count_before(const Index *x, const char *value, const char *second, bool behind) {
        size_t low = 0, high = x->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int r = strcmp(value_of(x->nodes[middle], x->keys[0]), value);

                if (r == 0 && second)
                        r = strcmp(value_of(x->nodes[middle], x->keys[1]), second);
                if (r < 0 || (r == 0 && behind))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

size_t index_find(const Index *x, const char *value, const char *second,
                  const JsonNode *const **ret) {
        size_t begin = count_before(x, value ?: "", second, false);

        if (ret)
                *ret = x->nodes + begin;
        return count_before(x, value ?: "", second, true) - begin;
}

const JsonNode *index_first(const Index *x, const char *value, const char *second) {
        const JsonNode *const *found;

        return index_find(x, value, second, &found) > 0 ? *found : NULL;
}
