/* mended: a program with two endpoints for tests of what is done to runs: a run of POST /work fails until the test has
 * mended what the run needs, one of POST /nap sleeps for an hour. */
#ifndef TESTS_RUNTIME_RUN_MENDED_H
#define TESTS_RUNTIME_RUN_MENDED_H

#include "tests/harness/turned.h"

static bool mended;

static inline sw_value mended_need(sw_ctx *c, sw_value v)
{
    if (!mended) sw_fail_fatal(c, "not mended");
    return v;
}

static inline void mended_on_work(sw_ctx *c)
{
    (void)sw_step(c, "need", mended_need, sw_nil());
    sw_reply_text(c, 200, "worked");
}

static inline void mended_on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static inline void mended_routes(sw_app *app)
{
    sw_endpoint(app, "POST /work", mended_on_work, NULL);
    sw_endpoint(app, "POST /nap", mended_on_nap, NULL);
}

#endif
