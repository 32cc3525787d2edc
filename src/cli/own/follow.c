/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow.c owns waiting for an operation, and what is said meanwhile. */
#include "cli/own/follow.h"

#include <inttypes.h>
#include <signal.h>
#include <time.h>

#include "cli/own/exit.h"
#include "cli/own/screen.h"
#include "names.h"
#include "util/json.h"
#include "util/parse.h"

#define QUIET_USEC UINT64_C(2000000)
#define REDRAW_USEC UINT64_C(1000000)
#define SPINNER "|/-\\"

typedef struct Watch Watch;

struct Watch {
        Client *client;
        const char *path;
        uint64_t began;
        Screen screen; /* stderr */
        bool drawn;    /* the progress line is there */
        bool lost;     /* the daemon went away; it may come back */
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
        *f = (Followed) {};
}

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* Only somebody else's absence is no error: it can come back. */
static int property(Watch *w, const char *name, char **ret) {
        sd_bus_error_free(&w->client->error);
        return sd_bus_get_property_string(w->client->bus, MDEVD_BUS_NAME, w->path,
                                          MDEVD_IFACE_OPERATION, name, &w->client->error, ret);
}

/* ---- progress ---- */

static void erase(Watch *w) {
        if (w->drawn && w->screen.terminal)
                (void) fputs("\r\033[K", stderr);
        w->drawn = false;
}

/* ", 4 MiB of 64 MiB moved", or nothing. A profile counts steps. */
static void describe_progress(Watch *w, const char *kind, char *buf, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t done = 0, all = 0;

        buf[0] = '\0';
        if (sd_bus_get_property(w->client->bus, MDEVD_BUS_NAME, w->path, MDEVD_IFACE_OPERATION,
                                "Progress", NULL, &reply, "(ttu)") >= 0 &&
            sd_bus_message_enter_container(reply, 'r', "ttu") > 0 &&
            sd_bus_message_read(reply, "tt", &done, &all) > 0 && all > 0) {
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

        if (w->lost) {
                (void) snprintf(buf, size, "mdevd went away; operation %s goes on without it, and "
                                "is waited for", id);
                return;
        }
        describe_progress(w, kind, moved, sizeof(moved));
        (void) snprintf(buf, size, "%c operation %s: %s%s%s%s%s, %" PRIu64 " s; Ctrl-C leaves it "
                        "running", w->screen.terminal ? SPINNER[w->frame++ % strlen(SPINNER)] : '-',
                        id, kind, moved, moved[0] ? "" : ", at step \"", moved[0] ? "" : step,
                        moved[0] ? "" : "\"", (now_usec() - w->began) / 1000000);
}

static void draw(Watch *w) {
        _cleanup_(freep) char *kind = NULL, *step = NULL;
        char text[512];

        if (w->drawn && !w->screen.terminal)
                return; /* once is enough */
        if (!w->lost && (property(w, "Kind", &kind) < 0 || property(w, "Step", &step) < 0))
                return;
        erase(w);
        describe(w, kind, step, text, sizeof(text));
        screen_print_cut(&w->screen, stderr, text, w->screen.cut_at ?: SIZE_MAX);
        if (!w->screen.terminal)
                (void) fputc('\n', stderr);
        w->drawn = true;
}

/* ---- the course ---- */

/* Nothing needs to be done: it wakes the loop, which then looks. */
static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return 0;
}

/* Before the call, so that no change is missed. */
static int subscribe(Client *c) {
        int r;

        r = sd_bus_match_signal(c->bus, NULL, MDEVD_BUS_NAME, NULL,
                                "org.freedesktop.DBus.Properties", "PropertiesChanged", on_signal,
                                NULL);
        if (r >= 0)
                r = sd_bus_add_match(c->bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "member='NameOwnerChanged',arg0='" MDEVD_BUS_NAME "'",
                                     on_signal, NULL);
        return r < 0 ? r : 0;
}

static int leave(Watch *w) {
        const char *id = strrchr(w->path, '/') + 1;

        erase(w);
        (void) fprintf(stderr, "Operation %s goes on; `mdevdctl operations %s` shows how far it "
                       "is.\n", id, id);
        return EXIT_INTERRUPTED;
}

/* Its state, or NULL while the daemon is away. EXIT_SUCCESS, or the end of it all. */
static int look(Watch *w, char **ret) {
        bool was_lost = w->lost;
        int r;

        *ret = NULL;
        r = property(w, "State", ret);
        if (r < 0 && interrupted)
                return EXIT_SUCCESS; /* the call may have been cut short by that */
        w->lost = r < 0 && sd_bus_get_name_creds(w->client->bus, MDEVD_BUS_NAME, 0, NULL) < 0;
        if (w->lost != was_lost)
                erase(w); /* there is something new to say */
        if (r >= 0 || w->lost)
                return EXIT_SUCCESS;
        erase(w);
        return answer_failed("mdevd does not know the operation any more (%s); `mdevdctl list` "
                             "shows what became of it.", w->client->error.message ?: strerror(-r));
}

static int wait_more(Watch *w) {
        uint64_t age = now_usec() - w->began;
        int r;

        r = sd_bus_process(w->client->bus, NULL);
        if (r != 0)
                return r;
        if (age >= QUIET_USEC)
                draw(w);
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

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (property(w, texts[i].name, texts[i].ret) < 0)
                        return exit_refused(w->client);
        ret->id = strdup(strrchr(w->path, '/') + 1);
        return ret->id ? EXIT_SUCCESS : answer_failed_errno(-ENOMEM, "cannot show it");
}

static int report(Watch *w, const char *state, Followed *ret) {
        _cleanup_(freep) char *name = NULL, *text = NULL;

        erase(w);
        if (streq(state, "failed")) {
                (void) property(w, "Error", &text);
                (void) property(w, "ErrorName", &name);
                (void) answer_failed("%s", text && text[0] ? text : "it failed without a reason");
                return exit_of_error(name);
        }
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
                do {
                        if (interrupted)
                                return leave(w);
                        r = wait_more(w);
                        if (r < 0 && !interrupted) {
                                erase(w);
                                return answer_failed_errno(r, "the connection to the bus broke");
                        }
                } while (r <= 0);
        }
}

int follow(Client *c, sd_bus_message *m, Followed *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const struct sigaction action = { .sa_handler = on_interrupt };
        Watch w = { .client = c };
        int r;

        r = subscribe(c);
        if (r < 0)
                return answer_failed_errno(r, "cannot listen to mdevd");
        r = client_send(c, m, &reply);
        if (r > 0)
                return exit_refused(c);
        r = r < 0 ? r : sd_bus_message_read(reply, "o", &w.path);
        if (r < 0)
                return answer_failed_errno(r, "cannot ask mdevd");
        (void) sigaction(SIGINT, &action, NULL);
        screen_look_at_stderr(&w.screen);
        w.began = now_usec();
        return watch(&w, ret);
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

int follow_and_print(Client *c, sd_bus_message *m, const Given *given) {
        JsonMode mode = own_json_mode(given);
        _cleanup_(followed_done) Followed f = {};
        int r;

        r = follow(c, m, mode == JSON_OFF ? NULL : &f);
        if (r != EXIT_SUCCESS || mode == JSON_OFF)
                return r;
        followed_print_json(&f, mode);
        return answer_flush();
}
