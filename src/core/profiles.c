/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * profiles.c: owns what the configuration's profiles mean for the devices there are: which UUID is
 * whose, what is to be made, and what a profile had made and wants no more.
 */
#include "core/internal.h"
#include "util/log-ids.h"
#include "util/log.h"

int profiles_foreach(Manager *m, ProfileWantFn fn, void *userdata) {
        if (!m->model->rules)
                return 0;
        list_foreach(p, &m->model->rules->profiles, Profile, node) {
                uint64_t index = 0;

                list_foreach(w, &p->wants, Want, node)
                        for (uint64_t i = 0; i < w->count; i++, index++) {
                                Uuid uuid = w->uuid;
                                int r;

                                if (uuid_is_null(&uuid))
                                        profile_uuid(p->name, index, &uuid);
                                r = fn(m, p, w, &uuid, userdata);
                                if (r != 0)
                                        return r;
                        }
        }
        return 0;
}

typedef struct Search Search;

struct Search {
        const Uuid *uuid;
        const Profile *profile;
        const Want *want;
};

/* Those that are not in force may name the same one, and nobody asks for them. */
static int match(Manager *m, const Profile *profile, const Want *want, const Uuid *uuid,
                 void *userdata) {
        Search *s = userdata;

        if (!profile->apply || !uuid_equal(uuid, s->uuid))
                return 0;
        s->profile = profile;
        s->want = want;
        return 1;
}

bool profiles_has(const Want *w, const Device *d) {
        const Type *t = parent_find_type(d->parent, w->type);

        return t && streq(t->id, d->type) && (!w->parent || streq(w->parent, d->parent->name));
}

int manager_refuse_profile(Manager *m, const Uuid *uuid, Reason *reason) {
        Search s = { .uuid = uuid };

        /* of two places that speak of it, the definition is one that can be given up */
        if (model_find_definition(m->model, NULL, uuid, NULL) ||
            profiles_foreach(m, match, &s) == 0)
                return 0;
        return reason_set(reason, OUTCOME_INVALID,
                          "%s is a device of profile %s, %s; change it there and reload.",
                          UUID_STR(uuid), s.profile->name, SOURCE_STR(&s.want->source));
}

static int make_request(const Want *w, const char *profile, const Uuid *uuid, Request **ret) {
        _cleanup_(request_freep) Request *q = NULL;
        int r;

        r = request_new(&q, w->type);
        if (r < 0)
                return r;
        free(q->owner);
        q->owner = strdup(w->owner ?: "");
        q->parent = w->parent ? strdup(w->parent) : NULL;
        q->profile = strdup(profile);
        q->uuid = *uuid;
        q->uuid_given = true;
        q->origin = ORIGIN_PROFILE;
        if (!q->owner || (w->parent && !q->parent) || !q->profile)
                return -ENOMEM;
        for (size_t i = 0; i < w->n_attributes; i++) {
                r = request_add_attribute(q, w->attributes[i].name, w->attributes[i].value);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(q);
        return 0;
}

int profiles_start(Manager *m, const char *profile, const Want *w, const Uuid *uuid, bool force,
                   const char *client, Operation **ret, Reason *reason) {
        Request *q = NULL;
        int r;

        *ret = NULL;
        r = make_request(w, profile, uuid, &q);
        if (r < 0)
                return r;
        q->force = force;
        return manager_create(m, q, client, ret, reason);
}

/* ---- UUIDs in two places ---- */

static int check_one(Manager *m, const Profile *profile, const Want *w, const Uuid *uuid,
                     void *userdata) {
        const Definition *d = model_find_definition(m->model, NULL, uuid, NULL);
        _cleanup_(freep) char *text = NULL;
        int r;

        if (!d)
                return 0;
        if (asprintf(&text,
                     "expected each UUID in one place, found %s in profile %s here and in "
                     "/" MDEVD_PATH_DEFINITIONS "/%s/%s; the definition holds",
                     UUID_STR(uuid), profile->name, d->parent, UUID_STR(uuid)) < 0)
                return -ENOMEM;
        r = config_problem_add(userdata, w->source.file ?: "profiles", w->source.line,
                               w->source.column, false, text);
        return r < 0 ? r : 0;
}

int profiles_check(Manager *m, List *problems) {
        return profiles_foreach(m, check_one, problems);
}

/* ---- at start ---- */

static void remove_unwanted(Manager *m, const Profile *profile, const ProfileItem *item) {
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        int r;

        r = manager_stop(m, item->device, "autostart", &op, &reason);
        if (r != 0)
                log_warning(FIELDS(.message_id = LOG_ID_REQUEST_REFUSED, .topic = "autostart",
                                   .parent = item->device->parent->name,
                                   .device = UUID_STR(&item->uuid)),
                            "Profile %s wants %s no more, and it stays: %s", profile->name,
                            UUID_STR(&item->uuid), r < 0 ? strerrordesc_np(-r) : reason.text);
}

static int apply(Manager *m, const Profile *profile) {
        _cleanup_(profile_diff_done) ProfileDiff diff = {};
        int r;

        r = policy_diff_profile(m->model, &m->planned, profile, &diff);
        if (r < 0)
                return r;
        for (size_t i = 0; i < diff.n; i++)
                if (diff.items[i].action == PROFILE_REMOVE && !diff.items[i].reason.text)
                        remove_unwanted(m, profile, &diff.items[i]);
        return 0;
}

void profiles_remove_unwanted(Manager *m) {
        if (!m->model->rules)
                return;
        list_foreach(p, &m->model->rules->profiles, Profile, node) {
                int r = p->apply ? apply(m, p) : 0;

                if (r < 0)
                        (void) log_error_errno(r, FIELDS(.topic = "autostart"),
                                               "Cannot apply profile %s: %m", p->name);
        }
}
