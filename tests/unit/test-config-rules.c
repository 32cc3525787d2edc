/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-config-rules.c: policy and profiles as files say them, and what stays if they are wrong. */
#include "alloc.h"
#include "tree.h"
#include "util/parse.h"

#define GROUP(name) "{\"name\":\"" name "\",\"owners\":[\"" name "-*\"]}"
#define GROUPS(groups) "{\"policy\":{\"groups\":[" groups "]}}"
#define UUID "3f1c0f0e-9a55-4c3c-8d5b-0a8b6f3f8a10"

static void print_limits(FILE *f, const char *name, const Limits *l) {
        (void) fprintf(f, " %s", name);
        if (l->devices != LIMIT_NONE)
                (void) fprintf(f, " %" PRIu64 "d", l->devices);
        if (l->bytes != LIMIT_NONE)
                (void) fprintf(f, " %s", SIZE_STR(l->bytes));
        if (l->vectors != LIMIT_NONE)
                (void) fprintf(f, " %" PRIu64 "v", l->vectors);
}

static void print_group(FILE *f, const Group *g) {
        (void) fprintf(f, "%u %s@%s:", g->index, g->name, SOURCE_STR(&g->source));
        for (size_t i = 0; i < g->n_owners; i++)
                (void) fprintf(f, " %s", g->owners[i]);
        for (size_t i = 0; i < g->n_users; i++)
                (void) fprintf(f, " u%u", g->users[i]);
        print_limits(f, "limit", &g->limit);
        print_limits(f, "each", &g->limit_per_parent);
        list_foreach(n, &g->guarantees, Guarantee, node)
                (void) fprintf(f, " [%s %s%s %" PRIu64 " %s]", n->parent ?: "*", n->type ?: "",
                               n->pool ?: "", n->n_devices, SIZE_STR(n->bytes));
        list_foreach(p, &g->partitions, Partition, node)
                (void) fprintf(f, " (%s %s %s+%s)", p->parent, p->pool, SIZE_STR(p->offset),
                               SIZE_STR(p->size));
        (void) fputc('\n', f);
}

static void print_others(FILE *f, const Rules *r) {
        list_foreach(p, &r->placements, PlacementRule, node)
                (void) fprintf(f, "place %s %s %s%s %s %s%s\n", p->owners ?: "*", p->types ?: "*",
                               order_to_string(p->order), p->fallback ? "" : "!",
                               numa_to_string(p->numa), affinity_to_string(p->affinity),
                               p->affinity_required ? "!" : "");
        list_foreach(p, &r->parents, ParentRule, node) {
                (void) fprintf(f, "parent %s %s%s", p->parents ?: "*", p->driver ?: "*",
                               p->one_type ? " one" : "");
                if (p->max_devices != LIMIT_NONE)
                        (void) fprintf(f, " %" PRIu64, p->max_devices);
                for (size_t i = 0; i < p->n_maxima; i++)
                        (void) fprintf(f, " %s=%" PRIu64, p->maxima[i].type, p->maxima[i].n);
                (void) fputc('\n', f);
        }
        list_foreach(w, &r->writers, WriterRule, node)
                (void) fprintf(f, "writer %s '%s'@%s\n", w->units ?: "*", w->owner,
                               SOURCE_STR(&w->source));
        list_foreach(p, &r->profiles, Profile, node) {
                (void) fprintf(f, "profile %s%s@%s:", p->name, p->apply ? "!" : "",
                               SOURCE_STR(&p->source));
                list_foreach(w, &p->wants, Want, node) {
                        (void) fprintf(f, " %" PRIu64 "*%s on %s for '%s'", w->count, w->type,
                                       w->parent ?: "*", w->owner);
                        if (!uuid_is_null(&w->uuid))
                                (void) fprintf(f, " %s", UUID_STR(&w->uuid));
                        for (size_t i = 0; i < w->n_attributes; i++)
                                (void) fprintf(f, " %s=%s", w->attributes[i].name,
                                               w->attributes[i].value);
                }
                (void) fputc('\n', f);
        }
}

static char *rules_text(const Rules *r) {
        char *text = NULL;
        unsigned n = 0;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        list_foreach(g, &r->groups, Group, node) {
                ASSERT_EQ(g->index, n);
                n++;
                print_group(f, g);
        }
        ASSERT_EQ(r->n_groups, n);
        print_others(f, r);
        ASSERT_EQ(fclose(f), 0);
        return text;
}

TEST(all_keys) {
        static const char text[] =
                "{\"policy\":{\"groups\":[\n"
                "{\"name\":\"gold\",\"owners\":[\"gold-*\",\"db1\",\"\"],\"users\":[1000,0],"
                "\"limit\":{\"devices\":8,\"bytes\":\"128M\",\"vectors\":0},"
                "\"limit_per_parent\":{\"devices\":0},"
                "\"guarantees\":[{\"type\":\"fb-16M\",\"devices\":1},"
                "{\"pool\":\"fb\",\"bytes\":\"8M\",\"parent\":\"0000:00:05.0\"}],"
                "\"partitions\":[{\"parent\":\"0000:00:05.0\",\"pool\":\"fb\",\"offset\":4096,"
                "\"size\":\"32M\"}]},\n" GROUP("silver") "],"
                "\"placement\":[{\"owners\":\"gold-*\",\"types\":\"fb-*\",\"order\":\"spread\","
                "\"fallback\":false,\"numa\":\"prefer\",\"affinity\":\"apart\","
                "\"affinity_required\":true},{}],"
                "\"parents\":[{\"parents\":\"0000:41:*\",\"driver\":\"nvidia*\",\"one_type\":true,"
                "\"max_devices\":8,\"max_of_type\":{\"nvidia-22\":4,\"GRID T4\":0}},{}],"
                "\"writers\":[{\"unit\":\"supervdsmd.service\",\"owner\":\"ovirt\"},"
                "{\"owner\":\"\"}]},"
                "\"profiles\":{\n\"standard\":{\"apply\":true,\"devices\":["
                "{\"type\":\"a b\",\"owner\":\"gold-1\",\"count\":2},"
                "{\"type\":\"t\",\"parent\":\"matrix\",\"uuid\":\"" UUID "\","
                "\"attributes\":[{\"a\":\"1\"},{\"a\":\"2\"}]}]},\n\"empty\":{\"devices\":[]}}}";
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(freep) char *problems = NULL, *rules = NULL;

        ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
        problems = problems_text(&c->problems);
        ASSERT_STREQ(problems, "");
        ASSERT_FALSE(c->rules_wrong);
        rules = rules_text(c->rules);
        ASSERT_STREQ(rules,
                     "0 gold@f:2:1: gold-* db1  u1000 u0 limit 8d 128 MiB 0v each 0d "
                     "[* fb-16M 1 0] [0000:00:05.0 fb 0 8 MiB] (0000:00:05.0 fb 4 KiB+32 MiB)\n"
                     "1 silver@f:3:1: silver-* limit each\n"
                     "place gold-* fb-* spread! prefer apart!\n"
                     "place * * pack require none\n"
                     "parent 0000:41:* nvidia* one 8 nvidia-22=4 GRID T4=0\n"
                     "parent * *\n"
                     "writer supervdsmd.service 'ovirt'@f:3:331\n"
                     "writer * ''@f:3:377\n"
                     "profile standard!@f:4:1: 2*a b on * for 'gold-1' 1*t on matrix for '' " UUID
                     " a=1 a=2\n"
                     "profile empty@f:5:1:\n");
}

typedef struct RuleCase RuleCase;

struct RuleCase {
        const char *text;
        const char *problems;
        bool wrong;
};

static void check_rules(const RuleCase *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(freep) char *problems = NULL;

                ASSERT_OK(config_load_text(&c, "f", cases[i].text, strlen(cases[i].text)));
                problems = problems_text(&c->problems);
                ASSERT_STREQ(problems, cases[i].problems);
                ASSERT_EQ(c->rules_wrong, cases[i].wrong);
                ASSERT_NOT_NULL(c->rules);
                if (cases[i].wrong)
                        ASSERT_TRUE(list_is_empty(&c->rules->groups));
        }
}

#define IN_GROUP(rest) GROUPS("{\"name\":\"g\",\"owners\":[\"g\"],\n" rest "}")

TEST(groups) {
        static const RuleCase cases[] = {
                { GROUPS(""), "", false },
                { "{}", "", false },
                { "{", "f:1:2: expected a key in double quotes, found the end of the file", true },
                { "[]", "f:1:1: expected an object in { }, found an empty list", true },
                { "{\"policy\":[]}", "f:1:11: expected the policy in { }, found an empty list",
                 true },
                { "{\"policy\":{},\n\"policy\":{}}",
                 "f:2:1: expected each key once, found \"policy\" again after line 1", true },
                { "{\"policy\":{\"groups\":[],\n\"groups\":[]}}",
                 "f:2:1: expected each key once, found \"groups\" again after line 1", true },
                { "{\"policy\":{\"groups\":{}}}",
                 "f:1:21: expected a list of groups, found an empty object", true },
                { "{\"policy\":{\"gruops\":[]}}",
                 "f:1:12: warning: unknown key \"gruops\" is ignored; did you mean \"groups\"?",
                 false },
                { GROUPS("7"), "f:1:22: expected a group in { }, found 7", true },
                { GROUPS(GROUP("a") ",\n" GROUP("a")),
                 "f:2:9: expected groups of different names, found \"a\" again after line 1",
                 true },
                { GROUPS(GROUP("default")),
                 "f:1:30: expected another name, since \"default\" are those whom no group has",
                 true },
                { GROUPS("{\"name\":\"g\",\n\"owners\":[]}"),
                 "f:2:10: expected a list of owners, found an empty list", true },
                { GROUPS("{\"name\":\"g\",\n\"owners\":[1]}"),
                 "f:2:11: expected an owner or a pattern such as \"vm-*\", found 1", true },
                { IN_GROUP("\"users\":[\"root\"]"),
                 "f:2:10: expected the number of a user, found \"root\"", true },
                { IN_GROUP("\"users\":[4294967295]"),
                 "f:2:10: expected the number of a user of at most 4294967294, found 4294967295",
                 true },
                { IN_GROUP("\"limit\":{\"devices\":-1}"), "f:2:20: expected a number, found -1",
                 true },
                { IN_GROUP("\"limit\":3"), "f:2:9: expected limits in { }, found 3", true },
                { IN_GROUP("\"guarantees\":[\n{}]"),
                 "f:3:1: expected either \"type\" and \"devices\" or \"pool\" and \"bytes\", of at "
                 "least 1",
                 true },
                { IN_GROUP("\"guarantees\":[\n{\"type\":\"t\"}]"),
                 "f:3:1: expected either \"type\" and \"devices\" or \"pool\" and \"bytes\", of at "
                 "least 1",
                 true },
                { IN_GROUP("\"guarantees\":[\n{\"type\":\"t\",\"devices\":1,\"pool\":\"p\","
                          "\"bytes\":4096}]"),
                 "f:3:1: expected either \"type\" and \"devices\" or \"pool\" and \"bytes\", of at "
                 "least 1",
                 true },
                { IN_GROUP("\"guarantees\":[\n{\"type\":\"t\",\"bytes\":4096}]"),
                 "f:3:1: expected either \"type\" and \"devices\" or \"pool\" and \"bytes\", of at "
                 "least 1",
                 true },
                { IN_GROUP("\"guarantees\":[\n{\"type\":\"t\",\"devices\":4097}]"),
                 "f:3:23: expected a number of devices of at most 4096, found 4097", true },
                { IN_GROUP("\"partitions\":[\n{\"parent\":\"a/b\",\"pool\":\"p\",\"size\":4096}]"),
                 "f:3:11: expected the name of a parent, found \"a/b\"", true },
                { IN_GROUP("\"partitions\":[\n{\"parent\":\"a\",\"pool\":\"p\",\"size\":4097}]"),
                 "f:3:33: expected a multiple of the page size, 4 KiB, found 4097", true },
        };

        check_rules(cases, ARRAY_SIZE(cases));
}

TEST(other_rules) {
        static const RuleCase cases[] = {
                { "{\"policy\":{\"placement\":[{\"order\":\"random\"}]}}",
                 "f:1:34: expected \"pack\" or \"spread\", found \"random\"", true },
                { "{\"policy\":{\"placement\":[{\"affinity\":true}]}}",
                 "f:1:37: expected \"none\", \"together\" or \"apart\", found true", true },
                { "{\"policy\":{\"placement\":[{\"types\":\"\"}]}}",
                 "f:1:34: expected a type or a pattern such as \"fb-*\", found \"\"", true },
                { "{\"policy\":{\"writers\":[{\"unit\":\"x.service\"}]}}",
                 "f:1:23: expected the key \"owner\" with an owner, found none", true },
                { "{\"policy\":{\"writers\":[\n{\"owner\":\"a\\nb\"}]}}",
                 "f:2:10: expected an owner, found \"a\\u000ab\"", true },
                { "{\"policy\":{\"writers\":[{\"owner\":\"a\",\"unit\":\"\"}]}}",
                 "f:1:43: expected a unit or a pattern such as \"vdsmd.service\", found "
                 "\"\"", true },
                { "{\"policy\":{\"parents\":[{\"max_of_type\":[]}]}}",
                 "f:1:38: expected an object of numbers by type, found an empty list", true },
                { "{\"policy\":{\"parents\":[{\"max_of_type\":{\"a\":1,\n\"a\":2}}]}}",
                 "f:1:39: expected the name of each type once, found one that is not or comes "
                 "again",
                 true },
                { "{\"policy\":{\"parents\":[{\"max_of_type\":{\"a\":\"many\"}}]}}",
                 "f:1:43: expected a number of devices, found \"many\"", true },
                { "{\"policy\":{\"parents\":[{\"max_devices\":4294967296}]}}",
                 "f:1:38: expected a number of devices of at most 4294967295, found 4294967296",
                 true },
        };

        check_rules(cases, ARRAY_SIZE(cases));
}

#define DEVICES(devices) "{\"profiles\":{\"p\":{\"devices\":[\n" devices "]}}}"

/* A wrong profile is left out; the policy is none the worse for it. */
TEST(profiles) {
        static const RuleCase cases[] = {
                { "{\"profiles\":[]}",
                 "f:1:13: expected an object of profiles by name, found an empty list", false },
                { "{\"profiles\":{\"p\":{}}}",
                 "f:1:18: expected the key \"devices\" with a list of devices, found none", false },
                { "{\"profiles\":{\"a b\":{}}}",
                 "f:1:14: expected a name of 1 to 31 of A-Z a-z 0-9 _ . + -, found one that is not",
                 false },
                { DEVICES("{}"),
                 "f:2:1: expected the key \"type\" with the name of a type, found none", false },
                { DEVICES("{\"type\":\"t\",\"count\":0}"),
                 "f:2:21: expected a number of at least 1, found 0", false },
                { DEVICES("{\"type\":\"t\",\"count\":4096}"), "", false },
                { DEVICES("{\"type\":\"t\",\"count\":4097}"),
                 "f:2:21: expected a number of devices of at most 4096, found 4097", false },
                { DEVICES("{\"type\":\"t\"},\n{\"type\":\"t\",\"count\":4095}"), "", false },
                { DEVICES("{\"type\":\"t\",\"count\":4095},\n{\"type\":\"t\"},\n{\"type\":\"t\"}"),
                 "f:4:1: expected at most 4096 devices in a profile, found 4097 up to "
                 "here", false },
                { DEVICES("{\"type\":\"t\"},\n{\"type\":\"t\",\"count\":4096}"),
                 "f:3:21: expected at most 4096 devices in a profile, found 4097 up to "
                 "here", false },
                { DEVICES("{\"type\":\"t\",\"uuid\":\"x\"}"),
                 "f:2:20: expected a UUID in quotes, found \"x\"", false },
                { DEVICES("{\"type\":\"t\",\"uuid\":\"00000000-0000-0000-0000-000000000000\"}"),
                 "f:2:20: expected a UUID in quotes, found "
                 "\"00000000-0000-0000-0000-000000000000\"",
                 false },
                { DEVICES("{\"type\":\"t\",\"count\":2,\"uuid\":\"" UUID "\"}"),
                 "f:2:30: expected \"uuid\" only where \"count\" is 1, found 2 devices", false },
                { DEVICES("{\"type\":\"t\",\"uuid\":\"" UUID
                          "\"},\n{\"type\":\"t\",\"uuid\":\"" UUID
                         "\"}"),
                 "f:3:20: expected each UUID once, found " UUID " again after line 2", false },
                { DEVICES("{\"type\":\"t\",\"attributes\":[{\"../x\":\"\"}]}"),
                 "f:2:28: expected an attribute's name, a path below the device without \"..\"",
                 false },
        };

        check_rules(cases, ARRAY_SIZE(cases));
}

static void check_tree(const Tree *t, const char *problems, bool wrong, const char *result) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(freep) char *found_problems = NULL, *found_result = NULL;

        ASSERT_OK(config_load(&c, t->fd));
        found_problems = problems_text(&c->problems);
        ASSERT_STREQ(found_problems, problems);
        ASSERT_EQ(c->rules_wrong, wrong);
        found_result = rules_text(c->rules);
        ASSERT_STREQ(found_result, result);
}

#define VENDOR "/usr/lib/mdevd/mdevd.json"
#define LOCAL "/etc/mdevd/mdevd.json"

TEST(files) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_write(&t, &VENDOR[1],
                   "{\"policy\":{\"groups\":[" GROUP("a") "," GROUP("b") "],\"placement\":[{}]},\n"
                   "\"profiles\":{\"p\":{\"devices\":[]},\n\"q\":{\"devices\":[]}}}");
        check_tree(&t, "", false,
                   "0 a@" VENDOR ":1:22: a-* limit each\n1 b@" VENDOR ":1:52: b-* limit each\n"
                   "place * * pack require none\nprofile p@" VENDOR ":2:13:\nprofile q@" VENDOR
                   ":3:1:\n");
        /* a list replaces a list, and leaves others alone; a profile replaces one of its name */
        tree_write(&t, &LOCAL[1],
                   "{\"policy\":{\"groups\":[" GROUP("c") "]},"
                   "\n\"profiles\":{\"p\":{\"apply\":true,\"devices\":[]}}}");
        check_tree(&t, "", false,
                   "0 c@" LOCAL ":1:22: c-* limit each\nplace * * pack require none\n"
                   "profile q@" VENDOR ":3:1:\nprofile p!@" LOCAL ":2:13:\n");
        /* a wrong list is told, and a better one is kept for those who have none */
        tree_write(&t, &LOCAL[1],
                   "{\"policy\":{\"groups\":[" GROUP("c") ",{}]},\n\"profiles\":{\"p\":{}}}");
        check_tree(&t,
                   LOCAL
                   ":1:52: expected the key \"name\" with a name of 1 to 31 of A-Z a-z 0-9 _ . "
                   "+ -, found none\n" LOCAL
                   ":1:52: expected the key \"owners\" with a list of owners, found none\n" LOCAL
                   ":2:17: expected the key \"devices\" with a list of devices, found none",
                   true,
                   "0 a@" VENDOR ":1:22: a-* limit each\n1 b@" VENDOR ":1:52: b-* limit each\n"
                   "place * * pack require none\nprofile q@" VENDOR ":3:1:\n");
        /* a later file can mend it */
        tree_write(&t, "etc/mdevd/mdevd.d/x.json", GROUPS(""));
        check_tree(&t,
                   LOCAL
                   ":1:52: expected the key \"name\" with a name of 1 to 31 of A-Z a-z 0-9 _ . "
                   "+ -, found none\n" LOCAL
                   ":1:52: expected the key \"owners\" with a list of owners, found none\n" LOCAL
                   ":2:17: expected the key \"devices\" with a list of devices, found none",
                   false, "place * * pack require none\nprofile q@" VENDOR ":3:1:\n");
        /* but not what nobody can read */
        tree_write(&t, &LOCAL[1], "{");
        check_tree(&t,
                   LOCAL ":1:2: expected a key in double quotes, found the end of the file", true,
                   "place * * pack require none\nprofile p@" VENDOR ":2:13:\nprofile q@" VENDOR
                   ":3:1:\n");
        ASSERT_EQ(unlinkat(t.fd, &LOCAL[1], 0), 0);
        ASSERT_EQ(mkfifoat(t.fd, &LOCAL[1], 0600), 0);
        check_tree(&t, LOCAL ":0:0: expected a plain file, found a FIFO", true,
                   "place * * pack require none\nprofile p@" VENDOR ":2:13:\nprofile q@" VENDOR
                   ":3:1:\n");
}

TEST(limits) {
        for (size_t over = 0; over < 2; over++) {
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(freep) char *text = NULL;
                size_t size;
                FILE *f = open_memstream(&text, &size);

                ASSERT_NOT_NULL(f);
                (void) fputs("{\"policy\":{\"groups\":[", f);
                for (size_t i = 0; i < GROUPS_MAX + over; i++)
                        (void) fprintf(f, "%s{\"name\":\"g%zu\",\"owners\":[\"*\"]}", i ? "," : "",
                                       i);
                (void) fputs("]}}", f);
                ASSERT_EQ(fclose(f), 0);
                ASSERT_OK(config_load_text(&c, "f", text, size));
                ASSERT_EQ(c->rules_wrong, over > 0);
                ASSERT_EQ(c->rules->n_groups, over ? 0U : (unsigned) GROUPS_MAX);
        }
}

/* Whether rules with that text in "policy" are in force. */
static bool is_good(const char *policy) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(freep) char *text = NULL;

        ASSERT_TRUE(asprintf(&text, "{\"policy\":{%s}}", policy) > 0);
        ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
        return !c->rules_wrong;
}

TEST(limits_of_writers_and_pauses) {
        for (size_t over = 0; over < 2; over++) {
                _cleanup_(freep) char *text = NULL, *pause = NULL;
                size_t size;
                FILE *f = open_memstream(&text, &size);

                ASSERT_NOT_NULL(f);
                (void) fputs("\"writers\":[", f);
                for (size_t i = 0; i < GROUPS_MAX + over; i++)
                        (void) fprintf(f, "%s{\"unit\":\"u%zu.service\",\"owner\":\"o\"}",
                                       i ? "," : "", i);
                (void) fputs("]", f);
                ASSERT_EQ(fclose(f), 0);
                ASSERT_EQ(is_good(text), over == 0);
                ASSERT_TRUE(asprintf(&pause, "\"placement\":[{\"pause_max\":%zu}]",
                                     PAUSE_MAX_MAX + over) > 0);
                ASSERT_EQ(is_good(pause), over == 0);
        }
}

TEST(out_of_memory) {
        static const char text[] =
                "{\"policy\":{\"groups\":[{\"name\":\"a\",\"owners\":[\"a\",\"b\"],\"users\":[1],"
                "\"guarantees\":[{\"type\":\"t\",\"devices\":1}],"
                "\"partitions\":[{\"parent\":\"p\",\"pool\":\"q\",\"size\":4096}]}," GROUP(
                        "b") "],\"placement\":[{\"owners\":\"x\"}],"
                             "\"parents\":[{\"driver\":\"d\",\"max_of_type\":{\"t\":1}}]},"
                             "\"profiles\":{\"p\":{\"devices\":[{\"type\":\"t\",\"attributes\":[{"
                             "\"a\":\"b\"}]}]},"
                             "\"q\":{}}}";
        long before = alloc_balance();
        Config *c = NULL;
        size_t n = 0;
        int r;

        FOR_EACH_ALLOCATION_FAILURE(r, config_load_text(&c, "f", text, strlen(text))) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_NULL(c);
                ASSERT_EQ(alloc_balance(), before);
                n++;
        }
        ASSERT_OK(r);
        config_free(c);
        ASSERT_EQ(alloc_balance(), before);
        ASSERT_TRUE(n > 50);
}

TESTS_MAIN
