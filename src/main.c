/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c: the command line, the order in which the layers start and stop, and the signals. The
 * service manager is told READY once the model is built and clients can call; what the
 * configuration wants made comes after that, so that it delays nobody.
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "backend/escort.h"
#include "backend/worker.h"
#include "bus/bus.h"
#include "config/store.h"
#include "core/manager.h"
#include "names.h"
#include "offline/offline.h"
#include "util/log-ids.h"
#include "util/log.h"
#include "util/notify.h"
#include "util/process.h"

typedef enum Verb {
        VERB_RUN,
        VERB_HELP,
        VERB_VERSION,
        VERB_CHECK_CONFIG,
        VERB_EXPLAIN_POLICY,
        VERB_CONVERT_VGPU,
        VERB_WORKER,
        VERB_ESCORT,
        VERB_INTROSPECT,
        VERB_WAIT_DEVICES,
} Verb;

typedef struct Arguments Arguments;

struct Arguments {
        Verb verb;
        const char *root;
        const char *file; /* to check or explain; NULL: all that the daemon would read */
        bool json;
        unsigned seconds; /* to wait at most */
};

static const char help_text[] =
        "mdevd [OPTIONS…]\n"
        "\n"
        "Divides PCI devices among virtual machines, as mediated devices (vfio-mdev), and manages\n"
        "those of all other drivers. It is a service: `systemctl start mdevd` runs it, clients\n"
        "reach it on the system bus as " MDEVD_BUS_NAME ".\n"
        "\n"
        "Options:\n"
        "  -h, --help               This text\n"
        "      --version            The version\n"
        "      --check-config[=FILE] [--json]\n"
        "                           Say what is wrong with FILE, or with all that is read at\n"
        "                           start, as file:line:column: sentence; fails if anything is\n"
        "      --explain-policy[=FILE] [--json]\n"
        "                           Print the rules of FILE, or of all that is read at start, in\n"
        "                           the order in which they count; fails if they contradict\n"
        "                           each other\n"
        "      --convert-vgpu-config=FILE\n"
        "                           Print a configuration of NVIDIA's vgpu-device-manager as\n"
        "                           profiles, for the GPUs of this host\n"
        "      --log-level=LEVEL    emerg, alert, crit, err, warning, notice, info or debug\n"
        "      --root=DIR           Use DIR/etc, DIR/sys, DIR/dev, DIR/run: for tests\n"
        "      --bus-introspect     Print the D-Bus interfaces\n"
        "      --wait-devices[=SECONDS]\n"
        "                           Wait until the running service has brought up all that is to\n"
        "                           be up, or failed to; not longer than that (90)\n"
        "\n"
        "Files:\n"
        "  /etc/mdevd/mdevd.json, /etc/mdevd/mdevd.d/*.json\n"
        "                           What to divide, and how; defaults are below /usr/lib/mdevd\n"
        "  /etc/mdevctl.d/PARENT/UUID\n"
        "                           Devices that shall be there after every boot\n"
        "\n"
        "A device for whom it may concern, on whichever parent has room; the map of who has what;\n"
        "and what happened:\n"
        "  busctl call " MDEVD_BUS_NAME " " MDEVD_OBJECT_ROOT " " MDEVD_IFACE_MANAGER
        " \\\n"
        "          CreateDevice 'ssa{sv}' '' TYPE 1 owner s NAME\n"
        "  busctl call " MDEVD_BUS_NAME " " MDEVD_OBJECT_ROOT " " MDEVD_IFACE_MANAGER " Describe\n"
        "  journalctl -u mdevd\n"
        "\n"
        "The bus is the system bus, or the one in $DBUS_SYSTEM_BUS_ADDRESS. SIGHUP, or\n"
        "`systemctl reload mdevd`, reads the configuration anew; devices that exist are not\n"
        "touched. Stopping the daemon removes no device and disturbs no virtual machine.\n";

static int set_log_level(const char *name) {
        int level = log_level_from_string(name);

        if (level < 0) {
                fprintf(stderr, "mdevd: \"%s\" is no log level; see mdevd --help.\n", name);
                return level;
        }
        log_set_max_level(level);
        return 0;
}

enum {
        OPTION_VERSION = 0x100,
        OPTION_CHECK_CONFIG,
        OPTION_EXPLAIN_POLICY,
        OPTION_JSON,
        OPTION_LOG_LEVEL,
        OPTION_ROOT,
        OPTION_WORKER,
        OPTION_ESCORT,
        OPTION_INTROSPECT,
        OPTION_WAIT_DEVICES,
        OPTION_CONVERT_VGPU,
};

static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "check-config", optional_argument, NULL, OPTION_CHECK_CONFIG },
        { "explain-policy", optional_argument, NULL, OPTION_EXPLAIN_POLICY },
        { "json", no_argument, NULL, OPTION_JSON },
        { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
        { "root", required_argument, NULL, OPTION_ROOT },
        { "worker", no_argument, NULL, OPTION_WORKER },
        { "escort", no_argument, NULL, OPTION_ESCORT },
        { "bus-introspect", no_argument, NULL, OPTION_INTROSPECT },
        { "convert-vgpu-config", required_argument, NULL, OPTION_CONVERT_VGPU },
        { "wait-devices", optional_argument, NULL, OPTION_WAIT_DEVICES },
        {},
};

#define WAIT_SECONDS 90
#define WAIT_SECONDS_MAX 86400

static int set_seconds(const char *text, unsigned *ret) {
        char *end;
        unsigned long n;

        if (!text)
                return 0;
        errno = 0;
        n = strtoul(text, &end, 10);
        if (errno || text[0] < '0' || text[0] > '9' || *end || n > WAIT_SECONDS_MAX) {
                fprintf(stderr,
                        "mdevd: \"%s\" is no number of seconds up to %d; see mdevd --help.\n",
                        text, WAIT_SECONDS_MAX);
                return -EINVAL;
        }
        *ret = (unsigned) n;
        return 0;
}

static int parse_option(int c, Arguments *args) {
        switch (c) {
        case 'h':
                args->verb = VERB_HELP;
                return 0;
        case OPTION_VERSION:
                args->verb = VERB_VERSION;
                return 0;
        case OPTION_CHECK_CONFIG:
                args->verb = VERB_CHECK_CONFIG;
                args->file = optarg;
                return 0;
        case OPTION_EXPLAIN_POLICY:
                args->verb = VERB_EXPLAIN_POLICY;
                args->file = optarg;
                return 0;
        case OPTION_CONVERT_VGPU:
                args->verb = VERB_CONVERT_VGPU;
                args->file = optarg;
                return 0;
        case OPTION_JSON:
                args->json = true;
                return 0;
        case OPTION_LOG_LEVEL:
                return set_log_level(optarg);
        case OPTION_ROOT:
                args->root = optarg;
                return 0;
        case OPTION_WORKER:
                args->verb = VERB_WORKER;
                return 0;
        case OPTION_ESCORT:
                args->verb = VERB_ESCORT;
                return 0;
        case OPTION_INTROSPECT:
                args->verb = VERB_INTROSPECT;
                return 0;
        case OPTION_WAIT_DEVICES:
                args->verb = VERB_WAIT_DEVICES;
                return set_seconds(optarg, &args->seconds);
        default:
                fprintf(stderr, "See mdevd --help.\n"); /* getopt has said what is wrong */
                return -EINVAL;
        }
}

static int parse_arguments(int argc, char *argv[], Arguments *ret) {
        Arguments args = { .verb = VERB_RUN, .root = "/", .seconds = WAIT_SECONDS };
        int c, r;

        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
                r = parse_option(c, &args);
                if (r < 0)
                        return r;
        }
        /* "--check-config FILE", as everybody types it */
        if ((args.verb == VERB_CHECK_CONFIG || args.verb == VERB_EXPLAIN_POLICY) && !args.file &&
            optind < argc)
                args.file = argv[optind++];
        if (args.json && args.verb != VERB_EXPLAIN_POLICY && args.verb != VERB_CHECK_CONFIG) {
                fprintf(stderr, "mdevd: --json goes with --check-config or --explain-policy; see "
                                "mdevd --help.\n");
                return -EINVAL;
        }
        if (optind < argc) {
                fprintf(stderr, "mdevd: \"%s\" is one argument too many; see mdevd --help.\n",
                        argv[optind]);
                return -EINVAL;
        }
        *ret = args;
        return 0;
}

/* ---- the daemon ---- */

static int on_terminate(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        log_info(&(LogFields){ .topic = "main" }, "Stopping.");
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        (void) bus_reload(userdata); /* it has said what went wrong; what was in force still is */
        return 0;
}

/* SIGCHLD for the workers. SIGPIPE: a reader of our stderr that goes must not take us along. */
static int block_signals(void) {
        sigset_t set;

        if (sigemptyset(&set) < 0 || sigaddset(&set, SIGTERM) < 0 || sigaddset(&set, SIGINT) < 0 ||
            sigaddset(&set, SIGHUP) < 0 || sigaddset(&set, SIGCHLD) < 0 ||
            sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return -errno;
        return 0;
}

/* As sd_event_set_watchdog(), but for that it waits for nobody who does not read. */
static int on_watchdog(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t period;
        int r;

        (void) notify_send(false, -1, "WATCHDOG=1");
        r = sd_watchdog_enabled(false, &period);
        if (r > 0)
                r = sd_event_source_set_time_relative(s, period / 2);
        return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int feed_watchdog(sd_event *event) {
        uint64_t period;
        int r;

        r = sd_watchdog_enabled(false, &period);
        if (r <= 0)
                return r;
        return sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, period / 2, period / 4,
                                          on_watchdog, NULL);
}

static int setup_event(sd_event **ret) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        int r;

        r = block_signals();
        if (r < 0)
                return r;
        r = sd_event_default(&event);
        if (r < 0)
                return r;
        r = sd_event_add_signal(event, NULL, SIGTERM, on_terminate, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_terminate, NULL);
        if (r >= 0)
                r = feed_watchdog(event);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(event);
        return 0;
}

static void tell_ready(Manager *m) {
        const Model *model = manager_get_model(m);

        log_info((&(LogFields){ .message_id = LOG_ID_STARTED, .topic = "main" }),
                 "mdevd %s is ready: %zu parents, %zu devices, %zu definitions.", MDEVD_VERSION,
                 list_length(&model->parents), list_length(&model->devices),
                 list_length(&model->definitions));
        (void) notify_send(true, -1, "READY=1");
}

/* What the service manager has kept over a restart. What has another name is none of ours. */
static void take_kept(Manager *m) {
        char **names = NULL;
        int n;

        n = sd_listen_fds_with_names(true, &names);
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
                if (streq(names[i], MDEVD_FD_CONTROL))
                        manager_take_control(m, fd);
                else
                        safe_close(fd);
                free(names[i]);
        }
        free(names);
}

/* Beside us where we were built, else where it is installed. Without it workers are as we are. */
static void find_worker_program(Manager *m) {
        _cleanup_(freep) char *beside = NULL;
        _cleanup_(closep) int fd = -EBADF;
        char own[PATH_MAX];
        int high;

        if (own_program_path(own, sizeof(own)) >= 0 &&
            asprintf(&beside, "%s-worker", own) >= 0)
                fd = open(beside, O_PATH | O_CLOEXEC);
        if (fd < 0)
                fd = open(MDEVD_WORKER_PROGRAM, O_PATH | O_CLOEXEC);
        if (fd < 0) {
                log_debug(&(LogFields){ .topic = "main" },
                          "There is no " MDEVD_WORKER_PROGRAM "; workers are this program.");
                return;
        }
        /* above those that a worker is given: they are put in place one after the other */
        high = fcntl(fd, F_DUPFD_CLOEXEC, WORKER_PROGRAM_FD + 1);
        if (high >= 0)
                manager_set_worker_program(m, high);
}

static int start(sd_event *event, Manager *m, const char *root, Bus **ret) {
        _cleanup_(bus_freep) Bus *bus = NULL;
        int r;

        take_kept(m);
        find_worker_program(m);
        r = manager_start(m);
        if (r < 0)
                return r;
        r = bus_new(&bus, event, m);
        if (r < 0)
                return r;
        if (streq(root, "/") && sd_booted() > 0)
                bus_launch_outside(bus);
        r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, bus);
        if (r < 0)
                return r;
        r = bus_start(bus);
        if (r < 0)
                return r;
        tell_ready(m);
        r = manager_autostart(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static int run(const char *root) {
        /* in the order of their making; gone in reverse */
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_(bus_freep) Bus *bus = NULL;
        int r;

        r = setup_event(&event);
        if (r >= 0)
                r = manager_new(&m, event, root);
        if (r >= 0)
                r = start(event, m, root, &bus);
        if (r < 0) {
                (void) log_error_errno(r, &(LogFields){ .topic = "main" },
                                       "mdevd cannot start: %m");
                return EXIT_FAILURE;
        }

        r = sd_event_loop(event);
        (void) notify_send(true, -1, "STOPPING=1\nSTATUS=Stopping; devices stay.");
        if (r < 0)
                (void) log_error_errno(r, &(LogFields){ .topic = "main" },
                                       "The event loop failed: %m");
        else if (r != EXIT_SUCCESS)
                log_error(&(LogFields){ .topic = "main" }, "The connection to the bus broke.");
        log_info((&(LogFields){ .message_id = LOG_ID_STOPPED, .topic = "main" }),
                 "mdevd has stopped; devices stay.");
        return r == EXIT_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What a worker needs of a layer that it is not to know. */
static const WorkerAbove worker_above = {
        .prepare = store_prepare,
        .settle = store_settle,
        .kill_unit = bus_kill_unit,
};

static int print_interfaces(void) {
        int r;

        r = bus_introspect(stdout);
        if (r < 0) {
                fprintf(stderr, "mdevd: cannot print the interfaces: %s.\n", strerror(-r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        Arguments args;

        log_open("mdevd", sd_journal_sendv);
        if (parse_arguments(argc, argv, &args) < 0)
                return EXIT_FAILURE;
        switch (args.verb) {
        case VERB_HELP:
                fputs(help_text, stdout);
                return EXIT_SUCCESS;
        case VERB_VERSION:
                puts("mdevd " MDEVD_VERSION);
                return EXIT_SUCCESS;
        case VERB_CHECK_CONFIG:
                return offline_check_config("mdevd: ", args.root, args.file, args.json);
        case VERB_EXPLAIN_POLICY:
                return offline_explain_policy("mdevd: ", args.root, args.file, args.json);
        case VERB_CONVERT_VGPU:
                return offline_convert_vgpu(args.root, args.file);
        case VERB_WORKER:
                return worker_main(WORKER_SOCKET_FD, args.root, &worker_above);
        case VERB_ESCORT:
                return escort_main(ESCORT_SOCKET_FD, args.root);
        case VERB_INTROSPECT:
                return print_interfaces();
        case VERB_WAIT_DEVICES:
                return bus_wait_devices(args.seconds);
        case VERB_RUN:
                break;
        }
        return run(args.root);
}
