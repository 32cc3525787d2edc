/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* change.c: the verbs that make, define, start, stop and hand over devices. */
#include "cli/argument.h"
#include "cli/own/exit.h"
#include "cli/own/find.h"
#include "cli/own/follow.h"
#include "cli/own/holders.h"
#include "cli/own/wish.h"
#include "model/lease.h"
#include "names.h"
#include "util/parse.h"

/* ---- create and define ---- */

/* The UUID alone goes to stdout: a script takes it as it is. */
static int print_made(const Given *given, const Followed *f, const char *hint) {
        Screen s;

        own_open(&s, given, false);
        if (s.json != JSON_OFF)
                followed_print_json(f, s.json);
        else
                (void) puts(f->uuid);
        if (s.json == JSON_OFF && s.terminal && screen_stderr_is_terminal())
                (void) fprintf(stderr, "%s on %s. %s%s\n", type_name(f->type), f->parent, hint,
                               f->uuid);
        return screen_close(&s);
}

static int make(const Given *given, const char *member, const char *hint) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(followed_done) Followed f = {};
        _cleanup_(client_done) Client client = {};
        int r;

        r = wish_message(&client, member, given, &m);
        if (r != 0)
                return wish_failed(&client, r);
        r = follow(&client, m, &f);
        return r != EXIT_SUCCESS ? r : print_made(given, &f, hint);
}

static int run_create(const Verb *verb, const Given *given) {
        (void) verb;
        return make(given, "CreateDeviceAsync",
                    "For QEMU: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/");
}

static bool is_lease(const char *text) {
        return streq(text, lease_kind_to_string(LEASE_VM));
}

static bool is_linger(const char *text) {
        uint64_t n;

        return parse_u64(text, &n) >= 0 && n <= LEASE_LINGER_SEC_MAX;
}

/* A lease "client" is for programs that stay on the bus. */
static const Option create_options[] = {
        WISH_OPTIONS,
        [WISH_NUMA] = { "numa", .value = "NODE", .help = "Only parents of this NUMA node" },
        [WISH_MOVES] = { "moves", .help = "Move other devices if only that makes room" },
        [WISH_DEFINE] = { "define", .help = "With a definition, so that it can be made again" },
        [WISH_LEASE] = { "lease", .value = "LEASE", .is_valid = is_lease,
                         .expect = "vm; a lease \"client\" would end with this command, which "
                                   "leaves the bus",
                         .help = "\"vm\": it goes by itself, after its last close" },
        [WISH_LINGER] = { "linger", .value = "SEC", .is_valid = is_linger,
                          .expect = "seconds, 0 to 86400",
                          .help = "So long after that; 30" },
};

#define DEFINITION_NEEDS (OPTION_BIT(WISH_AUTO) | OPTION_BIT(WISH_RESERVE))

const Verb own_create = {
        .name = "create",
        .title = "Make a device",
        .text = "Waits until a virtual machine can open it, and prints its UUID. One that is\n"
                "leased and never opened goes after ten minutes.\n",
        .operand = "TYPE",
        .options = create_options,
        .n_options = ARRAY_SIZE(create_options),
        .rules = { { .given = DEFINITION_NEEDS, .needs = OPTION_BIT(WISH_DEFINE) },
                   { .given = OPTION_BIT(WISH_LINGER), .needs = OPTION_BIT(WISH_LEASE) },
                   { .given = OPTION_BIT(WISH_LEASE), .excludes = OPTION_BIT(WISH_DEFINE) } },
        .example = "  mdevdctl create fb-4M --owner=vm1\n"
                   "  mdevdctl create fb-4M --owner=vm8 --lease=vm --linger=60\n",
        .run = run_create,
};

static int run_define(const Verb *verb, const Given *given) {
        (void) verb;
        return make(given, "DefineDeviceAsync", "It is made by `mdevdctl start` ");
}

static const Option define_options[] = { WISH_OPTIONS };

const Verb own_define = {
        .name = "define",
        .title = "Write a definition, to make a device from again and again",
        .text = "Prints its UUID. Nothing is made now; with --auto it is with its parent, at\n"
                "every boot.\n",
        .operand = "TYPE",
        .options = define_options,
        .n_options = ARRAY_SIZE(define_options),
        .example = "  mdevdctl define fb-4M --parent=0000:41:00.0 --owner=vm1 --auto\n",
        .run = run_define,
};

/* ---- start, stop and undefine ---- */

enum { DEVICE_FORCE = _OWN_CHANGES, DEVICE_INSIST };

/* @tells: a refusal since it is in use says by whom. */
static int change(const Given *given, const char *member, bool tells) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(followed_done) Followed f = {};
        _cleanup_(target_done) Target t = {};
        int r;

        r = target_begin(&t, given->operand, member, &m);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && GIVEN(given, DEVICE_FORCE))
                r = sd_bus_message_append(m, "{sv}", "force", "b", 1);
        if (r >= 0 && GIVEN(given, DEVICE_INSIST))
                r = sd_bus_message_append(m, "{sv}", "insist", "b", 1);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return answer_failed_errno(r, "cannot ask mdevd");
        r = follow(&t.client, m, &f);
        if (tells && streq_ptr(f.error, MDEVD_ERROR_PREFIX "Busy"))
                holders_tell(&t);
        return r != EXIT_SUCCESS ? r : followed_print(&f, own_json_mode(given));
}

static const Option device_options[] = {
        OWN_JSON_OPTIONS,
        [DEVICE_FORCE] = { "force", 'f', .help = "Although a callout script refuses it" },
        [DEVICE_INSIST] = { "insist", .help = "Although it is open: it goes when it is let go" },
};

static int run_start(const Verb *verb, const Given *given) {
        (void) verb;
        return change(given, "StartWithOptionsAsync", false);
}

const Verb own_start = {
        .name = "start",
        .title = "Make a device as it is defined",
        .operand = "UUID",
        .options = device_options,
        .n_options = DEVICE_INSIST,
        .example = "  mdevdctl start c3ee7d8a-4a40-4b11-9b0f-00000000000d\n",
        .run = run_start,
};

static int run_stop(const Verb *verb, const Given *given) {
        (void) verb;
        return change(given, "StopWithOptionsAsync", true);
}

const Verb own_stop = {
        .name = "stop",
        .title = "Remove a device; its definition stays",
        .text = "One that somebody has open is refused, and it is said who that is; --insist\n"
                "removes it as soon as they let it go, and nobody can open it until then.\n",
        .operand = "UUID",
        .options = device_options,
        .n_options = ARRAY_SIZE(device_options),
        .example = "  mdevdctl stop c3ee7d8a-4a40-4b11-9b0f-00000000000d\n",
        .run = run_stop,
};

static int run_undefine(const Verb *verb, const Given *given) {
        (void) verb;
        return change(given, "UndefineWithOptionsAsync", false);
}

const Verb own_undefine = {
        .name = "undefine",
        .title = "Remove a definition; a device that is there stays",
        .operand = "UUID",
        .options = device_options,
        .n_options = DEVICE_INSIST,
        .example = "  mdevdctl undefine c3ee7d8a-4a40-4b11-9b0f-00000000000d\n",
        .run = run_undefine,
};

/* ---- owner ---- */

static int run_owner(const Verb *verb, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(target_done) Target t = {};
        int r;

        (void) verb;
        r = target_find(&t, given->operand);
        if (r != EXIT_SUCCESS)
                return r;
        if (!given->operand2) {
                if (own_json_mode(given) != JSON_OFF)
                        return target_print(&t, given);
                (void) puts(node_text(t.found.device ?: t.found.definition, "owner") ?: "");
                return answer_flush();
        }
        r = client_method(&t.client, t.path, MDEVD_IFACE_DEVICE, "SetOwner", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", given->operand2);
        return r < 0 ? exit_not_sent(r, "owner") : target_send(&t, m, given);
}

static const Option owner_options[] = { OWN_JSON_OPTIONS };

const Verb own_owner = {
        .name = "owner",
        .title = "Whom a device is for; or give it to somebody else",
        .text = "Without OWNER it is printed; \"\" is nobody. The policy is asked whether the new\n"
                "owner may have it.\n",
        .operand = "UUID",
        .operand2 = "OWNER",
        .options = owner_options,
        .n_options = ARRAY_SIZE(owner_options),
        .example = "  mdevdctl owner c3ee7d8a-4a40-4b11-9b0f-000000000002 vm7\n",
        .run = run_owner,
};
