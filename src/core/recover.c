/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * recover.c: owns what becomes of operations that an earlier daemon began. A record whose lock is
 * held is running: it is adopted and awaited. One that nobody holds is an operation whose worker is
 * gone: it is settled like any other, against what the kernel shows. Either way it is on the bus
 * like one of ours, so a client that comes back with the same request joins it. What such a worker
 * writes to a card with virtual functions its driver may never end, and let nobody read meanwhile:
 * a card at which a worker has been for long is left out of the first look, and comes when that has
 * ended.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "core/internal.h"
#include "names.h"
#include "util/log-ids.h"
#include "util/log.h"

#define CARD_STUCK_SEC 2 /* as of an operation that is called blocked */

static int drop_broken(Manager *m, const char *name) {
        int r;

        log_warning(FIELDS(.topic = "recover"),
                    "File %s among the operations is no record; it is removed.", name);
        r = worker_forget_record(m->root_fd, name);
        if (r < 0)
                (void) log_warning_errno(r, FIELDS(.topic = "recover"), "Cannot remove %s: %m",
                                         name);
        return 0;
}

static int adopt(Manager *m, Operation *op) {
        const Record *record = op->record;
        int r;

        r = worker_adopt(&op->worker, m->workers, record, operation_on_worker, op);
        if (r < 0)
                return r;
        op->adopted = true;
        log_notice(FIELDS(.message_id = LOG_ID_OPERATION_ADOPTED, .topic = "recover",
                          .parent = record->parent, .device = UUID_STR(&record->uuid),
                          .type = record->type, .client = record->client),
                   "An operation (%s) on %s of an earlier run goes on.",
                   record_kind_to_string(record->kind), record->parent);
        return 0;
}

static int on_found(WorkerFound found, const char *name, Record **record, void *userdata) {
        Manager *m = userdata;
        Operation *op;
        int r;

        if (found == WORKER_BROKEN)
                return drop_broken(m, name);
        if (operations_count_running(m) >= OPERATIONS_RUNNING_MAX)
                return 0; /* more than we ever start: not ours; it stays where it is */

        r = operation_new(m, TAKE_PTR(*record),
                          found == WORKER_RUNNING ? OPERATION_WORKING : OPERATION_SETTLING, &op);
        if (r < 0 || found == WORKER_GONE)
                return r;
        return adopt(m, op);
}

int recover_operations(Manager *m) {
        return worker_scan(m->root_fd, on_found, m);
}

/* ---- cards at work ---- */

typedef struct Card Card;

struct Card {
        List node; /* in manager->cards_at_work */
        char *name;
};

static Card *card_free(Card *c) {
        if (!c)
                return NULL;
        list_unlink(&c->node);
        free(c->name);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(Card *, card_free)

/* Nothing has come of it for a while; one that is quick may be waited for. */
static bool is_stuck(Manager *m, const char *name) {
        _cleanup_(freep) char *path = NULL;
        struct timespec now;
        struct stat st;

        if (asprintf(&path, MDEVD_PATH_OPERATIONS "/%s", name) < 0 ||
            fstatat(m->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        (void) clock_gettime(CLOCK_REALTIME, &now);
        return now.tv_sec > st.st_mtim.tv_sec + CARD_STUCK_SEC;
}

static int note_card(WorkerFound found, const char *name, Record **record, void *userdata) {
        _cleanup_(card_freep) Card *c = NULL;
        Manager *m = userdata;

        if (found != WORKER_RUNNING || !(*record)->function || !is_stuck(m, name))
                return 0;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        list_init(&c->node);
        c->name = strdup((*record)->parent);
        if (!c->name)
                return -ENOMEM;
        list_append(&m->cards_at_work, &TAKE_PTR(c)->node);
        return 0;
}

int recover_note_cards(Manager *m) {
        return worker_scan(m->root_fd, note_card, m);
}

bool recover_has_card(Manager *m, const char *parent) {
        list_foreach(c, &m->cards_at_work, Card, node)
                if (streq(c->name, parent))
                        return true;
        return false;
}

void recover_forget_cards(Manager *m) {
        list_foreach_safe(c, &m->cards_at_work, Card, node)
                card_free(c);
}
