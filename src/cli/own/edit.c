/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit.c: the verb "edit": a definition in an editor. What was written is read before the daemon
 * gets it, and whatever is refused can be mended: the text stays until it is accepted.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "cli/jsonfile.h"
#include "cli/own/exit.h"
#include "cli/own/find.h"
#include "cli/own/follow.h"
#include "cli/own/own.h"
#include "config/store.h"
#include "names.h"

typedef struct Edit Edit;

struct Edit {
        Target target;
        char *file;         /* of the text at hand; it is ours until it is accepted */
        Definition *before; /* as the daemon has it */
        bool sent;          /* it was asked to change it: only it knows what came of that */
};

static void edit_done(Edit *e) {
        definition_free(e->before);
        free(e->file);
        target_done(&e->target);
}

/* ---- from the daemon ---- */

static int read_pairs(sd_bus_message *m, Definition *d) {
        const char *name, *value;
        int r = sd_bus_message_enter_container(m, 'a', "(ss)");

        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &name, &value)) > 0)
                r = definition_add_attribute(d, name, value);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int load_attributes(Edit *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_method(&e->target.client, e->target.path, MDEVD_IFACE_DEVICE, "GetAttributes",
                          &m);
        if (r == 0)
                r = client_send(&e->target.client, m, &reply);
        if (r > 0)
                return exit_refused(&e->target.client);
        if (r >= 0)
                r = read_pairs(reply, e->before);
        return r < 0 ? answer_failed_errno(r, "cannot ask mdevd") : EXIT_SUCCESS;
}

static int load(Edit *e, const char *word) {
        const JsonNode *d;
        Uuid uuid;
        int r;

        r = target_find(&e->target, word);
        if (r != EXIT_SUCCESS)
                return r;
        d = e->target.found.definition;
        if (!d) {
                (void) answer_failed("%s is not defined, so there is nothing to edit; `mdevdctl "
                                     "define` makes a definition.", e->target.found.uuid);
                return EXIT_NOTHING_THERE;
        }
        if (node_text(d, "invalid"))
                return answer_failed("%s: correct that file itself, mdevd sees it as soon as it is "
                                     "written.", node_text(d, "invalid"));
        r = uuid_parse(e->target.found.uuid, &uuid);
        if (r >= 0)
                r = definition_new(&e->before, e->target.found.parent, &uuid);
        if (r >= 0) {
                e->before->type = strdup(node_text(d, "type") ?: "");
                e->before->autostart = node_true(d, "autostart");
                r = e->before->type ? 0 : -ENOMEM;
        }
        return r < 0 ? answer_failed_errno(r, "cannot read it") : load_attributes(e);
}

/* ---- the text ---- */

/* For nobody else's eyes: attributes may be secrets. */
static int write_text(Edit *e) {
        const char *tmp = getenv("TMPDIR");
        _cleanup_(freep) char *text = NULL;
        int fd, r;

        r = store_format(e->before, &text);
        if (r < 0)
                return r;
        if (asprintf(&e->file, "%s/mdevdctl-edit.XXXXXX.json", tmp && tmp[0] ? tmp : "/tmp") < 0) {
                e->file = NULL;
                return -ENOMEM;
        }
        fd = mkostemps(e->file, (int) strlen(".json"), O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = dprintf(fd, "%s\n", text) < 0 ? -errno : 0;
        if (close(fd) < 0 && r >= 0)
                r = -errno;
        return r;
}

static const char *editor_of(void) {
        static const char *const names[] = { "MDEVDCTL_EDITOR", "VISUAL", "EDITOR" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                const char *value = getenv(names[i]);

                if (value && value[0])
                        return value;
        }
        return "editor";
}

/* By a shell, for "emacs -nw" is an editor as well. */
static int run_editor(const Edit *e) {
        _cleanup_(freep) char *command = NULL;
        int status;
        pid_t pid;

        /* a shell that has no trap would die of the editor's Ctrl-C, with its result */
        if (asprintf(&command, "trap : INT QUIT; %s \"$1\"", editor_of()) < 0) {
                command = NULL;
                return answer_failed_errno(-ENOMEM, "cannot run an editor");
        }
        (void) fflush(stdout);
        /* Ctrl-C is the editor's while it runs: what it holds is not ours to lose */
        (void) signal(SIGINT, SIG_IGN);
        (void) signal(SIGQUIT, SIG_IGN);
        pid = fork();
        if (pid == 0) {
                (void) signal(SIGINT, SIG_DFL);
                (void) signal(SIGQUIT, SIG_DFL);
                (void) signal(SIGPIPE, SIG_DFL);
                (void) execl("/bin/sh", "sh", "-c", command, "sh", e->file, (char *) NULL);
                _exit(127);
        }
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        (void) signal(SIGINT, SIG_DFL);
        (void) signal(SIGQUIT, SIG_DFL);
        if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return answer_failed("the editor \"%s\" failed; set $EDITOR to one that is there.",
                                     editor_of());
        return EXIT_SUCCESS;
}

static void on_interrupt(int signal) {
        (void) signal; /* it ends the reading */
}

/*
 * Only where somebody can answer. Ctrl-C is a no, and where the text is kept is said all the same.
 */
static bool wants_again(void) {
        const struct sigaction action = { .sa_handler = on_interrupt };
        struct sigaction before;
        char answer[16], *line;

        if (!isatty(STDIN_FILENO))
                return false;
        (void) fputs("Edit it again? [Y/n] ", stderr);
        (void) sigaction(SIGINT, &action, &before);
        line = fgets(answer, sizeof(answer), stdin);
        (void) sigaction(SIGINT, &before, NULL);
        if (!line)
                (void) fputc('\n', stderr);
        return line && line[0] != 'n' && line[0] != 'N';
}

/* ---- back to the daemon ---- */

static int send(Edit *e, const Definition *after, const Given *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = client_method(&e->target.client, e->target.path, MDEVD_IFACE_DEVICE, "ModifyAsync", &m);
        if (r == 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "autostart", "b", (int) after->autostart);
        if (r >= 0 && !streq(after->type, e->before->type))
                r = sd_bus_message_append(m, "{sv}", "type", "s", after->type);
        if (r >= 0)
                r = client_append_attributes(m, after);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return answer_failed_errno(r, "cannot ask mdevd");
        e->sent = true;
        return follow_and_print(&e->target.client, m, given);
}

static bool is_unchanged(const Definition *a, const Definition *b) {
        return streq(a->type, b->type) && a->autostart == b->autostart &&
               attributes_equal(a->attributes, a->n_attributes, b->attributes, b->n_attributes);
}

/* EXIT_SUCCESS: the text has done its service. */
static int try_text(Edit *e, const Given *given) {
        _cleanup_(definition_freep) Definition *after = NULL;
        int r;

        r = run_editor(e);
        if (r != EXIT_SUCCESS)
                return r;
        r = definition_new(&after, e->before->parent, &e->before->uuid);
        if (r < 0)
                return answer_failed_errno(r, "cannot read it");
        r = jsonfile_read(e->file, after);
        if (r != EXIT_SUCCESS)
                return r;
        if (is_unchanged(e->before, after)) {
                (void) fputs("Nothing was changed.\n", stderr);
                return target_print(&e->target, given);
        }
        return send(e, after, given);
}

static int run(const Verb *verb, const Given *given) {
        _cleanup_(edit_done) Edit e = {};
        int r;

        (void) verb;
        r = load(&e, given->operand);
        if (r != EXIT_SUCCESS)
                return r;
        r = write_text(&e);
        if (r < 0)
                return answer_failed_errno(r, e.file ?: "cannot write a temporary file");
        do
                r = try_text(&e, given);
        while (r != EXIT_SUCCESS && r != EXIT_INTERRUPTED && wants_again());
        if (r == EXIT_SUCCESS)
                (void) unlink(e.file);
        else if (e.sent)
                (void) fprintf(stderr, "What you wrote is kept in %s; `mdevdctl status %s` shows "
                               "the definition as it is.\n", e.file, e.target.found.uuid);
        else
                (void) fprintf(stderr, "What you wrote is kept in %s; the definition is as it "
                               "was.\n", e.file);
        return r;
}

static const Option options[] = { OWN_JSON_OPTIONS };

const Verb own_edit = {
        .name = "edit",
        .title = "Change a definition in an editor",
        .text = "The text is as mdevctl has it: type, start (auto or manual) and attributes. It\n"
                "is read before the daemon gets it; what is refused is not lost. The editor is\n"
                "$MDEVDCTL_EDITOR, $VISUAL or $EDITOR. For an owner see `owner`.\n",
        .operand = "UUID",
        .options = options,
        .n_options = ARRAY_SIZE(options),
        .example = "  mdevdctl edit c3ee7d8a-4a40-4b11-9b0f-00000000000d\n",
        .run = run,
};
