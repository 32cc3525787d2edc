/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * movable.h: P1 as a parent of our module, 64 MiB in its pool "fb", for tests of what holds and
 * moves its devices: types of 8, 16 and 32 MiB that may be moved, and "stay-16M".
 */
#pragma once

#include "fixture.h"

#define MIB (UINT64_C(1) << 20)
#define CONFIG_FILE "etc/mdevd/mdevd.json"
#define BAR(size) "\"bars\": [ { \"pool\": \"fb\", \"size\": \"" size "\" } ]"
#define U4 "44444444-4444-4444-8444-444444444444"

static inline void add_module(Fixture *f, const char *rule) {
        _cleanup_(freep) char *text = NULL;

        ASSERT_TRUE(asprintf(&text,
                "{ \"parents\": [ { \"address\": \"" P1 "\","
                "  \"pools\": [ { \"name\": \"fb\", \"bar\": 2 },"
                "               { \"name\": \"rest\", \"bar\": 0 } ],"
                "  \"types\": [ \"fb-16M\", \"fb-8M\", \"fb-32M\", \"stay-16M\" ] } ],"
                "  \"types\": {"
                "  \"fb-32M\": { \"movable\": true, " BAR("32M") " },"
                "  \"fb-16M\": { \"movable\": true, " BAR("16M") " },"
                "  \"stay-16M\": { " BAR("16M") " },"
                "  \"fb-8M\": { \"movable\": true, " BAR("8M") " } },"
                "  \"policy\": { \"placement\": [ { %s } ] } }", rule) >= 0);
        fake_pci(f->tree, P1, "other", 0x100000, 64 * MIB);
        fake_write(f->tree, text, CONFIG_FILE);
        fake_load_module(f->tree);
}

/* Configured; @rule is of its placement rule, or "". */
static inline void bring_up(Fixture *f, const char *rule) {
        add_module(f, rule);
        fixture_start(f);
        run_idle(f);
        ASSERT_EQ(state_of(f, P1), PARENT_REGISTERED);
}

/* 64 MiB of which 16 are free in the second quarter and 16 in the fourth: no room for 32. */
static inline void fragment(Fixture *f, const char *type) {
        static const char *const uuids[] = { U1, U2, U3 };

        for (size_t i = 0; i < ARRAY_SIZE(uuids); i++)
                wait_for(f, create_device(f, P1, type, uuids[i], "vm"));
        wait_for(f, stop_device(f, U2));
        run_pending(f);
        ASSERT_EQ(find_device(f, U1)->extents[0].offset, 0);
        ASSERT_EQ(find_device(f, U3)->extents[0].offset, 32 * MIB);
}
