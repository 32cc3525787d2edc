/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* caller.c: owns the clients on the bus, and who kills the daemon under them. */
#include <signal.h>
#include <systemd/sd-bus.h>

#include "names.h"
#include "storm.h"

/* What is always there: what needs one that is in use would not often find it else. */
#define RESIDENT_SHARE 8
#define TENANT_SHARE 4

typedef struct Caller Caller;

struct Caller {
        Actor *actor;
        sd_bus *bus;
        char uuid[37];
        bool resident, tenant; /* @uuid is */
        const Parent *parent;
};

static sd_bus *connect_bus(Storm *s) {
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r < 0) {
                storm_wrong(s, "no bus: %s", strerror(-r));
                exit(EXIT_FAILURE);
        }
        return bus;
}

/* ---- answers ---- */

/* What a client gets whose daemon died, or could not be started at once. */
static bool is_interruption(const char *name) {
        static const char *const names[] = {
                SD_BUS_ERROR_NO_REPLY,     SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_DISCONNECTED, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_TIMEOUT,
                /* the bus has had it started, and that took too long */
                "org.freedesktop.DBus.Error.TimedOut",
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return strncmp(name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0 ||
               strncmp(name, "org.freedesktop.systemd1.", 25) == 0;
}

static bool is_refusal(const sd_bus_error *e) {
        return (strncmp(e->name, MDEVD_ERROR_PREFIX, strlen(MDEVD_ERROR_PREFIX)) == 0 ||
                strcmp(e->name, SD_BUS_ERROR_UNKNOWN_OBJECT) == 0) &&
               e->message && strlen(e->message) > 8;
}

/* Whether it was done. */
static bool call(Caller *c, sd_bus_message *m) {
        sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        Storm *s = c->actor->storm;
        unsigned before = s->epoch, after;
        int r = sd_bus_call(c->bus, m, UINT64_MAX, &e, &reply);

        after = s->epoch;
        sd_bus_message_unref(reply);
        if (r >= 0)
                s->done++;
        else if (sd_bus_error_is_set(&e) && is_interruption(e.name) &&
                 (before % 2 || after % 2 || before != after)) {
                s->interrupted++;
                storm_await_daemon(s); /* or thousands would fail while it starts */
        } else if (sd_bus_error_is_set(&e) && is_refusal(&e))
                s->refused++;
        else
                storm_wrong(s, "%s of %s: %s: %s", sd_bus_message_get_member(m), c->uuid,
                            e.name ?: "no answer", e.message ?: strerror(-r));
        sd_bus_error_free(&e);
        return r >= 0;
}

/* ---- calls ---- */

static sd_bus_message *new_call(Caller *c, const char *path, const char *interface,
                                const char *member) {
        sd_bus_message *m = NULL;

        if (sd_bus_message_new_method_call(c->bus, &m, MDEVD_BUS_NAME, path, interface, member) < 0)
                abort();
        return m;
}

static sd_bus_message *manager_call(Caller *c, const char *member) {
        return new_call(c, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, member);
}

static sd_bus_message *device_call(Caller *c, const char *member) {
        sd_bus_message *m;
        char *path = NULL;

        if (sd_bus_path_encode_many(&path, MDEVD_OBJECT_ROOT "/device/%/%", c->parent->name,
                                    c->uuid) < 0)
                abort();
        m = new_call(c, path, MDEVD_IFACE_DEVICE, member);
        free(path);
        return m;
}

static bool send(Caller *c, sd_bus_message *m) {
        bool done = call(c, m);

        sd_bus_message_unref(m);
        return done;
}

static void append(sd_bus_message *m, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r < 0)
                abort();
}

/* A type and a parent that has it, or none. */
static void append_place(Caller *c, sd_bus_message *m, bool anywhere) {
        anywhere = anywhere && storm_random(c->actor) % 3 == 0;
        append(m, "ss", anywhere ? "" : c->parent->name, storm_type(c->actor, c->parent));
}

static const char *owner_of(Caller *c) {
        static const char *const owners[] = { "vm-1", "vm-2", "vm-3", "gold-1" };

        return owners[storm_random(c->actor) % ARRAY_SIZE(owners)];
}

static void create(Caller *c) {
        sd_bus_message *m = manager_call(c, "CreateDevice");
        unsigned how = storm_random(c->actor) % 100;

        append_place(c, m, true);
        if (how < 50)
                append(m, "a{sv}", 2, "uuid", "s", c->uuid, "owner", "s", owner_of(c));
        else if (how < 75)
                append(m, "a{sv}", 4, "uuid", "s", c->uuid, "owner", "s", owner_of(c), "lease", "s",
                       "vm", "linger", "u", (uint32_t) (storm_random(c->actor) % 2));
        else if (how < 85)
                append(m, "a{sv}", 2, "uuid", "s", c->uuid, "lease", "s", "client");
        else
                append(m, "a{sv}", 2, "uuid", "s", c->uuid, "define", "b", 1);
        (void) send(c, m);
}

static void create_async(Caller *c) {
        sd_bus_message *m = manager_call(c, "CreateDeviceAsync");

        append_place(c, m, true);
        append(m, "a{sv}", 1, "uuid", "s", c->uuid);
        (void) send(c, m);
}

static void plan(Caller *c) {
        sd_bus_message *m = manager_call(c, "PlanDevice");

        append_place(c, m, true);
        append(m, "a{sv}", 1, "moves", "b", 1);
        (void) send(c, m);
}

static void define(Caller *c) {
        sd_bus_message *m = manager_call(c, "DefineDevice");

        append_place(c, m, false);
        append(m, "a{sv}", 3, "uuid", "s", c->uuid, "owner", "s", owner_of(c), "reserve", "b",
               (int) (storm_random(c->actor) % 8 == 0));
        (void) send(c, m);
}

static void modify(Caller *c) {
        sd_bus_message *m = device_call(c, "Modify");

        append(m, "a{sv}", 2, "autostart", "b", (int) (storm_random(c->actor) % 2), "reserve", "b",
               (int) (storm_random(c->actor) % 8 == 0));
        (void) send(c, m);
}

static void undefine(Caller *c) {
        (void) send(c, device_call(c, "Undefine"));
}

static void start(Caller *c) {
        (void) send(c, device_call(c, "Start"));
}

/* Who insists waits for the close; that of what is always there comes at the very end. */
static void stop(Caller *c) {
        sd_bus_message *m;

        if (c->resident || c->tenant || storm_random(c->actor) % 4) {
                (void) send(c, device_call(c, "Stop"));
                return;
        }
        m = device_call(c, "StopWithOptions");
        append(m, "a{sv}", 1, "insist", "b", 1);
        (void) send(c, m);
}

static void set_owner(Caller *c) {
        sd_bus_message *m = device_call(c, "SetOwner");

        append(m, "s", owner_of(c));
        (void) send(c, m);
}

static void suspend(Caller *c) {
        sd_bus_message *m = device_call(c, "Suspend");

        append(m, "u", (uint32_t) (1 + storm_random(c->actor) % 100));
        c->actor->storm->suspended += send(c, m);
}

static void resume(Caller *c) {
        (void) send(c, device_call(c, "Resume"));
}

static void move(Caller *c) {
        sd_bus_message *m = device_call(c, "Move");

        append(m, "sa{sv}", "fb", 0);
        if (!send(c, m))
                return;
        c->actor->storm->moved++;
        c->actor->storm->tenants_moved += c->tenant;
}

static void defragment(Caller *c) {
        sd_bus_message *m;
        char *path = NULL;

        if (sd_bus_path_encode_many(&path, MDEVD_OBJECT_ROOT "/parent/%", c->parent->name) < 0)
                abort();
        m = new_call(c, path, MDEVD_IFACE_PARENT, "Defragment");
        append(m, "a{sv}", 0);
        c->actor->storm->moved += send(c, m);
        free(path);
}

static void find_holders(Caller *c) {
        (void) send(c, device_call(c, "GetHolders"));
}

static void find_device(Caller *c) {
        sd_bus_message *m = manager_call(c, "GetDevice");

        append(m, "ss", c->uuid, "");
        (void) send(c, m);
}

static void describe(Caller *c) {
        (void) send(c, manager_call(c, "Describe"));
}

static void list_objects(Caller *c) {
        (void) send(c, new_call(c, MDEVD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
                                "GetManagedObjects"));
}

static void profile(Caller *c, const char *member) {
        sd_bus_message *m = manager_call(c, member);

        append(m, "sa{sv}", "storm", 0);
        (void) send(c, m);
}

static void plan_profile(Caller *c) {
        profile(c, "PlanProfile");
}

static void apply_profile(Caller *c) {
        profile(c, "ApplyProfile");
}

static void reload(Caller *c) {
        (void) send(c, manager_call(c, "Reload"));
}

/* How many of a hundred. @changes: whose a device is, or what is written of it. */
static const struct {
        unsigned share;
        void (*act)(Caller *c);
        bool changes;
} acts[] = {
        { 24, create, true },
        { 2, create_async, true },
        { 18, stop },
        { 6, define, true },
        { 4, modify, true },
        { 5, undefine, true },
        { 5, start },
        { 4, set_owner, true },
        { 7, suspend },
        { 3, resume },
        { 5, move },
        { 2, defragment },
        { 3, find_holders },
        { 3, plan },
        { 3, find_device },
        { 1, describe },
        { 1, list_objects },
        { 1, plan_profile },
        { 2, apply_profile },
        { 1, reload },
};

/* A move of a tenant that has not come by chance is tried until there was one. */
static bool lacks_move(const Storm *s) {
        return s->n_tenants > 0 && s->tenants_moved == 0 && s->begun > s->total / 2;
}

static void choose(Caller *c) {
        const Storm *s = c->actor->storm;
        unsigned residents = RESIDENT_SHARE * STORM_RESIDENTS;
        unsigned tenants = TENANT_SHARE * s->n_tenants;
        unsigned i = storm_random(c->actor) % (STORM_UUIDS + residents + tenants);

        if (lacks_move(s))
                i = STORM_UUIDS + residents + i % tenants;
        c->tenant = i >= STORM_UUIDS + residents;
        c->resident = i >= STORM_UUIDS && !c->tenant;
        c->parent = c->resident || c->tenant ? &s->parents[0] : storm_parent(c->actor);
        if (c->tenant)
                (void) snprintf(c->uuid, sizeof(c->uuid), "%s", s->tenants[i % s->n_tenants]);
        else if (c->resident)
                storm_resident(i % STORM_RESIDENTS, c->uuid);
        else
                storm_uuid(i, c->uuid);
}

void *caller_run(void *actor) {
        Caller c = { .actor = actor, .bus = connect_bus(((Actor *) actor)->storm) };

        while (storm_next(c.actor->storm)) {
                unsigned which = storm_random(c.actor) % 100, i = 0;

                choose(&c);
                while (which >= acts[i].share)
                        which -= acts[i++].share;
                if (c.tenant && (acts[i].changes || lacks_move(c.actor->storm)))
                        move(&c);
                else
                        acts[i].act(&c);
        }
        sd_bus_flush_close_unref(c.bus);
        return NULL;
}

/* ---- the killer ---- */

static bool find_daemon(sd_bus *bus, pid_t *ret) {
        sd_bus_creds *creds = NULL;
        bool found = sd_bus_get_name_creds(bus, MDEVD_BUS_NAME, SD_BUS_CREDS_PID, &creds) >= 0 &&
                     sd_bus_creds_get_pid(creds, ret) >= 0;

        sd_bus_creds_unref(creds);
        return found;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *before, *now;

        if (sd_bus_message_read(m, "sss", &name, &before, &now) > 0 &&
            strcmp(name, MDEVD_BUS_NAME) == 0)
                *(bool *) userdata = now[0] != '\0';
        return 0;
}

/* systemd starts it again. */
static void await_daemon(Storm *s, sd_bus *bus, const bool *there) {
        int r = 0;

        while (!*there && r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        if (r >= 0)
                r = sd_bus_call_method(bus, MDEVD_BUS_NAME, MDEVD_OBJECT_ROOT,
                                       "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);
        if (r < 0)
                storm_wrong(s, "the daemon does not come back: %s", strerror(-r));
}

void killer_run(Storm *s, unsigned kills) {
        sd_bus *bus = connect_bus(s);
        bool there = true;
        pid_t pid;

        if (sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "NameOwnerChanged", on_owner, &there) < 0)
                abort();
        for (unsigned i = 1; i <= kills; i++) {
                storm_await(s, (unsigned) ((uint64_t) s->total * i / (kills + 1)));
                if (!find_daemon(bus, &pid)) {
                        storm_wrong(s, "the daemon died by itself before kill %u", i);
                        break;
                }
                there = false;
                storm_next_epoch(s);
                if (kill(pid, SIGKILL) < 0)
                        storm_wrong(s, "kill %u of %d: %m", i, pid);
                await_daemon(s, bus, &there);
                storm_next_epoch(s);
        }
        sd_bus_flush_close_unref(bus);
}
