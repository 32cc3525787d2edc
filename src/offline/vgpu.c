/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vgpu.c: --convert-vgpu-config: a file of NVIDIA's vgpu-device-manager ("version: v1",
 * "vgpu-configs": name, list of {device-filter, devices, vgpu-devices}; its api/spec/v1) as
 * profiles of ours. It speaks of GPUs by number, in the order of their addresses, so the host's
 * sysfs is read: the profile names the parents. A GPU whose driver makes no mdevs but lends types
 * to its virtual functions is a parent by itself.
 */
#include "offline/offline.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "model/model.h"
#include "policy/match.h"
#include "sysfs/functions.h"
#include "sysfs/sysfs.h"
#include "util/fs.h"
#include "util/parse.h"
#include "util/utf8.h"
#include "util/yaml.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define UNITS_MAX 256
#define COUNT_MAX 4096

typedef struct Unit Unit;
typedef struct Convert Convert;

/* A GPU: itself a parent, or its virtual functions are. */
struct Unit {
        char *name;
        size_t next; /* of its parents, the first that has nothing of this profile yet */
};

struct Convert {
        const char *file;
        int root_fd;
        List parents; /* of Parent, in order of their names */
        Unit units[UNITS_MAX];
        size_t n_units;
        FILE *out;
        bool first; /* no device of the profile was printed */
};

static const char *unit_of(const Parent *p) {
        return p->unit ?: p->name;
}

static int fail(const Convert *c, unsigned line, const char *format, ...) _printf_(3, 4);

static int fail(const Convert *c, unsigned line, const char *format, ...) {
        va_list ap;

        fprintf(stderr, "%s:%u: ", c->file, line);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputs(".\n", stderr);
        return -EINVAL;
}

/* ---- the host ---- */

static int compare_units(const void *a, const void *b) {
        return strcmp(((const Unit *) a)->name, ((const Unit *) b)->name);
}

static int add_unit(Convert *c, const char *name) {
        for (size_t i = 0; i < c->n_units; i++)
                if (streq(c->units[i].name, name))
                        return 0;
        if (c->n_units == UNITS_MAX)
                return -E2BIG;
        c->units[c->n_units].name = strdup(name);
        if (!c->units[c->n_units].name)
                return -ENOMEM;
        c->n_units++;
        return 0;
}

static void link_sorted(List *parents, Parent *p) {
        list_foreach(i, parents, Parent, node)
                if (strcmp(i->name, p->name) > 0) {
                        list_append(&i->node, &p->node); /* right before it */
                        return;
                }
        list_append(parents, &p->node);
}

static int on_parent(const char *name, void *userdata) {
        _cleanup_(parent_freep) Parent *p = NULL;
        _cleanup_(freep) char *path = NULL;
        Convert *c = userdata;
        int r;

        r = parent_new(&p, name);
        if (r >= 0)
                r = sysfs_find_parent(c->root_fd, name, &path, NULL);
        if (r >= 0)
                r = sysfs_read_parent(c->root_fd, path, p);
        if (r >= 0)
                r = sysfs_read_types(c->root_fd, p, false);
        if (r < 0 || !p->driver || strncmp(p->driver, "nvidia", strlen("nvidia")) != 0)
                return r == -ENOMEM ? r : 0; /* it has gone, or is no GPU */
        r = add_unit(c, unit_of(p));
        if (r >= 0)
                link_sorted(&c->parents, TAKE_PTR(p));
        return r;
}

static void convert_done(Convert *c) {
        list_foreach_safe(p, &c->parents, Parent, node)
                parent_free(p);
        for (size_t i = 0; i < c->n_units; i++)
                free(c->units[i].name);
        safe_close(c->root_fd);
}

static bool offers(const Parent *p, const char *type) {
        for (int how = 0; how < _TYPE_MATCH_MAX; how++)
                if (match_type(p, type, (TypeMatch) how, NULL))
                        return true;
        return false;
}

/* "0x1EB810DE": device and vendor. */
static bool has_id(const Convert *c, const Unit *u, const char *id) {
        _cleanup_(freep) char *device = NULL, *vendor = NULL, *path = NULL, *vendor_path = NULL;
        uint64_t wanted, d, v;

        if (asprintf(&path, "sys/bus/pci/devices/%s/device", u->name) < 0 ||
            asprintf(&vendor_path, "sys/bus/pci/devices/%s/vendor", u->name) < 0 ||
            read_attr_at(c->root_fd, path, &device) < 0 ||
            read_attr_at(c->root_fd, vendor_path, &vendor) < 0)
                return false;
        return parse_u64(id, &wanted) >= 0 && parse_u64(device, &d) >= 0 &&
               parse_u64(vendor, &v) >= 0 && wanted == (d << 16 | v);
}

/* ---- one entry ---- */

static bool list_has(const Convert *c, const YamlNode *n, const Unit *u,
                     bool (*is)(const Convert *c, const Unit *u, const char *s)) {
        if (n->kind == YAML_SCALAR)
                return is(c, u, n->scalar);
        list_foreach(m, &n->members, YamlNode, node)
                if (m->kind == YAML_SCALAR && is(c, u, m->scalar))
                        return true;
        return false;
}

/* A number as everybody reads it: "010" is 8 to some, and "2x" is none. */
static bool read_number(const char *s, uint64_t *ret) {
        return s[strspn(s, "0123456789")] == '\0' && (s[0] != '0' || !s[1]) &&
               parse_u64(s, ret) >= 0;
}

static bool is_index(const char *s) {
        uint64_t n;

        return streq(s, "all") || read_number(s, &n);
}

static bool has_index(const Convert *c, const Unit *u, const char *s) {
        uint64_t n;

        return streq(s, "all") || (read_number(s, &n) && (size_t) (u - c->units) == n);
}

static bool is_id(const char *s) {
        uint64_t n;

        return strncasecmp(s, "0x", 2) == 0 && parse_u64(s, &n) >= 0 && n <= UINT32_MAX;
}

static int check_words(const Convert *c, const YamlNode *n, bool (*is)(const char *s),
                       const char *expect) {
        if (n->kind == YAML_SCALAR)
                return is(n->scalar) ? 0 : fail(c, n->line, "expected %s, found \"%s\"", expect,
                                                n->scalar);
        if (n->kind == YAML_MAP)
                return fail(c, n->line, "expected %s, or a list of that, found a map", expect);
        list_foreach(m, &n->members, YamlNode, node)
                if (m->kind != YAML_SCALAR)
                        return fail(c, m->line, "expected %s, found a list or a map", expect);
                else if (!is(m->scalar))
                        return fail(c, m->line, "expected %s, found \"%s\"", expect, m->scalar);
        return 0;
}

static bool is_meant(const Convert *c, const Unit *u, const YamlNode *entry) {
        const YamlNode *devices = yaml_find(entry, "devices");
        const YamlNode *filter = yaml_find(entry, "device-filter");

        return list_has(c, devices, u, has_index) && (!filter || list_has(c, filter, u, has_id));
}

static void print_want(Convert *c, const char *type, const char *parent, uint64_t count) {
        fprintf(c->out,
                "%s\n        { \"type\": \"%s\", \"parent\": \"%s\", \"count\": %" PRIu64 " }",
                c->first ? "" : ",", type, parent, count);
        c->first = false;
}

/* A GPU that is a parent gets them all; of virtual functions each gets one. */
static uint64_t print_wants(Convert *c, Unit *u, const char *type, uint64_t count) {
        size_t index = 0;

        list_foreach(p, &c->parents, Parent, node) {
                if (!streq(unit_of(p), u->name))
                        continue;
                if (streq(p->name, u->name)) {
                        if (offers(p, type))
                                print_want(c, type, p->name, count);
                        return offers(p, type) ? 0 : count;
                }
                if (count > 0 && index >= u->next && offers(p, type)) {
                        print_want(c, type, p->name, 1);
                        u->next = index + 1;
                        count--;
                }
                index++;
        }
        return count;
}

static bool is_type_name(const char *s) {
        if (!*s || !utf8_is_valid(s))
                return false;
        for (; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f)
                        return false;
        return true;
}

static int convert_type(Convert *c, const YamlNode *entry, const YamlNode *type) {
        uint64_t count = 0;
        bool any = false;

        if (type->kind != YAML_SCALAR || !read_number(type->scalar, &count) || count < 1 ||
            count > COUNT_MAX || !is_type_name(type->key))
                return fail(c, type->line, "expected a type and how many, 1 to %d", COUNT_MAX);
        for (size_t i = 0; i < c->n_units; i++) {
                uint64_t left;

                if (!is_meant(c, &c->units[i], entry))
                        continue;
                any = true;
                left = print_wants(c, &c->units[i], type->key, count);
                if (left > 0)
                        return fail(c, type->line, "GPU %zu (%s) of this host has no place for "
                                    "%" PRIu64 " of %" PRIu64 " %s", i, c->units[i].name, left,
                                    count, type->key);
        }
        return any ? 0 : fail(c, entry->line, "none of the %zu GPUs of this host is meant by it",
                              c->n_units);
}

static int convert_entry(Convert *c, const YamlNode *entry) {
        const YamlNode *types = yaml_find(entry, "vgpu-devices");
        const YamlNode *filter = yaml_find(entry, "device-filter");
        int r;

        if (entry->kind != YAML_MAP)
                return fail(c, entry->line, "expected a map with \"devices\" and \"vgpu-devices\"; "
                            "the older form, types without numbers, says nothing of how many");
        if (!types || types->kind != YAML_MAP || !yaml_find(entry, "devices"))
                return fail(c, entry->line, "expected \"devices\" and \"vgpu-devices\"");
        r = check_words(c, yaml_find(entry, "devices"), is_index,
                        "\"all\" or numbers of GPUs, from 0");
        if (r >= 0 && filter)
                r = check_words(c, filter, is_id, "device and vendor such as 0x1EB810DE");
        list_foreach(m, &types->members, YamlNode, node)
                if (r >= 0)
                        r = convert_type(c, entry, m);
        return r;
}

static int convert_profile(Convert *c, const YamlNode *config, bool last) {
        int r = 0;

        if (!name_is_valid_id(config->key))
                return fail(c, config->line, "\"%s\" cannot be the name of a profile: 1 to 31 of "
                            "A-Z a-z 0-9 _ . + -", config->key);
        if (config->kind != YAML_LIST)
                return fail(c, config->line, "expected a list");
        fprintf(c->out, "    \"%s\": { \"devices\": [", config->key);
        c->first = true;
        for (size_t i = 0; i < c->n_units; i++)
                c->units[i].next = 0;
        list_foreach(m, &config->members, YamlNode, node)
                if (r >= 0)
                        r = convert_entry(c, m);
        fprintf(c->out, " ] }%s\n", last ? "" : ",");
        return r;
}

static int convert(Convert *c, const YamlNode *file) {
        const YamlNode *version = yaml_find(file, "version"), *configs;
        int r = 0;

        if (!version || version->kind != YAML_SCALAR || !streq(version->scalar, "v1"))
                return fail(c, version ? version->line : 1, "expected \"version: v1\"");
        configs = yaml_find(file, "vgpu-configs");
        if (!configs || configs->kind != YAML_MAP)
                return fail(c, file->line, "expected \"vgpu-configs\", with a list for each name");
        fputs("{\n  \"profiles\": {\n", c->out);
        list_foreach(m, &configs->members, YamlNode, node)
                if (r >= 0)
                        r = convert_profile(c, m, m->node.next == &configs->members);
        fputs("  }\n}\n", c->out);
        return r;
}

static int read_file(Convert *c, YamlNode **ret) {
        _cleanup_(closep) int fd = -EBADF;
        _cleanup_(freep) char *text = NULL;
        const char *why, *end;
        unsigned line;
        size_t size;
        int r;

        fd = open(c->file[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno :
                     read_file_at(fd, c->file + strspn(c->file, "/"), FILE_SIZE_MAX, &text, &size);
        end = r >= 0 ? memchr(text, '\0', size) : NULL;
        if (end) {
                line = 1;
                for (const char *s = text; s < end; s++)
                        line += *s == '\n';
                return fail(c, line, "found a NUL byte, where text is expected");
        }
        if (r >= 0)
                r = yaml_parse(text, ret, &line, &why);
        if (r == -EBADMSG)
                return fail(c, line, "found %s", why);
        if (r < 0)
                fprintf(stderr, "mdevd: cannot read %s: %s.\n", c->file, strerror(-r));
        return r;
}

/* Nothing is printed unless all of it could be converted. */
int offline_convert_vgpu(const char *root, const char *file) {
        _cleanup_(convert_done) Convert c = { .file = file, .parents = LIST_INIT(c.parents) };
        _cleanup_(yaml_freep) YamlNode *yaml = NULL;
        _cleanup_(freep) char *text = NULL;
        size_t size;
        int r;

        c.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = read_file(&c, &yaml);
        if (r < 0)
                return EXIT_FAILURE;
        r = c.root_fd < 0 ? -ENOENT : sysfs_foreach_parent(c.root_fd, on_parent, &c);
        if (r >= 0)
                r = sysfs_foreach_physical(c.root_fd, on_parent, &c);
        qsort(c.units, c.n_units, sizeof(c.units[0]), compare_units);
        if (r >= 0 && !(c.out = open_memstream(&text, &size)))
                r = -ENOMEM;
        if (r < 0) {
                fprintf(stderr, "mdevd: cannot read the GPUs of %s: %s.\n", root, strerror(-r));
                return EXIT_FAILURE;
        }
        r = convert(&c, yaml);
        if (fclose(c.out) != 0 || r < 0)
                return EXIT_FAILURE;
        fputs(text, stdout);
        return EXIT_SUCCESS;
}
