/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VMM whose memory is a file of FUSE that nobody answers for. It has a BAR that was mapped at
 * mmap(), it reads that BAR into such memory, and it keeps its own mmap_lock for ever, in an mmap()
 * of such a file. None of that holds up what is done to the devices of others: suspend, move, a
 * reset of the parent, its end. And who waits for this VMM alone can be killed.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "trouble.h"

#define HOSTILE UUID(80) /* made first: it is the first in every list of the module */
#define OTHER UUID(81)
#define MOVED UUID(82)
#define FOLDER "/run/kmod-hostile"
#define FILE_NODE 2

static const char *p0;
static int ctl;

/* ---- the file system: reads are taken, and never answered ---- */

static int fuse = -1;
static volatile unsigned reads, opens;

static void reply(uint64_t unique, int error, const void *data, size_t size) {
        char buf[256];
        struct fuse_out_header head = { .len = (uint32_t)(sizeof(head) + size), .error = error,
                                        .unique = unique };

        memcpy(buf, &head, sizeof(head));
        if (size > 0)
                memcpy(buf + sizeof(head), data, size);
        if (write(fuse, buf, head.len) < 0 && errno != ENOENT)
                fprintf(stderr, "fuse: %s\n", strerror(errno));
}

static struct fuse_attr attributes(uint64_t node) {
        return (struct fuse_attr){ .ino = node, .size = 64 * KIB, .nlink = 1, .blksize = 4096,
                                   .mode = node == FILE_NODE ? S_IFREG | 0600 : S_IFDIR | 0700 };
}

static void answer(const struct fuse_in_header *in, const void *arg) {
        const struct fuse_init_in *init = arg;
        struct fuse_init_out version = { .major = FUSE_KERNEL_VERSION, .max_write = 4096 };
        struct fuse_entry_out entry = { .nodeid = FILE_NODE, .entry_valid = 3600,
                                        .attr_valid = 3600, .attr = attributes(FILE_NODE) };
        struct fuse_attr_out attr = { .attr_valid = 3600, .attr = attributes(in->nodeid) };
        /* the second one cannot be cached, so its mmap() throws out what the first one has */
        struct fuse_open_out opened = {
                .open_flags = FOPEN_KEEP_CACHE | (opens > 0 ? FOPEN_DIRECT_IO : 0),
        };

        switch (in->opcode) {
        case FUSE_INIT:
                version.minor = init->minor < FUSE_KERNEL_MINOR_VERSION ? init->minor :
                                                                          FUSE_KERNEL_MINOR_VERSION;
                reply(in->unique, 0, &version, sizeof(version));
                break;
        case FUSE_LOOKUP:
                reply(in->unique, 0, &entry, sizeof(entry));
                break;
        case FUSE_GETATTR:
                reply(in->unique, 0, &attr, sizeof(attr));
                break;
        case FUSE_OPEN:
                opens++;
                reply(in->unique, 0, &opened, sizeof(opened));
                break;
        case FUSE_READ:
                reads++;
                break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
                break;
        default:
                reply(in->unique,
                      in->opcode == FUSE_FLUSH || in->opcode == FUSE_RELEASE ? 0 : -ENOSYS, NULL,
                      0);
        }
}

static void *serve(void *arg) {
        static char buf[128 * KIB];

        while (read(fuse, buf, sizeof(buf)) > 0)
                answer((void *)buf, buf + sizeof(struct fuse_in_header));
        return NULL;
}

static void mount_silence(void) {
        char options[128];
        pthread_t thread;

        fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        MUST(fuse < 0 ? -errno : 0);
        MUST(mkdir(FOLDER, 0700) < 0 && errno != EEXIST ? -errno : 0);
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
        MUST(mount("silence", FOLDER, "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? -errno : 0);
        MUST(-pthread_create(&thread, NULL, serve, NULL));
}

/* ---- the hostile VMM, a process of its own ---- */

static volatile unsigned *shared_words; /* [0]: tid of the thread in mmap() */
static struct device hostile;
static char *silence;

static void *read_bar(void *arg) {
        if (pread(hostile.fd, silence, 4096, (off_t)REGION(0)) < 0)
                return NULL;
        return NULL;
}

static void *lock_itself(void *arg) {
        int fd = open(FOLDER "/file", O_RDONLY | O_CLOEXEC);

        shared_words[0] = (unsigned)gettid();
        return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
}

static void hostile_vmm(void) {
        int fd = open(FOLDER "/file", O_RDONLY | O_CLOEXEC);
        pthread_t reader, locker;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fuse); /* it is not the one who serves it */
        MUST(fd < 0 ? -errno : 0);
        MUST(device_open(&hostile, HOSTILE));
        MUST(device_map(&hostile, 0, 0, 8 * MIB) == MAP_FAILED ? -errno : 0);
        silence = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        MUST(silence == MAP_FAILED ? -errno : 0);
        MUST(-pthread_create(&reader, NULL, read_bar, NULL));
        while (shared_words[1] == 0)
                sched_yield();
        MUST(-pthread_create(&locker, NULL, lock_itself, NULL));
        for (;;)
                pause();
}

static bool is_in(pid_t pid, unsigned tid, const char *syscall) {
        char path[64], text[128] = "";

        snprintf(path, sizeof(path), "/proc/%d/task/%u/syscall", pid, tid);
        return read_file(path, text, sizeof(text)) >= 0 &&
               strncmp(text, syscall, strlen(syscall)) == 0;
}

static bool is_stuck(pid_t pid, unsigned tid) {
        char path[64], text[512] = "", *state;

        snprintf(path, sizeof(path), "/proc/%d/task/%u/stat", pid, tid);
        if (read_file(path, text, sizeof(text)) < 0)
                return false;
        state = strrchr(text, ')');
        return state && state[2] == 'D';
}

/* The memory that it reads a BAR into has been asked for, and it has its lock for good. */
static pid_t start_hostile(void) {
        pid_t pid;

        shared_words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        MUST(shared_words == MAP_FAILED ? -errno : 0);
        fflush(stdout);
        pid = (pid_t)MUST(fork());
        if (pid == 0)
                hostile_vmm();
        while (reads == 0)
                sched_yield();
        shared_words[1] = 1;
        while (shared_words[0] == 0 || !is_in(pid, shared_words[0], "9 ") ||
               !is_stuck(pid, shared_words[0]))
                sched_yield();
        CHECK(true, "a VMM that has its mmap_lock for good, and reads a BAR into silence");
        return pid;
}

/* ---- what is done to others ---- */

static void test_others(volatile char *map) {
        struct mdevd_move move = { .size = sizeof(move), .bar = 2, .offset = 48 * MIB };
        uint32_t value = 0;

        CHECK_EQ(ctl_suspend(ctl, OTHER, MDEVD_HOLD_MS_MAX), 0, "another device is suspended");
        CHECK_EQ(ctl_resume(ctl, OTHER), 0, "  and resumed");
        uuid_bytes(MOVED, move.uuid);
        CHECK_EQ(ctl_call(ctl, MDEVD_MOVE, &move), 0, "a third one is moved");
        CHECK_EQ(trouble_tell(p0, "reset-prepare"), 0, "the parent is about to be reset");
        CHECK_EQ(trouble_tell(p0, "reset-done"), 0, "  and has been");
        CHECK_EQ(touch_read(map, &value) ?: (int)value, 0x1234, "the other's BAR goes on");
}

/* Who suspends the hostile one waits for it, and can be killed. */
static void test_killable(void) {
        int status, fd = (int)MUST(ctl_open(O_RDWR));
        pid_t pid;

        fflush(stdout);
        pid = (pid_t)MUST(fork());
        if (pid == 0)
                _exit(-ctl_suspend(fd, HOSTILE, MDEVD_HOLD_MS_MAX));
        while (!is_in(pid, (unsigned)pid, "16 ") || !is_stuck(pid, (unsigned)pid))
                sched_yield();
        CHECK(true, "who suspends the hostile one waits");
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        CHECK(WIFSIGNALED(status), "  and can be killed");
        CHECK_EQ(ctl_state(ctl, HOSTILE), MDEVD_DEVICE_SUSPENDED, "  it is held");
        close(fd);
        CHECK_EQ(ctl_state(ctl, HOSTILE), MDEVD_DEVICE_LIVE, "  until the descriptor is closed");
}

static void test_end(pid_t vmm, struct device *d, volatile char *map) {
        uint32_t value = 0;
        int status;
        pid_t pid;

        fflush(stdout);
        pid = (pid_t)MUST(fork());
        if (pid == 0) {
                /* it is to wait for a device, and not to be who has one open */
                munmap((void *)map, 4 * MIB);
                device_close(d);
                close(fuse);
                _exit(-unbind_parent(p0));
        }
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_REVOKED, HOSTILE));
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_REVOKED, OTHER));
        CHECK(true, "the parent goes: both are told");
        /* the event comes before the revocation itself */
        while (touch_read(map, &value) == 0 && value != 0xffffffff)
                sched_yield();
        CHECK_EQ(value, 0xffffffff, "the other's BAR is its page of ones");
        munmap((void *)map, 4 * MIB);
        device_close(d);
        MUST(ctl_wait(ctl, MDEVD_EVENT_DEVICE_CLOSED, OTHER));
        CHECK_EQ(waitpid(pid, &status, WNOHANG), 0, "the hostile one alone is waited for");

        kill(vmm, SIGKILL);
        close(fuse);
        MUST(umount2(FOLDER, MNT_FORCE | MNT_DETACH) < 0 ? -errno : 0);
        waitpid(vmm, &status, 0);
        waitpid(pid, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "its end is the parent's");
        rmdir(FOLDER);
}

int main(void) {
        struct device d;
        volatile char *map;
        pid_t vmm;

        p0 = parent_name(0);
        mount_silence();
        ctl = (int)MUST(ctl_open(O_RDWR));
        MUST(bind_parent(p0));
        MUST(standard_parent(ctl, p0));
        MUST(mdev_make(ctl, p0, "8M-eager", HOSTILE, 0, 8 * MIB));
        MUST(mdev_make(ctl, p0, "4M", OTHER, 8 * MIB, 4 * MIB));
        MUST(mdev_make(ctl, p0, "4M-move", MOVED, 32 * MIB, 4 * MIB));
        vmm = start_hostile();
        MUST(device_open(&d, OTHER));
        map = device_map(&d, 0, 0, 4 * MIB);
        MUST(touch_write(map, 0x1234));
        test_others(map);
        test_killable();
        test_end(vmm, &d, map);
        return check_done();
}
