/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chosen.c owns finding what a command is about, and saying that it is not there. */
#include "cli/chosen.h"

#include "cli/answer.h"

int chosen_definitions(int root_fd, const Uuid *uuid, const char *parent, Listing *ret) {
        const ListingFilter filter = { .uuid = uuid, .parent = parent, .invalid = true };
        int r = listing_read_defined(root_fd, &filter, ret);

        return r < 0 ? answer_failed_errno(r, "cannot read the definitions") : EXIT_SUCCESS;
}

int chosen_definition(Listing *l, const Uuid *uuid, const char *parent, Definition **ret) {
        if (l->n == 0)
                return answer_failed("Mediated device %s%s%s is not defined", parent ?: "",
                                     parent ? "/" : "", UUID_STR(uuid));
        if (l->n > 1)
                return answer_failed("Multiple definitions found for %s, specify a parent",
                                     UUID_STR(uuid));
        if (l->rows[0].definition->invalid)
                return answer_failed("%s; correct that file, or undefine the device",
                                     l->rows[0].definition->invalid);
        *ret = TAKE_PTR(l->rows[0].definition);
        l->n = 0;
        return EXIT_SUCCESS;
}

int chosen_device(int root_fd, const Uuid *uuid, const char *parent, Definition **ret) {
        const ListingFilter filter = { .uuid = uuid, .parent = parent };
        _cleanup_(listing_done) Listing l = {};
        int r = listing_read_active(root_fd, &filter, &l);

        if (r < 0)
                return answer_failed_errno(r, "cannot read the devices");
        *ret = NULL;
        /* the kernel has a UUID once */
        if (l.n > 0)
                *ret = TAKE_PTR(l.rows[0].definition);
        return EXIT_SUCCESS;
}
