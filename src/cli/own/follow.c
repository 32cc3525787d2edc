/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow.c owns waiting for an operation, and what is said meanwhile. */
#include "cli/own/follow.h"

#include <inttypes.h>
#include <signal.h>

#include "cli/own/exit.h"
#include "cli/own/screen.h"
#include "names.h"
#include "util/json.h"
#include "util/parse.h"

#define QUIET_USEC UINT64_C(2000000)
#define REDRAW_USEC UINT64_C(1000000)
#define SPINNER "|/-\\"

typedef struct Watch Watch;

/* How the daemon is. */
typedef enum Presence {
        PRESENCE_ANSWERS,
        PRESENCE_SILENT, /* it is there, and an answer has been waited for for long */
        PRESENCE_AWAY,   /* it may come back */
} Presence;

struct Watch {
        Client *client;
        const char *path; /* NULL: the operation is not there yet */
        uint64_t began;
        Screen screen; /* stderr */
        bool drawn;    /* the progress line is there */
        bool changed;  /* something was signalled since the last look */
        sd_bus_slot *changes, *owners; /* what signals that */
        Presence presence;
        unsigned frame;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) {
        (void) signal;
        interrupted = 1;
}

void followed_done(Followed *f) {
        free(f->id);
        free(f->kind);
        free(f->uuid);
        free(f->parent);
        free(f->type);
        free(f->owner);
        free(f->error);
        *f = (Followed) {};
}

static void erase(Watch *w) {
        if (w->drawn && w->screen.terminal)
                (void) fputs("\r\033[K", stderr);
        w->drawn = false;
}

static void set_presence(Watch *w, Presence now) {
        if (w->presence != now)
                erase(w); /* there is something new to say */
        w->presence = now;
}

/* To be read; -EINTR: Ctrl-C. Only somebody else's absence is no error: it can come back. */
static int get(Watch *w, const char *name, sd_bus_message **ret) {
        int r = client_get(w->client, w->path, MDEVD_IFACE_OPERATION, name, ret);

        if (r == 0)
                set_presence(w, PRESENCE_ANSWERS);
        return r > 0 ? -EREMOTEIO : r;
}

static int property(Watch *w, const char *name, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        int r;

        r = get(w, name, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "v", "s", &text);
        if (r < 0)
                return r;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* ---- progress ---- */

/* ", 4 MiB of 64 MiB moved", or nothing. A profile counts steps. */
static void describe_progress(Watch *w, const char *kind, char *buf, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t done = 0, all = 0;
        uint32_t step;

        buf[0] = '\0';
        if (get(w, "Progress", &reply) >= 0 &&
            sd_bus_message_read(reply, "v", "(ttu)", &done, &all, &step) > 0 && all > 0) {
                if (streq(kind, "profile"))
                        (void) snprintf(buf, size, ", %" PRIu64 " of %" PRIu64 " steps done", done,
                                        all);
                else
                        (void) snprintf(buf, size, ", %s of %s moved", SIZE_STR(done),
                                        SIZE_STR(all));
        }
}

/* A step that counts needs no name beside its numbers: the line must fit. */
static void describe(Watch *w, const char *kind, const char *step, char *buf, size_t size) {
        const char *id = strrchr(w->path, '/') + 1;
        char moved[96];

        if (w->presence != PRESENCE_ANSWERS) {
                (void) snprintf(buf, size, w->presence == PRESENCE_AWAY
                                        ? "mdevd went away; operation %s goes on without it, and "
                                          "is waited for"
                                        : "mdevd does not answer; operation %s is waited for, "
                                          "Ctrl-C ends that", id);
                return;
        }
        describe_progress(w, kind, moved, sizeof(moved));
        (void) snprintf(buf, size, "%c operation %s: %s%s%s%s%s, %" PRIu64 " s; Ctrl-C leaves it "
                        "running", w->screen.terminal ? SPINNER[w->frame++ % strlen(SPINNER)] : '-',
                        id, kind, moved, moved[0] ? "" : ", at step \"", moved[0] ? "" : step,
                        moved[0] ? "" : "\"",
                        (client_now_usec(CLOCK_MONOTONIC) - w->began) / 1000000);
}

static void draw(Watch *w) {
        _cleanup_(freep) char *kind = NULL, *step = NULL;
        char text[512];

        if (w->drawn && !w->screen.terminal)
                return; /* once is enough */
        if (w->presence == PRESENCE_ANSWERS &&
            (property(w, "Kind", &kind) < 0 || property(w, "Step", &step) < 0))
                return;
        erase(w);
        describe(w, kind, step, text, sizeof(text));
        screen_print_cut(&w->screen, stderr, text, w->screen.cut_at ?: SIZE_MAX);
        if (!w->screen.terminal)
                (void) fputc('\n', stderr);
        w->drawn = true;
}

/* ---- the course ---- */

/* The loop looks then. */
static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Watch *w = userdata;

        w->changed = true;
        return 0;
}

/* An answer is waited for for long. */
static void on_wait(void *userdata) {
        Watch *w = userdata;

        set_presence(w, PRESENCE_SILENT);
        draw(w);
}

/* Before the call, so that no change is missed. */
static int subscribe(Watch *w) {
        int r;

        r = sd_bus_match_signal(w->client->bus, &w->changes, MDEVD_BUS_NAME, NULL,
                                "org.freedesktop.DBus.Properties", "PropertiesChanged", on_signal,
                                w);
        if (r >= 0)
                r = sd_bus_add_match(w->client->bus, &w->owners,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "member='NameOwnerChanged',arg0='" MDEVD_BUS_NAME "'",
                                     on_signal, w);
        return r < 0 ? r : 0;
}

static void unsubscribe(Watch *w) {
        w->changes = sd_bus_slot_unref(w->changes);
        w->owners = sd_bus_slot_unref(w->owners);
}

static int leave(Watch *w) {
        const char *id = strrchr(w->path, '/') + 1;

        erase(w);
        (void) fprintf(stderr, "Operation %s goes on; `mdevdctl operations %s` shows how far it "
                       "is.\n", id, id);
        return EXIT_INTERRUPTED;
}

/* Ctrl-C while it is asked how it ended. */
static int leave_ended(Watch *w) {
        const char *id = strrchr(w->path, '/') + 1;

        erase(w);
        (void) fprintf(stderr, "Operation %s has ended; `mdevdctl operations %s` shows how.\n", id,
                       id);
        return EXIT_INTERRUPTED;
}

/* Its state, or NULL while the daemon is away. EXIT_SUCCESS, or the end of it all. */
static int look(Watch *w, char **ret) {
        bool there;
        int r;

        *ret = NULL;
        w->changed = false;
        r = property(w, "State", ret);
        if (r == -EINTR)
                return EXIT_SUCCESS;
        there = r >= 0 || sd_bus_get_name_creds(w->client->bus, MDEVD_BUS_NAME, 0, NULL) >= 0;
        set_presence(w, there ? PRESENCE_ANSWERS : PRESENCE_AWAY);
        if (r >= 0 || !there)
                return EXIT_SUCCESS;
        erase(w);
        return answer_failed("mdevd does not know the operation any more (%s); `mdevdctl list` "
                             "shows what became of it.", w->client->error.message ?: strerror(-r));
}

static int wait_more(Watch *w) {
        uint64_t age = client_now_usec(CLOCK_MONOTONIC) - w->began;
        int r;

        r = sd_bus_process(w->client->bus, NULL);
        if (r != 0)
                return r == -EINTR ? 0 : r;
        if (age >= QUIET_USEC)
                draw(w);
        if (w->changed || interrupted)
                return 0; /* drawing has asked, and what came meanwhile is dispatched */
        r = sd_bus_wait(w->client->bus, age < QUIET_USEC ? QUIET_USEC - age : REDRAW_USEC);
        return r == -EINTR ? 0 : r;
}

static int read_end(Watch *w, Followed *ret) {
        const struct {
                const char *name;
                char **ret;
        } texts[] = {
                { "Kind", &ret->kind }, { "Uuid", &ret->uuid },   { "Parent", &ret->parent },
                { "Type", &ret->type }, { "Owner", &ret->owner },
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                int r = property(w, texts[i].name, texts[i].ret);

                if (r == -EINTR)
                        return leave_ended(w);
                if (r < 0)
                        return exit_refused(w->client);
        }
        ret->id = strdup(strrchr(w->path, '/') + 1);
        return ret->id ? EXIT_SUCCESS : answer_failed_errno(-ENOMEM, "cannot show it");
}

/* Its sentence is said even where its name cannot be found out any more. */
static int report_failure(Watch *w, Followed *ret) {
        _cleanup_(freep) char *name = NULL, *text = NULL;
        int r;

        r = property(w, "Error", &text);
        if (r >= 0)
                r = property(w, "ErrorName", &name);
        if (r == -EINTR && !text)
                return leave_ended(w);
        erase(w);
        if (!text || !text[0])
                (void) answer_failed("operation %s failed, and its reason cannot be asked for any "
                                     "more: %s", strrchr(w->path, '/') + 1,
                                     r < 0 ? w->client->error.message ?: strerror(-r)
                                           : "it has none");
        else
                (void) answer_failed("%s", text);
        r = exit_of_error(name);
        if (ret)
                ret->error = TAKE_PTR(name);
        return r;
}

static int report(Watch *w, const char *state, Followed *ret) {
        erase(w);
        if (streq(state, "failed"))
                return report_failure(w, ret);
        return ret ? read_end(w, ret) : EXIT_SUCCESS;
}

static int watch(Watch *w, Followed *ret) {
        for (;;) {
                _cleanup_(freep) char *state = NULL;
                int r;

                r = look(w, &state);
                if (r != EXIT_SUCCESS)
                        return r;
                if (state && !streq(state, "running"))
                        return report(w, state, ret);
                while (!w->changed) {
                        if (interrupted)
                                return leave(w);
                        r = wait_more(w);
                        if (r < 0 && !interrupted) {
                                erase(w);
                                return answer_failed_errno(r, "the connection to the bus broke");
                        }
                }
        }
}

/* Ctrl-C before anything was sent. */
static int leave_unasked(void) {
        (void) fputs("Nothing was asked of mdevd.\n", stderr);
        return EXIT_INTERRUPTED;
}

/* Ctrl-C before there is an operation. */
static int leave_unanswered(void) {
        (void) fputs("mdevd has not answered; `mdevdctl operations` shows whether it does what it "
                     "was asked for.\n", stderr);
        return EXIT_INTERRUPTED;
}

static int send_and_watch(Watch *w, sd_bus_message *m, Followed *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = subscribe(w);
        if (r < 0 && interrupted)
                return leave_unasked();
        if (r < 0)
                return answer_failed_errno(r, "cannot listen to mdevd");
        r = client_send(w->client, m, &reply);
        if (r == -EINTR)
                return leave_unanswered();
        if (r > 0)
                return exit_refused(w->client);
        r = r < 0 ? r : sd_bus_message_read(reply, "o", &w->path);
        if (r < 0)
                return answer_failed_errno(r, "cannot ask mdevd");
        w->client->waits = on_wait;
        w->client->userdata = w;
        w->began = client_now_usec(CLOCK_MONOTONIC);
        return watch(w, ret);
}

int follow(Client *c, sd_bus_message *m, Followed *ret) {
        const struct sigaction action = { .sa_handler = on_interrupt };
        struct sigaction before;
        Watch w = { .client = c };
        int r;

        interrupted = 0;
        (void) sigaction(SIGINT, &action, &before);
        screen_look_at_stderr(&w.screen);
        c->stop = &interrupted;
        r = send_and_watch(&w, m, ret);
        unsubscribe(&w);
        c->stop = NULL;
        c->waits = NULL;
        (void) sigaction(SIGINT, &before, NULL);
        if (interrupted && ret) {
                free(ret->error); /* nothing more is to be asked */
                ret->error = NULL;
        }
        return r;
}

void followed_print_json(const Followed *f, JsonMode mode) {
        const char *const names[] = { "kind", "uuid", "parent", "type", "owner" };
        const char *const values[] = { f->kind, f->uuid, f->parent, f->type, f->owner };
        bool pretty = mode == JSON_PRETTY;

        /* nothing had to be done: there was no operation */
        (void) printf(pretty ? "{\n  \"operation\": %s" : "{\"operation\":%s", f->id ?: "null");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                (void) printf(pretty ? ",\n  \"%s\": " : ",\"%s\":", names[i]);
                if (values[i])
                        json_write_string(stdout, values[i]);
                else
                        (void) fputs("null", stdout);
        }
        (void) fputs(pretty ? "\n}\n" : "}\n", stdout);
}

int followed_print(const Followed *f, JsonMode mode) {
        if (mode != JSON_OFF)
                followed_print_json(f, mode);
        return answer_flush();
}

int follow_and_print(Client *c, sd_bus_message *m, const Given *given) {
        JsonMode mode = own_json_mode(given);
        _cleanup_(followed_done) Followed f = {};
        int r;

        r = follow(c, m, mode == JSON_OFF ? NULL : &f);
        return r != EXIT_SUCCESS || mode == JSON_OFF ? r : followed_print(&f, mode);
}
