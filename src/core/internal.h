/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * internal.h: what the files of core share and nobody above sees. A file a noun: manager (the
 * whole), refresh (catching up with the kernel), parents, devices, definitions, operation, queue,
 * blocked, request, define, recover, unplug, leases, looks, autostart.
 */
#pragma once

#include <limits.h>

#include "backend/escort.h"
#include "backend/kmod.h"
#include "backend/touch.h"
#include "backend/udev.h"
#include "backend/watch.h"
#include "callout/callout.h"
#include "core/manager.h"
#include "names.h"
#include "util/log.h"

/* Workers at a time; what waits longest starts first. */
#define WORKERS_MAX 64
#define WORKERS_PER_PARENT_MAX 8
/* Processes of callout scripts at a time: types that nobody has heard of can be defined, too. */
#define ESCORTS_MAX 64
/*
 * Where creating a device takes no longer than this, more workers only take turns on the
 * processors: two until one has shown it. After that devices of that parent are made by one worker,
 * which has the next records in its hands while the results of those before are read. What a new
 * process takes to be there does not count. Where they do take longer all have that time before as
 * many more are started: on a busy machine anything looks slow, and eight would make it busier.
 * Where eight are slow, one record lies with each that it has not begun.
 */
#define WORKER_QUICK_USEC UINT64_C(50000)
#define WORKERS_PER_PARENT_QUICK 2
/*
 * A worker that runs longer is taken for blocked: it no longer holds others up, and no longer
 * counts among what runs. A parent with many of those takes no more, whatever the others do.
 */
#define WORKER_BLOCKED_USEC (2 * UINT64_C(1000000))
#define WORKERS_BLOCKED_PER_PARENT_MAX 256
#define WORKERS_BLOCKED_MAX 2048
/* Running and queued but not blocked, in all and of one parent; more are refused: OUTCOME_LIMIT. */
#define OPERATIONS_RUNNING_MAX 1024
#define OPERATIONS_PER_PARENT_MAX 512
/* Ended ones are remembered that long, and that many. */
#define OPERATION_LINGER_USEC (60 * UINT64_C(1000000))
#define OPERATIONS_ENDED_MAX 256

/* Before the bus and everything else: what is shown is never older than what was seen. */
#define PRIORITY_REFRESH (SD_EVENT_PRIORITY_IMPORTANT / 2)

typedef struct Load Load;
typedef struct Refresh Refresh;
typedef struct CountersRead CountersRead;
typedef struct Attempt Attempt;
typedef struct Tried Tried;
typedef struct LeaseUsers LeaseUsers;
typedef struct FunctionWait FunctionWait;

/* What keeps one parent busy: linked while it has running operations, each of which holds it. */
struct Load {
        List node;
        char *parent;
        size_t n_running; /* operations: queued, working or settling */
        size_t n_working; /* workers that count */
        size_t n_blocked; /* workers that have taken too long to count */
        size_t n_in_line; /* operations that wait for a worker to come to them */
        size_t n_slow;    /* of those that count: at it for more than WORKER_QUICK_USEC */
        size_t n_free;    /* workers that it could have at once, while they are looked at */
        size_t n_allowed; /* workers that count: twice as many each time that all are slow */
        bool held_up;     /* an operation that cannot be in line waits for a worker of its own */
        bool quick;       /* one has ended in less, and none has taken more since */
        Operation *first; /* that makes a device, and whose worker others may follow; or NULL */
};

/* What there is to catch up with, at the end of this turn of the loop. */
struct Refresh {
        sd_event_source *source;
        bool everything; /* events were lost: all parents and devices */
        bool query;      /* the kernel module, all that there is */
        bool failed;     /* nor is that known: it is asked for again when @again goes off */
        sd_event_source *again;
        Uuid claims[16]; /* reservations and devices of the module, one by one; more are all */
        size_t n_claims;
        bool autostart;  /* definitions may be startable */
        bool running;    /* it is being looked */
        bool settling;   /* operations end in this turn, and what that may change comes after it */
        bool available;  /* what can be made may be another, and sysfs is to say so */
        List parents;    /* of Name */
        List devices;    /* of Unseen */
        sd_event_source *timer; /* for mdevs that were incomplete */
        bool timed;             /* it has gone off: this look at them counts */
};

/* When counters were read, in turns of the loop; 0: never. */
struct CountersRead {
        uint64_t all;
        uint64_t turn; /* in which n_singles devices were asked for one by one */
        unsigned n_singles;
};

/* How many creates of one parent autostart has under way; clients' calls do not wait for all. */
#define AUTOSTART_AT_ONCE_MAX 32
/* After failures that nothing will tell the end of: 1, 2, 4, 8 and 16 s, then only at events. */
#define AUTOSTART_BACKOFF_USEC UINT64_C(1000000)
#define AUTOSTART_TRIES_MAX 5

typedef enum AttemptState {
        ATTEMPT_DUE,     /* when its parent is registered */
        ATTEMPT_RUNNING, /* an operation is under way */
        ATTEMPT_UP,      /* it was there; who stopped it then wanted it stopped */
        ATTEMPT_WAITING, /* it failed; again after a while, or when something has changed */
        ATTEMPT_FAILED,  /* too often; again when something has changed */
        ATTEMPT_NOTED,   /* its definition came while we run: nobody wants it now */
} AttemptState;

/* One device that is to be up. */
struct Attempt {
        List node;
        char *parent;  /* NULL: a profile takes any */
        char *profile; /* NULL: a definition wants it */
        const Want *want; /* borrowed from the rules in force; autostart_sync() follows them */
        Uuid uuid;
        AttemptState state;
        unsigned failures; /* since its parent was registered */
        uint64_t due_usec; /* CLOCK_MONOTONIC; of ATTEMPT_WAITING */
        char *why;         /* the last failure, logged once */
};

/*
 * A parent that was brought up, or in vain: not again before something changes. Who takes a device
 * from our driver by hand is not fought either. A worker that was killed on the way is no refusal,
 * and has left the device without any driver, maybe: that is tried again.
 */
struct Tried {
        List node;
        char *parent;
        unsigned kills;
        bool again;
        bool unbound; /* for want of our driver: it is worth a try once that has it */
};
#define TRIED_KILLS_MAX 3

/*
 * A mend whose worker has died is begun again after 1, 2, 4 and 8 s, then at a reload or a start.
 */
#define MEND_BACKOFF_USEC UINT64_C(1000000)
#define MENDS_AGAIN_MAX 4

struct Manager {
        sd_event *event;
        char *root;
        int root_fd;
        int lock_fd;
        Model *model;
        Config *config; /* its parents are in the model; its problems are kept here */
        Observer observer;
        Kmod *kmod; /* NULL: the module is not loaded */
        KmodEvents *kmod_events; /* of that */
        int control_fd; /* of an earlier daemon, until it is taken into use */
        Uevents *uevents;
        WorkerPool *workers;
        CalloutSeen callouts; /* whether there are callout scripts at all */
        bool callouts_exist;  /* what that was in a turn of the loop */
        uint64_t callouts_iteration; /* in which one; 0: in none */
        EscortLaunch launch; /* how processes for callout scripts are started */
        Watch *watch; /* of the definitions' files */
        Touch *touch; /* of what functions bear; NULL: no parent has such */
        uint64_t functions_usec; /* CLOCK_MONOTONIC; when they were last looked at before a no */
        List function_waits;     /* of FunctionWait: of functions whose files are yet to come */
        List cards_at_work;      /* of Card: before operations are recovered; see recover.c */
        sd_event_source *function_timer;
        List planned;
        List operations; /* in order of id; of those that have ended, only so many, so long */
        List active;     /* of these: who runs, or has ended and not been seen to since */
        List loads;
        size_t n_working, n_blocked; /* workers, of all loads */
        uint64_t next_id;
        size_t n_running, n_ended; /* of all operations */
        size_t n_closing;          /* of those that have ended */
        sd_event_source *linger; /* forgets ended operations */
        sd_event_source *blocked; /* looks again when workers may be blocked, or still are */
        Worker *look;             /* asks who has a device open whose removal is blocked */
        Operation *looked_at;     /* by that one */
        Refresh refresh;
        List writers; /* of Writer: who wait for the answer to a create request */
        List attempts;
        sd_event_source *available_timer;
        uint64_t available_usec; /* CLOCK_MONOTONIC; when it was last told how many can be made */
        sd_event_source *unplug;  /* for openers that are to be killed */
        sd_event_source *lease_timer;
        List lease_users; /* of LeaseUsers: of vendors' devices that are leased */
        bool any_leased;        /* false: no device is, and none need be looked at for that */
        bool any_in_two_places; /* the same of moves that are not at their end */
        List looks;       /* of Look: who asks who has a device open */
        uint64_t look_usec; /* how long one may take: LOOK_LIMIT_USEC */
        Worker *looking;  /* at the first of them */
        sd_event_source *backoff; /* for attempts that wait */
        sd_event_source *mends;   /* for mends that wait */
        List tried;
        bool started;    /* the model is built */
        bool autostart;  /* manager_autostart() was called */
        CountersRead counters;
};

/*
 * All of /proc is read well before that; a process that the kernel holds may hold who looks at it.
 */
#define LOOK_LIMIT_USEC (30 * UINT64_C(1000000))

/* A macro's argument may have no bare commas; LogFields for one. */
#define FIELDS(...) (&(LogFields){ __VA_ARGS__ })

/* ---- manager.c ---- */

#define manager_tell(m, member, object)                                                            \
        ({                                                                                         \
                available_note(m);                                                                 \
                if ((m)->observer.member)                                                          \
                        (m)->observer.member((object), (m)->observer.userdata);                    \
        })

/*
 * @timer goes off at @usec of CLOCK_MONOTONIC, once; made when it is first needed, and the
 * caller's. UINT64_MAX: not at all. Negative: it could not be set.
 */
int manager_set_timer(Manager *m, sd_event_source **timer, uint64_t usec,
                      sd_event_time_handler_t on_time);

/* ---- refresh.c ---- */

/* Marks something as to be looked at; done at the end of this turn of the loop. */
void refresh_all(Manager *m);
void refresh_query(Manager *m);
/* One reservation or device of our module. */
void refresh_claim(Manager *m, const Uuid *uuid);
void refresh_autostart(Manager *m);
/* @path (may be NULL): where a uevent saw it. */
void refresh_parent(Manager *m, const char *name, const char *path);
/* Only how many devices each of its types has room for may be another. */
void refresh_counts(Manager *m, const char *name);
void refresh_device(Manager *m, const Uuid *uuid);
/* Wakes the refresh for ended or settling operations. */
void refresh_wake(Manager *m);
/* At once: for the start, and where a refusal would rest on an old look. */
int refresh_now(Manager *m);
int refresh_parents_now(Manager *m);
/* Before a decision: in a turn of the refresh parents' counts come after the answers. */
int refresh_counts_now(Manager *m);
int refresh_init(Manager *m);
void refresh_done(Manager *m);
void refresh_on_uevent(const Uevent *event, void *userdata);

/* ---- module.c ---- */

/* 0 also where there is none: it may come later. */
int module_open(Manager *m);
/* Asks it for what was noted, by refresh_query() and refresh_claim(). */
int module_look(Manager *m);

/* ---- counters.c ---- */

/* The module has just been asked for other reasons, and its counters were taken, too. */
void counters_are_new(Manager *m);
void counters_are_new_of(Manager *m, Device *d);
void counters_take(Device *d, const KmodDevice *k);

/* ---- parents.c ---- */

/* Links what the configuration and the definitions name. */
int parents_link_configured(Manager *m);
/* Brings one parent in line with sysfs; links or unlinks it. */
int parents_update(Manager *m, const char *name, const char *path);
/* Only how many devices its types have room for. */
int parents_update_counts(Manager *m, const char *name);
int parents_update_all(Manager *m);
/* Takes over what the module says of one parent; links it where it is not known. */
int parents_apply_kmod(Manager *m, const KmodParent *k, Parent **ret);
/* The module speaks for the devices of @p, not sysfs. */
bool parents_is_governed(const Manager *m, const Parent *p);
/* Binds and configures what is configured, present and not tried in vain yet. */
void parents_bring_up(Manager *m);
void parents_configure_ended(Manager *m, const Operation *op);
/* Something changed for @name (NULL: all): what failed may be tried again. */
void parents_forgive(Manager *m, const char *name);
/* Frees the absent and unregistered that nothing names any more. */
void parents_collect(Manager *m);

/* ---- parents-config.c ---- */

/* Makes pools and types of @to those of @from (by value), sizes resolved by the BARs of @to. */
int parents_copy_config(Parent *to, const Parent *from);
/* Positive: the BARs do not hold the pools, @reason says why. */
int parents_check_config(const Parent *p, Reason *reason);
/*
 * Takes over pools and types as the kernel has them; what it knows nothing of comes from @config
 * (may be NULL), or from where the devices are that there are. @busy: types may be borrowed, none
 * is freed.
 */
int parents_adopt_config(Parent *p, const Parent *config, const KmodParent *k, bool busy);
/* Takes over from @config what the kernel knows nothing of; the rest is the same in both. */
int parents_adopt_rest(Parent *p, const Parent *config, bool *changed);
bool parents_config_equals(const Parent *p, const Parent *kernel);
const Parent *parents_find_config(const Manager *m, const char *name);

/* ---- rules.c ---- */

/*
 * At start: nothing was seen yet, and rules that contradict themselves forbid more than none would.
 */
void rules_begin(Manager *m);
/* Says what is wrong with the rules in force, once the devices were seen. -ENOMEM. */
int rules_check(Manager *m);
/*
 * Puts the rules of @config in force, unless they contradict themselves or were not read whole;
 * then those in force stay. Either way what is wrong is among its problems. -ENOMEM: nothing
 * changed.
 */
int rules_take(Manager *m, Config *config);

/* ---- devices.c ---- */

/* Brings the vendors' mdev of that UUID in line with sysfs. Positive: incomplete, look again. */
int devices_update(Manager *m, const Uuid *uuid);
int devices_update_all(Manager *m);
/* Brings all devices of our module in line with its snapshot. */
int devices_apply_kmod(Manager *m, const KmodSnapshot *s);
/* The same of one of our module's, as kmod_query_one() has it; @s NULL: there is none. */
int devices_apply_claim(Manager *m, const Uuid *uuid, const KmodSnapshot *s);
void devices_unlink(Manager *m, Device *d);
/* The origin of a device that is about to be made is noted; taken back when it was not made. */
int devices_announce(Manager *m, const Record *record);
void devices_withdraw(Manager *m, const Uuid *uuid);
int devices_set_owner(Manager *m, Device *d, const char *owner);
void devices_note_opener(Manager *m, const KmodEvent *event);
int devices_sweep_origins(Manager *m);

/* ---- operation.c ---- */

/* Takes @record. Links, plans and tells; the worker starts when there is room. */
int operation_new(Manager *m, Record *record, OperationPhase phase, Operation **ret);
Operation *operation_free(Operation *op);
/* The active device that a record is about, or NULL. */
Device *operation_device_of(Manager *m, const Record *record);
void operation_set_result(Operation *op, Outcome outcome, int error, const char *format, ...)
        _printf_(4, 5);
/* Its record has the result. Waiters are called by operations_settle(). */
void operation_end(Operation *op);
uint64_t operation_now_usec(void);       /* CLOCK_REALTIME */
uint64_t operation_monotonic_usec(void); /* CLOCK_MONOTONIC */
/* After the model has caught up: ends those whose worker is gone, calls waiters. */
void operations_settle(Manager *m);
Operation *operation_find_running(Manager *m, const char *parent, const Uuid *uuid);
bool operation_parent_is_busy(Manager *m, const char *parent);
size_t operations_count_running(Manager *m);
/* A create of that UUID runs and has not reported: the device is not to be linked yet. */
bool operation_claims(Manager *m, const Uuid *uuid);
/* The settled create that made (or found) the device of @uuid on @parent; NULL: none. */
Operation *operation_find_maker(Manager *m, const char *parent, const Uuid *uuid);
/* A settled create that may or may not have made it; NULL: none. */
Operation *operation_find_doubtful(Manager *m, const char *parent, const Uuid *uuid);
bool operation_is_creating(Manager *m, const Uuid *uuid);
void operations_forget_device(Manager *m, const Device *d);
/* Something in sysfs may be another after it; a definition alone is not. */
bool operation_changes_kernel(const Operation *op);
/*
 * Whether the worker got as far as making it, or was killed on the way and may have. Who finds the
 * record later cannot tell that from a device that somebody made by hand meanwhile: only one that
 * would have to be undone must be in the record.
 */
bool operation_may_have_made(const Operation *op);

/* ---- settle.c ---- */

/* Its worker is gone and the model is up to date: gives it the result that the kernel shows. */
void operation_settle(Operation *op);
/* Settled, and not at its end: it is in the queue once more. */
bool operation_again(Operation *op);

/* One of the operation's moves is of that device. */
bool operation_moves(const Operation *op, const Uuid *uuid);
/* What it was to take is taken, or never will be. */
void operation_unplan(Operation *op);

/* ---- ended.c ---- */

/*
 * What an operation leaves that who waits for it does not wait for: its line in the log, and that
 * its record goes. Nothing, but for one that has ended and was not closed.
 */
void operation_close(Operation *op);
/* The same of all that have ended, now or when less is to be done. */
void ended_close(Manager *m);
/* It is remembered for a while. */
/* What its lines in the log are found by; @uuid holds the text of one. */
LogFields operation_fields(const Operation *op, char uuid[UUID_STRING_MAX]);
void ended_remember(Manager *m);
/* Forgets the oldest of too many. */
void ended_trim(Manager *m);

/* ---- queue.c ---- */

/* Starts what may start now. */
void operation_dispatch(Manager *m);
/* Of a running one, only by this: what its parent keeps busy is counted by phases. */
void operation_set_phase(Operation *op, OperationPhase phase);
/* Takes a new one into account, and an ended one out of it. */
int load_add(Operation *op);
void load_remove(Operation *op);
/* Positive: one more, of @parent (NULL: not known yet), would be too many, and @reason says so. */
int load_check(Manager *m, const char *parent, Reason *reason);
/* Running operations of @parent whose workers are not blocked. */
size_t load_count(Manager *m, const char *parent);
void operation_on_worker(Worker *w, const Record *record, void *userdata);
void operation_on_turn(Worker *w, Turn turn, void *userdata);
/* Nothing was done yet of operations that are in line: they wait for the next daemon. */
void operations_recall(Manager *m);

/* ---- blocked.c ---- */

/*
 * Looks again when a worker may be blocked, and after that at what it waits for. @usec: somebody in
 * the queue has use for that sooner; 0: nobody.
 */
void blocked_watch(Manager *m, uint64_t usec);
/* It is not blocked any more. */
void blocked_forget(Operation *op);

/* ---- callouts.c ---- */

/* No other operation on its type is between its "pre" and its "post", or it has no scripts. */
bool callouts_may_start(const Operation *op);
/* 0: no script has a say (any more). Positive: they are asked, and it goes on when they agree. */
int callouts_begin(Operation *op);
/* Its result is known. True: scripts are told, and operation_end() is called again after that. */
bool callouts_end(Operation *op);

/* ---- definitions.c ---- */

/* Reads them all; those of the model become what was read, and on failure stay as they are. */
int definitions_load(Manager *m, List *problems);
int definitions_watch(Manager *m);
/* Positive: there is one, @reason says so. */
int definitions_check_new(Manager *m, const char *parent, const Uuid *uuid, Reason *reason);
/*
 * When an operation's worker is gone and its result is known: puts a prepared definition in its
 * place if all went well, and starts a second worker that makes sure of it, or that cleans up.
 * False: there is nothing more to do, the operation can end.
 */
bool definitions_follow(Operation *op);
/* The first step of an undefine, which has no first worker. */
int definitions_start_undefine(Operation *op);

/* ---- request.c ---- */

int request_refuse_running(const Operation *op, const Uuid *uuid, Reason *reason);
int request_set_string(char **to, const char *from);
int request_set_client(Record *r, const char *client);
/* One about @p, which must be in sysfs: -ENODEV. */
int request_make_record(Record **ret, RecordKind kind, const Parent *p, const char *client);
/*
 * policy_place(), after another look where a refusal would rest on a reservation that may be gone.
 */
int request_place(Manager *m, const Request *q, Placement *ret, Reason *reason);
/* The record of the create. -ENODEV: the parent has just gone. */
int request_make_create(const Request *q, const Placement *place, const char *client,
                        Record **ret);

/* ---- holds.c ---- */

/* A suspend has reached what it is for when the model shows the device held. */
void holds_note(Operation *op);

/* ---- moves.c ---- */

/* Adds them. Positive: it cannot be, @reason says why. */
int moves_add_to_record(Manager *m, const Moves *moves, Record *record, Reason *reason);
/* The state of the devices that it moves is another. */
void moves_tell(Operation *op);
bool moves_has_nested_vmx(Manager *m);

/* ---- mends.c ---- */

/* The worker is gone: a move that it left in the middle gets an operation that ends it. */
void mends_settle(Operation *op);
/* After the model has caught up: begins again what has waited for long enough. */
void mends_check(Manager *m);
/*
 * Now, and as often as ever: at start, also for those whose record an earlier daemon took away
 * before it had begun that; and at a reload.
 */
void mends_begin(Manager *m);

/* ---- writers.c ---- */

/* One that waits for an answer, or does no more. */
void writers_note(Manager *m, const KmodEvent *event);
/* The module is open: it tells of them. */
int writers_listen(Manager *m);
/* The module has gone, and they with it. */
void writers_forget(Manager *m);
/* After the model has caught up: each gets his answer. */
void writers_answer(Manager *m);
/*
 * The module has said what there is, of @uuid or (NULL) of all, and what was granted before is in
 * it; then the model agrees with it.
 */
void writers_note_snapshot(Manager *m, const Uuid *uuid);
void writers_settle(Manager *m, const Uuid *uuid);
/* Whether somebody asks for @uuid, or was granted it and it is not seen yet. */
bool writers_await(const Manager *m, const Uuid *uuid);

/* ---- available.c ---- */

/* Something has changed that may alter what can be made: looked at when the model has caught up. */
void available_note(Manager *m);
/* The module knows nothing (any more) of what it was told of @parent, NULL: of all. */
void available_forget(Manager *m, const char *parent);
void available_tell(Manager *m);

/* ---- recover.c ---- */

int recover_operations(Manager *m);
/*
 * Which parents have virtual functions that a worker of an earlier daemon has been at for long:
 * until its operation is known again nobody looks at them, for the driver may make who reads wait.
 */
int recover_note_cards(Manager *m);
bool recover_has_card(Manager *m, const char *parent);
void recover_forget_cards(Manager *m);

/* ---- profiles.c ---- */

typedef int (*ProfileWantFn)(Manager *m, const Profile *profile, const Want *want,
                             const Uuid *uuid, void *userdata);

/* Every device of every profile, with its UUID; an answer other than 0 ends it. */
int profiles_foreach(Manager *m, ProfileWantFn fn, void *userdata);
/* @d is what @w wants, as far as type and parent go. */
bool profiles_has(const Want *w, const Device *d);
/* As manager_create(). */
int profiles_start(Manager *m, const char *profile, const Want *w, const Uuid *uuid, bool force,
                   const char *client, Operation **ret, Reason *reason);
/* A problem for each UUID that a definition has, too. */
int profiles_check(Manager *m, List *problems);
/* What profiles had made and want no more, at start. */
void profiles_remove_unwanted(Manager *m);

/* ---- apply.c ---- */

typedef struct Application Application;

Application *application_free(Application *a);
void application_get_progress(const Application *a, Progress *ret);
/* The model has caught up, and others' operations have ended: one that waits for that goes on. */
void application_go_on(Operation *op);

/* ---- unplug.c ---- */

/* Kills who has had a device open for too long since its parent began to go away. */
void unplug_check(Manager *m);

/* ---- function-waits.c ---- */

/*
 * @event is of a function of @card. If its files are yet to come, @card is looked at when they
 * have.
 */
int function_waits_note(Manager *m, const Uevent *event, const char *card);
void function_waits_done(Manager *m);

/* ---- leases.c ---- */

uint64_t leases_now_usec(void); /* CLOCK_MONOTONIC */
/* A device was linked: its time begins, unless it began under an earlier daemon. */
void leases_begin(Manager *m, Device *d);
/* Whether somebody has the device open. */
void leases_note_open(Manager *m, Device *d, bool open, uint64_t now);
/* Begins to remove one whose lease is due. */
void leases_end(Manager *m, Device *d, uint64_t now);
/* After the model has caught up: ends those that are due, and sets the timer for the others. */
void leases_check(Manager *m);
void leases_check_at(Manager *m, uint64_t now);
/* Positive: what is, or will be, defined cannot be leased, and @reason says so. */
int leases_check_request(Manager *m, const Request *q, const Parent *p, Reason *reason);
int leases_check_define(const Device *d, Reason *reason); /* @d may be NULL */

/* ---- lease-users.c ---- */

/* The same of a vendor's device. Answers when to look again; UINT64_MAX: an event will tell. */
uint64_t lease_users_check(Manager *m, Device *d, uint64_t now);
void lease_users_forget(Manager *m, Device *d);
void lease_users_done(Manager *m);

/* ---- looks.c ---- */

/* How often and by whom it is open, as the model has it now; for devices of ours. */
int looks_note_opened(const Device *d, Record *record);
/*
 * Asks who has it open. @d: what the model knows of it (may be NULL); a worker answers by the rest.
 */
int looks_make_question(const char *parent, const char *parent_path, const Uuid *uuid,
                        const Device *d, bool ours, Record **ret);
/* As manager_find_holders(), but for the daemon itself, whom no limit of calls keeps waiting. */
int looks_ask(Manager *m, const Device *d, HoldersDone done, void *userdata, Reason *reason);
/* Who asks is told nothing any more. */
void looks_done(Manager *m);

/* ---- autostart.c ---- */

void autostart_run(Manager *m);
void autostart_operation_ended(Manager *m, const Operation *op);
/* Failed ones of @parent (NULL: all) are due again; @all: those that were up, too. */
void autostart_retry(Manager *m, const char *parent, bool all);
/* After the definitions were read anew. */
void autostart_sync(Manager *m);
/*
 * A definition came, changed or went while we run (NULL: any may have): it is not started at once,
 * but with its parent, or with the daemon.
 */
void autostart_note(Manager *m, const char *parent, const Uuid *uuid);
void autostart_done(Manager *m);
