/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config-text.h: configurations as tests write them, and as they read in one line. */
#pragma once

#include "config/config.h"
#include "tree.h"
#include "util/parse.h"

/* A type and a parent that are right, for tests about what stands beside them. */
#define TYPE "{\"bars\":[{\"pool\":\"fb\",\"size\":\"16M\"}]}"
#define TYPES "\"types\":{\"t\":" TYPE "}"
#define POOL "{\"name\":\"fb\",\"bar\":2,\"size\":\"64M\"}"
#define PARENT(address) "{\"address\":\"" address "\",\"pools\":[" POOL "],\"types\":[\"t\"]}"

/* "address pool … | type …", parents separated by "; ". */
static inline char *config_text(const Config *c) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        list_foreach(p, &c->parents, Parent, node) {
                ASSERT_EQ(p->state, PARENT_ABSENT);
                ASSERT_TRUE(p->ours && p->in_config && !p->model);
                (void) fprintf(f, "%s%s", ftell(f) > 0 ? "; " : "", p->name);
                list_foreach(pool, &p->pools, Pool, node)
                        (void) fprintf(f, " %s=%u:%s+%s,%s,%s,%s", pool->name, pool->bar,
                                       SIZE_STR(pool->offset), SIZE_STR(pool->size),
                                       pool_kind_to_string(pool->kind),
                                       cache_to_string(pool->cache), scrub_to_string(pool->scrub));
                (void) fprintf(f, " |");
                list_foreach(t, &p->types, Type, node) {
                        ASSERT_TRUE(t->ours);
                        ASSERT_TRUE(strncmp(t->id, "mdevd-", 6) == 0 && streq(t->id + 6, t->name));
                        (void) fprintf(f, " %s", t->name);
                }
        }
        ASSERT_EQ(fclose(f), 0);
        return text;
}

typedef struct ConfigCase ConfigCase;

struct ConfigCase {
        const char *text;
        const char *problems;
        const char *result; /* NULL: not compared */
};

/* Each text, as if it were the file "f": what is said of it, and what it comes to. */
static inline void check_config(const ConfigCase *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(freep) char *problems = NULL, *result = NULL;

                ASSERT_OK(config_load_text(&c, "f", cases[i].text, strlen(cases[i].text)));
                problems = problems_text(&c->problems);
                ASSERT_STREQ(problems, cases[i].problems);
                result = config_text(c);
                if (cases[i].result)
                        ASSERT_STREQ(result, cases[i].result);
        }
}
