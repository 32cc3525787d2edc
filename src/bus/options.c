/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.c: a{sv} by a table. An option that is unknown, given twice or of another type is an
 * error, never passed over: a client that asks for something must not get less in silence.
 */
#include "bus/options.h"

#include <limits.h>

#include "bus/bus-error.h"
#include "bus/find.h"
#include "util/parse.h"

#define OWNER_MAX 63            /* as name_is_valid_owner() */
#define ATTRIBUTE_VALUE_MAX 4095 /* what sysfs takes in one write */

typedef struct Option Option;

struct Option {
        const char *name;
        const char *signature;
        const char *what; /* of the signature, for people */
        unsigned methods; /* OPTIONS_… that have it */
        int (*read)(sd_bus_message *m, Request *request, sd_bus_error *e);
};

static int replace_string(char **target, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*target);
        *target = copy;
        return 0;
}

static int read_uuid(sd_bus_message *m, Request *request, sd_bus_error *e) {
        const char *text;
        int r;

        r = sd_bus_message_read_basic(m, 's', &text);
        if (r < 0)
                return r;
        r = find_parse_uuid(text, &request->uuid, e);
        if (r < 0)
                return r;
        request->uuid_given = true;
        return 0;
}

int options_read_owner(sd_bus_message *m, const char **ret, sd_bus_error *e) {
        const char *owner;
        int r;

        r = sd_bus_message_read_basic(m, 's', &owner);
        if (r < 0)
                return r;
        if (strlen(owner) > OWNER_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_TOO_LONG,
                                         "The owner \"%s\" has %zu bytes; %d are allowed.",
                                         BUS_QUOTE(owner), strlen(owner), OWNER_MAX);
        if (!name_is_valid_owner(owner))
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_OWNER,
                                         "The owner \"%s\" has control characters or is not "
                                         "UTF-8; use a plain name.", BUS_QUOTE(owner));
        *ret = owner;
        return 0;
}

static int read_owner(sd_bus_message *m, Request *request, sd_bus_error *e) {
        const char *owner;
        int r;

        r = options_read_owner(m, &owner, e);
        if (r < 0)
                return r;
        request->owner_given = true;
        return replace_string(&request->owner, owner);
}

static int read_numa(sd_bus_message *m, Request *request, sd_bus_error *e) {
        int32_t node;
        int r;

        r = sd_bus_message_read_basic(m, 'i', &node);
        if (r < 0)
                return r;
        if (node < -1)
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "%d is no NUMA node; give 0 or more, or -1 for any.",
                                         node);
        request->numa_node = node;
        return 0;
}

static int read_attribute(sd_bus_message *m, Request *request, sd_bus_error *e) {
        const char *name, *value;
        int r;

        r = sd_bus_message_read(m, "(ss)", &name, &value);
        if (r <= 0)
                return r;
        if (!attribute_name_is_valid(name))
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" cannot be the name of an attribute; give a path "
                                         "below the device's folder, without \"..\".",
                                         BUS_QUOTE(name));
        if (strlen(value) > ATTRIBUTE_VALUE_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_TOO_LONG,
                                         "The value of attribute %s has %zu bytes; sysfs takes %d.",
                                         BUS_QUOTE(name), strlen(value), ATTRIBUTE_VALUE_MAX);
        if (request->n_attributes >= OPTION_ATTRIBUTES_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_TOO_LONG,
                                         "More than %d attributes were given; write the others "
                                         "after the device was made.", OPTION_ATTRIBUTES_MAX);
        r = request_add_attribute(request, name, value);
        return r < 0 ? r : 1;
}

static int read_attributes(sd_bus_message *m, Request *request, sd_bus_error *e) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        if (r < 0)
                return r;
        request->attributes_given = true;
        do
                r = read_attribute(m, request, e);
        while (r > 0);
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_choice(sd_bus_message *m, Choice *ret) {
        int yes, r;

        r = sd_bus_message_read_basic(m, 'b', &yes);
        if (r < 0)
                return r;
        *ret = yes ? CHOICE_YES : CHOICE_NO;
        return 0;
}

static int read_bool(sd_bus_message *m, bool *ret) {
        Choice choice;
        int r;

        r = read_choice(m, &choice);
        if (r < 0)
                return r;
        *ret = choice == CHOICE_YES;
        return 0;
}

static int read_define(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_bool(m, &request->define);
}

static int read_plan(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_bool(m, &request->plan);
}

static int read_insist(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_bool(m, &request->insist);
}

static int read_force(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_bool(m, &request->force);
}

static int read_autostart(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_choice(m, &request->autostart);
}

static int read_reserve(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_choice(m, &request->reserve);
}

static int read_live(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_choice(m, &request->live);
}

static int read_config(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_choice(m, &request->config);
}

/* No id of a type has any, and sentences repeat it to whoever looks at a terminal. */
static bool has_control(const char *s) {
        for (; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == 0x7f)
                        return true;
        return false;
}

static int check_type(const char *type, sd_bus_error *e) {
        if (strlen(type) > NAME_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_TOO_LONG,
                                         "The type \"%s\" has %zu bytes; types have %d at most.",
                                         BUS_QUOTE(type), strlen(type), NAME_MAX);
        if (!type[0] || strchr(type, '/') || has_control(type))
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" cannot be a type; the Types of a parent are those "
                                         "it has.", BUS_QUOTE(type));
        return 0;
}

static int read_type(sd_bus_message *m, Request *request, sd_bus_error *e) {
        const char *type;
        int r;

        r = sd_bus_message_read_basic(m, 's', &type);
        if (r >= 0)
                r = check_type(type, e);
        return r < 0 ? r : replace_string(&request->type, type);
}

int options_read_pool(sd_bus_message *m, Request *request, sd_bus_error *e) {
        const char *pool;
        int r;

        r = sd_bus_message_read_basic(m, 's', &pool);
        if (r < 0)
                return r;
        if (!name_is_valid_id(pool))
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" cannot be a pool; the Pools of the parent are "
                                         "those it has.", BUS_QUOTE(pool));
        return replace_string(&request->pool, pool);
}

static int read_lease(sd_bus_message *m, Request *request, sd_bus_error *e) {
        const char *word;
        int r, kind;

        r = sd_bus_message_read_basic(m, 's', &word);
        if (r < 0)
                return r;
        kind = lease_kind_from_string(word);
        if (kind < 0)
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "\"%s\" is no lease; there are none, client and vm.",
                                         BUS_QUOTE(word));
        request->lease = kind;
        return 0;
}

static int read_linger(sd_bus_message *m, Request *request, sd_bus_error *e) {
        uint32_t seconds;
        int r;

        r = sd_bus_message_read_basic(m, 'u', &seconds);
        if (r < 0)
                return r;
        if (seconds > LEASE_LINGER_SEC_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_INVALID_ARGUMENT,
                                         "A lease lingers for at most %u s (a day), and %u were "
                                         "asked for; leave out the lease, and stop the device "
                                         "yourself.",
                                         LEASE_LINGER_SEC_MAX, seconds);
        request->linger_sec = seconds;
        request->linger_given = true;
        return 0;
}

static int read_moves(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return read_bool(m, &request->moves);
}

static int read_offset(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return sd_bus_message_read_basic(m, 't', &request->offset);
}

static int read_max_bytes(sd_bus_message *m, Request *request, sd_bus_error *e) {
        return sd_bus_message_read_basic(m, 't', &request->max_bytes);
}

static int read_extent(sd_bus_message *m, Request *request, sd_bus_error *e) {
        uint32_t extent;
        int r;

        r = sd_bus_message_read_basic(m, 'u', &extent);
        if (r < 0)
                return r;
        request->extent = extent > INT32_MAX ? INT32_MAX : (int) extent;
        return 0;
}

#define MADE (OPTIONS_CREATE | OPTIONS_DEFINE)
#define WRITTEN (OPTIONS_CREATE | OPTIONS_DEFINE | OPTIONS_MODIFY)

#define ANY (WRITTEN | OPTIONS_STOP | OPTIONS_START | OPTIONS_UNDEFINE | OPTIONS_PROFILE)

static const Option options[] = {
        { "uuid", "s", "a string", MADE, read_uuid },
        { "owner", "s", "a string", MADE, read_owner },
        { "numa", "i", "a signed number", OPTIONS_CREATE, read_numa },
        { "attributes", "a(ss)", "a list of pairs of strings", WRITTEN, read_attributes },
        { "define", "b", "a boolean", OPTIONS_CREATE, read_define },
        { "autostart", "b", "a boolean", WRITTEN, read_autostart },
        { "reserve", "b", "a boolean", WRITTEN, read_reserve },
        { "plan", "b", "a boolean", OPTIONS_CREATE, read_plan },
        { "type", "s", "a string", OPTIONS_MODIFY, read_type },
        { "live", "b", "a boolean", OPTIONS_MODIFY, read_live },
        { "config", "b", "a boolean", OPTIONS_MODIFY, read_config },
        { "insist", "b", "a boolean", OPTIONS_STOP, read_insist },
        { "force", "b", "a boolean", ANY, read_force },
        { "lease", "s", "a string", OPTIONS_CREATE, read_lease },
        { "linger", "u", "an unsigned number", OPTIONS_CREATE, read_linger },
        { "moves", "b", "a boolean", OPTIONS_CREATE, read_moves },
        { "offset", "t", "an unsigned number of 64 bits", OPTIONS_MOVE, read_offset },
        { "extent", "u", "an unsigned number", OPTIONS_MOVE, read_extent },
        { "pool", "s", "a string", OPTIONS_DEFRAGMENT, options_read_pool },
        { "max_bytes", "t", "an unsigned number of 64 bits", OPTIONS_DEFRAGMENT, read_max_bytes },
};

/* Names those that the method has. */
static int unknown_option(const char *name, unsigned methods, sd_bus_error *e) {
        char list[256] = "";
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(options) && n < sizeof(list); i++)
                if (options[i].methods & methods)
                        n += (size_t) snprintf(list + n, sizeof(list) - n, "%s%s",
                                               n > 0 ? ", " : "", options[i].name);
        return sd_bus_error_setf(e, BUS_ERROR_UNKNOWN_OPTION,
                                 "There is no option \"%s\" here; there are: %s.", BUS_QUOTE(name),
                                 list);
}

static int read_value(sd_bus_message *m, const Option *o, Request *request, sd_bus_error *e) {
        const char *contents;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        if (!streq(contents, o->signature))
                return sd_bus_error_setf(e, BUS_ERROR_WRONG_OPTION_TYPE,
                                         "Option \"%s\" has a value of D-Bus type %s; it must be "
                                         "%s (%s).", o->name, BUS_QUOTE(contents), o->signature,
                                         o->what);
        r = sd_bus_message_enter_container(m, 'v', o->signature);
        if (r < 0)
                return r;
        r = o->read(m, request, e);
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_option(sd_bus_message *m, unsigned methods, Request *request, unsigned *seen,
                       sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                if (!streq(options[i].name, name) || !(options[i].methods & methods))
                        continue;
                if (*seen & 1U << i)
                        return sd_bus_error_setf(e, BUS_ERROR_DUPLICATE_OPTION,
                                                 "Option \"%s\" is given twice; give it once.",
                                                 name);
                *seen |= 1U << i;
                return read_value(m, &options[i], request, e);
        }
        return unknown_option(name, methods, e);
}

int options_read(sd_bus_message *m, unsigned methods, Request *request, sd_bus_error *e) {
        unsigned seen = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_option(m, methods, request, &seen, e);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

int options_read_request(sd_bus_message *m, unsigned methods, Request **ret, sd_bus_error *e) {
        _cleanup_(request_freep) Request *request = NULL;
        const char *parent, *type;
        int r;

        r = sd_bus_message_read(m, "ss", &parent, &type);
        if (r < 0)
                return r;
        if (parent[0]) {
                r = find_check_parent_name(parent, e);
                if (r < 0)
                        return r;
        }
        r = !type[0] && methods == OPTIONS_DEFINE ? 0 : check_type(type, e);
        if (r < 0)
                return r;

        r = request_new(&request, type);
        if (r < 0)
                return r;
        if (parent[0]) {
                r = replace_string(&request->parent, parent);
                if (r < 0)
                        return r;
        }
        r = options_read(m, methods, request, e);
        if (r < 0)
                return r;
        if (request->linger_given && request->lease == LEASE_NONE)
                return sd_bus_error_set(e, BUS_ERROR_INVALID_ARGUMENT,
                                        "Option \"linger\" says how a lease ends, and there is "
                                        "none; give \"lease\" as well, or leave it out.");
        *ret = TAKE_PTR(request);
        return 0;
}
