/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer.c: the cache of senders. A Peer is known, or has a query under way and the messages that
 * wait for it, in their order. Only known ones are forgotten; when PEERS_MAX queries are under way,
 * a new sender is refused.
 */
#include "bus/peer.h"

#include "bus/bus-error.h"
#include "util/list.h"

typedef struct Peer Peer;

struct Peer {
        List node; /* in peers->list, the most recently seen first */
        Peers *peers;
        char *name;
        sd_bus_slot *slot; /* the query */
        uid_t uid;
        pid_t pid; /* 0: not known */
        bool known;
        sd_bus_message **waiting;
        size_t n_waiting;
};

struct Peers {
        sd_bus *bus;
        List list;
        size_t n;
};

static Peer *peer_free(Peer *p) {
        if (!p)
                return NULL;
        if (list_is_linked(&p->node)) {
                list_unlink(&p->node);
                p->peers->n--;
        }
        sd_bus_slot_unref(p->slot);
        for (size_t i = 0; i < p->n_waiting; i++)
                sd_bus_message_unref(p->waiting[i]);
        free(p->waiting);
        free(p->name);
        free(p);
        return NULL;
}
DEFINE_CLEANUP(Peer *, peer_free)

int peers_new(Peers **ret, sd_bus *bus) {
        Peers *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->bus = sd_bus_ref(bus);
        list_init(&p->list);
        *ret = p;
        return 0;
}

Peers *peers_free(Peers *p) {
        if (!p)
                return NULL;
        list_foreach_safe(i, &p->list, Peer, node)
                peer_free(i);
        sd_bus_unref(p->bus);
        free(p);
        return NULL;
}

static Peer *peers_find(Peers *p, const char *name) {
        list_foreach(i, &p->list, Peer, node)
                if (streq(i->name, name))
                        return i;
        return NULL;
}

/* Runs the handlers of the waiting messages again; they find the peer known, or gone. */
static void peer_wake(Peer *p) {
        for (size_t i = 0; i < p->n_waiting; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = TAKE_PTR(p->waiting[i]);
                int r;

                r = sd_bus_message_rewind(m, true);
                if (r >= 0)
                        r = sd_bus_enqueue_for_read(p->peers->bus, m);
                if (r < 0)
                        (void) sd_bus_reply_method_errno(m, r, NULL);
        }
        p->n_waiting = 0;
        free(p->waiting);
        p->waiting = NULL;
}

/* The bus does not know the sender any more, or nothing at all: it gets no answer but this. */
static void peer_refuse(Peer *p, const sd_bus_error *error) {
        for (size_t i = 0; i < p->n_waiting; i++) {
                (void) sd_bus_reply_method_errorf(
                        p->waiting[i], SD_BUS_ERROR_ACCESS_DENIED,
                        "The bus did not say which user %s is (%s); connect anew.", p->name,
                        error && error->message ? error->message : "unreadable answer");
                p->waiting[i] = sd_bus_message_unref(p->waiting[i]);
        }
        p->n_waiting = 0;
}

/* The members that we want of the many that there are, and may be. */
static int read_credentials(sd_bus_message *m, uid_t *ret_uid, pid_t *ret_pid) {
        bool has_uid = false;
        const char *name;
        uint32_t n;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;
                if (streq(name, "UnixUserID")) {
                        r = sd_bus_message_read(m, "v", "u", &n);
                        *ret_uid = n;
                        has_uid = true;
                } else if (streq(name, "ProcessID")) {
                        r = sd_bus_message_read(m, "v", "u", &n);
                        *ret_pid = (pid_t) n;
                } else
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : has_uid ? 0 : -ENODATA;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Peer *p = userdata;
        uid_t uid;
        pid_t pid = 0;

        p->slot = sd_bus_slot_unref(p->slot);
        if (sd_bus_message_is_method_error(reply, NULL) ||
            read_credentials(reply, &uid, &pid) < 0) {
                peer_refuse(p, sd_bus_message_get_error(reply));
                peer_free(p);
                return 1;
        }

        p->uid = uid;
        p->pid = pid;
        p->known = true;
        peer_wake(p);
        return 1;
}

static int peers_make_room(Peers *p, sd_bus_error *e) {
        if (p->n < PEERS_MAX)
                return 0;
        for (List *i = p->list.prev; i != &p->list; i = i->prev) {
                Peer *oldest = list_entry(i, Peer, node);

                if (!oldest->known)
                        continue;
                peer_free(oldest);
                return 0;
        }
        return sd_bus_error_setf(e, BUS_ERROR_LIMIT,
                                 "%d new clients are being looked at already; try again later.",
                                 PEERS_MAX);
}

static int peers_add(Peers *p, const char *name, Peer **ret, sd_bus_error *e) {
        _cleanup_(peer_freep) Peer *peer = NULL;
        int r;

        r = peers_make_room(p, e);
        if (r < 0)
                return r;
        peer = calloc(1, sizeof(*peer));
        if (!peer)
                return -ENOMEM;
        list_init(&peer->node);
        peer->peers = p;
        peer->name = strdup(name);
        if (!peer->name)
                return -ENOMEM;

        r = sd_bus_call_method_async(p->bus, &peer->slot, "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "GetConnectionCredentials", on_credentials, peer, "s", name);
        if (r < 0)
                return r;
        list_link_before(p->list.next, &peer->node);
        p->n++;
        *ret = TAKE_PTR(peer);
        return 0;
}

static int peer_wait(Peer *p, sd_bus_message *m, sd_bus_error *e) {
        sd_bus_message **bigger;

        if (p->n_waiting >= PEER_MESSAGES_MAX)
                return sd_bus_error_setf(e, BUS_ERROR_LIMIT,
                                         "%d calls of %s are waiting already; send fewer at once.",
                                         PEER_MESSAGES_MAX, p->name);
        bigger = reallocarray(p->waiting, p->n_waiting + 1, sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        p->waiting = bigger;
        p->waiting[p->n_waiting++] = sd_bus_message_ref(m);
        return 0;
}

pid_t peers_get_pid(Peers *p, sd_bus_message *m) {
        const char *name = sd_bus_message_get_sender(m);
        const Peer *peer = name ? peers_find(p, name) : NULL;

        return peer && peer->known ? peer->pid : 0;
}

int peers_get_uid(Peers *p, sd_bus_message *m, uid_t *ret, sd_bus_error *e) {
        const char *name = sd_bus_message_get_sender(m);
        Peer *peer;
        int r;

        if (!name)
                return sd_bus_error_set(e, SD_BUS_ERROR_ACCESS_DENIED,
                                        "The message has no sender; send it over a message bus.");

        peer = peers_find(p, name);
        if (peer) {
                list_unlink(&peer->node);
                list_link_before(p->list.next, &peer->node);
        } else {
                r = peers_add(p, name, &peer, e);
                if (r < 0)
                        return r;
        }
        if (peer->known) {
                *ret = peer->uid;
                return 1;
        }
        return peer_wait(peer, m, e);
}
