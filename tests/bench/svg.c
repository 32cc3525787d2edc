/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svg.c: the simulator's plot, written by hand: a frame, a grid, and a line a contender. */
#include <stdio.h>

#include "simulate.h"
#include "util/macro.h"
#include "util/parse.h"

#define WIDTH 760
#define HEIGHT 420
#define LEFT 70
#define RIGHT 180
#define TOP 40
#define BOTTOM 50

typedef struct Scale Scale;

struct Scale {
        double x0, x1, y0, y1;
};

static double percent(const Result *r) {
        return r->offered ? 100.0 * (double) r->granted / (double) r->offered : 0;
}

static double to_x(const Scale *s, double v) {
        double span = s->x1 > s->x0 ? s->x1 - s->x0 : 1;

        return LEFT + (v - s->x0) / span * (WIDTH - LEFT - RIGHT);
}

static double to_y(const Scale *s, double v) {
        return HEIGHT - BOTTOM - (v - s->y0) / (s->y1 - s->y0) * (HEIGHT - TOP - BOTTOM);
}

static Scale make_scale(const double *loads, size_t n, Result results[][N_CONTENDERS]) {
        Scale s = { .x0 = loads[0], .x1 = loads[n - 1], .y0 = 100, .y1 = 100 };

        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < N_CONTENDERS; j++)
                        s.y0 = MIN(s.y0, percent(&results[i][j]));
        s.y0 = (double) (((int) s.y0 - 1) / 5 * 5);
        return s;
}

static void draw_grid(FILE *f, const Scale *s, const double *loads, size_t n) {
        for (double y = s->y0; y <= s->y1; y += 5)
                fprintf(f,
                        "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f' stroke='#ddd'/>\n"
                        "<text x='%d' y='%.1f' text-anchor='end'>%.0f %%</text>\n",
                        LEFT, to_y(s, y), WIDTH - RIGHT, to_y(s, y), LEFT - 8, to_y(s, y) + 4, y);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "<text x='%.1f' y='%d' text-anchor='middle'>%.2f</text>\n",
                        to_x(s, loads[i]), HEIGHT - BOTTOM + 20, loads[i]);
        fprintf(f, "<text x='%d' y='%d' text-anchor='middle'>load: bytes asked for, of what there "
                   "is</text>\n",
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10);
}

int svg_write(const char *path, const Setup *setup, const double *loads, size_t n_loads,
              Result results[][N_CONTENDERS]) {
        const Scale s = make_scale(loads, n_loads, results);
        FILE *f = fopen(path, "we");

        if (!f)
                return -errno;
        fprintf(f,
                "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
                "font-family='sans-serif' font-size='12'>\n"
                "<rect width='100%%' height='100%%' fill='white'/>\n"
                "<text x='%d' y='22' font-size='14'>Bytes granted, of those asked for: %u parents of "
                "%s</text>\n",
                WIDTH, HEIGHT, LEFT, setup->n_parents, SIZE_STR(setup->pool));
        draw_grid(f, &s, loads, n_loads);
        for (size_t j = 0; j < N_CONTENDERS; j++) {
                fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='2'%s points='",
                        contenders[j].colour, contenders[j].ideal != IDEAL_NO ? " stroke-dasharray='6 4'" : "");
                for (size_t i = 0; i < n_loads; i++)
                        fprintf(f, "%.1f,%.1f ", to_x(&s, loads[i]),
                                to_y(&s, percent(&results[i][j])));
                fprintf(f, "'/>\n<text x='%d' y='%zu' fill='%s'>%s</text>\n", WIDTH - RIGHT + 15,
                        TOP + 15 + 20 * j, contenders[j].colour, contenders[j].name);
        }
        fprintf(f, "</svg>\n");
        return fclose(f) == 0 ? 0 : -errno;
}
