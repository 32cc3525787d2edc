/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sysfs.c: owns the knowledge of where the kernel keeps what about mdev parents, types and devices
 * (Documentation/ABI/testing/sysfs-bus-vfio-mdev), and how to read it while it changes. Links are
 * never followed out of the root: their text is taken apart, so that a tree below an injected root
 * reads like the real one.
 */
#include "sysfs/sysfs.h"

#include <fcntl.h>
#include <inttypes.h>

#include "names.h"
#include "sysfs/functions.h"
#include "sysfs/sysfs-internal.h"
#include "util/fs.h"
#include "util/parse.h"

#define LINK_LENGTH_MAX 4095

void sysfs_device_done(SysfsDevice *d) {
        free(d->path);
        free(d->parent);
        free(d->type);
        free(d->function);
        *d = (SysfsDevice){};
}

bool sysfs_path_is_valid(const char *path) {
        if (strncmp(path, "devices/", strlen("devices/")) != 0 || strlen(path) > LINK_LENGTH_MAX)
                return false;

        for (const char *s = path; *s;) {
                size_t n = strcspn(s, "/");

                if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
                        return false;
                s += n;
                if (*s == '/' && !*++s)
                        return false;
        }
        return true;
}

bool sysfs_is_vanished(int r) {
        return r == -ENOENT || r == -ENODEV || r == -ENOTDIR || r == -ENXIO;
}

static int read_link(int root_fd, const char *path, char **ret) {
        char buf[LINK_LENGTH_MAX + 1];
        ssize_t n;

        n = readlinkat(root_fd, path, buf, sizeof(buf));
        if (n < 0)
                return errno == EINVAL ? -ENOENT : -errno; /* EINVAL: no link */
        if ((size_t) n >= sizeof(buf))
                return -ENAMETOOLONG;

        *ret = strndup(buf, n);
        return *ret ? 0 : -ENOMEM;
}

/* "../../../devices/x/y" -> "devices/x/y" */
int sysfs_read_device_link(int root_fd, const char *path, char **ret) {
        _cleanup_(freep) char *target = NULL;
        const char *s;
        int r;

        r = read_link(root_fd, path, &target);
        if (r < 0)
                return r;

        for (s = target; strncmp(s, "../", 3) == 0; s += 3)
                ;
        if (!sysfs_path_is_valid(s))
                return -ENOENT;

        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

int sysfs_read_attr(int root_fd, const char *path, const char *name, char **ret) {
        _cleanup_(freep) char *full = NULL;

        if (asprintf(&full, MDEVD_PATH_SYSFS "/%s/%s", path, name) < 0)
                return -ENOMEM;
        return read_attr_at(root_fd, full, ret);
}

/* Reads what may be absent: *@ret is NULL then. Only -ENOMEM is an error. */
static int read_optional(int root_fd, const char *path, const char *name, char **ret) {
        char *value = NULL;
        int r;

        r = sysfs_read_attr(root_fd, path, name, &value);
        if (r == -ENOMEM)
                return r;
        free(*ret);
        *ret = r < 0 ? NULL : value;
        return 0;
}

int sysfs_read_link_name(int root_fd, const char *path, const char *name, char **ret) {
        _cleanup_(freep) char *full = NULL;

        if (asprintf(&full, MDEVD_PATH_SYSFS "/%s/%s", path, name) < 0)
                return -ENOMEM;
        return readlink_base_at(root_fd, full, ret);
}

bool sysfs_exists(int root_fd, const char *path, const char *name) {
        _cleanup_(freep) char *full = NULL;

        if (asprintf(&full, MDEVD_PATH_SYSFS "/%s%s%s", path, name ? "/" : "", name ?: "") < 0)
                return false;
        return faccessat(root_fd, full, F_OK, 0) >= 0;
}

int sysfs_open_dir(int root_fd, const char *path, DIR **ret) {
        int fd;

        fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        *ret = fdopendir(fd);
        if (!*ret) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        return 0;
}

static bool has_types(int root_fd, const char *path) {
        return sysfs_exists(root_fd, path, "mdev_supported_types");
}

int sysfs_find_parent(int root_fd, const char *name, char **ret_path, bool *registered) {
        static const char *const folders[] = {
                MDEVD_PATH_SYSFS "/class/mdev_bus",
                MDEVD_PATH_SYSFS "/bus/pci/devices",
        };

        if (!name_is_valid_parent(name))
                return -ENOENT;

        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                _cleanup_(freep) char *full = NULL, *path = NULL;
                int r;

                if (asprintf(&full, "%s/%s", folders[i], name) < 0)
                        return -ENOMEM;
                r = sysfs_read_device_link(root_fd, full, &path);
                if (sysfs_is_vanished(r) || (r >= 0 && !sysfs_exists(root_fd, path, NULL)))
                        continue;
                if (r < 0)
                        return r;

                if (registered)
                        *registered = has_types(root_fd, path);
                *ret_path = TAKE_PTR(path);
                return 0;
        }
        return -ENOENT;
}

/* "resource" has a line "start end flags" a BAR; an absent one is all zeros. */
static void parse_resource(const char *text, uint64_t sizes[static BARS_MAX]) {
        const char *line = text;

        for (size_t i = 0; i < BARS_MAX; i++)
                sizes[i] = 0;

        for (size_t i = 0; i < BARS_MAX && line && *line; i++) {
                uint64_t start, end, flags;

                if (sscanf(line, "0x%" SCNx64 " 0x%" SCNx64 " 0x%" SCNx64, &start, &end, &flags) !=
                    3)
                        return;
                if (flags && end > start)
                        sizes[i] = end - start + 1;
                line = strchr(line, '\n');
                line = line ? line + 1 : NULL;
        }
}

static int parse_numa_node(const char *text) {
        uint64_t v;

        /* "-1" on machines that have none */
        if (!text || parse_u64(text, &v) < 0 || v > INT_MAX)
                return -1;
        return (int) v;
}

int sysfs_read_parent(int root_fd, const char *path, Parent *p) {
        _cleanup_(freep) char *copy = NULL, *driver = NULL, *numa = NULL, *resource = NULL;
        _cleanup_(freep) char *unit = NULL;
        int r;

        if (!sysfs_path_is_valid(path) || !sysfs_exists(root_fd, path, NULL))
                return -ENOENT;

        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        r = sysfs_read_link_name(root_fd, path, "driver", &driver);
        if (r == -ENOMEM)
                return r;
        r = sysfs_read_link_name(root_fd, path, "physfn", &unit);
        if (r == -ENOMEM)
                return r;
        r = read_optional(root_fd, path, "numa_node", &numa);
        if (r < 0)
                return r;
        r = read_optional(root_fd, path, "resource", &resource);
        if (r < 0)
                return r;

        free(p->path);
        p->path = TAKE_PTR(copy);
        free(p->driver);
        p->driver = TAKE_PTR(driver);
        free(p->unit);
        p->unit = TAKE_PTR(unit);
        p->numa_node = parse_numa_node(numa);
        parse_resource(resource ?: "", p->bar_sizes);

        if (has_types(root_fd, path) || sysfs_has_functions(root_fd, path))
                p->state = PARENT_REGISTERED;
        else if (p->driver && streq(p->driver, MDEVD_DRIVER))
                p->state = PARENT_BOUND;
        else
                p->state = PARENT_PRESENT;
        return 0;
}

static int read_type(int root_fd, const char *path, const char *id, Type *t) {
        _cleanup_(freep) char *below = NULL, *available = NULL;
        uint64_t n;
        int r;

        if (asprintf(&below, "%s/mdev_supported_types/%s", path, id) < 0)
                return -ENOMEM;

        r = read_optional(root_fd, below, "name", &t->label);
        if (r >= 0)
                r = read_optional(root_fd, below, "device_api", &t->device_api);
        if (r >= 0)
                r = read_optional(root_fd, below, "description", &t->description);
        if (r >= 0)
                r = read_optional(root_fd, below, "available_instances", &available);
        if (r < 0)
                return r;

        t->available = available && parse_u64(available, &n) >= 0 && n <= UINT_MAX ? n : 0;
        return 0;
}

/* Three system calls a type: this is read after every change of a device. */
static int read_count(int root_fd, const char *path, Type *t) {
        _cleanup_(freep) char *full = NULL;
        _cleanup_(closep) int fd = -EBADF;
        char text[32];
        uint64_t v;
        ssize_t n;

        if (asprintf(&full, MDEVD_PATH_SYSFS "/%s/mdev_supported_types/%s/available_instances",
                     path, t->id) < 0)
                return -ENOMEM;
        fd = openat(root_fd, full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n < 0 && sysfs_is_vanished(-errno))
                return -ENOENT;
        n = MAX(n, (ssize_t) 0); /* what cannot be read says nothing: there is room for none */
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        t->available = parse_u64(text, &v) >= 0 && v <= UINT_MAX ? (unsigned) v : 0;
        return 0;
}

int sysfs_read_counts(int root_fd, Parent *p) {
        int r = 0;

        if (!p->path)
                return -ENOENT;
        if (!list_is_empty(&p->functions))
                return sysfs_read_functions(root_fd, p);
        list_foreach(t, &p->types, Type, node)
                if (r >= 0 && !t->ours)
                        r = read_count(root_fd, p->path, t);
        return r;
}

static Type *find_type_by_id(const Parent *p, const char *id) {
        list_foreach(t, &p->types, Type, node)
                if (streq(t->id, id))
                        return t;
        return NULL;
}

static int refresh_type(int root_fd, Parent *p, const char *id) {
        _cleanup_(type_freep) Type *fresh = NULL;
        Type *t;
        int r;

        t = find_type_by_id(p, id);
        if (t)
                return read_type(root_fd, p->path, id, t);

        r = type_new(&fresh, id);
        if (r < 0)
                return r;
        r = read_type(root_fd, p->path, id, fresh);
        if (r < 0)
                return r;
        parent_link_type(p, TAKE_PTR(fresh));
        return 0;
}

static void drop_lost_types(int root_fd, Parent *p) {
        list_foreach_safe(t, &p->types, Type, node) {
                _cleanup_(freep) char *below = NULL;

                if (t->ours || asprintf(&below, "mdev_supported_types/%s", t->id) < 0)
                        continue;
                if (!p->path || !sysfs_exists(root_fd, p->path, below))
                        type_free(t);
        }
}

int sysfs_read_types(int root_fd, Parent *p, bool keep) {
        _cleanup_(freep) char *full = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        size_t n = 0;
        int r;

        r = sysfs_read_functions(root_fd, p);
        if (r != -ENOENT)
                return r;
        if (p->path) {
                if (asprintf(&full, MDEVD_PATH_SYSFS "/%s/mdev_supported_types", p->path) < 0)
                        return -ENOMEM;
                r = sysfs_open_dir(root_fd, full, &dir);
                if (r < 0 && !sysfs_is_vanished(r))
                        return r;
        }

        for (struct dirent *de; dir && n < SYSFS_TYPES_MAX && (de = readdir(dir)); n++) {
                if (de->d_name[0] == '.')
                        continue;
                r = refresh_type(root_fd, p, de->d_name);
                if (r < 0)
                        return r;
        }
        if (!keep)
                drop_lost_types(root_fd, p);
        return 0;
}

int sysfs_read_device(int root_fd, const Uuid *uuid, SysfsDevice *ret) {
        _cleanup_(freep) char *full = NULL, *path = NULL, *parent = NULL, *type = NULL;
        char *slash, *name;
        int r;

        if (asprintf(&full, MDEVD_PATH_SYSFS "/bus/mdev/devices/%s", UUID_STR(uuid)) < 0)
                return -ENOMEM;
        r = sysfs_read_device_link(root_fd, full, &path);
        if (r < 0)
                return sysfs_is_vanished(r) ? -ENOENT : r;

        /* devices/…/<parent>/<uuid> */
        slash = strrchr(path, '/');
        *slash = '\0';
        name = strrchr(path, '/');
        parent = name ? strdup(name + 1) : NULL;
        *slash = '/';
        if (!name || !streq(slash + 1, UUID_STR(uuid)))
                return -ENOENT;
        if (!parent)
                return -ENOMEM;

        r = sysfs_read_link_name(root_fd, path, "mdev_type", &type);
        if (sysfs_is_vanished(r))
                return sysfs_exists(root_fd, path, NULL) ? SYSFS_INCOMPLETE : -ENOENT;
        if (r < 0)
                return r;

        *ret = (SysfsDevice){
                .uuid = *uuid,
                .path = TAKE_PTR(path),
                .parent = TAKE_PTR(parent),
                .type = TAKE_PTR(type),
        };
        return 0;
}

int sysfs_foreach_parent(int root_fd, SysfsParentFn fn, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        size_t n = 0;
        int r;

        r = sysfs_open_dir(root_fd, MDEVD_PATH_SYSFS "/class/mdev_bus", &dir);
        if (r < 0)
                return sysfs_is_vanished(r) ? 0 : r; /* no driver ever registered a parent */

        for (struct dirent *de; (de = readdir(dir));) {
                if (de->d_name[0] == '.' || !name_is_valid_parent(de->d_name))
                        continue;
                if (n++ >= SYSFS_PARENTS_MAX)
                        break;
                r = fn(de->d_name, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

int sysfs_foreach_device(int root_fd, SysfsDeviceFn fn, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        size_t n = 0;
        int r;

        r = sysfs_open_dir(root_fd, MDEVD_PATH_SYSFS "/bus/mdev/devices", &dir);
        if (r < 0)
                return sysfs_is_vanished(r) ? 0 : r; /* mdev.ko is not loaded */

        for (struct dirent *de; (de = readdir(dir));) {
                Uuid uuid;

                if (uuid_parse(de->d_name, &uuid) < 0)
                        continue;
                if (n++ >= SYSFS_DEVICES_MAX)
                        break;
                r = fn(&uuid, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}
