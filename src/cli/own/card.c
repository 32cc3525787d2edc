/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card.c owns the lines that describe one device. */
#include "cli/own/card.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#include "cli/own/list.h"
#include "cli/own/wrap.h"
#include "util/parse.h"

#define LABEL_COLUMNS 12
#define USEC_PER_SEC UINT64_C(1000000)

static void line(const Screen *s, const char *label, const char *format, ...) _printf_(3, 4);

static void line(const Screen *s, const char *label, const char *format, ...) {
        char *text;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return;
        (void) printf("%*s%s ", LABEL_COLUMNS, label, label[0] ? ":" : " ");
        wrap_line(s, LABEL_COLUMNS + 2, LABEL_COLUMNS + 2, text);
        free(text);
}

static void print_extents(const Screen *s, const JsonNode *d) {
        const char *label = "Extents";

        json_foreach(x, node_list(d, "extents")) {
                line(s, label, "%s at 0x%" PRIx64 " of BAR %s, seen as BAR %s",
                     SIZE_STR(node_number(x, "size")), node_number(x, "offset"),
                     node_text(x, "bar"), node_text(x, "guest_bar"));
                label = "";
        }
}

/* By the words that Device.Origin has; one that is new is shown as it is. */
static const char *maker_of(const JsonNode *d) {
        static const char *const makers[][2] = {
                { "foreign", "somebody else; mdevd leaves it alone of its own accord" },
                { "request", "a request" },
                { "definition", "starting its definition" },
                { "profile", "applying a profile" },
                { "sysfs", "a UUID that was written to sysfs, by oVirt, KubeVirt and the like" },
        };
        const char *origin = node_text(d, "origin") ?: "unknown";

        for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
                if (streq(origin, makers[i][0]))
                        return makers[i][1];
        return origin;
}

/* What ends it; a daemon that knows no leases says nothing of them. */
static void print_lease(const Screen *s, const JsonNode *d) {
        uint64_t until = node_number(d, "lease_until_usec"), now = client_now_usec(CLOCK_MONOTONIC);
        const char *lease = node_text(d, "lease") ?: "none";

        if (streq(lease, "none"))
                return;
        if (until > 0)
                line(s, "Lease", "%s; goes in %" PRIu64 " s unless somebody opens it", lease,
                     until > now ? (until - now) / USEC_PER_SEC : 0);
        else if (streq(lease, "client"))
                line(s, "Lease", "%s; goes when who made it leaves the bus, unless somebody opens "
                     "it", lease);
        else
                line(s, "Lease", "%s; goes %s s after its last close", lease,
                     node_text(d, "linger"));
}

static void print_device(const Screen *s, const JsonNode *d) {
        uint64_t opened = node_number(d, "opened");

        line(s, "Made by", "%s", maker_of(d));
        print_extents(s, d);
        if (opened > 0)
                line(s, "Open", "%" PRIu64 " time%s", opened, opened == 1 ? "" : "s");
        else
                line(s, "Open", "no");
        print_lease(s, d);
        if (json_find(d, "extents") && node_list(d, "extents")->n_members > 0)
                line(s, "Mapped", "%s; %s faults (%s answered with 2 MiB), %s insertions",
                     SIZE_STR(node_number(d, "mapped_bytes")), node_text(d, "faults"),
                     node_text(d, "huge_faults"), node_text(d, "insertions"));
        if (node_text(d, "function"))
                line(s, "For a VM", "-device vfio-pci,sysfsdev=/sys/bus/pci/devices/%s",
                     node_text(d, "function"));
        else
                line(s, "For a VM", "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/%s",
                     node_text(d, "uuid"));
}

static void print_definition(const Screen *s, const JsonNode *d) {
        if (node_text(d, "invalid")) {
                line(s, "Definition", "cannot be used: %s", node_text(d, "invalid"));
                return;
        }
        line(s, "Definition", "%s%s, type %s; /etc/mdevctl.d/%s/%s",
             node_true(d, "autostart") ? "starts with its parent" : "started on demand",
             node_true(d, "reserve") ? ", room is kept" : "", type_name(node_text(d, "type")),
             node_text(d, "parent"), node_text(d, "uuid"));
        json_foreach(a, node_list(d, "attributes"))
                line(s, "Attribute", "%s = %s", node_text(a, "name"), node_text(a, "value"));
}

/* Today's or another day's, in this zone. */
static void print_operation(const Screen *s, const char *label, const JsonNode *op) {
        time_t at = (time_t) (node_number(op, "started_usec") / USEC_PER_SEC);
        char when[32] = "";
        struct tm tm;

        if (localtime_r(&at, &tm))
                (void) strftime(when, sizeof(when), "%F %T", &tm);
        line(s, label, "%s %s, %s%s%s", when, node_text(op, "kind"), node_text(op, "state"),
             node_text(op, "error") ? ": " : "", node_text(op, "error") ?: "");
}

int card_print(const Screen *s, const State *state, const Found *f) {
        const JsonNode *d = f->device, *any = d ?: f->definition;
        const char *label = "Operations", *name = d ? node_text(d, "state") : "defined";
        const char *type = node_text(any, "type");
        const char *owner = node_text(any, "owner");

        if (!d && node_text(f->definition, "invalid"))
                name = "invalid";
        (void) printf("%s%s%s %s%s%s\n", screen_colour(s, list_state_colour(name ?: "")),
                      screen_glyph(s, d ? "●" : "○", d ? "*" : "o"), screen_colour(s, COLOUR_NONE),
                      screen_colour(s, COLOUR_BOLD), f->uuid, screen_colour(s, COLOUR_NONE));
        line(s, "State", "%s", name);
        line(s, "Parent", "%s", f->parent);
        line(s, "Type", "%s", type && type[0] ? type_name(type) : "unknown");
        line(s, "Owner", "%s", owner && owner[0] ? owner : "nobody named");
        if (d)
                print_device(s, d);
        if (f->definition)
                print_definition(s, f->definition);
        json_foreach(op, state->operations)
                if (streq_ptr(node_text(op, "uuid"), f->uuid) &&
                    streq_ptr(node_text(op, "parent"), f->parent)) {
                        print_operation(s, label, op);
                        label = "";
                }
        return 0;
}

static void print_member(const Screen *s, const char *key, const JsonNode *node) {
        (void) printf("\"%s\":", key);
        if (node)
                node_print_json(stdout, node, s->json, 0);
        else
                (void) fputs("null", stdout);
}

void card_print_json(const Screen *s, const State *state, const Found *f) {
        bool first = true;

        (void) putchar('{');
        print_member(s, "device", f->device);
        (void) fputs(",\n", stdout);
        print_member(s, "definition", f->definition);
        (void) fputs(",\n\"operations\":[", stdout);
        json_foreach(op, state->operations) {
                if (!streq_ptr(node_text(op, "uuid"), f->uuid) ||
                    !streq_ptr(node_text(op, "parent"), f->parent))
                        continue;
                (void) fputs(first ? "\n" : ",\n", stdout);
                first = false;
                node_print_json(stdout, op, s->json, 0);
        }
        (void) fputs("]}\n", stdout);
}
