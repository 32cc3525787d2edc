/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * changes.c: the objects that changed since the last flush. What changed in them mostly is not
 * kept: a signal carries all that can change of its object, or names it where the value is costly.
 * Of a definition that is started, which hundreds are when a host starts, it is known.
 */
#include "bus/changes.h"

#include "bus/bus-internal.h"
#include "bus/path.h"
#include "names.h"
#include "util/log.h"

#define PROPERTIES_MAX 16
#define ALL UINT32_MAX /* properties; a bit each, in their order */

typedef struct ObjectSpec ObjectSpec;

struct ObjectSpec {
        const char *iface;
        const char *const *properties;
        int (*emit_added)(Bus *b, const void *object, const char *path); /* NULL: sd-bus does it */
};

static const char *const device_properties[PROPERTIES_MAX] = {
        "Type",     "Function", "State",      "Owner",   "Origin",     "Persistent", "Autostart",
        "Reserve",  "DefinedType", "Invalid", "Extents", "Opened",
        "Lease",    "LeaseUntil",  "Linger",  NULL,
};

/* What of the object is other while there is @device than while there is @definition alone. */
static uint32_t differing(const Definition *definition, const Device *device) {
        const struct {
                const char *property;
                bool differs;
        } rows[] = {
                { "Type", !streq_ptr(definition->type, device->type) },
                { "Function", device->function },
                { "State", true },
                { "Owner", !streq(definition->owner, device->owner) },
                { "Origin", device->origin != ORIGIN_DEFINITION },
                { "Extents", device->n_extents > 0 },
                { "Opened", device->opened > 0 || device->n_users > 0 },
                { "Lease", device->lease.kind != LEASE_NONE },
                { "LeaseUntil", device->lease.until_usec > 0 },
                { "Linger", device->lease.linger_sec > 0 },
        };
        uint32_t which = 0;

        for (size_t i = 0, j = 0; i < ARRAY_SIZE(rows); i++) {
                while (!streq(device_properties[j], rows[i].property))
                        j++;
                which |= rows[i].differs ? UINT32_C(1) << j : 0;
        }
        return which;
}

static int emit_device(Bus *b, const void *object, const char *path) {
        const Device *d = object;

        return bus_device_emit_added(b, d->parent->name, &d->uuid, path);
}

static int emit_definition(Bus *b, const void *object, const char *path) {
        const Definition *d = object;

        return bus_device_emit_added(b, d->parent, &d->uuid, path);
}

static const ObjectSpec specs[_OBJECT_KIND_MAX] = {
        [OBJECT_MANAGER] = {
                MDEVD_IFACE_MANAGER,
                (const char *const[]){ "ConfigProblems", NULL },
        },
        [OBJECT_PARENT] = {
                MDEVD_IFACE_PARENT,
                (const char *const[]){ "Driver", "NumaNode", "State", "Managed", "Pools", "Types",
                                       NULL },
        },
        [OBJECT_DEVICE] = { MDEVD_IFACE_DEVICE, device_properties, emit_device },
        [OBJECT_DEFINITION] = { MDEVD_IFACE_DEVICE, device_properties, emit_definition },
        [OBJECT_OPERATION] = {
                MDEVD_IFACE_OPERATION,
                (const char *const[]){ "State", "Step", "EndedUsec", "Device", "ErrorName",
                                       "Error", "Blocked", NULL },
        },
};

static void emit(Changes *c, const Change *change) {
        const ObjectSpec *spec = &specs[change->kind];
        const char *properties[PROPERTIES_MAX] = {};
        _cleanup_(freep) char *path = NULL;
        size_t n = 0;
        int r;

        for (size_t i = 0; spec->properties[i]; i++)
                if (change->which & UINT32_C(1) << i)
                        properties[n++] = spec->properties[i];
        r = path_of(change->kind, change->object, &path);
        if (r >= 0 && change->added)
                r = spec->emit_added ? spec->emit_added(container_of(c, Bus, changes),
                                                        change->object, path) :
                                       sd_bus_emit_object_added(c->bus, path);
        else if (r >= 0)
                r = sd_bus_emit_properties_changed_strv(c->bus, path, spec->iface,
                                                        (char **) properties);
        if (r < 0)
                log_warning_errno(r, &(LogFields){ .topic = "bus" },
                                  "A change of %s was not told to clients: %m",
                                  path ? path : spec->iface);
}

/*
 * After what is under way: of what changes again meanwhile one signal tells, and of a device that
 * is being made it is better that it is made. But not much later.
 */
#define PRIORITY_LATER (SD_EVENT_PRIORITY_NORMAL + 2)
#define LATER_USEC_MAX 50000

static int on_defer(sd_event_source *s, void *userdata) {
        changes_flush(userdata);
        return 0;
}

int changes_init(Changes *c, sd_bus *bus, sd_event *event) {
        int r;

        *c = (Changes){ .bus = bus };
        r = sd_event_add_defer(event, &c->defer, on_defer, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(c->defer, "bus-changes");
        r = sd_event_source_set_priority(c->defer, PRIORITY_LATER);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(c->defer, SD_EVENT_OFF);
}

void changes_done(Changes *c) {
        c->defer = sd_event_source_disable_unref(c->defer);
        free(c->items);
        c->items = NULL;
        c->n = c->size = 0;
}

static uint64_t now_usec(Changes *c) {
        uint64_t usec = 0;

        (void) sd_event_now(sd_event_source_get_event(c->defer), CLOCK_MONOTONIC, &usec);
        return usec;
}

static void schedule(Changes *c) {
        if (c->n == 1) {
                c->since_usec = now_usec(c);
                (void) sd_event_source_set_enabled(c->defer, SD_EVENT_ONESHOT);
        } else if (!c->due && now_usec(c) - c->since_usec > LATER_USEC_MAX) {
                c->due = true;
                (void) sd_event_source_set_priority(c->defer, SD_EVENT_PRIORITY_NORMAL);
        }
}

static void note(Changes *c, Change change) {
        for (size_t i = c->n; i > 0; i--)
                if (c->items[i - 1].object == change.object) {
                        c->items[i - 1].which |= change.which;
                        return;
                }
        if (c->n == c->size) {
                size_t size = c->size ? c->size * 2 : 32;
                Change *bigger = reallocarray(c->items, size, sizeof(*bigger));

                if (!bigger) {
                        emit(c, &change); /* a signal too many rather than one too few */
                        return;
                }
                c->items = bigger;
                c->size = size;
        }
        c->items[c->n++] = change;
        schedule(c);
}

void changes_announce(Changes *c, ObjectKind kind, void *object) {
        note(c, (Change){ kind, object, true, ALL });
}

void changes_add(Changes *c, ObjectKind kind, void *object) {
        note(c, (Change){ kind, object, false, ALL });
}

/* The others keep their order: an object is told of before what refers to it. */
static Change take(Changes *c, const void *object) {
        for (size_t i = 0; i < c->n; i++)
                if (c->items[i].object == object) {
                        const Change change = c->items[i];

                        c->n--;
                        memmove(&c->items[i], &c->items[i + 1], (c->n - i) * sizeof(c->items[0]));
                        return change;
                }
        return (Change){};
}

bool changes_forget(Changes *c, const void *object) {
        return take(c, object).added;
}

static void replace(Changes *c, const void *old, ObjectKind kind, void *object, uint32_t which) {
        const Change before = take(c, old);

        note(c, (Change){ kind, object, before.added, before.which | which });
}

void changes_replace(Changes *c, const void *old, ObjectKind kind, void *object) {
        replace(c, old, kind, object, ALL);
}

void changes_start(Changes *c, Definition *definition, Device *device) {
        replace(c, definition, OBJECT_DEVICE, device, differing(definition, device));
}

void changes_stop(Changes *c, Device *device, Definition *definition) {
        replace(c, device, OBJECT_DEFINITION, definition, differing(definition, device));
}

void changes_tell(Changes *c, const void *object) {
        const Change change = take(c, object);

        if (change.object)
                emit(c, &change);
}

void changes_flush(Changes *c) {
        for (size_t i = 0; i < c->n; i++) {
                const Change change = c->items[i]; /* the array may grow under our feet */

                emit(c, &change);
        }
        c->n = 0;
        (void) sd_event_source_set_enabled(c->defer, SD_EVENT_OFF);
        if (!c->due)
                return;
        c->due = false;
        (void) sd_event_source_set_priority(c->defer, PRIORITY_LATER);
}
