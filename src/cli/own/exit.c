/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exit.c owns the one table from D-Bus errors to exit statuses. */
#include "cli/own/exit.h"

#include "names.h"

static const char *const nothing_there[] = {
        "NoSuchParent", "NoSuchType", "NoSuchDevice", "NoSuchDefinition",
};

int exit_of_error(const char *name) {
        size_t length = strlen(MDEVD_ERROR_PREFIX);

        if (!name || strncmp(name, MDEVD_ERROR_PREFIX, length) != 0)
                return EXIT_FAILED;
        for (size_t i = 0; i < ARRAY_SIZE(nothing_there); i++)
                if (streq(name + length, nothing_there[i]))
                        return EXIT_NOTHING_THERE;
        return EXIT_FAILED;
}

int exit_refused(Client *c) {
        (void) client_failed(c);
        return client_is_daemon_missing(c) ? EXIT_NOT_RUNNING : exit_of_error(c->error.name);
}

int exit_not_sent(int error, const char *what) {
        if (error != -EINVAL)
                return answer_failed_errno(error, "cannot ask mdevd");
        (void) answer_no_text(what);
        return EXIT_USAGE;
}
