/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-errors.c: each way in which arguments can be wrong has its name, and helps in a sentence. */
#include "fixture.h"

#define CREATE MANAGER, "CreateDevice", "ssa{sv}"

static char *repeat(char c, size_t n) {
        char *s = malloc(n + 1);

        ASSERT_NOT_NULL(s);
        memset(s, c, n);
        s[n] = '\0';
        return s;
}

TEST(a_uuid_must_be_one) {
        static const char *const uuids[] = {
                "", "x", "11111111-2222-3333-4444-55555555550",
                "11111111-2222-3333-4444-5555555555012",
                "11111111222233334444555555555501", "{11111111-2222-3333-4444-555555555501}",
                "11111111-2222-3333-4444-55555555550g", "11111111-2222-3333-4444-555555555501\n",
                "00000000-0000-0000-0000-000000000000", "../../../../../../../../etc/passwd\n    ",
        };
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(uuids); i++) {
                CALL_ERROR(&f, f.client, "InvalidUuid", "give one such as", CREATE, PARENT, TYPE, 1,
                           "uuid", "s", uuids[i]);
                CALL_ERROR(&f, f.client, "InvalidUuid", "give one such as", MANAGER, "GetDevice",
                           "ss", uuids[i], "");
        }
        fixture_done(&f);
}

TEST(a_uuid_is_taken_once_on_all_parents) {
        _cleanup_(freep) char *path = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        CALL_ERROR(&f, f.client, "DeviceExists", UUID1, CREATE, PARENT, TYPE, 2, "uuid", "s", UUID1,
                   "owner", "s", "vm2");
        CALL_ERROR(&f, f.client, "DeviceExists", PARENT, CREATE, OTHER, TYPE, 1, "uuid", "s",
                   UUID1);
        fixture_done(&f);
}

TEST(a_type_must_be_offered) {
        _cleanup_(freep) char *longest = repeat('t', 255), *longer = repeat('t', 256);
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "NoSuchType", "fakir-1", CREATE, "", "fakir-1", 0);
        CALL_ERROR(&f, f.client, "NoSuchType", "fakir-1", CREATE, PARENT, "fakir-1", 0);
        CALL_ERROR(&f, f.client, "NoSuchType", "tt", CREATE, "", longest, 0);
        CALL_ERROR(&f, f.client, "TooLong", "256", CREATE, "", longer, 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "cannot be a type", CREATE, "", "", 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "cannot be a type", CREATE, "", "../" TYPE, 0);
        fixture_done(&f);
}

TEST(a_parent_must_be_there_and_the_closest_is_named) {
        _cleanup_(freep) char *longest = repeat('p', 63), *longer = repeat('p', 64);
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "NoSuchParent", "Did you mean " OTHER "?", CREATE, "0000:00:06.1",
                   TYPE, 0);
        CALL_ERROR(&f, f.client, "NoSuchParent", "Did you mean " PARENT "?", MANAGER, "GetParent",
                   "s", "00:05.0");
        CALL_ERROR(&f, f.client, "NoSuchParent", "Did you mean", MANAGER, "GetDevice", "ss", UUID1,
                   longest);
        CALL_ERROR(&f, f.client, "TooLong", "64", MANAGER, "GetParent", "s", longer);
        CALL_ERROR(&f, f.client, "InvalidArgument", "..", MANAGER, "GetParent", "s", "..");
        CALL_ERROR(&f, f.client, "InvalidArgument", "a/b", CREATE, "a/b", TYPE, 0);
        CALL_ERROR(&f, f.client, "InvalidArgument", "", MANAGER, "GetParent", "s", "");
        fixture_done(&f);
}

TEST(no_parents_at_all_is_said) {
        Fixture f;

        fixture_init(&f);
        ASSERT_EQ(unlinkat(f.tree.fd, "sys/class/mdev_bus/" PARENT, 0), 0);
        ASSERT_EQ(unlinkat(f.tree.fd, "sys/class/mdev_bus/" OTHER, 0), 0);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "NoSuchParent", "nor any other", MANAGER, "GetParent", "s",
                   PARENT);
        CALL_ERROR(&f, f.client, "NoSuchType", TYPE, CREATE, "", TYPE, 0);
        fixture_done(&f);
}

TEST(an_option_must_be_known) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "UnknownOption", "\"ownr\"", CREATE, "", TYPE, 1, "ownr", "s",
                   "x");
        CALL_ERROR(&f, f.client, "InvalidArgument", "PlanDevice", MANAGER, "CreateDeviceAsync",
                   "ssa{sv}", "", TYPE, 1, "plan", "b", 1);
        CALL_ERROR(&f, f.client, "UnknownOption", "", CREATE, "", TYPE, 1, "", "s", "");
        CALL_ERROR(&f, f.client, "UnknownOption", "nix", MANAGER, "PlanDevice", "ssa{sv}", "", TYPE,
                   1, "nix", "s", "");
        CALL_ERROR(&f, f.client, "UnknownOption", "nix", MANAGER, "CreateDeviceAsync", "ssa{sv}",
                   "", TYPE, 1, "nix", "s", "");
        fixture_done(&f);
}

TEST(an_option_is_given_once) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "DuplicateOption", "owner", CREATE, "", TYPE, 2, "owner", "s", "a",
                   "owner", "s", "a");
        fixture_done(&f);
}

TEST(an_option_has_its_type) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "WrongOptionType", "u; it must be s", CREATE, "", TYPE, 1, "uuid",
                   "u", 1);
        CALL_ERROR(&f, f.client, "WrongOptionType", "it must be s", CREATE, "", TYPE, 1, "owner",
                   "as", 1, "x");
        CALL_ERROR(&f, f.client, "WrongOptionType", "it must be i", CREATE, "", TYPE, 1, "numa",
                   "u", 0);
        CALL_ERROR(&f, f.client, "WrongOptionType", "it must be a(ss)", CREATE, "", TYPE, 1,
                   "attributes", "a{ss}", 0);
        CALL_ERROR(&f, f.client, "WrongOptionType", "it must be s", CREATE, "", TYPE, 1, "owner",
                   "v", "s", "x");
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_INVALID_ARGS, "", MANAGER, "CreateDevice", "ss", "",
                   TYPE);
        fixture_done(&f);
}

TEST(an_owner_is_a_short_plain_name) {
        _cleanup_(freep) char *longest = repeat('o', 63), *longer = repeat('o', 64), *path = NULL;
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "TooLong", "64 bytes; 63 are allowed", CREATE, "", TYPE, 1,
                   "owner", "s", longer);
        CALL_ERROR(&f, f.client, "InvalidOwner", "a?b", CREATE, "", TYPE, 1, "owner", "s", "a\nb");
        CALL_ERROR(&f, f.client, "InvalidOwner", "a?b", CREATE, "", TYPE, 1, "owner", "s",
                   "a\033b");
        path = create_device(&f, PARENT, UUID1, longest);
        fixture_done(&f);
}

TEST(a_numa_node_is_zero_or_more_and_must_fit) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, "InvalidArgument", "-2", CREATE, "", TYPE, 1, "numa", "i", -2);
        CALL_ERROR(&f, f.client, "NoRoom", "NUMA", CREATE, "", TYPE, 1, "numa", "i", 7);
        CALL(&f, f.client, &r, CREATE, "", TYPE, 1, "numa", "i", 0);
        reply_done(&r);
        CALL(&f, f.client, &r, CREATE, "", TYPE, 1, "numa", "i", -1);
        reply_done(&r);
        fixture_done(&f);
}

TEST(attributes_stay_below_the_device) {
        static const char *const names[] = {
                "", "/etc/passwd", "..", "../remove", "a/../b", "a//b", "a/", "./a", "a/./b",
                "a/..",
        };
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                CALL_ERROR(&f, f.client, "InvalidArgument", "cannot be the name of an attribute",
                           CREATE, "", TYPE, 1, "attributes", "a(ss)", 1, names[i], "1");
        fixture_done(&f);
}

static void create_with_attributes(Fixture *f, Reply *r, size_t n, const char *value) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        ASSERT_TRUE(sd_bus_message_new_method_call(f->client, &m, MDEVD_BUS_NAME, MANAGER,
                                                   "CreateDevice") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "ss", PARENT, TYPE) >= 0);
        ASSERT_TRUE(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        ASSERT_TRUE(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        ASSERT_TRUE(sd_bus_message_append(m, "s", "attributes") >= 0);
        ASSERT_TRUE(sd_bus_message_open_container(m, 'v', "a(ss)") >= 0);
        ASSERT_TRUE(sd_bus_message_open_container(m, 'a', "(ss)") >= 0);
        for (size_t i = 0; i < n; i++)
                ASSERT_TRUE(sd_bus_message_append(m, "(ss)", "vram", value) >= 0);
        for (size_t i = 0; i < 4; i++)
                ASSERT_TRUE(sd_bus_message_close_container(m) >= 0);
        call_begin_message(f->client, r, m);
        call_wait(f, r);
}

TEST(attributes_have_limits) {
        _cleanup_(freep) char *longest = repeat('1', 4095), *longer = repeat('1', 4096);
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        create_with_attributes(&f, &r, 256, "1");
        ASSERT_REPLY(&r);
        reply_done(&r);
        create_with_attributes(&f, &r, 257, "1");
        ASSERT_ERROR(&r, "TooLong", "256");
        reply_done(&r);
        /* each may be, all together are more than a record takes */
        create_with_attributes(&f, &r, 256, longest);
        ASSERT_ERROR(&r, "Failed", "too long");
        reply_done(&r);
        create_with_attributes(&f, &r, 1, longest);
        ASSERT_REPLY(&r);
        reply_done(&r);
        create_with_attributes(&f, &r, 1, longer);
        ASSERT_ERROR(&r, "TooLong", "4096");
        reply_done(&r);
        fixture_done(&f);
}

TEST(long_and_wild_values_are_cut_in_sentences) {
        _cleanup_(freep) char *text = repeat('\001', 100000);
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        call_begin(f.client, &r, CREATE, "", TYPE, 1, "uuid", "s", text);
        call_wait(&f, &r);
        ASSERT_ERROR(&r, "InvalidUuid", "????");
        ASSERT_TRUE(strlen(sd_bus_message_get_error(r.m)->message) < 200);
        reply_done(&r);
        /* cut before a character, or sd-bus would refuse to send it */
        for (size_t i = 0; i < 4; i++) {
                char wide[128] = "";

                memset(wide, 'x', i);
                for (size_t j = 0; j < 25; j++)
                        (void) strcat(wide, "€");
                CALL_ERROR(&f, f.client, "InvalidUuid", "€…", CREATE, "", TYPE, 1, "uuid", "s",
                           wide);
        }
        fixture_done(&f);
}

TEST(sentences_are_text_whatever_they_tell_of) {
        /* all are valid, and as long as an owner may be: cut anywhere, one would be no text */
        Fixture f;

        fixture_init(&f);
        ASSERT_OK(fake_kernel_add_parent(f.tree.path, OTHER, TYPE, 0));
        fixture_start(&f);
        for (size_t i = 0; i < 4; i++) {
                char owner[128] = "";

                memset(owner, 'x', i);
                while (strlen(owner) + 4 <= 63)
                        (void) strcat(owner, "\xf0\x9f\x98\x80");
                CALL_ERROR(&f, f.client, "NoRoom", OTHER, CREATE, OTHER, TYPE, 1, "owner", "s",
                           owner);
                CALL_ERROR(&f, f.client, "NoSuchType", "", CREATE, OTHER, owner, 1, "owner", "s",
                           owner);
        }
        fixture_done(&f);
}

TEST(no_room_says_why_for_each_parent) {
        Reply r = {};
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        for (size_t i = 0; i < 8; i++) {
                CALL(&f, f.client, &r, CREATE, "", TYPE, 0);
                reply_done(&r);
        }
        call_begin(f.client, &r, CREATE, "", TYPE, 0);
        call_wait(&f, &r);
        ASSERT_ERROR(&r, "NoRoom", PARENT);
        ASSERT_ERROR(&r, "NoRoom", OTHER);
        reply_done(&r);
        fixture_done(&f);
}

TEST(the_kernels_refusals_have_names) {
        static const struct {
                const char *number, *name;
        } errors[] = {
                { "5", "Failed" },    /* EIO */
                { "22", "Failed" },   /* EINVAL */
                { "19", "Failed" },   /* ENODEV */
                { "87", "NoRoom" },   /* EUSERS */
                { "28", "NoRoom" },   /* ENOSPC */
                { "17", "DeviceExists" },
                { "12", "Failed" },   /* ENOMEM, in no row of the table */
        };
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
                write_fake(&f, "errno-create-" PARENT, errors[i].number);
                CALL_ERROR(&f, f.client, errors[i].name, PARENT, CREATE, PARENT, TYPE, 1, "uuid",
                           "s", UUID1);
        }
        fixture_done(&f);
}

TEST(objects_and_methods_that_are_not_there) {
        Fixture f;

        fixture_init(&f);
        fixture_start(&f);
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_UNKNOWN_OBJECT, "", "/org/mdevd1/device/x/y",
                   MDEVD_IFACE_DEVICE, "Stop", "");
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_UNKNOWN_METHOD, "", MANAGER, "Nix", "");
        CALL_ERROR(&f, f.client, SD_BUS_ERROR_PROPERTY_READ_ONLY, "", MDEVD_OBJECT_ROOT,
                   "org.freedesktop.DBus.Properties", "Set", "ssv", MDEVD_IFACE_MANAGER, "Version",
                   "s", "2");
        fixture_done(&f);
}

TESTS_MAIN
