/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * holder-machine.c: owns the name of the virtual machine that a process is. libvirt tells QEMU all
 * of it ("-name guest=NAME,debug-threads=on", src/qemu/qemu_command.c); in a scope's name it leaves
 * out what a host name cannot have (virDomainGenerateMachineName(), src/conf/domain_conf.c).
 */
#include "backend/holders.h"
#include "util/utf8.h"

static bool is_qemu(const char *where, const char *program) {
        const char *slash = strrchr(program, '/');

        program = slash ? slash + 1 : program;
        return strncmp(where, "machine qemu-", strlen("machine qemu-")) == 0 ||
               strncmp(program, "qemu", strlen("qemu")) == 0 || streq(program, "kvm");
}

/*
 * One of QEMU's options, up to a comma that is not doubled; @ret has room for all of it, or less.
 */
static const char *copy_option(const char *s, char *ret, size_t size) {
        size_t n = 0;

        for (; *s && !(s[0] == ',' && s[1] != ','); s++) {
                if (n + 1 < size)
                        ret[n++] = *s;
                s += s[0] == ',';
        }
        ret[n] = '\0';
        return *s ? s + 1 : NULL;
}

/* The first option may be the name itself, without "guest=". */
static void read_name(const char *options, char ret[static HOLDER_MACHINE_MAX]) {
        char option[HOLDER_MACHINE_MAX + sizeof("guest=") - 1];
        bool first = true;

        for (const char *s = options; s; first = false) {
                s = copy_option(s, option, sizeof(option));
                if (strncmp(option, "guest=", strlen("guest=")) == 0) {
                        (void) snprintf(ret, HOLDER_MACHINE_MAX, "%s", option + strlen("guest="));
                        return;
                }
                if (first && !strchr(option, '='))
                        (void) snprintf(ret, HOLDER_MACHINE_MAX, "%.*s", HOLDER_MACHINE_MAX - 1,
                                        option);
        }
}

static void read_cmdline(const char *where, const char *cmdline, size_t size,
                         char ret[static HOLDER_MACHINE_MAX]) {
        const char *end = cmdline + size;

        if (size == 0 || end[-1] != '\0' || !is_qemu(where, cmdline))
                return;
        for (const char *s = cmdline; s < end; s += strlen(s) + 1) {
                const char *next = s + strlen(s) + 1;

                if (next < end && (streq(s, "-name") || streq(s, "--name"))) {
                        read_name(next, ret);
                        return;
                }
        }
}

/* "machine qemu-12-NAME", "machine lxc-12-NAME": libvirt's, by driver and number. */
static void read_where(const char *where, char ret[static HOLDER_MACHINE_MAX]) {
        const char *s;
        size_t digits;

        if (strncmp(where, "machine ", strlen("machine ")) != 0)
                return;
        s = strchr(where, '-');
        digits = s ? strspn(s + 1, "0123456789") : 0;
        if (digits > 0 && s[1 + digits] == '-')
                (void) snprintf(ret, HOLDER_MACHINE_MAX, "%s", s + 1 + digits + 1);
}

void holder_machine(const char *where, const char *cmdline, size_t size,
                    char ret[static HOLDER_MACHINE_MAX]) {
        ret[0] = '\0';
        read_cmdline(where, cmdline, size, ret);
        if (!ret[0])
                read_where(where, ret);
        utf8_make_plain(ret);
}
