/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A vendor's DMA where it must stop: a VMM whose memory never answers, a device that is suspended,
 * a parent that is reset, an engine that is unbound in the middle of a job. And what the vendor
 * cleans.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "edu.h"
#include "trouble.h"

#define A UUID(53)
#define B UUID(54)

static int ctl;

static void make(void) {
        MUST(card_make(ctl, "1M", A, 1 * MIB, MIB));
        MUST(card_make(ctl, "1M", B, 2 * MIB, MIB));
}

static void unmake(void) {
        MUST(mdev_remove(A));
        MUST(mdev_remove(B));
        while (ctl_unconfigure(ctl, card_name()) == -EBUSY)
                usleep(10000);
}

/* RAM whose pages somebody else is to bring, and never does. */
static int silent_ram(struct vmm *vmm) {
        struct uffdio_api api = { .api = UFFD_API };
        struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
        int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        MUST(munmap(vmm->ram, vmm->ram_size));
        vmm->ram = mmap(vmm->ram, vmm->ram_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        range.range.start = (uintptr_t)vmm->ram;
        range.range.len = vmm->ram_size;
        MUST(ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : 0);
        MUST(ioctl(fd, UFFDIO_REGISTER, &range) < 0 ? -errno : 0);
        return fd;
}

/* The engine's worker has touched a page and waits for it. */
static bool is_asked(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        struct uffd_msg msg;

        return poll(&p, 1, 30000) == 1 && read(fd, &msg, sizeof(msg)) == sizeof(msg) &&
               msg.event == UFFD_EVENT_PAGEFAULT;
}

static void test_silent_ram(void) {
        static const uint32_t commands[] = { EDU_TO_CARD, EDU_FROM_CARD };
        struct utsname name;
        struct vmm a, b;
        int fd;

        MUST(vmm_open(&a, A));
        MUST(vmm_open(&b, B));
        fd = silent_ram(&a);
        if (fd == -ENOSYS && uname(&name) == 0 && strstr(name.release, "debug")) {
                printf("# the debug kernel has no userfaultfd\n");
                vmm_close(&a);
                vmm_close(&b);
                return;
        }
        MUST(fd);
        for (unsigned i = 0; i < ELEMENTS(commands); i++) {
                CHECK_EQ(edu_submit(&a, commands[i], VMM_RAM + 8192 * i, 0, 64), EDU_OK,
                         "a job for RAM that never answers");
                CHECK(is_asked(fd), "  it is waited for");
                CHECK_EQ(edu_submit(&b, EDU_TO_CARD, VMM_RAM, 0, 64), EDU_OK, "  the neighbour's");
                CHECK_EQ(edu_drain(&b), 0, "  is done meanwhile");
                CHECK_EQ(ioctl(a.d.fd, VFIO_DEVICE_RESET), 0, "  a reset ends the wait");
                CHECK_EQ(edu_read(&a, EDU_PENDING), 0, "  nothing is pending");
        }
        MUST(vmm_unmap_ram(&a));
        a.ram += 32 * KIB;
        a.ram_size -= 32 * KIB;
        MUST(vmm_map_ram(&a, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE));
        CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM, 0, 64), EDU_OK, "another such job");
        CHECK(is_asked(fd), "  it is waited for");
        vmm_close(&a);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, A));
        CHECK(true, "the device can be closed all the same");
        close(fd);

        MUST(vmm_open(&a, A));
        CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM, 0, 64), EDU_OK, "opened again, a job");
        CHECK_EQ(edu_drain(&a), 0, "  is done");
        vmm_close(&a);
        vmm_close(&b);
}

/* Eight jobs, each to a page of its own; returns how many of these pages have their bytes. */
static void submit_eight(struct vmm *vmm) {
        memset(vmm->ram, 0x99, vmm->ram_size);
        for (unsigned i = 0; i < 8; i++)
                CHECK_EQ(edu_submit(vmm, EDU_TO_CARD, VMM_RAM + 2048 * i, 4096 * i, 2048), EDU_OK,
                         "a job");
}

static unsigned arrived(void) {
        unsigned n = 0;

        for (unsigned i = 0; i < 8; i++)
                n += host("check card %u 2048 0x9999999999999999", (unsigned)(MIB + 4096 * i)) == 0;
        return n;
}

static void test_suspend(void) {
        struct vmm a, b;
        unsigned before;

        MUST(vmm_open(&a, A));
        MUST(vmm_open(&b, B));
        submit_eight(&a);
        while (edu_read(&a, EDU_COMPLETED) < 2)
                usleep(10000);
        CHECK_EQ(ctl_suspend(ctl, A, MDEVD_HOLD_MS_MAX), 0, "suspended with jobs in the queue");
        before = arrived();
        CHECK(before >= 2 && before < 8, "  some are done: %u", before);
        for (unsigned i = 0; i < 3; i++)
                CHECK_EQ(edu_submit(&b, EDU_TO_CARD, VMM_RAM, 0, 64), EDU_OK, "  the neighbour's");
        CHECK_EQ(edu_drain(&b), 0, "  are done meanwhile");
        CHECK_EQ(arrived(), before, "  none of its own");
        CHECK_EQ(ctl_resume(ctl, A), 0, "resumed");
        CHECK_EQ(edu_drain(&a), 0, "  none has failed");
        CHECK_EQ(arrived(), 8, "  all are done");

        /* closed while it is suspended: the worker that waits goes too */
        submit_eight(&a);
        CHECK_EQ(ctl_suspend(ctl, A, MDEVD_HOLD_MS_MAX), 0, "suspended again");
        vmm_close(&a);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, A));
        CHECK(true, "it can be closed then");
        MUST(ctl_resume(ctl, A));
        vmm_close(&b);
}

/* Jobs on their way when the memory function is reset: what it swallowed is done again. */
static void test_reset(void) {
        struct vmm a;

        MUST(vmm_open(&a, A));
        submit_eight(&a);
        for (unsigned i = 1; i < 5; i++) {
                uint32_t done = edu_read(&a, EDU_COMPLETED);

                MUST(trouble_tell(card_name(), "reset-prepare"));
                MUST(trouble_decode(card_name(), false));
                MUST(trouble_decode(card_name(), true));
                MUST(trouble_tell(card_name(), "reset-done"));
                while (done < 8 && edu_read(&a, EDU_COMPLETED) == done)
                        usleep(1000);
        }
        CHECK_EQ(edu_drain(&a), 0, "four resets under jobs: none has failed");
        CHECK_EQ(arrived(), 8, "  all bytes are there");

        /* an error that comes without a warning: the job under way has lost its bytes */
        MUST(ioctl(a.d.fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0);
        MUST(host("fill card 1M 64K 0"));
        submit_eight(&a);
        MUST(trouble_limit("3600"));
        while (edu_read(&a, EDU_COMPLETED) < 2)
                usleep(1000);
        MUST(trouble_decode(card_name(), false));
        MUST(trouble_tell(card_name(), "frozen"));
        MUST(trouble_decode(card_name(), true));
        MUST(trouble_tell(card_name(), "resume"));
        CHECK_EQ(edu_drain(&a), 0, "an error under jobs: none has failed");
        CHECK_EQ(arrived(), 8, "  all bytes are there");
        vmm_close(&a);
}

/* ---- the engine without its driver ---- */

static volatile uint8_t *resource(const char *function, unsigned bar, size_t length) {
        char path[128];
        void *at;
        int fd;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", function, bar);
        fd = open(path, O_RDWR | O_CLOEXEC);
        at = fd < 0 ? MAP_FAILED : mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        return at == MAP_FAILED ? NULL : at;
}

static uint64_t bar_address(const char *function, unsigned bar) {
        char path[128], line[128] = "";
        uint64_t start = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", function);
        f = fopen(path, "re");
        for (unsigned i = 0; f && i <= bar; i++)
                if (!fgets(line, sizeof(line), f))
                        line[0] = '\0';
        if (f)
                fclose(f);
        return sscanf(line, "%lx", &start) == 1 ? start : 0;
}

/* Whoever has the function next: fetches what is in the engine's buffer to 8 MiB of the card. */
static int fetch_buffer(void) {
        volatile uint8_t *regs = resource(card_engine_name(), 0, MIB);
        uint64_t to = bar_address(card_name(), 2) + 8 * MIB;
        char path[128];
        int fd;

        if (!regs)
                return -ENODEV;
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", card_engine_name());
        fd = open(path, O_RDWR | O_CLOEXEC);
        /* memory and master */
        if (fd < 0 || pwrite(fd, &(uint16_t){ 6 }, 2, 4) != 2)
                return -errno;
        *(volatile uint64_t *)(regs + 0x80) = 0x40000;
        *(volatile uint64_t *)(regs + 0x88) = to;
        *(volatile uint64_t *)(regs + 0x90) = 2048;
        *(volatile uint64_t *)(regs + 0x98) = 3;
        while (*(volatile uint32_t *)(regs + 0x98) & 1)
                usleep(1000);
        close(fd);
        return munmap((void *)regs, MIB);
}

static int write_driver(const char *what, const char *function) {
        char path[128];

        snprintf(path, sizeof(path), "/sys/bus/pci/drivers/mdevd_edu/%s", what);
        return write_file(path, function);
}

static void test_wipe(void) {
        volatile uint8_t *slice;
        struct vmm a;

        MUST(vmm_open(&a, A));
        slice = device_map(&a.d, 2, 0, MIB);
        submit_eight(&a);
        /* the bytes of a job have gone out, and are about to be wiped */
        while (slice[4096 + 2047] != 0x99 && edu_read(&a, EDU_COMPLETED) < 2)
                sched_yield();
        CHECK_EQ(slice[4096 + 2047], 0x99, "bytes have gone out");
        CHECK_EQ(write_driver("unbind", card_engine_name()), 0, "the engine is unbound in mid job");
        munmap((void *)slice, MIB);
        MUST(host("fill card 8M 4K 0x5a"));
        CHECK_EQ(fetch_buffer(), 0, "the next one fetches its buffer");
        CHECK_EQ(host("check card 8M 2048 0"), 0, "  nothing of a tenant is in it");
        CHECK_EQ(host("check card 0x800800 2048 0x5a5a5a5a5a5a5a5a"), 0, "  2 KiB of zeros");
        edu_drain(&a);
        vmm_close(&a);
        MUST(write_file("/sys/bus/pci/drivers_probe", card_engine_name()));
}

/* Registers that zeros do not clean, as it were. */
static int configure_registers(const char *vendor, uint32_t scrub) {
        struct mdevd_pool pool = {
                .name = "regs", .bar = 2, .kind = MDEVD_POOL_REGISTERS, .scrub = (uint8_t)scrub,
                .length = 16 * MIB,
        };
        struct mdevd_type type = { .name = "1M", .bars[2] = { .length = MIB } };
        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .n_pools = 1,
                .pool_size = sizeof(pool),
                .n_types = 1,
                .type_size = sizeof(type),
                .pools = (uintptr_t)&pool,
                .types = (uintptr_t)&type,
        };

        snprintf(arg.parent, sizeof(arg.parent), "%s", card_name());
        snprintf(arg.vendor, sizeof(arg.vendor), "%s", vendor);
        return ctl_call(ctl, MDEVD_CONFIGURE, &arg);
}

static void test_scrub(void) {
        struct vmm a;

        CHECK_EQ(configure_registers("edu", MDEVD_SCRUB_ZERO), -EINVAL, "registers to be zeroed");
        CHECK_EQ(configure_registers("", MDEVD_SCRUB_VENDOR), -EOPNOTSUPP, "by no vendor");
        MUST(configure_registers("edu", MDEVD_SCRUB_VENDOR));
        MUST(host("fill card 1M 1M 0x66"));
        make();
        MUST(vmm_open(&a, A));
        CHECK_EQ(host("check card 1M 1M 0"), 0, "the first opener finds what the vendor left");
        MUST(host("fill card 1M 1M 0x66"));
        CHECK_EQ(edu_submit(&a, EDU_TO_CARD, VMM_RAM, 0, 64), EDU_OK, "a job");
        CHECK_EQ(edu_drain(&a), 0, "  is done");
        vmm_close(&a);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, A));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, A));
        CHECK_EQ(host("check card 1M 1M 0"), 0, "clean after the last close");

        /* it cannot be cleaned now: it is nobody's until it can */
        MUST(vmm_open(&a, A));
        MUST(trouble_decode(card_name(), false));
        vmm_close(&a);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, A));
        MUST(mdev_remove(A));
        CHECK_EQ(ctl_state(ctl, A), MDEVD_DEVICE_DYING, "a vendor that fails is asked again");
        CHECK_EQ(ctl_unconfigure(ctl, card_name()), -EBUSY, "  and its parent is busy");
        MUST(trouble_decode(card_name(), true));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, A));
        CHECK_EQ(host("check card 1M 1M 0"), 0, "  clean in the end");
        MUST(mdev_remove(B));
        while (ctl_unconfigure(ctl, card_name()) == -EBUSY)
                usleep(10000);
}

int main(void) {
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(card_name()));
        MUST(card_configure(ctl, "edu"));
        make();
        test_silent_ram();
        test_suspend();
        test_reset();
        test_wipe();
        unmake();
        test_scrub();
        return check_done();
}
