/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-profile.c: what a profile wants against what is there. */
#include "scenario.h"

#include "alloc.h"
#include "test.h"

static const Profile *begin(Scenario *s, const char *parents, const char *rules,
                            const char *devices) {
        ASSERT_OK(scenario_init(s));
        ASSERT_TRUE(scenario_add_parents(s, parents));
        ASSERT_TRUE(scenario_add_rules(s, rules));
        ASSERT_TRUE(scenario_add_devices(s, devices));
        return list_first(&s->rules->profiles, Profile, node);
}

static size_t count(const ProfileDiff *d, ProfileAction action) {
        size_t n = 0;

        for (size_t i = 0; i < d->n; i++)
                n += d->items[i].action == action;
        return n;
}

static void link_item(Scenario *s, const ProfileItem *item, const char *profile) {
        Device *d;

        ASSERT_OK(device_new(&d, item->placement.parent, &item->uuid, item->placement.type->id));
        ASSERT_OK(device_set_owner(d, item->want ? item->want->owner : ""));
        device_set_extents(d, item->placement.extents, item->placement.n_extents);
        d->origin = ORIGIN_PROFILE;
        ASSERT_NOT_NULL(d->profile = strdup(profile));
        model_link_device(s->model, d);
}

TEST(actions_have_names) {
        for (int i = 0; i < _PROFILE_ACTION_MAX; i++)
                ASSERT_EQ(profile_action_from_string(profile_action_to_string((ProfileAction) i)),
                          i);
}

TEST(apply_and_apply_again) {
        _cleanup_(profile_diff_done) ProfileDiff first = {}, second = {}, third = {},
                                                    fourth = {};
        _cleanup_(scenario_done) Scenario s = {};
        const Profile *p = begin(&s, "a=64M", "profile=p want=16M*2 want=8M*1", "");
        Want *w;

        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &first));
        ASSERT_EQ(first.n, 3);
        ASSERT_EQ(count(&first, PROFILE_CREATE), 3);
        ASSERT_EQ(first.items[0].placement.extents[0].offset, 0);
        ASSERT_EQ(first.items[1].placement.extents[0].offset, 16 << 20);
        ASSERT_EQ(first.items[2].placement.extents[0].offset, 32 << 20);
        for (size_t i = 0; i < first.n; i++)
                link_item(&s, &first.items[i], "p");

        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &second));
        ASSERT_EQ(count(&second, PROFILE_KEEP), 3);
        ASSERT_TRUE(uuid_equal(&second.items[2].uuid, &first.items[2].uuid));

        /* one less is wanted: the last goes, first of all */
        w = list_first(&p->wants, Want, node);
        w->count = 1;
        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &third));
        ASSERT_EQ(third.n, 4);
        ASSERT_EQ(third.items[0].action, PROFILE_REMOVE);
        ASSERT_TRUE(uuid_equal(&third.items[0].uuid, &first.items[2].uuid));
        /* index 1 is a 16M now, 8M is wanted: it goes and comes again */
        ASSERT_EQ(third.items[1].action, PROFILE_REMOVE);
        ASSERT_TRUE(uuid_equal(&third.items[1].uuid, &first.items[1].uuid));
        ASSERT_CONTAINS(third.items[1].reason.text, "of type mdevd-16M of '' on a, and type 8M");
        ASSERT_EQ(third.items[2].action, PROFILE_KEEP);
        ASSERT_EQ(third.items[3].action, PROFILE_CREATE);
        ASSERT_TRUE(third.items[3].after_removals);

        /* unless somebody uses it */
        model_find_device(s.model, NULL, &first.items[1].uuid, NULL)->opened = 1;
        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &fourth));
        ASSERT_EQ(fourth.items[1].action, PROFILE_REFUSE);
        ASSERT_CONTAINS(fourth.items[1].reason.text, "in use: it stays");
        ASSERT_EQ(fourth.items[3].action, PROFILE_REFUSE);
        ASSERT_CONTAINS(fourth.items[3].reason.text, "remove the device");
}

TEST(others_devices_stay) {
        _cleanup_(profile_diff_done) ProfileDiff d = {};
        _cleanup_(scenario_done) Scenario s = {};
        const Profile *p = begin(&s, "a=64M", "profile=p want=16M*1", "16M@a+0:vm1 8M@a+32M");

        s.model->rules = s.rules;
        list_first(&s.model->devices, Device, node)->origin = ORIGIN_PROFILE;
        ASSERT_NOT_NULL(list_first(&s.model->devices, Device, node)->profile = strdup("q"));
        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &d));
        ASSERT_EQ(d.n, 1);
        ASSERT_EQ(d.items[0].action, PROFILE_CREATE);
}

TEST(a_given_uuid) {
        _cleanup_(profile_diff_done) ProfileDiff d = {};
        _cleanup_(scenario_done) Scenario s = {};
        const Profile *p = begin(&s, "a=64M", "profile=p want=16M*1:1 want=16M*1:2 want=16M*1:3",
                                 "16M@a+0 16M@a+16M:vm1");

        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &d));
        ASSERT_EQ(d.n, 3);
        ASSERT_EQ(d.items[0].action, PROFILE_KEEP); /* whoever made it */
        ASSERT_EQ(d.items[1].action, PROFILE_REFUSE);
        ASSERT_CONTAINS(d.items[1].reason.text, "policy:50:1: UUID 00000000-0000-0000-0000-"
                                                "000000000002 is that of a device of type "
                                                "mdevd-16M of 'vm1' on a");
        ASSERT_EQ(d.items[2].action, PROFILE_CREATE);
}

TEST(no_room_for_all) {
        _cleanup_(profile_diff_done) ProfileDiff d = {};
        _cleanup_(scenario_done) Scenario s = {};
        const Profile *p = begin(&s, "a=64M", "profile=p want=32M*3", "");

        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &d));
        ASSERT_EQ(count(&d, PROFILE_CREATE), 2);
        ASSERT_EQ(d.items[2].action, PROFILE_REFUSE);
        ASSERT_CONTAINS(d.items[2].reason.text, "a pool fb: largest hole 0");
}

/* Of what there is no room for as things are it is said that it comes after the removals. */
TEST(removals_make_room) {
        _cleanup_(profile_diff_done) ProfileDiff d = {}, used = {};
        _cleanup_(scenario_done) Scenario s = {};
        const Profile *p = begin(&s, "a=64M", "profile=p want=32M*2", "16M@a+0 16M@a+48M");
        Device *dev;

        list_foreach(i, &s.model->devices, Device, node) {
                i->origin = ORIGIN_PROFILE;
                ASSERT_NOT_NULL(i->profile = strdup("p"));
        }
        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &d));
        ASSERT_EQ(d.n, 4);
        ASSERT_EQ(count(&d, PROFILE_REMOVE), 2);
        ASSERT_EQ(count(&d, PROFILE_CREATE), 2);
        ASSERT_TRUE(d.items[2].after_removals);
        ASSERT_EQ(d.items[2].placement.extents[0].offset, 0);
        ASSERT_EQ(d.items[3].placement.extents[0].offset, 32 << 20);

        dev = list_first(&s.model->devices, Device, node);
        dev->opened = 1;
        ASSERT_OK(policy_diff_profile(s.model, NULL, p, &used));
        ASSERT_EQ(count(&used, PROFILE_REMOVE), 1);
        ASSERT_EQ(count(&used, PROFILE_CREATE), 1);
        ASSERT_EQ(count(&used, PROFILE_REFUSE), 2);
}

TEST(what_is_under_way_is_kept) {
        _cleanup_(profile_diff_done) ProfileDiff d = {};
        _cleanup_(scenario_done) Scenario s = {};
        const Profile *p = begin(&s, "a=64M", "profile=p want=16M*2", "");
        Parent *a = model_find_parent(s.model, "a");
        const Extent e = { .size = 16 << 20, .bar = 2 };
        Planned planned = { .parent = a, .type = parent_find_type(a, "16M"), .owner = "",
                            .extents = &e, .n_extents = 1 };
        List all = LIST_INIT(all);

        profile_uuid("p", 0, &planned.uuid);
        list_append(&all, &planned.node);
        ASSERT_OK(policy_diff_profile(s.model, &all, p, &d));
        ASSERT_EQ(d.items[0].action, PROFILE_KEEP);
        ASSERT_NULL(d.items[0].device);
        ASSERT_EQ(d.items[1].placement.extents[0].offset, 16 << 20);
        ASSERT_EQ(list_length(&all), 1);
}

TEST(uuids_never_change) {
        Uuid u;

        profile_uuid("p", 0, &u);
        ASSERT_STREQ(UUID_STR(&u), "0b447f69-f177-50e6-9467-c24c562548f1");
        profile_uuid("p", 1, &u);
        ASSERT_STREQ(UUID_STR(&u), "5a5c22be-ecda-5a52-8510-35081d8f3515");
}

TEST(no_memory) {
        _cleanup_(scenario_done) Scenario s = {};
        const Profile *p = begin(&s, "a=64M", "profile=p want=16M*2 want=64M*1:1", "8M@a+0");
        ProfileDiff d = {};
        size_t failures = 0;
        int r;

        FOR_EACH_ALLOCATION_FAILURE(r, policy_diff_profile(s.model, NULL, p, &d)) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_EQ(d.n, 0);
                failures++;
        }
        ASSERT_OK(r);
        ASSERT_TRUE(failures > 10);
        ASSERT_EQ(count(&d, PROFILE_CREATE), 2);
        profile_diff_done(&d);
}

TESTS_MAIN
