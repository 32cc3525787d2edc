/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor.c: the verb "monitor": the daemon's signals, a line each, as they come. */
#include <time.h>

#include "cli/own/exit.h"
#include "cli/own/own.h"
#include "names.h"
#include "util/json.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

typedef struct Monitor Monitor;

struct Monitor {
        Screen screen;
        bool first; /* no property has been printed of this event */
        bool listening; /* it has been said */
        int end;    /* exit status, once it is to end; -1: not yet */
};

/* ---- what it is about ---- */

/* "device PARENT/UUID" and the like, from the path; in two texts. */
static int name_object(const char *path, const char **ret_kind, char **ret_name) {
        _cleanup_(freep) char *a = NULL, *b = NULL;
        int r;

        *ret_name = NULL;
        if (sd_bus_path_decode_many(path, MDEVD_OBJECT_DEVICE "/%/%", &a, &b) > 0) {
                *ret_kind = "device";
                r = asprintf(ret_name, "%s/%s", a, b);
                if (r < 0)
                        *ret_name = NULL;
                return r < 0 ? -ENOMEM : 0;
        }
        if (sd_bus_path_decode(path, MDEVD_OBJECT_PARENT, ret_name) > 0) {
                *ret_kind = "parent";
                return 0;
        }
        if (sd_bus_path_decode(path, MDEVD_OBJECT_OPERATION, ret_name) > 0) {
                *ret_kind = "operation";
                return 0;
        }
        *ret_kind = "manager";
        *ret_name = strdup("mdevd");
        return *ret_name ? 0 : -ENOMEM;
}

static void begin(Monitor *o, const char *event, const char *path) {
        _cleanup_(freep) char *name = NULL;
        const char *kind = "object";
        struct timespec ts;
        struct tm tm;
        char when[16] = "";

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        (void) name_object(path, &kind, &name);
        o->first = true;
        if (o->screen.json != JSON_OFF) {
                (void) printf("{\"time_usec\":%llu,\"event\":\"%s\",\"kind\":\"%s\",\"name\":",
                              (unsigned long long) ts.tv_sec * 1000000 +
                                      (unsigned long long) ts.tv_nsec / 1000, event, kind);
                json_write_string(stdout, name ?: path);
                (void) fputs(",\"properties\":{", stdout);
                return;
        }
        if (localtime_r(&ts.tv_sec, &tm))
                (void) strftime(when, sizeof(when), "%T", &tm);
        (void) printf("%s%s%s %-7s %-9s %s%s%s", screen_colour(&o->screen, COLOUR_DIM), when,
                      screen_colour(&o->screen, COLOUR_NONE), event, kind,
                      screen_colour(&o->screen, COLOUR_BOLD), name ?: path,
                      screen_colour(&o->screen, COLOUR_NONE));
}

static void end(Monitor *o) {
        (void) fputs(o->screen.json != JSON_OFF ? "}}\n" : "\n", stdout);
        if (answer_flush() != EXIT_SUCCESS)
                o->end = EXIT_FAILED;
        else if (ferror(stdout))
                o->end = EXIT_SUCCESS; /* the reader has gone */
}

/* ---- properties ---- */

/* @text: NULL is null, of what was only said to have changed. */
static void print_property(Monitor *o, const char *name, const char *text, bool quoted) {
        if (o->screen.json != JSON_OFF) {
                (void) fputs(o->first ? "" : ",", stdout);
                json_write_string(stdout, name);
                (void) putchar(':');
                if (quoted && text)
                        json_write_string(stdout, text);
                else
                        (void) fputs(text ?: "null", stdout);
        } else {
                (void) printf("%s%s", o->first ? ": " : ", ", name);
                if (text)
                        (void) printf(" %s", text[0] ? text : "\"\"");
        }
        o->first = false;
}

/* The value of a variant that is at hand; lists are not shown, only that they have changed. */
static int read_value(Monitor *o, sd_bus_message *m, const char *name) {
        const char *contents, *text;
        char type, number[32];
        union {
                uint8_t y;
                int32_t i;
                uint32_t u;
                uint64_t t;
                int b;
        } v;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        type = contents[1] ? 'a' : contents[0];
        if (!strchr("sobyiut", type)) {
                print_property(o, name, NULL, false);
                return sd_bus_message_skip(m, "v");
        }
        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r >= 0 && (type == 's' || type == 'o')) {
                r = sd_bus_message_read_basic(m, type, &text);
                if (r >= 0)
                        print_property(o, name, text, true);
        } else if (r >= 0) {
                r = sd_bus_message_read_basic(m, type, &v);
                if (r >= 0) {
                        (void) snprintf(number, sizeof(number), "%lld",
                                        type == 'y'   ? (long long) v.y
                                        : type == 'i' ? (long long) v.i
                                        : type == 'u' ? (long long) v.u
                                        : type == 't' ? (long long) v.t
                                                      : (long long) v.b);
                        print_property(o, name, type != 'b' ? number : v.b ? "true" : "false",
                                       false);
                }
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* a{sv}. Of an object that is new, what is empty is not worth a word. */
static int read_properties(Monitor *o, sd_bus_message *m) {
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_value(o, m, name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* ---- signals ---- */

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *iface, *name;
        Monitor *o = userdata;
        int r;

        r = sd_bus_message_read(m, "s", &iface);
        if (r < 0 || strncmp(iface, MDEVD_BUS_NAME, strlen(MDEVD_BUS_NAME)) != 0)
                return r < 0 ? r : 0;
        begin(o, "changed", sd_bus_message_get_path(m));
        r = read_properties(o, m);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &name)) > 0)
                print_property(o, name, NULL, false);
        end(o);
        return r < 0 ? r : 0;
}

static int on_added(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *path, *iface;
        Monitor *o = userdata;
        int r;

        r = sd_bus_message_read(m, "o", &path);
        if (r < 0)
                return r;
        begin(o, "added", path);
        r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                r = sd_bus_message_read(m, "s", &iface);
                if (r >= 0)
                        r = strncmp(iface, MDEVD_BUS_NAME, strlen(MDEVD_BUS_NAME)) == 0
                                    ? read_properties(o, m)
                                    : sd_bus_message_skip(m, "a{sv}");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        end(o);
        return r < 0 ? r : 0;
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *path;
        int r = sd_bus_message_read(m, "o", &path);

        if (r < 0)
                return r;
        begin(userdata, "removed", path);
        end(userdata);
        return 0;
}

/* What comes after this line is shown. */
static void say_listening(Monitor *o) {
        if (o->listening || !o->screen.legend || o->screen.json != JSON_OFF)
                return;
        o->listening = true;
        (void) puts("Listening to mdevd; Ctrl-C ends it.");
        (void) answer_flush();
}

static int on_subscribed(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        /* otherwise: one that is older tells of all, and one that has gone comes back, or not */
        if (error && sd_bus_error_has_name(error, MDEVD_BUS_NAME ".Error.LimitExceeded"))
                answer_warn("operations that succeed at once are not shown: %s", error->message);
        say_listening(userdata);
        return 0;
}

/* Of each daemon anew. None is started for that. */
static int want_operations(sd_bus *bus, Monitor *o) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                           MDEVD_IFACE_MANAGER, "Subscribe");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        return r < 0 ? r : sd_bus_call_async(bus, NULL, m, on_subscribed, o, 0);
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *before, *after;
        int r = sd_bus_message_read(m, "sss", &name, &before, &after);

        if (r >= 0 && after[0])
                r = want_operations(sd_bus_message_get_bus(m), userdata);
        if (r < 0)
                return r;
        begin(userdata, after[0] ? "started" : "stopped", MDEVD_OBJECT_ROOT);
        end(userdata);
        return 0;
}

static int subscribe(sd_bus *bus, Monitor *o) {
        int r;

        r = sd_bus_match_signal(bus, NULL, MDEVD_BUS_NAME, NULL, PROPERTIES, "PropertiesChanged",
                                on_changed, o);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                        OBJECT_MANAGER, "InterfacesAdded", on_added, o);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                        OBJECT_MANAGER, "InterfacesRemoved", on_removed, o);
        if (r >= 0)
                r = sd_bus_add_match(bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "member='NameOwnerChanged',arg0='" MDEVD_BUS_NAME "'",
                                     on_owner, o);
        return r;
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(client_done) Client client = {};
        Monitor o = { .end = -1 };
        int r;

        (void) verb;
        r = client_is_running(&client);
        if (r < 0)
                return answer_failed_errno(r, "cannot look for mdevd");
        if (!client.bus)
                return exit_refused(&client);
        own_open(&o.screen, given, false);
        if (r == 0)
                answer_warn("mdevd is not running; what it does when it is there is shown.");
        r = subscribe(client.bus, &o);
        if (r >= 0) /* it may have come meanwhile */
                r = want_operations(client.bus, &o);
        while (r >= 0 && o.end < 0) {
                r = sd_bus_process(client.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(client.bus, UINT64_MAX);
        }
        return r < 0 ? answer_failed_errno(r, "the connection to the bus broke") : o.end;
}

static const Option options[] = { OWN_PRINT_OPTIONS };

const Verb own_monitor = {
        .name = "monitor",
        .title = "What happens, as it happens",
        .text = "A line each time a parent, a device or an operation comes, changes or goes. With\n"
                "--json each line is an object. Counters do not tell of their change; see `top`.\n"
                "Ctrl-C ends it.\n",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl monitor --no-legend\n",
        .run = run,
};
