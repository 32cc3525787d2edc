/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client.c: calls as tests make them: begun, and answered while the loop turns. */
#include "fixture.h"

/* What was called and answered, for coverage.py. */
static void note(const Reply *r) {
        const sd_bus_error *e = sd_bus_message_get_error(r->m);
        const char *path = getenv("MDEVD_TEST_RECORD");
        static FILE *file;

        if (!path)
                return;
        if (!file)
                file = fopen(path, "we");
        ASSERT_NOT_NULL(file);
        (void) fprintf(file, "%s.%s %s\n", r->iface, r->what, e ? e->name : "ok");
        ASSERT_EQ(fflush(file), 0);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Reply *r = userdata;

        ASSERT_NULL(r->m); /* a call has one answer */
        r->m = sd_bus_message_ref(m);
        note(r);
        return 0;
}

void call_begin_message(sd_bus *bus, Reply *r, sd_bus_message *m) {
        *r = (Reply){};
        (void) snprintf(r->iface, sizeof(r->iface), "%s", sd_bus_message_get_interface(m) ?: "");
        (void) snprintf(r->what, sizeof(r->what), "%s", sd_bus_message_get_member(m));
        ASSERT_TRUE(sd_bus_call_async(bus, &r->slot, m, on_reply, r, UINT64_MAX) >= 0);
}

void call_begin(sd_bus *bus, Reply *r, const char *path, const char *iface, const char *member,
                const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;

        ASSERT_TRUE(sd_bus_message_new_method_call(bus, &m, MDEVD_BUS_NAME, path, iface, member) >=
                    0);
        va_start(ap, types);
        ASSERT_TRUE(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        call_begin_message(bus, r, m);
}

bool reply_is_there(void *reply) {
        return ((const Reply *) reply)->m;
}

void call_wait(Fixture *f, Reply *r) {
        fixture_wait(f, reply_is_there, r, r->what);
}

void reply_done(Reply *r) {
        sd_bus_slot_unref(r->slot);
        sd_bus_message_unref(r->m);
        *r = (Reply){};
}

static char *basic_as_text(sd_bus_message *m) {
        const char *contents;
        char *text = NULL;
        union {
                const char *s;
                uint64_t t;
                uint32_t u;
                int32_t i;
                int b;
                uint8_t y;
        } v = {};
        char type;

        ASSERT_TRUE(sd_bus_message_peek_type(m, &type, &contents) > 0);
        ASSERT_EQ(type, 'v');
        ASSERT_TRUE(sd_bus_message_enter_container(m, 'v', contents) > 0);
        ASSERT_TRUE(sd_bus_message_read_basic(m, contents[0], &v) > 0);
        switch (contents[0]) {
        case 's':
        case 'o':
                text = strdup(v.s);
                break;
        case 't':
                ASSERT_TRUE(asprintf(&text, "%" PRIu64, v.t) > 0);
                break;
        case 'u':
                ASSERT_TRUE(asprintf(&text, "%" PRIu32, v.u) > 0);
                break;
        case 'i':
                ASSERT_TRUE(asprintf(&text, "%" PRId32, v.i) > 0);
                break;
        case 'b':
                text = strdup(v.b ? "true" : "false");
                break;
        default:
                test_fail(__FILE__, __LINE__, "a property of type %s", contents);
        }
        ASSERT_NOT_NULL(text);
        return text;
}

char *get_property(Fixture *f, const char *path, const char *iface, const char *name) {
        Reply r = {};
        char *text;

        CALL(f, f->client, &r, path, GET, iface, name);
        text = basic_as_text(r.m);
        reply_done(&r);
        return text;
}

char *wait_operation(Fixture *f, const char *path) {
        char changed[128];

        (void) snprintf(changed, sizeof(changed), "PropertiesChanged %s ", path);
        for (;;) {
                char *state;

                forget_signals(f);
                state = get_property(f, path, MDEVD_IFACE_OPERATION, "State");
                if (!streq(state, "running"))
                        return state;
                free(state);
                wait_signal(f, changed);
        }
}

char *create_device(Fixture *f, const char *parent, const char *uuid, const char *owner) {
        const char *path, *given;
        Reply r = {};
        char *copy;

        CALL(f, f->client, &r, MANAGER, "CreateDevice", "ssa{sv}", parent, TYPE, 2, "uuid", "s",
             uuid, "owner", "s", owner);
        ASSERT_TRUE(sd_bus_message_read(r.m, "os", &path, &given) > 0);
        ASSERT_STREQ(given, uuid);
        copy = strdup(path);
        ASSERT_NOT_NULL(copy);
        reply_done(&r);
        return copy;
}
