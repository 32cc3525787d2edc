/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-function.c: owns what is written to a virtual function that bears a vGPU. Its driver
 * knows no UUID and no owner, and a function is used again and again: so each write is made only
 * on what is found there at that moment. No other worker of ours is at the card meanwhile
 * (core/queue.c); of programs that write there by themselves the driver is the judge.
 */
#include <stdarg.h>

#include "backend/worker-internal.h"
#include "names.h"
#include "sysfs/functions.h"
#include "util/fs.h"
#include "util/parse.h"

#define FOLDER "nvidia/"
#define CURRENT FOLDER "current_vgpu_type"
#define PLACEMENT FOLDER "placement_id"

bool job_function_has(const char *attribute) {
        return strncmp(attribute, FOLDER, strlen(FOLDER)) == 0 && !streq(attribute, CURRENT);
}

static const char *name_of(const char *path) {
        return strrchr(path, '/') + 1;
}

static int write_type(Job *j, unsigned type) {
        _cleanup_(freep) char *path = NULL;
        char text[16];

        if (asprintf(&path, MDEVD_PATH_SYSFS "/%s/" CURRENT, j->record->function) < 0)
                return -ENOMEM;
        (void) snprintf(text, sizeof(text), "%u\n", type);
        return write_attr_at(j->root_fd, path, text);
}

_printf_(4, 5) static int refuse(Job *j, Outcome outcome, int error, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        record_set_result(j->record, outcome, error, text);
        return error;
}

/* ---- where on the card ---- */

typedef struct Sibling Sibling;

struct Sibling {
        const Job *job;
        unsigned placement;
        char *name; /* of who has it */
};

static int check_sibling(Sibling *s, const Function *f) {
        unsigned taken;
        int r;

        if (f->type == 0 || streq(f->path, s->job->record->function))
                return 0;
        r = sysfs_read_placement(s->job->root_fd, f->path, &taken);
        if (r < 0 || taken != s->placement)
                return r == -ENOMEM ? r : 0;
        s->name = strdup(f->name);
        return s->name ? 1 : -ENOMEM;
}

/* The last value of that name is what the driver would get in the end. */
static const char *find_placement(const Record *r) {
        const char *value = NULL;

        for (size_t i = 0; i < r->n_attributes; i++)
                if (streq(r->attributes[i].name, PLACEMENT))
                        value = r->attributes[i].value;
        return value;
}

static int find_sibling(Job *j, Sibling *s) {
        _cleanup_(parent_freep) Parent *p = NULL;
        int r;

        r = parent_new(&p, j->record->parent);
        if (r < 0)
                return r;
        p->path = strdup(j->record->parent_path);
        if (!p->path)
                return -ENOMEM;
        r = sysfs_read_functions(j->root_fd, p);
        if (r < 0)
                return r;
        list_foreach(f, &p->functions, Function, node) {
                r = check_sibling(s, f);
                if (r != 0)
                        return r;
        }
        return 0;
}

/*
 * On a card that bears vGPUs of several sizes at a time each has a place, which can be asked for.
 * How large it is, and so whether two overlap, only the driver knows; that two are the same we
 * know, too.
 */
static int check_placement(Job *j) {
        const char *value = find_placement(j->record);
        Sibling s = { .job = j };
        _cleanup_(freep) char *text = NULL;
        uint64_t placement;
        int r;

        if (!value)
                return 0;
        text = strndup(value, strcspn(value, "\n"));
        if (!text)
                return -ENOMEM;
        if (parse_u64(text, &placement) < 0 || placement > UINT_MAX)
                return refuse(j, OUTCOME_INVALID, -EINVAL,
                              "Placement '%s' is not one: a number was expected in " PLACEMENT ".",
                              text);
        s.placement = (unsigned) placement;
        r = find_sibling(j, &s);
        if (r > 0)
                r = refuse(j, OUTCOME_NO_ROOM, -EEXIST,
                           "Placement %u of %s is taken, by %s: choose another, or leave it to the "
                           "driver.",
                           s.placement, j->record->parent, s.name);
        free(s.name);
        return r;
}

/* ---- all ---- */

static int check_free(Job *j, unsigned type) {
        _cleanup_(function_freep) Function *f = NULL;
        const Record *record = j->record;
        int r;

        r = function_new(&f, name_of(record->function), record->function);
        if (r >= 0)
                r = sysfs_read_function_type(j->root_fd, f->path, &f->type);
        if (r == -ENOENT || r == -ENODATA)
                return refuse(j, OUTCOME_NO_PARENT, r,
                              "%s of %s has gone, or its driver lends it no vGPU any more.",
                              name_of(record->function), record->parent);
        if (r >= 0 && f->type > 0)
                return refuse(j, OUTCOME_NO_ROOM, -EBUSY,
                              "%s of %s bears a vGPU already (type %u), which somebody else has "
                              "made just now: try again.",
                              f->name, record->parent, f->type);
        if (r >= 0)
                r = sysfs_read_creatable(j->root_fd, f);
        if (r < 0)
                return r;
        if (!function_offers(f, type))
                return refuse(j, OUTCOME_NO_ROOM, -ENOSPC,
                              "%s of %s offers no %s beside what its siblings bear: remove one of "
                              "those, or choose another parent.",
                              f->name, record->parent, record->type);
        return 0;
}

int job_fill_function(Job *j) {
        unsigned type, now = 0;
        int r;

        r = function_type_parse(j->record->type, &type);
        if (r < 0)
                return refuse(j, OUTCOME_NO_TYPE, r,
                              "%s is no type of %s: nvidia-NUMBER was expected.", j->record->type,
                              j->record->parent);
        r = check_free(j, type);
        if (r >= 0)
                r = check_placement(j);
        if (r < 0)
                return r;
        /*
         * from here on it may be ours: whoever has filled it when we are killed before that is not
         */
        job_reach(j, STEP_RESERVED);
        r = write_type(j, type);
        if (r < 0)
                return job_refuse(j, REFUSAL_CREATE, r, NULL);
        r = sysfs_read_function_type(j->root_fd, j->record->function, &now);
        if (r >= 0 && now == type)
                return 0;
        return refuse(j, OUTCOME_FAILED, -EIO,
                      "The driver of %s took the creation of %s on %s, and has not done it: see "
                      "the kernel's log.",
                      j->record->parent, j->record->type, name_of(j->record->function));
}

int job_check_function(Job *j) {
        unsigned type, now;
        int r;

        if (!j->record->function)
                return 0;
        r = sysfs_read_function_type(j->root_fd, j->record->function, &now);
        if (r < 0)
                return r;
        if (now == 0)
                return -ENOENT;
        if (function_type_parse(j->record->type, &type) < 0 || type != now)
                return refuse(j, OUTCOME_NO_DEVICE, -ESTALE,
                              "%s of %s bears another vGPU by now (type %u, and not %s): somebody "
                              "else has made that, and it is left alone.",
                              name_of(j->record->function), j->record->parent, now,
                              j->record->type);
        return 0;
}

int job_empty_function(Job *j) {
        int r = job_check_function(j);

        return r < 0 ? r : write_type(j, 0);
}
