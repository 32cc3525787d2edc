/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Move: an extent changes its place under threads that write and check every word of it, under
 * read() and write(), and under a mover that stops, turns round or is killed at any chunk.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib.h"

#define A (16 * MIB)
#define B (40 * MIB)
#define DEV UUID(60)

static const char *p0;
static int ctl;

static int move(struct mdevd_move *out, const char *uuid, uint64_t offset, uint32_t flags,
                uint32_t max_chunks) {
        struct mdevd_move arg = {
                .size = sizeof(arg),
                .flags = flags,
                .bar = 2,
                .offset = offset,
                .max_chunks = max_chunks,
        };
        int r;

        uuid_bytes(uuid, arg.uuid);
        r = ctl_call(ctl, MDEVD_MOVE, &arg);
        if (out)
                *out = arg;
        return r;
}

/* The move record of a device: 1 if there is one. */
static int move_record(const char *uuid, struct mdevd_move_record *out) {
        uint8_t bytes[16];
        size_t length, at = 0;
        bool here = false;
        int found = 0;
        char *buf;

        uuid_bytes(uuid, bytes);
        buf = ctl_snapshot(ctl, &length, NULL);
        for (; at < length; at += ((struct mdevd_record *)(buf + at))->length) {
                const struct mdevd_record *r = (const void *)(buf + at);

                if (r->type == MDEVD_RECORD_DEVICE)
                        here = memcmp(r + 1, bytes, 16) == 0;
                if (r->type == MDEVD_RECORD_MOVE && here) {
                        memcpy(out, r + 1, sizeof(*out));
                        found = 1;
                }
        }
        free(buf);
        return found;
}

static uint64_t extent_offset(const char *uuid) {
        struct mdevd_extent e[MDEVD_MAX_EXTENTS];
        uint32_t n;

        MUST(ctl_device(ctl, uuid, NULL, e, &n));
        return n ? e[0].offset : 0;
}

/* Writes words of its own all over the BAR, and each time checks what it wrote before. */
struct writer {
        pthread_t thread;
        char *map;
        int fd;
        unsigned index;
        volatile bool stop;
        volatile uint64_t count;
        uint64_t wrong;
};

#define SLOTS 4096
#define WRITERS 3

static void *writer_run(void *arg) {
        struct writer *w = arg;
        uint32_t *mine = calloc(SLOTS, sizeof(*mine));
        unsigned slot = w->index * 7;

        while (!w->stop) {
                uint64_t at = slot * 4096ULL % (16 * MIB) + w->index * 8;
                uint32_t next = (uint32_t)w->count * 2654435761U + w->index, got = 0;

                if (w->map) {
                        volatile uint32_t *word = (volatile uint32_t *)(w->map + at);

                        got = *word;
                        *word = next;
                } else {
                        if (pread(w->fd, &got, 4, (off_t)at) != 4 ||
                            pwrite(w->fd, &next, 4, (off_t)at) != 4)
                                w->wrong++;
                }
                w->wrong += got != mine[slot];
                mine[slot] = next;
                slot = (slot + 1237) % SLOTS;
                w->count++;
        }
        for (slot = 0; slot < SLOTS; slot++) {
                uint32_t got = 0;

                if (pread(w->fd, &got, 4, (off_t)(slot * 4096ULL % (16 * MIB) + w->index * 8)) != 4)
                        w->wrong++;
                w->wrong += got != mine[slot];
        }
        free(mine);
        return NULL;
}

static void progress(struct writer *w, uint64_t by) {
        for (unsigned i = 0; i < WRITERS; i++) {
                uint64_t from = w[i].count;

                while (w[i].count < from + by)
                        sched_yield();
        }
}

static void test_errors(void) {
        struct mdevd_move bad = { .size = sizeof(bad), .bar = 2, .offset = B };

        MUST(mdev_make(ctl, p0, "4M", UUID(61), 0, 4 * MIB));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, UUID(61)));
        CHECK_EQ(move(NULL, UUID(61), B, 0, 0), -EPERM, "a type that is not movable");
        CHECK_EQ(move(NULL, UUID(62), B, 0, 0), -ENOENT, "no such device");
        CHECK_EQ(move(NULL, DEV, B, MDEVD_MOVE_BACK, 0), -ENOENT, "back without a move");
        CHECK_EQ(move(NULL, DEV, B, 8, 0), -EINVAL, "an unknown flag");
        CHECK_EQ(move(NULL, DEV, B + 8, 0, 0), -EINVAL, "an odd place");
        CHECK_EQ(move(NULL, DEV, 56 * MIB, 0, 0), -ERANGE, "half outside the pool");
        CHECK_EQ(move(NULL, DEV, 1ULL << 63, 0, 0), -ERANGE, "far outside the pool");
        CHECK_EQ(move(NULL, DEV, 0, 0, 0), -EBUSY, "onto another device");
        CHECK_EQ(move(NULL, DEV, A + 4 * MIB, 0, 0), -EBUSY, "onto itself");
        uuid_bytes(DEV, bad.uuid);
        bad.extent = 1;
        CHECK_EQ(ctl_call(ctl, MDEVD_MOVE, &bad), -ENOENT, "an extent that it has not");
        bad.extent = 0;
        bad.bar = 6;
        CHECK_EQ(ctl_call(ctl, MDEVD_MOVE, &bad), -EINVAL, "BAR 6");
        bad.bar = ~0U;
        CHECK_EQ(ctl_call(ctl, MDEVD_MOVE, &bad), -EINVAL, "BAR 2^32 - 1");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "16M", UUID(63), B, 16 * MIB), 0, "nothing was taken");
        CHECK_EQ(move(NULL, DEV, B, 0, 0), -EBUSY, "onto a reservation");
        MUST(ctl_release(ctl, UUID(63)));
        MUST(mdev_remove(UUID(61)));
}

/* The guest never notices; the host finds every byte where it belongs. */
static void test_hammer(struct device *d, char *map) {
        struct writer w[WRITERS] = {};
        struct mdevd_move m;
        uint32_t longest = 0;

        for (unsigned i = 0; i < WRITERS; i++) {
                w[i] = (struct writer){ .map = i < 2 ? map : NULL, .fd = d->fd, .index = i };
                pthread_create(&w[i].thread, NULL, writer_run, &w[i]);
        }
        progress(w, 1000);
        for (unsigned round = 0; round < 10; round++) {
                MUST(move(&m, DEV, round % 2 ? A : B, MDEVD_MOVE_RELEASE, 0));
                if (m.moved != 16 * MIB)
                        CHECK(false, "moved %llu", (unsigned long long)m.moved);
                longest = m.longest_us > longest ? m.longest_us : longest;
                progress(w, 100);
        }
        CHECK_EQ(extent_offset(DEV), A, "ten moves forth and back");
        printf("# longest wait for a chunk of 16 MiB under way: %u us\n", longest);
        for (unsigned round = 0; round < 5; round++) {
                /* stop at each chunk, turn round, turn again */
                for (unsigned chunk = 0; chunk < 5; chunk++)
                        MUST(move(NULL, DEV, B, 0, 1));
                MUST(move(NULL, DEV, B, MDEVD_MOVE_BACK, 3));
                MUST(move(&m, DEV, B, 0, 1));
                if (m.moved != 6 * MIB)
                        CHECK(false, "moved %llu after 5 - 3 + 1 chunks",
                              (unsigned long long)m.moved);
                MUST(move(&m, DEV, B, MDEVD_MOVE_BACK | MDEVD_MOVE_RELEASE, 0));
                progress(w, 100);
        }
        CHECK_EQ(extent_offset(DEV), A, "five moves that turned round");
        uint64_t wrong = 0, count = 0;
        for (unsigned i = 0; i < WRITERS; i++) {
                w[i].stop = true;
                pthread_join(w[i].thread, NULL);
                wrong += w[i].wrong;
                count += w[i].count;
        }
        CHECK_EQ(wrong, 0, "words lost or torn");
        printf("# %llu words were written and checked meanwhile\n", (unsigned long long)count);
}

static void test_places(char *map) {
        struct mdevd_move_record record;
        struct mdevd_move m;

        for (uint64_t at = 0; at < 16 * MIB; at += 8)
                *(volatile uint64_t *)(map + at) = 0x0101010101010101;
        CHECK_EQ(move(&m, DEV, B, 0, 3), 0, "three chunks");
        CHECK_EQ(m.moved, 6 * MIB, "  6 MiB");
        for (uint64_t at = 0; at < 16 * MIB; at += 8)
                *(volatile uint64_t *)(map + at) = 0x0202020202020202;
        CHECK_EQ(host("check parent0 40M 6M 0x0202020202020202"), 0, "  the new place has them");
        CHECK_EQ(host("check parent0 16M 6M 0x0101010101010101"), 0, "  the old one has not");
        CHECK_EQ(host("check parent0 22M 10M 0x0202020202020202"), 0, "  but all the rest");
        CHECK_EQ(move_record(DEV, &record), 1, "query tells of it");
        CHECK(record.moved == 6 * MIB && record.other.offset == B && !record.finished &&
              record.extent == 0, "  and how far it is");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "4K", UUID(63), B + 15 * MIB, 4096), -EBUSY,
                 "it has the new place");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "4K", UUID(63), A, 4096), -EBUSY, "and the old one");
        CHECK_EQ(move(NULL, DEV, 0, 0, 0), -EBUSY, "another move meanwhile");
        CHECK_EQ(move(&m, DEV, B, 0, 0), 0, "the rest");
        CHECK_EQ(extent_offset(DEV), B, "it is there");
        CHECK_EQ(host("check parent0 40M 16M 0x0202020202020202"), 0, "  all of it");
        CHECK_EQ(move_record(DEV, &record) ? (int)record.finished : -1, 1, "finished");
        CHECK(record.other.offset == A, "the old place is still its own");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "4K", UUID(63), A, 4096), -EBUSY, "  nobody else's");
        CHECK_EQ(move(NULL, DEV, A, 0, 0), -EBUSY, "no move until it is closed");
        *(volatile uint32_t *)map = 3;
        CHECK_EQ(*(volatile uint32_t *)map, 3, "the VMM goes on");
}

static void test_close(struct device *d) {
        struct mdevd_move_record record;
        struct mdevd_move m;
        char *map;

        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        CHECK_EQ(move_record(DEV, &record), 0, "closed: the old place is free");
        CHECK_EQ(host("check parent0 16M 16M 0"), 0, "  and zero");
        CHECK_EQ(host("check parent0 40M 16M 0"), 0, "  as is the new one");
        CHECK_EQ(move(NULL, DEV, A, MDEVD_MOVE_RELEASE, 0), 0, "a closed device moves too");
        CHECK_EQ(extent_offset(DEV), A, "  it is there");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "16M", UUID(63), B, 16 * MIB), 0, "  its old place free");
        MUST(ctl_release(ctl, UUID(63)));
        CHECK_EQ(move(NULL, DEV, B, MDEVD_MOVE_RELEASE_IF_CLOSED, 0), 0, "and back");
        CHECK_EQ(move_record(DEV, &record), 0, "  it is closed: its old place is free");

        /* opened between two chunks: its guest may have told of the place that it leaves */
        MUST(move(NULL, DEV, A, MDEVD_MOVE_RELEASE_IF_CLOSED, 3));
        MUST(device_open(d, DEV));
        CHECK_EQ(move(NULL, DEV, A, MDEVD_MOVE_RELEASE_IF_CLOSED, 0), 0, "opened meanwhile");
        CHECK_EQ(move_record(DEV, &record) ? (int)record.finished : -1, 1,
                 "  it keeps the old place");
        CHECK_EQ(ctl_reserve_at(ctl, p0, "16M", UUID(63), B, 16 * MIB), -EBUSY,
                 "  until its close");
        device_close(d);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        CHECK_EQ(move_record(DEV, &record), 0, "  then it is free");
        CHECK_EQ(extent_offset(DEV), A, "  and the device where it went");

        /* closed in the middle of a move */
        MUST(device_open(d, DEV));
        map = device_map(d, 0, 0, 16 * MIB);
        memset(map, 0x77, 16 * MIB);
        MUST(move(&m, DEV, B, 0, 4));
        munmap(map, 16 * MIB);
        device_close(d);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        CHECK_EQ(move_record(DEV, &record), 0, "closed in the middle: the move has ended");
        CHECK_EQ(extent_offset(DEV), A, "  it is where it was");
        CHECK_EQ(host("check parent0 16M 16M 0"), 0, "  that is zero");
        CHECK_EQ(host("check parent0 40M 16M 0"), 0, "  and so is where it was going");
}

/* Whoever moves is killed again and again; the next one goes on. */
static void test_killed(struct device *d) {
        struct mdevd_move_record record;
        unsigned killed = 0, wrong = 0;
        struct mdevd_move m = {};
        char *map;

        MUST(device_open(d, DEV));
        map = device_map(d, 0, 0, 16 * MIB);
        for (uint64_t at = 0; at < 16 * MIB; at += 4)
                *(volatile uint32_t *)(map + at) = (uint32_t)at;
        for (unsigned round = 0; round < 8; round++) {
                uint64_t from = move_record(DEV, &record) ? record.moved : 0;
                int status;

                fflush(stdout);
                pid_t child = fork();
                if (child == 0) {
                        uint32_t flags = from > 2 * MIB ? MDEVD_MOVE_BACK : 0;

                        /* forth and back for ever, never to either end */
                        for (;;) {
                                if (move(&m, DEV, B, flags, 1) < 0)
                                        _exit(1);
                                if (m.moved >= 14 * MIB)
                                        flags = MDEVD_MOVE_BACK;
                                if (m.moved <= 2 * MIB)
                                        flags = 0;
                        }
                }
                /* until the move is seen to be somewhere else than before */
                do
                        sched_yield();
                while (!move_record(DEV, &record) || record.moved == from);
                kill(child, SIGKILL);
                waitpid(child, &status, 0);
                killed += WIFSIGNALED(status);
                wrong += !move_record(DEV, &record) || record.moved % (2 * MIB) || record.finished;
                for (uint64_t at = 0; at < 16 * MIB; at += 4096)
                        wrong += *(volatile uint32_t *)(map + at) != (uint32_t)at;
        }
        CHECK_EQ(killed, 8, "movers killed");
        CHECK_EQ(wrong, 0, "states between chunks, or words lost");
        CHECK_EQ(move(&m, DEV, B, MDEVD_MOVE_RELEASE, 0), 0, "the next one ends it");
        CHECK_EQ(extent_offset(DEV), B, "it is there");
        for (uint64_t at = 0; at < 16 * MIB; at += 4)
                wrong += *(volatile uint32_t *)(map + at) != (uint32_t)at;
        CHECK_EQ(wrong, 0, "words lost in all");
        munmap(map, 16 * MIB);
        device_close(d);
        MUST(mdev_remove(DEV));
}

/* A mover of its own descriptor that goes to one boundary and dies there. */
static void die_after(uint32_t flags, uint32_t chunks) {
        int status;
        pid_t child;

        fflush(stdout);
        child = fork();
        if (child == 0) {
                close(ctl);
                ctl = ctl_open(O_WRONLY);
                if (ctl < 0 || move(NULL, DEV, B, flags, chunks) < 0)
                        _exit(1);
                raise(SIGKILL);
                _exit(1);
        }
        waitpid(child, &status, 0);
        if (!WIFSIGNALED(status))
                CHECK(false, "the mover did not get there");
}

static uint64_t count_wrong(const char *map) {
        uint64_t wrong = 0;

        for (uint64_t at = 0; at < 16 * MIB; at += 512)
                wrong += *(volatile const uint64_t *)(map + at) != at * 0x9e3779b97f4a7c15;
        return wrong;
}

/* Its descriptor dies at each boundary, on the way forth and back; whoever comes next goes on. */
static void test_boundaries(struct device *d) {
        struct mdevd_move_record record;
        uint64_t wrong = 0;
        char *map;

        MUST(device_open(d, DEV));
        map = device_map(d, 0, 0, 16 * MIB);
        for (uint64_t at = 0; at < 16 * MIB; at += 512)
                *(volatile uint64_t *)(map + at) = at * 0x9e3779b97f4a7c15;
        for (uint32_t chunk = 1; chunk < 8; chunk++) {
                die_after(0, chunk);
                wrong += !move_record(DEV, &record) || record.moved != chunk * 2 * MIB;
                wrong += count_wrong(map);
                /* one reverses it, and dies where it began but for one chunk; the next ends it */
                if (chunk > 1)
                        die_after(MDEVD_MOVE_BACK, chunk - 1);
                wrong += !move_record(DEV, &record) || record.moved != 2 * MIB;
                wrong += count_wrong(map);
                MUST(move(NULL, DEV, B, MDEVD_MOVE_BACK | MDEVD_MOVE_RELEASE, 0));
                wrong += move_record(DEV, &record) || extent_offset(DEV) != A;
                /* and one ends it in the new place */
                die_after(0, chunk);
                MUST(move(NULL, DEV, B, MDEVD_MOVE_RELEASE, 0));
                wrong += move_record(DEV, &record) || extent_offset(DEV) != B;
                wrong += count_wrong(map);
                MUST(move(NULL, DEV, A, MDEVD_MOVE_RELEASE, 0));
                wrong += count_wrong(map);
        }
        CHECK_EQ(wrong, 0, "dead at each of 7 boundaries: states that are wrong, words lost");
        munmap(map, 16 * MIB);
        device_close(d);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, DEV));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
}

int main(void) {
        struct device d;
        char *map;

        p0 = parent_name(0);
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));
        MUST(mdev_make(ctl, p0, "16M-move", DEV, A, 16 * MIB));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLEAN, DEV));
        test_errors();
        MUST(device_open(&d, DEV));
        map = device_map(&d, 0, 0, 16 * MIB);
        test_hammer(&d, map);
        test_places(map);
        munmap(map, 16 * MIB);
        device_close(&d);
        test_close(&d);
        test_boundaries(&d);
        test_killed(&d);
        return check_done();
}
