/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * holders.c: owns the search in /proc. Processes come and go meanwhile: what has gone is no holder.
 *
 * The folder fd of another user's process needs CAP_DAC_READ_SEARCH (proc_fd_permission() in
 * fs/proc/fd.c), what its links lead to CAP_SYS_PTRACE. Descriptors are looked at where they are
 * and never copied (pidfd_getfd): to close a copy flushes it, and a file system in user space, or
 * far away, may keep who does that for ever. Inode numbers would not do: libvirt gives each QEMU a
 * /dev of its own.
 */
#include "backend/holders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "names.h"
#include "util/fs.h"
#include "util/parse.h"
#include "util/utf8.h"

#define PROC "proc"
#define PROC_FILE_MAX 16384
#define COMMAND_LINE_MAX (1U << 20) /* QEMU's has all its devices */
#define ANCESTORS_MAX 64
#define LINK_MAX_BYTES 64

typedef struct Search Search;

struct Search {
        int proc_fd;
        const HolderDevice *devices;
        size_t n_devices;
        pid_t excused[ANCESTORS_MAX]; /* the caller, its parent, and so on */
        size_t n_excused;
        bool only_users;
        int unseen; /* negative errno: a process that could not be looked at */
        Holders *found;
};

/* ---- one process ---- */

static int read_proc(int proc_fd, pid_t pid, const char *name, char **ret) {
        char path[64];

        (void) snprintf(path, sizeof(path), "%d/%s", pid, name);
        return read_file_at(proc_fd, path, PROC_FILE_MAX, ret, NULL);
}

static bool parse_pid(const char *name, pid_t *ret) {
        uint64_t n;

        if (name[0] < '1' || name[0] > '9' || parse_u64(name, &n) < 0 || n > INT32_MAX)
                return false;
        *ret = (pid_t) n;
        return true;
}

/* 0: it has none, or is gone. Its name stands in brackets and may have brackets of its own. */
static pid_t parent_of(int proc_fd, pid_t pid) {
        _cleanup_(freep) char *text = NULL;
        const char *end;
        int parent = 0;

        if (read_proc(proc_fd, pid, "stat", &text) < 0)
                return 0;
        end = strrchr(text, ')');
        if (!end || sscanf(end, ") %*c %d", &parent) != 1)
                return 0;
        return parent;
}

/* "\x2d" is what systemd makes of a dash in a name (its unit-name.c); 0: @s does not begin so. */
static unsigned read_escape(const char *s) {
        static const char digits[] = "0123456789abcdef";
        const char *high, *low;

        if (s[0] != '\\' || s[1] != 'x' || !s[2] || !s[3])
                return 0;
        high = strchr(digits, s[2]);
        low = strchr(digits, s[3]);
        return high && low ? (unsigned) (16 * (high - digits) + (low - digits)) : 0;
}

static void unescape(char *s) {
        char *to = s;

        for (; *s; s++) {
                unsigned c = read_escape(s);

                if (c >= 0x20 && c != 0x7f) {
                        *to++ = (char) c;
                        s += 3;
                } else
                        *to++ = *s;
        }
        *to = '\0';
}

static bool ends_with(const char *s, size_t n, const char *tail) {
        size_t m = strlen(tail);

        return n > m && strncmp(s + n - m, tail, m) == 0;
}

/* The path of the one hierarchy, or of systemd's: "0::/…", "1:name=systemd:/…". */
static const char *cgroup_path(const char *text, size_t *ret_size) {
        for (const char *line = text; line && *line; line = strchr(line, '\n')) {
                const char *path;
                size_t n;

                line += *line == '\n';
                n = strcspn(line, "\n");
                path = memchr(line, ':', n);
                path = path ? memchr(path + 1, ':', n - (size_t) (path + 1 - line)) : NULL;
                if (!path)
                        continue;
                if (strncmp(line, "0::", 3) != 0 &&
                    !memmem(line, (size_t) (path - line), "name=systemd", strlen("name=systemd")))
                        continue;
                *ret_size = n - (size_t) (path + 1 - line);
                return path + 1;
        }
        return NULL;
}

void holder_where(const char *cgroup, char ret[static HOLDER_WHERE_MAX]) {
        const char *unit = NULL, *path;
        size_t size = 0, unit_size = 0;

        ret[0] = '\0';
        path = cgroup_path(cgroup, &size);
        if (!path)
                return;
        /* a machine's scope may have groups of its own below it */
        for (const char *s = path, *end = path + size; s < end;) {
                size_t n = strcspn(s, "/\n");

                if (n > (size_t) (end - s))
                        n = (size_t) (end - s);
                if (n > strlen("machine-.scope") &&
                    strncmp(s, "machine-", strlen("machine-")) == 0 && ends_with(s, n, ".scope")) {
                        (void) snprintf(ret, HOLDER_WHERE_MAX, "machine %.*s",
                                        (int) (n - strlen("machine-") - strlen(".scope")),
                                        s + strlen("machine-"));
                        unescape(ret);
                        return;
                }
                if (ends_with(s, n, ".service") || ends_with(s, n, ".scope")) {
                        unit = s;
                        unit_size = n;
                }
                s += n + 1;
        }
        if (unit)
                (void) snprintf(ret, HOLDER_WHERE_MAX, "unit %.*s", (int) unit_size, unit);
}

/*
 * The first one on the path: those below it are another manager's, a user's or a container's. What
 * a user's manager or login has in it is more than what has a device open.
 */
int holder_unit(const char *cgroup, char ret[static HOLDER_UNIT_MAX]) {
        const char *path, *end;
        size_t size = 0, n;

        ret[0] = '\0';
        path = cgroup_path(cgroup, &size);
        if (!path)
                return 0;
        end = path + size;
        for (const char *s = path; s < end; s += n + 1) {
                bool scope;

                n = MIN(strcspn(s, "/\n"), (size_t) (end - s));
                scope = ends_with(s, n, ".scope");
                if (!scope && !ends_with(s, n, ".service"))
                        continue;
                if (n >= HOLDER_UNIT_MAX || strncmp(s, "user@", strlen("user@")) == 0 ||
                    (scope && (strncmp(s, "session-", strlen("session-")) == 0 ||
                               strncmp(s, "init.", strlen("init.")) == 0)))
                        return 0;
                memcpy(ret, s, n);
                ret[n] = '\0';
                return scope ? HOLDER_UNIT_SCOPE : HOLDER_UNIT_SERVICE;
        }
        return 0;
}

static void name_machine(int proc_fd, pid_t pid, Holder *h) {
        _cleanup_(freep) char *cmdline = NULL;
        size_t size = 0;
        char path[64];

        (void) snprintf(path, sizeof(path), "%d/cmdline", pid);
        if (read_file_at(proc_fd, path, COMMAND_LINE_MAX, &cmdline, &size) < 0)
                size = 0;
        holder_machine(h->where, cmdline ?: "", size, h->machine);
}

static void describe(int proc_fd, pid_t pid, Holder *ret) {
        _cleanup_(freep) char *command = NULL, *cgroup = NULL;

        *ret = (Holder){ .pid = pid };
        if (read_proc(proc_fd, pid, "comm", &command) >= 0) {
                command[strcspn(command, "\n")] = '\0';
                (void) snprintf(ret->command, sizeof(ret->command), "%.16s", command);
        }
        if (read_proc(proc_fd, pid, "cgroup", &cgroup) >= 0)
                holder_where(cgroup, ret->where);
        name_machine(proc_fd, pid, ret);
        /* a record that is not UTF-8 cannot be read, and a sentence is for terminals */
        utf8_make_plain(ret->command);
        utf8_make_plain(ret->where);
}

void holder_describe(int root_fd, pid_t pid, Holder *ret) {
        _cleanup_(closep) int proc_fd = -EBADF;

        proc_fd = openat(root_fd, PROC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *ret = (Holder){ .pid = pid };
        if (proc_fd >= 0)
                describe(proc_fd, pid, ret);
}

/*
 * Somebody waits for it: one read of the one line that there is, or of the few of the older kind.
 */
int holder_unit_of(int root_fd, pid_t pid, char ret[static HOLDER_UNIT_MAX]) {
        _cleanup_(closep) int fd = -EBADF;
        char path[64], cgroup[4096];
        ssize_t n;

        ret[0] = '\0';
        (void) snprintf(path, sizeof(path), PROC "/%d/cgroup", pid);
        fd = openat(root_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, cgroup, sizeof(cgroup) - 1);
        if (n <= 0)
                return 0;
        cgroup[n] = '\0';
        return holder_unit(cgroup, ret);
}

/* ---- descriptors ---- */

/* The device that a descriptor is of, or NULL. */
static const HolderDevice *find_device(const Search *s, int dir_fd, const char *name) {
        struct statx sx;

        /* what a file system far away knows is not asked for: that could take for ever */
        if (statx(dir_fd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &sx) < 0 ||
            !S_ISCHR(sx.stx_mode))
                return NULL;
        for (size_t i = 0; i < s->n_devices; i++)
                if (makedev(sx.stx_rdev_major, sx.stx_rdev_minor) == s->devices[i].number)
                        return &s->devices[i];
        return NULL;
}

static bool is_vfio_device(int dir_fd, const char *name) {
        char target[LINK_MAX_BYTES];
        ssize_t n;

        n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
        if (n < 0)
                return false;
        target[n] = '\0';
        return streq(target, "anon_inode:[vfio-device]");
}

typedef struct Look Look;

/* What is found out about one process. */
struct Look {
        bool holds; /* one of the devices */
        bool uses;  /* any device of VFIO's, or one of them that is no group */
};

static void look_at_descriptor(const Search *s, int dir_fd, const char *name, Look *look) {
        const HolderDevice *device;

        if (is_vfio_device(dir_fd, name)) {
                look->uses = true;
                return;
        }
        device = find_device(s, dir_fd, name);
        if (!device)
                return;
        look->holds = true;
        look->uses = look->uses || !device->is_group;
}

static int open_folder(const Search *s, pid_t pid, DIR **ret) {
        char path[32];
        int fd;

        (void) snprintf(path, sizeof(path), "%d/fd", pid);
        fd = openat(s->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = fdopendir(fd);
        if (*ret)
                return 0;
        safe_close(fd);
        return -ENOMEM;
}

/* One that has gone has nothing open; of one that cannot be looked at that is not known. */
static int look_at(const Search *s, pid_t pid, Look *ret) {
        _cleanup_(closedirp) DIR *dir = NULL;
        Look look = {};
        int r;

        *ret = look;
        r = open_folder(s, pid, &dir);
        if (r < 0)
                return r == -ENOENT || r == -ESRCH ? 0 : r;
        for (struct dirent *de; (de = readdir(dir));)
                if (de->d_name[0] != '.')
                        look_at_descriptor(s, dirfd(dir), de->d_name, &look);
        *ret = look;
        return 0;
}

static void excuse(Search *s, pid_t caller) {
        for (pid_t pid = caller; pid > 1 && s->n_excused < ANCESTORS_MAX;
             pid = parent_of(s->proc_fd, pid))
                s->excused[s->n_excused++] = pid;
}

static bool is_excused(const Search *s, pid_t pid) {
        for (size_t i = 0; i < s->n_excused; i++)
                if (s->excused[i] == pid)
                        return true;
        return false;
}

static void consider(Search *s, pid_t pid) {
        Look look;
        int r;

        r = look_at(s, pid, &look);
        if (r < 0 && s->unseen == 0)
                s->unseen = r;
        if (!look.holds || (!look.uses && (s->only_users || is_excused(s, pid))))
                return;
        if (s->found->n < HOLDERS_MAX) {
                describe(s->proc_fd, pid, &s->found->holders[s->found->n]);
                s->found->holders[s->found->n].uses = look.uses;
        }
        s->found->n++;
}

static int find(Search *s, int root_fd, pid_t caller) {
        _cleanup_(closedirp) DIR *dir = NULL;
        pid_t pid;

        *s->found = (Holders){};
        if (s->n_devices == 0)
                return 0;
        s->proc_fd = openat(root_fd, PROC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->proc_fd < 0)
                return -errno;
        dir = fdopendir(s->proc_fd);
        if (!dir) {
                safe_close(s->proc_fd);
                return -ENOMEM;
        }
        if (caller > 0)
                excuse(s, caller);
        for (struct dirent *de; (de = readdir(dir));)
                if (parse_pid(de->d_name, &pid))
                        consider(s, pid);
        return s->found->n > 0 ? 0 : s->unseen;
}

int holders_find(int root_fd, const HolderDevice *devices, size_t n_devices, pid_t caller,
                 Holders *ret) {
        Search s = { .devices = devices, .n_devices = n_devices, .found = ret };

        return find(&s, root_fd, caller);
}

int holders_find_users(int root_fd, const HolderDevice *devices, size_t n_devices, Holders *ret) {
        Search s = {
                .devices = devices,
                .n_devices = n_devices,
                .found = ret,
                .only_users = true,
        };

        return find(&s, root_fd, 0);
}

bool holder_uses(int root_fd, pid_t pid, const HolderDevice *devices, size_t n_devices) {
        Search s = { .devices = devices, .n_devices = n_devices };
        _cleanup_(closep) int proc_fd = -EBADF;
        Look look;

        s.proc_fd = proc_fd = openat(root_fd, PROC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (proc_fd < 0)
                return false;
        return look_at(&s, pid, &look) >= 0 && look.holds && look.uses;
}

/* ---- the mdev's character devices ---- */

static int read_number(int root_fd, const char *path, bool is_group, HolderDevice *ret,
                       size_t *ret_n) {
        _cleanup_(freep) char *text = NULL;
        unsigned major, minor;
        int r;

        r = read_attr_at(root_fd, path, &text);
        if (r < 0)
                return r == -ENOENT || r == -ENODEV ? 0 : r;
        if (*ret_n < HOLDER_DEVICES_MAX && sscanf(text, "%u:%u", &major, &minor) == 2)
                ret[(*ret_n)++] = (HolderDevice){ makedev(major, minor), is_group };
        return 0;
}

/* The group that the device is in, by its name below /sys/class/vfio. */
static int add_group(int root_fd, const char *folder, HolderDevice *ret, size_t *ret_n) {
        _cleanup_(freep) char *link = NULL, *group = NULL, *path = NULL;
        int r;

        if (asprintf(&link, "%s/iommu_group", folder) < 0)
                return -ENOMEM;
        r = readlink_base_at(root_fd, link, &group);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (asprintf(&path, MDEVD_PATH_SYSFS "/class/vfio/%s/dev", group) < 0)
                return -ENOMEM;
        return read_number(root_fd, path, true, ret, ret_n);
}

/* From 6.6 on a device may have a character device of its own. */
static int add_own(int root_fd, const char *folder, HolderDevice *ret, size_t *ret_n) {
        _cleanup_(closedirp) DIR *dir = NULL;
        _cleanup_(freep) char *where = NULL;
        int fd, r = 0;

        if (asprintf(&where, "%s/vfio-dev", folder) < 0)
                return -ENOMEM;
        fd = openat(root_fd, where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -ENOMEM;
        }
        for (struct dirent *de; r >= 0 && (de = readdir(dir));) {
                _cleanup_(freep) char *path = NULL;

                if (de->d_name[0] == '.')
                        continue;
                if (asprintf(&path, "%s/%s/dev", where, de->d_name) < 0)
                        return -ENOMEM;
                r = read_number(root_fd, path, false, ret, ret_n);
        }
        return r;
}

int holders_devices_of(int root_fd, const char *folder,
                       HolderDevice ret[static HOLDER_DEVICES_MAX], size_t *ret_n) {
        int r;

        *ret_n = 0;
        r = add_group(root_fd, folder, ret, ret_n);
        return r < 0 ? r : add_own(root_fd, folder, ret, ret_n);
}
