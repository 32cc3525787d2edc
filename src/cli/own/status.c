/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status.c: the verb "status": one screen for someone whose host is on fire. It does not start the
 * daemon; while that is down, it says what goes on without it.
 */
#include "cli/own/card.h"
#include "cli/own/exit.h"
#include "cli/own/health.h"
#include "cli/own/list.h"
#include "cli/own/own.h"
#include "cli/own/picture.h"
#include "cli/argument.h"
#include "cli/listing.h"
#include "names.h"
#include "util/parse.h"

#define BAR_COLUMNS_MAX 64
#define POOL_TEXT_COLUMNS 16 /* of the pool's name and what stands around the bar */

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

static void print_down_text(const Screen *s, Client *c, int root_fd, const Listing *active,
                            size_t n_defined) {
        bool module = faccessat(root_fd, MDEVD_PATH_CONTROL, F_OK, 0) == 0;

        (void) printf("%s mdevd is %snot running%s.\n", screen_glyph(s, "○", "o"),
                      screen_colour(s, COLOUR_RED), screen_colour(s, COLOUR_NONE));
        (void) printf("  The devices there are go on without it, and so do the virtual machines "
                      "that use\n  them: %zu, and %zu definition%s. Nothing new is made, nor "
                      "started by itself.\n", active->n, n_defined, n_defined == 1 ? "" : "s");
        (void) printf("  %s `systemctl start mdevd` starts it; `journalctl -u mdevd` says why it "
                      "ended.\n", screen_glyph(s, "→", "->"));
        if (!client_daemon_is_responsible(c, root_fd))
                (void) printf("  %s It is not enabled: `systemctl enable --now mdevd` starts it "
                              "at boot and on\n    demand as well.\n", screen_glyph(s, "→", "->"));
        if (!module)
                (void) printf("  %s mdevd.ko is not loaded (`modprobe mdevd`); devices of other "
                              "drivers do not need it.\n", screen_glyph(s, "→", "->"));
        if (active->n > 0)
                (void) putchar('\n');
        for (size_t i = 0; i < active->n; i++) {
                const Definition *d = active->rows[i].definition;

                (void) printf("  %s  %s on %s\n", UUID_STR(&d->uuid), type_name(d->type ?: "-"),
                              d->parent);
        }
}

static int show_down(Client *c, const Given *given) {
        _cleanup_(closep) int root_fd = argument_open_root();
        _cleanup_(listing_done) Listing active = {}, defined = {};
        Screen s;
        int r = root_fd;

        if (r >= 0)
                r = read_files(root_fd, &active, &defined);
        if (r < 0)
                return answer_failed_errno(r, "mdevd is not running, and its files cannot be read");
        own_open(&s, given, false);
        if (s.json != JSON_OFF)
                print_down_json(&active, defined.n);
        else
                print_down_text(&s, c, root_fd, &active, defined.n);
        r = screen_close(&s);
        return r == EXIT_SUCCESS ? EXIT_NOT_RUNNING : r;
}

/* ---- while it is up ---- */

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

static void print_summary(const Screen *s, const State *state, const Health *h) {
        size_t open = 0, running = 0;

        json_foreach(d, state->devices)
                open += node_number(d, "opened") > 0;
        json_foreach(op, state->operations)
                running += streq_ptr(node_text(op, "state"), "running");
        (void) printf("%s%s%s mdevd %s is %srunning%s: %u parent%s, %u device%s (%zu "
                      "open), %u definition%s",
                      screen_colour(s, h->n > h->n_warnings ? COLOUR_YELLOW : COLOUR_GREEN),
                      screen_glyph(s, "●", "*"), screen_colour(s, COLOUR_NONE), state->version,
                      screen_colour(s, COLOUR_GREEN), screen_colour(s, COLOUR_NONE),
                      state->parents->n_members, plural(state->parents->n_members),
                      state->devices->n_members, plural(state->devices->n_members), open,
                      state->definitions->n_members, plural(state->definitions->n_members));
        if (running > 0)
                (void) printf(", %zu operation%s under way", running, plural(running));
        (void) puts(".");
}

static void print_troubles(const Screen *s, const Health *h, bool warnings) {
        const char *sign = warnings ? "!" : screen_glyph(s, "✗", "!");

        (void) printf("\n%s%s%s\n", screen_colour(s, COLOUR_BOLD),
                      warnings ? "WARNINGS" : "WHAT IS WRONG", screen_colour(s, COLOUR_NONE));
        for (size_t i = 0; i < h->n; i++) {
                if (h->troubles[i].warning != warnings)
                        continue;
                (void) printf("%s%s%s ",
                              screen_colour(s, warnings ? COLOUR_YELLOW : COLOUR_RED), sign,
                              screen_colour(s, COLOUR_NONE));
                card_wrap(s, 2, 2, h->troubles[i].what);
                (void) printf("  %s ", screen_glyph(s, "→", ">"));
                card_wrap(s, 4, 4, h->troubles[i].remedy);
        }
}

static void print_health(const Screen *s, const Health *h) {
        if (h->n > h->n_warnings)
                print_troubles(s, h, false);
        if (h->n_warnings > 0)
                print_troubles(s, h, true);
}

static void print_legend(const Screen *s, const Picture *p) {
        char *text = NULL;
        size_t size, n = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return;
        for (size_t i = 0; i < p->n; i++) {
                const Range *r = &p->ranges[i];

                if (!r->device)
                        continue;
                (void) fprintf(f, "%s%c %s %s", n++ > 0 ? ", " : "", picture_letter(r),
                               picture_owner(r), SIZE_STR(r->size));
        }
        (void) fclose(f);
        if (text && n > 0) {
                (void) fputs("    ", stdout);
                card_wrap(s, 4, 4, text);
        }
        free(text);
}

static int print_pool(const Screen *s, const JsonNode *pool) {
        _cleanup_(picture_done) Picture p = {};
        size_t columns = picture_columns(MIN(s->width - POOL_TEXT_COLUMNS,
                                             (unsigned) BAR_COLUMNS_MAX));
        int r = picture_new(pool, &p);

        if (r < 0)
                return r;
        (void) printf("  %-10s ", node_text(pool, "name"));
        picture_bar(s, &p, p.offset, p.size, columns);
        (void) printf("\n    %s free of %s, largest hole %s\n", SIZE_STR(node_number(pool, "free")),
                      SIZE_STR(p.size), SIZE_STR(node_number(pool, "largest_hole")));
        print_legend(s, &p);
        return 0;
}

static void print_available(const Screen *s, const JsonNode *parent) {
        char *text = NULL;
        size_t size, n = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return;
        json_foreach(t, node_list(parent, "types"))
                (void) fprintf(f, "%s%s %s", n++ > 0 ? ", " : "", node_text(t, "available"),
                               type_name(node_text(t, "id")));
        (void) fclose(f);
        if (text && n > 0) {
                (void) fputs("  can still be made: ", stdout);
                card_wrap(s, 21, 21, text);
        }
        free(text);
}

static int print_parent(const Screen *s, const JsonNode *p) {
        const char *state = node_text(p, "state") ?: "", *driver = node_text(p, "driver");
        const char *node = node_text(p, "numa_node");
        int r = 0;

        (void) printf("\n%s%s%s  %s%s%s", screen_colour(s, COLOUR_BOLD), node_text(p, "name"),
                      screen_colour(s, COLOUR_NONE), screen_colour(s, list_state_colour(state)),
                      state, screen_colour(s, COLOUR_NONE));
        (void) printf(driver ? "  driver %s" : "  no driver", driver);
        if (!streq_ptr(node, "-1"))
                (void) printf("  NUMA node %s", node);
        (void) putchar('\n');
        if (streq(state, "absent"))
                return 0;
        json_foreach(pool, node_list(p, "pools"))
                if (r >= 0)
                        r = print_pool(s, pool);
        print_available(s, p);
        return r;
}

static int print_all(const Screen *s, const State *state, const Health *h, const char *parent) {
        _cleanup_(table_freep) Table *devices = NULL;
        int r = 0;

        if (!parent) {
                print_summary(s, state, h);
                print_health(s, h);
        }
        json_foreach(p, state->parents)
                if (r >= 0 && (!parent || streq_ptr(node_text(p, "name"), parent)))
                        r = print_parent(s, p);
        if (r >= 0)
                r = list_devices(state, parent, &devices);
        if (r < 0)
                return r;
        if (table_rows(devices) > 0)
                (void) putchar('\n');
        table_print(devices, s, 0);
        return 0;
}

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
        own_open(&s, given, true);
        if (r >= 0 && s.json == JSON_OFF)
                r = found.uuid ? card_print(&s, state, &found) : print_all(&s, state, &h, word);
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
                return show_down(&client, given);
        r = state_load(&client, &state);
        return r != EXIT_SUCCESS ? r : show(&state, given);
}

static const Option options[] = { OWN_PRINT_OPTIONS };

const Verb own_status = {
        .name = "status",
        .title = "All on one screen: pools, devices, what is wrong and what to do",
        .text = "With a parent, that parent; with a UUID (the first 4 digits will do if no other\n"
                "begins so), all that is known of that device. It does not start the daemon:\n"
                "while that is down, it says so, and ends with 3.\n",
        .operand = "PARENT|UUID",
        .operand_optional = true,
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl status\n"
                   "  mdevdctl status 0000:41:00.0\n",
        .run = run,
};
