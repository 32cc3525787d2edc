/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* define.c owns "define" and "undefine": the life of a definition. */
#include "callout/callout.h"
#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/ask.h"
#include "cli/chosen.h"
#include "cli/jsonfile.h"
#include "cli/verbs.h"

enum { DEFINE_UUID, DEFINE_AUTO, DEFINE_PARENT, DEFINE_TYPE, DEFINE_JSONFILE, DEFINE_FORCE };

static const Option define_options[] = {
        [DEFINE_UUID] = { "uuid", 'u', "UUID", "The UUID it gets", argument_is_uuid, EXPECT_UUID },
        [DEFINE_AUTO] = { "auto", 'a', .help = "Start it whenever its parent is there" },
        [DEFINE_PARENT] = { "parent", 'p', "PARENT", "The parent it belongs to" },
        [DEFINE_TYPE] = { "type", 't', "TYPE", "The type of device it is" },
        [DEFINE_JSONFILE] = { "jsonfile", .value = "JSONFILE",
                              .help = "Take type, start and attributes from this file" },
        [DEFINE_FORCE] = { "force", 'f', .help = FORCE_HELP },
};

/* @uuid is NULL where none was given. */
static int from_json(int root_fd, const Given *g, const Uuid *uuid, Definition **ret) {
        const char *path = g->values[DEFINE_JSONFILE], *parent = g->values[DEFINE_PARENT];
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(listing_done) Listing there = {};
        int r;

        r = jsonfile_check(path);
        if (r != EXIT_SUCCESS)
                return r;
        if (!parent)
                return answer_failed("Parent device required to define device via \"%s\"", path);
        r = uuid ? chosen_definitions(root_fd, uuid, parent, &there) : EXIT_SUCCESS;
        if (r != EXIT_SUCCESS)
                return r;
        if (there.n > 0)
                return answer_failed("Cowardly refusing to overwrite existing config for %s/%s\n"
                                     "Modify that definition, or undefine it first.", parent,
                                     UUID_STR(uuid));
        r = definition_new(&d, parent, uuid ?: &(Uuid){});
        if (r < 0)
                return answer_failed_errno(r, path);
        r = jsonfile_read(path, d);
        if (r == EXIT_SUCCESS)
                *ret = TAKE_PTR(d);
        return r;
}

static int check_new(int root_fd, const Uuid *uuid, const char *parent) {
        _cleanup_(listing_done) Listing there = {};
        int r = chosen_definitions(root_fd, uuid, parent, &there);

        if (r != EXIT_SUCCESS || there.n == 0)
                return r;
        return answer_failed("Device %s on %s already defined\n"
                             "Modify that definition, or undefine it first.", UUID_STR(uuid),
                             parent);
}

/* Those that the device has now, if a callout script can tell them. */
static int take_attributes(Definition *d) {
        Callout c;
        int r;

        if (!callout_exists(argument_root()))
                return EXIT_SUCCESS;
        callout_init(&c, argument_root(), d);
        r = callout_find(&c);
        if (r >= 0)
                r = callout_get_attributes(&c, d);
        if (r > 0)
                r = answer_failed("%s", c.why);
        else if (r < 0)
                r = answer_failed_errno(r, "cannot define the device");
        callout_done(&c);
        return r;
}

/* What is left open is that of the active device. */
static int from_options(int root_fd, const Given *g, const Uuid *uuid, Definition **ret) {
        const char *parent = g->values[DEFINE_PARENT], *type = g->values[DEFINE_TYPE];
        _cleanup_(definition_freep) Definition *d = NULL, *active = NULL;
        int r = uuid ? chosen_device(root_fd, uuid, NULL, &active) : EXIT_SUCCESS;

        if (r != EXIT_SUCCESS)
                return r;
        if (uuid && !parent && (!active || type))
                return answer_failed("No parent specified");
        parent = parent ?: active ? active->parent : NULL;
        type = type ?: active ? active->type : NULL;
        if (!parent)
                return answer_failed("No parent specified");
        if (!type)
                return answer_failed("No type specified\n`mdevctl types` lists those of each "
                                     "parent.");
        r = uuid ? check_new(root_fd, uuid, parent) : EXIT_SUCCESS;
        if (r != EXIT_SUCCESS)
                return r;

        r = definition_new(&d, parent, uuid ?: &(Uuid){});
        if (r >= 0)
                r = RET_NERRNO((d->type = strdup(type)) ? 0 : -1);
        if (r < 0)
                return answer_failed_errno(r, "cannot define the device");
        d->autostart = GIVEN(g, DEFINE_AUTO);
        r = active ? take_attributes(d) : EXIT_SUCCESS;
        if (r == EXIT_SUCCESS)
                *ret = TAKE_PTR(d);
        return r;
}

static int run_define(const Verb *verb, const Given *g) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(closep) int root_fd = argument_open_root();
        _cleanup_(ask_done) Ask ask = ASK_NULL;
        const Uuid *uuid = NULL;
        Uuid given, made;
        Wish wish;
        int r;

        (void) verb;
        if (root_fd < 0)
                return answer_failed_errno(root_fd, argument_root());
        if (GIVEN(g, DEFINE_UUID)) {
                (void) argument_uuid(g->values[DEFINE_UUID], &given);
                uuid = &given;
        }
        r = GIVEN(g, DEFINE_JSONFILE) ? from_json(root_fd, g, uuid, &d)
                                      : from_options(root_fd, g, uuid, &d);
        if (r != EXIT_SUCCESS)
                return r;

        wish = (Wish){ .uuid = uuid, .autostart = &d->autostart,
                       .attributes = d->n_attributes > 0 ? d : NULL,
                       .force = GIVEN(g, DEFINE_FORCE) };
        r = ask_make(&ask, "DefineDevice", d->parent, d->type, &wish, &made);
        if (r > 0)
                return refusal_say(&ask.refusal);
        if (r < 0)
                return ask_failed(r, "cannot define the device");
        if (!uuid)
                (void) printf("%s\n", UUID_STR(&made));
        return answer_flush();
}

const Verb verb_define = {
        .name = "define",
        .title = "Define a persistent mediated device",
        .text = "A definition is a file in /etc/mdevctl.d that a device can be started from, now "
                "and\nafter each boot. Of a device that is there now, --parent and --type can be "
                "left out.\nWith --jsonfile, type, start and attributes stand in that file.\n",
        .options = define_options,
        .n_options = ARRAY_SIZE(define_options),
        .any = OPTION_BIT(DEFINE_UUID) | OPTION_BIT(DEFINE_PARENT),
        .rules = { { OPTION_BIT(DEFINE_JSONFILE), 0,
                     OPTION_BIT(DEFINE_TYPE) | OPTION_BIT(DEFINE_AUTO) } },
        .run = run_define,
};

enum { UNDEFINE_UUID, UNDEFINE_PARENT, UNDEFINE_FORCE };

static const Option undefine_options[] = {
        [UNDEFINE_UUID] = { "uuid", 'u', "UUID", "That of the definition", argument_is_uuid,
                            EXPECT_UUID },
        [UNDEFINE_PARENT] = { "parent", 'p', "PARENT", "Only the one of this parent" },
        [UNDEFINE_FORCE] = { "force", 'f', .help = FORCE_HELP },
};

static int run_undefine(const Verb *verb, const Given *g) {
        _cleanup_(closep) int root_fd = argument_open_root();
        _cleanup_(ask_done) Ask ask = ASK_NULL;
        const Wish wish = { .force = GIVEN(g, UNDEFINE_FORCE) };
        _cleanup_(listing_done) Listing l = {};
        bool failed = false;
        Uuid uuid;
        int r;

        (void) verb;
        if (root_fd < 0)
                return answer_failed_errno(root_fd, argument_root());
        (void) argument_uuid(g->values[UNDEFINE_UUID], &uuid);
        r = chosen_definitions(root_fd, &uuid, g->values[UNDEFINE_PARENT], &l);
        if (r != EXIT_SUCCESS)
                return r;
        if (l.n == 0)
                return answer_failed("No devices match the specified uuid\n"
                                     "`mdevctl list --defined` lists the definitions.");
        for (size_t i = 0; i < l.n; i++) {
                const char *parent = l.rows[i].definition->parent;

                r = ask_change(&ask, "UndefineWithOptions", &uuid, parent, &wish);
                if (r > 0 && !refusal_is_an_answer(&ask.refusal))
                        return refusal_say(&ask.refusal);
                if (r == 0)
                        continue;
                failed = true;
                answer_warn("Undefine of %s on parent %s failed with error: %s", UUID_STR(&uuid),
                            parent, r < 0 ? strerror(-r) : ask.refusal.text);
        }
        return failed ? answer_failed("Undefine failed") : EXIT_SUCCESS;
}

const Verb verb_undefine = {
        .name = "undefine",
        .title = "Remove the definition of a mediated device",
        .text = "Without --parent, those of all parents. A device that is there now stays.\n",
        .options = undefine_options,
        .n_options = ARRAY_SIZE(undefine_options),
        .required = OPTION_BIT(UNDEFINE_UUID),
        .run = run_undefine,
};
