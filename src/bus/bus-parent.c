/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-parent.c: org.mdevd1.Parent, documented in dbus/org.mdevd1.Parent.xml. */
#include "bus/bus-error.h"
#include "bus/bus-internal.h"
#include "bus/call.h"
#include "bus/nodes.h"
#include "bus/options.h"
#include "bus/path.h"
#include "bus/text.h"
#include "policy/policy.h"

static int get_driver(sd_bus *bus, const char *path, const char *iface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Parent *p = userdata;

        return text_append(reply, p->driver);
}

static int get_numa_node(sd_bus *bus, const char *path, const char *iface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Parent *p = userdata;

        return sd_bus_message_append(reply, "i", (int32_t) p->numa_node);
}

static int get_state(sd_bus *bus, const char *path, const char *iface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Parent *p = userdata;

        return sd_bus_message_append(reply, "s", parent_state_to_string(p->state));
}

static int get_managed(sd_bus *bus, const char *path, const char *iface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Parent *p = userdata;

        return sd_bus_message_append(reply, "b", p->ours);
}

static int append_pool(sd_bus_message *reply, Manager *m, const Parent *p, const Pool *pool) {
        PoolUsage usage = {};
        int r;

        r = policy_pool_usage(manager_get_model(m), manager_get_planned(m), p, pool, &usage);
        if (r < 0)
                return r;
        return sd_bus_message_append(reply, "(sysssttttt)", pool->name, pool->bar,
                                     pool_kind_to_string(pool->kind), cache_to_string(pool->cache),
                                     scrub_to_string(pool->scrub), pool->offset, pool->size,
                                     usage.used, usage.free, usage.largest_hole);
}

static int get_pools(sd_bus *bus, const char *path, const char *iface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Bus *b = bus_current(bus);
        const Parent *p = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sysssttttt)");
        if (r < 0)
                return r;
        list_foreach(pool, &p->pools, Pool, node) {
                r = append_pool(reply, b->manager, p, pool);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static int append_type(sd_bus_message *reply, Manager *m, const Parent *p, const Type *t) {
        const char *const texts[] = { t->id, t->name ?: t->id, t->label, t->device_api };
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ssssu");
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(texts); i++)
                r = text_append(reply, texts[i]);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "u",
                                  (uint32_t) policy_count_available(manager_get_model(m),
                                                                    manager_get_planned(m), p, t));
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int get_types(sd_bus *bus, const char *path, const char *iface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Bus *b = bus_current(bus);
        const Parent *p = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(ssssu)");
        if (r < 0)
                return r;
        list_foreach(t, &p->types, Type, node) {
                r = append_type(reply, b->manager, p, t);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

int bus_parent_find(sd_bus *bus, const char *path, const char *iface, void *userdata,
                    void **ret_found, sd_bus_error *e) {
        Bus *b = userdata;

        *ret_found = path_find_parent(b->manager, path);
        return !!*ret_found;
}

int bus_parent_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                         sd_bus_error *e) {
        _cleanup_(nodes_done) Nodes nodes = {};
        Bus *b = userdata;
        int r;

        list_foreach(p, &manager_get_model(b->manager)->parents, Parent, node) {
                r = nodes_add(&nodes, OBJECT_PARENT, p);
                if (r < 0)
                        return r;
        }
        *ret_nodes = TAKE_PTR(nodes.paths);
        nodes.n = 0;
        return 0;
}

static int defragment(sd_bus_message *m, Parent *p, CallAnswer answer, sd_bus_error *e) {
        Bus *b = bus_current(sd_bus_message_get_bus(m));
        const Subject subject = { .parent = p->name };
        _cleanup_(request_freep) Request *q = NULL;
        _cleanup_(reason_done) Reason reason = {};
        Operation *op;
        uid_t uid;
        int r;

        r = request_new(&q, "");
        if (r >= 0)
                r = options_read(m, OPTIONS_DEFRAGMENT, q, e);
        if (r >= 0)
                r = bus_authorize(b, m, BUS_ACTION_MANAGE, &subject, &uid, e);
        if (r <= 0)
                return r < 0 ? r : 1; /* runs again, after another look for the parent */
        r = call_check_limit(b, uid, e);
        if (r < 0)
                return r;
        r = manager_defragment(b->manager, p, q->pool, q->max_bytes, sd_bus_message_get_sender(m),
                               &op, &reason);
        if (r > 0)
                return bus_error_set_outcome(e, (Outcome) r, reason.text);
        return r < 0 ? r : call_start(b, m, uid, op, answer, e);
}

static int method_defragment(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return defragment(m, userdata, CALL_ANSWER_EMPTY, e);
}

static int method_defragment_async(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return defragment(m, userdata, CALL_ANSWER_NOW, e);
}

const sd_bus_vtable bus_parent_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Defragment", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_defragment, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DefragmentAsync", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("o", operation), method_defragment_async,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Name", "s", NULL, offsetof(Parent, name), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Driver", "s", get_driver, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NumaNode", "i", get_numa_node, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Managed", "b", get_managed, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Pools", "a(sysssttttt)", get_pools, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Types", "a(ssssu)", get_types, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_VTABLE_END,
};
