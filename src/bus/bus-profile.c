/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-profile.c: the methods of org.mdevd1.Manager about profiles. */
#include "bus/bus-profile.h"

#include <inttypes.h>

#include "bus/bus-error.h"
#include "bus/options.h"
#include "bus/text.h"
#include "util/clock.h"
#include "util/parse.h"

static const char *action_of(const ProfileItem *item) {
        return item->action == PROFILE_REFUSE ? "blocked" : profile_action_to_string(item->action);
}

static int append_step(sd_bus_message *reply, const ProfileItem *item) {
        const char *parent = item->device ? item->device->parent->name :
                             item->placement.parent ? item->placement.parent->name :
                             item->want ? item->want->parent : NULL;
        const char *const texts[] = {
                action_of(item),
                UUID_STR(&item->uuid),
                item->want ? item->want->type : item->device ? item->device->type : NULL,
                parent,
                item->reason.text ?: item->after_removals ? "after the removals" : NULL,
        };
        int r;

        r = sd_bus_message_open_container(reply, 'r', "sssss");
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(texts); i++)
                r = text_append(reply, texts[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Name and options. */
static int read_arguments(sd_bus_message *m, const char **ret_name, Request **ret,
                          sd_bus_error *e) {
        int r;

        r = sd_bus_message_read_basic(m, 's', ret_name);
        if (r >= 0 && !name_is_valid_id(*ret_name))
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" cannot be the name of a profile.",
                                         BUS_QUOTE(*ret_name));
        if (r >= 0)
                r = request_new(ret, "");
        return r < 0 ? r : options_read(m, OPTIONS_PROFILE, *ret, e);
}

/* ---- a plan ---- */

/*
 * Nobody needs a right to ask. What took longer than this to find out, as with profiles of
 * thousands, is found out for others than root only when nine times as long has passed for
 * everything else.
 */
#define PLAN_QUICK_USEC 1000
#define PLAN_REST 9

/* Returns as bus_authorize(). */
static int check_rest(Bus *b, sd_bus_message *m, bool *ret_root, sd_bus_error *e) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC);
        uid_t uid;
        int r;

        r = peers_get_uid(b->peers, m, &uid, e);
        if (r <= 0)
                return r;
        *ret_root = uid == geteuid();
        if (*ret_root || now >= b->plan_usec)
                return 1;
        return sd_bus_error_setf(e, BUS_ERROR_LIMIT,
                                 "What a profile would do was asked for a moment ago, and took "
                                 "long to find out: ask again in %" PRIu64 " ms.",
                                 (b->plan_usec - now) / 1000 + 1);
}

static int find_plan(Bus *b, const char *name, bool is_root, ProfileDiff *diff, Reason *reason) {
        uint64_t begin = clock_usec(CLOCK_MONOTONIC), end;
        int r = manager_plan_profile(b->manager, name, diff, reason);

        end = clock_usec(CLOCK_MONOTONIC);
        if (!is_root && end > begin + PLAN_QUICK_USEC)
                b->plan_usec = end + PLAN_REST * (end - begin);
        return r;
}

int bus_method_plan_profile(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(profile_diff_done) ProfileDiff diff = {};
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Bus *b = userdata;
        bool is_root = false;
        const char *name;
        int r;

        r = read_arguments(m, &name, &q, e);
        if (r >= 0)
                r = check_rest(b, m, &is_root, e);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = find_plan(b, name, is_root, &diff, &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sssss)");
        for (size_t i = 0; r >= 0 && i < diff.n; i++)
                r = append_step(reply, &diff.items[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_send(reply);
}

/* ---- carried out ---- */

static int apply(Bus *b, sd_bus_message *m, CallAnswer answer, sd_bus_error *e) {
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(reason_done) Reason reason = {};
        const char *name;
        Operation *op;
        uid_t uid;
        int r;

        r = read_arguments(m, &name, &q, e);
        if (r >= 0)
                r = bus_authorize(b, m, BUS_ACTION_CONFIGURE, &(Subject){}, &uid, e);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        r = manager_apply_profile(b->manager, name, q->force, sd_bus_message_get_sender(m), &op,
                                  &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        return r < 0 ? r : call_start(b, m, uid, op, answer, e);
}

int bus_method_apply_profile(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return apply(userdata, m, CALL_ANSWER_EMPTY, e);
}

int bus_method_apply_profile_async(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return apply(userdata, m, CALL_ANSWER_NOW, e);
}
