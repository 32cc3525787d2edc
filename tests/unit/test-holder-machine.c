/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-holder-machine.c: which virtual machine a process is, by what libvirt, oVirt, KubeVirt,
 * machined and people call theirs; and whatever else a process may call itself. Command lines are
 * as /proc has them, an argument ended by a NUL each.
 */
#include "test.h"

#include "backend/holders.h"
#include "util/utf8.h"

#define QEMU "/usr/bin/qemu-system-x86_64\0"
#define KVM "/usr/libexec/qemu-kvm\0"
#define SCOPE "0::/machine.slice/machine-qemu\\x2d3\\x2dvm1.scope/libvirt/emulator\n"

typedef struct Case Case;

struct Case {
        const char *cgroup;
        const char *cmdline;
        size_t size;
        const char *where, *machine;
};

/* sizeof() counts the NUL that C adds: it ends the last argument. */
#define CASE(cgroup, cmdline, where, machine)                                                      \
        { (cgroup), (cmdline), sizeof(cmdline), (where), (machine) }

static void check(const Case *c) {
        char where[HOLDER_WHERE_MAX], machine[HOLDER_MACHINE_MAX];

        holder_where(c->cgroup, where);
        ASSERT_STREQ(where, c->where);
        holder_machine(where, c->cmdline, c->size, machine);
        ASSERT_STREQ(machine, c->machine);
}

TEST(what_each_calls_them) {
        static const Case cases[] = {
                /* libvirt: the scope has not every character, the command line has */
                CASE(SCOPE, QEMU "-name\0guest=vm1,debug-threads=on\0-S", "machine qemu-3-vm1",
                     "vm1"),
                CASE("0::/machine.slice/machine-qemu\\x2d12\\x2dwinb\\xc3\\xbccher.scope\n",
                     QEMU "-name\0guest=Win Bücher 2,debug-threads=on",
                     "machine qemu-12-winbücher", "Win Bücher 2"),
                CASE("0::/machine.slice/machine-qemu\\x2d3\\x2da.scope\n",
                     QEMU "-name\0guest=a,,b=c,debug-threads=on", "machine qemu-3-a", "a,b=c"),
                /* a process of its scope that is not QEMU, as virtiofsd is */
                CASE(SCOPE, "/usr/libexec/virtiofsd\0--fd=3", "machine qemu-3-vm1", "vm1"),
                CASE(SCOPE, "", "machine qemu-3-vm1", "vm1"),
                /* whatever its program is called, it is libvirt's QEMU */
                CASE(SCOPE, "/opt/emulator\0-name\0guest=vm-one", "machine qemu-3-vm1", "vm-one"),
                CASE("0::/machine.slice/machine-lxc\\x2d7\\x2dc1.scope\n", "/sbin/init",
                     "machine lxc-7-c1", "c1"),
                /* the old hierarchies, oVirt's host */
                CASE("11:cpuset:/x\n"
                     "1:name=systemd:/machine.slice/machine-qemu\\x2d5\\x2dweb\\x2d1.scope\n",
                     KVM "-name\0guest=web-1,debug-threads=on", "machine qemu-5-web-1", "web-1"),
                /* KubeVirt: in a container, named after namespace and machine */
                CASE("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-0a1b.scope\n",
                     KVM "-name\0guest=default_vmi-1,debug-threads=on",
                     "unit cri-containerd-0a1b.scope", "default_vmi-1"),
                CASE("0::/kubepods.slice/crio-0a1b.scope/container\n",
                     "/usr/bin/virt-launcher\0--name\0vmi-1", "unit crio-0a1b.scope", ""),
                /* people, and units of theirs */
                CASE("0::/system.slice/vm1.service\n", QEMU "-name\0vm1", "unit vm1.service",
                     "vm1"),
                CASE("0::/user.slice/x\n", "kvm\0--name\0vm1,process=p", "", "vm1"),
                CASE("0::/user.slice/x\n", "qemu-system-aarch64\0-name\0process=p,guest=vm1", "",
                     "vm1"),
                CASE("0::/user.slice/x\n", QEMU "-m\0" "512", "", ""),
                /* machined's own: a name of one part, which is no number's */
                CASE("0::/machine.slice/machine-debian.scope/payload\n", "/usr/lib/systemd/systemd",
                     "machine debian", ""),
                CASE("0::/machine.slice/systemd-nspawn@debian.service/payload\n", "/sbin/init",
                     "unit systemd-nspawn@debian.service", ""),
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                check(&cases[i]);
}

/* Who runs a process says what its command line is. */
TEST(whatever_a_process_says) {
        static const Case cases[] = {
                CASE("", QEMU "-name", "", ""),
                CASE("", QEMU "-name\0", "", ""),
                CASE("", QEMU "-name\0,,,", "", ","),
                CASE("", QEMU "-name\0guest=", "", ""),
                CASE("", QEMU "-name\0guest=,guest=b", "", ""),
                CASE("", QEMU "-name\0process=-name", "", ""),
                /* of two, QEMU takes the last; this is a name to show, and the first is as good */
                CASE("", QEMU "-name\0a\0-name\0b", "", "a"),
                CASE("", "\0-name\0a", "", ""),
                CASE("", "sh\0-name\0a", "", ""),
                CASE("", QEMU "-name\0a\nb\033[2J\x7f", "", "a?b?[2J?"),
                CASE("", QEMU "-name\0\xff\xc3(\xe2\x82", "", "?\x3f(?\x3f"),
                CASE("0::/machine-.scope\n", "x", "unit machine-.scope", ""),
                CASE("0::/machine-qemu\\x2d\\x2da.scope\n", "x", "machine qemu--a", ""),
                CASE("0::/machine-qemu\\x2d1.scope\n", "x", "machine qemu-1", ""),
                CASE("0::/machine-qemu\\x2d1\\x2d.scope\n", "x", "machine qemu-1-", ""),
                /* not two hexadecimal digits: it stays as it is */
                CASE("0::/machine-a\\x2.scope\n", "x", "machine a\\x2", ""),
                CASE("0::/machine-a\\x+2b.scope\n", "x", "machine a\\x+2b", ""),
                CASE("0::/machine-a\\x 2b.scope\n", "x", "machine a\\x 2b", ""),
                CASE("0::/machine-a\\x0ab\\x7fc.scope\n", "x", "machine a\\x0ab\\x7fc", ""),
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                check(&cases[i]);
}

/* It may have been cut, by the limit of what is read or by a process that rewrites it. */
TEST(a_command_line_without_its_end) {
        static const char text[] = QEMU "-name\0vm1";
        char machine[HOLDER_MACHINE_MAX];

        for (size_t n = 0; n < sizeof(text); n++) {
                char *exact = malloc(n ?: 1); /* for the sanitizers: nothing behind it is read */

                ASSERT_NOT_NULL(exact);
                memcpy(exact, text, n);
                holder_machine("", exact, n, machine);
                ASSERT_STREQ(machine, "");
                free(exact);
        }
        holder_machine("", text, sizeof(text), machine);
        ASSERT_STREQ(machine, "vm1");
}

/* A name of as many bytes as there is room for, and of one more, which is cut. */
TEST(longest_names) {
        const size_t room = HOLDER_MACHINE_MAX - 1;

        for (size_t n = room; n <= room + 1; n++)
                for (unsigned with = 0; with < 2; with++) {
                        static const char *const options[] = { "", "guest=" };
                        char text[2 * HOLDER_MACHINE_MAX], machine[HOLDER_MACHINE_MAX];
                        int size;

                        size = snprintf(text, sizeof(text), "qemu%c-name%c%s%0*d,process=x", 0, 0,
                                        options[with], (int) n, 7);
                        holder_machine("", text, (size_t) size + 1, machine);
                        ASSERT_EQ(strlen(machine), room);
                        ASSERT_EQ(machine[room - 1], n == room ? '7' : '0');
                }
}

/* The same of where a process is; a character of several bytes is not shown in halves. */
TEST(longest_places) {
        const size_t room = HOLDER_WHERE_MAX - 1 - strlen("machine ");
        char text[2 * HOLDER_WHERE_MAX], where[HOLDER_WHERE_MAX];

        for (size_t n = room; n <= room + 1; n++) {
                (void) snprintf(text, sizeof(text), "0::/machine-%0*d.scope\n", (int) n, 7);
                holder_where(text, where);
                ASSERT_EQ(strlen(where), HOLDER_WHERE_MAX - 1);
                ASSERT_EQ(where[HOLDER_WHERE_MAX - 2], n == room ? '7' : '0');
                (void) snprintf(text, sizeof(text), "0::/machine-%0*d\xc3\xbc.scope\n",
                                (int) n - 1, 7);
                holder_where(text, where);
                utf8_make_plain(where);
                ASSERT_TRUE(utf8_is_valid(where));
        }
}

TESTS_MAIN
