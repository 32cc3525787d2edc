/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svg.c owns the layout of the picture, in SVG's pixels. */
#include "cli/own/svg.h"

#include <inttypes.h>

#include "util/parse.h"
#include "util/utf8.h"

#define WIDTH 1000
#define MARGIN 30
#define BAR_WIDTH (WIDTH - 2 * MARGIN)
#define BAR_HEIGHT 56
#define TITLE_HEIGHT 50
#define AXIS_HEIGHT 30
#define ROW_HEIGHT 22
#define POOL_GAP 30
#define LETTER_WIDTH 14 /* a bar part that is narrower has no letter */
#define LINE_WIDTH 3    /* a bar part that is narrower has no lines around it: they would be all */
#define MONO "font-family='monospace'"
#define MONO_WIDTH 9     /* of one column of it, with some room */
#define OWNER_COLUMNS 26 /* of a row; the end of a name that is longer is shown as well */
#define OWNER_END 10
#define ROWS_MAX 500 /* of a pool: no printer nor viewer has use for more */

/* What a tile of each pattern shows, in a square of 8: dark lines on white. */
static const char *const tiles[] = {
        "<path d='M0 8L8 0M-2 2L2-2M6 10L10 6' stroke='#000' stroke-width='1.2'/>",
        "<path d='M0 0L8 8M-2 6L2 10M6-2L10 2' stroke='#000' stroke-width='1.2'/>",
        "<path d='M0 2H8M0 6H8' stroke='#000'/>",
        "<circle cx='2' cy='2' r='1.2'/><circle cx='6' cy='6' r='1.2'/>",
        "<path d='M2 0V8M6 0V8' stroke='#000'/>",
        "<path d='M0 4H8M4 0V8' stroke='#000'/>",
        "<path d='M0 0L8 8M0 8L8 0' stroke='#000' stroke-width='.8'/>",
        "<rect width='8' height='8' fill='#bbb'/>",
};

int svg_add_pool(Svg *svg, const JsonNode *parent, const JsonNode *pool) {
        SvgPool *pools = reallocarray(svg->pools, svg->n + 1, sizeof(*pools));
        int r;

        if (!pools)
                return -ENOMEM;
        svg->pools = pools;
        pools[svg->n] = (SvgPool) { .parent = parent, .pool = pool };
        r = picture_new(pool, &pools[svg->n].picture);
        if (r >= 0)
                svg->n++;
        return r;
}

void svg_done(Svg *svg) {
        for (size_t i = 0; i < svg->n; i++)
                picture_done(&svg->pools[i].picture);
        free(svg->pools);
        *svg = (Svg) {};
}

/* A stranger's text: "?" for what a picture cannot show; what XML has no word for is of that. */
static void print_text(FILE *f, const char *text) {
        for (size_t n; *text; text += n) {
                uint32_t c = 0;
                size_t size = utf8_decode(text, SIZE_MAX, &c);

                n = MAX(size, (size_t) 1);
                if (size == 0 || !utf8_is_plain(c))
                        (void) fputc('?', f);
                else if (c == '&')
                        (void) fputs("&amp;", f);
                else if (c == '<')
                        (void) fputs("&lt;", f);
                else if (c == '>')
                        (void) fputs("&gt;", f);
                else
                        (void) fwrite(text, 1, n, f);
        }
}

static void print_at(FILE *f, double x, double y, const char *attributes, const char *text) {
        (void) fprintf(f, "<text x='%.1f' y='%.1f'%s%s>", x, y, attributes[0] ? " " : "",
                       attributes);
        print_text(f, text);
        (void) fputs("</text>\n", f);
}

static void print_fill(FILE *f, double x, double y, double w, double h, const Range *r) {
        (void) fprintf(f, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' ", x, y, w, h);
        if (r->device)
                (void) fprintf(f, "fill='url(#p%zu)'%s/>\n", r->index % ARRAY_SIZE(tiles),
                               w < LINE_WIDTH ? "" : " stroke='#000'");
        else if (w < LINE_WIDTH)
                (void) fputs("fill='#fff'/>\n", f);
        else
                (void) fputs("fill='#fff' stroke='#888' stroke-dasharray='3 3'/>\n", f);
}

/* On white, so that the pattern does not eat it. */
static void print_label(FILE *f, double x, double y, const char *text) {
        double w = (double) (screen_columns(text) * MONO_WIDTH + 8);

        (void) fprintf(f, "<rect x='%.1f' y='%.1f' width='%.1f' height='20' rx='3' fill='#fff' "
                       "stroke='#000' stroke-width='.6'/>\n", x - w / 2, y - 15, w);
        print_at(f, x, y, "text-anchor='middle' font-weight='bold' " MONO, text);
}

static void print_part(FILE *f, const Picture *p, const Range *r, double top) {
        double scale = BAR_WIDTH / (double) p->size;
        double x = MARGIN + (double) (r->offset - p->offset) * scale;
        double w = (double) r->size * scale, middle = top + BAR_HEIGHT / 2.0 + 5;
        char label[160], letter[2] = { picture_letter(r), '\0' };

        print_fill(f, x, top, w, BAR_HEIGHT, r);
        (void) snprintf(label, sizeof(label), "%s %s", letter, picture_owner(r));
        if (!r->device) {
                if (w > 60)
                        print_at(f, x + w / 2, middle, "text-anchor='middle' fill='#555'", "free");
        } else if (w > (double) (screen_columns(label) * MONO_WIDTH + 12))
                print_label(f, x + w / 2, middle, label);
        else if (w > LETTER_WIDTH + 8)
                print_label(f, x + w / 2, middle, letter);
}

/* The characters of @text behind the first @skipped columns. */
static const char *behind(const char *text, size_t skipped) {
        while (text[0] && screen_columns(text) > skipped)
                text += MAX(utf8_decode(text, SIZE_MAX, NULL), (size_t) 1);
        return text;
}

/* Whole, or its beginning and its end: where many are alike it is the end that differs. */
static void print_owner(FILE *f, double x, double y, const char *owner) {
        _cleanup_(freep) char *text = NULL;
        size_t n = 0;

        if (screen_columns(owner) > OWNER_COLUMNS) {
                const char *end = behind(owner, OWNER_END), *middle;

                middle = behind(owner, screen_columns(owner) - (OWNER_COLUMNS - OWNER_END - 1));
                n = (size_t) (middle - owner);
                if (asprintf(&text, "%.*s…%s", (int) n, owner, end) < 0)
                        text = NULL;
        }
        print_at(f, x, y, MONO, text ?: owner);
}

static void print_row(FILE *f, const Range *r, double y) {
        char text[64], letter[2] = { picture_letter(r), '\0' };

        print_fill(f, MARGIN, y - 13, 28, 16, r);
        print_at(f, MARGIN + 40, y, "font-weight='bold'", letter);
        (void) snprintf(text, sizeof(text), "0x%08" PRIx64, r->offset);
        print_at(f, MARGIN + 62, y, MONO, text);
        print_at(f, MARGIN + 270, y, "text-anchor='end'", SIZE_STR(r->size));
        print_owner(f, MARGIN + 290, y, picture_owner(r));
        if (!r->device)
                return;
        print_at(f, MARGIN + 530, y, "", r->state ?: "");
        print_at(f, MARGIN + 620, y, MONO " font-size='12'", r->device);
}

static size_t rows_of(const SvgPool *p) {
        return MIN(p->picture.n, (size_t) ROWS_MAX);
}

static double pool_height(const SvgPool *p) {
        size_t rows = rows_of(p) + (p->picture.n > ROWS_MAX);

        return TITLE_HEIGHT + BAR_HEIGHT + AXIS_HEIGHT + (double) (ROW_HEIGHT * rows) + POOL_GAP;
}

static void print_rows(FILE *f, const SvgPool *sp, double top) {
        size_t n = rows_of(sp);
        char text[96];

        for (size_t i = 0; i < n; i++)
                print_row(f, &sp->picture.ranges[i], top + (double) (ROW_HEIGHT * i));
        if (n == sp->picture.n)
                return;
        (void) snprintf(text, sizeof(text), "and %zu more: see `mdevdctl map`",
                        sp->picture.n - n);
        print_at(f, MARGIN + 62, top + (double) (ROW_HEIGHT * n), "", text);
}

static void print_title(FILE *f, const SvgPool *sp, double top) {
        char text[256];

        (void) snprintf(text, sizeof(text), "%s, BAR %s, pool %s", node_text(sp->parent, "name"),
                        node_text(sp->pool, "bar"), node_text(sp->pool, "name"));
        print_at(f, MARGIN, top + 20, "font-size='16' font-weight='bold'", text);
        (void) snprintf(text, sizeof(text), "%s, used %s, largest hole %s",
                        SIZE_STR(sp->picture.size), SIZE_STR(node_number(sp->pool, "used")),
                        SIZE_STR(node_number(sp->pool, "largest_hole")));
        print_at(f, MARGIN, top + 39, "fill='#333'", text);
}

static void print_pool(FILE *f, const SvgPool *sp, double top) {
        const Picture *p = &sp->picture;
        char text[32];

        print_title(f, sp, top);
        top += TITLE_HEIGHT;
        for (size_t i = 0; i < p->n; i++)
                print_part(f, p, &p->ranges[i], top);
        (void) fprintf(f, "<rect x='%d' y='%.1f' width='%d' height='%d' fill='none' stroke='#000' "
                       "stroke-width='1.5'/>\n", MARGIN, top, BAR_WIDTH, BAR_HEIGHT);
        top += BAR_HEIGHT + 16;
        for (size_t i = 0; i <= 4; i++) {
                (void) snprintf(text, sizeof(text), "0x%" PRIx64, p->offset + p->size / 4 * i);
                print_at(f, MARGIN + BAR_WIDTH / 4.0 * (double) i, top, i == 0 ? "fill='#333'"
                         : i == 4 ? "fill='#333' text-anchor='end'"
                         : "fill='#333' text-anchor='middle'", text);
        }
        top += AXIS_HEIGHT;
        print_rows(f, sp, top);
}

void svg_print(const Svg *svg, FILE *f) {
        double height = MARGIN, top = MARGIN / 2.0;

        for (size_t i = 0; i < svg->n; i++)
                height += pool_height(&svg->pools[i]);
        (void) fprintf(f, "<?xml version='1.0' encoding='UTF-8'?>\n"
                       "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%.0f' "
                       "viewBox='0 0 %d %.0f' font-family='sans-serif' font-size='14'>\n"
                       "<title>Who has which part of the pools</title>\n<defs>\n",
                       WIDTH, height, WIDTH, height);
        for (size_t i = 0; i < ARRAY_SIZE(tiles); i++)
                (void) fprintf(f, "<pattern id='p%zu' width='8' height='8' "
                               "patternUnits='userSpaceOnUse'><rect width='8' height='8' "
                               "fill='#fff'/>%s</pattern>\n", i, tiles[i]);
        (void) fprintf(f, "</defs>\n<rect width='%d' height='%.0f' fill='#fff'/>\n", WIDTH, height);
        for (size_t i = 0; i < svg->n; i++) {
                print_pool(f, &svg->pools[i], top);
                top += pool_height(&svg->pools[i]);
        }
        (void) fputs("</svg>\n", f);
}
