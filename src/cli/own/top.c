/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* top.c: the verb "top": which devices are busy: page table entries inserted, mapped, opened. */
#include <inttypes.h>
#include <time.h>

#include "cli/own/exit.h"
#include "cli/own/index.h"
#include "cli/own/list.h"
#include "cli/own/own.h"
#include "util/parse.h"

#define DELAY_MIN 0.1
#define DELAY_MAX 3600.0

enum { TOP_DELAY = _OWN_PRINTS, TOP_ITERATIONS };

typedef struct Sample Sample;
typedef struct Row Row;

/* What the daemon said at a time. */
struct Sample {
        State state;
        double at; /* seconds */
};

struct Row {
        const JsonNode *device;
        double insertions, faults; /* a second */
        uint64_t total;
};

static bool is_delay(const char *text) {
        char *end;
        double d = strtod(text, &end);

        return end != text && !*end && d >= DELAY_MIN && d <= DELAY_MAX;
}

static bool is_count(const char *text) {
        uint64_t n;

        return parse_u64(text, &n) >= 0 && n > 0;
}

static const Option options[] = {
        OWN_PRINT_OPTIONS,
        [TOP_DELAY] = { "delay", 'd', "SECONDS", .is_valid = is_delay,
                        .expect = "seconds, 0.1 to 3600", .help = "Between two looks; 1" },
        [TOP_ITERATIONS] = { "iterations", 'n', "N", .is_valid = is_count,
                             .expect = "a number from 1",
                             .help = "Looks; else no end on a terminal, one elsewhere" },
};

static const TableColumn columns[] = {
        { "UUID" }, { "OWNER", .shrinks = true }, { "OPEN", .right = true },
        { "MAPPED", .right = true }, { "SIZE", .right = true, .drops = true },
        { "INS/S", .right = true }, { "FAULTS/S", .right = true, .drops = true },
        { "INSERTIONS", .right = true, .drops = true }, { "PARENT", .drops = true }, {},
};

static int take(Client *c, Sample *ret) {
        struct timespec ts;
        int r = state_load(c, &ret->state);

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        ret->at = (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
        return r;
}

/* A device that was made anew between has counted from 0 again. */
static double rate(const JsonNode *now, const JsonNode *before, const char *key, double seconds) {
        uint64_t a = node_number(now, key), b = before ? node_number(before, key) : 0;

        return seconds > 0 && before && a >= b ? (double) (a - b) / seconds : 0;
}

static int compare(const void *a, const void *b) {
        const Row *x = a, *y = b;

        if (x->insertions != y->insertions)
                return x->insertions < y->insertions ? 1 : -1;
        if (x->total != y->total)
                return x->total < y->total ? 1 : -1;
        return strcmp(node_text(x->device, "uuid") ?: "", node_text(y->device, "uuid") ?: "");
}

static int add_row(Table *t, const Row *row) {
        const JsonNode *d = row->device;
        int r;

        r = table_add(t, COLOUR_NONE, node_text(d, "uuid"));
        if (r >= 0)
                r = table_add(t, COLOUR_BOLD, node_text(d, "owner"));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, node_text(d, "opened"));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, SIZE_STR(node_number(d, "mapped_bytes")));
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, SIZE_STR(list_device_size(d)));
        if (r >= 0)
                r = table_addf(t, COLOUR_NONE, "%.0f", row->insertions);
        if (r >= 0)
                r = table_addf(t, COLOUR_NONE, "%.0f", row->faults);
        if (r >= 0)
                r = table_addf(t, COLOUR_NONE, "%" PRIu64, row->total);
        return r < 0 ? r : table_add(t, COLOUR_NONE, node_text(d, "parent"));
}

static void print_json(const Row *rows, size_t n) {
        (void) putchar('[');
        for (size_t i = 0; i < n; i++) {
                const JsonNode *d = rows[i].device;

                (void) printf("%s\n{\"uuid\":\"%s\",\"owner\":", i > 0 ? "," : "",
                              node_text(d, "uuid"));
                json_write_string(stdout, node_text(d, "owner") ?: "");
                (void) printf(",\"opened\":%s,\"mapped_bytes\":%s,\"insertions\":%s,\"faults\":%s,"
                              "\"insertions_per_second\":%.1f,\"faults_per_second\":%.1f}",
                              node_text(d, "opened"), node_text(d, "mapped_bytes"),
                              node_text(d, "insertions"), node_text(d, "faults"),
                              rows[i].insertions, rows[i].faults);
        }
        (void) fputs("]\n", stdout);
}

static int print(const Screen *s, const Sample *now, const Sample *before) {
        _cleanup_(freep) Row *rows = calloc(now->state.devices->n_members + 1, sizeof(*rows));
        _cleanup_(table_freep) Table *t = table_new(columns);
        _cleanup_(index_done) Index old = {};
        double seconds = now->at - before->at;
        size_t n = 0;
        int r = rows && t ? index_new(before->state.devices, "uuid", "parent", &old) : -ENOMEM;

        if (r < 0)
                return r;
        json_foreach(d, now->state.devices) {
                const JsonNode *b = index_first(&old, node_text(d, "uuid"), node_text(d, "parent"));

                rows[n++] = (Row) {
                        .device = d, .total = node_number(d, "insertions"),
                        .insertions = rate(d, b, "insertions", seconds),
                        .faults = rate(d, b, "faults", seconds),
                };
        }
        qsort(rows, n, sizeof(*rows), compare);
        if (s->json != JSON_OFF) {
                print_json(rows, n);
                return 0;
        }
        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_row(t, &rows[i]);
        if (r < 0)
                return r;
        if (n == 0 && s->legend)
                (void) puts("No device is there.");
        table_print(t, s, 0);
        return 0;
}

static int run(const Verb *verb, const Given *given) {
        double delay = GIVEN(given, TOP_DELAY) ? strtod(given->values[TOP_DELAY], NULL) : 1;
        _cleanup_(client_done) Client client = {};
        Sample before = {}, now = {};
        uint64_t wanted = 0;
        Screen s;
        int r;

        (void) verb;
        own_open(&s, given, false);
        if (GIVEN(given, TOP_ITERATIONS))
                (void) parse_u64(given->values[TOP_ITERATIONS], &wanted);
        else if (!s.terminal)
                wanted = 1;
        r = take(&client, &before);
        for (uint64_t i = 0; r == EXIT_SUCCESS && (wanted == 0 || i < wanted); i++) {
                const struct timespec pause = {
                        .tv_sec = (time_t) delay,
                        .tv_nsec = (long) ((delay - (double) (time_t) delay) * 1e9),
                };

                (void) nanosleep(&pause, NULL);
                r = take(&client, &now);
                if (r != EXIT_SUCCESS)
                        break;
                if (s.redraws)
                        (void) fputs("\033[H\033[J", stdout);
                r = print(&s, &now, &before);
                if (r < 0)
                        (void) answer_failed_errno(r, "cannot show it");
                state_done(&before.state);
                before = now;
                now = (Sample) {};
                r = r < 0 ? EXIT_FAILED : answer_flush();
                if (ferror(stdout))
                        break; /* the reader has gone */
        }
        state_done(&before.state);
        return r;
}

const Verb own_top = {
        .name = "top",
        .title = "Which devices are busy: insertions, mapped, opened",
        .text = "The counts are of mdevd's module: a device whose pages are all mapped costs the\n"
                "host nothing and shows 0 here, however busy it is. Ctrl-C ends it.\n",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl top --iterations=1 --delay=0.1\n",
        .run = run,
};
