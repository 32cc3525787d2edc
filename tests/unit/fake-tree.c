/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-tree.c: owns the making of a root folder that looks like a machine. See fake-tree.h. */
#include "fake-tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "fake-kernel.h"
#include "util/fs.h"

/* Not test.h: this is no test program, and has no table of tests. */
#define CHECK(expr)                                                                                \
        do {                                                                                       \
                if (!(expr)) {                                                                     \
                        fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #expr,              \
                                strerror(errno));                                                  \
                        exit(EXIT_FAILURE);                                                        \
                }                                                                                  \
        } while (0)

_printf_(1, 0) static char *format_path(const char *format, va_list ap) {
        char *path;

        CHECK(vasprintf(&path, format, ap) >= 0);
        return path;
}

#define PATH(var)                                                                                  \
        _cleanup_(freep) char *var = NULL;                                                         \
        do {                                                                                       \
                va_list _ap;                                                                       \
                va_start(_ap, path);                                                               \
                var = format_path(path, _ap);                                                      \
                va_end(_ap);                                                                       \
        } while (0)

static void make_folder_of(FakeTree *t, const char *path) {
        CHECK(mkdir_parents_at(t->root_fd, path, 0755) >= 0);
}

FakeTree *fake_tree_new(void) {
        FakeTree *t = calloc(1, sizeof(*t));
        const char *tmp = getenv("TMPDIR") ?: "/tmp";

        CHECK(t);
        CHECK(asprintf(&t->root, "%s/mdevd-fake.XXXXXX", tmp) >= 0);
        CHECK(mkdtemp(t->root));
        t->root_fd = open(t->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(t->root_fd >= 0);
        fake_mkdir(t, "fake");
        fake_mkdir(t, "sys/bus/pci/devices");
        fake_mkdir(t, "sys/bus/pci/drivers");
        fake_mkdir(t, "sys/bus/mdev/devices");
        fake_mkdir(t, "sys/class/mdev_bus");
        fake_mkdir(t, "dev");
        fake_write(t, "", "sys/bus/pci/drivers_probe");
        return t;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

FakeTree *fake_tree_free(FakeTree *t) {
        if (!t)
                return NULL;
        (void) nftw(t->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        safe_close(t->root_fd);
        free(t->root);
        free(t);
        return NULL;
}

void fake_write(FakeTree *t, const char *text, const char *path, ...) {
        _cleanup_(closep) int fd = -EBADF;
        PATH(p);

        make_folder_of(t, p);
        fd = openat(t->root_fd, p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        CHECK(fd >= 0);
        /* past the fake kernel: this is the kernel's own writing */
        CHECK(syscall(SYS_write, fd, text, strlen(text)) == (ssize_t) strlen(text));
}

void fake_link(FakeTree *t, const char *target, const char *path, ...) {
        PATH(p);

        make_folder_of(t, p);
        (void) unlinkat(t->root_fd, p, 0);
        CHECK(RET_NERRNO(symlinkat(target, t->root_fd, p)) >= 0);
}

void fake_fifo(FakeTree *t, const char *path, ...) {
        PATH(p);

        make_folder_of(t, p);
        CHECK(RET_NERRNO(mkfifoat(t->root_fd, p, 0600)) >= 0);
}

void fake_mkdir(FakeTree *t, const char *path, ...) {
        PATH(p);

        make_folder_of(t, p);
        CHECK(mkdirat(t->root_fd, p, 0755) >= 0 || errno == EEXIST);
}

void fake_remove(FakeTree *t, const char *path, ...) {
        _cleanup_(freep) char *full = NULL;
        PATH(p);

        CHECK(asprintf(&full, "%s/%s", t->root, p) >= 0);
        (void) nftw(full, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

bool fake_exists(FakeTree *t, const char *path, ...) {
        PATH(p);

        return faccessat(t->root_fd, p, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

char *fake_read(FakeTree *t, const char *path, ...) {
        char *text;
        PATH(p);

        return read_file_at(t->root_fd, p, 1 << 20, &text, NULL) < 0 ? NULL : text;
}

void fake_pci(FakeTree *t, const char *name, const char *driver, uint64_t bar0, uint64_t bar2) {
        _cleanup_(freep) char *resource = NULL, *target = NULL;

        CHECK(asprintf(&resource,
                             "0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016x\n"
                             "0x%016x 0x%016x 0x%016x\n"
                             "0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016x\n",
                             bar0 ? UINT64_C(0xfe000000) : 0, bar0 ? 0xfe000000 + bar0 - 1 : 0,
                             bar0 ? 0x40200 : 0, 0, 0, 0,
                             bar2 ? UINT64_C(0x4000000000) : 0,
                             bar2 ? UINT64_C(0x4000000000) + bar2 - 1 : 0,
                             bar2 ? 0x14220c : 0) >= 0);
        fake_write(t, resource, "sys/" FAKE_DEVPATH "/%s/resource", name);
        fake_write(t, "-1\n", "sys/" FAKE_DEVPATH "/%s/numa_node", name);
        fake_write(t, "(null)\n", "sys/" FAKE_DEVPATH "/%s/driver_override", name);
        CHECK(asprintf(&target, "../../../" FAKE_DEVPATH "/%s", name) >= 0);
        fake_link(t, target, "sys/bus/pci/devices/%s", name);
        if (driver) {
                _cleanup_(freep) char *link = NULL;

                fake_write(t, "", "sys/bus/pci/drivers/%s/unbind", driver);
                CHECK(asprintf(&link, "../../../bus/pci/drivers/%s", driver) >= 0);
                fake_link(t, link, "sys/" FAKE_DEVPATH "/%s/driver", name);
                fake_write(t, driver, "sys/" FAKE_DEVPATH "/%s/fake/home-driver", name);
        }
}

void fake_pci_remove(FakeTree *t, const char *name) {
        _cleanup_(freep) char *devpath = NULL;

        fake_remove(t, "sys/class/mdev_bus/%s", name);
        fake_remove(t, "sys/bus/pci/devices/%s", name);
        fake_remove(t, "sys/" FAKE_DEVPATH "/%s", name);
        CHECK(asprintf(&devpath, "/" FAKE_DEVPATH "/%s", name) >= 0);
        fake_uevent(t, "remove", devpath, "pci", NULL);
}

void fake_type(FakeTree *t, const char *name, const char *id, unsigned available) {
        _cleanup_(freep) char *n = NULL;

        CHECK(asprintf(&n, "%u\n", available) >= 0);
#define TYPE_FILE(text, file)                                                                      \
        fake_write(t, text, "sys/" FAKE_DEVPATH "/%s/mdev_supported_types/%s/" file, name, id)
        TYPE_FILE("", "create");
        TYPE_FILE("vfio-pci\n", "device_api");
        TYPE_FILE("A label\n", "name");
        TYPE_FILE(n, "available_instances");
#undef TYPE_FILE
}

void fake_register(FakeTree *t, const char *name) {
        _cleanup_(freep) char *target = NULL, *devpath = NULL;

        fake_mkdir(t, "sys/" FAKE_DEVPATH "/%s/mdev_supported_types", name);
        CHECK(asprintf(&target, "../../" FAKE_DEVPATH "/%s", name) >= 0);
        fake_link(t, target, "sys/class/mdev_bus/%s", name);
        CHECK(asprintf(&devpath, "/" FAKE_DEVPATH "/%s", name) >= 0);
        fake_uevent(t, "change", devpath, "pci", "MDEV_STATE=registered");
}

void fake_unregister(FakeTree *t, const char *name) {
        _cleanup_(freep) char *devpath = NULL;

        fake_remove(t, "sys/class/mdev_bus/%s", name);
        fake_remove(t, "sys/" FAKE_DEVPATH "/%s/mdev_supported_types", name);
        CHECK(asprintf(&devpath, "/" FAKE_DEVPATH "/%s", name) >= 0);
        fake_uevent(t, "change", devpath, "pci", "MDEV_STATE=unregistered");
}

int fake_create(FakeTree *t, const char *parent, const char *type, const char *uuid) {
        _cleanup_(freep) char *path = NULL;

        CHECK(asprintf(&path, "sys/" FAKE_DEVPATH "/%s/mdev_supported_types/%s/create", parent,
                             type) >= 0);
        return write_attr_at(t->root_fd, path, uuid);
}

int fake_destroy(FakeTree *t, const char *parent, const char *uuid) {
        _cleanup_(freep) char *path = NULL;

        CHECK(asprintf(&path, "sys/" FAKE_DEVPATH "/%s/%s/remove", parent, uuid) >= 0);
        return write_attr_at(t->root_fd, path, "1");
}

void fake_load_module(FakeTree *t) {
        fake_write(t, "", "sys/bus/pci/drivers/mdevd/unbind");
        fake_fifo(t, "dev/mdevd");
        fake_uevent(t, "add", "/devices/virtual/misc/mdevd", "misc", NULL);
}

void fake_uevent(FakeTree *t, const char *action, const char *devpath, const char *subsystem,
                 const char *extra) {
        fake_kernel_uevent(t->root, action, devpath, subsystem, extra);
}
