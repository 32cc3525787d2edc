/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * screen.h: where the verbs print to, and what that can show: its width, colours, UTF-8; the pager
 * before it. What goes into a pipe or a file has no colour and is never cut.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct Screen Screen;
typedef struct Diverted Diverted;

/* How --json=MODE wants it. */
typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,  /* one line */
        JSON_PRETTY, /* indented */
} JsonMode;

typedef enum Colour {
        COLOUR_NONE,
        COLOUR_BOLD,
        COLOUR_DIM,
        COLOUR_RED,
        COLOUR_GREEN,
        COLOUR_YELLOW,
        _COLOUR_MAX,
} Colour;

struct Screen {
        bool terminal; /* stdout is one */
        bool colour;
        bool redraws; /* what was printed can be printed over */
        bool utf8;       /* the locale's characters are UTF-8 */
        unsigned width;  /* columns that pictures fill: of the terminal, $COLUMNS, or 80 */
        unsigned cut_at; /* columns at which lines are cut; 0: never */
        unsigned height; /* lines of the terminal, or $LINES; 0: no terminal, or not known */
        JsonMode json;
        bool legend; /* headings and totals */
        pid_t pager; /* 0: none */
};

/* @page: this verb's text may be long, so a pager is started on a terminal, if one is wanted. */
void screen_open(Screen *s, JsonMode json, bool legend, bool page);
/* All is out, the pager has ended. EXIT_SUCCESS, or EXIT_FAILED after it was said why. */
int screen_close(Screen *s);

/* What is printed meanwhile: a text instead of something on stdout. */
struct Diverted {
        FILE *before;
        char *text;
        size_t size;
};

/* From now on until screen_restore(), after which @d->text is to be freed. -errno. */
int screen_divert(Diverted *d);
void screen_restore(Diverted *d);
/* Lines that @text takes on the screen, where what is too long goes on in the next. */
size_t screen_lines(const Screen *s, const char *text);

/* Escape sequences; "" where there is no colour. COLOUR_NONE ends what the others began. */
const char *screen_colour(const Screen *s, Colour c);
/* The same for the background of one of several things beside each other, by number. */
const char *screen_background(const Screen *s, size_t index);
/* Columns that @text takes. */
size_t screen_columns(const char *text);
/* Prints so much of @text as @columns can show (an ellipsis tells of the rest), without padding. */
void screen_print_cut(const Screen *s, FILE *f, const char *text, size_t columns);
/* @utf8 if it can be shown, else @ascii. */
const char *screen_glyph(const Screen *s, const char *utf8, const char *ascii);
/* Whether stderr is a terminal: progress may be drawn over itself there. */
bool screen_stderr_is_terminal(void);
/* What is known of that terminal: only @utf8, @terminal, @width and @cut_at. */
void screen_look_at_stderr(Screen *s);
