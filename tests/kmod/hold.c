/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Suspend and resume: who touches a held BAR waits, whichever way he touches it, and goes on
 * without an error; nobody can hold it for ever.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib.h"

#define DEV UUID(30)

static const char *p0;
static int ctl;
static struct device d;
static char *map;

/* Threads that write their own word for ever, and say how often they did. */
struct hammer {
        pthread_t thread;
        volatile uint32_t *word;
        volatile uint64_t count;
        volatile bool stop;
        unsigned errors;
};

static void *hammer_run(void *arg) {
        struct hammer *h = arg;

        while (!h->stop) {
                uint32_t value = (uint32_t)h->count + 1;

                *h->word = value;
                h->errors += *h->word != value;
                h->count++;
        }
        return NULL;
}

/* Waits until each has made some progress: an event, not a time. */
static void hammers_progress(struct hammer *h, unsigned n, uint64_t by) {
        for (unsigned i = 0; i < n; i++) {
                uint64_t from = h[i].count;

                while (h[i].count < from + by)
                        sched_yield();
        }
}

static uint64_t hammers_sum(const struct hammer *h, unsigned n) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < n; i++)
                sum += h[i].count;
        return sum;
}

/* Until a thread sleeps in the kernel; the module's wait is the only place where these can. */
static void await_blocked(pid_t tid) {
        char path[64], text[512];

        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
        for (;;) {
                const char *state;

                MUST(read_file(path, text, sizeof(text)));
                state = strrchr(text, ')') + 2;
                if (*state == 'S' || *state == 'D')
                        return;
                sched_yield();
        }
}

static void test_errors(void) {
        int other = (int)MUST(ctl_open(O_RDWR));
        struct mdevd_suspend arg = { .size = sizeof(arg), .__reserved = 1 };

        CHECK_EQ(ctl_suspend(ctl, UUID(31), 0), -ENOENT, "suspend what does not exist");
        CHECK_EQ(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX + 1), -EINVAL, "suspend for too long");
        uuid_bytes(DEV, arg.uuid);
        CHECK_EQ(ctl_call(ctl, MDEVD_SUSPEND, &arg), -EINVAL, "a reserved field");
        CHECK_EQ(ctl_resume(ctl, DEV), -ENOENT, "resume what is not suspended");
        CHECK_EQ(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX), 0, "suspend");
        CHECK_EQ(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX), 0, "suspend again");
        CHECK_EQ(ctl_state(ctl, DEV), MDEVD_DEVICE_SUSPENDED, "state");
        char text[32] = "";
        MUST(mdev_attr(DEV, "state", text, sizeof(text)));
        CHECK(strcmp(text, "suspended\n") == 0, "state in sysfs");
        CHECK_EQ(ctl_suspend(other, DEV, 0), -EBUSY, "suspend through another descriptor");
        CHECK_EQ(ctl_resume(other, DEV), -ENOENT, "resume through another descriptor");
        CHECK_EQ(ctl_resume(ctl, DEV), 0, "resume");
        CHECK_EQ(ctl_resume(ctl, DEV), -ENOENT, "resume again");
        CHECK_EQ(ctl_state(ctl, DEV), MDEVD_DEVICE_LIVE, "state");
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_SUSPENDED, DEV), 0, "event: suspended");
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_RESUMED, DEV), 0, "event: resumed");
        CHECK_EQ(ctl_suspend(ctl, DEV, 1), 0, "suspend for a millisecond");
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_RESUMED, DEV), 0, "it resumes by itself");
        CHECK_EQ(ctl_suspend(other, DEV, MDEVD_HOLD_MS_MAX), 0, "suspend for a minute");
        close(other);
        CHECK_EQ(ctl_wait(ctl, MDEVD_EVENT_DEVICE_RESUMED, DEV), 0, "its descriptor closes");
        CHECK_EQ(ctl_state(ctl, DEV), MDEVD_DEVICE_LIVE, "state");
}

static void test_hammer(void) {
        enum { N = 4 };
        struct hammer h[N] = {};
        uint64_t before, after;

        for (unsigned i = 0; i < N; i++) {
                h[i].word = (volatile uint32_t *)(map + i * 3 * MIB + 64 * i);
                pthread_create(&h[i].thread, NULL, hammer_run, &h[i]);
        }
        for (unsigned round = 0; round < 20; round++) {
                uint64_t words[N];

                hammers_progress(h, N, 1000);
                MUST(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX));
                before = hammers_sum(h, N);
                MUST(host("read parent0 0 4 >/dev/null") ? -EIO : 0);
                after = hammers_sum(h, N);
                /* a thread may count one more whose last access was before the hold */
                if (after - before > N)
                        CHECK(false, "progress while held: %llu",
                              (unsigned long long)(after - before));
                for (unsigned i = 0; i < N; i++)
                        words[i] = h[i].count;
                MUST(ctl_resume(ctl, DEV));
                for (unsigned i = 0; i < N; i++)
                        while (h[i].count <= words[i])
                                sched_yield();
        }
        CHECK(true, "20 holds: no progress while held, all go on");
        for (unsigned i = 0; i < N; i++)
                h[i].stop = true;
        for (unsigned i = 0; i < N; i++) {
                pthread_join(h[i].thread, NULL);
                CHECK_EQ(h[i].errors, 0, "words that were not what was written");
        }
}

/* One thread that does one thing to the held BAR. */
struct waiter {
        int (*fn)(struct waiter *w);
        volatile pid_t tid;
        volatile int result;
        uint32_t value;
        int pipe[2];
};

static void *waiter_run(void *arg) {
        struct waiter *w = arg;

        w->tid = gettid();
        w->result = w->fn(w);
        return NULL;
}

static int do_load(struct waiter *w) {
        return touch_read(map + 4096, &w->value);
}

static int do_pread(struct waiter *w) {
        return pread(d.fd, &w->value, 4, 4096) == 4 ? 0 : -errno;
}

/* the kernel's own copy touches the BAR */
static int do_copy(struct waiter *w) {
        return read(w->pipe[0], map + 4096, 4) == 4 ? 0 : -errno;
}

static pthread_t start_blocked(struct waiter *w, int (*fn)(struct waiter *)) {
        pthread_t thread;

        *w = (struct waiter){ .fn = fn };
        if (pipe(w->pipe) < 0 || write(w->pipe[1], "abcd", 4) != 4)
                CHECK(false, "pipe: %s", strerror(errno));
        pthread_create(&thread, NULL, waiter_run, w);
        while (w->tid == 0)
                sched_yield();
        await_blocked(w->tid);
        return thread;
}

static void end(struct waiter *w, pthread_t thread) {
        pthread_join(thread, NULL);
        close(w->pipe[0]);
        close(w->pipe[1]);
}

static void nothing(int signal) {
}

static void test_ways(void) {
        static int (*const fns[])(struct waiter *) = { do_load, do_pread, do_copy };
        static const char *const names[] = { "a load", "read() of the device",
                                             "read() of a pipe into it" };
        struct sigaction action = { .sa_handler = nothing };
        struct waiter w;
        pthread_t thread;

        sigaction(SIGUSR1, &action, NULL);
        *(volatile uint32_t *)(map + 4096) = 0x1234;
        for (unsigned i = 0; i < ELEMENTS(fns); i++) {
                MUST(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX));
                thread = start_blocked(&w, fns[i]);
                w.result = 99;
                /* a signal does not end it, or it is begun again */
                if (fns[i] == do_load) {
                        pthread_kill(thread, SIGUSR1);
                        CHECK_EQ(w.result, 99, "a signal does not end the wait");
                }
                MUST(ctl_resume(ctl, DEV));
                end(&w, thread);
                CHECK(w.result == 0 && (fns[i] == do_copy || w.value == 0x1234),
                      "%s waits and then succeeds: %d, 0x%x", names[i], w.result, w.value);
        }
        CHECK(memcmp(map + 4096, "abcd", 4) == 0, "the copy arrived");

        MUST(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX));
        thread = start_blocked(&w, do_pread);
        pthread_kill(thread, SIGUSR1);
        end(&w, thread);
        CHECK_EQ(w.result, -EINTR, "a signal ends a held read()");

        /* the VMA goes under a thread that waits for it */
        thread = start_blocked(&w, do_load);
        CHECK_EQ(munmap(map, 16 * MIB), 0, "munmap under a held thread");
        MUST(ctl_resume(ctl, DEV));
        end(&w, thread);
        CHECK_EQ(w.result, SIGSEGV, "it finds nothing there");
        map = device_map(&d, 0, 0, 16 * MIB);

        /* killed while it waits */
        MUST(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX));
        fflush(stdout);
        int ready[2];
        MUST(pipe(ready));
        pid_t child = fork();
        if (child == 0) {
                char *mine = device_map(&d, 0, 0, MIB);

                (void)!write(ready[1], "x", 1);
                *(volatile uint32_t *)mine = 1;
                _exit(0);
        }
        char byte;
        (void)!read(ready[0], &byte, 1);
        char path[64], text[512];
        snprintf(path, sizeof(path), "/proc/%d/stat", child);
        do
                MUST(read_file(path, text, sizeof(text)));
        while (strrchr(text, ')')[2] == 'R');
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a held process can be killed");
        MUST(ctl_resume(ctl, DEV));
        close(ready[0]);
        close(ready[1]);
}

/* The function is reset under threads at work: they wait, and find what they wrote. */
static void test_reset(void) {
        enum { N = 2 };
        struct hammer h[N] = {};
        char path[128];

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", p0);
        for (unsigned i = 0; i < N; i++) {
                h[i].word = (volatile uint32_t *)(map + i * 5 * MIB);
                pthread_create(&h[i].thread, NULL, hammer_run, &h[i]);
        }
        for (unsigned round = 0; round < 3; round++) {
                hammers_progress(h, N, 1000);
                CHECK_EQ(write_file(path, "1"), 0, "the function is reset");
        }
        hammers_progress(h, N, 1000);
        for (unsigned i = 0; i < N; i++) {
                h[i].stop = true;
                pthread_join(h[i].thread, NULL);
                CHECK_EQ(h[i].errors, 0, "words that were not what was written");
        }

        /* both reasons to wait: the end of one does not end the other */
        MUST(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX));
        struct waiter w;
        pthread_t thread = start_blocked(&w, do_load);
        w.result = 99;
        CHECK_EQ(write_file(path, "1"), 0, "reset of what is suspended");
        await_blocked(w.tid);
        CHECK_EQ(w.result, 99, "a reset does not resume it");
        MUST(ctl_resume(ctl, DEV));
        end(&w, thread);
        CHECK_EQ(w.result, 0, "but resume does");
}

/* The parent is unbound by a thread: a process of its own would hold the device open. */
static void *unbinder(void *arg) {
        return (void *)(intptr_t)unbind_parent(arg);
}

static void test_parent_gone(void) {
        pthread_t waiting, unbinding;
        struct waiter w;
        void *result;

        MUST(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX));
        waiting = start_blocked(&w, do_load);
        pthread_create(&unbinding, NULL, unbinder, (void *)p0);
        end(&w, waiting);
        CHECK(w.result == 0 && w.value == 0xffffffff, "held when its parent goes: %d, 0x%x",
              w.result, w.value);
        CHECK_EQ(ctl_suspend(ctl, DEV, 0), -ENODEV, "suspend on a parent that goes");
        munmap(map, 16 * MIB);
        device_close(&d);
        pthread_join(unbinding, &result);
        CHECK_EQ((intptr_t)result, 0, "unbound");
}

/* A vCPU: 32 bit code without paging that increments a word of the BAR for ever. */
struct vcpu {
        int fd;
        struct kvm_run *run;
        volatile bool stop;
        volatile int tid;
        int result;
};

static void *vcpu_run(void *arg) {
        struct vcpu *v = arg;

        v->tid = gettid();
        while (!v->stop && v->result == 0)
                if (ioctl(v->fd, KVM_RUN, 0) < 0 && errno != EINTR)
                        v->result = -errno;
        return NULL;
}

static int vcpu_new(struct vcpu *v, char *ram) {
        /* inc dword [ebx]; jmp start */
        static const uint8_t code[] = { 0xff, 0x03, 0xeb, 0xfc };
        struct kvm_userspace_memory_region low = { 0, 0, 0, MIB, (uintptr_t)ram };
        struct kvm_userspace_memory_region bar = { 1, 0, 0x40000000, 16 * MIB, (uintptr_t)map };
        struct kvm_regs regs = { .rip = 0x1000, .rflags = 2, .rbx = 0x40000000 };
        struct kvm_sregs s;
        struct kvm_segment flat = { .limit = ~0U, .present = 1, .db = 1, .s = 1, .g = 1 };
        int kvm, vm;

        kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
        if (vm < 0)
                return -errno;
        memcpy(ram + 0x1000, code, sizeof(code));
        if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) < 0 ||
            ioctl(vm, KVM_SET_USER_MEMORY_REGION, &low) < 0 ||
            ioctl(vm, KVM_SET_USER_MEMORY_REGION, &bar) < 0)
                return -errno;
        v->fd = ioctl(vm, KVM_CREATE_VCPU, 0);
        if (v->fd < 0 || ioctl(v->fd, KVM_GET_SREGS, &s) < 0)
                return -errno;
        v->run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
                      MAP_SHARED, v->fd, 0);
        flat.selector = 16;
        flat.type = 3;
        s.ds = s.es = s.ss = s.fs = s.gs = flat;
        flat.selector = 8;
        flat.type = 11;
        s.cs = flat;
        s.cr0 |= 1;
        if (ioctl(v->fd, KVM_SET_SREGS, &s) < 0 || ioctl(v->fd, KVM_SET_REGS, &regs) < 0)
                return -errno;
        return 0;
}

static void test_guest(void) {
        struct sigaction action = { .sa_handler = nothing };
        char *ram = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        char *peek = device_map(&d, 0, 0, 4096);
        volatile uint32_t *word = (volatile uint32_t *)peek;
        struct mdevd_device_record before, after;
        struct vcpu v = {};
        pthread_t thread;

        sigaction(SIGUSR1, &action, NULL);
        *word = 0;
        MUST(vcpu_new(&v, ram));
        MUST(ctl_device(ctl, DEV, &before, NULL, NULL));
        pthread_create(&thread, NULL, vcpu_run, &v);
        while (*word < 1000)
                sched_yield();
        MUST(ctl_device(ctl, DEV, &after, NULL, NULL));
        CHECK(after.faults - before.faults <= 1, "a guest's thousand increments: %llu faults",
              (unsigned long long)(after.faults - before.faults));
        while (*word < 100000)
                sched_yield();
        before = after;
        MUST(ctl_device(ctl, DEV, &after, NULL, NULL));
        CHECK_EQ(after.faults, before.faults, "faults of 99,000 more");

        for (unsigned round = 0; round < 20; round++) {
                uint8_t bytes[2][8];

                MUST(ctl_suspend(ctl, DEV, MDEVD_HOLD_MS_MAX));
                await_blocked(v.tid);
                /* read() waits too, so the host reads it for us */
                for (unsigned i = 0; i < 2; i++) {
                        FILE *f = popen("host read parent0 16M 4", "r");
                        char text[64] = "";
                        CHECK(fgets(text, sizeof(text), f) && strlen(text) >= 8, "host: %.8s",
                              text);
                        pclose(f);
                        memcpy(bytes[i], text, 8);
                }
                CHECK(memcmp(bytes[0], bytes[1], 8) == 0, "the guest stands still");
                MUST(ctl_resume(ctl, DEV));
                uint32_t from = *word;
                while (*word == from)
                        sched_yield();
        }
        CHECK_EQ(v.result, 0, "the guest went on 20 times");
        /* a signal that comes before KVM_RUN would be lost; this flag is not */
        v.stop = true;
        v.run->immediate_exit = 1;
        pthread_kill(thread, SIGUSR1);
        pthread_join(thread, NULL);
        munmap(peek, 4096);
}

int main(void) {
        p0 = parent_name(0);
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));
        MUST(mdev_make(ctl, p0, "16M", DEV, 16 * MIB, 16 * MIB));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        test_errors();
        MUST(device_open(&d, DEV));
        map = device_map(&d, 0, 0, 16 * MIB);
        test_hammer();
        test_ways();
        test_guest();
        test_reset();

        test_parent_gone();
        return check_done();
}
