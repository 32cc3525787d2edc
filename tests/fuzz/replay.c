/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * replay.c runs a fuzz target over the files of a corpus, so that what a fuzzer once found is
 * tested by every build, with any compiler. Each file is also cut short at many places and has
 * single bytes changed: a corpus alone holds mostly what is survived.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "util/fs.h"
#include "util/macro.h"

#define VARIANTS 64

/* The target must not read beyond what it is given: an exact copy lets a sanitizer see it. */
static void run_one(const char *data, size_t size) {
        _cleanup_(freep) uint8_t *copy = malloc(size ?: 1);

        assert(copy);
        memcpy(copy, data, size);
        (void) LLVMFuzzerTestOneInput(copy, size);
}

static void run_variants(char *data, size_t size) {
        static const char bytes[] = { 0, '"', '\\', '{', ']', ',', '9', '\n', (char) 0xff };

        for (size_t i = 0; i < VARIANTS && size > 0; i++) {
                const size_t at = size * i / VARIANTS;
                const char was = data[at];

                run_one(data, at);
                data[at] = bytes[i % sizeof(bytes)];
                run_one(data, size);
                data[at] = was;
        }
}

static size_t run_folder(const char *path) {
        _cleanup_(closedirp) DIR *dir = opendir(path);
        size_t n = 0;

        if (!dir) {
                printf("Bail out! cannot open %s\n", path);
                exit(EXIT_FAILURE);
        }
        for (struct dirent *e; (e = readdir(dir));) {
                _cleanup_(freep) char *data = NULL;
                size_t size;

                if (e->d_name[0] == '.')
                        continue;
                printf("# %s/%s\n", path, e->d_name);
                (void) fflush(stdout);
                assert(read_file_at(dirfd(dir), e->d_name, 16 << 20, &data, &size) == 0);
                run_one(data, size);
                run_variants(data, size);
                n++;
        }
        return n;
}

int main(int argc, char **argv) {
        int failed = argc < 2;

        for (int i = 1; i < argc; i++) {
                const size_t n = run_folder(argv[i]);

                printf("%sok %d - %zu files of %s\n", n > 0 ? "" : "not ", i, n, argv[i]);
                failed |= n == 0;
        }
        printf("1..%d\n", argc - 1);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
