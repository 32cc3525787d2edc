/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the devices of a vendor's card end while their jobs are in the queue: the VMM is killed, the
 * engine or the memory function is unbound, the card is pulled out. kmod/vendor/README.md states
 * the results.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "edu.h"

static int ctl;

static void fill_queue(struct vmm *vmm) {
        unsigned taken = 0;

        memset(vmm->ram, 0x99, vmm->ram_size);
        for (unsigned i = 0; i < 12; i++)
                taken += edu_submit(vmm, EDU_TO_CARD, VMM_RAM + 2048 * i, 4096 * i, 2048) == EDU_OK;
        CHECK_EQ(taken, 12, "jobs in the queue");
}

static int unbind(const char *driver, const char *function) {
        char path[256];

        snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
        return write_file(path, function);
}

/* Its jobs are forgotten, what they wrote is zero before anybody else sees it. */
static void test_killed(void) {
        int ready[2];
        struct vmm b;
        char byte;

        MUST(vmm_open(&b, UUID(61)));
        MUST(pipe2(ready, O_CLOEXEC) < 0 ? -errno : 0);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
                struct vmm a;

                if (vmm_open(&a, UUID(60)) < 0)
                        _exit(1);
                fill_queue(&a);
                while (edu_read(&a, EDU_COMPLETED) < 2)
                        usleep(10000);
                (void) !write(ready[1], "x", 1);
                pause();
                _exit(2);
        }
        CHECK_EQ(read(ready[0], &byte, 1), 1, "a VMM has had two of its jobs done");
        CHECK_EQ(edu_submit(&b, EDU_TO_CARD, VMM_RAM, 0, 1), EDU_OK, "  another waits its turn");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(60)));
        CHECK_EQ(host("check card 1M 1M 0"), 0, "killed, its memory is zero");
        CHECK_EQ(edu_drain(&b), 0, "the other's job is done");
        CHECK_EQ(host("check card 1M 1M 0"), 0, "  and nothing was written after the zeros");
        vmm_close(&b);
        close(ready[0]);
        close(ready[1]);
}

static void test_interrupts(void) {
        int fds[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
        const uint32_t set = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        uint64_t count = 0;
        struct vmm a, b;

        MUST(vmm_open(&a, UUID(60)));
        MUST(vmm_open(&b, UUID(61)));
        MUST(device_irq(&a.d, VFIO_PCI_MSIX_IRQ_INDEX, set, 1, &fds[0], 4));
        MUST(device_irq(&b.d, VFIO_PCI_MSIX_IRQ_INDEX, set, 1, &fds[1], 4));
        CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM, 0, 100), EDU_OK, "a job of a");
        CHECK_EQ(read(fds[0], &count, 8), 8, "  its interrupt comes");
        CHECK_EQ(count, 1, "  once");
        CHECK_EQ(edu_read(&a, EDU_IRQ), 1, "  the register says why");
        CHECK_EQ(edu_read(&a, EDU_PENDING), 0, "  the job is done then");
        edu_write(&a, EDU_IRQ, 1);
        CHECK_EQ(edu_read(&a, EDU_IRQ), 0, "  and can be told so");
        CHECK(read(fds[1], &count, 8) < 0 && errno == EAGAIN, "b got none");
        vmm_close(&a);
        vmm_close(&b);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(60)));
}

static void test_engine_unbound(void) {
        struct vmm a;

        MUST(vmm_open(&a, UUID(60)));
        fill_queue(&a);
        while (edu_read(&a, EDU_COMPLETED) < 1)
                usleep(10000);
        CHECK_EQ(unbind("mdevd_edu", card_engine_name()), 0, "the engine is unbound under jobs");
        CHECK(edu_drain(&a) >= 10, "  what was queued fails");
        CHECK_EQ(edu_read(&a, EDU_RESULT), EDU_NO_ENGINE, "  because there is no engine");
        volatile uint32_t *slice = device_map(&a.d, 2, 0, EDU_PAGE);
        slice[0] = 0x600d600d;
        CHECK_EQ(slice[0], 0x600d600d, "  its memory goes on");
        munmap((void *)slice, EDU_PAGE);
        vmm_close(&a);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(60)));
        CHECK_EQ(write_file("/sys/bus/pci/drivers_probe", card_engine_name()), 0, "bound again");
}

static void make_both(void) {
        MUST(card_configure(ctl, "edu"));
        MUST(card_make(ctl, "1M", UUID(60), 1 * MIB, MIB));
        MUST(card_make(ctl, "1M", UUID(61), 2 * MIB, MIB));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(61)));
}

static void unmake(const char *uuid) {
        MUST(mdev_remove(uuid));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, uuid));
}

static void *unbinder(void *arg) {
        return (void *)(intptr_t)unbind("mdevd", card_name());
}

static void *unplugger(void *arg) {
        return (void *)(intptr_t)host("unplug card");
}

/* Unbound or pulled out under a VMM that has jobs in the queue and goes when it is asked to. */
static void test_parent_goes(void *(*how)(void *), const char *what) {
        struct vmm a;
        pthread_t t;
        void *r;

        MUST(vmm_open(&a, UUID(60)));
        volatile uint32_t *slice = device_map(&a.d, 2, 0, EDU_PAGE);
        slice[0] = 0x600d600d;
        fill_queue(&a);
        while (edu_read(&a, EDU_COMPLETED) < 1)
                usleep(10000);
        pthread_create(&t, NULL, how, NULL);
        MUST(ctl_wait(ctl, MDEVD_EVENT_PARENT_CLOSING, NULL));
        while (ctl_state(ctl, UUID(60)) != MDEVD_DEVICE_REVOKED || slice[0] != 0xffffffff)
                usleep(1000);
        CHECK(true, "%s: the memory is the dummy page", what);
        CHECK_EQ(edu_read(&a, EDU_ID), 0xffffffff, "  registers read as ones");
        edu_write(&a, EDU_COMMAND, EDU_TO_CARD);
        munmap((void *)slice, EDU_PAGE);
        vmm_close(&a);
        pthread_join(t, &r);
        CHECK_EQ((intptr_t)r, 0, "  it ends when the VMM has gone");
        CHECK_EQ(ctl_state(ctl, UUID(60)), -ENOENT, "  and query knows nothing of it");
}

int main(void) {
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(card_name()));
        make_both();
        test_interrupts();
        test_killed();
        test_engine_unbound();
        unmake(UUID(60));
        unmake(UUID(61));
        MUST(ctl_unconfigure(ctl, card_name()));
        make_both();
        test_parent_goes(unbinder, "unbound");
        MUST(bind_parent(card_name()));
        make_both();
        test_parent_goes(unplugger, "pulled out");
        CHECK(access("/sys/module/mdevd_edu", F_OK) == 0 &&
                      syscall(SYS_delete_module, "mdevd_edu", O_NONBLOCK) == 0,
              "nothing holds the vendor's module any more");
        return check_done();
}
