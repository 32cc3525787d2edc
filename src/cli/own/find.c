/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* find.c owns the way from a word to an object path. */
#include "cli/own/find.h"

#include "cli/own/card.h"
#include "cli/own/exit.h"
#include "names.h"

void target_done(Target *t) {
        free(t->path);
        state_done(&t->state);
        client_done(&t->client);
        *t = (Target) {};
}

int target_find(Target *t, const char *word) {
        int r;

        r = state_load(&t->client, &t->state);
        if (r == EXIT_SUCCESS)
                r = state_find_device(&t->state, word, &t->found);
        if (r != EXIT_SUCCESS)
                return r;
        r = client_find_device(&t->client, t->found.uuid, t->found.parent, &t->path);
        if (r > 0)
                return exit_refused(&t->client);
        return r < 0 ? answer_failed_errno(r, "cannot ask mdevd") : EXIT_SUCCESS;
}

int target_begin(Target *t, const char *word, const char *member, sd_bus_message **ret) {
        int r;

        r = target_find(t, word);
        if (r != EXIT_SUCCESS)
                return r;
        r = client_method(&t->client, t->path, MDEVD_IFACE_DEVICE, member, ret);
        return r < 0 ? answer_failed_errno(r, "cannot ask mdevd") : EXIT_SUCCESS;
}

int target_print(Target *t, const Given *given) {
        _cleanup_(state_done) State now = {};
        Found found = {};
        Screen s;
        int r;

        if (own_json_mode(given) == JSON_OFF)
                return EXIT_SUCCESS;
        r = state_load(&t->client, &now);
        if (r != EXIT_SUCCESS)
                return r;
        state_find_again(&now, &t->found, &found);
        own_open(&s, given, false);
        card_print_json(&s, &now, &found);
        return screen_close(&s);
}

int target_send(Target *t, sd_bus_message *m, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = client_send(&t->client, m, &reply);

        if (r > 0)
                return exit_refused(&t->client);
        return r < 0 ? answer_failed_errno(r, "cannot ask mdevd") : target_print(t, given);
}
