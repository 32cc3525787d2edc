/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trace.c: traces read, written and made up. */
#include "trace.h"

#include <inttypes.h>
#include <math.h>

#include "util/parse.h"

#define MEAN_LIFETIME 600.0
#define SHAPE 1.5

void trace_done(Trace *t) {
        free(t->arrivals);
        *t = (Trace) {};
}

static int trace_add(Trace *t, const Arrival *a) {
        Arrival *bigger;

        if ((t->n & (t->n - 1)) == 0) {
                bigger = reallocarray(t->arrivals, t->n ? 2 * t->n : 1, sizeof(*bigger));
                if (!bigger)
                        return -ENOMEM;
                t->arrivals = bigger;
        }
        t->arrivals[t->n++] = *a;
        return 0;
}

static int parse_seconds(const char *text, double *ret) {
        char *end;

        *ret = strtod(text, &end);
        return end == text || *end || !isfinite(*ret) || *ret < 0 ? -EINVAL : 0;
}

static int parse_line(char *line, double last, Arrival *ret) {
        char *fields[4] = { "", "", "", "" };
        size_t n = 0;

        line[strcspn(line, "\r\n")] = '\0';
        for (char *p = line, *next; p && n < 4; p = next) {
                next = strchr(p, ',');
                if (next)
                        *next++ = '\0';
                fields[n++] = p;
        }
        *ret = (Arrival) {};
        if (n < 3 || parse_seconds(fields[0], &ret->at) < 0 ||
            parse_seconds(fields[1], &ret->lifetime) < 0 ||
            parse_size(fields[2], &ret->size) < 0 || ret->at < last || ret->size < 4096 ||
            (ret->size & (ret->size - 1)) != 0 || strlen(fields[3]) >= sizeof(ret->owner))
                return -EINVAL;
        (void) strcpy(ret->owner, fields[3]);
        return 0;
}

int trace_read(Trace *t, FILE *f, unsigned *ret_line) {
        char line[256];
        int r;

        for (*ret_line = 1; fgets(line, sizeof(line), f); (*ret_line)++) {
                Arrival a;

                if (*ret_line == 1) {
                        if (strncmp(line, "arrival,lifetime,size", 21) != 0)
                                return -EINVAL;
                        continue;
                }
                r = parse_line(line, t->n ? t->arrivals[t->n - 1].at : 0, &a);
                if (r == 0)
                        r = trace_add(t, &a);
                if (r < 0)
                        return r;
        }
        return ferror(f) || t->n == 0 ? -EINVAL : 0;
}

int trace_write(const Trace *t, FILE *f) {
        fprintf(f, "arrival,lifetime,size,owner\n");
        for (size_t i = 0; i < t->n; i++)
                fprintf(f, "%.3f,%.3f,%" PRIu64 ",%s\n", t->arrivals[i].at, t->arrivals[i].lifetime,
                        t->arrivals[i].size, t->arrivals[i].owner);
        return fflush(f) == 0 ? 0 : -errno;
}

/* In (0, 1]. */
static double random_unit(uint64_t *state) {
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return (double) ((z ^ (z >> 31)) >> 11) * 0x1p-53 + 0x1p-54;
}

static double random_lifetime(uint64_t *state) {
        double least = MEAN_LIFETIME * (SHAPE - 1) / SHAPE;
        double t = least / pow(random_unit(state), 1 / SHAPE);

        return MIN(t, 50 * MEAN_LIFETIME);
}

static uint64_t random_size(uint64_t *state, uint64_t largest) {
        uint64_t size = 1 << 20;

        while (size < largest && random_unit(state) < 0.5)
                size *= 2;
        return size;
}

int trace_generate(Trace *t, size_t n, double load, uint64_t capacity, uint64_t largest,
                   uint64_t seed) {
        double offered = 0, at = 0, scale;
        int r;

        for (size_t i = 0; i < n; i++) {
                Arrival a = { .at = at += -log(random_unit(&seed)) };

                a.lifetime = random_lifetime(&seed);
                a.size = random_size(&seed, largest);
                (void) snprintf(a.owner, sizeof(a.owner), "vm%zu", i);
                offered += (double) a.size * a.lifetime;
                r = trace_add(t, &a);
                if (r < 0)
                        return r;
        }
        /* time is stretched until what is offered is what was asked for */
        scale = offered / (load * (double) capacity * at);
        for (size_t i = 0; i < t->n; i++)
                t->arrivals[i].at *= scale;
        return 0;
}
