/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-attributes.c: owns the writing of attributes: in their order, duplicates and all, each
 * value ended by one newline. Names come from clients and from files that others write: none of
 * them leads out of the device's folder, by dots or by a link.
 */
#include "backend/worker-internal.h"
#include "util/fs.h"

static int write_attribute(Job *j, const Attribute *a) {
        _cleanup_(freep) char *folder = NULL, *value = NULL;
        size_t n = strlen(a->value);
        int r;

        r = job_folder(j, &folder);
        if (r < 0)
                return r;
        if (asprintf(&value, "%s%s", a->value, n > 0 && a->value[n - 1] == '\n' ? "" : "\n") < 0)
                return -ENOMEM;
        return write_attr_beneath_at(j->root_fd, folder, a->name, value);
}

/* Why it is no name of one, and NULL where it is. */
static const char *check_name(const Job *j, const char *name) {
        if (!attribute_name_is_valid(name))
                return "a relative path without \"..\" was expected";
        if (j->record->function && !job_function_has(name))
                return "of a virtual function only what its driver has in \"nvidia/\" can be "
                       "written, such as nvidia/vgpu_params, and not its type";
        return NULL;
}

int job_check_attributes(Job *j) {
        for (size_t i = 0; i < j->record->n_attributes; i++) {
                const Attribute *a = &j->record->attributes[i];
                const char *why = check_name(j, a->name);
                char *text = NULL;

                if (!why)
                        continue;
                if (asprintf(&text, "Attribute name '%s' is not one: %s.", a->name, why) < 0)
                        return -ENOMEM;
                record_set_result(j->record, OUTCOME_INVALID, -EINVAL, text);
                return -EINVAL;
        }
        return 0;
}

/*
 * The first that is refused ends it. The value is not in what is told: anybody may read the error
 * of an operation, and not everybody an attribute.
 */
int job_write_attributes(Job *j, size_t *ret_n, char **ret_name) {
        for (size_t i = 0; i < j->record->n_attributes; i++) {
                const Attribute *a = &j->record->attributes[i];
                int r;

                r = write_attribute(j, a);
                if (r >= 0)
                        continue;
                if (ret_n)
                        *ret_n = i;
                *ret_name = strdup(a->name);
                return r;
        }
        return 0;
}
