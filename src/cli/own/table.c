/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* table.c owns the widths of columns. */
#include "cli/own/table.h"

#include <stdarg.h>

#define SHRINK_MIN 6
#define GAP 2

typedef struct Cell Cell;

struct Cell {
        char *text;
        Colour colour;
};

struct Table {
        const TableColumn *columns;
        size_t n_columns;
        Cell *cells;
        size_t n_cells;
        size_t widths[TABLE_COLUMNS_MAX]; /* 0: left out */
};

Table *table_new(const TableColumn *columns) {
        Table *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->columns = columns;
        while (columns[t->n_columns].heading)
                t->n_columns++;
        assert(t->n_columns > 0 && t->n_columns <= TABLE_COLUMNS_MAX);
        return t;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
        return NULL;
}

/* Takes @text. */
static int add(Table *t, Colour colour, char *text) {
        Cell *cells = text ? reallocarray(t->cells, t->n_cells + 1, sizeof(*cells)) : NULL;

        if (!cells) {
                free(text);
                return -ENOMEM;
        }
        t->cells = cells;
        t->cells[t->n_cells++] = (Cell) { .text = text, .colour = colour };
        return 0;
}

int table_add(Table *t, Colour colour, const char *text) {
        return add(t, colour, strdup(text && text[0] ? text : "-"));
}

int table_addf(Table *t, Colour colour, const char *format, ...) {
        char *text;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        return add(t, colour, r < 0 ? NULL : text);
}

size_t table_rows(const Table *t) {
        return t->n_cells / t->n_columns;
}

static void measure(Table *t, bool headings) {
        for (size_t c = 0; c < t->n_columns; c++)
                t->widths[c] = headings ? screen_columns(t->columns[c].heading) : 0;
        for (size_t i = 0; i < t->n_cells; i++) {
                size_t c = i % t->n_columns;

                t->widths[c] = MAX(t->widths[c], screen_columns(t->cells[i].text));
        }
}

/* Columns that a row takes; @shrunk: with all that can shrink as narrow as it gets. */
static size_t total_of(const Table *t, bool shrunk) {
        size_t total = 0, n = 0;

        for (size_t c = 0; c < t->n_columns; c++) {
                size_t width = t->widths[c];

                if (shrunk && t->columns[c].shrinks && width > SHRINK_MIN)
                        width = SHRINK_MIN;
                total += width;
                n += width > 0;
        }
        return total + (n > 0 ? GAP * (n - 1) : 0);
}

static void drop(Table *t, size_t room) {
        for (size_t c = t->n_columns; c > 0 && total_of(t, true) > room; c--)
                if (t->columns[c - 1].drops)
                        t->widths[c - 1] = 0;
}

/* One place at a time: tables are small. */
static void fit(Table *t, size_t room) {
        drop(t, room);
        while (total_of(t, false) > room) {
                size_t widest = t->n_columns;

                for (size_t c = 0; c < t->n_columns; c++)
                        if (t->columns[c].shrinks && t->widths[c] > SHRINK_MIN &&
                            (widest == t->n_columns || t->widths[c] > t->widths[widest]))
                                widest = c;
                if (widest == t->n_columns)
                        return;
                t->widths[widest]--;
        }
}

static void pad(size_t n) {
        if (n > 0)
                (void) printf("%*s", (int) n, "");
}

/* The number of cells that are to be printed: no line ends with blanks. */
static size_t used_cells(const Table *t, const Cell *row) {
        size_t n = t->n_columns;

        while (n > 1 && (t->widths[n - 1] == 0 || (row && streq(row[n - 1].text, " "))))
                n--;
        return n;
}

/* @room: columns of the screen; SIZE_MAX: no limit. */
static void print_row(const Table *t, const Screen *s, const Cell *row, size_t room) {
        size_t n = used_cells(t, row);

        for (size_t c = 0; c < n; c++) {
                const char *text = row ? row[c].text : t->columns[c].heading;
                Colour colour = row ? row[c].colour : COLOUR_BOLD;
                size_t width = MIN(t->widths[c], room);
                size_t used = MIN(screen_columns(text), width);

                if (width == 0)
                        continue;
                if (t->columns[c].right)
                        pad(width - used);
                if (colour != COLOUR_NONE)
                        (void) fputs(screen_colour(s, colour), stdout);
                screen_print_cut(s, stdout, text, width);
                if (colour != COLOUR_NONE)
                        (void) fputs(screen_colour(s, COLOUR_NONE), stdout);
                room -= width;
                if (c + 1 == n || room <= GAP)
                        break;
                if (!t->columns[c].right)
                        pad(width - used);
                pad(GAP);
                room -= GAP;
        }
        (void) putchar('\n');
}

void table_print(Table *t, const Screen *s, unsigned indent) {
        size_t room = s->cut_at > indent ? s->cut_at - indent : SIZE_MAX;

        assert(t->n_cells % t->n_columns == 0);
        if (t->n_cells == 0)
                return;
        measure(t, s->legend);
        fit(t, room);
        if (s->legend) {
                pad(indent);
                print_row(t, s, NULL, room);
        }
        for (size_t i = 0; i < t->n_cells; i += t->n_columns) {
                pad(indent);
                print_row(t, s, &t->cells[i], room);
        }
}
