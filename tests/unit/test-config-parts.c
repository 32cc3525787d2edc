/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-config-parts.c: parts of BARs that are not simply mapped, vendors, and the DMA override. */
#include "config-text.h"

#define LEFT_OUT                                                                                   \
        "\nf:4:10: type \"t\" is not offered on 0000:00:05.0: it is wrong, see f line 2\n"         \
        "f:3:12: 0000:00:05.0 is left out: expected at least one type that it can offer, found "   \
        "none"
#define RIGHT "0000:00:05.0 fb=2:0+64 MiB,memory,uc,zero | t"
#define BARS "\"bars\":[{\"index\":0,\"pool\":\"fb\",\"size\":\"16K\"}]"

#define WITH(type, parent)                                                                         \
        "{\"types\":{\n\"t\":{" BARS type "}},\n\"parents\":[{\"address\":\"0000:00:05.0\",\n"     \
        "\"types\":[\"t\"],\"pools\":[" POOL "]" parent "}]}"
#define PARTS(parts) WITH(",\n\"parts\":[\n" parts "]", "")

/* f:5:10 is the type in the parent's list when "parts" takes two lines. */
#define LEFT_OUT_PARTS                                                                             \
        "\nf:6:10: type \"t\" is not offered on 0000:00:05.0: it is wrong, see f line 2\n"         \
        "f:5:12: 0000:00:05.0 is left out: expected at least one type that it can offer, found "   \
        "none"

#define SHARED(offset, from)                                                                       \
        "{\"kind\":\"shared\",\"offset\":\"" offset "\",\"size\":\"4K\",\"parent_bar\":0,"         \
        "\"parent_offset\":\"" from "\"}"
#define TRAPPED(offset, size)                                                                      \
        "{\"kind\":\"trapped\",\"offset\":\"" offset "\",\"size\":\"" size "\"}"

TEST(parts) {
        static const ConfigCase cases[] = {
                { PARTS(""), "", RIGHT },
                { PARTS(TRAPPED("0", "16K")), "", RIGHT },
                { PARTS(TRAPPED("4K", "16K")),
                  "f:4:1: expected a part within its BAR, which has 16 KiB with its parts, found "
                  "one that ends at 20 KiB" LEFT_OUT_PARTS, "" },
                { PARTS(TRAPPED("16K", "4K")),
                  "f:4:1: expected a part within its BAR, which has 16 KiB with its parts, found "
                  "one that ends at 20 KiB" LEFT_OUT_PARTS, "" },
                /* a shared one adds a page: before the pool's bytes, behind them, not among them */
                { PARTS(SHARED("0", "0")), "", RIGHT },
                { PARTS(SHARED("16K", "0")), "", RIGHT },
                { PARTS(SHARED("0", "0") ",\n" SHARED("4K", "8K") ",\n" SHARED("24K", "0")), "",
                  RIGHT },
                { PARTS(SHARED("4K", "0")),
                  "f:3:9: expected shared and vendor parts at the beginning or the end of BAR 0, "
                  "found one in the midst of what its pool gives" LEFT_OUT_PARTS, "" },
                { PARTS(SHARED("20K", "0")),
                  "f:4:1: expected a part within its BAR, which has 20 KiB with its parts, found "
                  "one that ends at 24 KiB" LEFT_OUT_PARTS, "" },
                { PARTS(TRAPPED("0", "8K") "," TRAPPED("8K", "8K")), "", RIGHT },
                { PARTS(TRAPPED("0", "8K") "," TRAPPED("4K", "8K")),
                  "f:4:45: expected parts that do not overlap, found two that share BAR 0 from 4 "
                  "KiB on" LEFT_OUT_PARTS, "" },
                /* a BAR of its own */
                { PARTS("{\"bar\":1,\"kind\":\"shared\",\"size\":\"4K\",\"parent_bar\":0}"), "",
                  RIGHT },
                { PARTS("{\"bar\":1,\"kind\":\"trapped\",\"size\":\"4K\"}"),
                  "f:4:1: expected a part of a BAR that the type has, found BAR 1, which it has "
                  "not" LEFT_OUT_PARTS, "" },
                { WITH(",\n\"parts\":7", ""), "f:3:9: expected a list of parts, found 7\n"
                  "f:5:10: type \"t\" is not offered on 0000:00:05.0: it is wrong, see f line 2\n"
                  "f:4:12: 0000:00:05.0 is left out: expected at least one type that it can offer, "
                  "found none", "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

TEST(fields_of_a_part) {
        static const ConfigCase cases[] = {
                { PARTS("{}"),
                  "f:4:1: expected the key \"kind\" with \"trapped\", \"shared\" or \"vendor\", "
                  "found none\nf:4:1: expected the key \"size\" with a size such as \"4K\", found "
                  "none" LEFT_OUT_PARTS, "" },
                { PARTS("{\"kind\":\"none\",\"size\":\"4K\"}"),
                  "f:4:9: expected \"trapped\", \"shared\" or \"vendor\", found "
                  "\"none\"" LEFT_OUT_PARTS, "" },
                { PARTS("{\"kind\":\"trapped\",\"size\":1}"),
                  "f:4:26: expected a multiple of the page size, 4 KiB, found 1" LEFT_OUT_PARTS,
                  "" },
                { PARTS("{\"kind\":\"shared\",\"size\":\"4K\"}"),
                  "f:4:1: expected the key \"parent_bar\" with the BAR of the parent that a shared "
                  "part shows, found none" LEFT_OUT_PARTS, "" },
                { PARTS("{\"kind\":\"trapped\",\"size\":\"4K\",\"parent_bar\":2}"),
                  "f:4:31: expected \"parent_bar\" of shared parts only, found it of one that is "
                  "\"trapped\"" LEFT_OUT_PARTS, "" },
                { PARTS("{\"kind\":\"trapped\",\"size\":\"4K\",\"bar\":6}"),
                  "f:4:37: expected the number of a BAR of at most 5, found 6" LEFT_OUT_PARTS, "" },
                /* of the parent: not what a pool hands out */
                { PARTS("{\"kind\":\"shared\",\"size\":\"4K\",\"parent_bar\":2,"
                        "\"parent_offset\":\"64M\"}"), "", RIGHT },
                { PARTS("{\"kind\":\"shared\",\"size\":\"8K\",\"parent_bar\":2,"
                        "\"parent_offset\":67104768}"),
                  "f:6:10: type \"t\" is not offered on 0000:00:05.0: expected shared parts "
                  "outside of every pool, found one in pool \"fb\" at 65532 KiB of BAR 2\n"
                  "f:5:12: 0000:00:05.0 is left out: expected at least one type that it can offer, "
                  "found none", "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

/* Eight parts, and one more. */
TEST(as_many_as_the_module_takes) {
#define PAGES(n) TRAPPED(n, "4K")
        static const ConfigCase cases[] = {
                { "{\"types\":{\n\"t\":{\"bars\":[{\"pool\":\"fb\",\"size\":\"64K\"}],\"parts\":["
                  PAGES("0") "," PAGES("4K") "," PAGES("8K") "," PAGES("12K") "," PAGES("16K") ","
                  PAGES("20K") "," PAGES("24K") "," PAGES("28K")
                  "]}},\"parents\":[" PARENT("0000:00:05.0") "]}", "", RIGHT },
                { "{\"types\":{\n\"t\":{\"bars\":[{\"pool\":\"fb\",\"size\":\"64K\"}],\n\"parts\":["
                  PAGES("0") "," PAGES("4K") "," PAGES("8K") "," PAGES("12K") "," PAGES("16K") ","
                  PAGES("20K") "," PAGES("24K") "," PAGES("28K") "," PAGES("32K")
                  "]}},\n\"parents\":[" PARENT("0000:00:05.0") "]}",
                  "f:3:9: expected at most 8 parts, found 9\n"
                  "f:4:92: type \"t\" is not offered on 0000:00:05.0: it is wrong, see f line 2\n"
                  "f:4:12: 0000:00:05.0 is left out: expected at least one type that it can offer, "
                  "found none", "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

TEST(table_of_vectors_needs_a_bar) {
        static const ConfigCase cases[] = {
                { WITH(",\n\"vectors\":1,\"parts\":["
                       "{\"bar\":1,\"kind\":\"vendor\",\"size\":\"4K\"},"
                       "{\"bar\":2,\"kind\":\"vendor\",\"size\":\"4K\"},"
                       "{\"bar\":3,\"kind\":\"vendor\",\"size\":\"4K\"},"
                       "{\"bar\":4,\"kind\":\"vendor\",\"size\":\"4K\"}]", ",\"vendor\":\"v\""), "",
                  RIGHT },
                { WITH(",\n\"vectors\":1,\"parts\":["
                       "{\"bar\":1,\"kind\":\"vendor\",\"size\":\"4K\"},"
                       "{\"bar\":2,\"kind\":\"vendor\",\"size\":\"4K\"},"
                       "{\"bar\":3,\"kind\":\"vendor\",\"size\":\"4K\"},"
                       "{\"bar\":4,\"kind\":\"vendor\",\"size\":\"4K\"},"
                       "{\"bar\":5,\"kind\":\"vendor\",\"size\":\"4K\"}]", ",\"vendor\":\"v\""),
                  "f:3:11: expected a free BAR for the table of the interrupt vectors, found all "
                  "taken\nf:5:10: type \"t\" is not offered on 0000:00:05.0: it is wrong, see f "
                  "line 2\nf:4:12: 0000:00:05.0 is left out: expected at least one type that it "
                  "can offer, found none", "" },
                /* the upper half of a 64-bit BAR is none */
                { "{\"types\":{\n"
                  "\"t\":{\"bars\":[{\"pool\":\"fb\",\"size\":\"16K\",\"64bit\":true}],\n"
                  "\"parts\":[{\"bar\":1,\"kind\":\"shared\",\"size\":\"4K\",\"parent_bar\":0}]}}}",
                  "f:3:10: expected BARs that do not overlap, found a part in BAR 1 beside 64-bit "
                  "0",
                  "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

#define SCRUBBED(parent)                                                                           \
        "{" TYPES ",\"parents\":[{\"address\":\"0000:00:05.0\",\"types\":[\"t\"],\"pools\":[\n"    \
        "{\"name\":\"fb\",\"bar\":2,\"kind\":\"registers\",\"scrub\":\"vendor\"}]" parent "}]}"

TEST(vendors) {
        static const ConfigCase cases[] = {
                { WITH("", ",\n\"vendor\":\"edu\""), "", RIGHT },
                { WITH("", ",\n\"vendor\":\"e/u\""),
                  "f:5:10: expected a name of 1 to 31 of A-Z a-z 0-9 _ . + -, found \"e/u\"", "" },
                { WITH("", ",\n\"vendor\":1"),
                  "f:5:10: expected a name of 1 to 31 of A-Z a-z 0-9 _ . + -, found 1", "" },
                { WITH("", ",\n\"unsafe_dma\":true"), "", RIGHT },
                { WITH("", ",\n\"unsafe_dma\":1"), "f:5:14: expected true or false, found 1", "" },
                { WITH("", ",\"vendor\":\"edu\",\n\"unsafe_dma\":true"),
                  "f:5:14: expected no \"unsafe_dma\" beside \"vendor\": the vendor's module sees "
                  "to its own DMA, and the parent masters no bus", "" },
                { PARTS("{\"kind\":\"vendor\",\"size\":\"4K\"}"),
                  "f:6:10: type \"t\" is not offered on 0000:00:05.0: expected a \"vendor\" of the "
                  "parent for its part of kind \"vendor\", found none\n"
                  "f:5:12: 0000:00:05.0 is left out: expected at least one type that it can offer, "
                  "found none", "" },
                { WITH(",\"movable\":true", ",\"vendor\":\"edu\""),
                  "f:4:10: type \"t\" is not offered on 0000:00:05.0: expected one that is not "
                  "\"movable\", since the vendor's DMA writes to it too\n"
                  "f:3:12: 0000:00:05.0 is left out: expected at least one type that it can offer, "
                  "found none", "" },
                { SCRUBBED(",\"vendor\":\"edu\""), "",
                  "0000:00:05.0 fb=2:0+0,registers,uc,vendor | t" },
                { SCRUBBED(""),
                  "f:2:49: expected a \"vendor\" of the parent, who would scrub, found none; name "
                  "one, or another \"scrub\"", "" },
        };

        check_config(cases, ARRAY_SIZE(cases));
}

/* What was read arrives where the module is told. */
TEST(whole) {
        static const char text[] =
                WITH(",\"parts\":[{\"kind\":\"vendor\",\"size\":\"8K\"},"
                     "{\"bar\":4,\"kind\":\"shared\",\"size\":\"4K\",\"parent_bar\":1,"
                     "\"parent_offset\":\"12K\"}]", ",\"vendor\":\"edu\"");
        _cleanup_(config_freep) Config *c = NULL;
        const Parent *p;
        const Type *t;

        ASSERT_OK(config_load_text(&c, "f", text, strlen(text)));
        p = list_first(&c->parents, Parent, node);
        ASSERT_STREQ(p->vendor, "edu");
        ASSERT_FALSE(p->unsafe_dma);
        t = list_first(&p->types, Type, node);
        ASSERT_EQ(t->bars[0].size, 16384);
        ASSERT_EQ(type_foreign_size(t, 0), 8192);
        ASSERT_EQ(type_foreign_size(t, 4), 4096);
        ASSERT_EQ(type_foreign_size(t, 1), 0);
        ASSERT_EQ(t->parts[1].kind, PART_SHARED);
        ASSERT_EQ(t->parts[1].parent_bar, 1);
        ASSERT_EQ(t->parts[1].parent_offset, 12288);
        ASSERT_EQ(t->parts[2].kind, PART_NONE);
}

TESTS_MAIN
