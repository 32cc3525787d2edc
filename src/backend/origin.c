/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * origin.c: owns /run/mdevd/devices. An entry speaks of a device only while parent and type are
 * those it was written for; anything else means that somebody made another device of the same UUID.
 * It is a link whose text is what there is to say: made in one step, and without a page of memory
 * that a file on a tmpfs takes for each device. It is replaced by rename, nothing is synced.
 */
#include "backend/origin.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <sys/stat.h>
#include <time.h>

#include "backend/record-internal.h"
#include "names.h"
#include "util/fs.h"
#include "util/parse.h"

#define ORIGIN_SIZE_MAX 4096

static int path_of(const Uuid *uuid, const char *suffix, char **ret) {
        return asprintf(ret, MDEVD_PATH_DEVICES "/%s%s", UUID_STR(uuid), suffix) < 0 ? -ENOMEM : 0;
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
        if (!streq(parent, d->parent->name) || !streq(type, d->type))
                return -ESTALE;

        if (json_get_string(o, "profile", &profile) >= 0) {
                if (!name_is_valid_id(profile))
                        return -EBADMSG;
                free(d->profile);
                d->profile = strdup(profile);
                if (!d->profile)
                        return -ENOMEM;
        }
        d->origin = k;
        (void) json_get_u64(o, "relabelled", 1, &relabelled);
        d->relabelled = relabelled;
        if (d->ours && !d->relabelled)
                return 0; /* the module knows it */
        return device_set_owner(d, owner);
}

int origin_load(int root_fd, Device *d) {
        _cleanup_(freep) char *path = NULL;
        char text[ORIGIN_SIZE_MAX];
        json_object *o;
        ssize_t n;
        int r;

        r = path_of(&d->uuid, "", &path);
        if (r < 0)
                return r;
        n = readlinkat(root_fd, path, text, sizeof(text));
        if (n < 0)
                return errno == EINVAL ? -EBADMSG : -errno;
        if ((size_t) n == sizeof(text))
                return -EBADMSG;
        text[n] = '\0';
        o = json_tokener_parse(text);
        r = o ? apply(d, o) : -EBADMSG;
        json_object_put(o);
        return r;
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

static int save(int root_fd, const Uuid *uuid, const char *parent, const char *type,
                const char *owner, Origin origin, const char *profile, bool relabelled) {
        _cleanup_(freep) char *path = NULL, *temporary = NULL;
        json_object *o;
        const char *text;
        int r;

        r = path_of(uuid, "", &path);
        if (r >= 0)
                r = path_of(uuid, ".new", &temporary);
        if (r < 0)
                return r;

        o = json_object_new_object();
        if (!o)
                return -ENOMEM;
        r = json_put_string(o, "parent", parent);
        if (r >= 0)
                r = json_put_string(o, "type", type);
        if (r >= 0)
                r = json_put_string(o, "owner", owner);
        if (r >= 0)
                r = json_put_string(o, "origin", origin_to_string(origin));
        if (r >= 0)
                r = json_put_string(o, "profile", profile);
        if (r >= 0 && relabelled)
                r = json_put_u64(o, "relabelled", 1);
        text = r < 0 ? NULL : json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        if (r >= 0)
                r = text ? make_link(root_fd, temporary, text) : -ENOMEM;
        json_object_put(o);
        if (r >= 0 && renameat(root_fd, temporary, root_fd, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(root_fd, temporary, 0);
        return r;
}

int origin_save(int root_fd, const Device *d) {
        return save(root_fd, &d->uuid, d->parent->name, d->type, d->owner, d->origin,
                    d->profile, d->relabelled);
}

int origin_announce(int root_fd, const Record *r) {
        return save(root_fd, &r->uuid, r->parent, r->type, r->owner ?: "", r->origin,
                    r->profile, false);
}

bool origin_is_known(int root_fd, const Uuid *uuid) {
        _cleanup_(freep) char *path = NULL;

        return path_of(uuid, "", &path) >= 0 &&
               faccessat(root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
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

int origin_sweep(int root_fd, OriginKnown known, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int fd;

        fd = openat(root_fd, MDEVD_PATH_DEVICES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -ENOMEM;
        }
        for (struct dirent *de; (de = readdir(dir));) {
                Uuid uuid;

                if (de->d_name[0] == '.' ||
                    (uuid_parse(de->d_name, &uuid) >= 0 && known(&uuid, userdata)))
                        continue;
                (void) unlinkat(fd, de->d_name, 0);
        }
        return 0;
}
