/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-list.c: order, and that unlinking is always safe. */
#include "util/list.h"

#include "test.h"

typedef struct Item Item;

struct Item {
        int n;
        List node;
};

TEST(order_and_unlink) {
        List head = LIST_INIT(head);
        Item items[4] = {};
        int expected = 0;

        ASSERT_TRUE(list_is_empty(&head));
        ASSERT_NULL(list_first(&head, Item, node));
        for (int i = 0; i < 4; i++) {
                items[i].n = i;
                list_append(&head, &items[i].node);
        }
        ASSERT_EQ(list_length(&head), 4);
        ASSERT_EQ(list_first(&head, Item, node)->n, 0);
        list_foreach(i, &head, Item, node)
                ASSERT_EQ(i->n, expected++);

        list_unlink(&items[1].node);
        list_unlink(&items[1].node); /* twice is once */
        ASSERT_FALSE(list_is_linked(&items[1].node));
        ASSERT_EQ(list_length(&head), 3);
        list_link_before(&items[2].node, &items[1].node);
        expected = 0;
        list_foreach(i, &head, Item, node)
                ASSERT_EQ(i->n, expected++);
}

TEST(current_may_go) {
        List head = LIST_INIT(head);
        Item items[3] = {};
        size_t n = 0;

        for (int i = 0; i < 3; i++)
                list_append(&head, &items[i].node);
        list_foreach_safe(i, &head, Item, node) {
                list_unlink(&i->node);
                n++;
        }
        ASSERT_EQ(n, 3);
        ASSERT_TRUE(list_is_empty(&head));
        list_foreach_safe(i, &head, Item, node)
                test_fail(__FILE__, __LINE__, "an empty list has an item");
}

TEST(all_go_to_the_end_of_another) {
        List one = LIST_INIT(one), two = LIST_INIT(two);
        Item items[4] = {};
        int expected = 0;

        for (int i = 0; i < 4; i++) {
                items[i].n = i;
                list_append(i < 2 ? &one : &two, &items[i].node);
        }
        list_splice(&one, &two);
        ASSERT_TRUE(list_is_empty(&two));
        list_foreach(i, &one, Item, node)
                ASSERT_EQ(i->n, expected++);
        ASSERT_EQ(expected, 4);
        list_splice(&one, &two); /* nothing */
        ASSERT_EQ(list_length(&one), 4);
}

TEST(zeroed_node_is_unlinked) {
        Item item = {};

        ASSERT_FALSE(list_is_linked(&item.node));
        list_unlink(&item.node);
        ASSERT_NULL(item.node.next);
}

TESTS_MAIN
