/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulate.c: devices come and go on one host; how many of the bytes asked for were granted, under
 * each policy, and how many would have been if free space were never in pieces: by parent, for a
 * device cannot lie on two; and, as a bound, with all parents as one. Decisions are policy_place()
 * and policy_plan_moves() of the daemon's own library, linked in.
 *
 *     simulate [--parents N] [--pool SIZE] [--arrivals N] [--loads A,B,…] [--seed N]
 *              [--trace FILE | --generate FILE] [--svg FILE] [--placements FILE]
 *
 * README.md beside it says what the options, the files and the columns mean.
 */
#include <getopt.h>
#include <inttypes.h>

#include "policy/policy.h"
#include "simulate.h"
#include "trace.h"
#include "util/parse.h"

typedef struct Live Live;
typedef struct Simulation Simulation;

/* Who leaves when: a heap. */
struct Live {
        double until;
        Device *device; /* NULL: of a stream without fragmentation */
        unsigned parent; /* of such a stream */
        uint64_t size;
};

struct Simulation {
        const Setup *setup;
        Model *model;
        Live *heap;
        size_t n;
        uint64_t used;
        double now, used_seconds, fragmented_seconds;
        uint64_t serial;
        Ideal ideal;
        Moving moving;
        FILE *placements; /* NULL: not wanted */
        const char *name; /* of the contender */
        uint64_t parents_used[16];
        Result *result;
};

const Contender contenders[N_CONTENDERS] = {
        { "no fragmentation", "#777777", ORDER_PACK, IDEAL_PARENTS, MOVING_NEVER },
        { "one large parent", "#bbbbbb", ORDER_PACK, IDEAL_HOST, MOVING_NEVER },
        { "pack", "#c23b22", ORDER_PACK, IDEAL_NO, MOVING_NEVER },
        { "spread", "#e8a33d", ORDER_SPREAD, IDEAL_NO, MOVING_NEVER },
        { "pack, moves", "#1f6fb4", ORDER_PACK, IDEAL_NO, MOVING_LAST },
        { "spread, moves", "#3a9a5b", ORDER_SPREAD, IDEAL_NO, MOVING_LAST },
        { "pack by moves", "#7b3294", ORDER_PACK, IDEAL_NO, MOVING_PACK },
};

static void die(const char *what, int r) {
        fprintf(stderr, "simulate: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static void must(int r, const char *what) {
        if (r < 0)
                die(what, r);
}

/* ---- the host ---- */

static void add_types(Parent *p, uint64_t pool) {
        for (uint64_t size = 4096; size <= pool && size; size *= 2) {
                char id[64];
                Type *t;

                (void) snprintf(id, sizeof(id), "mdevd-%" PRIu64, size);
                must(type_new(&t, id), "type");
                t->ours = t->movable = true;
                t->bars[0].size = size;
                t->bars[0].pool = strdup("fb");
                must(t->bars[0].pool ? 0 : -ENOMEM, "type");
                parent_link_type(p, t);
        }
}

static Model *make_host(const Setup *setup, Order order) {
        PlacementRule *rule;
        Rules *rules;
        Model *m;

        must(model_new(&m), "model");
        for (unsigned i = 0; i < setup->n_parents; i++) {
                char name[16];
                Parent *p;
                Pool *pool;

                (void) snprintf(name, sizeof(name), "p%u", i);
                must(parent_new(&p, name), "parent");
                must(pool_new(&pool, "fb"), "pool");
                pool->size = setup->pool;
                p->state = PARENT_REGISTERED;
                p->ours = true;
                parent_link_pool(p, pool);
                add_types(p, setup->pool);
                model_link_parent(m, p);
        }
        must(rules_new(&rules), "rules");
        must(rules_add_placement(rules, &rule, NULL, 0, 0), "rules");
        rule->order = order;
        model_set_rules(m, rules);
        return m;
}

/* ---- the heap ---- */

static void heap_push(Simulation *s, const Live *l) {
        size_t i = s->n++;

        for (; i > 0 && s->heap[(i - 1) / 2].until > l->until; i = (i - 1) / 2)
                s->heap[i] = s->heap[(i - 1) / 2];
        s->heap[i] = *l;
}

static Live heap_pop(Simulation *s) {
        const Live first = s->heap[0], last = s->heap[--s->n];
        size_t i = 0, k;

        while ((k = 2 * i + 1) < s->n) {
                if (k + 1 < s->n && s->heap[k + 1].until < s->heap[k].until)
                        k++;
                if (s->heap[k].until >= last.until)
                        break;
                s->heap[i] = s->heap[k];
                i = k;
        }
        s->heap[i] = last;
        return first;
}

/* ---- time ---- */

/* Free bytes outside the largest hole of their pool, of all free bytes. */
static double fragmentation(const Simulation *s) {
        uint64_t outside = 0, free = 0;

        if (s->ideal != IDEAL_NO)
                return 0;
        list_foreach(p, &s->model->parents, Parent, node) {
                PoolUsage u;

                must(policy_pool_usage(s->model, NULL, p, list_first(&p->pools, Pool, node), &u),
                     "usage");
                free += u.free;
                outside += u.free - u.largest_hole;
        }
        return free ? (double) outside / (double) free : 0;
}

static void advance(Simulation *s, double to) {
        s->used_seconds += (double) s->used * (to - s->now);
        s->now = to;
}

static void leave_until(Simulation *s, double to) {
        while (s->n > 0 && s->heap[0].until <= to) {
                Live l = heap_pop(s);

                advance(s, l.until);
                s->used -= l.size;
                if (!l.device)
                        s->parents_used[l.parent] -= l.size;
                device_free(l.device);
        }
        advance(s, to);
}

/* ---- arrivals ---- */

static void carry_out(Simulation *s, const Moves *m) {
        for (size_t i = 0; i < m->n; i++) {
                Device *d = m->moves[i].device;
                Extent e = d->extents[m->moves[i].extent];

                e.offset = m->moves[i].to;
                device_set_extents(d, &e, 1);
        }
        s->result->moves += m->n;
        s->result->moved_bytes += m->bytes;
}

/* The parent that the moves are on is the one to be asked then. */
static int make_room(Simulation *s, Request *q) {
        _cleanup_(reason_done) Reason reason = {};
        _cleanup_(moves_done) Moves moves = {};
        int r;

        r = policy_plan_moves(s->model, NULL, q,
                              s->moving == MOVING_PACK ? MOVES_PACK : MOVES_FEWEST, &moves,
                              &reason);
        must(r, "plan");
        if (r > 0)
                return r;
        carry_out(s, &moves);
        q->parent = strdup(moves.parent->name);
        must(q->parent ? 0 : -ENOMEM, "request");
        return 0;
}

static int find_place(Simulation *s, Request *q, Placement *ret) {
        _cleanup_(reason_done) Reason reason = {};
        int r;

        if (s->moving != MOVING_PACK) {
                r = policy_place(s->model, NULL, q, ret, &reason);
                must(r, "place");
                if (r == 0 || s->moving == MOVING_NEVER)
                        return r;
        }
        r = make_room(s, q);
        if (r > 0)
                return r;
        r = policy_place(s->model, NULL, q, ret, &reason);
        if (r != 0)
                die("a plan was carried out and there is no room", -EPROTO);
        return 0;
}

static void note_placement(const Simulation *s, const Arrival *a, const Placement *p) {
        if (!s->placements)
                return;
        fprintf(s->placements, "%s,%" PRIu64 ",%s,%" PRIu64 ",", s->name, s->serial, a->owner,
                a->size);
        if (p)
                fprintf(s->placements, "%s,%" PRIu64 "\n", p->parent->name, p->extents[0].offset);
        else
                fprintf(s->placements, "refused,\n");
}

static Device *make_device(Simulation *s, const Arrival *a) {
        _cleanup_(request_freep) Request *q = NULL;
        Placement placement;
        char type[32];
        Device *d;

        (void) snprintf(type, sizeof(type), "%" PRIu64, a->size);
        must(request_new(&q, "mdevd-"), "request");
        free(q->type);
        free(q->owner);
        must(asprintf(&q->type, "mdevd-%s", type) < 0 ? -ENOMEM : 0, "request");
        q->owner = strdup(a->owner);
        must(q->owner ? 0 : -ENOMEM, "request");
        s->serial++;
        memcpy(q->uuid.bytes, &s->serial, sizeof(s->serial));
        if (find_place(s, q, &placement) != 0) {
                note_placement(s, a, NULL);
                return NULL;
        }
        note_placement(s, a, &placement);
        must(device_new(&d, placement.parent, &q->uuid, placement.type->id), "device");
        must(device_set_owner(d, a->owner), "device");
        device_set_extents(d, placement.extents, placement.n_extents);
        model_link_device(s->model, d);
        return d;
}

/* The fullest that holds it, as pack does. False: none does. */
static bool find_ideal(const Simulation *s, uint64_t size, unsigned *ret) {
        unsigned n = s->ideal == IDEAL_HOST ? 1 : s->setup->n_parents;
        uint64_t pool = s->ideal == IDEAL_HOST ? setup_capacity(s->setup) : s->setup->pool;
        uint64_t best = UINT64_MAX;

        for (unsigned i = 0; i < n; i++) {
                uint64_t free = pool - s->parents_used[i];

                if (free < size || free >= best)
                        continue;
                best = free;
                *ret = i;
        }
        return best != UINT64_MAX;
}

static bool arrive(Simulation *s, const Arrival *a) {
        Live l = { .until = a->at + a->lifetime, .size = a->size };

        if (s->ideal != IDEAL_NO) {
                if (!find_ideal(s, a->size, &l.parent))
                        return false;
                s->parents_used[l.parent] += a->size;
        } else {
                l.device = make_device(s, a);
                if (!l.device)
                        return false;
        }
        s->used += a->size;
        heap_push(s, &l);
        return true;
}

static void simulate(const Setup *setup, const Trace *trace, const Contender *c, FILE *placements,
                     Result *result) {
        Simulation s = {
                .setup = setup,
                .ideal = c->ideal,
                .moving = c->moving,
                .placements = placements,
                .name = c->name,
                .result = result,
        };
        size_t samples = 0;
        double sum = 0;

        *result = (Result) {};
        s.model = make_host(setup, c->order);
        s.heap = calloc(trace->n, sizeof(*s.heap));
        must(s.heap ? 0 : -ENOMEM, "heap");
        for (size_t i = 0; i < trace->n; i++) {
                const Arrival *a = &trace->arrivals[i];
                bool large = a->size == setup->largest;

                leave_until(&s, a->at);
                result->offered += a->size;
                result->large_offered += large;
                if (arrive(&s, a)) {
                        result->granted += a->size;
                        result->large_granted += large;
                }
                if (i % 16 == 0) {
                        sum += fragmentation(&s);
                        samples++;
                }
        }
        result->utilisation = s.used_seconds / s.now / (double) setup_capacity(setup);
        result->fragmentation = sum / (double) samples;
        model_free(s.model);
        free(s.heap);
}

/* ---- the table ---- */

static void print_row(const Contender *c, const Result *r, const Result *ideal) {
        double accepted = 100.0 * (double) r->granted / (double) r->offered;
        double best = 100.0 * (double) ideal->granted / (double) ideal->offered;

        printf("  %-18s %8.2f %8.2f %8.2f %8.1f %8.1f %9" PRIu64 " %10.1f\n", c->name, accepted,
               accepted - best,
               r->large_offered ? 100.0 * (double) r->large_granted / (double) r->large_offered : 0,
               100 * r->utilisation, 100 * r->fragmentation, r->moves,
               r->granted ? 100.0 * (double) r->moved_bytes / (double) r->granted : 0);
}

static void run_load(const Setup *setup, const Trace *trace, double load, FILE *placements,
                     Result *results) {
        printf("load %.2f: %zu devices, %u parents of %s\n", load, trace->n, setup->n_parents,
               SIZE_STR(setup->pool));
        printf("  %-18s %8s %8s %8s %8s %8s %9s %10s\n", "policy", "bytes %", "points", "large %",
               "used %", "pieces %", "moves", "moved %");
        for (size_t i = 0; i < N_CONTENDERS; i++) {
                simulate(setup, trace, &contenders[i], placements, &results[i]);
                print_row(&contenders[i], &results[i], &results[0]);
        }
}

static uint64_t largest_of(const Trace *t) {
        uint64_t largest = 0;

        for (size_t i = 0; i < t->n; i++)
                largest = MAX(largest, t->arrivals[i].size);
        return largest;
}

static size_t parse_loads(char *text, double *loads) {
        size_t n = 0;

        for (char *p = strtok(text, ","); p && n < LOADS_MAX; p = strtok(NULL, ","))
                loads[n++] = strtod(p, NULL);
        return n;
}

static double load_of(const Setup *setup, const Trace *t) {
        double offered = 0;

        for (size_t i = 0; i < t->n; i++)
                offered += (double) t->arrivals[i].size * t->arrivals[i].lifetime;
        return offered / ((double) setup_capacity(setup) * t->arrivals[t->n - 1].at);
}

typedef struct Options Options;

struct Options {
        Setup setup;
        uint64_t arrivals, seed;
        const char *trace, *generate, *svg, *placements;
        double loads[LOADS_MAX];
        size_t n_loads;
};

static void parse_options(Options *o, int argc, char **argv) {
        static const struct option table[] = {
                { "parents", required_argument, NULL, 'p' },
                { "pool", required_argument, NULL, 'o' },
                { "arrivals", required_argument, NULL, 'a' },
                { "loads", required_argument, NULL, 'l' },
                { "seed", required_argument, NULL, 's' },
                { "trace", required_argument, NULL, 't' },
                { "generate", required_argument, NULL, 'g' },
                { "svg", required_argument, NULL, 'v' },
                { "placements", required_argument, NULL, 'c' },
                {},
        };
        uint64_t n;
        int c;

        while ((c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
                if (strchr("poas", c) && parse_size(optarg, &n) < 0)
                        die(optarg, -EINVAL);
                if (c == 'p')
                        o->setup.n_parents = (unsigned) n;
                else if (c == 'o')
                        o->setup.pool = n;
                else if (c == 'a')
                        o->arrivals = n;
                else if (c == 's')
                        o->seed = n;
                else if (c == 'l')
                        o->n_loads = parse_loads(optarg, o->loads);
                else if (c == 't')
                        o->trace = optarg;
                else if (c == 'g')
                        o->generate = optarg;
                else if (c == 'v')
                        o->svg = optarg;
                else if (c == 'c')
                        o->placements = optarg;
                else
                        exit(EXIT_FAILURE);
        }
        if (o->setup.n_parents < 1 || o->setup.n_parents > 16 || o->setup.pool % 4096 ||
            o->setup.pool == 0 || o->n_loads == 0 || o->arrivals == 0)
                die("parents must be 1 to 16, and the pool, arrivals and loads not nothing",
                    -EINVAL);
        o->setup.largest = MIN(o->setup.pool / 4, UINT64_C(64) << 20);
}

static void read_trace(const char *path, Trace *t) {
        _cleanup_(fclosep) FILE *f = fopen(path, "re");
        unsigned line;
        int r;

        if (!f)
                die(path, -errno);
        r = trace_read(t, f, &line);
        if (r == 0)
                return;
        fprintf(stderr, "simulate: %s:%u: expected arrival,lifetime,size,owner in order of "
                "arrival\n", path, line);
        exit(EXIT_FAILURE);
}

static FILE *open_placements(const char *path) {
        FILE *f;

        if (!path)
                return NULL;
        f = fopen(path, "we");
        if (!f)
                die(path, -errno);
        fprintf(f, "policy,arrival,owner,size,parent,offset\n");
        return f;
}

static void write_trace(const char *path, const Trace *t) {
        _cleanup_(fclosep) FILE *f = fopen(path, "we");

        if (!f)
                die(path, -errno);
        must(trace_write(t, f), path);
}

int main(int argc, char **argv) {
        Options o = {
                .setup = { .n_parents = 4, .pool = UINT64_C(256) << 20 },
                .arrivals = 20000,
                .seed = 1,
                .loads = { 0.7, 0.8, 0.9, 1.0, 1.1 },
                .n_loads = 5,
        };
        static Result results[LOADS_MAX][N_CONTENDERS];
        _cleanup_(fclosep) FILE *placements = NULL;

        parse_options(&o, argc, argv);
        placements = open_placements(o.placements);
        if (o.trace)
                o.n_loads = 1;
        for (size_t i = 0; i < o.n_loads; i++) {
                _cleanup_(trace_done) Trace t = {};

                if (o.trace) {
                        read_trace(o.trace, &t);
                        o.loads[0] = load_of(&o.setup, &t);
                } else {
                        must(trace_generate(&t, o.arrivals, o.loads[i], setup_capacity(&o.setup),
                                            o.setup.largest, o.seed),
                             "trace");
                }
                o.setup.largest = largest_of(&t);
                if (o.generate) {
                        write_trace(o.generate, &t);
                        return EXIT_SUCCESS;
                }
                run_load(&o.setup, &t, o.loads[i], placements, results[i]);
        }
        if (o.svg)
                must(svg_write(o.svg, &o.setup, o.loads, o.n_loads, results), o.svg);
        return EXIT_SUCCESS;
}
