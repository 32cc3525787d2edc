/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table.h: rows of text in columns. On a screen that is too narrow columns that may be missing are
 * left out, then those that may shrink do, the widest first; what still is too long is cut.
 */
#pragma once

#include "cli/own/screen.h"
#include "util/macro.h"

#define TABLE_COLUMNS_MAX 12

typedef struct Table Table;
typedef struct TableColumn TableColumn;

struct TableColumn {
        const char *heading; /* NULL ends a list of columns */
        bool right;          /* numbers */
        bool shrinks;
        bool drops; /* is left out where there is no room, the rightmost first */
};

Table *table_new(const TableColumn *columns);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free)

/* The next cell, from left to right, row by row. @text NULL or empty: a "-". -ENOMEM. */
int table_add(Table *t, Colour colour, const char *text);
int table_addf(Table *t, Colour colour, const char *format, ...) _printf_(3, 4);
size_t table_rows(const Table *t);
/* Each line begins with @indent blanks. Prints nothing if there are no rows. */
void table_print(Table *t, const Screen *s, unsigned indent);
