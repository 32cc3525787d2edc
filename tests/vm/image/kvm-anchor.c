/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns keeping KVM's static keys still while the tests run. Each nested guest that comes, goes or
 * sets up its APIC would flip some of them, and so patch kernel code that the VM's other CPU is
 * running. QEMU before 8.1 may translate such code while it is being patched and keep the result:
 * that CPU then runs into an int3 that is long gone, an Oops no real machine would have.
 *
 * The keys count their users. We are one user of each, a machine that never runs: created in the
 * initrd while only one CPU is online, it stays until power-off.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define APIC_BASE_ENABLE (1ULL << 11)

static int must(int r, const char *what)
{
        if (r < 0) {
                perror(what);
                exit(1);
        }
        return r;
}

/* With an APIC: one vCPU whose APIC is off by software (as after reset), one by hardware. */
static void hold_apic_keys(int kvm)
{
        int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "kvm-anchor: KVM_CREATE_VM");
        struct kvm_sregs sregs;
        int cpu;

        must(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "kvm-anchor: KVM_CREATE_IRQCHIP");
        must(ioctl(vm, KVM_CREATE_VCPU, 0), "kvm-anchor: KVM_CREATE_VCPU 0");
        cpu = must(ioctl(vm, KVM_CREATE_VCPU, 1), "kvm-anchor: KVM_CREATE_VCPU 1");
        must(ioctl(cpu, KVM_GET_SREGS, &sregs), "kvm-anchor: KVM_GET_SREGS");
        sregs.apic_base &= ~APIC_BASE_ENABLE;
        must(ioctl(cpu, KVM_SET_SREGS, &sregs), "kvm-anchor: KVM_SET_SREGS");
}

/* Without an APIC in the kernel. */
static void hold_no_apic_key(int kvm)
{
        int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "kvm-anchor: KVM_CREATE_VM");

        must(ioctl(vm, KVM_CREATE_VCPU, 0), "kvm-anchor: KVM_CREATE_VCPU");
}

int main(void)
{
        int held[2];
        char c;

        must(pipe(held), "kvm-anchor: pipe");
        if (must(fork(), "kvm-anchor: fork") == 0) {
                int kvm = must(open("/dev/kvm", O_RDWR), "kvm-anchor: /dev/kvm");

                hold_apic_keys(kvm);
                hold_no_apic_key(kvm);
                must(setsid(), "kvm-anchor: setsid");
                must((int) write(held[1], "", 1), "kvm-anchor: write");
                close(held[1]);
                for (;;)
                        pause();
        }
        close(held[1]);
        return read(held[0], &c, 1) == 1 ? 0 : 1;
}
