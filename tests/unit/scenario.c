/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scenario.c: words to model. A table of words, each with the function that knows it. */
#include "scenario.h"

#include <fcntl.h>
#include <stdarg.h>

#include "test.h"
#include "util/fs.h"
#include "util/parse.h"

#define WORD_MAX 256

typedef bool (*WordFn)(Scenario *s, char *word);

static bool _printf_(2, 3) wrong(Scenario *s, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(s->why, sizeof(s->why), format, ap);
        va_end(ap);
        return false;
}

static bool for_words(Scenario *s, const char *words, WordFn fn) {
        while (*words) {
                size_t n = strcspn(words, " ");
                char word[WORD_MAX];

                if (n >= sizeof(word))
                        return wrong(s, "too long a word: %s", words);
                memcpy(word, words, n);
                word[n] = '\0';
                if (n > 0 && !fn(s, word))
                        return s->why[0] ? false : wrong(s, "what is %s?", word);
                words += n + (words[n] == ' ');
        }
        return true;
}

/* "key=value": the value, or NULL. */
static char *after(char *word, const char *key) {
        size_t n = strlen(key);

        return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool number(Scenario *s, const char *text, uint64_t *ret) {
        return parse_size(text, ret) == 0 || wrong(s, "no number: %s", text);
}

int scenario_init(Scenario *s) {
        int r;

        *s = (Scenario) {};
        r = model_new(&s->model);
        if (r < 0)
                return r;
        r = rules_new(&s->rules);
        if (r < 0)
                return r;
        model_set_rules(s->model, s->rules);
        return 0;
}

void scenario_done(Scenario *s) {
        model_free(s->model);
        *s = (Scenario) {};
}

/* ---- parents ---- */

static void add_pool(Parent *p, const char *name, uint8_t bar, uint64_t offset, uint64_t size,
                     uint64_t slot) {
        Pool *pool;

        ASSERT_OK(pool_new(&pool, name));
        pool->bar = bar;
        pool->offset = offset;
        pool->size = size;
        pool->slot = slot;
        parent_link_pool(p, pool);
}

static Type *add_type(Parent *p, const char *name, uint64_t fb, uint64_t regs) {
        char id[64];
        Type *t;

        (void) snprintf(id, sizeof(id), "mdevd-%s", name);
        ASSERT_OK(type_new(&t, id));
        t->ours = true;
        t->movable = true;
        t->vectors = 2;
        t->bars[0].size = fb;
        ASSERT_NOT_NULL(t->bars[0].pool = strdup("fb"));
        if (regs) {
                t->bars[2].size = regs;
                ASSERT_NOT_NULL(t->bars[2].pool = strdup("regs"));
        }
        parent_link_type(p, t);
        return t;
}

static void add_types(Parent *p) {
        static const char *const sizes[] = { "4K", "1M",  "2M",  "4M",  "8M",
                                             "12M", "16M", "32M", "64M" };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                char name[32];
                uint64_t size;

                ASSERT_OK(parse_size(sizes[i], &size));
                add_type(p, sizes[i], size, 0);
                (void) snprintf(name, sizeof(name), "fixed-%s", sizes[i]);
                add_type(p, name, size, 0)->movable = false;
                (void) snprintf(name, sizeof(name), "pair-%s", sizes[i]);
                add_type(p, name, size, 4096);
        }
}

/* "nvidia-22:4" or "nvidia-22:4:GRID_T4-1Q" (blanks of the label as underscores). */
static bool add_vendor_type(Scenario *s, Parent *p, char *text) {
        char *available = strchr(text, ':'), *label = NULL;
        uint64_t n;
        Type *t;

        if (!available)
                return wrong(s, "vendor=TYPE:AVAILABLE[:LABEL], not %s", text);
        *available++ = '\0';
        label = strchr(available, ':');
        if (label)
                *label++ = '\0';
        if (!number(s, available, &n))
                return false;
        ASSERT_OK(type_new(&t, text));
        t->available = (unsigned) n;
        if (label) {
                ASSERT_NOT_NULL(t->label = strdup(label));
                for (char *c = t->label; *c; c++)
                        *c = *c == '_' ? ' ' : *c;
        }
        parent_link_type(p, t);
        return true;
}

static bool parent_option(Scenario *s, Parent *p, char *word, uint64_t *slot, uint64_t *at,
                          uint64_t *regs, bool *unknown) {
        char *v;
        uint64_t n;

        if ((v = after(word, "slot")))
                return number(s, v, slot);
        if ((v = after(word, "at")))
                return number(s, v, at);
        if ((v = after(word, "regs")))
                return number(s, v, regs);
        if ((v = after(word, "vendor")))
                return add_vendor_type(s, p, v);
        if ((v = after(word, "unit"))) {
                ASSERT_NOT_NULL(p->unit = strdup(v));
                return true;
        }
        if ((v = after(word, "driver"))) {
                ASSERT_NOT_NULL(p->driver = strdup(v));
                return true;
        }
        if ((v = after(word, "state"))) {
                p->state = (ParentState) parent_state_from_string(v);
                return (int) p->state >= 0;
        }
        if ((v = after(word, "size"))) {
                *unknown = true;
                return true;
        }
        if ((v = after(word, "numa"))) {
                if (!number(s, v, &n))
                        return false;
                p->numa_node = (int) n;
                return true;
        }
        return false;
}

/* NAME=SIZE[,option=value…]; a vendor's parent has no size: NAME,vendor=… */
static bool add_parent(Scenario *s, char *word) {
        uint64_t size = 0, slot = 0, at = 0, regs = 0;
        char *options = strchr(word, ','), *text;
        bool unknown = false;
        Parent *p;

        if (options)
                *options++ = '\0';
        text = strchr(word, '=');
        if (text)
                *text++ = '\0';
        if (text && !number(s, text, &size))
                return false;
        ASSERT_OK(parent_new(&p, word));
        p->state = PARENT_REGISTERED;
        p->ours = size > 0;
        model_link_parent(s->model, p);
        while (options) {
                char *next = strchr(options, ',');

                if (next)
                        *next++ = '\0';
                if (!parent_option(s, p, options, &slot, &at, &regs, &unknown))
                        return s->why[0] ? false : wrong(s, "what is %s?", options);
                options = next;
        }
        if (size)
                add_pool(p, "fb", 2, at, unknown ? 0 : size, slot);
        if (regs)
                add_pool(p, "regs", 0, 0, regs, 0);
        if (size)
                add_types(p);
        return true;
}

bool scenario_add_parents(Scenario *s, const char *words) {
        return for_words(s, words, add_parent);
}

/* ---- rules ---- */

static PlacementRule *placement(Scenario *s) {
        PlacementRule *p = list_first(&s->rules->placements, PlacementRule, node);

        if (!p)
                ASSERT_OK(rules_add_placement(s->rules, &p, "policy", 1, 1));
        return p;
}

static ParentRule *last_parent_rule(Scenario *s) {
        ParentRule *last = NULL;

        list_foreach(i, &s->rules->parents, ParentRule, node)
                last = i;
        return last;
}

static Group *last_group(Scenario *s) {
        Group *last = NULL;

        list_foreach(i, &s->rules->groups, Group, node)
                last = i;
        return last;
}

/* "group=NAME:GLOB[:GLOB…]" */
static bool rule_group(Scenario *s, char *v) {
        char *glob = strchr(v, ':');
        Group *g;

        if (!glob)
                return wrong(s, "group=NAME:GLOB, not %s", v);
        *glob++ = '\0';
        ASSERT_OK(rules_add_group(s->rules, &g, "policy", 10 + s->rules->n_groups, 1, v));
        while (glob) {
                char *next = strchr(glob, ':');

                if (next)
                        *next++ = '\0';
                ASSERT_OK(group_add_owner(g, glob));
                glob = next;
        }
        return true;
}

/* "devices:2", "bytes:32M", "vectors:8" */
static bool rule_limit(Scenario *s, Limits *limits, char *v) {
        char *text = strchr(v, ':');
        uint64_t n;

        if (!text)
                return wrong(s, "limit=WHAT:NUMBER, not %s", v);
        *text++ = '\0';
        if (!number(s, text, &n))
                return false;
        if (streq(v, "devices"))
                limits->devices = n;
        else if (streq(v, "bytes"))
                limits->bytes = n;
        else if (streq(v, "vectors"))
                limits->vectors = n;
        else
                return wrong(s, "no limit: %s", v);
        return true;
}

/* "TYPE*N[@PARENT]" or "fb:BYTES[@PARENT]" */
static bool rule_guarantee(Scenario *s, char *v) {
        char *parent = strchr(v, '@'), *count = strchr(v, '*'), *bytes = strchr(v, ':');
        Guarantee *g;

        ASSERT_OK(group_add_guarantee(last_group(s), &g, "policy", 20, 1));
        if (parent) {
                *parent++ = '\0';
                ASSERT_NOT_NULL(g->parent = strdup(parent));
        }
        if (count) {
                *count++ = '\0';
                ASSERT_NOT_NULL(g->type = strdup(v));
                return number(s, count, &g->n_devices);
        }
        if (!bytes)
                return wrong(s, "guarantee=TYPE*N or POOL:BYTES, not %s", v);
        *bytes++ = '\0';
        ASSERT_NOT_NULL(g->pool = strdup(v));
        return number(s, bytes, &g->bytes);
}

/* "PARENT:OFFSET:SIZE" of its pool fb */
static bool rule_partition(Scenario *s, char *v) {
        char *offset = strchr(v, ':'), *size = offset ? strchr(offset + 1, ':') : NULL;
        Partition *p;

        if (!size)
                return wrong(s, "partition=PARENT:OFFSET:SIZE, not %s", v);
        *offset++ = *size++ = '\0';
        ASSERT_OK(group_add_partition(last_group(s), &p, "policy", 30, 1, v, "fb"));
        return number(s, offset, &p->offset) && number(s, size, &p->size);
}

/* "max=N" of devices, or "max=TYPE:N", for the last parents=… */
static bool rule_max(Scenario *s, char *v) {
        char *count = strchr(v, ':');
        uint64_t n;

        if (!count)
                return number(s, v, &last_parent_rule(s)->max_devices);
        *count++ = '\0';
        if (!number(s, count, &n))
                return false;
        ASSERT_OK(parent_rule_add_maximum(last_parent_rule(s), v, n));
        return true;
}

static bool rule_parents(Scenario *s, char *v) {
        ParentRule *p;

        ASSERT_OK(rules_add_parent(s->rules, &p, "policy", 40, 1));
        ASSERT_NOT_NULL(p->parents = strdup(v));
        return true;
}

/* "want=TYPE*N[:UUID]", for the last profile=NAME */
static bool rule_want(Scenario *s, char *v) {
        char *count = strchr(v, '*'), *uuid = count ? strchr(count, ':') : NULL;
        Profile *last = NULL;
        uint64_t n;
        Want *w;

        list_foreach(i, &s->rules->profiles, Profile, node)
                last = i;
        if (!count || !last)
                return wrong(s, "profile=NAME want=TYPE*N[:UUID], not %s", v);
        *count++ = '\0';
        if (uuid)
                *uuid++ = '\0';
        ASSERT_OK(profile_add_want(last, &w, "policy", 50, 1, v));
        if (uuid) {
                if (!number(s, uuid, &n))
                        return false;
                scenario_uuid((unsigned) n, &w->uuid);
        }
        return number(s, count, &w->count);
}

static bool rule_plain(Scenario *s, const char *word) {
        if (streq(word, "pack")) {
                placement(s)->order = ORDER_PACK;
        } else if (streq(word, "spread")) {
                placement(s)->order = ORDER_SPREAD;
        } else if (streq(word, "no-fallback")) {
                placement(s)->fallback = false;
        } else if (streq(word, "numa-prefer")) {
                placement(s)->numa = NUMA_PREFER;
        } else if (streq(word, "together") || streq(word, "together!")) {
                placement(s)->affinity = AFFINITY_TOGETHER;
                placement(s)->affinity_required = word[8] == '!';
        } else if (streq(word, "apart") || streq(word, "apart!")) {
                placement(s)->affinity = AFFINITY_APART;
                placement(s)->affinity_required = word[5] == '!';
        } else if (streq(word, "one-type") && last_parent_rule(s)) {
                last_parent_rule(s)->one_type = true;
        } else {
                return false;
        }
        return true;
}

static bool add_rule(Scenario *s, char *word) {
        Group *g = last_group(s);
        char *v;

        if ((v = after(word, "group")))
                return rule_group(s, v);
        if ((v = after(word, "parents")))
                return rule_parents(s, v);
        if ((v = after(word, "want")))
                return rule_want(s, v);
        if ((v = after(word, "profile"))) {
                Profile *p;

                ASSERT_OK(rules_add_profile(s->rules, &p, "policy", 49, 1, v));
                return true;
        }
        if ((v = after(word, "max")) && last_parent_rule(s))
                return rule_max(s, v);
        if (g && (v = after(word, "limit")))
                return rule_limit(s, &g->limit, v);
        if (g && (v = after(word, "limit-per-parent")))
                return rule_limit(s, &g->limit_per_parent, v);
        if (g && (v = after(word, "guarantee")))
                return rule_guarantee(s, v);
        if (g && (v = after(word, "partition")))
                return rule_partition(s, v);
        return rule_plain(s, word);
}

bool scenario_add_rules(Scenario *s, const char *words) {
        return for_words(s, words, add_rule);
}

/* ---- devices ---- */

void scenario_uuid(unsigned n, Uuid *ret) {
        *ret = (Uuid) {};
        ret->bytes[14] = (uint8_t) (n >> 8);
        ret->bytes[15] = (uint8_t) n;
}

static Type *find_type(Scenario *s, const Parent *p, const char *name) {
        Type *t = parent_find_type(p, name);

        if (!t)
                (void) wrong(s, "%s has no type %s", p->name, name);
        return t;
}

static bool link_device(Scenario *s, Parent *p, const Type *t, uint64_t offset, const char *owner,
                        DeviceState state) {
        size_t n = 0;
        Device *d;
        Uuid uuid;

        scenario_uuid(++s->n_devices, &uuid);
        ASSERT_OK(device_new(&d, p, &uuid, t->id));
        ASSERT_OK(device_set_owner(d, owner));
        d->state = state;
        d->ours = t->ours;
        for (size_t i = 0; t->ours && i < BARS_MAX; i++) {
                const Pool *pool;

                if (t->bars[i].size == 0)
                        continue;
                pool = parent_find_pool(p, t->bars[i].pool);
                if (!pool) {
                        device_free(d);
                        return wrong(s, "%s has no pool %s", p->name, t->bars[i].pool);
                }
                d->extents[n++] = (Extent) { .offset = i ? 4096 * (s->n_devices - 1) : offset,
                                             .size = t->bars[i].size,
                                             .bar = pool->bar,
                                             .guest_bar = (uint8_t) i };
        }
        d->n_extents = n;
        model_link_device(s->model, d);
        return true;
}

/* "reserve:TYPE@PARENT[:OWNER]": a definition that keeps its room. */
static bool link_definition(Scenario *s, Parent *p, const Type *t, const char *owner) {
        Definition *d;
        Uuid uuid;

        scenario_uuid(++s->n_devices, &uuid);
        ASSERT_OK(definition_new(&d, p->name, &uuid));
        ASSERT_NOT_NULL(d->type = strdup(t->id));
        free(d->owner);
        ASSERT_NOT_NULL(d->owner = strdup(owner));
        d->reserve = true;
        model_link_definition(s->model, d);
        return true;
}

/* TYPE@PARENT[+OFFSET][:OWNER][!STATE]; a definition has no offset. */
static bool add_device(Scenario *s, char *word) {
        bool reserve = strncmp(word, "reserve:", 8) == 0;
        char *type = word + (reserve ? 8 : 0), *parent = strchr(type, '@'), *state, *owner, *text;
        DeviceState st = DEVICE_LIVE;
        uint64_t offset = 0;
        Parent *p;
        Type *t;

        if (!parent)
                return wrong(s, "TYPE@PARENT[+OFFSET][:OWNER], not %s", word);
        *parent++ = '\0';
        if ((state = strchr(parent, '!'))) {
                *state++ = '\0';
                st = (DeviceState) device_state_from_string(state);
        }
        if ((owner = strchr(parent, ':')))
                *owner++ = '\0';
        if ((text = strchr(parent, '+')))
                *text++ = '\0';
        if ((int) st < 0 || (text && !number(s, text, &offset)))
                return false;
        p = model_find_parent(s->model, parent);
        if (!p)
                return wrong(s, "no parent %s", parent);
        t = find_type(s, p, type);
        if (!t)
                return false;
        return reserve ? link_definition(s, p, t, owner ?: "") :
                         link_device(s, p, t, offset, owner ?: "", st);
}

bool scenario_add_devices(Scenario *s, const char *words) {
        return for_words(s, words, add_device);
}

/* ---- requests ---- */

static Request *request_being_parsed;

static bool request_word(Scenario *s, char *word) {
        Request *q = request_being_parsed;
        uint64_t n;
        char *v;

        if ((v = after(word, "owner"))) {
                free(q->owner);
                ASSERT_NOT_NULL(q->owner = strdup(v));
        } else if ((v = after(word, "on"))) {
                ASSERT_NOT_NULL(q->parent = strdup(v));
        } else if ((v = after(word, "numa"))) {
                if (!number(s, v, &n))
                        return false;
                q->numa_node = (int) n;
        } else if ((v = after(word, "uuid"))) {
                if (!number(s, v, &n))
                        return false;
                scenario_uuid((unsigned) n, &q->uuid);
                q->uuid_given = true;
        } else if (streq(word, "definition")) {
                q->origin = ORIGIN_DEFINITION;
        } else {
                free(q->type);
                ASSERT_NOT_NULL(q->type = strdup(word));
        }
        return true;
}

bool scenario_parse_request(Scenario *s, const char *words, Request **ret) {
        bool ok;

        ASSERT_OK(request_new(ret, ""));
        request_being_parsed = *ret;
        ok = for_words(s, words, request_word);
        request_being_parsed = NULL;
        return ok;
}

void scenario_format(const Placement *p, char buf[static 256]) {
        size_t n = (size_t) snprintf(buf, 256, "%s", p->parent->name);

        for (size_t i = 0; i < p->n_extents; i++) {
                const Extent *e = &p->extents[i];
                char size[SIZE_STRING_MAX];

                size_format(e->offset, size);
                if (strchr(size, ' '))
                        *strchr(size, ' ') = '\0'; /* "16 MiB": 16, and then M */
                n += (size_t) snprintf(buf + n, 256 - n, " +%s%s%s", size,
                                       e->offset == 0        ? "" :
                                       e->offset % (1 << 20) ? "K" :
                                                               "M",
                                       e->bar == 0 ? "(regs)" : "");
        }
}

/* ---- tables ---- */

static char *trim(char *s) {
        size_t n;

        while (*s == ' ')
                s++;
        n = strlen(s);
        while (n > 0 && s[n - 1] == ' ')
                s[--n] = '\0';
        return s;
}

static size_t split(char *line, char *fields[], size_t n_fields) {
        size_t n = 0;

        for (char *p = line; p && n < n_fields; n++) {
                char *bar = n + 1 < n_fields ? strchr(p, '|') : NULL;

                if (bar)
                        *bar++ = '\0';
                fields[n] = trim(p);
                p = bar;
        }
        return n;
}

bool scenario_has_parts(const char *text, const char *expected) {
        while (*expected) {
                size_t n = strcspn(expected, ";");
                char part[512];

                (void) snprintf(part, sizeof(part), "%.*s", (int) n, expected);
                if (!strstr(text, trim(part)))
                        return false;
                expected += n + (expected[n] == ';');
        }
        return true;
}

void scenario_table(const char *name, size_t n_fields, size_t least_cases, TableRun run) {
        const char *folder = getenv("MDEVD_TEST_DATA") ?: "tests/data";
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int dir = -EBADF;
        size_t n = 0, failed = 0;
        int line = 0;

        dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_TRUE(dir >= 0);
        ASSERT_OK(read_file_at(dir, name, 1 << 20, &text, NULL));
        for (char *p = text, *next; p; p = next) {
                char *fields[TABLE_FIELDS_MAX], got[8192];

                next = strchr(p, '\n');
                if (next)
                        *next++ = '\0';
                line++;
                if (!*trim(p) || *trim(p) == '#')
                        continue;
                if (split(p, fields, n_fields) != n_fields)
                        test_fail(name, line, "not %zu fields", n_fields);
                n++;
                if (run(fields, got, sizeof(got)))
                        continue;
                printf("# %s:%d: %s\n#   expected: %s\n#   got:      %s\n", name, line, fields[0],
                       fields[n_fields - 1], got);
                failed++;
        }
        printf("# %s: %zu cases\n", name, n);
        ASSERT_EQ(failed, 0);
        ASSERT_TRUE(n >= least_cases);
}
