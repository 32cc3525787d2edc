/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status.c: the verb "status": one screen for someone whose host is on fire. It does not start the
 * daemon; while that is down, it says what goes on without it.
 */
#include "cli/own/card.h"
#include "cli/own/exit.h"
#include "cli/own/health.h"
#include "cli/own/own.h"
#include "cli/own/overview.h"
#include "cli/own/wrap.h"
#include "cli/argument.h"
#include "cli/daemon.h"
#include "cli/listing.h"
#include "names.h"

enum { STATUS_ALL = _OWN_PRINTS };

/* ---- while the daemon is down ---- */

static int read_files(int root_fd, Listing *active, Listing *defined) {
        const ListingFilter filter = { .invalid = true };
        int r;

        r = listing_read_active(root_fd, &filter, active);
        return r < 0 ? r : listing_read_defined(root_fd, &filter, defined);
}

static void print_down_json(const Listing *active, size_t n_defined) {
        (void) fputs("{\"running\":false,\"devices\":[", stdout);
        for (size_t i = 0; i < active->n; i++) {
                const Definition *d = active->rows[i].definition;

                (void) printf("%s\n{\"uuid\":\"%s\",\"parent\":", i > 0 ? "," : "",
                              UUID_STR(&d->uuid));
                json_write_string(stdout, d->parent);
                (void) fputs(",\"type\":", stdout);
                json_write_string(stdout, d->type ?: "");
                (void) putchar('}');
        }
        (void) printf("],\"definitions\":%zu}\n", n_defined);
}

/* A sentence that stands beside @sign. */
static void print_way_out(const Screen *s, const char *text) {
        (void) printf("  %s ", screen_glyph(s, "→", "->"));
        wrap_line(s, (unsigned) (3 + screen_columns(screen_glyph(s, "→", "->"))), 4, text);
}

static void print_down_head(const Screen *s, int root_fd, size_t n, size_t n_defined) {
        char text[256];

        (void) printf("%s mdevd is %snot running%s.\n", screen_glyph(s, "○", "o"),
                      screen_colour(s, COLOUR_RED), screen_colour(s, COLOUR_NONE));
        (void) snprintf(text, sizeof(text),
                        "The devices there are go on without it, and so do the virtual machines "
                        "that use them: %zu, and %zu definition%s. Nothing new is made, nor "
                        "started by itself.", n, n_defined, n_defined == 1 ? "" : "s");
        (void) fputs("  ", stdout);
        wrap_line(s, 2, 2, text);
        print_way_out(s, "`systemctl start mdevd` starts it; `journalctl -u mdevd` says why it "
                         "ended.");
        if (!daemon_is_enabled(root_fd))
                print_way_out(s, "It is not enabled: `systemctl enable --now mdevd` starts it at "
                                 "boot and on demand as well.");
        if (faccessat(root_fd, MDEVD_PATH_CONTROL, F_OK, 0) < 0)
                print_way_out(s, "mdevd.ko is not loaded (`modprobe mdevd`); devices of other "
                                 "drivers do not need it.");
        if (n > 0)
                (void) putchar('\n');
}

/* @lines: of the screen; 0: as many as it takes. */
static int print_down_text(const Screen *s, int root_fd, const Listing *active, size_t n_defined,
                           size_t lines) {
        size_t used, max = SIZE_MAX;
        Diverted d;
        int r = screen_divert(&d);

        if (r < 0)
                return r;
        print_down_head(s, root_fd, active->n, n_defined);
        screen_restore(&d);
        used = screen_lines(s, d.text ?: "");
        (void) fputs(d.text ?: "", stdout);
        free(d.text);
        if (lines > 0 && used + active->n > lines)
                max = lines > used + 1 ? lines - used - 1 : 0;
        for (size_t i = 0; i < active->n && i < max; i++) {
                const Definition *x = active->rows[i].definition;

                (void) printf("  %s  %s on %s\n", UUID_STR(&x->uuid), type_name(x->type ?: "-"),
                              x->parent);
        }
        if (max < active->n)
                (void) printf("  and %zu more; see `mdevdctl status --all`\n", active->n - max);
        return 0;
}

/* Of a terminal whose height is known, but for the prompt's; 0: all is wanted, or it is none. */
static size_t lines_of(const Screen *s, const Given *given) {
        return s->height > 1 && !GIVEN(given, STATUS_ALL) ? s->height - 1 : 0;
}

static int show_down(const Given *given) {
        _cleanup_(closep) int root_fd = argument_open_root();
        _cleanup_(listing_done) Listing active = {}, defined = {};
        Screen s;
        int r = root_fd;

        if (r >= 0)
                r = read_files(root_fd, &active, &defined);
        if (r < 0)
                return answer_failed_errno(r, "mdevd is not running, and its files cannot be read");
        own_open(&s, given, GIVEN(given, STATUS_ALL));
        if (s.json != JSON_OFF)
                print_down_json(&active, defined.n);
        else
                r = print_down_text(&s, root_fd, &active, defined.n, lines_of(&s, given));
        if (r < 0)
                (void) answer_failed_errno(r, "cannot show it");
        r = screen_close(&s);
        return r == EXIT_SUCCESS ? EXIT_NOT_RUNNING : r;
}

/* ---- while it is up ---- */

static void print_json(const Screen *s, const State *state, const Health *h) {
        (void) fputs("{\"running\":true,\"troubles\":[", stdout);
        for (size_t i = 0; i < h->n; i++) {
                (void) fputs(i > 0 ? ",\n{\"what\":" : "\n{\"what\":", stdout);
                json_write_string(stdout, h->troubles[i].what);
                (void) fputs(",\"remedy\":", stdout);
                json_write_string(stdout, h->troubles[i].remedy);
                (void) printf(",\"warning\":%s}", h->troubles[i].warning ? "true" : "false");
        }
        (void) fputs("],\n\"state\":", stdout);
        node_print_json(stdout, state->doc->nodes, s->json, 0);
        (void) fputs("}\n", stdout);
}

/* By the pager only if it is more than a screen: a word that is too long would keep that up. */
static int show_card(Screen *s, const State *state, const Given *given, const Found *found) {
        Diverted d;
        int r = screen_divert(&d);

        if (r < 0)
                return r;
        r = card_print(s, state, found);
        screen_restore(&d);
        if (screen_lines(s, d.text ?: "") >= s->height)
                own_open(s, given, true);
        (void) fputs(d.text ?: "", stdout);
        free(d.text);
        return r;
}

/* One screen, unless all is asked for or it goes elsewhere. */
static int show_text(Screen *s, const State *state, const Health *h, const Given *given,
                     const Found *found) {
        if (found->uuid)
                return show_card(s, state, given, found);
        if (lines_of(s, given) == 0)
                own_open(s, given, true);
        return overview_print(s, state, h, given->operand, lines_of(s, given));
}

static int show(const State *state, const Given *given) {
        _cleanup_(health_done) Health h = {};
        const char *word = given->operand;
        const JsonNode *parent = word ? node_find(state->parents, "name", word) : NULL;
        Found found = {};
        Screen s;
        int r;

        if (word && !parent) {
                /* no UUID has a colon, and most parents have */
                r = strchr(word, ':') && !strchr(word, '/')
                            ? state_find_parent(state, word, &parent)
                            : state_find_device(state, word, &found);
                if (r != EXIT_SUCCESS)
                        return r;
        }
        r = health_read(state, &h);
        own_open(&s, given, own_json_mode(given) != JSON_OFF);
        if (r >= 0 && s.json == JSON_OFF)
                r = show_text(&s, state, &h, given, &found);
        else if (r >= 0 && found.uuid)
                card_print_json(&s, state, &found);
        else if (r >= 0 && parent) {
                node_print_json(stdout, parent, s.json, 0);
                (void) putchar('\n');
        } else if (r >= 0)
                print_json(&s, state, &h);
        if (r < 0)
                (void) answer_failed_errno(r, "cannot show it");
        return screen_close(&s) == EXIT_SUCCESS && r >= 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(client_done) Client client = {};
        _cleanup_(state_done) State state = {};
        int r;

        (void) verb;
        r = client_is_running(&client);
        if (r < 0)
                return answer_failed_errno(r, "cannot look for mdevd");
        if (r == 0)
                return show_down(given);
        r = state_load(&client, &state);
        return r != EXIT_SUCCESS ? r : show(&state, given);
}

static const Option options[] = {
        OWN_PRINT_OPTIONS,
        [STATUS_ALL] = { "all", 'a', .help = "All of it, where it is more than a screen" },
};

const Verb own_status = {
        .name = "status",
        .title = "All on one screen: pools, devices, what is wrong and what to do",
        .text = "With a parent, that parent; with a UUID (the first 4 digits will do if no other\n"
                "begins so), all that is known of that device. What does not fit a terminal is\n"
                "counted instead of listed, and it says so; pipes, files and --json have all. It\n"
                "does not start the daemon: while that is down, it says so, and ends with 3.\n",
        .operand = "PARENT|UUID",
        .operand_optional = true,
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl status\n"
                   "  mdevdctl status 0000:41:00.0 --all\n",
        .run = run,
};
