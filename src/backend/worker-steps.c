/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-steps.c: owns what a worker process does, step by step. Each step that changed something
 * is appended to the record before the next begins, so that whoever finds the record after a kill
 * knows how far it came. The reservation lives in this process's descriptor of /dev/mdevd: when we
 * are killed before the device exists the kernel gives the room back by itself.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "backend/worker-internal.h"
#include "names.h"
#include "util/clock.h"
#include "util/fs.h"
#include "util/join.h"
#include "util/log.h"

/* One line more in the record; a torn one is taken back, so that the next begins at its start. */
static int append_change(Job *j) {
        _cleanup_(freep) char *line = NULL;
        size_t size;
        ssize_t n;
        int r;

        r = record_format_change(j->record, &line);
        if (r < 0)
                return r;
        size = strlen(line);
        n = write(j->record_fd, line, size);
        free(j->last);
        j->last = NULL;
        if (n == (ssize_t) size) {
                j->record_size += n;
                j->last = TAKE_PTR(line);
                return 0;
        }
        r = n < 0 ? -errno : -ENOSPC;
        (void) ftruncate(j->record_fd, j->record_size);
        return r;
}

/*
 * A step that cannot be written down is no reason to stop: what was done is done, and whoever
 * settles the record asks the kernel what is there.
 */
void job_reach(Job *j, RecordStep step) {
        j->record->step = step;
        (void) append_change(j);
}

/* Ends the job: @error is the errno of @step. The value is what the record will say. */
int job_refuse(Job *j, RefusalStep step, int error, const char *detail) {
        char *text = NULL;
        int outcome;

        outcome = refusal_describe(step, error, j->record, detail, &text);
        record_set_result(j->record, outcome < 0 ? OUTCOME_FAILED : (Outcome) outcome, error, text);
        return error;
}

int job_path(const Job *j, char **ret, const char *format, ...) {
        _cleanup_(freep) char *tail = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&tail, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        return asprintf(ret, MDEVD_PATH_SYSFS "/%s/%s", j->record->parent_path, tail) < 0 ? -ENOMEM
                                                                                         : 0;
}

int job_folder(const Job *j, char **ret) {
        if (!j->record->function)
                return job_path(j, ret, "%s", UUID_STR(&j->record->uuid));
        return asprintf(ret, MDEVD_PATH_SYSFS "/%s", j->record->function) < 0 ? -ENOMEM : 0;
}

/* ---- create ---- */

static int make_mdev(Job *j) {
        _cleanup_(freep) char *path = NULL;
        int r;

        path = JOIN(MDEVD_PATH_SYSFS "/", j->record->parent_path, "/mdev_supported_types/",
                    j->record->type, "/create");
        if (!path)
                return -ENOMEM;
        r = write_attr_at(j->root_fd, path, UUID_STR(&j->record->uuid));
        return r < 0 ? job_refuse(j, REFUSAL_CREATE, r, NULL) : 0;
}

static int remove_mdev(Job *j) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = job_path(j, &path, "%s/remove", UUID_STR(&j->record->uuid));
        return r < 0 ? r : write_attr_at(j->root_fd, path, "1");
}

typedef struct Way Way;

/* How a device comes and goes: the rest of what is done is the same. */
struct Way {
        int (*make)(Job *j);   /* refuses the job itself */
        int (*remove)(Job *j); /* -ENOENT, -ENODEV: it has gone */
};

static const Way *way_of(const Job *j) {
        static const Way mdev = { make_mdev, remove_mdev };
        static const Way function = { job_fill_function, job_empty_function };

        return j->record->function ? &function : &mdev;
}

/* What was refused takes the device down again, and its error is the answer. */
static int write_attributes(Job *j) {
        _cleanup_(freep) char *name = NULL, *detail = NULL;
        int r, k;

        r = job_write_attributes(j, NULL, &name);
        if (r >= 0)
                return 0;
        k = way_of(j)->remove(j);
        if (asprintf(&detail, "%s%s", name ?: "?",
                     k < 0 && k != -ENOENT ? " (and its removal after that)" : "") < 0)
                detail = NULL;
        return job_refuse(j, REFUSAL_ATTRIBUTE, r, detail);
}

static int reserve(Job *j) {
        int r;

        r = j->kmod ? 0 : kmod_open(&j->kmod, j->root_fd);
        if (r < 0)
                return job_refuse(j, REFUSAL_OPEN_CONTROL, r, NULL);
        r = kmod_reserve(j->kmod, j->record);
        if (r < 0)
                return job_refuse(j, REFUSAL_RESERVE, r, NULL);
        job_reach(j, STEP_RESERVED);
        return 0;
}

/*
 * Nobody sees it until the daemon, who does so when all else has succeeded, puts it in its place.
 */
static int prepare_definition(Job *j) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r;

        r = record_to_definition(j->record, &d);
        if (r >= 0)
                r = j->above->prepare(j->root_fd, d);
        if (r < 0)
                return job_refuse(j, REFUSAL_DEFINE, r, NULL);
        job_reach(j, STEP_PREPARED);
        return 0;
}

static int run_create(Job *j) {
        int r;

        r = job_check_attributes(j);
        if (r >= 0 && j->record->define)
                r = prepare_definition(j);
        if (r >= 0)
                r = job_move(j);
        if (r >= 0 && j->record->ours)
                r = reserve(j);
        if (r >= 0)
                r = way_of(j)->make(j);
        if (r < 0)
                return r;
        if (j->record->n_attributes == 0)
                return 0; /* that it is done is the next thing that is written down */
        job_reach(j, STEP_CREATED);
        return write_attributes(j);
}

/* ---- stop ---- */

static int run_stop(Job *j) {
        int r;

        r = j->record->insist ? 0 : job_check_holders(j);
        if (r < 0)
                return r;
        r = way_of(j)->remove(j);
        if (r == -ENOENT || r == -ENODEV)
                return 0; /* somebody else was faster, and it is gone */
        if (r < 0 && j->record->step != STEP_DONE)
                return job_refuse(j, REFUSAL_REMOVE, r, NULL);
        return MIN(r, 0);
}

/* ---- configure ---- */

/* NULL where the device has no driver. */
static int read_driver(Job *j, char **ret) {
        _cleanup_(freep) char *path = NULL;
        int r;

        free(*ret);
        *ret = NULL;
        r = job_path(j, &path, "driver");
        if (r < 0)
                return r;
        r = readlink_base_at(j->root_fd, path, ret);
        return r == -ENOENT ? 0 : r;
}

static int write_override(Job *j, const char *value) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = job_path(j, &path, "driver_override");
        return r < 0 ? r : write_attr_at(j->root_fd, path, value);
}

static int probe(Job *j) {
        return write_attr_at(j->root_fd, MDEVD_PATH_SYSFS "/bus/pci/drivers_probe",
                             j->record->parent);
}

static int unbind(Job *j) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = job_path(j, &path, "driver/unbind");
        return r < 0 ? r : write_attr_at(j->root_fd, path, j->record->parent);
}

/*
 * The device goes back to whom it had belonged. What fails here changes nothing of the answer.
 * One that belonged to nobody keeps our override: a device that the kernel is still adding takes no
 * driver yet (match_driver in drivers/pci/bus.c), and gets ours by it a moment later.
 */
static void give_back(Job *j, const char *override, const char *driver) {
        bool anybodys = streq(override, "(null)");

        if (!driver && (anybodys || streq(override, MDEVD_DRIVER)))
                return;
        (void) write_override(j, anybodys || !override[0] ? "\n" : override);
        if (driver)
                (void) probe(j);
}

static int bind(Job *j) {
        _cleanup_(freep) char *path = NULL, *driver = NULL, *before = NULL, *override = NULL;
        int r;

        r = read_driver(j, &before);
        if (r < 0)
                return r;
        r = job_path(j, &path, "driver_override");
        if (r < 0)
                return r;
        r = read_attr_at(j->root_fd, path, &override);
        if (r < 0)
                return job_refuse(j, REFUSAL_OVERRIDE, r, MDEVD_DRIVER);

        /* The override comes first: nobody else's probe can take the device in between. */
        if (!streq(override, MDEVD_DRIVER)) {
                r = write_override(j, MDEVD_DRIVER);
                if (r < 0)
                        return job_refuse(j, REFUSAL_OVERRIDE, r, MDEVD_DRIVER);
        }
        if (streq_ptr(before, MDEVD_DRIVER))
                return 0;
        if (before) {
                r = unbind(j);
                if (r < 0 && r != -ENODEV) {
                        (void) job_refuse(j, REFUSAL_UNBIND, r, before);
                        give_back(j, override, before);
                        return r;
                }
        }

        r = probe(j);
        if (r >= 0)
                r = read_driver(j, &driver);
        if (r >= 0 && streq_ptr(driver, MDEVD_DRIVER))
                return 0;
        r = r < 0 ? r : -ENODEV;
        (void) job_refuse(j, REFUSAL_PROBE, r, MDEVD_DRIVER);
        give_back(j, override, before);
        return r;
}

static int run_configure(Job *j) {
        int r;

        /* Nothing is taken from its driver for a module that is not there. */
        r = kmod_open(&j->kmod, j->root_fd);
        if (r < 0)
                return job_refuse(j, REFUSAL_OPEN_CONTROL, r, NULL);
        r = bind(j);
        if (r < 0)
                return r;
        job_reach(j, STEP_BOUND);
        r = kmod_configure(j->kmod, j->record->config);
        if (r == -EEXIST) {
                /* it has another configuration, or we would not have been started */
                r = kmod_unconfigure(j->kmod, j->record->parent);
                if (r < 0 && r != -ENOENT)
                        return job_refuse(j, REFUSAL_UNCONFIGURE, r, NULL);
                r = kmod_configure(j->kmod, j->record->config);
        }
        return r < 0 ? job_refuse(j, REFUSAL_CONFIGURE, r, NULL) : 0;
}

/* ---- definitions ---- */

static int run_define(Job *j) {
        int r;

        r = job_check_attributes(j);
        return r < 0 ? r : prepare_definition(j);
}

/* The device first: a value that it refuses must not be what it gets at its next start. */
/* A function may bear another vGPU by now, or none; an mdev that is gone has no attributes. */
static int check_live(Job *j) {
        char *text = NULL;
        int r = j->record->live ? job_check_function(j) : 0;

        if (r >= 0 || j->record->step == STEP_DONE)
                return r;
        if (asprintf(&text, "%s on %s has gone meanwhile (%s); nothing is changed.",
                     UUID_STR(&j->record->uuid), j->record->parent, strerrorname_np(-r)) < 0)
                text = NULL;
        record_set_result(j->record, OUTCOME_NO_DEVICE, r, text);
        return r;
}

static int run_modify(Job *j) {
        _cleanup_(freep) char *name = NULL, *detail = NULL;
        size_t n;
        int r;

        r = job_check_attributes(j);
        if (r >= 0)
                r = check_live(j);
        if (r >= 0 && j->record->define)
                r = prepare_definition(j);
        if (r < 0 || !j->record->live)
                return r;
        r = job_write_attributes(j, &n, &name);
        if (r >= 0)
                return 0;
        if (asprintf(&detail, "%s (number %zu of %zu; those before it are written)", name ?: "?",
                     n + 1, j->record->n_attributes) < 0)
                detail = NULL;
        return job_refuse(j, REFUSAL_ATTRIBUTE, r, detail);
}

/* The file is gone before we are started; what is left to do is the same after every change. */
static int run_undefine(Job *j) {
        return -EINVAL;
}

/* The second worker of an operation that changes a definition. The result of the first stays. */
static void run_settle(Job *j) {
        Record *record = j->record;
        char *text = TAKE_PTR(record->text);
        int r;

        r = j->above->settle(j->root_fd, record->parent, &record->uuid);
        if (r < 0 && record->outcome == OUTCOME_OK) {
                free(text);
                (void) job_refuse(j, REFUSAL_SETTLE, r, NULL);
        } else
                record_set_result(record, record->outcome, record->error, text);
}

/* ---- all ---- */

static int (*const runs[_RECORD_KIND_MAX])(Job *j) = {
        [RECORD_CREATE] = run_create,
        [RECORD_STOP] = run_stop,
        [RECORD_CONFIGURE] = run_configure,
        [RECORD_DEFINE] = run_define,
        [RECORD_MODIFY] = run_modify,
        [RECORD_UNDEFINE] = run_undefine,
        [RECORD_EVICT] = job_evict,
        [RECORD_SUSPEND] = job_suspend,
        [RECORD_MOVE] = job_move,
        [RECORD_DEFRAGMENT] = job_move,
        [RECORD_LOOK] = job_look,
};

static int read_record(Job *j) {
        static char text[RECORD_SIZE_MAX + 1]; /* what is not used of it costs nothing */

        j->record_size = pread(j->record_fd, text, sizeof(text), 0);
        if (j->record_size < 0)
                return -errno;
        return record_parse(&j->record, text, (size_t) j->record_size);
}

static int run(Job *j) {
        int r;

        j->record->pid = getpid();
        r = append_change(j);
        if (r < 0)
                return r;

        if (j->record->step == STEP_SETTLING) {
                run_settle(j);
                return append_change(j);
        }
        r = runs[j->record->kind] ? runs[j->record->kind](j) : -EINVAL;
        if (r >= 0)
                record_set_result(j->record, OUTCOME_OK, 0, TAKE_PTR(j->record->text));
        else if (j->record->step != STEP_DONE)
                record_set_result(j->record, OUTCOME_FAILED, r, strdup(strerrordesc_np(-r)));
        j->record->took_us = clock_usec(CLOCK_MONOTONIC) - j->begun_usec;
        return append_change(j);
}

int worker_work(int record_fd, int root_fd, const WorkerAbove *above, char **ret_last) {
        Job j = { .record_fd = record_fd, .root_fd = root_fd, .above = above,
                  .begun_usec = clock_usec(CLOCK_MONOTONIC) };
        int r;

        r = read_record(&j);
        if (r >= 0)
                r = run(&j);
        if (r < 0)
                (void) log_error_errno(r, &(LogFields){ .topic = "worker" },
                                       "A worker could not use its record: %m");
        record_free(j.record);
        kmod_free(j.kmod);
        if (r < 0) {
                free(j.last);
                j.last = NULL;
        }
        *ret_last = j.last;
        return r;
}
