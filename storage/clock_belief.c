#include "storage/clock_belief.h"

#include <assert.h>

_Static_assert(CLOCK_JUMP_MS < CLOCK_ABSENCE_MS, "after an absence more is taken for normal");

static bool clock_is_ahead(const clock_belief *b, int64_t wall_ms, int64_t expected_ms)
{
    bool absent = b->steady_ms == 0 && b->grace_ms == 0;
    return b->believed_ms > 0 && wall_ms > expected_ms &&
           wall_ms - expected_ms > (absent ? CLOCK_ABSENCE_MS : CLOCK_JUMP_MS);
}

int64_t clock_believe(clock_belief *b, int64_t wall_ms, int64_t steady_ms, bool *jumped)
{
    assert(steady_ms > 0);
    assert(b->steady_ms <= steady_ms);
    int64_t passed_ms = b->steady_ms > 0 ? steady_ms - b->steady_ms : 0;
    int64_t expected_ms = b->believed_ms + passed_ms;
    bool ahead = clock_is_ahead(b, wall_ms, expected_ms);
    *jumped = ahead && b->grace_ms == 0;
    b->steady_ms = steady_ms;
    b->grace_ms = *jumped ? 1 : ahead ? b->grace_ms + passed_ms : 0;
    if (b->grace_ms > CLOCK_GRACE_MS) {
        ahead = false;
        b->grace_ms = 0;
    }
    assert(!*jumped || ahead);
    b->believed_ms = ahead ? expected_ms : wall_ms;
    return b->believed_ms;
}
