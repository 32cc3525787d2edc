/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authz.c: the queries at polkit. A Query is under way until polkit has answered; then it carries
 * the verdict to the second run of the handler, which takes it; one that nobody takes (the handler
 * failed before it got there) goes when the loop is idle. A client that leaves the bus takes
 * its queries along, dialogs included.
 */
#include "bus/authz.h"

#include <inttypes.h>
#include <stdbool.h>

#include "bus/bus-error.h"
#include "util/list.h"
#include "util/log.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_IFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_INTERACTION 1U
#define DIALOG_USEC (UINT64_C(120) * 1000000) /* a person has to read, and to type */
#define DETAILS_MAX 9                         /* four names and values, and the NULL */

typedef enum Verdict {
        VERDICT_PENDING,
        VERDICT_YES,
        VERDICT_NO,
        VERDICT_CHALLENGE, /* a dialog would have helped */
        VERDICT_ABSENT,    /* polkit did not answer */
} Verdict;

typedef struct Query Query;

struct Query {
        List node; /* in authz->queries */
        Authz *authz;
        sd_bus_message *call;
        sd_bus_slot *slot;
        sd_bus_slot *match; /* tells when the sender leaves, while pending */
        sd_event_source *reap;
        uid_t uid;
        const char *action; /* static */
        char *details[DETAILS_MAX];
        uint64_t id; /* of the check, for its cancellation */
        bool interactive;
        Verdict verdict;
};

struct Authz {
        sd_bus *bus;
        List queries;
        uint64_t last_id;
};

static void query_cancel(Query *q) {
        char id[32];

        (void) snprintf(id, sizeof(id), "mdevd-%" PRIu64, q->id);
        (void) sd_bus_call_method_async(q->authz->bus, NULL, POLKIT_NAME, POLKIT_PATH,
                                        POLKIT_IFACE, "CancelCheckAuthorization", NULL, NULL, "s",
                                        id);
}

static Query *query_free(Query *q) {
        if (!q)
                return NULL;
        list_unlink(&q->node);
        sd_bus_slot_unref(q->slot);
        sd_bus_slot_unref(q->match);
        sd_event_source_disable_unref(q->reap);
        sd_bus_message_unref(q->call);
        for (size_t i = 0; i < DETAILS_MAX; i++)
                free(q->details[i]);
        free(q);
        return NULL;
}
DEFINE_CLEANUP(Query *, query_free)

int authz_new(Authz **ret, sd_bus *bus) {
        Authz *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;
        a->bus = sd_bus_ref(bus);
        list_init(&a->queries);
        *ret = a;
        return 0;
}

Authz *authz_free(Authz *a) {
        if (!a)
                return NULL;
        list_foreach_safe(q, &a->queries, Query, node) {
                if (q->verdict == VERDICT_PENDING)
                        query_cancel(q);
                query_free(q);
        }
        sd_bus_unref(a->bus);
        free(a);
        return NULL;
}

static int on_reap(sd_event_source *s, void *userdata) {
        query_free(userdata);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *before, *now;
        Query *q = userdata;

        if (sd_bus_message_read(m, "sss", &name, &before, &now) < 0 || now[0])
                return 0;
        query_cancel(q);
        query_free(q);
        return 0;
}

static Verdict read_verdict(sd_bus_message *reply, bool interactive) {
        int yes, challenge;

        if (sd_bus_message_is_method_error(reply, NULL))
                return VERDICT_ABSENT;
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &yes, &challenge) < 0)
                return VERDICT_ABSENT;
        if (yes)
                return VERDICT_YES;
        return challenge && !interactive ? VERDICT_CHALLENGE : VERDICT_NO;
}

static void query_absent(Query *q, sd_bus_message *reply) {
        const LogFields fields = {
                .topic = "authz",
                .client = sd_bus_message_get_sender(q->call),
        };
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        query_cancel(q); /* the dialog, if there is one, must not outlive our patience */
        log_warning(&fields, "polkit gave no answer about %s, so the answer is no: %s", q->action,
                    error && error->message ? error->message : "unreadable reply");
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Query *q = userdata;
        int r;

        q->slot = sd_bus_slot_unref(q->slot);
        q->match = sd_bus_slot_unref(q->match);
        q->verdict = read_verdict(reply, q->interactive);
        if (q->verdict == VERDICT_ABSENT)
                query_absent(q, reply);

        r = sd_event_add_defer(sd_bus_get_event(q->authz->bus), &q->reap, on_reap, q);
        if (r >= 0)
                r = sd_event_source_set_priority(q->reap, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_bus_message_rewind(q->call, true);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(q->authz->bus, q->call);
        if (r < 0) {
                (void) sd_bus_reply_method_errno(q->call, r, NULL);
                query_free(q);
        }
        return 1;
}

static bool details_equal(const Query *q, const char *const *details) {
        for (size_t i = 0; i < DETAILS_MAX; i++) {
                if (!q->details[i] || !details[i])
                        return !q->details[i] && !details[i];
                if (!streq(q->details[i], details[i]))
                        return false;
        }
        return true;
}

static int tell_verdict(const Query *q, sd_bus_error *e) {
        switch (q->verdict) {
        case VERDICT_YES:
                return 1;
        case VERDICT_PENDING:
                return 0;
        case VERDICT_CHALLENGE:
                return sd_bus_error_setf(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                         "%s needs authentication; allow interactive "
                                         "authorization, or call as root.", q->action);
        case VERDICT_ABSENT:
                return sd_bus_error_setf(e, SD_BUS_ERROR_ACCESS_DENIED,
                                         "%s was not granted, for polkit gave no answer; see that "
                                         "polkit.service runs, or call as root.", q->action);
        case VERDICT_NO:
                break;
        }
        return sd_bus_error_setf(e, SD_BUS_ERROR_ACCESS_DENIED,
                                 "polkit does not grant %s to user %u; an administrator can, by a "
                                 "rule for that action.", q->action, (unsigned) q->uid);
}

static int query_message(Query *q, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char id[32];
        int r;

        r = sd_bus_message_new_method_call(q->authz->bus, &m, POLKIT_NAME, POLKIT_PATH,
                                           POLKIT_IFACE, "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(q->call), q->action);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "{ss}");
        if (r < 0)
                return r;
        for (size_t i = 0; q->details[i]; i += 2) {
                r = sd_bus_message_append(m, "{ss}", q->details[i], q->details[i + 1]);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        (void) snprintf(id, sizeof(id), "mdevd-%" PRIu64, q->id);
        r = sd_bus_message_append(m, "us", q->interactive ? POLKIT_ALLOW_INTERACTION : 0U, id);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/*
 * Not sd_bus_track: it asks the bus, and waits. Who has left by now is unknown to polkit as well.
 */
static int query_track(Query *q) {
        _cleanup_(freep) char *match = NULL;

        if (asprintf(&match,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                     sd_bus_message_get_sender(q->call)) < 0)
                return -ENOMEM;
        return sd_bus_add_match_async(q->authz->bus, &q->match, match, on_owner_changed, NULL, q);
}

static int query_start(Authz *a, sd_bus_message *call, uid_t uid, const char *action,
                       const char *const *details) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(query_freep) Query *q = NULL;
        int r, interactive;

        interactive = sd_bus_message_get_allow_interactive_authorization(call);
        if (interactive < 0)
                return interactive;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        list_init(&q->node);
        q->authz = a;
        q->call = sd_bus_message_ref(call);
        q->uid = uid;
        q->action = action;
        q->interactive = interactive;
        q->id = ++a->last_id;
        for (size_t i = 0; details[i]; i++) {
                assert(i < DETAILS_MAX - 1);
                q->details[i] = strdup(details[i]);
                if (!q->details[i])
                        return -ENOMEM;
        }

        r = query_message(q, &m);
        if (r < 0)
                return r;
        r = query_track(q);
        if (r < 0)
                return r;
        r = sd_bus_call_async(a->bus, &q->slot, m, on_answer, q, interactive ? DIALOG_USEC : 0);
        if (r < 0)
                return r;
        list_append(&a->queries, &q->node);
        TAKE_PTR(q);
        return 0;
}

int authz_check(Authz *a, sd_bus_message *m, uid_t uid, const char *action,
                const char *const *details, sd_bus_error *e) {
        size_t pending = 0;
        int r;

        if (uid == 0 || uid == geteuid())
                return 1;

        list_foreach_safe(q, &a->queries, Query, node) {
                if (q->call == m && streq(q->action, action) && details_equal(q, details)) {
                        r = tell_verdict(q, e);
                        if (q->verdict != VERDICT_PENDING)
                                query_free(q);
                        return r;
                }
                if (q->uid == uid && q->verdict == VERDICT_PENDING)
                        pending++;
        }
        if (pending >= AUTHZ_QUERIES_PER_UID_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_LIMIT,
                                         "%d questions to polkit about user %u are open already; "
                                         "wait for their answers.",
                                         AUTHZ_QUERIES_PER_UID_MAX, (unsigned) uid);
        return query_start(a, m, uid, action, details);
}
