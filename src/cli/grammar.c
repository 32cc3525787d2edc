/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grammar.c owns taking command lines apart by the tables of verbs, the sentences about what is
 * wrong with them, and the help that is made from the same tables.
 */
#include "cli/grammar.h"

#include "cli/answer.h"
#include "util/closest.h"
#include "util/utf8.h"

#define HELP_INDEX (-1)
#define VERSION_INDEX (-2)
#define NO_INDEX (-3)

typedef struct Words Words;

/* The command line as far as it has been read. */
struct Words {
        const Verb *verb;
        const char *program;
        int argc;
        char *const *argv;
        int next;
        Given *given;
};

static int wrong(const Words *w, const char *format, ...) _printf_(2, 3);

static int wrong(const Words *w, const char *format, ...) {
        va_list ap;

        (void) fputs("error: ", stderr);
        va_start(ap, format);
        answer_print(format, ap);
        va_end(ap);
        (void) fprintf(stderr, "\n\nSee '%s %s --help'.\n", w->program, w->verb->name);
        return GRAMMAR_WRONG;
}

static int find_letter(const Verb *v, char c) {
        for (size_t i = 0; i < v->n_options; i++)
                if (v->options[i].letter == c)
                        return (int) i;
        return c == 'h' ? HELP_INDEX : c == 'V' && v->version ? VERSION_INDEX : NO_INDEX;
}

static int find_name(const Verb *v, const char *name, size_t length) {
        for (size_t i = 0; i < v->n_options; i++)
                if (strlen(v->options[i].name) == length &&
                    strncmp(v->options[i].name, name, length) == 0)
                        return (int) i;
        if (length == strlen("help") && strncmp(name, "help", length) == 0)
                return HELP_INDEX;
        if (v->version && length == strlen("version") && strncmp(name, "version", length) == 0)
                return VERSION_INDEX;
        return NO_INDEX;
}

static int unknown_option(const Words *w, const char *word) {
        const size_t n = word[1] == '-' ? strcspn(word, "=") : strlen(word);
        _cleanup_(freep) char *name = strndup(word, n); /* without its value */
        Closest c = closest_begin_typo(name && n > 2 ? name + 2 : "");

        for (size_t i = 0; word[1] == '-' && i < w->verb->n_options; i++)
                (void) closest_offer(&c, w->verb->options[i].name);
        if (c.name)
                return wrong(w, "there is no option '%s'; did you mean '--%s'?", name ?: word,
                             c.name);
        return wrong(w, "there is no option '%s'", name ?: word);
}

/* @value: what stood behind "=" or the letter, or NULL. */
static int take_option(Words *w, int index, const char *word, const char *value) {
        const Option *o = &w->verb->options[index];

        if (GIVEN(w->given, index))
                return wrong(w, "the option '--%s' is there more than once", o->name);
        if (!o->value && value)
                return wrong(w, "the option '--%s' takes no value, found '%s'", o->name, word);

        if (o->value && !value && !o->optional) {
                const char *next = w->next < w->argc ? w->argv[w->next] : NULL;

                if (!next || (next[0] == '-' && next[1]))
                        return wrong(w, "the option '--%s' needs a value, <%s>%s", o->name,
                                     o->value,
                                     next ? "; one that begins with '-' goes behind '='" : "");
                value = next;
                w->next++;
        }
        if (o->value && value && o->is_valid && !o->is_valid(value))
                return wrong(w, "'%s' cannot be the value of '--%s': expected %s", value, o->name,
                             o->expect);

        w->given->mask |= OPTION_BIT(index);
        w->given->values[index] = value;
        return 0;
}

static int special(int index, bool letter) {
        return index == VERSION_INDEX ? GRAMMAR_VERSION : letter ? GRAMMAR_HELP_LINE : GRAMMAR_HELP;
}

static int take_long(Words *w, const char *word) {
        const char *name = word + 2, *equals = strchr(name, '=');
        int index = find_name(w->verb, name, equals ? (size_t) (equals - name) : strlen(name));

        if (index == NO_INDEX)
                return unknown_option(w, word);
        if (index >= 0)
                return take_option(w, index, word, equals ? equals + 1 : NULL);
        if (equals)
                return wrong(w, "'%s': this option takes no value", word);
        return special(index, false);
}

/* "-dvu=UUID": flags, and at most one option with a value at the end. */
static int take_letters(Words *w, const char *word) {
        for (const char *c = word + 1; *c; c++) {
                const char *value = NULL;
                int index = find_letter(w->verb, *c), r;

                if (index == NO_INDEX)
                        return unknown_option(w, word);
                if (index < 0)
                        return special(index, true);
                if (w->verb->options[index].value && c[1])
                        value = c[1] == '=' ? c + 2 : c + 1;
                else if (c[1] == '=')
                        value = c + 2;
                r = take_option(w, index, word, value);
                if (r != 0 || value)
                        return r;
        }
        return 0;
}

static int take_operand(Words *w, const char *word) {
        if (w->verb->operand && !w->given->operand)
                w->given->operand = word;
        else if (w->verb->operand2 && !w->given->operand2)
                w->given->operand2 = word;
        else
                return wrong(w, "'%s' is one word too many", word);
        return 0;
}

static int take_words(Words *w) {
        bool only_operands = false;

        while (w->next < w->argc) {
                const char *word = w->argv[w->next++];
                int r;

                if (!only_operands && streq(word, "--")) {
                        only_operands = true;
                        continue;
                }
                if (only_operands || word[0] != '-' || !word[1])
                        r = take_operand(w, word);
                else if (word[1] == '-')
                        r = take_long(w, word);
                else
                        r = take_letters(w, word);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* "--auto, --manual or --jsonfile" */
static const char *names_of(const Verb *v, uint32_t mask, const char *last, char *buf,
                            size_t size) {
        size_t n = 0;
        int used = 0;

        for (size_t i = 0; i < v->n_options; i++)
                n += (mask & OPTION_BIT(i)) != 0;
        buf[0] = '\0';
        for (size_t i = 0; i < v->n_options && (size_t) used < size; i++) {
                if (!(mask & OPTION_BIT(i)))
                        continue;
                n--;
                used += snprintf(buf + used, size - used, "%s--%s",
                                 used == 0 ? ""
                                 : n == 0  ? last
                                           : ", ",
                                 v->options[i].name);
        }
        return buf;
}

#define NAMES(v, mask, last) names_of((v), (mask), (last), (char[256]){}, 256)

/* What cannot be given any more, because of what is: clap does not ask for that. */
static uint32_t excluded_by(const Verb *v, uint32_t mask) {
        uint32_t excluded = mask & v->exclusive ? v->exclusive : 0;

        for (size_t i = 0; i < ARRAY_SIZE(v->rules) && v->rules[i].given; i++) {
                if (mask & v->rules[i].given)
                        excluded |= v->rules[i].excludes;
                if (mask & v->rules[i].excludes)
                        excluded |= v->rules[i].given;
        }
        return excluded;
}

static int check(const Words *w) {
        const Verb *v = w->verb;
        const uint32_t mask = w->given->mask;
        uint32_t both, needs;

        if (v->required & ~mask)
                return wrong(w, "missing: %s", NAMES(v, v->required & ~mask, " and "));
        if (v->any && !(mask & v->any))
                return wrong(w, "missing: one of %s", NAMES(v, v->any, " and "));
        both = mask & v->exclusive;
        if (both & (both - 1))
                return wrong(w, "%s exclude each other", NAMES(v, both, " and "));

        for (size_t i = 0; i < ARRAY_SIZE(v->rules) && v->rules[i].given; i++) {
                if ((mask & v->rules[i].given) == 0)
                        continue;
                needs = v->rules[i].needs & ~mask & ~excluded_by(v, mask);
                if (needs)
                        return wrong(w, "%s needs %s", NAMES(v, mask & v->rules[i].given, ", "),
                                     NAMES(v, needs, " and "));
                if (v->rules[i].excludes & mask)
                        return wrong(w, "%s goes without %s",
                                     NAMES(v, mask & v->rules[i].given, ", "),
                                     NAMES(v, v->rules[i].excludes & mask, " and "));
        }
        if (v->operand && !v->operand_optional && !w->given->operand)
                return wrong(w, "missing: <%s>", v->operand);
        return 0;
}

int grammar_parse(const Verb *verb, const char *program, int argc, char *const argv[], Given *ret) {
        Given given = { .program = program };
        Words w = { .verb = verb, .program = program, .argc = argc, .argv = argv, .given = &given };
        int r;

        assert(verb->n_options <= GRAMMAR_OPTIONS_MAX);
        r = take_words(&w);
        if (r == 0)
                r = check(&w);
        if (r == 0)
                *ret = given;
        return r;
}

const Verb *grammar_find(const Verb *const *verbs, const char *name) {
        for (const Verb *const *v = verbs; *v; v++)
                if (streq((*v)->name, name))
                        return *v;
        return NULL;
}

void grammar_unknown_verb(const char *program, const char *name, const Verb *const *verbs) {
        Closest c = closest_begin_typo(name);

        for (const Verb *const *v = verbs; *v; v++)
                if ((*v)->title)
                        (void) closest_offer(&c, (*v)->name);
        (void) fputs("error: there is no command '", stderr);
        utf8_write_escaped(stderr, name);
        (void) fputc('\'', stderr);
        if (c.name)
                (void) fprintf(stderr, "; did you mean '%s'?", c.name);
        (void) fprintf(stderr, "\n\nSee '%s --help'.\n", program);
}

void grammar_help_verbs(FILE *f, const char *program, const char *title, const Verb *const *verbs) {
        size_t width = strlen("help");

        for (const Verb *const *v = verbs; *v; v++)
                if ((*v)->title)
                        width = MAX(width, strlen((*v)->name));
        (void) fprintf(f, "%s\n\nUsage: %s <COMMAND>\n\nCommands:\n", title, program);
        for (const Verb *const *v = verbs; *v; v++)
                if ((*v)->title)
                        (void) fprintf(f, "  %-*s  %s\n", (int) width, (*v)->name, (*v)->title);
        (void) fprintf(f, "  %-*s  %s\n", (int) width, "help", "What a command does and takes");
        (void) fprintf(f, "\nOptions:\n  -h, --help     This text\n  -V, --version  The version\n");
}

static void help_option(FILE *f, const Option *o) {
        char left[64];

        (void) snprintf(left, sizeof(left), "%c%c%s --%s%s%s%s", o->letter ? '-' : ' ',
                        o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
                        !o->value ? "" : o->optional ? "[=" : " <", o->value ?: "",
                        !o->value ? "" : o->optional ? "]" : ">");
        (void) fprintf(f, "  %-28s %s\n", left, o->help);
}

static void help_operand(FILE *f, const char *operand, bool optional) {
        if (operand)
                (void) fprintf(f, optional ? " [%s]" : " <%s>", operand);
}

void grammar_help(FILE *f, const char *program, const Verb *verb, bool full) {
        const bool alone = streq(program, verb->name);

        (void) fprintf(f, "%s\n", verb->title ?: verb->name);
        if (full && verb->text)
                (void) fprintf(f, "\n%s", verb->text);
        (void) fprintf(f, "\nUsage: %s%s%s [OPTIONS]", program, alone ? "" : " ",
                       alone ? "" : verb->name);
        help_operand(f, verb->operand, verb->operand_optional);
        help_operand(f, verb->operand2, true);
        (void) fprintf(f, "\n\nOptions:\n");
        for (size_t i = 0; i < verb->n_options; i++)
                help_option(f, &verb->options[i]);
        help_option(f, &(Option){ "help", 'h', .help = "This text" });
        if (verb->version)
                help_option(f, &(Option){ "version", 'V', .help = "The version" });
        if (full && verb->example)
                (void) fprintf(f, "\nExample:\n%s", verb->example);
}

bool grammar_help_on(const char *program, const char *title, const Verb *const *verbs,
                     const char *name) {
        const Verb *verb = name ? grammar_find(verbs, name) : NULL;

        if (name && !verb) {
                grammar_unknown_verb(program, name, verbs);
                return false;
        }
        if (verb)
                grammar_help(stdout, program, verb, true);
        else
                grammar_help_verbs(stdout, program, title, verbs);
        return true;
}
