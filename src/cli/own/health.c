/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* health.c owns the rules by which a state is called trouble. */
#include "cli/own/health.h"

#include "cli/own/index.h"

#include <inttypes.h>
#include <stdarg.h>

typedef struct Indices Indices;

/* What each object of another list is looked up in. */
struct Indices {
        Index parents, devices, operations;
};

void health_done(Health *h) {
        for (size_t i = 0; i < h->n; i++) {
                free(h->troubles[i].what);
                free(h->troubles[i].remedy);
        }
        free(h->troubles);
        *h = (Health) {};
}

/* Takes @remedy. */
static int add(Health *h, char *remedy, const char *what, ...) _printf_(3, 4);

static int add(Health *h, char *remedy, const char *what, ...) {
        Trouble *troubles = reallocarray(h->troubles, h->n + 1, sizeof(*troubles));
        char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, what);
        r = vasprintf(&text, what, ap);
        va_end(ap);
        if (troubles)
                h->troubles = troubles;
        if (r < 0 || !troubles || !remedy) {
                free(remedy);
                if (r >= 0)
                        free(text);
                return -ENOMEM;
        }
        h->troubles[h->n++] = (Trouble) { .what = text, .remedy = remedy };
        return 0;
}

static char *say(const char *format, ...) _printf_(1, 2);

static char *say(const char *format, ...) {
        char *text;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        return r < 0 ? NULL : text;
}

/* A full stop where there is none yet: some sentences end by asking what was meant. */
static const char *sentence_end(const char *sentence) {
        size_t n = strlen(sentence);

        return n > 0 && strchr(".?!", sentence[n - 1]) ? "" : ".";
}

static int read_problem(Health *h, const JsonNode *p) {
        const char *text = node_text(p, "text") ?: "";
        uint64_t line = node_number(p, "line");
        char place[48] = "";
        int r;

        if (line > 0)
                (void) snprintf(place, sizeof(place), ":%" PRIu64 ":%" PRIu64, line,
                                node_number(p, "column"));
        r = add(h, say("Correct the file, look with `mdevdctl policy check`, then `systemctl "
                       "reload mdevd`."),
                "%s%s: %s%s", node_text(p, "file"), place, text, sentence_end(text));
        if (r >= 0 && node_true(p, "warning")) {
                h->troubles[h->n - 1].warning = true;
                h->n_warnings++;
        }
        return r;
}

static int read_definition(Health *h, const Indices *x, const JsonNode *d) {
        const char *invalid = node_text(d, "invalid"), *uuid = node_text(d, "uuid");
        const JsonNode *p = index_first(&x->parents, node_text(d, "parent"), NULL);

        if (invalid)
                return add(h, say("Correct that file, or `mdevdctl undefine %s`.", uuid), "%s%s",
                           invalid, sentence_end(invalid));
        if (!node_true(d, "autostart") || !p || !streq_ptr(node_text(p, "state"), "registered"))
                return 0;
        if (index_first(&x->devices, uuid, NULL))
                return 0;
        return add(h, say("`mdevdctl start %s` tries it now and says why it fails.", uuid),
                   "%s is to be up with %s and is not.", uuid, node_text(d, "parent"));
}

/* Of the last operation of a kind on a parent, if it failed. */
static const char *why_failed(const State *s, const char *parent, const char *kind) {
        const char *why = NULL;

        json_foreach(op, s->operations)
                if (streq_ptr(node_text(op, "parent"), parent) &&
                    streq_ptr(node_text(op, "kind"), kind))
                        why = node_text(op, "error");
        return why;
}

static int read_parent(Health *h, const State *s, const JsonNode *p) {
        const char *name = node_text(p, "name"), *state = node_text(p, "state") ?: "", *why;

        if (streq(state, "closing"))
                return add(h, say("End the virtual machines that use its devices: `mdevdctl list "
                                  "%s`.", name),
                           "%s is going away and waits for who has a device of it open.", name);
        if (streq(state, "absent"))
                return add(h, say("Put it back, or take it out of %s; `lspci -D` shows what is "
                                  "there.", node_true(p, "managed") ? "the configuration"
                                                                    : "/etc/mdevctl.d"),
                           "%s is %s, and this host has no such device.", name,
                           node_true(p, "managed") ? "configured to be divided"
                                                   : "the parent of a definition");
        if (!node_true(p, "managed") || streq(state, "registered"))
                return 0;
        why = why_failed(s, name, "configure");
        return add(h, say("See `journalctl -u mdevd`; the module must be loaded (`modprobe mdevd`) "
                          "and %s must be free of its other driver.", name),
                   "%s is not divided yet%s%s", name, why ? ": " : ".", why ?: "");
}

static int read_device(Health *h, const JsonNode *d) {
        const char *state = node_text(d, "state") ?: "", *uuid = node_text(d, "uuid");
        const char *owner = node_text(d, "owner") ?: "";

        if (!streq(state, "revoked"))
                return 0;
        return add(h, say("End the virtual machine%s%s%s; what it reads there are ones.",
                          owner[0] ? " (owner " : "", owner, owner[0] ? ")" : ""),
                   "%s is open, and its parent is gone.", uuid);
}

/* Whether nothing has been done about it since. */
static bool is_last(const JsonNode *op, const Indices *x) {
        const JsonNode *const *same;
        size_t n = index_find(&x->operations, node_text(op, "uuid"),
                              node_text(op, "parent") ?: "", &same);

        return n == 0 || same[n - 1] == op;
}

static int read_operation(Health *h, const Indices *x, const JsonNode *op) {
        const char *uuid = node_text(op, "uuid"), *kind = node_text(op, "kind") ?: "";

        if (!streq_ptr(node_text(op, "state"), "failed") || !uuid || !is_last(op, x))
                return 0;
        return add(h, say("`mdevdctl log %s` shows what happened.", uuid),
                   "The last %s of %s failed: %s", kind, uuid, node_text(op, "error"));
}

static void indices_done(Indices *x) {
        index_done(&x->parents);
        index_done(&x->devices);
        index_done(&x->operations);
}

static int indices_new(const State *s, Indices *ret) {
        int r = index_new(s->parents, "name", NULL, &ret->parents);

        if (r >= 0)
                r = index_new(s->devices, "uuid", NULL, &ret->devices);
        return r < 0 ? r : index_new(s->operations, "uuid", "parent", &ret->operations);
}

int health_read(const State *s, Health *ret) {
        _cleanup_(indices_done) Indices x = {};
        Health h = {};
        int r = indices_new(s, &x);

        json_foreach(p, s->problems)
                r = r < 0 ? r : read_problem(&h, p);
        json_foreach(p, s->parents)
                r = r < 0 ? r : read_parent(&h, s, p);
        json_foreach(d, s->definitions)
                r = r < 0 ? r : read_definition(&h, &x, d);
        json_foreach(d, s->devices)
                r = r < 0 ? r : read_device(&h, d);
        json_foreach(op, s->operations)
                r = r < 0 ? r : read_operation(&h, &x, op);
        if (r < 0) {
                health_done(&h);
                return r;
        }
        *ret = h;
        return 0;
}
