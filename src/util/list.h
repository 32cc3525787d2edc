/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list.h: intrusive, circular, doubly linked list. A node is either linked into exactly one list or
 * points to itself; unlinking an unlinked node is a no-op, so destructors may always unlink.
 */
#pragma once

#include <stdbool.h>

#include "util/macro.h"

typedef struct List List;

struct List {
        List *next;
        List *prev;
};

#define LIST_INIT(var) { .next = &(var), .prev = &(var) }

static inline void list_init(List *l) {
        l->next = l->prev = l;
}

static inline bool list_is_empty(const List *l) {
        return !l->next || l->next == l;
}

static inline bool list_is_linked(const List *node) {
        return !list_is_empty(node);
}

/* Links @node before @where; with the list head as @where that is the end of the list. */
static inline void list_link_before(List *where, List *node) {
        assert(!list_is_linked(node));
        node->next = where;
        node->prev = where->prev;
        where->prev->next = node;
        where->prev = node;
}

static inline void list_append(List *head, List *node) {
        list_link_before(head, node);
}

static inline void list_unlink(List *node) {
        if (!list_is_linked(node))
                return;
        node->prev->next = node->next;
        node->next->prev = node->prev;
        list_init(node);
}

/* Appends all of @from to @to, in order; @from is empty then. */
static inline void list_splice(List *to, List *from) {
        while (!list_is_empty(from)) {
                List *node = from->next;

                list_unlink(node);
                list_append(to, node);
        }
}

static inline size_t list_length(const List *head) {
        size_t n = 0;

        for (const List *i = head->next; i != head; i = i->next)
                n++;
        return n;
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member)                                                             \
        (list_is_empty(head) ? NULL : list_entry((head)->next, type, member))

#define list_foreach(iter, head, type, member)                                                     \
        for (type *iter = list_entry((head)->next, type, member); &iter->member != (head);         \
             iter = list_entry(iter->member.next, type, member))

/* Allows unlinking and freeing the current entry, and no other. */
#define list_foreach_safe(iter, head, type, member)                                                \
        for (type *iter = list_entry((head)->next, type, member), *_n_##iter = NULL;               \
             &iter->member != (head) &&                                                            \
             (_n_##iter = list_entry(iter->member.next, type, member), true);                      \
             iter = _n_##iter)
