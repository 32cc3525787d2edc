/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-origin.c: what is kept of a device, as its link says it. */
#include "backend/origin.h"

#include "model/parent.h"
#include "names.h"
#include "tree.h"

#define UUID "11111111-1111-4111-8111-111111111111"

static void assert_link(const Tree *t, const char *expected) {
        char text[4096];
        ssize_t n = readlinkat(t->fd, MDEVD_PATH_DEVICES "/" UUID, text, sizeof(text) - 1);

        ASSERT_TRUE(n > 0);
        text[n] = '\0';
        ASSERT_STREQ(text, expected);
}

TEST(announced) {
        _cleanup_(record_freep) Record *r = NULL;
        Tree t;

        tree_init(&t);
        ASSERT_OK(record_new(&r, RECORD_CREATE));
        ASSERT_OK(uuid_parse(UUID, &r->uuid));
        r->parent = strdup("0000:00:05.0");
        r->type = strdup("mdevd-fb/16M");
        r->client = strdup(":1.42");
        r->origin = ORIGIN_REQUEST;
        ASSERT_OK(origin_announce(t.fd, r));
        assert_link(&t, "{\"parent\":\"0000:00:05.0\",\"type\":\"mdevd-fb\\/16M\",\"owner\":\"\","
                        "\"origin\":\"request\"}");
        r->owner = strdup("vm \"1\" \xc3\xa4");
        r->profile = strdup("p");
        r->lease = LEASE_CLIENT;
        r->linger_sec = 30;
        ASSERT_OK(origin_announce(t.fd, r)); /* in the place of the other */
        assert_link(&t, "{\"parent\":\"0000:00:05.0\",\"type\":\"mdevd-fb\\/16M\","
                        "\"owner\":\"vm \\\"1\\\" \xc3\xa4\",\"origin\":\"request\","
                        "\"profile\":\"p\",\"lease\":{\"kind\":\"client\",\"linger\":30,"
                        "\"phase\":\"unopened\",\"until\":0,\"client\":\":1.42\"}}");
        r->lease = LEASE_VM;
        ASSERT_OK(origin_announce(t.fd, r));
        assert_link(&t, "{\"parent\":\"0000:00:05.0\",\"type\":\"mdevd-fb\\/16M\","
                        "\"owner\":\"vm \\\"1\\\" \xc3\xa4\",\"origin\":\"request\","
                        "\"profile\":\"p\",\"lease\":{\"kind\":\"vm\",\"linger\":30,"
                        "\"phase\":\"unopened\",\"until\":0}}");
        tree_done(&t);
}

TEST(saved_and_loaded) {
        _cleanup_(parent_freep) Parent *p = NULL;
        Device *d, *again;
        Uuid uuid;
        Tree t;

        tree_init(&t);
        ASSERT_OK(uuid_parse(UUID, &uuid));
        ASSERT_OK(parent_new(&p, "p"));
        ASSERT_OK(device_new(&d, p, &uuid, "t"));
        ASSERT_OK(device_new(&again, p, &uuid, "t"));
        ASSERT_OK(device_set_owner(d, "o"));
        d->origin = ORIGIN_PROFILE;
        d->profile = strdup("q");
        d->function = strdup("0000:00:05.1");
        again->function = strdup("0000:00:05.1");
        d->relabelled = true;
        d->lease = (Lease){ .kind = LEASE_CLIENT, .phase = LEASE_CLOSED, .linger_sec = 5,
                            .until_usec = UINT64_MAX, .client = strdup(":1.2") };
        ASSERT_OK(origin_save(t.fd, d));
        assert_link(&t, "{\"parent\":\"p\",\"type\":\"t\",\"owner\":\"o\",\"origin\":\"profile\","
                        "\"profile\":\"q\",\"function\":\"0000:00:05.1\",\"relabelled\":1,"
                        "\"lease\":{\"kind\":\"client\",\"linger\":5,\"phase\":\"closed\","
                        "\"until\":18446744073709551615,\"client\":\":1.2\"}}");
        ASSERT_OK(origin_load(t.fd, again));
        ASSERT_STREQ(again->owner, "o");
        ASSERT_STREQ(again->profile, "q");
        ASSERT_EQ(again->origin, ORIGIN_PROFILE);
        ASSERT_TRUE(again->relabelled);
        ASSERT_EQ(again->lease.phase, LEASE_CLOSED);
        ASSERT_EQ(again->lease.until_usec, UINT64_MAX);
        ASSERT_STREQ(again->lease.client, ":1.2");
        device_free(d);
        device_free(again);
        tree_done(&t);
}

/* A link has so much room. */
TEST(too_long) {
        _cleanup_(record_freep) Record *r = NULL;
        Tree t;

        tree_init(&t);
        ASSERT_OK(record_new(&r, RECORD_CREATE));
        ASSERT_OK(uuid_parse(UUID, &r->uuid));
        r->parent = strdup("p");
        r->type = calloc(1, 5000);
        ASSERT_NOT_NULL(r->type);
        memset(r->type, 't', 4999);
        ASSERT_EQ(origin_announce(t.fd, r), -ENAMETOOLONG);
        ASSERT_FALSE(origin_is_known(t.fd, &r->uuid));
        tree_done(&t);
}

TESTS_MAIN
