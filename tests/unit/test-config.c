/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-config.c: what a configuration may say, and what is said about the rest. */
#include "alloc.h"
#include "config-text.h"

TEST(files_as_a_whole) {
        static const ConfigCase cases[] = {
                { "{}", "", "" },
                { "// nothing\n{ /* at all */ }", "", "" },
                { "", "f:1:1: expected a value, found the end of the file", "" },
                { "[]", "f:1:1: expected an object in { }, found an empty list", "" },
                { "null", "f:1:1: expected an object in { }, found null", "" },
                { "{\n\"parents\": [\n}", "f:3:1: expected a value, found \"}\"", "" },
                { "{\"parents\": {}}", "f:1:13: expected a list of parents, found an empty object",
                 "" },
                { "{\"types\": []}",
                 "f:1:11: expected an object of types by name, found an empty list", "" },
                { "{\"tipes\": 1}",
                 "f:1:2: warning: unknown key \"tipes\" is ignored; did you mean \"types\"?", "" },
                /* neither of two sections is used, the rest is */
                { "{" TYPES ",\n\"parents\":[],\n\"parents\":[" PARENT("0000:00:05.0") "]}",
                 "f:3:1: expected each key once, found \"parents\" again after line 2", "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

TEST(parents) {
        static const ConfigCase cases[] = {
                { "{" TYPES ",\"parents\":[" PARENT("0000:00:05.0") "," PARENT("0000:0a:1f.7") "]}",
                  "",
                  "0000:00:05.0 fb=2:0+64 MiB,memory,uc,zero | t; "
                  "0000:0a:1f.7 fb=2:0+64 MiB,memory,uc,zero | t" },
                { "{" TYPES ",\"parents\":[" PARENT("10000:e0:01.0") "]}", "",
                  "10000:e0:01.0 fb=2:0+64 MiB,memory,uc,zero | t" },
                { "{" TYPES ",\"parents\":[5," PARENT("0000:00:05.0") "]}",
                  "f:1:65: expected a parent in { }, found 5",
                  "0000:00:05.0 fb=2:0+64 MiB,memory,uc,zero | t" },
                { "{" TYPES ",\"parents\":[{}]}",
                  "f:1:65: expected the key \"address\" with a PCI address in lower case such as "
                  "\"0000:00:05.0\", found none\n"
                  "f:1:65: expected the key \"pools\" with a list of pools, found none\n"
                  "f:1:65: expected the key \"types\" with a list of names of types, found none",
                  "" },
                /* the same parent twice: nobody knows which is meant; others hold */
                { "{" TYPES ",\"parents\":[\n" PARENT("0000:00:05.0") ",\n" PARENT("0000:00:05.0")
                  ",\n" PARENT("0000:00:06.0") "]}",
                  "f:3:1: expected each parent once, found 0000:00:05.0 again after line 2",
                  "0000:00:06.0 fb=2:0+64 MiB,memory,uc,zero | t" },
                /* a broken parent is left out whole */
                { "{" TYPES ",\"parents\":[\n{\"address\":\"0000:00:05.0\",\"pools\":[" POOL
                  ",\n{\"name\":\"b\",\"bar\":6}],\"types\":[\"t\"]},\n" PARENT("0000:00:06.0")
                  "]}",
                  "f:3:19: expected the number of a BAR of at most 5, found 6",
                  "0000:00:06.0 fb=2:0+64 MiB,memory,uc,zero | t" },
                { "{\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[" POOL
                  "],\n\"types\":[]}]}",
                  "f:2:9: expected a list of names of types, found an empty list", "" },
                { "{\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[],\"types\":[\"t\"]}]}",
                  "f:1:47: expected a list of pools, found an empty list", "" },
                { "{" TYPES ",\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[" POOL
                  "],\n\"types\":[\"t\",\"t\"]}]}",
                  "f:2:14: expected each type once, found \"t\" again", "" },
                { "{" TYPES ",\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[" POOL
                  "],\n\"types\":[7]}]}",
                  "f:2:10: expected the name of a type, found 7", "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

#define WITH_UNPLUG(keys)                                                                          \
        "{" TYPES ",\"parents\":[{\"address\":\"0000:00:05.0\",\n" keys ",\"pools\":[" POOL        \
        "],\"types\":[\"t\"]}]}"

TEST(unplug) {
        static const struct {
                const char *keys;
                OnUnplug policy;
                uint32_t seconds;
        } right[] = {
                { "\"on_unplug_timeout\":1", ON_UNPLUG_WAIT, 1 },
                { "\"on_unplug\":\"wait\"", ON_UNPLUG_WAIT, 30 },
                { "\"on_unplug\":\"kill\"", ON_UNPLUG_KILL, 30 },
                { "\"on_unplug\":\"kill\",\"on_unplug_timeout\":0", ON_UNPLUG_KILL, 0 },
                { "\"on_unplug\":\"kill\",\"on_unplug_timeout\":86400", ON_UNPLUG_KILL, 86400 },
        };
        static const ConfigCase wrong[] = {
                { WITH_UNPLUG("\"on_unplug\":\"stop\""),
                  "f:2:13: expected \"wait\" or \"kill\", found \"stop\"", "" },
                { WITH_UNPLUG("\"on_unplug_timeout\":86401"),
                  "f:2:21: expected a number of seconds of at most 86400, found 86401", "" },
                { WITH_UNPLUG("\"on_unplug_timeout\":-1"),
                  "f:2:21: expected a number of seconds, found -1", "" },
                { WITH_UNPLUG("\"on_unplug_timeout\":\"soon\""),
                  "f:2:21: expected a number of seconds, found \"soon\"", "" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(freep) char *text = NULL;
                const Parent *p;

                ASSERT_TRUE(asprintf(&text, WITH_UNPLUG("%s"), right[i].keys) > 0);
                ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
                ASSERT_TRUE(list_is_empty(&c->problems));
                p = list_first(&c->parents, Parent, node);
                ASSERT_EQ(p->on_unplug, right[i].policy);
                ASSERT_EQ(p->on_unplug_timeout, right[i].seconds);
        }
        check_config(wrong, ARRAY_SIZE(wrong));
}

TEST(addresses) {
        static const char *const wrong[] = {
                "", "00:05.0", "0000:00:05", "0000:00:05.8", "0000:00:05.0 ", "0000:00:0A.0",
                "000:00:05.0", "0000:0:05.0", "0000:00:5.0", "0000-00:05.0", "../0000:00:05.0",
                "0000:00:05.00", "g000:00:05.0", "0000000000000000000000000:00:05.0",
        };

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(freep) char *problems = NULL, *text = NULL;

                ASSERT_TRUE(asprintf(&text,
                                     "{" TYPES ",\"parents\":[{\"address\":\n\"%s\",\"pools\":["
                                     POOL "],\"types\":[\"t\"]}]}", wrong[i]) > 0);
                ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
                problems = problems_text(&c->problems);
                ASSERT_CONTAINS(problems, "f:2:1: expected a PCI address in lower case");
                ASSERT_TRUE(list_is_empty(&c->parents));
        }
}

#define WITH_POOLS(pools)                                                                          \
        "{" TYPES                                                                                  \
        ",\"parents\":[{\"address\":\"0000:00:05.0\",\"types\":[\"t\"],\"pools\":[\n" pools "]}]}"

TEST(pools) {
        static const ConfigCase cases[] = {
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":0}"), "",
                 "0000:00:05.0 fb=0:0+0,memory,uc,zero | t" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":5,\"offset\":4096,\"size\":\"0x1000K\","
                            "\"kind\":\"memory\",\"cache\":\"wc\",\"scrub\":\"none\"},"
                            "{\"name\":\"r\",\"bar\":5,\"size\":\"4K\",\"kind\":\"registers\","
                            "\"scrub\":\"none\"}," POOL),
                 "f:2:165: expected pools of different names, found \"fb\" again", "" },
                { WITH_POOLS("{\"name\":\"a\",\"bar\":5,\"offset\":4096,\"size\":4096,"
                            "\"cache\":\"wc\",\"scrub\":\"none\"},"
                            "{\"name\":\"r\",\"bar\":5,\"size\":\"4K\",\"kind\":\"registers\","
                            "\"scrub\":\"none\"},"
                            "{\"name\":\"z\",\"bar\":5,\"offset\":\"8K\"}," POOL),
                 "",
                 "0000:00:05.0 a=5:4 KiB+4 KiB,memory,wc,none r=5:0+4 KiB,registers,uc,none "
                 "z=5:8 KiB+0,memory,uc,zero fb=2:0+64 MiB,memory,uc,zero | t" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"sise\":1,\"size\":\"64M\"}"),
                 "f:2:22: warning: unknown key \"sise\" is ignored; did you mean \"size\"?",
                 "0000:00:05.0 fb=2:0+64 MiB,memory,uc,zero | t" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"size\":\"0\"}"),
                 "f:2:29: expected a size of at least one page, found \"0\"", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"size\":\"6K\"}"),
                 "f:2:29: expected a multiple of the page size, 4 KiB, found \"6K\"", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"offset\":1}"),
                 "f:2:31: expected a multiple of the page size, 4 KiB, found 1", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"size\":true}"),
                 "f:2:29: expected a size such as \"16M\", found true", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"offset\":\"4096T\","
                            "\"size\":\"4096T\"}"),
                 "", "0000:00:05.0 fb=2:4096 TiB+4096 TiB,memory,uc,zero | t" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"offset\":\"4097T\"}"),
                 "f:2:31: expected a size such as \"16M\" of at most 4096 TiB, found "
                 "\"4097T\"",
                 "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"size\":18446744073709551615}"),
                 "f:2:29: expected a size such as \"16M\" of at most 4096 TiB, found "
                 "18446744073709551615",
                 "" },
                { WITH_POOLS("{\"name\":\"f/b\",\"bar\":2}"),
                 "f:2:9: expected a name of 1 to 31 of A-Z a-z 0-9 _ . + -, found \"f/b\"", "" },
                { WITH_POOLS("{\"name\":\"fb\"}"),
                 "f:2:1: expected the key \"bar\" with the number of a BAR, found none", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"kind\":\"ram\"}"),
                 "f:2:29: expected \"memory\" or \"registers\", found \"ram\"", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"cache\":\"wb\"}"),
                 "f:2:30: expected \"uc\" or \"wc\", found \"wb\"", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"scrub\":false}"),
                 "f:2:30: expected \"zero\", \"none\" or \"vendor\", found false", "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"kind\":\"registers\"}"),
                 "f:2:1: expected \"scrub\": \"none\" (or \"vendor\") for a pool of registers, "
                 "since these cannot be zeroed",
                 "" },
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":2,\"kind\":\"registers\","
                            "\"scrub\":\"zero\"}"),
                 "f:2:49: expected \"scrub\": \"none\" (or \"vendor\") for a pool of registers, "
                 "since these cannot be zeroed",
                 "" },
                /* the last page of one, the first of the other */
                { WITH_POOLS(POOL ",\n{\"name\":\"b\",\"bar\":2,\"offset\":67104768,"
                                 "\"size\":4096}"),
                 "f:3:1: expected pools that do not overlap, found \"fb\" and \"b\" sharing BAR 2 "
                 "from 65532 KiB on",
                 "" },
                { WITH_POOLS(POOL ",\n{\"name\":\"b\",\"bar\":2,\"offset\":67108864,"
                                 "\"size\":4096}"),
                 "",
                 "0000:00:05.0 fb=2:0+64 MiB,memory,uc,zero b=2:64 MiB+4 KiB,memory,uc,zero | t" },
                { WITH_POOLS(POOL ",\n{\"name\":\"b\",\"bar\":2}"),
                 "f:3:1: expected pools that do not overlap, found \"fb\" and \"b\" sharing BAR 2 "
                 "from 0 on",
                 "" },
                { WITH_POOLS("{\"name\":\"b\",\"bar\":2,\"offset\":4096},\n" POOL),
                 "f:3:1: expected pools that do not overlap, found \"b\" and \"fb\" sharing BAR 2 "
                 "from 4 KiB on",
                 "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

#define WITH_TYPE(type)                                                                            \
        "{\"parents\":[" PARENT("0000:00:05.0") "],\"types\":{\n\"t\":" type "}}"
#define LEFT_OUT                                                                                   \
        "\nf:1:93: type \"t\" is not offered on 0000:00:05.0: it is wrong, see f line 2\n"         \
        "f:1:13: 0000:00:05.0 is left out: expected at least one type that it can offer, found "   \
        "none"
#define BAR(index, rest) "{\"index\":" #index ",\"pool\":\"fb\",\"size\":\"4K\"" rest "}"

TEST(types) {
        static const ConfigCase cases[] = {
                { WITH_TYPE("3"), "f:2:5: expected a type in { }, found 3" LEFT_OUT, "" },
                { WITH_TYPE("{}"),
                 "f:2:5: expected the key \"bars\" with a list of BARs, found none" LEFT_OUT, "" },
                { WITH_TYPE("{\"bars\":[]}"),
                 "f:2:13: expected a list of BARs, found an empty list" LEFT_OUT, "" },
                { WITH_TYPE("{\"bars\":[" BAR(6, "") "]}"),
                 "f:2:23: expected the number of a BAR of at most 5, found 6" LEFT_OUT, "" },
                { WITH_TYPE("{\"bars\":[" BAR(5, "") "]}"), "", NULL },
                { WITH_TYPE("{\"bars\":[" BAR(5, ",\"64bit\":true") "]}"),
                 "f:2:14: expected a 64-bit BAR at 0 to 4, since it takes two numbers, found it at "
                 "5" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(0, "") ",\n" BAR(0, "") "]}"),
                 "f:3:1: expected BARs that do not overlap, found 32-bit 0 beside 32-bit "
                 "0" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(1, ",\"64bit\":true") ",\n" BAR(2, "") "]}"),
                 "f:3:1: expected BARs that do not overlap, found 32-bit 2 beside 64-bit "
                 "1" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(2, "") ",\n" BAR(1, ",\"64bit\":true") "]}"),
                 "f:3:1: expected BARs that do not overlap, found 64-bit 1 beside 32-bit "
                 "2" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(0, ",\"64bit\":true") "," BAR(
                         2, ",\"64bit\":true") "," BAR(4, ",\"64bit\":true") "]}"),
                 "", NULL },
                { WITH_TYPE("{\"bars\":[" BAR(0, ",\"64bit\":true") "," BAR(
                         2, ",\"64bit\":true") "," BAR(4, ",\"64bit\":true") "],\n\"vectors\":1}"),
                 "f:3:11: expected a free BAR for the table of the interrupt vectors, found all "
                 "taken" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(0, ",\"64bit\":true") "," BAR(
                         2, ",\"64bit\":true") "," BAR(5, "") "],\"vectors\":2048}"),
                 "", NULL },
                { WITH_TYPE("{\"bars\":[" BAR(0, "") "],\n\"vectors\":2049}"),
                 "f:3:11: expected a number of interrupt vectors of at most 2048, found "
                 "2049" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[{\"pool\":\"fb\"}]}"),
                 "f:2:14: expected the key \"size\" with a size such as \"16M\", found "
                 "none" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[{\"pool\":\"f\\u001b[2J\",\"size\":4096}]}"),
                 "f:2:22: expected the name of a pool, found \"f\\u001b[2J\"" LEFT_OUT, "" },
                { WITH_TYPE("{\"bars\":[{\"pool\":\"fb\",\"size\":\"4G\"}]}"),
                 "f:2:34: expected at most 2 GiB without \"64bit\": true, found 4 GiB" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(0, "") "],\n\"map\":\"lazy\"}"),
                 "f:3:7: expected \"fault\" or \"eager\", found \"lazy\"" LEFT_OUT, "" },
                { WITH_TYPE("{\"bars\":[" BAR(0, "") "],\n\"vendor\":\"0x1af4\"}"),
                 "f:2:5: expected \"vendor\" and \"device\" together or neither of them (then the "
                 "parent's are shown)" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(0, "") "],\n\"vendor\":65535,\"device\":1}"),
                 "f:3:10: expected a PCI id such as \"0x1af4\" of at most 65534, found "
                 "65535" LEFT_OUT,
                 "" },
                { WITH_TYPE("{\"bars\":[" BAR(0, "") "],\n\"label\":\"two\\nlines\"}"),
                 "f:3:9: expected one line of at most 63 bytes, found \"two\\u000alines\"" LEFT_OUT,
                 "" },
                { WITH_TYPE(TYPE ",\n\"t\":" TYPE),
                 "f:2:1: expected each type once, found \"t\" more than once\n"
                 "f:3:1: expected each type once, found \"t\" more than once\n"
                 "f:1:93: type \"t\" is not offered on 0000:00:05.0: it is wrong, see f line 3\n"
                 "f:1:13: 0000:00:05.0 is left out: expected at least one type that it can offer, "
                 "found none",
                 "" },
                { WITH_TYPE(TYPE ",\n\"a/b\":" TYPE),
                 "f:3:1: expected a name of 1 to 31 of A-Z a-z 0-9 _ . + -, found one that is not",
                 NULL },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

TEST(type_is_whole) {
        static const char text[] =
                WITH_TYPE("{\"label\":\"Zwölf\",\"bars\":[{\"index\":1,\"pool\":\"fb\","
                          "\"size\":\"16M\",\"64bit\":true,\"prefetch\":true},"
                          "{\"pool\":\"fb\",\"size\":4096}],\"map\":\"eager\",\"movable\":true,"
                          "\"vectors\":3,\"vendor\":\"0x1af4\",\"device\":4368,\"subvendor\":1,"
                          "\"subdevice\":\"0xffff\",\"class\":\"0xffffff\"}");
        _cleanup_(config_freep) Config *c = NULL;
        const Parent *p;
        const Type *t;

        ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
        ASSERT_TRUE(list_is_empty(&c->problems));
        p = list_first(&c->parents, Parent, node);
        ASSERT_NOT_NULL(p);
        t = parent_find_type(p, "t");
        ASSERT_NOT_NULL(t);
        ASSERT_STREQ(t->id, "mdevd-t");
        ASSERT_STREQ(t->label, "Zwölf");
        ASSERT_EQ(t->map, MAP_EAGER);
        ASSERT_TRUE(t->movable);
        ASSERT_EQ(t->vectors, 3U);
        ASSERT_EQ(t->vendor, 0x1af4);
        ASSERT_EQ(t->device, 0x1110);
        ASSERT_EQ(t->subvendor, 1);
        ASSERT_EQ(t->subdevice, 0xffff);
        ASSERT_EQ(t->class, 0xffffffU);
        ASSERT_EQ(t->bars[1].size, UINT64_C(16) << 20);
        ASSERT_STREQ(t->bars[1].pool, "fb");
        ASSERT_TRUE(t->bars[1].is_64bit && t->bars[1].prefetch);
        ASSERT_EQ(t->bars[0].size, 4096U);
        ASSERT_FALSE(t->bars[0].is_64bit || t->bars[0].prefetch);
        ASSERT_EQ(t->bars[2].size, 0U);
        ASSERT_NULL(t->bars[2].pool);
}

/* A pool of 60 MiB in slots: a device takes one, of whatever size it is. */
#define WITH_SLOT(slot, size)                                                                      \
        "{\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[{\"name\":\"fb\",\"bar\":2,"       \
        "\"size\":\"60M\"," slot "}],\n\"types\":[\"t\"]}],\"types\":{\"t\":{"                     \
        "\"bars\":[{\"pool\":\"fb\",\"size\":" size "}]}}}"
#define SLOTS "0000:00:05.0 fb=2:0+60 MiB,memory,uc,zero | t"
#define NOT_OFFERED "f:2:10: type \"t\" is not offered on 0000:00:05.0: expected "
#define NONE_LEFT                                                                                  \
        "\nf:1:13: 0000:00:05.0 is left out: expected at least one type that it can offer, found " \
        "none"

TEST(sizes_and_slots) {
        static const ConfigCase cases[] = {
                { WITH_SLOT("\"slot\":\"12M\"", "\"12M\""), "", SLOTS },
                { WITH_SLOT("\"slot\":\"12M\"", "4096"), "", SLOTS },
                { WITH_SLOT("\"slot\":\"60M\"", "\"60M\""), "", SLOTS },
                { WITH_SLOT("\"slot\":\"12M\"", "12587008"),
                  NOT_OFFERED "at most one slot of pool \"fb\", which is 12 MiB, found 12292 KiB"
                  NONE_LEFT, "" },
                { WITH_SLOT("\"slot\":0", "\"12M\""),
                  NOT_OFFERED "a power of two in pool \"fb\", which has no slots, found 12 MiB"
                  NONE_LEFT, "" },
                { WITH_SLOT("\"slot\":\n4097", "\"12M\""),
                  "f:2:1: expected a multiple of the page size, 4 KiB, found 4097",
                  NULL },
                { WITH_SLOT("\n\"slot\":\"61M\"", "\"12M\""),
                  "f:2:8: expected slots that the pool has room for, found one of 61 MiB in 60 MiB",
                  NULL },
        };
        _cleanup_(config_freep) Config *c = NULL;

        check_config(cases, 5);
        for (size_t i = 5; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(config_freep) Config *wrong = NULL;
                _cleanup_(freep) char *said = NULL;

                ASSERT_OK(config_load_text(&wrong, "f", cases[i].text, strlen(cases[i].text)));
                said = problems_text(&wrong->problems);
                ASSERT_CONTAINS(said, cases[i].problems);
                ASSERT_TRUE(list_is_empty(&wrong->parents));
        }
        ASSERT_OK(config_load_text(&c, "f", cases[0].text, strlen(cases[0].text)));
        ASSERT_EQ(list_first(&list_first(&c->parents, Parent, node)->pools, Pool, node)->slot,
                  UINT64_C(12) << 20);
}

TEST(what_does_not_fit_together) {
        static const ConfigCase cases[] = {
                { "{\"parents\":[" PARENT("0000:00:05.0") "]}",
                  "f:1:93: type \"t\" is not offered on 0000:00:05.0: expected it under "
                  "\"types\", found none\n"
                  "f:1:13: 0000:00:05.0 is left out: expected at least one type that it can offer, "
                  "found none",
                  "" },
                { "{\"types\":{\"t\":" TYPE ",\n\"big\":{\"bars\":[{\"pool\":\"fb\","
                  "\"size\":\"65M\"}]},\n\"other\":{\"bars\":[{\"pool\":\"gb\",\"size\":4096}]}},\n"
                  "\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[" POOL "],\n"
                  "\"types\":[\"t\",\n\"big\",\n\"other\",\n\"no\\nne\"]}]}",
                  "f:6:1: type \"big\" is not offered on 0000:00:05.0: expected 65 MiB in pool "
                  "\"fb\", found 64 MiB\n"
                  "f:7:1: type \"other\" is not offered on 0000:00:05.0: expected a pool \"gb\" "
                  "there, found none\n"
                  "f:8:1: type \"no\\x0ane\" is not offered on 0000:00:05.0: expected it under "
                  "\"types\", found none",
                  "0000:00:05.0 fb=2:0+64 MiB,memory,uc,zero | t" },
                /* of a pool without size it is not known yet */
                { WITH_POOLS("{\"name\":\"fb\",\"bar\":0}"), "", NULL },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

/* @n of @format with their number, in hex, for each #; separated by commas. */
static char *repeat(size_t n, const char *format, int width) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        for (size_t i = 0; i < n; i++) {
                (void) fputs(i > 0 ? "," : "", f);
                for (const char *s = format; *s; s++)
                        if (*s == '#')
                                (void) fprintf(f, "%0*zx", width, i);
                        else
                                (void) fputc(*s, f);
        }
        ASSERT_EQ(fclose(f), 0);
        return text;
}

static size_t load_counted(const char *before, char *middle, const char *after, size_t *ret_pools,
                           size_t *ret_types, char **ret_problems) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(freep) char *text = NULL;
        const Parent *p;

        ASSERT_TRUE(asprintf(&text, "%s%s%s", before, middle, after) > 0);
        free(middle);
        ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
        free(*ret_problems);
        *ret_problems = problems_text(&c->problems);
        p = list_first(&c->parents, Parent, node);
        *ret_pools = p ? list_length(&p->pools) : 0;
        *ret_types = p ? list_length(&p->types) : 0;
        return list_length(&c->parents);
}

TEST(limits) {
        static const char pools_before[] =
                "{" TYPES ",\"parents\":[{\"address\":\"0000:00:05.0\",\"types\":[\"t\"],"
                "\"pools\":[" POOL ",";
        static const char types_after[] =
                "},\"parents\":[{\"address\":\"0000:00:05.0\",\"pools\":[" POOL "],\"types\":[";
        _cleanup_(freep) char *problems = NULL;
        size_t pools, types;

        for (size_t over = 0; over < 2; over++)
                ASSERT_EQ(load_counted(pools_before,
                                       repeat(CONFIG_POOLS_MAX - 1 + over,
                                              "{\"name\":\"p#\",\"bar\":1,\"offset\":\"0x#000\","
                                              "\"size\":4096}", 2),
                                       "]}]}", &pools, &types, &problems),
                          over ? 0U : 1U);
        ASSERT_CONTAINS(problems, "expected at most 32 pools, found 33");

        for (size_t over = 0; over < 2; over++) {
                char *names = repeat(CONFIG_TYPES_MAX + over, "\"t#\"", 2), *text;
                char *defs = repeat(CONFIG_TYPES_MAX + over, "\"t#\":" TYPE, 2);

                ASSERT_TRUE(asprintf(&text, "%s%s%s", defs, types_after, names) > 0);
                free(names);
                free(defs);
                ASSERT_EQ(load_counted("{\"types\":{", text, "]}]}", &pools, &types, &problems),
                          over ? 0U : 1U);
                ASSERT_EQ(types, over ? 0U : (size_t) CONFIG_TYPES_MAX);
        }
        ASSERT_CONTAINS(problems, "expected at most 64 types, found 65");
}

TEST(parents_limit) {
        _cleanup_(freep) char *problems = NULL;
        size_t pools, types;

        for (size_t over = 0; over < 2; over++) {
                ASSERT_EQ(load_counted("{" TYPES ",\"parents\":[",
                                       repeat(CONFIG_PARENTS_MAX + over, PARENT("#:00:00.0"), 4),
                                       "]}", &pools, &types, &problems),
                          (size_t) CONFIG_PARENTS_MAX);
                ASSERT_EQ(!!*problems, over > 0);
        }
        ASSERT_CONTAINS(problems,
                        "0100:00:00.0 and those after it are left out: expected at most 256 "
                        "parents");
}

TEST(problems_limit) {
        for (size_t over = 0; over < 3; over++) {
                char *keys = repeat(CONFIG_PROBLEMS_MAX + over, "\"x#\":0", 2);
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(freep) char *text = NULL, *problems = NULL;

                ASSERT_TRUE(asprintf(&text, "{%s}", keys) > 0);
                free(keys);
                ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
                ASSERT_EQ(list_length(&c->problems),
                          (size_t) CONFIG_PROBLEMS_MAX + (over > 0 ? 1 : 0));
                problems = problems_text(&c->problems);
                ASSERT_EQ(!!strstr(problems, "there is more wrong with this file than is shown"),
                          over > 0);
        }
}

TEST(out_of_memory) {
        static const char text[] =
                "{" TYPES ",\"parents\":[" PARENT("0000:00:05.0") "," PARENT("0000:00:05.0") ","
                PARENT("0000:00:06.0") ",{\"x\":1}]}";
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
