/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hold.c: the verbs that move devices under their virtual machines, and that hold them. */
#include "cli/own/exit.h"
#include "cli/own/find.h"
#include "cli/own/follow.h"
#include "cli/own/own.h"
#include "names.h"
#include "util/parse.h"

static bool is_size(const char *text) {
        uint64_t n;

        return parse_size(text, &n) >= 0;
}

static bool is_index(const char *text) {
        uint64_t n;

        return parse_u64(text, &n) >= 0 && n <= UINT32_MAX;
}

/* The value of an option that is given and was found to be a number of 32 bits. */
static uint32_t checked_number(const Given *g, int index) {
        uint64_t n = 0;

        (void) parse_u64(g->values[index], &n);
        return (uint32_t) n;
}

/* An option as a "t" of an a{sv}, if it is given. */
static int append_size(sd_bus_message *m, const Given *g, int index, const char *name) {
        uint64_t n;

        if (!GIVEN(g, index))
                return 0;
        (void) parse_size(g->values[index], &n);
        return sd_bus_message_append(m, "{sv}", name, "t", n);
}

/* ---- move ---- */

enum { MOVE_OFFSET = _OWN_CHANGES, MOVE_EXTENT };

static const Option move_options[] = {
        OWN_JSON_OPTIONS,
        [MOVE_OFFSET] = { "offset", .value = "BYTES", .is_valid = is_size,
                          .expect = "a size such as 32M or 0x2000000",
                          .help = "To there in the BAR; else the best place" },
        [MOVE_EXTENT] = { "extent", .value = "N", .is_valid = is_index,
                          .expect = "a number from 0",
                          .help = "Which extent of a device with several, from 0" },
};

/* The pool that the extent is in: most moves stay in it. NULL: it has none. */
static const char *pool_of(const State *s, const Found *f, const Given *g) {
        const JsonNode *p = node_find(s->parents, "name", f->parent);
        uint64_t wanted = GIVEN(g, MOVE_EXTENT) ? checked_number(g, MOVE_EXTENT) : 0, i = 0;

        if (!f->device || !p)
                return NULL;
        json_foreach(x, node_list(f->device, "extents")) {
                uint64_t at = node_number(x, "offset");

                if (i++ != wanted)
                        continue;
                json_foreach(pool, node_list(p, "pools"))
                        if (node_number(pool, "bar") == node_number(x, "bar") &&
                            at >= node_number(pool, "offset") &&
                            at - node_number(pool, "offset") < node_number(pool, "size"))
                                return node_text(pool, "name");
        }
        return NULL;
}

static int run_move(const Verb *verb, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(target_done) Target t = {};
        const char *pool;
        int r;

        (void) verb;
        r = target_find(&t, given->operand);
        if (r != EXIT_SUCCESS)
                return r;
        pool = given->operand2 ?: pool_of(&t.state, &t.found, given);
        if (!pool)
                return answer_failed("%s has no such extent in a pool of mdevd's, so there is "
                                     "nothing to move.", t.found.uuid);
        r = client_method(&t.client, t.path, MDEVD_IFACE_DEVICE, "MoveAsync", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", pool);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_size(m, given, MOVE_OFFSET, "offset");
        if (r >= 0 && GIVEN(given, MOVE_EXTENT))
                r = sd_bus_message_append(m, "{sv}", "extent", "u",
                                          checked_number(given, MOVE_EXTENT));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? exit_not_sent(r, "pool") : follow_and_print(&t.client, m, given);
}

const Verb own_move = {
        .name = "move",
        .title = "Move a device's memory elsewhere, under the VM that uses it",
        .text = "Within POOL, or within the pool that it is in. Only for types that the\n"
                "configuration calls movable; who touches the chunk under way waits for it.\n",
        .operand = "UUID",
        .operand2 = "POOL",
        .options = move_options,
        .n_options = ARRAY_SIZE(move_options),
        .example = "  mdevdctl move c3ee7d8a-4a40-4b11-9b0f-000000000001 --offset=48M\n",
        .run = run_move,
};

/* ---- defragment ---- */

enum { DEFRAG_POOL = _OWN_CHANGES, DEFRAG_MAX };

static const Option defrag_options[] = {
        OWN_JSON_OPTIONS,
        [DEFRAG_POOL] = { "pool", .value = "POOL",
                          .help = "This pool; else the first with something to gain" },
        [DEFRAG_MAX] = { "max", .value = "BYTES", .is_valid = is_size,
                         .expect = "a size such as 64M", .help = "Move so many bytes at most" },
};

/* The object path of a parent. EXIT_SUCCESS, or the exit status after it was said why. */
static int find_parent(Client *c, const char *name, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        int r;

        r = client_method(c, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, "GetParent", &m);
        if (r == 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = client_send(c, m, &reply);
        if (r > 0)
                return exit_refused(c);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        *ret = r >= 0 ? strdup(path) : NULL;
        return *ret ? EXIT_SUCCESS : answer_failed_errno(r < 0 ? r : -ENOMEM, "cannot ask mdevd");
}

static int run_defrag(const Verb *verb, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(client_done) Client client = {};
        _cleanup_(state_done) State state = {};
        _cleanup_(freep) char *path = NULL;
        const JsonNode *parent;
        int r;

        (void) verb;
        r = state_load(&client, &state);
        if (r == EXIT_SUCCESS)
                r = state_find_parent(&state, given->operand, &parent);
        if (r == EXIT_SUCCESS)
                r = find_parent(&client, given->operand, &path);
        if (r != EXIT_SUCCESS)
                return r;
        r = client_method(&client, path, MDEVD_IFACE_PARENT, "DefragmentAsync", &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && GIVEN(given, DEFRAG_POOL))
                r = sd_bus_message_append(m, "{sv}", "pool", "s", given->values[DEFRAG_POOL]);
        if (r >= 0)
                r = append_size(m, given, DEFRAG_MAX, "max_bytes");
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? exit_not_sent(r, "pool") : follow_and_print(&client, m, given);
}

const Verb own_defrag = {
        .name = "defrag",
        .title = "Make the largest hole of a pool larger, by moves",
        .text = "With the fewest bytes moved; virtual machines run on. Where nothing is to be\n"
                "gained it says so and fails.\n",
        .operand = "PARENT",
        .options = defrag_options,
        .n_options = ARRAY_SIZE(defrag_options),
        .example = "  mdevdctl defrag 0000:41:00.0 --pool=fb\n",
        .run = run_defrag,
};

/* ---- suspend and resume ---- */

enum { SUSPEND_FOR = _OWN_CHANGES };

#define SUSPEND_MSEC_MAX 60000

static bool is_msec(const char *text) {
        uint64_t n;

        return parse_u64(text, &n) >= 0 && n >= 1 && n <= SUSPEND_MSEC_MAX;
}

static const Option suspend_options[] = {
        OWN_JSON_OPTIONS,
        [SUSPEND_FOR] = { "for", .value = "MSEC", .is_valid = is_msec,
                          .expect = "milliseconds, 1 to 60000",
                          .help = "So long at most; 2000" },
};

static int run_suspend(const Verb *verb, const Given *given) {
        uint32_t msec = GIVEN(given, SUSPEND_FOR) ? checked_number(given, SUSPEND_FOR) : 0;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(target_done) Target t = {};
        int r;

        (void) verb;
        r = target_begin(&t, given->operand, "Suspend", &m);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_message_append(m, "u", msec);
        return r < 0 ? answer_failed_errno(r, "cannot ask mdevd") : target_send(&t, m, given);
}

const Verb own_suspend = {
        .name = "suspend",
        .title = "Hold a device: who touches it waits, until `resume` or for a time",
        .text = "It is held when the command ends. While a virtual CPU waits, its VMM's changes\n"
                "to the VM's memory wait as well, and so do its monitor's commands.\n",
        .operand = "UUID",
        .options = suspend_options,
        .n_options = ARRAY_SIZE(suspend_options),
        .example = "  mdevdctl suspend c3ee7d8a-4a40-4b11-9b0f-000000000002 --for=60000\n",
        .run = run_suspend,
};

static int run_resume(const Verb *verb, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(target_done) Target t = {};
        int r;

        (void) verb;
        r = target_begin(&t, given->operand, "Resume", &m);
        return r != EXIT_SUCCESS ? r : target_send(&t, m, given);
}

static const Option resume_options[] = { OWN_JSON_OPTIONS };

const Verb own_resume = {
        .name = "resume",
        .title = "Let a device that was suspended go on",
        .operand = "UUID",
        .options = resume_options,
        .n_options = ARRAY_SIZE(resume_options),
        .example = "  mdevdctl resume c3ee7d8a-4a40-4b11-9b0f-000000000002\n",
        .run = run_resume,
};
