/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nodes.c: a growing, NULL-ended array of paths. */
#include "bus/nodes.h"

#include "bus/path.h"

void nodes_done(Nodes *n) {
        for (size_t i = 0; i < n->n; i++)
                free(n->paths[i]);
        free(n->paths);
        *n = (Nodes){};
}

int nodes_add(Nodes *n, ObjectKind kind, const void *object) {
        int r;

        if (n->n + 1 >= n->size) {
                size_t size = n->size ? n->size * 2 : 16;
                char **bigger = reallocarray(n->paths, size, sizeof(*bigger));

                if (!bigger)
                        return -ENOMEM;
                n->paths = bigger;
                n->size = size;
        }
        r = path_of(kind, object, &n->paths[n->n]);
        n->paths[r < 0 ? n->n : ++n->n] = NULL;
        return r < 0 ? r : 0;
}
