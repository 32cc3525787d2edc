/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * overview.c owns what "status" shows of all, and what it leaves out so that it is one screen: each
 * device first, then what is wrong beyond the first few, then the pools, then parents.
 */
#include "cli/own/overview.h"

#include "cli/own/list.h"
#include "cli/own/owners.h"
#include "cli/own/picture.h"
#include "cli/own/wrap.h"
#include "util/parse.h"

#define BAR_COLUMNS_MAX 64
#define POOL_TEXT_COLUMNS 16 /* of the pool's name and what stands around the bar */

#define OWNERS_COLUMNS_MAX 200

typedef struct Detail Detail;
typedef struct Overview Overview;

/* What there is to show. */
struct Overview {
        const Screen *screen;
        const State *state;
        const Health *health;
        const char *parent; /* NULL: all */
        Owners *owners;     /* of each parent of the state; NULL: each device is shown */
};

struct Detail {
        bool devices;    /* each one; else how many */
        bool pools;      /* drawn; else a line for each parent */
        size_t troubles; /* at most; SIZE_MAX: all */
        size_t parents;
};

static const Detail details[] = {
        { .devices = true, .pools = true, .troubles = SIZE_MAX, .parents = SIZE_MAX },
        { .pools = true, .troubles = SIZE_MAX, .parents = SIZE_MAX },
        { .pools = true, .troubles = 3, .parents = SIZE_MAX },
        { .pools = true, .troubles = 1, .parents = SIZE_MAX },
        { .troubles = 3, .parents = SIZE_MAX },
        { .troubles = 1, .parents = SIZE_MAX },
        { .parents = SIZE_MAX },
};

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

static int print_summary(const Screen *s, const State *state, const Health *h) {
        _cleanup_(freep) char *text = NULL;
        size_t open = 0, running = 0, size;
        char title[64], operations[64] = "";
        FILE *f;

        json_foreach(d, state->devices)
                open += node_number(d, "opened") > 0;
        json_foreach(op, state->operations)
                running += streq_ptr(node_text(op, "state"), "running");
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        if (running > 0)
                (void) snprintf(operations, sizeof(operations), ", %zu operation%s under way",
                                running, plural(running));
        (void) fprintf(f, ": %u parent%s, %u device%s (%zu open), %u definition%s%s.",
                       state->parents->n_members, plural(state->parents->n_members),
                       state->devices->n_members, plural(state->devices->n_members), open,
                       state->definitions->n_members, plural(state->definitions->n_members),
                       operations);
        if (fclose(f) != 0)
                return -ENOMEM;
        (void) snprintf(title, sizeof(title), "mdevd %s is ", state->version);
        (void) printf("%s%s%s %s%srunning%s",
                      screen_colour(s, h->n > h->n_warnings ? COLOUR_YELLOW : COLOUR_GREEN),
                      screen_glyph(s, "●", "*"), screen_colour(s, COLOUR_NONE), title,
                      screen_colour(s, COLOUR_GREEN), screen_colour(s, COLOUR_NONE));
        wrap_line(s, (unsigned) (strlen("* running") + screen_columns(title)), 2, text);
        return 0;
}

/* ---- what is wrong ---- */

static size_t print_troubles(const Screen *s, const Health *h, bool warnings, size_t max) {
        const char *sign = warnings ? "!" : screen_glyph(s, "✗", "!");
        size_t n = 0;

        (void) printf("\n%s%s%s\n", screen_colour(s, COLOUR_BOLD),
                      warnings ? "WARNINGS" : "WHAT IS WRONG", screen_colour(s, COLOUR_NONE));
        for (size_t i = 0; i < h->n && n < max; i++) {
                if (h->troubles[i].warning != warnings)
                        continue;
                n++;
                (void) printf("%s%s%s ",
                              screen_colour(s, warnings ? COLOUR_YELLOW : COLOUR_RED), sign,
                              screen_colour(s, COLOUR_NONE));
                wrap_line(s, 2, 2, h->troubles[i].what);
                (void) printf("  %s ", screen_glyph(s, "→", ">"));
                wrap_line(s, 4, 4, h->troubles[i].remedy);
        }
        return n;
}

/* "2 more things are wrong, and there are 3 warnings." */
static void print_rest(const Screen *s, size_t wrong, size_t warnings, bool more) {
        if (wrong > 0)
                (void) printf("%s%s%s %zu %s%s", screen_colour(s, COLOUR_RED),
                              screen_glyph(s, "✗", "!"), screen_colour(s, COLOUR_NONE), wrong,
                              more ? "more " : "",
                              wrong == 1 ? "thing is wrong" : "things are wrong");
        if (warnings > 0)
                (void) printf("%s%zu warning%s", wrong > 0 ? ", " : "! ", warnings,
                              plural(warnings));
        if (wrong + warnings > 0)
                (void) puts(".");
}

/* What is wrong comes before what is only a warning. */
static void print_health(const Screen *s, const Health *h, size_t max) {
        size_t wrong = h->n - h->n_warnings, warnings = h->n_warnings, n;

        n = wrong > 0 && max > 0 ? print_troubles(s, h, false, max) : 0;
        wrong -= n;
        if (warnings > 0 && n < max)
                warnings -= print_troubles(s, h, true, max - n);
        print_rest(s, wrong, warnings, n > 0);
}

/* ---- parents ---- */

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
                wrap_line(s, 4, 4, text);
        }
        free(text);
}

static int print_pool(const Screen *s, const JsonNode *pool, bool legend) {
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
        if (legend)
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
                wrap_line(s, 21, 21, text);
        }
        free(text);
}

/* "  5 devices (1 open), 2 only defined: vm1 4, vm2 3", in one line as long as one owner fits. */
static int print_owners(const Screen *s, const Owners *o) {
        _cleanup_(freep) char *text = NULL;
        char counts[96];
        size_t used;
        int r;

        if (o->n == 0)
                return 0;
        used = (size_t) snprintf(counts, sizeof(counts),
                                 "  %zu device%s (%zu open), %zu only defined: ", o->n_devices,
                                 plural(o->n_devices), o->n_open, o->n_defined);
        r = owners_text(o, s->width > used ? s->width - used : 0, &text);
        if (r < 0)
                return r;
        (void) fputs(counts, stdout);
        wrap_line(s, (unsigned) used, 4, text);
        return 0;
}

static void print_title(const Screen *s, const JsonNode *p) {
        const char *state = node_text(p, "state") ?: "", *driver = node_text(p, "driver");
        const char *node = node_text(p, "numa_node");

        (void) printf("\n%s%s%s  %s%s%s", screen_colour(s, COLOUR_BOLD), node_text(p, "name"),
                      screen_colour(s, COLOUR_NONE), screen_colour(s, list_state_colour(state)),
                      state, screen_colour(s, COLOUR_NONE));
        (void) printf(driver ? "  driver %s" : "  no driver", driver);
        if (!streq_ptr(node, "-1"))
                (void) printf("  NUMA node %s", node);
        (void) putchar('\n');
}

/* @o: what stands for its devices; NULL: they are shown. */
static int print_parent(const Screen *s, const JsonNode *p, const Owners *o) {
        int r = 0;

        print_title(s, p);
        if (o)
                r = print_owners(s, o);
        if (streq_ptr(node_text(p, "state"), "absent"))
                return r;
        json_foreach(pool, node_list(p, "pools"))
                if (r >= 0)
                        r = print_pool(s, pool, !o);
        print_available(s, p);
        return r;
}

static const TableColumn columns[] = {
        { "PARENT" }, { "STATE" }, { "DEVICES", .right = true }, { "OPEN", .right = true },
        { "DEFINED", .right = true, .drops = true }, { "FREE", .shrinks = true, .drops = true },
        { "OWNERS", .shrinks = true, .drops = true }, {},
};

/* "fb 40 MiB, doorbells 64 KiB" */
static int add_free(Table *t, const JsonNode *p) {
        char text[256] = "";
        size_t n = 0;

        json_foreach(pool, node_list(p, "pools"))
                if (n < sizeof(text))
                        n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s %s",
                                               n > 0 ? ", " : "", node_text(pool, "name"),
                                               SIZE_STR(node_number(pool, "free")));
        return table_add(t, COLOUR_NONE, text);
}

static int add_parent(Table *t, const JsonNode *p, const Owners *o) {
        const char *state = node_text(p, "state") ?: "";
        _cleanup_(freep) char *text = NULL;
        int r = owners_text(o, OWNERS_COLUMNS_MAX, &text);

        if (r >= 0)
                r = table_add(t, COLOUR_BOLD, node_text(p, "name"));
        if (r >= 0)
                r = table_add(t, list_state_colour(state), state);
        if (r >= 0)
                r = table_addf(t, COLOUR_NONE, "%zu", o->n_devices);
        if (r >= 0)
                r = table_addf(t, COLOUR_NONE, "%zu", o->n_open);
        if (r >= 0)
                r = table_addf(t, COLOUR_NONE, "%zu", o->n_defined);
        if (r >= 0)
                r = add_free(t, p);
        return r < 0 ? r : table_add(t, COLOUR_NONE, text);
}

static bool is_wanted(const Overview *o, const JsonNode *p) {
        return !o->parent || streq_ptr(node_text(p, "name"), o->parent);
}

static int print_parents(const Overview *o, const Detail *detail) {
        _cleanup_(table_freep) Table *t = table_new(columns);
        size_t i = 0, n = 0, more = 0;
        int r = t ? 0 : -ENOMEM;

        json_foreach(p, o->state->parents) {
                const Owners *owners = detail->devices ? NULL : &o->owners[i];

                i++;
                if (r < 0 || !is_wanted(o, p))
                        continue;
                if (n++ >= detail->parents)
                        more++;
                else
                        r = detail->pools ? print_parent(o->screen, p, owners)
                                          : add_parent(t, p, owners);
        }
        if (r < 0)
                return r;
        if (table_rows(t) > 0)
                (void) putchar('\n');
        table_print(t, o->screen, 0);
        if (more > 0)
                (void) printf("and %zu more parent%s\n", more, plural(more));
        return 0;
}

/* ---- all ---- */

static int print_devices(const Overview *o) {
        _cleanup_(table_freep) Table *devices = NULL;
        int r = list_devices(o->state, o->parent, &devices);

        if (r < 0)
                return r;
        if (table_rows(devices) > 0)
                (void) putchar('\n');
        table_print(devices, o->screen, 0);
        return 0;
}

static void print_way_out(const Overview *o) {
        char text[256];

        (void) snprintf(text, sizeof(text),
                        "This is what fits the screen; `mdevdctl status %s%s--all` shows all.",
                        o->parent ?: "", o->parent ? " " : "");
        (void) putchar('\n');
        wrap_line(o->screen, 0, 0, text);
}

static int print(const Overview *o, const Detail *detail) {
        int r = 0;

        if (!o->parent) {
                r = print_summary(o->screen, o->state, o->health);
                print_health(o->screen, o->health, detail->troubles);
        }
        if (r >= 0)
                r = print_parents(o, detail);
        if (r >= 0 && detail->devices)
                return print_devices(o);
        if (r >= 0)
                print_way_out(o);
        return r;
}

/* What would be printed; @ret_lines: how many lines of the screen it takes. */
static int draft(const Overview *o, const Detail *detail, char **ret, size_t *ret_lines) {
        Diverted d;
        int r = screen_divert(&d);

        if (r < 0)
                return r;
        r = print(o, detail);
        screen_restore(&d);
        if (r < 0 || !d.text) {
                free(d.text);
                return r < 0 ? r : -ENOMEM;
        }
        free(*ret);
        *ret = d.text;
        *ret_lines = screen_lines(o->screen, d.text);
        return 0;
}

static int print_within(const Overview *o, size_t lines) {
        Detail least = details[ARRAY_SIZE(details) - 1];
        _cleanup_(freep) char *text = NULL;
        size_t n = SIZE_MAX;
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(details) && n > lines && r >= 0; i++)
                r = draft(o, &details[i], &text, &n);
        if (r >= 0 && n > lines) {
                /* a line each: without so many, and the line that says so, it fits */
                size_t excess = n - lines + 1, all = o->parent ? 1 : o->state->parents->n_members;

                least.parents = all > excess ? all - excess : 1;
                r = draft(o, &least, &text, &n);
        }
        if (r >= 0)
                (void) fputs(text, stdout);
        return r;
}

static int count_owners(Overview *o) {
        _cleanup_(index_done) Index devices = {};
        int r = index_new(o->state->devices, "uuid", "parent", &devices);
        size_t n = 0;

        if (r < 0)
                return r;
        o->owners = calloc((size_t) o->state->parents->n_members + 1, sizeof(*o->owners));
        if (!o->owners)
                return -ENOMEM;
        json_foreach(p, o->state->parents)
                if (r >= 0)
                        r = owners_read(o->state, &devices, node_text(p, "name") ?: "",
                                        &o->owners[n++]);
        return r;
}

static void overview_done(Overview *o) {
        for (size_t i = 0; o->owners && i < o->state->parents->n_members; i++)
                owners_done(&o->owners[i]);
        free(o->owners);
}

int overview_print(const Screen *s, const State *state, const Health *h, const char *parent,
                   size_t lines) {
        _cleanup_(overview_done) Overview o = {
                .screen = s, .state = state, .health = h, .parent = parent,
        };
        int r;

        if (lines == 0)
                return print(&o, &details[0]);
        r = count_owners(&o);
        return r < 0 ? r : print_within(&o, lines);
}
