/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod-race FAULTS fault|eager: two threads touch the pages of a BAR, each until it has taken that
 * many faults, while one thread takes the pages away again and another maps, cuts, moves and copies
 * VMAs of the same BAR. No signal may come, every byte must be where it was written, and the file
 * behind the BAR must hold it in the end. Then a process dies by SIGKILL in the middle of the same.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../kmod/lib.h"

#define PAGE 4096UL
#define LENGTH (64 * MIB)
#define PAGES (LENGTH / PAGE)
#define STILL (LENGTH - 2 * MIB) /* from here on nothing is written once it has begun */
#define STILL_VALUE 0x5717717e
#define TOUCHERS 2
#define WINDOW (2 * MIB)
#define WINDOWS (STILL / WINDOW)
/*
 * so many touches of a thread let the others go one step: else they, not the faults, are the test
 */
#define TOUCHES_PER_REVOCATION 64
#define TOUCHES_PER_STORM 2048
#define DEVICE UUID(77)

static struct device dev;
static volatile uint32_t *bar;
static volatile unsigned long wanted;
static unsigned n_running;
static sem_t may_revoke, may_storm;
static unsigned long n_revoked, n_storms, n_forks;
static unsigned long n_faults[TOUCHERS];

static uint64_t next(uint64_t *state) {
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static void die(const char *what, unsigned long at, uint32_t got, uint32_t want) {
        printf("not ok - %s at %#lx: %#x instead of %#x\n", what, at, got, want);
        fflush(stdout);
        _exit(1);
}

/* Async-signal-safe as far as it matters: the process ends here. */
static void on_signal(int sig, siginfo_t *info, void *context) {
        (void)context;
        die("a signal", (unsigned long)info->si_addr, (uint32_t)sig, 0);
}

static bool running(void) {
        return __atomic_load_n(&n_running, __ATOMIC_RELAXED) > 0;
}

static unsigned long my_faults(void) {
        struct rusage usage;

        getrusage(RUSAGE_THREAD, &usage);
        return (unsigned long)usage.ru_minflt;
}

/*
 * A page's word of a thread: no other thread writes it. Both go through the windows in one order,
 * so that they meet, and begin anew with nothing mapped after each turn.
 */
static void *toucher(void *arg) {
        unsigned me = (unsigned)(uintptr_t)arg;
        uint32_t *last = calloc(PAGES, sizeof(*last));
        unsigned long begin = my_faults(), rounds = 0;
        uint64_t state = me + 1;

        if (!last)
                die("memory", 0, 0, 0);
        /* the answer of getrusage costs a call: not after each touch */
        for (; rounds % 64 != 0 || my_faults() - begin < wanted; rounds++) {
                unsigned long page = rounds % WINDOWS * (WINDOW / PAGE) +
                                     next(&state) % (WINDOW / PAGE);
                volatile uint32_t *word = &bar[page * (PAGE / 4) + 8 * me + page % 8];
                uint32_t value = *word;

                if (value != last[page])
                        die("a word", page * PAGE, value, last[page]);
                last[page] = (uint32_t)(me << 31 | page << 17 | ((rounds + 1) & 0x1ffff));
                *word = last[page];
                if (rounds % WINDOWS == 0)
                        madvise((void *)bar, LENGTH, MADV_DONTNEED);
                if (rounds % TOUCHES_PER_REVOCATION == 0)
                        sem_post(&may_revoke);
                if (rounds % TOUCHES_PER_STORM == 0)
                        sem_post(&may_storm);
        }
        for (unsigned long page = 0; page < STILL / PAGE; page++)
                if (bar[page * (PAGE / 4) + 8 * me + page % 8] != last[page])
                        die("a word in the end", page * PAGE, 0, last[page]);
        n_faults[me] = my_faults() - begin;
        free(last);
        __atomic_sub_fetch(&n_running, 1, __ATOMIC_RELAXED);
        sem_post(&may_revoke);
        sem_post(&may_storm);
        return NULL;
}

static void *revoker(void *arg) {
        uint64_t state = 99;

        (void)arg;
        for (sem_wait(&may_revoke); running(); sem_wait(&may_revoke)) {
                unsigned long page = next(&state) % PAGES, n = 1 + next(&state) % 600;

                if (n > PAGES - page)
                        n = PAGES - page;
                if (next(&state) % 64 == 0) {
                        if (ioctl(dev.fd, VFIO_DEVICE_RESET) < 0)
                                die("reset", 0, (uint32_t)errno, 0);
                } else if (madvise((void *)&bar[page * (PAGE / 4)], n * PAGE, MADV_DONTNEED) < 0) {
                        die("MADV_DONTNEED", page * PAGE, (uint32_t)errno, 0);
                }
                n_revoked++;
        }
        return NULL;
}

static void check_still(const volatile uint32_t *at, unsigned long n) {
        for (unsigned long i = 0; i < n; i += PAGE / 4)
                if (at[i] != STILL_VALUE)
                        die("what nobody writes", i * 4, at[i], STILL_VALUE);
}

static void on_hole(int sig) {
        _exit(sig == SIGSEGV ? 42 : 1);
}

/* A BAR is not copied by fork(): the child has a hole there and must find nothing of it. */
static void fork_once(const volatile void *at) {
        pid_t child = fork();
        int status = 0;

        if (child == 0) {
                struct sigaction action = { .sa_handler = on_hole };

                sigaction(SIGSEGV, &action, NULL);
                (void)*(const volatile uint32_t *)at;
                _exit(7);
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
                die("fork", 0, (uint32_t)errno, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
                die("a child", 0, (uint32_t)status, 42 << 8);
        n_forks++;
}

/* Cut, move, forbid and allow again; each piece must go on showing its own part of the BAR. */
static void storm_once(uint64_t *state) {
        unsigned long length = 1 * MIB, cut = (1 + next(state) % 200) * PAGE;
        uint8_t *at = device_map(&dev, 0, STILL, length), *moved;

        if (at == MAP_FAILED)
                die("mmap", STILL, (uint32_t)errno, 0);
        if (next(state) % 2)
                check_still((void *)at, length / 4);
        if (munmap(at + cut, PAGE) < 0)
                die("munmap", cut, (uint32_t)errno, 0);
        check_still((void *)at, cut / 4);
        check_still((void *)(at + cut + PAGE), (length - cut - PAGE) / 4);
        moved = mremap(at + cut + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + cut);
        if (moved != at + cut)
                die("mremap", cut, (uint32_t)errno, 0);
        check_still((void *)moved, PAGE / 4);
        if (mremap(at, PAGE, 2 * length, MREMAP_MAYMOVE) != MAP_FAILED)
                die("mremap that grows", 0, 0, 0);
        if (mprotect(at, cut, PROT_NONE) < 0 || mprotect(at, cut, PROT_READ) < 0 ||
            mprotect(at, cut, PROT_READ | PROT_WRITE) < 0)
                die("mprotect", 0, (uint32_t)errno, 0);
        check_still((void *)at, cut / 4);
        if (n_storms % 8 == 0)
                fork_once(at);
        munmap(at, length);
        n_storms++;
}

static void *storm(void *arg) {
        uint64_t state = 7;

        (void)arg;
        for (sem_wait(&may_storm); running(); sem_wait(&may_storm))
                storm_once(&state);
        return NULL;
}

static void race(void) {
        pthread_t threads[TOUCHERS + 2];
        struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

        sigaction(SIGBUS, &action, NULL);
        sigaction(SIGSEGV, &action, NULL);
        bar = device_map(&dev, 0, 0, LENGTH);
        if (bar == MAP_FAILED)
                die("mmap", 0, (uint32_t)errno, 0);
        for (unsigned long at = 0; at < LENGTH / 4; at++)
                bar[at] = at < STILL / 4 ? 0 : STILL_VALUE;

        sem_init(&may_revoke, 0, 0);
        sem_init(&may_storm, 0, 0);
        n_running = TOUCHERS;
        for (uintptr_t i = 0; i < TOUCHERS; i++)
                pthread_create(&threads[i], NULL, toucher, (void *)i);
        pthread_create(&threads[TOUCHERS], NULL, revoker, NULL);
        pthread_create(&threads[TOUCHERS + 1], NULL, storm, NULL);
        for (unsigned i = 0; i < TOUCHERS + 2; i++)
                pthread_join(threads[i], NULL);
}

static void race_whole(int ctl, unsigned long faults) {
        struct mdevd_device_record before, after;

        wanted = faults;
        MUST(ctl_device(ctl, DEVICE, &before, NULL, NULL));
        MUST(device_open(&dev, DEVICE));
        race();
        MUST(ctl_device(ctl, DEVICE, &after, NULL, NULL));
        printf("# faults %lu and %lu (the module counts %llu, %llu huge), insertions %llu, pages "
               "%llu, revocations %lu, storms %lu, forks %lu\n", n_faults[0], n_faults[1],
               (unsigned long long)(after.faults - before.faults),
               (unsigned long long)(after.faults_huge - before.faults_huge),
               (unsigned long long)(after.insertions - before.insertions),
               (unsigned long long)(after.pages - before.pages), n_revoked, n_storms, n_forks);
        CHECK(n_faults[0] >= faults && n_faults[1] >= faults, "both threads took their faults");
        CHECK(n_storms > 0 && n_forks > 0 && n_revoked > 0, "all the others had their turn");
        CHECK(after.insertions - before.insertions > faults / 8, "pages came and went");

        /* what is in the file is what went through the mapping */
        for (unsigned long at = 0; at < STILL / 4; at++)
                bar[at] = 0x600dbeef;
        CHECK_EQ(host("check parent0 0 62M 0x600dbeef600dbeef"), 0, "the file, what was written");
        CHECK_EQ(host("check parent0 62M 2M 0x5717717e5717717e"), 0, "the file, what stayed");
        munmap((void *)bar, LENGTH);
        device_close(&dev);
}

/* The child says when it is in the middle of it. */
static void race_killed(int ctl, int events) {
        int ends[2], status;
        pid_t child;
        char byte;

        MUST(pipe(ends) < 0 ? -errno : 0);
        fflush(stdout);
        child = fork();
        if (child == 0) {
                wanted = 2000;
                if (device_open(&dev, DEVICE) < 0)
                        _exit(1);
                race();
                (void)!write(ends[1], "x", 1);
                wanted = -1UL;
                race();
                _exit(1);
        }
        close(ends[1]);
        CHECK_EQ(read(ends[0], &byte, 1), 1, "the child races");
        kill(child, SIGKILL);
        MUST(waitpid(child, &status, 0));
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child was killed");
        close(ends[0]);
        MUST(ctl_wait(events, MDEVD_EVENT_DEVICE_CLOSED, DEVICE));
        MUST(ctl_wait(events, MDEVD_EVENT_DEVICE_CLEAN, DEVICE));
        CHECK_EQ(ctl_state(ctl, DEVICE), MDEVD_DEVICE_LIVE, "state after the kill");
        CHECK_EQ(host("check parent0 0 64M 0"), 0, "the file, all zero");
}

static int configure(int ctl, const char *parent, const char *type) {
        struct mdevd_pool pool = { .name = "all", .bar = 2, .cache = MDEVD_CACHE_WC,
                                   .length = LENGTH };
        struct mdevd_type t = { .map = strcmp(type, "eager") ? MDEVD_MAP_FAULT : MDEVD_MAP_EAGER };

        snprintf(t.name, sizeof(t.name), "%s", type);
        t.bars[0].length = LENGTH;
        t.bars[0].flags = MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH;
        return ctl_configure(ctl, parent, &pool, 1, &t, 1);
}

int main(int argc, char **argv) {
        const char *parent = parent_name(0);
        unsigned long faults = argc == 3 ? strtoul(argv[1], NULL, 0) : 0;
        int ctl, events;

        if (!faults) {
                fprintf(stderr, "usage: kmod-race FAULTS fault|eager\n");
                return 1;
        }
        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_WRONLY));
        MUST(configure(ctl, parent, argv[2]));
        MUST(mdev_make(ctl, parent, argv[2], DEVICE, 0, LENGTH));
        race_whole(ctl, faults);

        events = (int)MUST(ctl_open(O_RDWR));
        race_killed(ctl, events);
        close(events);

        MUST(mdev_remove(DEVICE));
        MUST(unbind_parent(parent));
        close(ctl);
        return check_done();
}
