/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * profile.c: what a profile wants against what is. What is to be made is placed one after the other
 * by policy_place(), each with those before it counted as planned. Until the devices that the
 * profile made and wants no more have gone, their room is theirs: what finds none is asked for once
 * more as if they had, and is then said to come after the removals.
 */
#include "policy/policy.h"

#include "policy/match.h"
#include "policy/view.h"
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

/* As far as type, parent and owner go. */
static bool is_wanted_so(const Want *w, const Device *d) {
        const Type *type = NULL;

        for (int how = 0; how < _TYPE_MATCH_MAX && !type; how++)
                type = match_type(d->parent, w->type, (TypeMatch) how, NULL);
        return type && streq(type->id, d->type) &&
               (!w->parent || streq(w->parent, d->parent->name)) && streq(w->owner, d->owner);
}

static int describe_difference(const ProfileItem *item, const Device *d, const char *end,
                               Reason *reason) {
        const Want *w = item->want;

        return reason_add(reason,
                          "%s: UUID %s is that of a device of type %s of '%s' on %s, and type %s "
                          "of '%s' on %s is wanted; %s",
                          SOURCE_STR(&w->source), UUID_STR(&item->uuid), d->type, d->owner,
                          d->parent->name, w->type, w->owner, w->parent ?: "any parent", end);
}

/* One that is in use stays. */
static int add_removal(ProfileDiff *d, ProfileItem *item) {
        Device *dev = item->device;
        int r = 0;

        if (dev->state == DEVICE_DYING)
                r = reason_add(&item->reason, "%s on %s is being removed, and not clean yet",
                               UUID_STR(&item->uuid), dev->parent->name);
        else if (dev->opened > 0) {
                item->action = PROFILE_REFUSE;
                r = reason_add(&item->reason, "%s on %s is wanted no more, or otherwise, and in "
                               "use: it stays", UUID_STR(&item->uuid), dev->parent->name);
        }
        if (r >= 0)
                r = add_item(d, item);
        if (r < 0)
                reason_done(&item->reason);
        return r;
}

static bool is_own(const Profile *profile, const Device *d) {
        return d->origin == ORIGIN_PROFILE && streq_ptr(d->profile, profile->name);
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

                if (!is_own(profile, dev) ||
                    bsearch(&item, sorted, wanted->n, sizeof(*sorted), compare_items))
                        continue;
                r = add_removal(d, &item);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One that is dying goes, whoever made it. */
static bool stays(const Profile *profile, const Want *w, const Device *d) {
        return d->state != DEVICE_DYING && (!is_own(profile, d) || is_wanted_so(w, d));
}

/* The profile's own that are wanted otherwise now, and what is going already: they come again. */
static int list_replaced(const Model *model, const Profile *profile, const ProfileDiff *wanted,
                         ProfileDiff *d) {
        for (size_t i = 0; i < wanted->n; i++) {
                ProfileItem item = { .action = PROFILE_REMOVE, .uuid = wanted->items[i].uuid };
                int r;

                item.device = model_find_device(model, NULL, &item.uuid, NULL);
                if (!item.device || stays(profile, wanted->items[i].want, item.device))
                        continue;
                if (item.device->opened == 0 && item.device->state != DEVICE_DYING &&
                    describe_difference(&wanted->items[i], item.device, "it is made anew",
                                        &item.reason) < 0)
                        return -ENOMEM;
                r = add_removal(d, &item);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The same device, made by whomever, is kept; one that differs is in the way. */
static int compare_with_device(ProfileItem *item, Device *d) {
        item->device = d;
        item->action = PROFILE_KEEP;
        if (is_wanted_so(item->want, d))
                return 0;
        item->action = PROFILE_REFUSE;
        return describe_difference(item, d, "remove the device", &item->reason);
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

/* From the first that needs it on, all removals count as done: they come before what follows. */
static int place_item(const Model *model, List *planned, List *leaving, bool *removed,
                      ProfileItem *item, Planned *plan) {
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        r = make_request(&q, item);
        if (r < 0)
                return r;
        r = policy_place(model, planned, q, &item->placement, &item->reason);
        if (r < 0)
                return r;
        if (r > 0 && !list_is_empty(leaving)) {
                _cleanup_(reason_done) Reason again = {};

                list_splice(planned, leaving);
                *removed = true;
                r = policy_place(model, planned, q, &item->placement, &again);
                if (r < 0)
                        return r;
        }
        item->action = r > 0 ? PROFILE_REFUSE : PROFILE_CREATE;
        if (r > 0)
                return 0;
        item->after_removals = *removed;
        reason_done(&item->reason);
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
                        if (!p->still && uuid_equal(&p->uuid, uuid))
                                return true;
        return false;
}

/* Removals, as plans; how many there are. */
static size_t plan_removals(const ProfileDiff *d, List *leaving, Planned *plans) {
        size_t n = 0;

        for (size_t i = 0; i < d->n; i++) {
                if (d->items[i].action != PROFILE_REMOVE)
                        continue;
                plans[n] = (Planned) { .parent = d->items[i].device->parent,
                                       .uuid = d->items[i].uuid, .owner = "", .leaving = true };
                list_init(&plans[n].node);
                list_append(leaving, &plans[n++].node);
        }
        return n;
}

static bool is_removed(const ProfileDiff *d, const Uuid *uuid) {
        for (size_t i = 0; i < d->n && !d->items[i].want; i++)
                if (d->items[i].action == PROFILE_REMOVE && uuid_equal(&d->items[i].uuid, uuid))
                        return true;
        return false;
}

static int place_wanted(const Model *model, const List *planned, ProfileDiff *diff, size_t first) {
        _cleanup_(freep) Planned *plans = NULL;
        List all = LIST_INIT(all), leaving = LIST_INIT(leaving);
        bool removed = false;
        size_t n;
        int r = 0;

        plans = calloc(diff->n + (planned ? list_length(planned) : 0) + 1, sizeof(*plans));
        if (!plans)
                return -ENOMEM;
        n = copy_planned(planned, &all, plans);
        n += plan_removals(diff, &leaving, plans + n);
        for (size_t i = first; r >= 0 && i < diff->n; i++) {
                ProfileItem *item = &diff->items[i];
                Device *d = model_find_device(model, NULL, &item->uuid, NULL);

                if (!d && is_planned(planned, &item->uuid))
                        item->action = PROFILE_KEEP; /* it is on its way */
                else if (d && !is_removed(diff, &item->uuid))
                        r = compare_with_device(item, d);
                else
                        r = place_item(model, &all, &leaving, &removed, item, &plans[n++]);
        }
        return r;
}

int policy_diff_profile(const Model *model, const List *planned, const Profile *profile,
                        ProfileDiff *ret) {
        _cleanup_(profile_diff_done) ProfileDiff diff = {}, wanted = {};
        size_t first;
        int r;

        r = list_wanted(profile, &wanted);
        if (r >= 0)
                r = list_unwanted(model, profile, &wanted, &diff);
        if (r >= 0)
                r = list_replaced(model, profile, &wanted, &diff);
        first = diff.n;
        for (size_t i = 0; r >= 0 && i < wanted.n; i++)
                r = add_item(&diff, &wanted.items[i]);
        if (r >= 0)
                r = place_wanted(model, planned, &diff, first);
        if (r < 0)
                return r;
        *ret = diff;
        diff = (ProfileDiff) {};
        return 0;
}
