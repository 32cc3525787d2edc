/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* argument.c owns reading UUIDs and numbers as mdevctl does. */
#include "cli/argument.h"

#include <fcntl.h>

#include "util/macro.h"

int argument_uuid(const char *s, Uuid *ret) {
        static const char urn[] = "urn:uuid:";
        char text[UUID_STRING_MAX];
        size_t n = strlen(s);

        if (strncmp(s, urn, strlen(urn)) == 0) {
                s += strlen(urn);
                n -= strlen(urn);
        } else if (n == UUID_STRING_MAX + 1 && s[0] == '{' && s[n - 1] == '}') {
                s++;
                n -= 2;
        } else if (n == 32) {
                (void) snprintf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s", s, s + 8, s + 12,
                                s + 16, s + 20);
                return uuid_parse(text, ret);
        }
        if (n != UUID_STRING_MAX - 1)
                return -EINVAL;
        (void) snprintf(text, sizeof(text), "%.*s", (int) n, s);
        return uuid_parse(text, ret);
}

bool argument_is_uuid(const char *s) {
        return argument_uuid(s, &(Uuid){}) >= 0;
}

int argument_index(const char *s, uint32_t *ret) {
        uint64_t n = 0;

        if (*s == '+') /* Rust takes one */
                s++;
        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                n = n * 10 + (uint64_t) (*s - '0');
                if (n > UINT32_MAX)
                        return -ERANGE;
        }
        *ret = (uint32_t) n;
        return 0;
}

bool argument_is_index(const char *s) {
        uint32_t index;

        return argument_index(s, &index) >= 0;
}

const char *argument_root(void) {
        return secure_getenv("MDEVCTL_ENV_ROOT") ?: "/";
}

int argument_open_root(void) {
        return RET_NERRNO(open(argument_root(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}
