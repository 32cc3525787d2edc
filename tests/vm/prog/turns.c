/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * turns ROUNDS OUT-A OUT-B PROGRAM-A PROGRAM-B WORD…: what two programs cost with the same words,
 * run in turns; a word "@uuid" is another UUID each time. Prints three medians in nanoseconds, from
 * before the process is made until its end is known: of a program that does nothing, of A, of B. A
 * shell's own clock would cost as much as what is to be measured: under emulation a process of its
 * takes as long as all of mdevctl.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1000
#define WORDS_MAX 32
#define UUID "/proc/sys/kernel/random/uuid"

extern char **environ;

static void check(int bad, const char *what)
{
        if (bad) {
                perror(what);
                exit(1);
        }
}

static uint64_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static char *new_uuid(void)
{
        static char text[37];
        int fd = open(UUID, O_RDONLY | O_CLOEXEC);

        check(fd < 0 || read(fd, text, 36) != 36, UUID);
        close(fd);
        return text;
}

/* What it prints goes to @out; a program that fails ends the measurement. */
static uint64_t run(const char *program, char *const words[], const char *out)
{
        posix_spawn_file_actions_t actions;
        char *argv[WORDS_MAX + 2] = { (char *)program };
        uint64_t began, ended;
        int status;
        pid_t pid;

        for (int i = 0; words[i]; i++)
                argv[i + 1] = strcmp(words[i], "@uuid") == 0 ? new_uuid() : words[i];
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out,
                                         O_WRONLY | O_CREAT | O_TRUNC, 0600);
        began = now();
        check(posix_spawn(&pid, program, &actions, NULL, argv, environ) != 0, program);
        check(waitpid(pid, &status, 0) != pid, "waitpid");
        ended = now();
        posix_spawn_file_actions_destroy(&actions);
        if (status != 0) {
                fprintf(stderr, "turns: %s ended with status 0x%x\n", program, status);
                exit(1);
        }
        return ended - began;
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *times, int n)
{
        qsort(times, (size_t)n, sizeof(*times), compare);
        return times[n / 2];
}

int main(int argc, char *argv[])
{
        static uint64_t nothing[ROUNDS_MAX], a[ROUNDS_MAX], b[ROUNDS_MAX];
        char *none[] = { NULL };
        int rounds;

        if (argc == 1) /* the program that does nothing */
                return 0;
        rounds = argc > 6 ? atoi(argv[1]) : 0;
        if (rounds < 1 || rounds > ROUNDS_MAX || argc - 6 > WORDS_MAX) {
                fprintf(stderr, "see turns.c\n");
                return 2;
        }
        for (int i = 0; i < rounds; i++) {
                nothing[i] = run("/proc/self/exe", none, "/dev/null");
                a[i] = run(argv[4], argv + 6, argv[2]);
                b[i] = run(argv[5], argv + 6, argv[3]);
        }
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", median(nothing, rounds), median(a, rounds),
               median(b, rounds));
        return 0;
}
