/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit.c: org.freedesktop.PolicyKit1.Authority, as far as mdevd uses it. */
#include "polkit.h"

static int answer(Polkit *p, sd_bus_message *m, bool interactive) {
        bool yes = p->mode == POLKIT_YES || (p->mode == POLKIT_CHALLENGE && interactive);
        bool challenge = !yes && (p->mode == POLKIT_CHALLENGE || p->mode == POLKIT_DISMISSED);

        if (p->mode == POLKIT_ERROR)
                return sd_bus_reply_method_errorf(m, "org.freedesktop.PolicyKit1.Error.Failed",
                                                  "polkit has a bad day");
        return sd_bus_reply_method_return(m, "(bba{ss})", (int) yes, (int) challenge, 0);
}

static void remember(Polkit *p, sd_bus_message *m, uint32_t *ret_flags) {
        const char *kind, *key, *subject, *action, *name, *value, *id;
        _cleanup_(freep) char *details = strdup("");
        char *line = NULL;

        ASSERT_TRUE(sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &key, "s", &subject,
                                        &action) > 0);
        ASSERT_STREQ(kind, "system-bus-name");
        ASSERT_STREQ(key, "name");
        ASSERT_TRUE(sd_bus_message_enter_container(m, 'a', "{ss}") > 0);
        while (sd_bus_message_read(m, "{ss}", &name, &value) > 0) {
                char *more = NULL;

                ASSERT_TRUE(asprintf(&more, "%s %s=%s", details, name, value) > 0);
                free(details);
                details = more;
        }
        ASSERT_TRUE(sd_bus_message_exit_container(m) >= 0);
        ASSERT_TRUE(sd_bus_message_read(m, "us", ret_flags, &id) > 0);
        ASSERT_TRUE(id[0] != '\0');
        ASSERT_TRUE(asprintf(&line, "%s%s %s %" PRIu32 "%s\n", p->asked ?: "", action, subject,
                             *ret_flags, details) > 0);
        free(p->asked);
        p->asked = line;
        p->n_asked++;
}

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Polkit *p = userdata;
        uint32_t flags;

        remember(p, m, &flags);
        if (p->mode != POLKIT_HOLD)
                return answer(p, m, flags & 1);
        ASSERT_TRUE(p->n_held < ARRAY_SIZE(p->held));
        p->held[p->n_held++] = sd_bus_message_ref(m);
        return 1;
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Polkit *p = userdata;

        p->n_cancelled++;
        return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", method_check,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelCheckAuthorization", "s", "", method_cancel,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

void polkit_init(Polkit *p, Fixture *f) {
        *p = (Polkit){ .bus = fixture_connect(f, 0) };
        ASSERT_TRUE(sd_bus_add_object_vtable(p->bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                             "org.freedesktop.PolicyKit1.Authority", vtable, p) >=
                    0);
        ASSERT_TRUE(sd_bus_request_name(p->bus, "org.freedesktop.PolicyKit1", 0) >= 0);
}

void polkit_done(Polkit *p) {
        for (size_t i = 0; i < p->n_held; i++)
                sd_bus_message_unref(p->held[i]);
        sd_bus_flush_close_unref(p->bus);
        free(p->asked);
        *p = (Polkit){};
}

void polkit_release(Polkit *p) {
        for (size_t i = 0; i < p->n_held; i++) {
                ASSERT_TRUE(answer(p, p->held[i], false) >= 0);
                sd_bus_message_unref(p->held[i]);
        }
        p->n_held = 0;
}

typedef struct Count Count;

struct Count {
        const unsigned *value;
        unsigned wanted;
};

static bool is_reached(void *userdata) {
        const Count *c = userdata;

        return *c->value >= c->wanted;
}

void polkit_wait_asked(Polkit *p, Fixture *f, unsigned n) {
        fixture_wait(f, is_reached, &(Count){ &p->n_asked, n }, "a question to polkit");
}

void polkit_wait_cancelled(Polkit *p, Fixture *f, unsigned n) {
        fixture_wait(f, is_reached, &(Count){ &p->n_cancelled, n }, "a cancellation at polkit");
}
