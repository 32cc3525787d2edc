/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-store.c: a definition is valid or says why not; what is valid survives being written and
 * read again, to the byte, and its names cannot leave the device's folder.
 */
#include "config/store.h"
#include "fuzz.h"

static Definition *parse(const char *text, size_t size) {
        const Uuid uuid = {};
        Definition *d;

        assert(definition_new(&d, "p", &uuid) == 0);
        assert(store_parse(d, "f", text, size) == 0);
        return d;
}

static void check_names(const Definition *d) {
        assert(d->type[0] && !strchr(d->type, '/') && !streq(d->type, ".."));
        for (size_t i = 0; i < d->n_attributes; i++) {
                const char *name = d->attributes[i].name;

                assert(name[0] && name[0] != '/' && !strchr(name, '\n'));
                assert(!streq(name, "..") && strncmp(name, "../", 3) != 0 && !strstr(name, "/../"));
                assert(strlen(name) < 3 || !streq(name + strlen(name) - 3, "/.."));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(definition_freep) Definition *d = parse((const char *) data, size), *again = NULL;
        _cleanup_(freep) char *text = NULL, *text_again = NULL;

        assert(d->type && d->owner && d->reserve == d->autostart);
        if (d->invalid) {
                assert(strncmp(d->invalid, "f:", 2) == 0);
                for (const char *s = d->invalid; *s; s++)
                        assert((unsigned char) *s >= 0x20 && *s != 0x7f);
                return 0;
        }

        check_names(d);
        assert(store_format(d, &text) == 0);
        if (strlen(text) > 1024 * 1024) /* written larger than it was read, with its blanks */
                return 0;
        again = parse(text, strlen(text));
        assert(!again->invalid);
        assert(streq(again->type, d->type) && again->autostart == d->autostart);
        assert(again->n_attributes == d->n_attributes);
        for (size_t i = 0; i < d->n_attributes; i++) {
                assert(streq(again->attributes[i].name, d->attributes[i].name));
                assert(streq(again->attributes[i].value, d->attributes[i].value));
        }
        assert(store_format(again, &text_again) == 0 && streq(text, text_again));
        return 0;
}
