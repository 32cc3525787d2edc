/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * svg.c: the simulator's plots, written by hand: a panel a measure over the load, and a legend. A
 * contender is known by its marker and dashes as much as by its colour, so that it can be printed.
 */
#include <stdio.h>

#include "simulate.h"
#include "util/macro.h"
#include "util/parse.h"

#define PANEL_WIDTH 330
#define PANEL_HEIGHT 250
#define COLUMNS 3
#define ROWS 2
#define LEFT 48 /* of a panel, for its numbers */
#define RIGHT 14
#define TOP 34
#define BOTTOM 30
#define HEAD 40 /* of the page */
#define TICKS_MAX 6

typedef struct Measure Measure;
typedef struct Panel Panel;

struct Measure {
        const char *title;
        double (*get)(const Result *r);
};

/* Where it is on the page, and what its corners mean. */
struct Panel {
        double x, y;
        double x0, x1, y0, y1;
        double step;
};

static double part(double n, double of) {
        return of > 0 ? 100 * n / of : 0;
}

static double get_accepted(const Result *r) {
        return part((double) r->granted, (double) r->offered);
}

static double get_large(const Result *r) {
        return part((double) r->large_granted, (double) r->large_offered);
}

static double get_used(const Result *r) {
        return 100 * r->utilisation;
}

static double get_pieces(const Result *r) {
        return 100 * r->fragmentation;
}

static double get_moved(const Result *r) {
        return part((double) r->moved_bytes, (double) r->granted);
}

static const Measure measures[] = {
        { "bytes granted, % of those asked for", get_accepted },
        { "devices of the largest size granted, %", get_large },
        { "bytes in use, % of what there is", get_used },
        { "free bytes outside the largest hole, %", get_pieces },
        { "bytes moved, % of those granted", get_moved },
};

static const char *const dashes[N_CONTENDERS] = { "7 4", "2 3", "", "", "10 3 2 3", "5 2", "" };

static double to_x(const Panel *p, double v) {
        double span = p->x1 > p->x0 ? p->x1 - p->x0 : 1;

        return p->x + LEFT + (v - p->x0) / span * (PANEL_WIDTH - LEFT - RIGHT);
}

static double to_y(const Panel *p, double v) {
        return p->y + PANEL_HEIGHT - BOTTOM -
               (v - p->y0) / (p->y1 - p->y0) * (PANEL_HEIGHT - TOP - BOTTOM);
}

/*
 * A step of 1, 2 or 5 times a power of ten that makes a handful of lines, and whole steps around.
 */
static void scale(Panel *p, double low, double high) {
        double steps[] = { 1, 2, 5, 10, 20, 50 };
        size_t i = 0;

        while (i + 1 < ARRAY_SIZE(steps) && (high - low) / steps[i] > TICKS_MAX)
                i++;
        p->step = steps[i];
        p->y0 = (double) (long) (low / p->step) * p->step;
        p->y1 = (double) (long) (high / p->step + 0.999) * p->step;
        if (p->y1 <= p->y0)
                p->y1 = p->y0 + p->step;
}

static Panel make_panel(size_t index, const Measure *m, const double *loads, size_t n,
                        Result results[][N_CONTENDERS]) {
        Panel p = {
                .x = (double) (index % COLUMNS) * PANEL_WIDTH,
                .y = HEAD + (double) (index / COLUMNS) * PANEL_HEIGHT,
                .x0 = loads[0],
                .x1 = loads[n - 1],
        };
        double low = m->get(&results[0][0]), high = low;

        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < N_CONTENDERS; j++) {
                        low = MIN(low, m->get(&results[i][j]));
                        high = MAX(high, m->get(&results[i][j]));
                }
        scale(&p, low, high);
        return p;
}

static void draw_grid(FILE *f, const Panel *p, const Measure *m, const double *loads, size_t n) {
        fprintf(f, "<text x='%.0f' y='%.0f' font-weight='bold'>%s</text>\n", p->x + LEFT,
                p->y + TOP - 10, m->title);
        for (double v = p->y0; v <= p->y1 + p->step / 2; v += p->step)
                fprintf(f,
                        "<line x1='%.0f' y1='%.1f' x2='%.0f' y2='%.1f' stroke='#ccc'/>\n"
                        "<text x='%.0f' y='%.1f' text-anchor='end'>%.0f</text>\n",
                        p->x + LEFT, to_y(p, v), p->x + PANEL_WIDTH - RIGHT, to_y(p, v),
                        p->x + LEFT - 6, to_y(p, v) + 4, v);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "<text x='%.1f' y='%.0f' text-anchor='middle'>%.4g</text>\n",
                        to_x(p, loads[i]), p->y + PANEL_HEIGHT - BOTTOM + 18, loads[i]);
}

/* A shape for each contender: filled for what the policy does, hollow for the two bounds. */
static void draw_marker(FILE *f, size_t contender, double x, double y) {
        static const char *const shapes[N_CONTENDERS] = {
                "M-8,0A8,8 0 1 0 8,0A8,8 0 1 0 -8,0Z", "M-4,-4H4V4H-4Z",
                "M-4,0A4,4 0 1 0 4,0A4,4 0 1 0 -4,0Z", "M-4,-4H4V4H-4Z",
                "M0,-5L5,4H-5Z", "M0,5L5,-4H-5Z", "M0,-6L5,0L0,6L-5,0Z",
        };
        const Contender *c = &contenders[contender];

        fprintf(f,
                "<path transform='translate(%.1f,%.1f)' d='%s' fill='%s' stroke='%s' "
                "stroke-width='1.5'/>\n",
                x, y, shapes[contender], c->ideal == IDEAL_NO ? c->colour : "white", c->colour);
}

static void draw_stroke(FILE *f, size_t contender) {
        fprintf(f, " fill='none' stroke='%s' stroke-width='1.6'", contenders[contender].colour);
        if (dashes[contender][0])
                fprintf(f, " stroke-dasharray='%s'", dashes[contender]);
}

static void draw_line(FILE *f, const Panel *p, const Measure *m, size_t contender,
                      const double *loads, size_t n, Result results[][N_CONTENDERS]) {
        fputs("<polyline", f);
        draw_stroke(f, contender);
        fputs(" points='", f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%.1f,%.1f ", to_x(p, loads[i]),
                        to_y(p, m->get(&results[i][contender])));
        fputs("'/>\n", f);
        for (size_t i = 0; i < n; i++)
                draw_marker(f, contender, to_x(p, loads[i]),
                            to_y(p, m->get(&results[i][contender])));
}

static void draw_legend(FILE *f) {
        size_t index = ARRAY_SIZE(measures);
        double x = (double) (index % COLUMNS) * PANEL_WIDTH + LEFT;
        double y = HEAD + (double) (index / COLUMNS) * PANEL_HEIGHT + TOP;

        for (size_t j = 0; j < N_CONTENDERS; j++, y += 24) {
                fprintf(f, "<path d='M%.0f,%.0fH%.0f'", x, y, x + 50);
                draw_stroke(f, j);
                fputs("/>\n", f);
                draw_marker(f, j, x + 25, y);
                fprintf(f, "<text x='%.0f' y='%.0f'>%s%s</text>\n", x + 62, y + 4,
                        contenders[j].name, contenders[j].ideal == IDEAL_NO ? "" : " (bound)");
        }
        fprintf(f, "<text x='%.0f' y='%.0f'>horizontal: load, bytes asked for, of all"
                   "</text>\n", x, y + 8);
}

int svg_write(const char *path, const Setup *setup, const double *loads, size_t n_loads,
              Result results[][N_CONTENDERS]) {
        FILE *f = fopen(path, "we");

        if (!f)
                return -errno;
        fprintf(f,
                "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
                "font-family='sans-serif' font-size='11'>\n"
                "<rect width='100%%' height='100%%' fill='white'/>\n"
                "<text x='%d' y='24' font-size='15'>Devices come and go on one host: %u parent%s "
                "of %s</text>\n",
                COLUMNS * PANEL_WIDTH, HEAD + ROWS * PANEL_HEIGHT, LEFT, setup->n_parents,
                setup->n_parents == 1 ? "" : "s", SIZE_STR(setup->pool));
        for (size_t i = 0; i < ARRAY_SIZE(measures); i++) {
                const Panel p = make_panel(i, &measures[i], loads, n_loads, results);

                draw_grid(f, &p, &measures[i], loads, n_loads);
                for (size_t j = 0; j < N_CONTENDERS; j++)
                        draw_line(f, &p, &measures[i], j, loads, n_loads, results);
        }
        draw_legend(f);
        fprintf(f, "</svg>\n");
        return fclose(f) == 0 ? 0 : -errno;
}
