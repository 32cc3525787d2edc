/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-holders.c: owns the question who has a device open, asked before it is removed, since the
 * write to "remove" of one that is in use cannot be taken back, and while that write blocks. Of our
 * module's devices the module has said how many times they are open; where a vendor's is open
 * nobody says, so all of /proc is read.
 */
#include "backend/holders.h"
#include "backend/worker-internal.h"
#include "util/fs.h"
#include "util/log.h"

#define NAMED_MAX 4 /* in one sentence */

static void write_holder(FILE *f, const Holder *h) {
        (void) fprintf(f, "%s (pid %d%s%s)", h->command[0] ? h->command : "a process", h->pid,
                       h->where[0] ? ", " : "", h->where);
}

int job_set_who(Job *j, const Holder *holders, size_t n, size_t total) {
        _cleanup_(freep) char *text = NULL;
        size_t size, named = MIN(n, (size_t) NAMED_MAX);
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < named; i++) {
                (void) fputs(i == 0 ? "" : i + 1 == total ? " and " : ", ", f);
                write_holder(f, &holders[i]);
        }
        if (total > named)
                (void) fprintf(f, " and %zu more", total - named);
        if (fclose(f) != 0)
                return -ENOMEM;
        free(j->record->who);
        j->record->who = TAKE_PTR(text);
        return 0;
}

/* How many they are: what everybody may read. */
static int count(const Job *j, const Holders *holders, char **ret) {
        const size_t n = holders->n > 0 ? holders->n : j->record->opened;

        if (n == 0)
                return 0;
        return asprintf(ret, "%zu %s%s", n, holders->n > 0 ? "process" : "place",
                        n == 1           ? "" :
                        holders->n > 0 ? "es" : "s") < 0 ? -ENOMEM : 0;
}

static int refuse(Job *j, const char *how_many) {
        const Record *r = j->record;
        char *text = NULL;

        if (asprintf(&text,
                     "%s on %s is open in %s; shut that down first, or insist: then it is removed "
                     "when it is closed.",
                     UUID_STR(&r->uuid), r->parent, how_many) < 0)
                return -ENOMEM;
        record_set_result(j->record, OUTCOME_BUSY, -EBUSY, text);
        return -EBUSY;
}

static int refuse_unknown(Job *j, int error) {
        char *text = NULL;

        if (asprintf(&text,
                     "Whether somebody has %s on %s open could not be found out (%s), so it is not "
                     "removed; insist to have it removed as soon as it is closed.",
                     UUID_STR(&j->record->uuid), j->record->parent, strerrorname_np(-error)) < 0)
                return -ENOMEM;
        record_set_result(j->record, OUTCOME_FAILED, error, text);
        return error;
}

/* What the module said, where /proc does not show us the process. */
static void take_opener(Job *j, Holders *ret) {
        Holder *h = &ret->holders[0];

        if (j->record->opened == 0)
                return;
        ret->n = 1;
        holder_describe(j->root_fd, j->record->opener, h);
        h->uses = true;
        if (!h->command[0] && j->record->opener_name)
                (void) snprintf(h->command, sizeof(h->command), "%.16s", j->record->opener_name);
}

/* Nobody where nobody has it open but, maybe, @caller and its ancestors. */
static int find(Job *j, pid_t caller, Holders *ret) {
        _cleanup_(freep) char *folder = NULL;
        HolderDevice devices[HOLDER_DEVICES_MAX];
        size_t n = 0;
        int r;

        r = job_folder(j, &folder);
        if (r >= 0)
                r = holders_devices_of(j->root_fd, folder, devices, &n);
        if (r >= 0)
                r = holders_find(j->root_fd, devices, n, caller, ret);
        /* one that is gone has nobody; else who cannot look does not know that there is nobody */
        if (r < 0 && r != -ENOENT && r != -ENODEV)
                return log_error_errno(r, &(LogFields){ .topic = "worker" },
                                       "Cannot find out who has %s open: %m",
                                       UUID_STR(&j->record->uuid));
        if (ret->n == 0 && j->record->opener > 0)
                take_opener(j, ret);
        return 0;
}

/* *@ret stays NULL where there is nobody. Who it is goes to the record. */
static int say(Job *j, const Holders *holders, char **ret) {
        int r = 0;

        if (holders->n > 0)
                r = job_set_who(j, holders->holders, MIN(holders->n, (size_t) HOLDERS_MAX),
                                holders->n);
        return r < 0 ? r : count(j, holders, ret);
}

/*
 * The daemon was told of every open, but one that came after it had decided is seen here only: a VM
 * that begins just when a lease ends keeps its device. (One between this and the write is asked to
 * let it go.)
 */
static void note_opened(Job *j) {
        _cleanup_(freep) char *path = NULL, *text = NULL;

        if (j->record->opened == 0 &&
            job_path(j, &path, "%s/mdevd/opened", UUID_STR(&j->record->uuid)) >= 0 &&
            read_attr_at(j->root_fd, path, &text) >= 0)
                j->record->opened = streq(text, "1");
}

int job_check_holders(Job *j) {
        _cleanup_(freep) char *how_many = NULL;
        Holders holders = {};
        int r;

        if (j->record->ours)
                note_opened(j);
        if (j->record->ours && j->record->opened == 0)
                return 0;
        r = find(j, j->record->caller, &holders);
        if (r < 0)
                return refuse_unknown(j, r);
        r = say(j, &holders, &how_many);
        return r < 0 || !how_many ? r : refuse(j, how_many);
}

int job_look(Job *j) {
        int r;

        j->record->holders = calloc(1, sizeof(*j->record->holders));
        if (!j->record->holders)
                return -ENOMEM;
        r = find(j, 0, j->record->holders);
        return r < 0 ? r : say(j, j->record->holders, &j->record->text);
}
