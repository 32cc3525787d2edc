/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* map.c: the verb "map": pools in full, on the screen or as an SVG file. */
#include <inttypes.h>

#include "cli/own/exit.h"
#include "cli/own/own.h"
#include "cli/own/picture.h"
#include "cli/own/svg.h"
#include "cli/own/table.h"
#include "cli/own/wrap.h"
#include "util/closest.h"
#include "util/parse.h"

#define ROWS_MAX 8
#define OFFSET_COLUMNS 14 /* what stands before and behind a bar */

enum { MAP_SVG = _OWN_PRINTS };

static const Option options[] = {
        OWN_PRINT_OPTIONS,
        [MAP_SVG] = { "svg", .value = "FILE",
                      .help = "A picture, also for printing; \"-\": to stdout" },
};

static const TableColumn columns[] = {
        { " " }, { "OFFSET" }, { "SIZE", .right = true }, { "OWNER", .shrinks = true },
        { "STATE" }, { "DEVICE" }, {},
};

static void print_title(const Screen *s, const JsonNode *parent, const JsonNode *pool) {
        char name[160], text[160];
        unsigned used;

        (void) snprintf(name, sizeof(name), "%s BAR %s pool %s:", node_text(parent, "name"),
                        node_text(pool, "bar"), node_text(pool, "name"));
        (void) snprintf(text, sizeof(text), " %s of %s, used %s, free %s (largest hole %s)",
                        SIZE_STR(node_number(pool, "size")), node_text(pool, "kind"),
                        SIZE_STR(node_number(pool, "used")), SIZE_STR(node_number(pool, "free")),
                        SIZE_STR(node_number(pool, "largest_hole")));
        (void) fputs(screen_colour(s, COLOUR_BOLD), stdout);
        used = wrap_begin(s, 0, 2, name);
        (void) fputs(screen_colour(s, COLOUR_NONE), stdout);
        wrap_line(s, used, 2, text);
}

/* As many rows as it takes to show the smallest device's extent, within reason. */
static void print_bars(const Screen *s, const Picture *p) {
        size_t width = picture_columns(s->width - OFFSET_COLUMNS), rows = 1;

        while (rows < ROWS_MAX && p->size / rows / width > p->smallest)
                rows *= 2;
        if (p->size < width * rows)
                rows = 1;
        for (size_t i = 0; i < rows; i++) {
                uint64_t begin = p->size / rows * i;
                uint64_t end = i + 1 == rows ? p->size : p->size / rows * (i + 1);

                (void) printf("0x%08" PRIx64 " ", p->offset + begin);
                picture_bar(s, p, p->offset + begin, end - begin, width);
                (void) putchar('\n');
        }
}

static int print_ranges(const Screen *s, const Picture *p) {
        _cleanup_(table_freep) Table *t = table_new(columns);
        int r = t ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < p->n; i++) {
                const Range *x = &p->ranges[i];
                Colour colour = x->device ? COLOUR_NONE : COLOUR_DIM;

                r = table_addf(t, COLOUR_BOLD, "%c", picture_letter(x));
                if (r >= 0)
                        r = table_addf(t, colour, "0x%08" PRIx64, x->offset);
                if (r >= 0)
                        r = table_add(t, colour, SIZE_STR(x->size));
                if (r >= 0)
                        r = table_add(t, colour, picture_owner(x));
                if (r >= 0)
                        r = table_add(t, colour, x->device ? x->state : " ");
                if (r >= 0)
                        r = table_add(t, colour, x->device ?: " ");
        }
        if (r >= 0)
                table_print(t, s, 2);
        return r;
}

static int print_pool(const Screen *s, const JsonNode *parent, const JsonNode *pool) {
        _cleanup_(picture_done) Picture p = {};
        int r;

        print_title(s, parent, pool);
        r = picture_new(pool, &p);
        if (r < 0)
                return r;
        print_bars(s, &p);
        return print_ranges(s, &p);
}

/* Whether a pool is among those that are wanted; one of a parent that is away has no size. */
static bool is_wanted(const Given *g, const JsonNode *parent, const JsonNode *pool) {
        return node_number(pool, "size") > 0 &&
               (!g->operand || streq_ptr(node_text(parent, "name"), g->operand)) &&
               (!g->operand2 || streq_ptr(node_text(pool, "name"), g->operand2));
}

static int print_pools(const Screen *s, const State *state, const Given *g) {
        bool first = true;
        int r = 0;

        json_foreach(p, state->parents)
                json_foreach(pool, node_list(p, "pools")) {
                        if (r < 0 || !is_wanted(g, p, pool))
                                continue;
                        if (!first)
                                (void) putchar('\n');
                        first = false;
                        r = print_pool(s, p, pool);
                }
        return r;
}

static void print_json(const Screen *s, const State *state, const Given *g) {
        bool first = true;

        (void) putchar('[');
        json_foreach(p, state->parents)
                json_foreach(pool, node_list(p, "pools")) {
                        if (!is_wanted(g, p, pool))
                                continue;
                        (void) fputs(first ? "\n{\"parent\":" : ",\n{\"parent\":", stdout);
                        first = false;
                        json_write_string(stdout, node_text(p, "name") ?: "");
                        (void) fputs(",\"pool\":", stdout);
                        node_print_json(stdout, pool, s->json, 0);
                        (void) putchar('}');
                }
        (void) fputs("]\n", stdout);
}

static int draw(const State *state, const Given *g) {
        const char *name = g->values[MAP_SVG];
        bool to_stdout = streq(name, "-");
        _cleanup_(fclosep) FILE *own = NULL;
        Svg svg = {};
        Screen s;
        int r = 0;

        own_open(&s, g, false); /* columns are counted by its locale */
        json_foreach(p, state->parents)
                json_foreach(pool, node_list(p, "pools"))
                        if (r >= 0 && is_wanted(g, p, pool))
                                r = svg_add_pool(&svg, p, pool);
        if (r >= 0 && !to_stdout) {
                own = fopen(name, "we");
                if (!own)
                        r = -errno;
        }
        if (r >= 0)
                svg_print(&svg, own ?: stdout);
        if (r >= 0 && own && (fflush(own) != 0 || ferror(own)))
                r = -errno;
        svg_done(&svg);
        if (r < 0)
                return answer_failed("cannot write %s: %s", name, strerror(-r));
        return screen_close(&s);
}

/* Of a parent there may be a pool of that name; else which there are. */
static int check_pool(const JsonNode *parent, const char *pool) {
        Closest c = closest_begin_typo(pool);

        if (node_find(node_list(parent, "pools"), "name", pool))
                return EXIT_SUCCESS;
        json_foreach(p, node_list(parent, "pools"))
                (void) closest_offer(&c, node_text(p, "name") ?: "");
        if (c.name)
                (void) answer_failed("%s has no pool %s; did you mean \"%s\"?",
                                     node_text(parent, "name"), pool, c.name);
        else
                (void) answer_failed("%s has no pool %s; `mdevdctl parents` shows those it has.",
                                     node_text(parent, "name"), pool);
        return EXIT_NOTHING_THERE;
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(client_done) Client client = {};
        _cleanup_(state_done) State state = {};
        const JsonNode *parent;
        Screen s;
        int r;

        (void) verb;
        r = state_load(&client, &state);
        if (r == EXIT_SUCCESS && given->operand)
                r = state_find_parent(&state, given->operand, &parent);
        if (r == EXIT_SUCCESS && given->operand2)
                r = check_pool(parent, given->operand2);
        if (r != EXIT_SUCCESS)
                return r;
        if (GIVEN(given, MAP_SVG))
                return draw(&state, given);
        own_open(&s, given, true);
        if (s.json != JSON_OFF)
                print_json(&s, &state, given);
        else
                r = print_pools(&s, &state, given);
        if (r < 0)
                (void) answer_failed_errno(r, "cannot draw it");
        return screen_close(&s) == EXIT_SUCCESS && r >= 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

const Verb own_map = {
        .name = "map",
        .title = "Who has which part of a pool",
        .text = "Each device has a letter; a \".\" is free, a \"+\" stands for several devices\n"
                "that are too small to be told apart. Offsets count from the start of the BAR.\n",
        .operand = "PARENT",
        .operand_optional = true,
        .operand2 = "POOL",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl map 0000:41:00.0 fb\n"
                   "  mdevdctl map --svg=map.svg\n",
        .run = run,
};
