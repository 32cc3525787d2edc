/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod-fuzz-ioctl CALLS [SEED]: at least that many hostile system calls on /dev/mdevd, and as many
 * again on the config space, BARs and interrupts of devices made through it, from that seed. See
 * ioctl.h.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include "ioctl.h"

#define CHECK_EVERY 512

#define ENOUGH 50000 /* of so many calls some of each kind must have gone through */

uint64_t calls, done[DONES];

static uint64_t state, seed;

uint64_t rnd(void) {
        uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

uint64_t rnd_below(uint64_t n) {
        return rnd() % n;
}

bool rnd_chance(uint64_t n) {
        return rnd_below(n) == 0;
}

uint64_t rnd_wild(void) {
        static const uint64_t base[] = {
                0, 8, PAGE, 16 * PAGE, UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 39,
                UINT64_C(1) << 40, UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX,
        };
        uint64_t v = base[rnd_below(ELEMENTS(base))] + rnd_below(9) - 4;

        return rnd_chance(3) ? v & ~(PAGE - 1) : v;
}

void bad(const char *format, ...) {
        va_list args;

        printf("not ok - call %lu of seed %lu: ", calls, seed);
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        printf("\n");
        fflush(stdout);
        _exit(1);
}

static void report(void) {
        static const char *const names[DONES] = {
                "reserve", "release", "configure", "unconfigure", "hold", "create", "remove",
                "open", "read", "write", "mmap", "irq", "race",
        };

        printf("# went through:");
        for (int i = 0; i < DONES; i++)
                printf(" %s %lu", names[i], done[i]);
        printf("\n");
        for (int i = 0; i < DONES && calls >= ENOUGH; i++)
                EXPECT(done[i] > 0, "no %s went through", names[i]);
}

/*
 * One step of whichever has more left to do, but now and then of the other: they need each other.
 */
static void step(uint64_t *control, uint64_t *device, uint64_t wanted) {
        bool control_is_done = *control >= wanted, device_is_done = *device >= wanted;
        uint64_t before = calls, of = control_is_done == device_is_done ? 2 : 16;
        bool rare = rnd_chance(of);

        if (control_is_done && !device_is_done ? rare : !rare) {
                ctl_step();
                *control += calls - before;
        } else {
                vfio_step();
                *device += calls - before;
        }
}

int main(int argc, char **argv) {
        uint64_t control = 0, device = 0;
        uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : 0, next = CHECK_EVERY;

        if (wanted == 0) {
                fprintf(stderr, "usage: kmod-fuzz-ioctl CALLS [SEED]\n");
                return 1;
        }
        if (argc > 2)
                seed = strtoull(argv[2], NULL, 0);
        else if (getrandom(&seed, sizeof(seed), 0) < 0)
                return 1;
        state = seed;
        printf("# seed %lu\n", seed);
        fflush(stdout);

        memory_init();
        model_init();
        ctl_init();
        while (control < wanted || device < wanted) {
                step(&control, &device, wanted);
                if (rnd_chance(1500))
                        vfio_open_close();
                if (calls >= next) {
                        model_compare(ctl_fd(0));
                        memory_guards_check();
                        next = calls + CHECK_EVERY;
                }
        }
        vfio_end();
        model_compare(ctl_fd(0));
        ctl_end();
        report();
        printf("ok - %lu calls of control, %lu of devices\n", control, device);
        return 0;
}
