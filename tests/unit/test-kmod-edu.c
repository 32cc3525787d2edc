/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure parts of kmod/vendor: register page, queue, steps of a job, what a vendor may answer. */
#include "test.h"

#include "kmod-pure.h"
#include "vendor/edu_pure.h"

unsigned long kmod_compared;

#define SLICE (64 * 4096ULL)

/* The engine as QEMU has it: a buffer, and a bus with a bounce page and the card's memory. */
static uint8_t buffer[4096], bus[8192];

static void engine(const struct edu_step *step) {
        bool out = step->command & EDU_DMA_OUT;
        uint64_t inside = out ? step->from : step->to, outside = out ? step->to : step->from;

        ASSERT_TRUE(inside >= EDU_BUFFER && inside + step->length <= EDU_BUFFER + sizeof(buffer));
        ASSERT_TRUE(step->length > 0 && outside + step->length <= sizeof(bus));
        if (out)
                memcpy(bus + outside, buffer + (inside - EDU_BUFFER), step->length);
        else
                memcpy(buffer + (inside - EDU_BUFFER), bus + outside, step->length);
}

TEST(no_tenants_bytes_stay_in_the_engine) {
        static const struct edu_piece pieces[] = { { 4096, 700 }, { 6000, 1348 } };
        struct edu_step steps[EDU_STEPS_MAX];

        for (uint32_t n = 1; n <= 2; n++)
                for (uint32_t command = EDU_TO_CARD; command <= EDU_FROM_CARD; command++) {
                        uint32_t made, length = n == 1 ? 700 : 2048;

                        memset(bus, 0, sizeof(bus));
                        memset(buffer, 0, sizeof(buffer));
                        for (size_t i = 0; i < 2048; i++)
                                bus[command == EDU_TO_CARD ? i : (i < 700 ? 4096 : 5300) + i] =
                                        (uint8_t) (i * 7 + 1);
                        made = edu_plan(command, 0, 2048, pieces, n, steps);
                        ASSERT_TRUE(made <= EDU_STEPS_MAX);
                        for (uint32_t i = 0; i < made; i++)
                                engine(&steps[i]);
                        for (size_t i = 0; i < length; i++) {
                                ASSERT_TRUE(bus[i] == (uint8_t) (i * 7 + 1));
                                ASSERT_TRUE(bus[(i < 700 ? 4096 : 5300) + i] ==
                                            (uint8_t) (i * 7 + 1));
                        }
                        for (size_t i = 0; i < sizeof(buffer); i++)
                                ASSERT_TRUE(buffer[i] == 0); /* no tenant's bytes stay */
                }
}

/* Whatever a guest writes anywhere: every job taken lies inside its memory, every window too. */
TEST(no_write_gets_out_of_the_slice) {
        struct edu_regs regs = { .size = SLICE };
        uint64_t state = 17, jobs = 0, full = 0;

        edu_regs_reset(&regs);
        for (size_t i = 0; i < 2000000; i++) {
                static const uint32_t widths[] = { 1, 2, 4, 8 };
                uint32_t width = widths[kmod_below(&state, 4)];
                /* mostly registers, and mostly small numbers, so that many jobs are good */
                uint64_t offset = kmod_below(&state, kmod_below(&state, 8) ? 0xa0 : 4096);
                uint64_t value = kmod_below(&state, 3) ? kmod_below(&state, 3000)
                                                       : kmod_random(&state) >>
                                                                 kmod_below(&state, 64);

                if (kmod_below(&state, 8) == 0)
                        value = SLICE - kmod_below(&state, EDU_JOB_MAX);
                if (kmod_below(&state, 6) == 0)
                        offset = EDU_REG_COMMAND;
                if (offset == EDU_REG_COMMAND && kmod_below(&state, 8))
                        value = 1 + kmod_below(&state, 2);
                offset -= offset % width;
                uint32_t taken = regs.submitted, actions;

                actions = edu_regs_write(&regs, offset, width, value);
                (void) edu_regs_read(&regs, offset, width);
                ASSERT_EQ(actions & EDU_ACTION_JOB, regs.submitted - taken);
                full += regs.error == EDU_ERROR_FULL;
                for (size_t w = 0; w < EDU_WINDOWS; w++)
                        ASSERT_TRUE(regs.window[w] < SLICE / EDU_PAGE);
                ASSERT_TRUE(regs.n <= EDU_QUEUE_MAX && regs.size == SLICE);
                if (!(actions & EDU_ACTION_JOB)) {
                        if (kmod_below(&state, 500) == 0)
                                while (edu_regs_job(&regs))
                                        edu_regs_done(&regs, EDU_RESULT_DONE);
                        continue;
                }
                const struct edu_job *job =
                        &regs.jobs[(regs.first + regs.n - 1) % EDU_QUEUE_MAX];
                ASSERT_TRUE(job->length >= 1 && job->length <= EDU_JOB_MAX);
                ASSERT_TRUE(job->card < SLICE && job->length <= SLICE - job->card);
                ASSERT_TRUE(job->ram + (job->length - 1) >= job->ram);
                jobs++;
        }
        printf("# %llu jobs were taken, %llu writes found the queue full\n",
               (unsigned long long) jobs, (unsigned long long) full);
        ASSERT_TRUE(jobs > 1000 && full > 0);
}

TEST(ram_does_not_wrap) {
        struct edu_regs regs = { .size = SLICE, .length = 16, .ram = UINT64_MAX - 15 };

        ASSERT_EQ(edu_regs_write(&regs, EDU_REG_COMMAND, 4, EDU_TO_CARD), EDU_ACTION_JOB);
        regs.ram++;
        ASSERT_EQ(edu_regs_write(&regs, EDU_REG_COMMAND, 4, EDU_TO_CARD), 0);
        ASSERT_EQ(regs.error, EDU_ERROR_RANGE);
}

/* A vendor's answer is not trusted: the page is one of the device's own, or there is none. */
TEST(late_answers_are_checked) {
        const struct mdevd_piece memory[] = {
                { .guest = 0, .length = 8192, .phys = 0x100000, .backing = 0 },
                { .guest = 8192, .length = 4096, .phys = 0x900000, .backing = 1 },
        };
        struct mdevd_target t;

        ASSERT_OK(mdevd_resolve_late(memory, 2, 4096, 20480, 4096 + 8, 8192 + 8, 4088, &t));
        ASSERT_EQ(t.phys, 0x900008);
        ASSERT_EQ(t.start, 4096);
        ASSERT_EQ(t.end, 8192);
        /* a run is cut to the extent, and to what may be mapped */
        ASSERT_OK(mdevd_resolve_late(memory, 2, 4096, 20480, 4096, 0, UINT64_MAX, &t));
        ASSERT_EQ(t.end, 4096 + 8192);
        ASSERT_OK(mdevd_resolve_late(memory, 2, 4096, 20480, 16384, 0, UINT64_MAX, &t));
        ASSERT_EQ(t.end, 20480);
        /* outside its memory, by a byte and by far; a part of a page; pages that disagree */
        ASSERT_EQ(mdevd_resolve_late(memory, 2, 4096, 20480, 4096, 12288, 4096, &t), -ENXIO);
        ASSERT_EQ(mdevd_resolve_late(memory, 2, 4096, 20480, 4096, UINT64_MAX - 4095, 4096, &t),
                  -ENXIO);
        ASSERT_EQ(mdevd_resolve_late(memory, 2, 4096, 20480, 4096, 0, 4095, &t), -ENXIO);
        ASSERT_EQ(mdevd_resolve_late(memory, 2, 4096, 20480, 4096, 8, 4096, &t), -ENXIO);
}

TESTS_MAIN
