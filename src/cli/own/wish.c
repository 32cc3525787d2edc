/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wish.c owns the way from options to the a{sv} of a call. */
#include "cli/own/wish.h"

#include "cli/argument.h"
#include "cli/jsonfile.h"
#include "cli/own/exit.h"
#include "names.h"
#include "util/parse.h"

/* "NAME=VALUE,NAME=VALUE": a value with a comma needs --jsonfile. */
static int read_attributes(const char *text, Definition *d) {
        _cleanup_(freep) char *copy = strdup(text);
        char *state = NULL;
        int r = copy ? 0 : -ENOMEM;

        for (char *pair = copy ? strtok_r(copy, ",", &state) : NULL; pair && r >= 0;
             pair = strtok_r(NULL, ",", &state)) {
                char *equals = strchr(pair, '=');

                if (!equals || equals == pair) {
                        (void) answer_failed("\"%s\" is no attribute: expected NAME=VALUE, with "
                                             "commas between them.", pair);
                        return -EINVAL;
                }
                *equals = '\0';
                r = definition_add_attribute(d, pair, equals + 1);
        }
        return r;
}

static int collect_attributes(const Given *g, Definition *d) {
        int r = 0;

        if (GIVEN(g, WISH_JSONFILE) &&
            jsonfile_read(streq(g->values[WISH_JSONFILE], "-") ? "/dev/stdin"
                                                               : g->values[WISH_JSONFILE],
                          d) != EXIT_SUCCESS)
                return -EINVAL;
        if (GIVEN(g, WISH_ATTRIBUTES))
                r = read_attributes(g->values[WISH_ATTRIBUTES], d);
        return r;
}

static int append_number(sd_bus_message *m, const char *text) {
        char *end;
        long n;

        errno = 0;
        n = strtol(text, &end, 10);
        if (errno || end == text || *end || n < -1 || n > INT32_MAX) {
                (void) answer_failed("\"%s\" is no NUMA node: expected a number, or -1 for any.",
                                     text);
                return -EINVAL;
        }
        return sd_bus_message_append(m, "{sv}", "numa", "i", (int32_t) n);
}

static int append_lease(sd_bus_message *m, const Given *g) {
        uint64_t linger;
        int r = 0;

        if (GIVEN(g, WISH_LEASE))
                r = sd_bus_message_append(m, "{sv}", "lease", "s", g->values[WISH_LEASE]);
        if (r < 0 || !GIVEN(g, WISH_LINGER))
                return r;
        (void) parse_u64(g->values[WISH_LINGER], &linger); /* it was found to be one */
        return sd_bus_message_append(m, "{sv}", "linger", "u", (uint32_t) linger);
}

static int no_text(int error, const char *what) {
        if (error == -EINVAL)
                (void) exit_not_sent(error, what);
        return error;
}

static int append_options(sd_bus_message *m, const Given *g, const Definition *d) {
        static const struct {
                int index;
                const char *name;
        } flags[] = {
                { WISH_AUTO, "autostart" }, { WISH_RESERVE, "reserve" },
                { WISH_FORCE, "force" },    { WISH_DEFINE, "define" },
                { WISH_MOVES, "moves" },
        };
        Uuid uuid;
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0 && GIVEN(g, WISH_UUID)) {
                r = argument_uuid(g->values[WISH_UUID], &uuid);
                if (r >= 0)
                        r = sd_bus_message_append(m, "{sv}", "uuid", "s", UUID_STR(&uuid));
        }
        if (r >= 0 && GIVEN(g, WISH_OWNER))
                r = no_text(sd_bus_message_append(m, "{sv}", "owner", "s", g->values[WISH_OWNER]),
                            "owner");
        if (r >= 0 && GIVEN(g, WISH_NUMA))
                r = append_number(m, g->values[WISH_NUMA]);
        if (r >= 0)
                r = append_lease(m, g);
        if (r >= 0 && d->n_attributes > 0)
                r = client_append_attributes(m, d);
        for (size_t i = 0; i < ARRAY_SIZE(flags) && r >= 0; i++)
                if (GIVEN(g, flags[i].index))
                        r = sd_bus_message_append(m, "{sv}", flags[i].name, "b", 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int wish_message(Client *c, const char *member, const Given *given, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(definition_freep) Definition *d = NULL;
        int r;

        r = definition_new(&d, "", &(Uuid) {});
        if (r >= 0)
                r = collect_attributes(given, d);
        if (r >= 0)
                r = client_method(c, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, member, &m);
        if (r != 0)
                return r;
        r = no_text(sd_bus_message_append(m, "ss", given->values[WISH_PARENT] ?: "",
                                          given->operand ?: ""), "parent or type");
        if (r >= 0)
                r = append_options(m, given, d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int wish_failed(Client *c, int error) {
        if (error > 0)
                return exit_refused(c);
        /* it was said */
        return error == -EINVAL ? EXIT_USAGE : answer_failed_errno(error, "cannot ask mdevd");
}
