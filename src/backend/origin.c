/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * origin.c: owns /run/mdevd/devices. An entry speaks of a device only while parent and type are
 * those it was written for; anything else means that somebody made another device of the same UUID.
 * It is a link whose text is what there is to say: made in one step, and without a page of memory
 * that a file on a tmpfs takes for each device. One that is there is replaced by rename; nothing is
 * synced.
 */
#include "backend/origin.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <sys/stat.h>
#include <time.h>

#include "backend/record-internal.h"
#include "names.h"
#include "util/fs.h"
#include "util/join.h"
#include "util/parse.h"

#define ORIGIN_SIZE_MAX 4096

static int path_of(const Uuid *uuid, const char *suffix, char **ret) {
        *ret = JOIN(MDEVD_PATH_DEVICES "/", UUID_STR(uuid), suffix);
        return *ret ? 0 : -ENOMEM;
}

/* What is not there was not known yet: a device that is about to be made. */
static int lease_from_json(Lease *l, json_object *o) {
        const char *kind, *phase, *client = NULL;
        uint64_t linger;
        json_object *e;
        int k;

        if (!json_object_object_get_ex(o, "lease", &e))
                return 0;
        if (json_get_string(e, "kind", &kind) < 0 ||
            json_get_u64(e, "linger", LEASE_LINGER_SEC_MAX, &linger) < 0 ||
            json_get_string(e, "phase", &phase) < 0 || lease_phase_from_string(phase) < 0 ||
            json_get_u64(e, "until", UINT64_MAX, &l->until_usec) < 0)
                return -EBADMSG;
        k = lease_kind_from_string(kind);
        if (k < 0)
                return -EBADMSG;
        l->kind = k;
        l->phase = lease_phase_from_string(phase);
        l->linger_sec = (unsigned) linger;
        (void) json_get_string(e, "client", &client);
        free(l->client);
        l->client = client ? strdup(client) : NULL;
        return client && !l->client ? -ENOMEM : 0;
}

static int apply_lease(Device *d, json_object *o) {
        int r = lease_from_json(&d->lease, o);

        if (r < 0)
                lease_done(&d->lease);
        return r;
}

static void lease_to_text(const Lease *l, JsonText *t) {
        if (l->kind == LEASE_NONE)
                return;
        json_text_begin(t, "lease", '{');
        json_text_string(t, "kind", lease_kind_to_string(l->kind));
        json_text_u64(t, "linger", l->linger_sec);
        json_text_string(t, "phase", lease_phase_to_string(l->phase));
        json_text_u64(t, "until", l->until_usec);
        json_text_string(t, "client", l->client);
        json_text_end(t, '}');
}

/* As the device that a virtual function bears has its file. */
static bool is_of(json_object *o, const char *parent, const char *type, const char *function) {
        const char *p, *t, *f;

        return json_get_string(o, "parent", &p) >= 0 && json_get_string(o, "type", &t) >= 0 &&
               json_get_string(o, "function", &f) >= 0 && streq(p, parent) && streq(t, type) &&
               streq(f, function);
}

static int apply(Device *d, json_object *o) {
        const char *parent, *type, *owner, *origin, *profile;
        uint64_t relabelled = 0;
        int k;

        if (json_get_string(o, "parent", &parent) < 0 || json_get_string(o, "type", &type) < 0 ||
            json_get_string(o, "owner", &owner) < 0 || json_get_string(o, "origin", &origin) < 0)
                return -EBADMSG;
        k = origin_from_string(origin);
        if (k < 0 || !name_is_valid_owner(owner))
                return -EBADMSG;
        if (!streq(parent, d->parent->name) || !streq(type, d->type) ||
            (d->function && !is_of(o, parent, type, d->function)))
                return -ESTALE;

        if (json_get_string(o, "profile", &profile) >= 0) {
                if (!name_is_valid_id(profile))
                        return -EBADMSG;
                free(d->profile);
                d->profile = strdup(profile);
                if (!d->profile)
                        return -ENOMEM;
        }
        k = apply_lease(d, o);
        if (k < 0)
                return k;
        d->origin = origin_from_string(origin);
        (void) json_get_u64(o, "relabelled", 1, &relabelled);
        d->relabelled = relabelled;
        if (d->ours && !d->relabelled)
                return 0; /* the module knows it */
        return device_set_owner(d, owner);
}

static int read_entry(int root_fd, const Uuid *uuid, json_object **ret) {
        _cleanup_(freep) char *path = NULL;
        char text[ORIGIN_SIZE_MAX];
        ssize_t n;
        int r;

        r = path_of(uuid, "", &path);
        if (r < 0)
                return r;
        n = readlinkat(root_fd, path, text, sizeof(text));
        if (n < 0)
                return errno == EINVAL ? -EBADMSG : -errno;
        if ((size_t) n == sizeof(text))
                return -EBADMSG;
        text[n] = '\0';
        *ret = json_tokener_parse(text);
        return *ret ? 0 : -EBADMSG;
}

static int load(int root_fd, Device *d, int (*take)(Device *d, json_object *o)) {
        json_object *o;
        int r;

        r = read_entry(root_fd, &d->uuid, &o);
        if (r < 0)
                return r;
        r = take(d, o);
        json_object_put(o);
        return r;
}

int origin_load(int root_fd, Device *d) {
        return load(root_fd, d, apply);
}

int origin_load_lease(int root_fd, Device *d) {
        return load(root_fd, d, apply_lease);
}

/* Only root looks into it: a link's text can be read by whoever finds it. */
static int make_folder(int root_fd) {
        int r;

        r = mkdir_parents_at(root_fd, MDEVD_PATH_DEVICES, 0755);
        if (r < 0)
                return r;
        return mkdirat(root_fd, MDEVD_PATH_DEVICES, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int make_link(int root_fd, const char *path, const char *text) {
        int r;

        if (strlen(text) >= ORIGIN_SIZE_MAX)
                return -ENAMETOOLONG;
        for (unsigned tries = 0;; tries++) {
                if (symlinkat(text, root_fd, path) >= 0)
                        return 0;
                if (tries > 1 || (errno != ENOENT && errno != EEXIST))
                        return -errno;
                /* EEXIST: an earlier daemon got no further */
                r = errno == ENOENT ? make_folder(root_fd) :
                                      RET_NERRNO(unlinkat(root_fd, path, 0));
                if (r < 0)
                        return r;
        }
}

/* What is said of one device. */
typedef struct Note Note;

struct Note {
        const Uuid *uuid;
        const char *parent, *type, *owner, *profile, *function;
        Origin origin;
        bool relabelled;
        Lease lease; /* borrowed, as the rest */
};

static int note_to_text(const Note *n, char **ret) {
        JsonText t = {};

        json_text_begin(&t, NULL, '{');
        json_text_string(&t, "parent", n->parent);
        json_text_string(&t, "type", n->type);
        json_text_string(&t, "owner", n->owner);
        json_text_string(&t, "origin", origin_to_string(n->origin));
        json_text_string(&t, "profile", n->profile);
        json_text_string(&t, "function", n->function);
        if (n->relabelled)
                json_text_u64(&t, "relabelled", 1);
        lease_to_text(&n->lease, &t);
        json_text_end(&t, '}');
        return json_text_take(&t, "", ret);
}

/* What is there is replaced in one step, and so is nothing: a link is whole from the first. */
static int put(int root_fd, const Uuid *uuid, const char *text) {
        _cleanup_(freep) char *path = NULL, *temporary = NULL;
        int r;

        r = path_of(uuid, "", &path);
        if (r < 0)
                return r;
        if (strlen(text) < ORIGIN_SIZE_MAX && symlinkat(text, root_fd, path) >= 0)
                return 0;
        r = path_of(uuid, ".new", &temporary);
        if (r >= 0)
                r = make_link(root_fd, temporary, text);
        if (r >= 0 && renameat(root_fd, temporary, root_fd, path) < 0)
                r = -errno;
        if (r < 0 && temporary)
                (void) unlinkat(root_fd, temporary, 0);
        return r;
}

static int save(int root_fd, const Note *note) {
        _cleanup_(freep) char *text = NULL;
        int r = note_to_text(note, &text);

        return r < 0 ? r : put(root_fd, note->uuid, text);
}

int origin_save(int root_fd, const Device *d) {
        const Note note = {
                .uuid = &d->uuid,
                .parent = d->parent->name,
                .type = d->type,
                .owner = d->owner,
                .profile = d->profile,
                .function = d->function,
                .origin = d->origin,
                .relabelled = d->relabelled,
                .lease = d->lease,
        };

        return save(root_fd, &note);
}

int origin_announce(int root_fd, const Record *r) {
        const Note note = {
                .uuid = &r->uuid,
                .parent = r->parent,
                .type = r->type,
                .owner = r->owner ?: "",
                .profile = r->profile,
                .origin = r->origin,
                .lease = {
                        .kind = r->lease,
                        .linger_sec = r->linger_sec,
                        .client = r->lease == LEASE_CLIENT ? r->client : NULL,
                },
        };

        return save(root_fd, &note);
}

bool origin_is_known(int root_fd, const Uuid *uuid) {
        _cleanup_(freep) char *path = NULL;

        return path_of(uuid, "", &path) >= 0 &&
               faccessat(root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

bool origin_names(int root_fd, const Uuid *uuid, const char *parent, const char *function) {
        const char *p, *f;
        json_object *o;
        bool found;

        if (read_entry(root_fd, uuid, &o) < 0)
                return false;
        found = json_get_string(o, "parent", &p) >= 0 && streq(p, parent) &&
                json_get_string(o, "function", &f) >= 0 && streq(f, function);
        json_object_put(o);
        return found;
}

int origin_read_parent(int root_fd, const Uuid *uuid, char **ret) {
        const char *parent;
        json_object *o;
        int r;

        r = read_entry(root_fd, uuid, &o);
        if (r < 0)
                return r;
        r = json_get_string(o, "parent", &parent);
        if (r >= 0)
                r = (*ret = strdup(parent)) ? 0 : -ENOMEM;
        json_object_put(o);
        return r;
}

bool origin_is_recent(int root_fd, const Uuid *uuid, uint64_t usec) {
        _cleanup_(freep) char *path = NULL;
        struct timespec now;
        struct stat st;

        if (path_of(uuid, "", &path) < 0 || fstatat(root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        (void) clock_gettime(CLOCK_REALTIME, &now);
        /* a clock that was set back makes it no older */
        return st.st_mtim.tv_sec >= now.tv_sec ||
               (uint64_t) (now.tv_sec - st.st_mtim.tv_sec) <= usec / 1000000;
}

int origin_forget(int root_fd, const Uuid *uuid) {
        _cleanup_(freep) char *path = NULL;
        int r;

        r = path_of(uuid, "", &path);
        if (r < 0)
                return r;
        return unlinkat(root_fd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int open_folder(int root_fd, DIR **ret) {
        int fd;

        fd = openat(root_fd, MDEVD_PATH_DEVICES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = fdopendir(fd);
        if (*ret)
                return 0;
        safe_close(fd);
        return -ENOMEM;
}

int origin_find(int root_fd, const char *parent, const char *type, const char *function,
                Uuid *ret) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int r;

        r = open_folder(root_fd, &dir);
        if (r < 0)
                return r;
        for (struct dirent *de; (de = readdir(dir));) {
                json_object *o;
                bool found;
                Uuid uuid;

                if (uuid_parse(de->d_name, &uuid) < 0 || read_entry(root_fd, &uuid, &o) < 0)
                        continue;
                found = is_of(o, parent, type, function);
                json_object_put(o);
                if (!found)
                        continue;
                *ret = uuid;
                return 0;
        }
        return -ENOENT;
}

int origin_sweep(int root_fd, OriginKnown known, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int r;

        r = open_folder(root_fd, &dir);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (struct dirent *de; (de = readdir(dir));) {
                Uuid uuid;

                if (de->d_name[0] == '.' ||
                    (uuid_parse(de->d_name, &uuid) >= 0 && known(&uuid, userdata)))
                        continue;
                (void) unlinkat(dirfd(dir), de->d_name, 0);
        }
        return 0;
}
