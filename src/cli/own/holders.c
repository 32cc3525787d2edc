/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* holders.c: the verb "holders": who has a device open; "stop" tells of them as well. */
#include "cli/own/holders.h"

#include <inttypes.h>

#include "cli/own/exit.h"
#include "cli/own/table.h"
#include "names.h"
#include "util/json.h"

#define TOLD_MAX 4 /* of one refusal */

typedef struct HolderLine HolderLine;

/* One of the answer; strings are the message's. */
struct HolderLine {
        uint32_t pid;
        const char *command, *machine, *where;
};

static const TableColumn columns[] = {
        { "PID", .right = true }, { "COMMAND" }, { "VM", .shrinks = true },
        { "WHERE", .shrinks = true, .drops = true },
        {},
};

static int add_line(const HolderLine *h, uint32_t n, void *userdata) {
        Table *t = userdata;
        int r = table_addf(t, COLOUR_BOLD, "%" PRIu32, h->pid);

        if (r >= 0)
                r = table_add(t, COLOUR_NONE, h->command);
        if (r >= 0)
                r = table_add(t, COLOUR_NONE, h->machine);
        return r < 0 ? r : table_add(t, COLOUR_NONE, h->where);
}

static void print_member(const char *name, const char *value) {
        (void) printf(",\"%s\":", name);
        json_write_string(stdout, value);
}

static int print_json_line(const HolderLine *h, uint32_t n, void *userdata) {
        (void) printf("%s{\"pid\":%" PRIu32, n > 0 ? "," : "", h->pid);
        print_member("command", h->command);
        print_member("machine", h->machine);
        print_member("where", h->where);
        (void) putchar('}');
        return 0;
}

/* Each goes to @note, which is given @userdata and how many there were before. */
static int read_lines(sd_bus_message *reply,
                      int (*note)(const HolderLine *h, uint32_t n, void *userdata), void *userdata,
                      uint32_t *ret_n) {
        HolderLine h;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(usss)");
        for (*ret_n = 0; r >= 0; ++*ret_n) {
                r = sd_bus_message_read(reply, "(usss)", &h.pid, &h.command, &h.machine, &h.where);
                if (r <= 0)
                        break;
                r = note(&h, *ret_n, userdata);
        }
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int print_json(const char *uuid, sd_bus_message *reply) {
        uint32_t n, total = 0;
        int r;

        (void) printf("{\"uuid\":\"%s\",\"holders\":[", uuid);
        r = read_lines(reply, print_json_line, NULL, &n);
        if (r >= 0)
                r = sd_bus_message_read(reply, "u", &total);
        (void) printf("],\"total\":%" PRIu32 "}\n", total);
        return r;
}

static int print_text(const Screen *s, const char *uuid, sd_bus_message *reply) {
        _cleanup_(table_freep) Table *t = table_new(columns);
        uint32_t n, total = 0;
        int r;

        r = t ? read_lines(reply, add_line, t, &n) : -ENOMEM;
        if (r >= 0)
                r = sd_bus_message_read(reply, "u", &total);
        if (r < 0)
                return r;
        table_print(t, s, 0);
        if (total == 0 && s->legend)
                (void) printf("Nobody has %s open.\n", uuid);
        else if (total > n)
                (void) printf("and %" PRIu32 " more\n", total - n);
        return 0;
}

/* ---- for "stop" ---- */

static void write_word(const char *before, const char *text) {
        Screen s;

        if (!text[0])
                return;
        screen_look_at_stderr(&s);
        (void) fputs(before, stderr);
        screen_print_cut(&s, stderr, text, SIZE_MAX);
}

/* "  qemu-system-x86 (pid 4242), VM web1, machine qemu-3-web1" */
static int tell_line(const HolderLine *h, uint32_t n, void *userdata) {
        if (n >= TOLD_MAX)
                return 0;
        write_word("  ", h->command[0] ? h->command : "a process");
        (void) fprintf(stderr, " (pid %" PRIu32 ")", h->pid);
        write_word(", VM ", h->machine);
        write_word(", ", h->where);
        (void) fputc('\n', stderr);
        return 0;
}

/* What cannot be told now is asked for by the verb: the refusal itself has been said. */
void holders_tell(Target *t) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        uint32_t n = 0, total = 0;
        int r;

        r = client_method(&t->client, t->path, MDEVD_IFACE_DEVICE, "GetHolders", &m);
        if (r == 0)
                r = client_send(&t->client, m, &reply);
        if (r == 0)
                r = read_lines(reply, tell_line, NULL, &n);
        if (r >= 0 && reply)
                r = sd_bus_message_read(reply, "u", &total);
        if (!reply || r < 0)
                (void) fprintf(stderr, "Who that is, `mdevdctl holders %s` shows to who may manage "
                                       "the device.\n", t->found.uuid);
        else if (total > TOLD_MAX)
                (void) fprintf(stderr, "  and %" PRIu32 " more; see `mdevdctl holders %s`\n",
                               total - TOLD_MAX, t->found.uuid);
}

/* ---- the verb ---- */

static int run(const Verb *verb, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(target_done) Target t = {};
        Screen s;
        int r, q;

        (void) verb;
        r = target_begin(&t, given->operand, "GetHolders", &m);
        if (r != EXIT_SUCCESS)
                return r;
        r = client_send(&t.client, m, &reply);
        if (r > 0)
                return exit_refused(&t.client);
        if (r < 0)
                return answer_failed_errno(r, "cannot ask mdevd");
        own_open(&s, given, true);
        r = s.json != JSON_OFF ? print_json(t.found.uuid, reply) :
                                 print_text(&s, t.found.uuid, reply);
        if (r < 0)
                (void) answer_failed_errno(r, "cannot show it");
        q = screen_close(&s);
        return r < 0 ? EXIT_FAILED : q;
}

static const Option options[] = { OWN_PRINT_OPTIONS };

const Verb own_holders = {
        .name = "holders",
        .title = "Who has a device open, or its VFIO group",
        .text = "Each process with its VM's name as libvirt and oVirt know it, and its unit;\n"
                "16 at most. Only for who may manage the device.\n",
        .operand = "UUID",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl holders c3ee7d8a-4a40-4b11-9b0f-000000000002\n",
        .run = run,
};
