/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon.c owns the sentences for when the daemon cannot be reached, or refuses. */
#include "cli/daemon.h"

#include <fcntl.h>

#include "cli/answer.h"
#include "cli/argument.h"
#include "names.h"

#define SYSTEMD_ERROR_PREFIX "org.freedesktop.systemd1."

static bool has_prefix(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool daemon_is_enabled(int root_fd) {
        static const char *const links[] = {
                "etc/systemd/system/dbus-org.mdevd1.service",
                "etc/systemd/system/multi-user.target.wants/mdevd.service",
                "run/systemd/system/dbus-org.mdevd1.service",
        };

        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                if (faccessat(root_fd, links[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        return false;
}

bool daemon_is_of_this_root(void) {
        return streq(argument_root(), "/") || secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
}

/* The bus has a name for whom to start, and there is nobody to be started. */
static bool nobody_to_start(const char *name) {
        return streq(name, DBUS_ERROR_PREFIX "ServiceUnknown") ||
               streq(name, SYSTEMD_ERROR_PREFIX "NoSuchUnit") ||
               streq(name, DBUS_ERROR_PREFIX "Spawn.ServiceNotFound") ||
               streq(name, DBUS_ERROR_PREFIX "NameHasNoOwner");
}

static bool could_not_start(const char *name) {
        return has_prefix(name, SYSTEMD_ERROR_PREFIX) ||
               has_prefix(name, DBUS_ERROR_PREFIX "Spawn.");
}

bool refusal_is_daemon_missing(const Refusal *r) {
        return nobody_to_start(r->name) || could_not_start(r->name);
}

bool refusal_is_an_answer(const Refusal *r) {
        return has_prefix(r->name, MDEVD_ERROR_PREFIX);
}

bool refusal_is_a_scripts(const Refusal *r) {
        return refusal_is_an_answer(r) && has_prefix(r->text, "Script ");
}

int refusal_say(const Refusal *r) {
        if (nobody_to_start(r->name))
                return answer_failed("mdevd is not running, and it is not enabled, so that it "
                                     "would be started now: systemctl enable --now mdevd");
        if (could_not_start(r->name))
                return answer_failed("mdevd is not running and could not be started: %s "
                                     "(`journalctl -u mdevd` says more)", r->text);
        if (streq(r->name, DBUS_ERROR_PREFIX "NoReply") ||
            streq(r->name, DBUS_ERROR_PREFIX "Disconnected"))
                return answer_failed("mdevd went away before it answered; what it had begun goes "
                                     "on: see `mdevctl list`, and try again");
        return answer_failed("%s", r->text[0]   ? r->text
                                   : r->name[0] ? r->name
                                                : "mdevd gave no reason");
}
