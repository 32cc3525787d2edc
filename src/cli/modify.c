/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* modify.c owns "modify": what a definition, or a device that is there, becomes. */
#include "callout/callout.h"
#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/ask.h"
#include "cli/chosen.h"
#include "cli/jsonfile.h"
#include "cli/verbs.h"

enum {
        MODIFY_UUID,
        MODIFY_PARENT,
        MODIFY_TYPE,
        MODIFY_ADDATTR,
        MODIFY_DELATTR,
        MODIFY_INDEX,
        MODIFY_VALUE,
        MODIFY_AUTO,
        MODIFY_MANUAL,
        MODIFY_LIVE,
        MODIFY_DEFINED,
        MODIFY_JSONFILE,
        MODIFY_FORCE,
};

static const Option modify_options[] = {
        [MODIFY_UUID] = { "uuid", 'u', "UUID", "That of the definition", argument_is_uuid,
                          EXPECT_UUID },
        [MODIFY_PARENT] = { "parent", 'p', "PARENT", "The parent it belongs to" },
        [MODIFY_TYPE] = { "type", 't', "TYPE", "Give it this type" },
        [MODIFY_ADDATTR] = { "addattr", .value = "ATTRIBUTE", .help = "Add this attribute" },
        [MODIFY_DELATTR] = { "delattr", .help = "Take an attribute out" },
        [MODIFY_INDEX] = { "index", 'i', "INDEX", "Where to add, or which to take out",
                           argument_is_index, EXPECT_INDEX },
        [MODIFY_VALUE] = { "value", .value = "VALUE", .help = "The added attribute's value" },
        [MODIFY_AUTO] = { "auto", 'a', .help = "Start it whenever its parent is there" },
        [MODIFY_MANUAL] = { "manual", 'm', .help = "Start it when somebody says so" },
        [MODIFY_LIVE] = { "live", 'l', .help = "Change the device that is there" },
        [MODIFY_DEFINED] = { "defined", 'd', .help = "Change the definition (with --live: too)" },
        [MODIFY_JSONFILE] = { "jsonfile", .value = "JSONFILE",
                              .help = "Take start and attributes from this file" },
        [MODIFY_FORCE] = { "force", 'f', .help = FORCE_HELP },
};

/* ---- attributes ---- */

/* Those that there are stand below the line, with their numbers. */
static int wrong_index(const Definition *d, uint32_t index) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(fclosep) FILE *f = NULL; /* closed before its text is freed */
        size_t size;

        f = open_memstream(&text, &size);
        if (!f)
                return answer_failed_errno(-ENOMEM, "cannot modify the device");
        if (d->n_attributes == 0)
                (void) fprintf(f, "Device %s has no attributes", UUID_STR(&d->uuid));
        else
                listing_print_attributes(f, d);
        (void) fflush(f);
        return answer_failed("Attribute index %u is invalid\n%s", index, text);
}

static int delete_attribute(Definition *d, const uint32_t *index) {
        size_t at = index ? *index : d->n_attributes - 1;

        if (index && *index >= d->n_attributes)
                return wrong_index(d, *index);
        if (d->n_attributes == 0) /* as mdevctl: nothing is to be done, and it is done */
                return EXIT_SUCCESS;
        attribute_done(&d->attributes[at]);
        memmove(&d->attributes[at], &d->attributes[at + 1],
                (d->n_attributes - at - 1) * sizeof(*d->attributes));
        d->n_attributes--;
        return EXIT_SUCCESS;
}

static int add_attribute(Definition *d, const char *name, const char *value,
                         const uint32_t *index) {
        size_t at = index ? *index : d->n_attributes;
        Attribute added;
        int r;

        if (index && *index > d->n_attributes)
                return wrong_index(d, *index);
        if (!attribute_name_is_valid(name))
                return answer_failed("Invalid attribute '%s'\nA path below the device's folder is "
                                     "expected, without \"..\".", name);
        r = definition_add_attribute(d, name, value);
        if (r < 0)
                return answer_failed_errno(r, "cannot modify the device");
        added = d->attributes[d->n_attributes - 1];
        memmove(&d->attributes[at + 1], &d->attributes[at],
                (d->n_attributes - 1 - at) * sizeof(*d->attributes));
        d->attributes[at] = added;
        return EXIT_SUCCESS;
}

/* ---- the definition ---- */

static int set_type(Definition *d, const char *type) {
        free(d->type);
        d->type = strdup(type);
        return d->type ? EXIT_SUCCESS : answer_failed_errno(-ENOMEM, "cannot modify the device");
}

/* What it becomes; *@ret_there: there is one already. */
static int from_json(int root_fd, const Given *g, const Uuid *uuid, Definition **ret,
                     bool *ret_there) {
        const char *path = g->values[MODIFY_JSONFILE], *parent = g->values[MODIFY_PARENT];
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(listing_done) Listing l = {};
        int r;

        if (!parent)
                return answer_failed("Parent device required to modify device via json file");
        r = jsonfile_check(path);
        if (r == EXIT_SUCCESS)
                r = chosen_definitions(root_fd, uuid, parent, &l);
        if (r != EXIT_SUCCESS)
                return r;
        r = definition_new(&d, parent, uuid);
        if (r < 0)
                return answer_failed_errno(r, path);
        r = jsonfile_read(path, d);
        if (r != EXIT_SUCCESS)
                return r;
        *ret_there = l.n > 0;
        *ret = TAKE_PTR(d);
        return EXIT_SUCCESS;
}

static int from_options(int root_fd, const Given *g, const Uuid *uuid, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(listing_done) Listing l = {};
        const uint32_t *index = NULL;
        uint32_t given;
        int r;

        r = chosen_definitions(root_fd, uuid, g->values[MODIFY_PARENT], &l);
        if (r == EXIT_SUCCESS)
                r = chosen_definition(&l, uuid, g->values[MODIFY_PARENT], &d);
        if (r == EXIT_SUCCESS && GIVEN(g, MODIFY_TYPE))
                r = set_type(d, g->values[MODIFY_TYPE]);
        if (r != EXIT_SUCCESS)
                return r;
        d->autostart = GIVEN(g, MODIFY_AUTO) || (d->autostart && !GIVEN(g, MODIFY_MANUAL));
        if (GIVEN(g, MODIFY_INDEX)) {
                (void) argument_index(g->values[MODIFY_INDEX], &given);
                index = &given;
        }
        if (GIVEN(g, MODIFY_ADDATTR))
                r = add_attribute(d, g->values[MODIFY_ADDATTR], g->values[MODIFY_VALUE], index);
        else if (GIVEN(g, MODIFY_DELATTR))
                r = delete_attribute(d, index);
        if (r == EXIT_SUCCESS)
                *ret = TAKE_PTR(d);
        return r;
}

static int modify_definition(int root_fd, const Given *g, const Uuid *uuid) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(ask_done) Ask ask = ASK_NULL;
        bool there = true;
        Wish wish;
        int r;

        r = GIVEN(g, MODIFY_JSONFILE) ? from_json(root_fd, g, uuid, &d, &there)
                                      : from_options(root_fd, g, uuid, &d);
        if (r != EXIT_SUCCESS)
                return r;
        wish = (Wish){ .autostart = &d->autostart, .attributes = d,
                       .force = GIVEN(g, MODIFY_FORCE) };
        if (there) {
                wish.type = d->type;
                r = ask_change(&ask, "Modify", uuid, d->parent, &wish);
        } else { /* as mdevctl: what is not there is written */
                wish.uuid = uuid;
                r = ask_make(&ask, "DefineDevice", d->parent, d->type, &wish, NULL);
        }
        return r > 0 ? refusal_say(&ask.refusal)
               : r < 0 ? ask_failed(r, "cannot modify the device")
                       : EXIT_SUCCESS;
}

/* ---- the device ---- */

static int check_defined(int root_fd, const Definition *d) {
        _cleanup_(definition_freep) Definition *defined = NULL;
        _cleanup_(listing_done) Listing l = {};
        int r = chosen_definitions(root_fd, &d->uuid, d->parent, &l);

        if (r == EXIT_SUCCESS)
                r = chosen_definition(&l, &d->uuid, d->parent, &defined);
        if (r == EXIT_SUCCESS && !streq(defined->type, d->type))
                r = answer_failed("'type' of active and defined mdev does not match");
        return r;
}

/* mdevctl leaves a live device to a script that says what it supports, or refuses. */
static int check_script(const Definition *d) {
        bool versioned;
        Callout c;
        int r;

        callout_init(&c, argument_root(), d);
        r = callout_find(&c);
        versioned = c.versioned;
        callout_done(&c);
        if (r < 0)
                return answer_failed_errno(r, "cannot modify the device");
        if (versioned)
                return EXIT_SUCCESS;
        return answer_failed("Live modification is not supported for this device type. Changing "
                             "the device configuration requires stopping and restarting the "
                             "device.");
}

static int change_live(const Definition *d, bool defined, bool force) {
        const Wish wish = { .live = true, .config = defined, .attributes = d,
                            .autostart = defined ? &d->autostart : NULL, .force = force };
        _cleanup_(ask_done) Ask ask = ASK_NULL;
        int r = ask_change(&ask, "Modify", &d->uuid, d->parent, &wish);

        return r > 0   ? refusal_say(&ask.refusal)
               : r < 0 ? ask_failed(r, "cannot modify the device")
                       : EXIT_SUCCESS;
}

static int modify_live(int root_fd, const Given *g, const Uuid *uuid) {
        _cleanup_(definition_freep) Definition *d = NULL, *active = NULL;
        const char *path = g->values[MODIFY_JSONFILE], *parent = g->values[MODIFY_PARENT];
        int r;

        if (GIVEN(g, MODIFY_AUTO) || GIVEN(g, MODIFY_MANUAL))
                return answer_failed("'%s' cannot be changed on active mdev",
                                     GIVEN(g, MODIFY_AUTO) ? "auto" : "manual");
        r = chosen_device(root_fd, uuid, parent, &active);
        if (r == EXIT_SUCCESS && !active)
                r = answer_failed("Mediated device %s%s%s is not active", parent ?: "",
                                  parent ? "/" : "", UUID_STR(uuid));
        if (r == EXIT_SUCCESS)
                r = path ? jsonfile_check(path)
                         : answer_failed("'live' option must be used with 'jsonfile' option");
        if (r != EXIT_SUCCESS)
                return r;
        r = definition_new(&d, active->parent, uuid);
        if (r < 0)
                return answer_failed_errno(r, path);
        r = jsonfile_read(path, d);
        if (r == EXIT_SUCCESS && !streq(d->type, active->type))
                r = answer_failed("'type' cannot be changed on active mdev");
        if (r == EXIT_SUCCESS && GIVEN(g, MODIFY_DEFINED))
                r = check_defined(root_fd, d);
        if (r == EXIT_SUCCESS)
                r = check_script(d);
        return r == EXIT_SUCCESS ? change_live(d, GIVEN(g, MODIFY_DEFINED), GIVEN(g, MODIFY_FORCE))
                                 : r;
}

static int run_modify(const Verb *verb, const Given *g) {
        _cleanup_(closep) int root_fd = argument_open_root();
        Uuid uuid;

        (void) verb;
        if (root_fd < 0)
                return answer_failed_errno(root_fd, argument_root());
        (void) argument_uuid(g->values[MODIFY_UUID], &uuid);
        return GIVEN(g, MODIFY_LIVE) ? modify_live(root_fd, g, &uuid)
                                     : modify_definition(root_fd, g, &uuid);
}

#define BIT(name) OPTION_BIT(MODIFY_##name)

const Verb verb_modify = {
        .name = "modify",
        .title = "Modify the definition of a mediated device",
        .text = "Attributes are written to the device each time it is started, in their order. One "
                "is\nadded or taken out at the end, or at --index. With --jsonfile, type, start "
                "and all\nattributes are those of that file. A device that is there is changed "
                "with --live only.\n",
        .options = modify_options,
        .n_options = ARRAY_SIZE(modify_options),
        .required = BIT(UUID),
        .any = BIT(AUTO) | BIT(MANUAL) | BIT(ADDATTR) | BIT(DELATTR) | BIT(JSONFILE),
        .exclusive = BIT(AUTO) | BIT(MANUAL) | BIT(ADDATTR) | BIT(DELATTR) | BIT(JSONFILE),
        .rules = {
                { BIT(ADDATTR), BIT(VALUE), 0 },
                { BIT(VALUE), BIT(ADDATTR), BIT(DELATTR) },
                { BIT(AUTO) | BIT(MANUAL), 0, BIT(INDEX) | BIT(VALUE) },
                { BIT(LIVE), BIT(JSONFILE), BIT(TYPE) | BIT(INDEX) | BIT(VALUE) },
                { BIT(JSONFILE), 0, BIT(TYPE) | BIT(INDEX) | BIT(VALUE) },
        },
        .run = run_modify,
};
