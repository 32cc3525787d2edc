/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * profile.c: what a profile wants against what is. What is to be made is placed one after the other
 * by policy_place(), each with those before it counted as planned. Devices that the profile made and
 * wants no more are to go first, and until they have gone their room is theirs: what is refused for
 * want of it is found when the question is asked again after the removals.
 */
#include "policy/policy.h"

#include "policy/match.h"
#include "util/uuid.h"

static const char *const profile_action_table[_PROFILE_ACTION_MAX] = {
        [PROFILE_CREATE] = "create",
        [PROFILE_KEEP] = "keep",
        [PROFILE_REMOVE] = "remove",
        [PROFILE_REFUSE] = "refuse",
};

DEFINE_STRING_TABLE(profile_action, ProfileAction, _PROFILE_ACTION_MAX)

/* Of our own making; never to be changed, or every profile's devices would be made anew. */
static const Uuid namespace = { .bytes = { 0x8f, 0x0b, 0x52, 0x1e, 0x3c, 0x6d, 0x4a, 0x97, 0xb1,
                                           0x5a, 0x27, 0xe4, 0x90, 0xcd, 0x66, 0x03 } };

void profile_uuid(const char *profile, uint64_t index, Uuid *ret) {
        char tail[24];

        (void) snprintf(tail, sizeof(tail), ":%llu", (unsigned long long) index);
        uuid_from_name(&namespace, profile, tail, ret);
}

void profile_diff_done(ProfileDiff *d) {
        for (size_t i = 0; i < d->n; i++)
                reason_done(&d->items[i].reason);
        free(d->items);
        *d = (ProfileDiff) {};
}

static int add_item(ProfileDiff *d, const ProfileItem *item) {
        ProfileItem *bigger;

        bigger = reallocarray(d->items, d->n + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        d->items = bigger;
        bigger[d->n++] = *item;
        return 0;
}

/* Every wanted device, with its UUID, in the profile's order. */
static int list_wanted(const Profile *profile, ProfileDiff *d) {
        uint64_t index = 0;
        int r;

        list_foreach(w, &profile->wants, Want, node)
                for (uint64_t i = 0; i < w->count; i++, index++) {
                        ProfileItem item = { .want = w, .uuid = w->uuid };

                        if (uuid_is_null(&item.uuid))
                                profile_uuid(profile->name, index, &item.uuid);
                        r = add_item(d, &item);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int compare_items(const void *a, const void *b) {
        const ProfileItem *x = a, *y = b;

        return memcmp(x->uuid.bytes, y->uuid.bytes, sizeof(x->uuid.bytes));
}

static int list_unwanted(const Model *model, const Profile *profile, const ProfileDiff *wanted,
                         ProfileDiff *d) {
        _cleanup_(freep) ProfileItem *sorted = NULL;
        int r;

        sorted = calloc(wanted->n ?: 1, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        if (wanted->n > 0)
                memcpy(sorted, wanted->items, wanted->n * sizeof(*sorted));
        if (wanted->n > 1)
                qsort(sorted, wanted->n, sizeof(*sorted), compare_items);
        list_foreach(dev, &model->devices, Device, node) {
                ProfileItem item = { .action = PROFILE_REMOVE, .uuid = dev->uuid, .device = dev };

                if (dev->origin != ORIGIN_PROFILE || !streq_ptr(dev->profile, profile->name) ||
                    bsearch(&item, sorted, wanted->n, sizeof(*sorted), compare_items))
                        continue;
                r = add_item(d, &item);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The same device, made by whomever, is kept; one that differs is in the way. */
static int compare_with_device(ProfileItem *item, Device *d) {
        const Want *w = item->want;
        const Type *type = NULL;

        for (int how = 0; how < _TYPE_MATCH_MAX && !type; how++)
                type = match_type(d->parent, w->type, (TypeMatch) how, NULL);
        item->device = d;
        item->action = PROFILE_KEEP;
        if (type && streq(type->id, d->type) && (!w->parent || streq(w->parent, d->parent->name)) &&
            streq(w->owner, d->owner))
                return 0;
        item->action = PROFILE_REFUSE;
        return reason_add(&item->reason,
                          "%s: UUID %s is that of a device of type %s of '%s' on %s, and type %s of "
                          "'%s' on %s is wanted; remove the device",
                          SOURCE_STR(&w->source), UUID_STR(&item->uuid), d->type, d->owner,
                          d->parent->name, w->type, w->owner, w->parent ?: "any parent");
}

static int make_request(Request **ret, const ProfileItem *item) {
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        r = request_new(&q, item->want->type);
        if (r < 0)
                return r;
        free(q->owner);
        q->owner = strdup(item->want->owner);
        q->parent = item->want->parent ? strdup(item->want->parent) : NULL;
        if (!q->owner || (item->want->parent && !q->parent))
                return -ENOMEM;
        q->uuid = item->uuid;
        q->uuid_given = true;
        q->origin = ORIGIN_PROFILE;

        *ret = TAKE_PTR(q);
        return 0;
}

static int place_item(const Model *model, List *planned, ProfileItem *item, Planned *plan) {
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        r = make_request(&q, item);
        if (r < 0)
                return r;
        r = policy_place(model, planned, q, &item->placement, &item->reason);
        if (r < 0)
                return r;
        item->action = r > 0 ? PROFILE_REFUSE : PROFILE_CREATE;
        if (r > 0)
                return 0;
        *plan = (Planned) {
                .parent = item->placement.parent,
                .type = item->placement.type,
                .uuid = item->uuid,
                .owner = item->want->owner,
                .extents = item->placement.extents,
                .n_extents = item->placement.n_extents,
        };
        list_append(planned, &plan->node);
        return 0;
}

/* What operations plan comes first, as copies: a node is in one list only. */
static size_t copy_planned(const List *planned, List *to, Planned *plans) {
        size_t n = 0;

        if (planned)
                list_foreach(p, planned, Planned, node) {
                        plans[n] = *p;
                        plans[n].node = (List) {};
                        list_append(to, &plans[n++].node);
                }
        return n;
}

static bool is_planned(const List *planned, const Uuid *uuid) {
        if (planned)
                list_foreach(p, planned, Planned, node)
                        if (uuid_equal(&p->uuid, uuid))
                                return true;
        return false;
}

int policy_diff_profile(const Model *model, const List *planned, const Profile *profile,
                        ProfileDiff *ret) {
        _cleanup_(profile_diff_done) ProfileDiff diff = {}, wanted = {};
        _cleanup_(freep) Planned *plans = NULL;
        List all = LIST_INIT(all);
        size_t n, first;
        int r;

        r = list_wanted(profile, &wanted);
        if (r >= 0)
                r = list_unwanted(model, profile, &wanted, &diff);
        first = diff.n;
        for (size_t i = 0; r >= 0 && i < wanted.n; i++)
                r = add_item(&diff, &wanted.items[i]);
        if (r < 0)
                return r;

        plans = calloc(wanted.n + (planned ? list_length(planned) : 0) + 1, sizeof(*plans));
        if (!plans)
                return -ENOMEM;
        n = copy_planned(planned, &all, plans);
        for (size_t i = first; r >= 0 && i < diff.n; i++) {
                ProfileItem *item = &diff.items[i];
                Device *d = model_find_device(model, NULL, &item->uuid, NULL);

                if (!d && is_planned(planned, &item->uuid))
                        item->action = PROFILE_KEEP; /* it is on its way */
                else
                        r = d ? compare_with_device(item, d) :
                                place_item(model, &all, item, &plans[n++]);
        }
        if (r < 0)
                return r;
        *ret = diff;
        diff = (ProfileDiff) {};
        return 0;
}
