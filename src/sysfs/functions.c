/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * functions.c: owns how a physical function's virtual functions are found, and what the files in
 * their folder "nvidia" mean.
 */
#include "sysfs/functions.h"

#include "names.h"
#include "sysfs/sysfs-internal.h"
#include "util/fs.h"
#include "util/parse.h"

#define CURRENT "nvidia/current_vgpu_type"
#define CREATABLE "nvidia/creatable_vgpu_types"
#define PLACEMENT "nvidia/placement_id"

static int read_number(int root_fd, const char *path, const char *name, unsigned *ret) {
        _cleanup_(freep) char *text = NULL;
        uint64_t v;
        int r;

        r = sysfs_read_attr(root_fd, path, name, &text);
        if (r < 0)
                return sysfs_is_vanished(r) ? -ENOENT : r;
        if (parse_u64(text, &v) < 0 || v > UINT_MAX)
                return -ENODATA;
        *ret = (unsigned) v;
        return 0;
}

/*
 * "virtfn<n>" of the device at @path, which the PCI core numbers from 0 on. -ENOENT: there is no
 * such link; -ENODEV: there is, but its device has been removed.
 */
static int find_function(int root_fd, const char *path, unsigned n, char **ret_name,
                         char **ret_path) {
        _cleanup_(freep) char *name = NULL, *full = NULL;
        char link[32];
        int r;

        (void) snprintf(link, sizeof(link), "virtfn%u", n);
        r = sysfs_read_link_name(root_fd, path, link, &name);
        if (r < 0)
                return sysfs_is_vanished(r) ? -ENOENT : r;
        if (!name_is_valid_parent(name))
                return -ENOENT;
        if (asprintf(&full, MDEVD_PATH_SYSFS "/bus/pci/devices/%s", name) < 0)
                return -ENOMEM;
        r = sysfs_read_device_link(root_fd, full, ret_path);
        if (r < 0)
                return sysfs_is_vanished(r) ? -ENODEV : r;
        *ret_name = TAKE_PTR(name);
        return 0;
}

/*
 * Whether others may follow a link that is not there: while functions are taken away, from the
 * first on, those that a VM still has open come after a gap. Up to *@total, which is read at the
 * first.
 */
static bool is_gap(int r, int root_fd, const char *path, unsigned n, unsigned *total) {
        if (r == -ENOENT && *total == UINT_MAX &&
            read_number(root_fd, path, "sriov_totalvfs", total) < 0)
                *total = 0;
        return r == -ENODEV || (r == -ENOENT && n < *total);
}

bool sysfs_has_functions(int root_fd, const char *path) {
        unsigned total = UINT_MAX;

        for (unsigned n = 0; n < SYSFS_FUNCTIONS_MAX; n++) {
                _cleanup_(freep) char *name = NULL, *function = NULL;
                int r;

                r = find_function(root_fd, path, n, &name, &function);
                if (r < 0 && is_gap(r, root_fd, path, n, &total))
                        continue;
                if (r < 0)
                        return false;
                if (sysfs_exists(root_fd, function, CURRENT))
                        return true;
        }
        return false;
}

int sysfs_find_physical(int root_fd, const char *path, char **ret) {
        int r;

        if (!sysfs_path_is_valid(path))
                return -ENOENT;
        r = sysfs_read_link_name(root_fd, path, "physfn", ret);
        return sysfs_is_vanished(r) ? -ENOENT : r;
}

int sysfs_foreach_physical(int root_fd, SysfsParentFn fn, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        size_t n = 0;
        int r;

        r = sysfs_open_dir(root_fd, MDEVD_PATH_SYSFS "/bus/pci/devices", &dir);
        if (r < 0)
                return sysfs_is_vanished(r) ? 0 : r;

        for (struct dirent *de; n < SYSFS_PARENTS_MAX && (de = readdir(dir));) {
                _cleanup_(freep) char *full = NULL, *path = NULL;

                if (!name_is_valid_parent(de->d_name))
                        continue;
                if (asprintf(&full, MDEVD_PATH_SYSFS "/bus/pci/devices/%s", de->d_name) < 0)
                        return -ENOMEM;
                r = sysfs_read_device_link(root_fd, full, &path);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 || !sysfs_has_functions(root_fd, path))
                        continue;
                n++;
                r = fn(de->d_name, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* ---- one function ---- */

int sysfs_read_function_type(int root_fd, const char *path, unsigned *ret) {
        return read_number(root_fd, path, CURRENT, ret);
}

int sysfs_read_placement(int root_fd, const char *path, unsigned *ret) {
        return read_number(root_fd, path, PLACEMENT, ret); /* "Not Applicable" is no number */
}

typedef int (*TypeLineFn)(unsigned type, const char *name, void *userdata);

/* "1428 : NVIDIA H200X-141C": anything else, as a heading, is passed over. */
static int parse_line(char *line, TypeLineFn fn, void *userdata) {
        char *colon = strchr(line, ':');
        uint64_t v;

        if (!colon)
                return 0;
        *colon = '\0';
        line += strspn(line, " \t");
        line[strcspn(line, " \t")] = '\0';
        if (parse_u64(line, &v) < 0 || v == 0 || v > UINT_MAX)
                return 0;
        return fn((unsigned) v, colon + 1 + strspn(colon + 1, " \t"), userdata);
}

static int foreach_creatable(int root_fd, const char *path, TypeLineFn fn, void *userdata) {
        _cleanup_(freep) char *text = NULL;
        char *save = NULL;
        size_t n = 0;
        int r;

        r = sysfs_read_attr(root_fd, path, CREATABLE, &text);
        if (r < 0)
                return r == -ENOMEM ? r : 0; /* what cannot be read offers nothing */
        for (char *line = strtok_r(text, "\n", &save); line && n < SYSFS_TYPES_MAX;
             line = strtok_r(NULL, "\n", &save), n++) {
                r = parse_line(line, fn, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_creatable(unsigned type, const char *name, void *userdata) {
        return function_add_creatable(userdata, type);
}

int sysfs_read_creatable(int root_fd, Function *f) {
        return foreach_creatable(root_fd, f->path, add_creatable, f);
}

/* ---- all of a parent ---- */

typedef struct Reading Reading;

struct Reading {
        Parent *parent;
        Function *function;
};

static int find_or_link_type(Parent *p, unsigned number, Type **ret) {
        char id[FUNCTION_TYPE_MAX];
        _cleanup_(type_freep) Type *fresh = NULL;
        int r;

        *ret = parent_find_type(p, function_type_id(number, id));
        if (*ret)
                return 0;
        r = type_new(&fresh, id);
        if (r < 0)
                return r;
        fresh->device_api = strdup("vfio-pci");
        if (!fresh->device_api)
                return -ENOMEM;
        *ret = fresh;
        parent_link_type(p, TAKE_PTR(fresh));
        return 0;
}

static int note_creatable(unsigned number, const char *name, void *userdata) {
        Reading *reading = userdata;
        Type *t;
        int r;

        r = find_or_link_type(reading->parent, number, &t);
        if (r < 0)
                return r;
        if (!streq_ptr(t->label, name)) {
                free(t->label);
                t->label = strdup(name);
                if (!t->label)
                        return -ENOMEM;
        }
        if (function_offers(reading->function, number))
                return 0; /* the same line twice */
        if (reading->function->type == 0)
                t->available++;
        return function_add_creatable(reading->function, number);
}

/* -ENOENT: it has gone, or its driver lends it nothing. */
static int read_function(int root_fd, Parent *p, Function *f) {
        Type *t;
        int r;

        r = sysfs_read_function_type(root_fd, f->path, &f->type);
        if (r < 0)
                return r;
        if (f->type > 0) {
                /* that no function offers is why its name may not be known */
                r = find_or_link_type(p, f->type, &t);
                if (r < 0)
                        return r;
        }
        return foreach_creatable(root_fd, f->path, note_creatable, &(Reading){ p, f });
}

/*
 * Of one that cannot be read now, for want of descriptors or by a card in trouble, as it was known.
 */
static void keep_known(List *known, const char *name, List *ret) {
        list_foreach(f, known, Function, node)
                if (streq(f->name, name)) {
                        list_unlink(&f->node);
                        list_append(ret, &f->node);
                        return;
                }
}

static int read_all(int root_fd, Parent *p, List *known) {
        unsigned total = UINT_MAX;

        for (unsigned n = 0; n < SYSFS_FUNCTIONS_MAX; n++) {
                _cleanup_(freep) char *name = NULL, *path = NULL;
                _cleanup_(function_freep) Function *f = NULL;
                int r;

                r = find_function(root_fd, p->path, n, &name, &path);
                if (r < 0 && is_gap(r, root_fd, p->path, n, &total))
                        continue;
                if (r < 0)
                        return r == -ENOENT ? 0 : r;
                r = function_new(&f, name, path);
                if (r >= 0)
                        r = read_function(root_fd, p, f);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 && r != -ENOENT)
                        keep_known(known, name, &p->functions);
                if (r < 0)
                        continue;
                list_append(&p->functions, &TAKE_PTR(f)->node);
        }
        return 0;
}

static bool is_among(const List *functions, const Function *f) {
        list_foreach(i, functions, Function, node)
                if (streq(i->name, f->name))
                        return true;
        return false;
}

int sysfs_read_functions(int root_fd, Parent *p) {
        List known = LIST_INIT(known);
        int r = -ENOENT;

        list_splice(&known, &p->functions);
        if (p->path && (!list_is_empty(&known) || sysfs_has_functions(root_fd, p->path))) {
                list_foreach(t, &p->types, Type, node)
                        t->available = 0;
                r = read_all(root_fd, p, &known);
        }
        list_foreach_safe(f, &known, Function, node)
                if (r >= 0 || r == -ENOENT || is_among(&p->functions, f))
                        function_free(f);
                else { /* nothing is known to have gone */
                        list_unlink(&f->node);
                        list_append(&p->functions, &f->node);
                }
        if (r < 0)
                return r;
        return list_is_empty(&p->functions) ? -ENOENT : 0;
}
