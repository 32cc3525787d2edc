/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start.c owns "start", "stop" and "start-parent-mdevs": devices that come and go. */
#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/ask.h"
#include "cli/chosen.h"
#include "cli/jsonfile.h"
#include "cli/refused.h"
#include "cli/verbs.h"

enum { START_UUID, START_PARENT, START_TYPE, START_JSONFILE, START_FORCE };

static const Option start_options[] = {
        [START_UUID] = { "uuid", 'u', "UUID", "That of a definition, or the one it gets",
                         argument_is_uuid, EXPECT_UUID },
        [START_PARENT] = { "parent", 'p', "PARENT", "The parent to make it of" },
        [START_TYPE] = { "type", 't', "TYPE", "The type of device to make" },
        [START_JSONFILE] = { "jsonfile", .value = "JSONFILE",
                             .help = "Take type and attributes from this file" },
        [START_FORCE] = { "force", 'f', .help = FORCE_HELP },
};

static int from_json(const Given *g, const Uuid *uuid, Definition **ret) {
        const char *parent = g->values[START_PARENT];
        _cleanup_(definition_freep) Definition *d = NULL;
        int r;

        r = definition_new(&d, parent ?: "", uuid ?: &(Uuid){});
        if (r < 0)
                return answer_failed_errno(r, "cannot start the device");
        r = jsonfile_read(g->values[START_JSONFILE], d);
        if (r == EXIT_SUCCESS && !parent)
                r = answer_failed("Parent device required to start device via json file");
        if (r == EXIT_SUCCESS)
                *ret = TAKE_PTR(d);
        return r;
}

/* *@ret is NULL where no definition has the UUID. */
static int from_definition(int root_fd, const Given *g, const Uuid *uuid, Definition **ret) {
        const char *type = g->values[START_TYPE];
        _cleanup_(listing_done) Listing l = {};
        const Definition *d;
        int r;

        r = chosen_definitions(root_fd, uuid, g->values[START_PARENT], &l);
        if (r != EXIT_SUCCESS || l.n == 0)
                return r;
        if (l.n > 1)
                return answer_failed("Multiple definitions found for device %s. Please specify a "
                                     "parent.", UUID_STR(uuid));
        d = l.rows[0].definition;
        if (!d->invalid && type && !streq(type, d->type))
                return answer_failed("Device %s already exists on parent %s with type %s",
                                     UUID_STR(uuid), d->parent, d->type);
        return chosen_definition(&l, uuid, g->values[START_PARENT], ret);
}

static int from_options(const Given *g, const Uuid *uuid, Definition **ret) {
        const char *parent = g->values[START_PARENT], *type = g->values[START_TYPE];
        _cleanup_(definition_freep) Definition *d = NULL;
        int r;

        if (type && !parent)
                return answer_failed("can't provide type without parent");
        if (!type || !parent)
                return answer_failed("Device is insufficiently specified\n"
                                     "Give the UUID of a definition, or a parent and a type.");
        r = definition_new(&d, parent, uuid ?: &(Uuid){});
        if (r >= 0)
                r = RET_NERRNO((d->type = strdup(type)) ? 0 : -1);
        if (r < 0)
                return answer_failed_errno(r, "cannot start the device");
        *ret = TAKE_PTR(d);
        return EXIT_SUCCESS;
}

static int check_not_active(int root_fd, const Definition *d) {
        _cleanup_(definition_freep) Definition *active = NULL;
        int r = chosen_device(root_fd, &d->uuid, NULL, &active);

        if (r != EXIT_SUCCESS || !active)
                return r;
        if (!streq(active->parent, d->parent))
                return answer_failed("Device exists under different parent\nIt is on %s.",
                                     active->parent);
        if (!streq(active->type, d->type))
                return answer_failed("Device exists with different type\nIt is of type %s.",
                                     active->type);
        return answer_failed("Device already exists");
}

static int start(int root_fd, const Definition *d, const Uuid *uuid, bool defined, bool force) {
        const Wish wish = { .uuid = defined ? NULL : uuid, .force = force,
                            .attributes = !defined && d->n_attributes > 0 ? d : NULL };
        _cleanup_(ask_done) Ask ask = ASK_NULL;
        Uuid made;
        int r;

        if (defined)
                r = ask_change(&ask, "StartWithOptions", uuid, d->parent, &wish);
        else
                r = ask_make(&ask, "CreateDevice", d->parent, d->type, &wish, &made);
        if (r > 0)
                return refused_start(root_fd, d, &ask.refusal);
        if (r < 0)
                return ask_failed(r, "cannot start the device");
        if (!uuid)
                (void) printf("%s\n", UUID_STR(&made));
        return answer_flush();
}

static int run_start(const Verb *verb, const Given *g) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(closep) int root_fd = argument_open_root();
        const Uuid *uuid = NULL;
        bool defined = false;
        Uuid given;
        int r = EXIT_SUCCESS;

        (void) verb;
        if (root_fd < 0)
                return answer_failed_errno(root_fd, argument_root());
        if (GIVEN(g, START_UUID)) {
                (void) argument_uuid(g->values[START_UUID], &given);
                uuid = &given;
        }
        if (GIVEN(g, START_JSONFILE)) {
                r = from_json(g, uuid, &d);
        } else {
                if (uuid)
                        r = from_definition(root_fd, g, uuid, &d);
                defined = d;
                if (r == EXIT_SUCCESS && !d)
                        r = from_options(g, uuid, &d);
        }
        if (r == EXIT_SUCCESS && uuid)
                r = check_not_active(root_fd, d);
        return r == EXIT_SUCCESS ? start(root_fd, d, uuid, defined, GIVEN(g, START_FORCE)) : r;
}

const Verb verb_start = {
        .name = "start",
        .title = "Start a mediated device",
        .text = "The UUID of a definition is enough, with --parent where several have it. Without "
                "a\ndefinition, --parent and --type say what to make, or --parent and --jsonfile; "
                "if no\nUUID is given, one is made and printed.\n",
        .options = start_options,
        .n_options = ARRAY_SIZE(start_options),
        .any = OPTION_BIT(START_UUID) | OPTION_BIT(START_PARENT),
        .rules = { { OPTION_BIT(START_JSONFILE), 0, OPTION_BIT(START_TYPE) } },
        .run = run_start,
};

enum { STOP_UUID, STOP_FORCE };

static const Option stop_options[] = {
        [STOP_UUID] = { "uuid", 'u', "UUID", "That of the device", argument_is_uuid, EXPECT_UUID },
        [STOP_FORCE] = { "force", 'f', .help = FORCE_HELP },
};

static int run_stop(const Verb *verb, const Given *g) {
        _cleanup_(definition_freep) Definition *active = NULL;
        _cleanup_(closep) int root_fd = argument_open_root();
        const Wish wish = { .force = GIVEN(g, STOP_FORCE) };
        _cleanup_(ask_done) Ask ask = ASK_NULL;
        Uuid uuid;
        int r;

        (void) verb;
        if (root_fd < 0)
                return answer_failed_errno(root_fd, argument_root());
        (void) argument_uuid(g->values[STOP_UUID], &uuid);
        r = chosen_device(root_fd, &uuid, NULL, &active);
        if (r != EXIT_SUCCESS)
                return r;
        if (!active)
                return answer_failed("Device %s is not an active mdev\n"
                                     "`mdevctl list` lists those that are.", UUID_STR(&uuid));
        r = ask_change(&ask, "StopWithOptions", &uuid, active->parent, &wish);
        if (r > 0 && refusal_is_an_answer(&ask.refusal) && !refusal_is_a_scripts(&ask.refusal))
                return answer_failed_because(ask.refusal.text, "Error removing device %s",
                                             UUID_STR(&uuid));
        return r > 0   ? refusal_say(&ask.refusal)
               : r < 0 ? answer_failed_errno(r, "cannot stop the device")
                       : EXIT_SUCCESS;
}

const Verb verb_stop = {
        .name = "stop",
        .title = "Stop a mediated device",
        .text = "Removes it; a definition of it stays. One that a virtual machine uses is left "
                "alone.\n",
        .options = stop_options,
        .n_options = ARRAY_SIZE(stop_options),
        .required = OPTION_BIT(STOP_UUID),
        .run = run_stop,
};

/*
 * What udev's rule of the original calls when a parent appears. The daemon has seen the same event
 * and starts what is to be up; two that start the same would only quarrel.
 */
static int run_start_parent(const Verb *verb, const Given *g) {
        const ListingFilter filter = { .parent = g->operand };
        _cleanup_(closep) int root_fd = argument_open_root();
        _cleanup_(ask_done) Ask ask = ASK_NULL;
        _cleanup_(listing_done) Listing l = {};
        size_t n = 0;
        int r = root_fd;

        (void) verb;
        if (r >= 0)
                r = listing_read_defined(root_fd, &filter, &l);
        if (r < 0)
                return answer_failed_errno(r, "cannot read the definitions");
        for (size_t i = 0; i < l.n; i++)
                n += l.rows[i].definition->autostart && !l.rows[i].active;
        /* udev may call before there is a bus */
        if (n == 0 || daemon_is_enabled(root_fd) || ask_is_running(&ask))
                return EXIT_SUCCESS;
        return answer_failed("%zu devices of %s are to start by themselves, and mdevd, which would "
                             "start them, is not enabled: systemctl enable --now mdevd", n,
                             g->operand);
}

const Verb verb_start_parent = {
        .name = "start-parent-mdevs",
        .text = "Does nothing: mdevd starts the devices of a parent when it appears.\n",
        .operand = "PARENT",
        .run = run_start_parent,
};
