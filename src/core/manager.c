/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * manager.c: owns the whole: what there is at start, in which order it is built, and what is taken
 * down. The work is in the files beside it, see internal.h.
 */
#include "core/manager.h"

#include <fcntl.h>
#include <sys/file.h>

#include "config/store.h"
#include "core/internal.h"
#include "util/fs.h"
#include "util/log-ids.h"
#include "util/log.h"

#define LOCK_FILE MDEVD_PATH_RUN "/lock"

int manager_new(Manager **ret, sd_event *event, const char *root) {
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->root_fd = m->lock_fd = m->control_fd = -EBADF;
        list_init(&m->planned);
        list_init(&m->operations);
        list_init(&m->active);
        list_init(&m->loads);
        list_init(&m->writers);
        list_init(&m->attempts);
        list_init(&m->lease_users);
        list_init(&m->looks);
        m->look_usec = LOOK_LIMIT_USEC;
        list_init(&m->function_waits);
        list_init(&m->cards_at_work);
        list_init(&m->tried);
        m->event = sd_event_ref(event);
        m->root = strdup(root);
        if (!m->root)
                return -ENOMEM;
        m->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->root_fd < 0)
                return -errno;
        r = worker_pool_new(&m->workers, event, m->root_fd, m->root);
        if (r >= 0)
                r = model_new(&m->model);
        if (r >= 0)
                r = refresh_init(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

void manager_set_worker_program(Manager *m, int fd) {
        worker_pool_set_program(m->workers, fd);
}

void manager_set_launch(Manager *m, const EscortLaunch *launch) {
        m->launch = *launch;
}

/* Nobody is told of anything any more. Workers go on. */
Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        m->observer = (Observer){};
        watch_free(m->watch);
        touch_free(m->touch);
        kmod_events_free(m->kmod_events);
        kmod_free(m->kmod);
        refresh_done(m);
        sd_event_source_disable_unref(m->linger);
        sd_event_source_disable_unref(m->blocked);
        sd_event_source_disable_unref(m->unplug);
        sd_event_source_disable_unref(m->mends);
        sd_event_source_disable_unref(m->available_timer);
        sd_event_source_disable_unref(m->lease_timer);
        lease_users_done(m);
        looks_done(m);
        function_waits_done(m);
        if (m->active.next)
                operations_recall(m);
        recover_forget_cards(m);
        list_foreach_safe(op, &m->operations, Operation, node)
                operation_free(op);
        uevents_free(m->uevents); /* what was taken back may have touched them */
        worker_pool_free(m->workers);
        writers_forget(m);
        autostart_done(m);
        parents_forgive(m, NULL);
        model_free(m->model);
        config_free(m->config);
        safe_close(m->control_fd);
        safe_close(m->lock_fd);
        safe_close(m->root_fd);
        free(m->root);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

void manager_take_control(Manager *m, int fd) {
        safe_close(m->control_fd);
        m->control_fd = fd;
}

void manager_set_observer(Manager *m, const Observer *observer) {
        m->observer = *observer;
}

int manager_set_timer(Manager *m, sd_event_source **timer, uint64_t usec,
                      sd_event_time_handler_t on_time) {
        int r;

        if (usec == UINT64_MAX)
                return *timer ? sd_event_source_set_enabled(*timer, SD_EVENT_OFF) : 0;
        if (!*timer)
                return sd_event_add_time(m->event, timer, CLOCK_MONOTONIC, usec, 0, on_time, m);
        r = sd_event_source_set_time(*timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

/* Two daemons on one root would adopt each other's operations. */
static int take_lock(Manager *m) {
        int r;

        r = mkdir_parents_at(m->root_fd, MDEVD_PATH_RUN "/", 0755);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot make /" MDEVD_PATH_RUN ": %m");
        /* A file that only root can open: who can open one can lock it. */
        m->lock_fd = openat(m->root_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (m->lock_fd < 0)
                return log_error_errno(-errno, NULL, "Cannot open /" LOCK_FILE ": %m");
        if (flock(m->lock_fd, LOCK_EX | LOCK_NB) >= 0)
                return 0;
        r = -errno;
        if (r == -EWOULDBLOCK)
                log_error(NULL, "Another mdevd runs on this root (%s); end that one first.",
                          m->root);
        return r;
}

static void log_problems(Manager *m) {
        list_foreach(p, &m->config->problems, ConfigProblem, node) {
                const LogFields f = { .message_id = LOG_ID_CONFIG_INVALID, .topic = "config" };

                if (p->line > 0)
                        log_warning(&f, "%s:%u:%u: %s", p->file, p->line, p->column, p->text);
                else
                        log_warning(&f, "%s: %s", p->file, p->text);
        }
}

static int load(Manager *m) {
        int r;

        r = config_load(&m->config, m->root_fd);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot read the configuration: %m");
        /* What a crash left half done is done, or undone, before anybody reads it. */
        r = store_sweep(m->root_fd);
        if (r < 0)
                (void) log_error_errno(r, FIELDS(.topic = "definition"),
                                       "Cannot clean up among the definitions: %m");
        r = definitions_watch(m);
        if (r < 0)
                (void) log_error_errno(r, FIELDS(.topic = "definition"),
                                       "Cannot watch the definitions, so changes by others are "
                                       "seen at the next reload: %m");
        r = definitions_load(m, &m->config->problems);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot read the definitions: %m");
        rules_begin(m);
        r = profiles_check(m, &m->config->problems);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot check the profiles: %m");
        log_problems(m);
        return parents_link_configured(m);
}

int manager_start(Manager *m) {
        int r;

        r = take_lock(m);
        if (r >= 0)
                r = load(m);
        if (r < 0)
                return r;

        /* First the ears, then the eyes: what changes while we look is looked at again. */
        r = uevents_new(&m->uevents, m->event, m->root_fd, m->root, refresh_on_uevent, m);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot listen to uevents: %m");
        (void) module_open(m);

        /* Parents first, since operations are planned on them; then operations, since they claim
         * devices and know who made them; then devices. */
        r = recover_note_cards(m);
        if (r >= 0)
                r = parents_update_all(m);
        if (r >= 0)
                r = refresh_parents_now(m);
        if (r >= 0)
                r = recover_operations(m);
        recover_forget_cards(m); /* from here on these operations say so */
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot find out what there is: %m");
        refresh_all(m);
        while (r >= 0 && (m->refresh.everything || m->refresh.query ||
                          !list_is_empty(&m->refresh.parents)))
                r = refresh_now(m);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot find out what there is: %m");
        operations_settle(m);
        (void) devices_sweep_origins(m);
        if (m->touch)
                touch_flush(m->touch); /* workers of an earlier daemon: that was looked at by now */
        r = rules_check(m);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot check the rules: %m");
        autostart_sync(m);
        m->started = true;
        return 0;
}

int manager_autostart(Manager *m) {
        m->autostart = true;
        (void) worker_pool_prepare(m->workers); /* else the first operation does */
        parents_forgive(m, NULL);
        mends_begin(m);
        profiles_remove_unwanted(m);
        refresh_autostart(m);
        return 0;
}

int manager_reload(Manager *m) {
        _cleanup_(config_freep) Config *config = NULL;
        int r;

        r = config_load(&config, m->root_fd);
        if (r >= 0)
                r = definitions_load(m, &config->problems);
        if (r >= 0)
                r = rules_take(m, config);
        autostart_sync(m); /* wants are borrowed from the rules, and these may be others now */
        if (r >= 0)
                r = profiles_check(m, &config->problems);
        if (r < 0)
                return log_error_errno(r, NULL, "Cannot read the configuration: %m");
        config_free(m->config);
        m->config = TAKE_PTR(config);
        log_problems(m);

        list_foreach(p, &m->model->parents, Parent, node)
                p->in_config = parents_find_config(m, p->name);
        r = parents_link_configured(m);
        if (r < 0)
                return r;
        (void) module_open(m);
        parents_forgive(m, NULL);
        autostart_retry(m, NULL, false);
        mends_begin(m);
        refresh_all(m);
        refresh_autostart(m);
        parents_collect(m);
        return 0;
}

Model *manager_get_model(Manager *m) {
        return m->model;
}

const List *manager_get_planned(Manager *m) {
        return &m->planned;
}

const List *manager_get_operations(Manager *m) {
        return &m->operations;
}

const List *manager_get_problems(Manager *m) {
        static List none = LIST_INIT(none);

        return m->config ? &m->config->problems : &none;
}

Operation *manager_find_operation(Manager *m, uint64_t id) {
        /* the latest are those that are asked for */
        for (List *i = m->operations.prev; i != &m->operations; i = i->prev) {
                Operation *op = list_entry(i, Operation, node);

                if (op->id == id)
                        return op;
        }
        return NULL;
}
