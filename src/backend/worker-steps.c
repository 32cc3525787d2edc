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

#include "backend/kmod.h"
#include "backend/refusal.h"
#include "backend/worker.h"
#include "names.h"
#include "util/fs.h"
#include "util/log.h"

typedef struct Job Job;

struct Job {
        Record *record;
        int record_fd;
        int root_fd;
        Kmod *kmod; /* holds the reservation until the device has it */
};

/* One line more in the record; a torn one is taken back, so that the next begins at its start. */
static int append_change(Job *j) {
        _cleanup_(freep) char *line = NULL;
        struct stat st;
        size_t size;
        ssize_t n;
        int r;

        r = record_format_change(j->record, &line);
        if (r < 0)
                return r;
        size = strlen(line);
        if (fstat(j->record_fd, &st) < 0)
                return -errno;
        n = write(j->record_fd, line, size);
        if (n == (ssize_t) size)
                return 0;
        r = n < 0 ? -errno : -ENOSPC;
        (void) ftruncate(j->record_fd, st.st_size);
        return r;
}

/*
 * A step that cannot be written down is no reason to stop: what was done is done, and whoever
 * settles the record asks the kernel what is there.
 */
static void reach(Job *j, RecordStep step) {
        j->record->step = step;
        (void) append_change(j);
}

/* Ends the job: @error is the errno of @step. The value is what the record will say. */
static int refuse(Job *j, RefusalStep step, int error, const char *detail) {
        char *text = NULL;
        int outcome;

        outcome = refusal_describe(step, error, j->record, detail, &text);
        record_set_result(j->record, outcome < 0 ? OUTCOME_FAILED : (Outcome) outcome, error, text);
        return error;
}

static int attr_path(const Job *j, char **ret, const char *format, ...) _printf_(3, 4);

static int attr_path(const Job *j, char **ret, const char *format, ...) {
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

/* ---- create ---- */

static bool attribute_name_is_valid(const char *name) {
        if (!name[0] || name[0] == '/' || strlen(name) > 255)
                return false;
        for (const char *s = name; *s;) {
                size_t n = strcspn(s, "/");

                if (n == 0 || (s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.'))))
                        return false;
                s += n + (s[n] == '/');
        }
        return name[strlen(name) - 1] != '/';
}

static int write_attribute(Job *j, const Attribute *a) {
        _cleanup_(freep) char *folder = NULL, *value = NULL;
        size_t n = strlen(a->value);
        int r;

        r = attr_path(j, &folder, "%s", UUID_STR(&j->record->uuid));
        if (r < 0)
                return r;
        if (asprintf(&value, "%s%s", a->value, n > 0 && a->value[n - 1] == '\n' ? "" : "\n") < 0)
                return -ENOMEM;
        return write_attr_beneath_at(j->root_fd, folder, a->name, value);
}

static int remove_device(Job *j) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = attr_path(j, &path, "%s/remove", UUID_STR(&j->record->uuid));
        return r < 0 ? r : write_attr_at(j->root_fd, path, "1");
}

/*
 * In order; the first that is refused takes the device down again and its error is the answer. The
 * value is not in it: anybody may read the error of an operation, and not everybody an attribute.
 */
static int write_attributes(Job *j) {
        for (size_t i = 0; i < j->record->n_attributes; i++) {
                const Attribute *a = &j->record->attributes[i];
                _cleanup_(freep) char *detail = NULL;
                int r, k;

                r = write_attribute(j, a);
                if (r >= 0)
                        continue;
                k = remove_device(j);
                if (asprintf(&detail, "%s%s", a->name,
                             k < 0 && k != -ENOENT ? " (and its removal after that)" : "") < 0)
                        detail = NULL;
                return refuse(j, REFUSAL_ATTRIBUTE, r, detail);
        }
        return 0;
}

static int reserve(Job *j) {
        int r;

        r = kmod_open(&j->kmod, j->root_fd);
        if (r < 0)
                return refuse(j, REFUSAL_OPEN_CONTROL, r, NULL);
        r = kmod_reserve(j->kmod, j->record);
        if (r < 0)
                return refuse(j, REFUSAL_RESERVE, r, NULL);
        reach(j, STEP_RESERVED);
        return 0;
}

static int check_attributes(Job *j) {
        for (size_t i = 0; i < j->record->n_attributes; i++) {
                const Attribute *a = &j->record->attributes[i];
                char *text = NULL;

                if (attribute_name_is_valid(a->name))
                        continue;
                if (asprintf(&text,
                             "Attribute name '%s' is not one: a relative path without \"..\" was "
                             "expected.",
                             a->name) < 0)
                        return -ENOMEM;
                record_set_result(j->record, OUTCOME_INVALID, -EINVAL, text);
                return -EINVAL;
        }
        return 0;
}

static int run_create(Job *j) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = check_attributes(j);
        if (r >= 0 && j->record->ours)
                r = reserve(j);
        if (r < 0)
                return r;

        r = attr_path(j, &path, "mdev_supported_types/%s/create", j->record->type);
        if (r < 0)
                return r;
        r = write_attr_at(j->root_fd, path, UUID_STR(&j->record->uuid));
        if (r < 0)
                return refuse(j, REFUSAL_CREATE, r, NULL);
        reach(j, STEP_CREATED);
        return write_attributes(j);
}

/* ---- stop ---- */

static int run_stop(Job *j) {
        int r;

        r = remove_device(j);
        if (r == -ENOENT || r == -ENODEV)
                return 0; /* somebody else was faster, and it is gone */
        return r < 0 ? refuse(j, REFUSAL_REMOVE, r, NULL) : 0;
}

/* ---- configure ---- */

/* NULL where the device has no driver. */
static int read_driver(Job *j, char **ret) {
        _cleanup_(freep) char *path = NULL;
        int r;

        free(*ret);
        *ret = NULL;
        r = attr_path(j, &path, "driver");
        if (r < 0)
                return r;
        r = readlink_base_at(j->root_fd, path, ret);
        return r == -ENOENT ? 0 : r;
}

static int write_override(Job *j, const char *value) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = attr_path(j, &path, "driver_override");
        return r < 0 ? r : write_attr_at(j->root_fd, path, value);
}

static int probe(Job *j) {
        return write_attr_at(j->root_fd, MDEVD_PATH_SYSFS "/bus/pci/drivers_probe",
                             j->record->parent);
}

static int unbind(Job *j) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = attr_path(j, &path, "driver/unbind");
        return r < 0 ? r : write_attr_at(j->root_fd, path, j->record->parent);
}

/* The device goes back to whom it had belonged. What fails here changes nothing of the answer. */
static void give_back(Job *j, const char *override, bool had_driver) {
        (void) write_override(j, override && override[0] ? override : "\n");
        if (had_driver)
                (void) probe(j);
}

static int bind(Job *j) {
        _cleanup_(freep) char *path = NULL, *driver = NULL, *before = NULL, *override = NULL;
        int r;

        r = read_driver(j, &before);
        if (r < 0)
                return r;
        r = attr_path(j, &path, "driver_override");
        if (r < 0)
                return r;
        r = read_attr_at(j->root_fd, path, &override);
        if (r < 0)
                return refuse(j, REFUSAL_OVERRIDE, r, MDEVD_DRIVER);

        /* The override comes first: nobody else's probe can take the device in between. */
        if (!streq(override, MDEVD_DRIVER)) {
                r = write_override(j, MDEVD_DRIVER);
                if (r < 0)
                        return refuse(j, REFUSAL_OVERRIDE, r, MDEVD_DRIVER);
        }
        if (streq_ptr(before, MDEVD_DRIVER))
                return 0;
        if (before) {
                r = unbind(j);
                if (r < 0 && r != -ENODEV) {
                        (void) refuse(j, REFUSAL_UNBIND, r, before);
                        give_back(j, streq(override, "(null)") ? NULL : override, false);
                        return r;
                }
        }

        r = probe(j);
        if (r >= 0)
                r = read_driver(j, &driver);
        if (r >= 0 && streq_ptr(driver, MDEVD_DRIVER))
                return 0;
        r = r < 0 ? r : -ENODEV;
        (void) refuse(j, REFUSAL_PROBE, r, MDEVD_DRIVER);
        give_back(j, streq(override, "(null)") ? NULL : override, before);
        return r;
}

static int run_configure(Job *j) {
        int r;

        /* Nothing is taken from its driver for a module that is not there. */
        r = kmod_open(&j->kmod, j->root_fd);
        if (r < 0)
                return refuse(j, REFUSAL_OPEN_CONTROL, r, NULL);
        r = bind(j);
        if (r < 0)
                return r;
        reach(j, STEP_BOUND);
        r = kmod_configure(j->kmod, j->record->config);
        if (r == -EEXIST) {
                /* it has another configuration, or we would not have been started */
                r = kmod_unconfigure(j->kmod, j->record->parent);
                if (r < 0 && r != -ENOENT)
                        return refuse(j, REFUSAL_UNCONFIGURE, r, NULL);
                r = kmod_configure(j->kmod, j->record->config);
        }
        return r < 0 ? refuse(j, REFUSAL_CONFIGURE, r, NULL) : 0;
}

/* ---- all ---- */

static int (*const runs[_RECORD_KIND_MAX])(Job *j) = {
        [RECORD_CREATE] = run_create,
        [RECORD_STOP] = run_stop,
        [RECORD_CONFIGURE] = run_configure,
};

static int read_record(int fd, Record **ret) {
        _cleanup_(freep) char *text = NULL;
        ssize_t n;

        text = malloc(RECORD_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        n = pread(fd, text, RECORD_SIZE_MAX + 1, 0);
        return n < 0 ? -errno : record_parse(ret, text, n);
}

static int run(Job *j) {
        int r;

        j->record->pid = getpid();
        r = append_change(j);
        if (r < 0)
                return r;

        r = runs[j->record->kind](j);
        if (r >= 0)
                record_set_result(j->record, OUTCOME_OK, 0, NULL);
        else if (j->record->step != STEP_DONE)
                record_set_result(j->record, OUTCOME_FAILED, r, strdup(strerrordesc_np(-r)));
        return append_change(j);
}

int worker_work(int record_fd, int root_fd) {
        Job j = { .record_fd = record_fd, .root_fd = root_fd };
        int r;

        r = read_record(record_fd, &j.record);
        if (r >= 0)
                r = run(&j);
        if (r < 0)
                (void) log_error_errno(r, &(LogFields){ .topic = "worker" },
                                       "A worker could not use its record: %m");
        record_free(j.record);
        kmod_free(j.kmod);
        return r;
}
