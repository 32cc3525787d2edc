/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * refused.c owns the headline of a start that was refused. The daemon says what is wrong in its own
 * words; scripts and people look for mdevctl's, which follow from what sysfs shows.
 */
#include "cli/refused.h"

#include <limits.h>
#include <strings.h>

#include "cli/answer.h"
#include "sysfs/sysfs.h"
#include "util/closest.h"

typedef struct Alike Alike;

struct Alike {
        const char *wanted;
        char *same_but_case;
        char *closest;
        unsigned distance;
};

static int look_alike(const char *name, void *userdata) {
        Alike *a = userdata;
        Closest c = closest_begin_typo(a->wanted);
        char *copy;

        if (strcasecmp(name, a->wanted) == 0 && !a->same_but_case) {
                a->same_but_case = strdup(name);
                return a->same_but_case ? 0 : -ENOMEM;
        }
        if (!closest_offer(&c, name) || (a->closest && c.distance >= a->distance))
                return 0;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        free(a->closest);
        a->closest = copy;
        a->distance = c.distance;
        return 0;
}

static int no_parent(int root_fd, const char *parent) {
        Alike a = { .wanted = parent };
        int r = sysfs_foreach_parent(root_fd, look_alike, &a);

        (void) r; /* without a suggestion it is a sentence as well */
        if (a.same_but_case)
                r = answer_failed("Unable to find parent device '%s'. Did you mean '%s'?", parent,
                                  a.same_but_case);
        else if (a.closest)
                r = answer_failed("Unable to find parent device '%s'\nDid you mean '%s'?", parent,
                                  a.closest);
        else
                r = answer_failed("Unable to find parent device '%s'\n`mdevctl types` lists the "
                                  "parents that there are.", parent);
        free(a.same_but_case);
        free(a.closest);
        return r;
}

static int no_type(const Parent *p, const char *type) {
        Closest c = closest_begin_typo(type);

        list_foreach(t, &p->types, Type, node)
                (void) closest_offer(&c, t->id);
        if (c.name)
                return answer_failed("Parent %s does not support mdev type %s\n"
                                     "Did you mean '%s'?", p->name, type, c.name);
        return answer_failed("Parent %s does not support mdev type %s\n"
                             "`mdevctl types --parent=%s` lists those it has.", p->name, type,
                             p->name);
}

/* EXIT_SUCCESS: nothing of the parent is in the way. */
static int check_parent(int root_fd, const Definition *d, const char *why) {
        _cleanup_(parent_freep) Parent *p = NULL;
        const Type *type;
        bool registered;
        int r;

        r = parent_new(&p, d->parent);
        if (r < 0)
                return EXIT_SUCCESS;
        r = sysfs_find_parent(root_fd, d->parent, &p->path, &registered);
        if (r == -ENOENT)
                return no_parent(root_fd, d->parent);
        if (r < 0)
                return EXIT_SUCCESS;
        if (!registered)
                return answer_failed_because(why, "Parent %s is not currently registered for mdev "
                                             "support", d->parent);
        if (sysfs_read_types(root_fd, p, false) < 0)
                return EXIT_SUCCESS;
        type = parent_find_type(p, d->type);
        if (!type)
                return no_type(p, d->type);
        if (type->available == 0)
                return answer_failed_because(why, "No available instances of %s on %s", d->type,
                                             d->parent);
        return EXIT_SUCCESS;
}

/* The daemon names the attribute that was refused, as "attribute NAME of UUID". */
static int check_attributes(const Definition *d, const char *why) {
        for (size_t i = 0; i < d->n_attributes; i++) {
                const Attribute *a = &d->attributes[i];
                _cleanup_(freep) char *part = NULL;

                if (asprintf(&part, "attribute %s of ", a->name) < 0) {
                        part = NULL;
                        return EXIT_SUCCESS;
                }
                if (!strstr(why, part))
                        continue;
                if (strstr(why, "(ENOENT)"))
                        return answer_failed_because(why, "Invalid attribute '%s'", a->name);
                return answer_failed_because(why, "Failed to write %s to attribute %s", a->value,
                                             a->name);
        }
        return EXIT_SUCCESS;
}

int refused_start(int root_fd, const Definition *d, const Refusal *refusal) {
        const char *why = refusal->text;
        int r;

        if (!refusal_is_an_answer(refusal) || refusal_is_a_scripts(refusal))
                return refusal_say(refusal);
        r = check_attributes(d, why);
        if (r == EXIT_SUCCESS)
                r = check_parent(root_fd, d, why);
        if (r != EXIT_SUCCESS)
                return r;
        if (uuid_is_null(&d->uuid))
                return answer_failed_because(why, "Failed to create mdev, type %s on %s", d->type,
                                             d->parent);
        return answer_failed_because(why, "Failed to create mdev %s, type %s on %s",
                                     UUID_STR(&d->uuid), d->type, d->parent);
}
